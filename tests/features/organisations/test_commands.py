"""`madang organisations`, typed as an operator types it."""

import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from madang.catalog import installed
from madang.features.organisations.cli import organisations
from madang.kernel import settings as kernel_settings
from madang.kernel.house import House
from tests.features.organisations.conftest import World


@pytest.fixture
def typed(house: House, monkeypatch: pytest.MonkeyPatch):
    """Type a command against the house of this test: `typed("list", "--json")`."""
    monkeypatch.setattr(kernel_settings, "load", lambda: house.settings)

    def run(*words: str) -> Result:
        return CliRunner().invoke(organisations, words, obj=installed())

    return run


@pytest.fixture
async def email(world: World) -> str:
    async with world.house.db.transaction() as tx:
        query = text('SELECT email FROM "user".accounts WHERE id = :id')
        return str(await tx.scalar(query, {"id": world.people["outsider"].account_id}))


def shown(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def test_an_organisation_is_made_listed_suspended_and_resumed(email: str, typed) -> None:
    made = shown(typed("create", "한옥 학교", "--owner", email, "--json"))[0]
    assert made["member_count"] == 1
    listed = typed("list")
    assert "한옥 학교" in listed.output
    for command, status in (("suspend", "suspended"), ("resume", "active")):
        assert shown(typed(command, str(made["id"]), "--json"))[0]["status"] == status
    assert [one["role"] for one in shown(typed("members", str(made["id"]), "--json"))] == ["owner"]
    assert email in typed("members", str(made["id"])).output


def test_a_tree_is_listed_as_one(world: World, typed) -> None:
    found = shown(typed("list", str(world.id("a")), "--json"))
    assert [(one["name"], one["depth"]) for one in found] == [("a", 0), ("a.p", 1), ("a.p.c", 2), ("a.q", 1)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "x", "--owner", "nobody@example.org"), "no account"),
        (("create", "  ", "--owner", "nobody@example.org"), "a name"),
        (("suspend", "nothing like that"), "no organisation"),
        (("members", "01890000-0000-7000-8000-000000000000"), "no organisation"),
        (("list", "a"), "Several"),
    ],
)
def test_what_cannot_be_done_says_why(words: tuple[str, ...], says: str, world: World, email: str, typed) -> None:
    for _ in range(2):
        shown(typed("create", "a", "--owner", email, "--json"))
    done = typed(*words)
    assert done.exit_code == 1
    assert says in done.output
