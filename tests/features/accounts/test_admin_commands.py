"""`madang admin`, typed as an operator types it."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from sqlalchemy import delete, update

from madang import keyring
from madang.cli import main
from madang.features.accounts.cli import admin
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import sealing
from madang.features.accounts.tables import AuthenticatorRow
from madang.kernel import settings as kernel_settings
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.local.secrets import secret
from tests.features.accounts.conftest import PASSWORD, Join
from tests.features.accounts.guarding import Protected, first_step
from tests.mailbox import Mailbox, serving


@pytest.fixture
def typed(house: House, monkeypatch: pytest.MonkeyPatch):
    """Type a command against the house of this test: `typed("invite", "--json")`."""
    monkeypatch.setattr(kernel_settings, "load", lambda: house.settings)

    def run(*words: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(admin, words, input=answer)

    return run


def test_create_a_supervisor_and_make_one_of_an_account_that_exists(typed) -> None:
    for password in (PASSWORD, "another courtyard 8"):
        done = typed("create-supervisor", "Boss@Example.org", "--name", "Boss", "--json", answer=f"{password}\n")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["email"] == "boss@example.org"
        assert json.loads(done.stdout)["is_supervisor"] is True


def test_reset_a_password(typed) -> None:
    typed("create-supervisor", "lost@example.org", "--password", PASSWORD)
    done = typed("reset-password", "lost@example.org", answer="another courtyard 8\n")
    assert (done.exit_code, "signed out everywhere" in done.output) == (0, True)


async def test_keep_somebody_out_and_let_them_in_again(typed, api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    login = {"email": person.email, "password": PASSWORD}
    renewal = {"refresh_token": person.refresh_token}
    for words, status in (("end-sessions", 200), ("suspend", 403), ("suspend", 403), ("unsuspend", 200)):
        done = await asyncio.to_thread(typed, words, person.email.upper(), "--json")
        assert (done.exit_code, json.loads(done.stdout)["id"]) == (0, str(person.id))
        assert (await api.post("/api/v1/auth/refresh", json=renewal)).status_code == 401
        assert (await api.post("/api/v1/auth/login", json=login)).status_code == status


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("suspend", "nobody@example.org"), "no account"),
        (("unsuspend", "nobody@example.org"), "no account"),
        (("end-sessions", "nobody@example.org"), "no account"),
        (("reset-password", "nobody@example.org", "--password", PASSWORD), "no account"),
        (("create-supervisor", "not an address", "--password", PASSWORD), "name@example.org"),
        (("create-supervisor", "weak@example.org", "--password", "password1"), "unrelated words"),
        (("create-supervisor", "weak@example.org", "--password", "short"), "8 to 256"),
    ],
)
def test_what_cannot_be_done_says_why(words: tuple[str, ...], told: str, typed) -> None:
    done = typed(*words)
    assert done.exit_code == 1
    assert told in done.output


async def test_reset_the_second_factor_of_who_lost_it(typed, api: httpx.AsyncClient, guarded: Protected) -> None:
    await first_step(api, guarded.person.email)
    done = await asyncio.to_thread(typed, "reset-second-factor", guarded.person.email.upper(), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["id"] == str(guarded.person.id)
    signed = await api.post("/api/v1/auth/login", json={"email": guarded.person.email, "password": PASSWORD})
    assert signed.status_code == 200
    nobody = await asyncio.to_thread(typed, "reset-second-factor", "nobody@example.org")
    assert (nobody.exit_code, "no account" in nobody.output) == (1, True)


def test_an_invite_is_shown_once(typed) -> None:
    done = typed("invite", "--uses", "3", "--days", "2", "--note", "the team", "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["code"]) >= 20
    assert "good for 1" in typed("invite").output


def test_without_a_house_it_says_where_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "VALKEY_URL", "MADANG_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kernel_settings, "load", kernel_settings.Settings)
    monkeypatch.setenv("MADANG_DATA_DIR", "/nowhere")
    for language, said in (("en", "There is no Madang here"), ("ko", "실행 중인 마당이 없습니다")):
        monkeypatch.setenv("MADANG_LANG", language)
        done = CliRunner().invoke(main, ["admin", "invite"])
        assert done.exit_code == 1
        assert said in done.output
        assert "Traceback" not in done.output


def test_a_wrong_setting_is_named_by_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATABASE_URL": "postgresql://x", "VALKEY_URL": "redis://x", "MADANG_PORT": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MADANG_SECRET_KEY", "a secret for tests that is long enough")
    monkeypatch.setattr(kernel_settings, "load", kernel_settings.Settings)
    monkeypatch.setenv("MADANG_LANG", "ko")
    done = CliRunner().invoke(main, ["admin", "invite"])
    assert (done.exit_code, done.output) == (
        1,
        "Error: 설정 MADANG_PORT의 값을 쓸 수 없습니다: 정수여야 합니다.\n",
    )


def test_a_database_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = kernel_settings.Settings(
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        valkey_url="redis://127.0.0.1:1/0",
        secret_key="a secret for tests that is long enough",
    )
    monkeypatch.setattr(kernel_settings, "load", lambda: nowhere)
    done = CliRunner().invoke(admin, ["invite"])
    assert done.exit_code == 1
    assert "database does not answer" in done.output


def test_send_a_mail_to_see_whether_it_arrives(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Mailbox()) as box:
        for url, code in ((box.url, 0), ("smtp://127.0.0.1:1", 1), (None, 1)):
            settings = house.settings.model_copy(update={"smtp_url": SecretStr(url) if url else None})
            monkeypatch.setattr(kernel_settings, "load", lambda settings=settings: settings)
            done = CliRunner().invoke(admin, ["mail-test", "operator@example.org"])
            assert done.exit_code == code, done.output
    assert [mail["To"] for mail in box.mails] == ["operator@example.org"]


async def test_rotate_the_keys_of_a_data_folder(
    house: House, guarded: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.db.transaction() as tx:
        mine = AuthenticatorRow.account_id == guarded.person.id
        await tx.execute(delete(AuthenticatorRow).where(~mine))
    for name in ("MADANG_SECRET_KEY", "MADANG_OLD_SECRET_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MADANG_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_settings, "load", lambda: house.settings)

    async def rotate(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, admin, ["rotate-keys", *words], obj=[Accounts()])

    nothing = await rotate()
    assert (nothing.exit_code, "MADANG_OLD_SECRET_KEYS" in nothing.output) == (1, True)
    secret(tmp_path, keyring.CURRENT)
    (tmp_path / "secrets" / keyring.CURRENT).write_text(house.settings.secret_key.get_secret_value())
    for kept in (1, 2):
        done = await rotate("--json")
        told = json.loads(done.output)
        assert datetime.fromisoformat(told.pop("needed_until")) > now() + timedelta(days=29)
        assert told == {"sealed": 1, "unreadable": 0, "kept": kept, "dropped": 0}
    done = await rotate()
    assert "Sealed anew: 1. Former secrets kept: 3, dropped: 0.\nRestart `madang up` now" in done.output
    assert len(set(_secrets(tmp_path))) == 4
    monkeypatch.setenv("MADANG_SECRET_KEY", "a secret that the operator gave, which the folder's does not replace")
    before = _secrets(tmp_path)
    assert (await rotate()).exit_code == 1
    assert _secrets(tmp_path) == before


def _secrets(folder: Path) -> tuple[str, ...]:
    ring = keyring.read(folder)
    assert ring is not None
    return ring.secrets


async def test_seal_everything_with_a_secret_that_was_given(
    house: House, guarded: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(
            update(AuthenticatorRow)
            .values(sealed_secret=b"of another house" * 4)
            .where(AuthenticatorRow.account_id != guarded.person.id)
        )
    new = "a secret that the operator has given to every process"
    keys = {"secret_key": SecretStr(new), "old_secret_keys": (house.settings.secret_key,)}
    settings = house.settings.model_copy(update={**keys, "data_dir": tmp_path})
    monkeypatch.setenv("MADANG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MADANG_SECRET_KEY", new)
    monkeypatch.setenv("MADANG_OLD_SECRET_KEYS", json.dumps([house.settings.secret_key.get_secret_value()]))
    monkeypatch.setattr(kernel_settings, "load", lambda: settings)
    for sealed in (1, 0):
        done = await asyncio.to_thread(CliRunner().invoke, admin, ["rotate-keys"], obj=[Accounts()])
        assert (done.exit_code, f"Sealed anew: {sealed}. Former secrets kept: 1" in done.output) == (0, True), (
            done.output
        )
        assert "Take them out then, and restart." in done.output
    async with house.db.transaction() as tx:
        row = await tx.get_one(AuthenticatorRow, guarded.person.id)
    assert sealing.unseal_with([new], row.sealed_secret, row.account_id) is not None


async def test_an_export_is_the_operators_alone_and_replaces_a_file_only_when_it_is_whole(
    typed, join: Join, tmp_path: Path
) -> None:
    person, file = await join(), tmp_path / "own.zip"
    file.write_bytes(b"the one before")
    unknown = await asyncio.to_thread(typed, "export", "nobody@example.org", str(file))
    assert (unknown.exit_code, "There is no account" in unknown.output) == (1, True)
    assert file.read_bytes() == b"the one before"
    done = await asyncio.to_thread(typed, "export", person.email, str(file))
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(b"PK")
    assert file.stat().st_mode & 0o777 == 0o600
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == [file]
    nowhere = await asyncio.to_thread(typed, "export", person.email, str(tmp_path / "no" / "own.zip"))
    assert nowhere.exit_code == 1
    assert "cannot be written: No such file or directory" in nowhere.output
