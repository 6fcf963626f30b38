"""Codes of an app, recovery codes, the second step of signing in, and attacks on them, each by its name."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text, update

from madang.features.accounts.contracts import Device as Place
from madang.features.accounts.service import registration, sealing, signing_in
from madang.features.accounts.service.factors import challenges, held, recovery_codes, second_step
from madang.features.accounts.tables import AccountRow, AuthenticatorRow, RecoveryCodeRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.errors import Problem
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.accounts.conftest import PASSWORD, Join, bearer
from tests.features.accounts.guarding import (
    LOGIN,
    ME,
    NEVER,
    STEP,
    Clock,
    Protected,
    code,
    deeds,
    first_step,
    post,
    protect,
    second,
)


async def test_signing_in_takes_two_steps(api: httpx.AsyncClient, house: House, guarded: Protected) -> None:
    first = await api.post(LOGIN, json={"email": guarded.person.email, "password": PASSWORD, "session": "cookie"})
    assert (first.status_code, code(first)) == (401, "second_factor_required")
    assert first.json()["methods"] == ["totp", "recovery_code"]
    assert "set-cookie" not in first.headers
    assert not {"access_token", "refresh_token"} & set(first.json())
    body = {"challenge": first.json()["challenge"], "method": "totp", "code": guarded.code(), "session": "cookie"}
    done = await api.post(STEP, json=body)
    assert (done.status_code, done.json()["user"]["id"]) == (200, str(guarded.person.id))
    assert api.cookies["madang_refresh"]
    me = await api.get("/api/v1/auth/me", headers=bearer(done.json()["access_token"]))
    assert me.status_code == 200
    assert "totp_enabled" in await deeds(house, guarded.person)


async def test_the_app_is_told_everything_once(api: httpx.AsyncClient, join: Join, clock: Clock) -> None:
    person = await join()
    begun = (await post(api, person, "totp", {"password": PASSWORD})).json()
    app = pyotp.parse_uri(begun["uri"])
    assert isinstance(app, pyotp.TOTP)
    assert (app.secret, app.issuer, app.name) == (begun["secret"], "Madang", person.email)
    assert begun["qr_svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    again = (await post(api, person, "totp", {"password": PASSWORD})).json()
    assert again["secret"] != begun["secret"]
    old = await post(api, person, "totp/confirm", {"code": app.at(clock.moment)})
    assert (old.status_code, code(old)) == (403, "second_factor_wrong")
    signed_in = await api.post(LOGIN, json={"email": person.email, "password": PASSWORD})
    assert signed_in.status_code == 200, "codes are asked for only when they were confirmed"


async def test_code_replay(api: httpx.AsyncClient, guarded: Protected) -> None:
    """A code that somebody looked at over a shoulder is used up, and so are all before it."""
    code_now, before = guarded.code(), guarded.code(-1)
    assert (await second(api, await first_step(api, guarded.person.email), code_now)).status_code == 200
    for used in (code_now, before):
        answer = await second(api, await first_step(api, guarded.person.email), used)
        assert (answer.status_code, code(answer)) == (401, "second_factor_wrong")
    guarded.clock.step()
    assert (await second(api, await first_step(api, guarded.person.email), guarded.code())).status_code == 200


async def test_the_code_that_turned_codes_on_is_used_up(api: httpx.AsyncClient, join: Join, clock: Clock) -> None:
    guarded = await protect(api, await join(), clock)
    clock.step(-30)
    answer = await second(api, await first_step(api, guarded.person.email), guarded.code())
    assert code(answer) == "second_factor_wrong"


@pytest.mark.parametrize(("aside", "status"), [(-3, 401), (-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
async def test_clocks_may_differ_by_one_step(
    aside: int, status: int, api: httpx.AsyncClient, guarded: Protected
) -> None:
    guarded.clock.step(60)
    challenge = await first_step(api, guarded.person.email)
    assert (await second(api, challenge, guarded.code(aside))).status_code == status


async def test_one_code_at_the_same_time_signs_in_once(api: httpx.AsyncClient, guarded: Protected) -> None:
    steps = [await first_step(api, guarded.person.email) for _ in range(6)]
    answers = await asyncio.gather(*(second(api, one, guarded.code()) for one in steps))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5


async def test_challenge_replay(api: httpx.AsyncClient, guarded: Protected) -> None:
    """One challenge signs in once, even with two proofs that are both good, at the same time or later."""
    challenge = await first_step(api, guarded.person.email)
    proofs = [(guarded.code(), "totp"), *((one, "recovery_code") for one in guarded.recovery_codes[:3])]
    answers = await asyncio.gather(*(second(api, challenge, one, method) for one, method in proofs))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    late = await second(api, challenge, guarded.recovery_codes[5], "recovery_code")
    assert (late.status_code, code(late)) == (401, "challenge_invalid")
    told = await api.get(f"{ME}/second-factors", headers=bearer(guarded.person.access_token))
    assert told.json()["recovery_codes_left"] >= 9, "what did not sign in is not used up"


async def test_challenge_for_another_account(api: httpx.AsyncClient, join: Join, clock: Clock) -> None:
    """An attacker's own challenge takes no code of the victim, and the victim's none of the attacker's."""
    victim, attacker = await protect(api, await join(), clock), await protect(api, await join(), clock)
    mine, theirs = await first_step(api, attacker.person.email), await first_step(api, victim.person.email)
    for challenge, proof in ((mine, victim), (theirs, attacker)):
        assert code(await second(api, challenge, proof.code())) == "second_factor_wrong"
        answer = await second(api, challenge, proof.recovery_codes[0], "recovery_code")
        assert code(answer) == "second_factor_wrong"
    head = challenges.read(theirs).raw[16:32]
    raw = challenges.read(mine).raw
    forged = challenges.written(challenges.Challenge(raw[:16] + head + raw[32:], victim.person.id))
    assert code(await second(api, forged, attacker.code())) == "challenge_invalid"


async def test_a_challenge_is_no_token(api: httpx.AsyncClient, guarded: Protected) -> None:
    challenge = await first_step(api, guarded.person.email)
    assert (await api.get("/api/v1/auth/me", headers=bearer(challenge))).status_code == 401
    refreshed = await api.post("/api/v1/auth/refresh", json={"refresh_token": challenge})
    assert (refreshed.status_code, code(refreshed)) == (401, "refresh_invalid")
    for token in (guarded.person.access_token, guarded.person.refresh_token, "mk_" + "A" * 43):
        assert code(await second(api, token, guarded.code())) == "challenge_invalid"


async def test_challenge_after_the_password_changed(api: httpx.AsyncClient, house: House, guarded: Protected) -> None:
    challenge = await first_step(api, guarded.person.email)
    await registration.reset_password(house, guarded.person.email, "another courtyard 8")
    assert code(await second(api, challenge, guarded.code())) == "challenge_invalid"


async def test_challenge_after_five_minutes(
    api: httpx.AsyncClient, guarded: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = await first_step(api, guarded.person.email)
    late = now() + challenges.LIFETIME + timedelta(seconds=1)
    monkeypatch.setattr(challenges, "now", lambda: late)
    assert code(await second(api, challenge, guarded.code())) == "challenge_invalid"


async def test_disabled_between_the_steps(api: httpx.AsyncClient, house: House, guarded: Protected) -> None:
    challenge = await first_step(api, guarded.person.email)
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(disabled_at=now()).where(AccountRow.id == guarded.person.id))
    answer = await second(api, challenge, guarded.code())
    assert (answer.status_code, code(answer)) == (403, "account_disabled")


async def test_brute_force_of_codes_with_one_challenge(
    api: httpx.AsyncClient, house: House, guarded: Protected
) -> None:
    challenge = await first_step(api, guarded.person.email)
    wrong = [second(api, challenge, guarded.wrong()) for _ in range(challenges.TRIES)]
    assert {code(answer) for answer in await asyncio.gather(*wrong)} == {"second_factor_wrong"}
    assert code(await second(api, challenge, guarded.code())) == "challenge_invalid"
    assert (await deeds(house, guarded.person)).count("second_factor_failed") == challenges.TRIES


async def test_brute_force_of_codes_with_many_challenges(api: httpx.AsyncClient, guarded: Protected) -> None:
    answers = []
    for _ in range(3):
        challenge = await first_step(api, guarded.person.email)
        answers += [await second(api, challenge, guarded.wrong()) for _ in range(4)]
    assert [code(one) for one in answers] == ["second_factor_wrong"] * 10 + ["too_many_attempts"] * 2
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_brute_force_of_codes_from_many_addresses_shuts_nobody_out(
    house: House, guarded: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows the password and guesses codes from everywhere ends up waiting a day; the owner signs in as ever."""
    monkeypatch.setattr(second_step, "TRIES", 6)
    email = guarded.person.email

    async def from_elsewhere(number: int, given_code: str, method: str = "totp") -> str:
        place = Place(f"203.0.113.{number}", "a stranger")
        with pytest.raises(Problem) as caught:
            await signing_in.sign_in(house, email, PASSWORD, place)
        answer = second_step.Answer(method, given_code)
        try:
            await second_step.finish(house, caught.value.extra["challenge"], answer, NEVER, place)  # type: ignore[arg-type]  # it is text
        except Problem as problem:
            return problem.code
        return "signed in"

    guesses = [await from_elsewhere(number, guarded.wrong()) for number in range(8)]
    assert guesses == ["second_factor_wrong"] * 6 + ["too_many_attempts"] * 2
    assert await from_elsewhere(50, guarded.code()) == "too_many_attempts"
    home = Place(guarded.person.email, "where the owner signed in before")
    with pytest.raises(Problem) as caught:
        await signing_in.sign_in(house, email, PASSWORD, home)
    challenge = str(caught.value.extra["challenge"])
    signed = await second_step.finish(house, challenge, second_step.Answer("totp", guarded.code()), NEVER, home)
    assert signed.account.id == guarded.person.id
    assert await from_elsewhere(51, guarded.recovery_codes[0], "recovery_code") == "signed in"


async def test_codes_guessed_where_the_owner_signed_in_before_are_bounded_too(
    house: House, guarded: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_step, "TRIES", 3)

    async def at_home(given_code: str) -> str:
        home = Place(guarded.person.email, "where the owner signed in before")
        with pytest.raises(Problem) as caught:
            await signing_in.sign_in(house, guarded.person.email, PASSWORD, home)
        challenge = str(caught.value.extra["challenge"])
        with pytest.raises(Problem) as caught:
            await second_step.finish(house, challenge, second_step.Answer("totp", given_code), NEVER, home)
        return caught.value.code

    answers = [await at_home(guarded.wrong()) for _ in range(4)]
    assert answers == ["second_factor_wrong"] * 3 + ["too_many_attempts"]


async def test_wrong_codes_without_the_password_count_for_nobody(api: httpx.AsyncClient, guarded: Protected) -> None:
    """Without a challenge of the first step nothing is counted against the account, so nobody is shut out by it."""
    for _ in range(12):
        assert code(await second(api, "A" * 91, "000000")) == "challenge_invalid"
    assert (await second(api, await first_step(api, guarded.person.email), guarded.code())).status_code == 200


@pytest.mark.parametrize(
    "junk", ["", " ", "12345", "1234567", "١٢٣٤٥٦", "１２３４５６", "12 34 5a", "\x00", "-12345", "1e5"]
)
async def test_malformed_codes(junk: str, api: httpx.AsyncClient, guarded: Protected) -> None:
    challenge = await first_step(api, guarded.person.email)
    for method in ("totp", "recovery_code"):
        assert code(await second(api, challenge, junk, method)) == "second_factor_wrong"
    spaced = guarded.code()[:3] + " " + guarded.code()[3:]
    assert (await second(api, challenge, spaced)).status_code == 200


async def test_turning_codes_on_and_off_takes_the_password(
    api: httpx.AsyncClient, house: House, join: Join, clock: Clock
) -> None:
    person = await join()
    assert code(await post(api, person, "totp", {})) == "password_needed"
    assert code(await post(api, person, "totp", {"password": "not it at all"})) == "password_wrong"
    guarded = await protect(api, person, clock)
    assert code(await post(api, person, "totp", {"password": PASSWORD})) == "totp_enabled"
    assert code(await post(api, person, "totp/confirm", {"code": guarded.code()})) == "totp_enabled"
    headers = bearer(person.access_token)
    for body, told in (({}, "password_needed"), ({"password": "not it at all"}, "password_wrong")):
        assert code(await api.request("DELETE", f"{ME}/totp", json=body, headers=headers)) == told
    done = await api.request("DELETE", f"{ME}/totp", json={"password": PASSWORD}, headers=headers)
    assert done.status_code == 204
    assert (await api.post(LOGIN, json={"email": person.email, "password": PASSWORD})).status_code == 200
    again = await api.request("DELETE", f"{ME}/totp", json={"password": PASSWORD}, headers=headers)
    assert (again.status_code, code(again)) == (409, "totp_not_enabled")
    assert code(await post(api, person, "recovery-codes", {"password": PASSWORD})) == "totp_not_enabled"
    noted = await deeds(house, person)
    assert [one for one in noted if "totp" in one] == ["totp_enabled", "totp_disabled"]
    async with house.db.transaction() as tx:
        left = select(func.count()).select_from(RecoveryCodeRow).where(RecoveryCodeRow.account_id == person.id)
        assert await tx.scalar(left) == 0


async def test_a_guess_of_the_password_at_an_open_screen_is_slowed_down(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    answers = [await post(api, person, "totp", {"password": f"guess number {number}"}) for number in range(12)]
    assert [code(one) for one in answers] == ["password_wrong"] * 10 + ["too_many_attempts"] * 2


async def test_confirming_without_a_beginning(api: httpx.AsyncClient, join: Join) -> None:
    answer = await post(api, await join(), "totp/confirm", {"code": "123456"})
    assert (answer.status_code, code(answer)) == (409, "totp_not_begun")


async def test_csrf_second_step_into_a_cookie(api: httpx.AsyncClient, guarded: Protected) -> None:
    body = {"challenge": await first_step(api, guarded.person.email), "method": "totp", "code": guarded.code()}
    crossing = await api.post(STEP, json=body | {"session": "cookie"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (crossing.status_code, code(crossing)) == (403, "cross_site")


async def test_what_is_stored_signs_nobody_in(house: House, guarded: Protected) -> None:
    """Neither the app's secret nor a recovery code is in the database, nor does the log of deeds tell one."""
    secret = guarded.app.byte_secret()
    tables = ('"user".authenticators', '"user".recovery_codes', "supervisor.audit")
    async with house.db.transaction() as tx:
        rows = [str(row) for table in tables for row in await tx.execute(text(f"TABLE {table}"))]
        sealed = await tx.scalar(
            select(AuthenticatorRow.sealed_secret).where(AuthenticatorRow.account_id == guarded.person.id)
        )
    assert sealed is not None
    assert secret not in sealed
    words = [guarded.app.secret, *guarded.recovery_codes, *(one.replace("-", "") for one in guarded.recovery_codes)]
    assert not [row for row in rows for word in words if word in row]


async def test_a_sealed_secret_opens_for_its_owner_under_our_key_only(house: House) -> None:
    owner, secret = new_id(), b"twenty secret bytes!"
    sealed = sealing.seal(house, secret, owner)
    assert sealing.unseal(house, sealed, owner) == sealing.Opened(secret, is_stale=False)
    assert sealing.unseal(house, sealed, new_id()) is None
    assert sealing.unseal(house, sealed[:-1] + bytes([sealed[-1] ^ 1]), owner) is None
    assert sealing.unseal(house, b"", owner) is None
    settings = house.settings.model_copy(update={"secret_key": SecretStr("another secret that is long enough")})
    assert sealing.unseal(replace(house, settings=settings), sealed, owner) is None
    assert sealing.seal(house, secret, owner) != sealed


async def test_row_level_security_hides_factors_from_other_accounts(
    house: House, join: Join, guarded: Protected
) -> None:
    for who, count in ((guarded.person, 1), (await join(), 0)):
        async with house.db.transaction(Principal(who.id)) as tx:
            assert await tx.scalar(select(func.count()).select_from(AuthenticatorRow)) == count
            assert await tx.scalar(select(func.count()).select_from(RecoveryCodeRow)) == count * recovery_codes.COUNT


async def test_reset_by_the_operator(api: httpx.AsyncClient, house: House, guarded: Protected) -> None:
    await second_step.reset(house, guarded.person.email)
    assert (await api.get("/api/v1/auth/me", headers=bearer(guarded.person.access_token))).status_code in {200, 401}
    refreshed = await api.post("/api/v1/auth/refresh", json={"refresh_token": guarded.person.refresh_token})
    assert refreshed.status_code == 401
    assert (await api.post(LOGIN, json={"email": guarded.person.email, "password": PASSWORD})).status_code == 200
    assert "second_factors_reset" in await deeds(house, guarded.person)


async def test_without_valkey_the_second_step_waits_rather_than_lets_guess(house: House, guarded: Protected) -> None:
    """The throttle of the first step lets pass when Valkey is away; the second must not, since six digits are few."""
    place = Place(guarded.person.email, "a test")
    with pytest.raises(Problem) as caught:
        await signing_in.sign_in(house, guarded.person.email, PASSWORD, place)

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError(name)

    gone: Any = replace(house, valkey=Away())  # type: ignore[arg-type]  # whatever is asked of it fails
    answer = second_step.Answer("totp", guarded.code())
    with pytest.raises(ConnectionError):
        await second_step.finish(gone, str(caught.value.extra["challenge"]), answer, NEVER, place)


async def test_asking_for_second_factors_is_one_glance(house: House, join: Join) -> None:
    person = await join()
    async with house.db.transaction() as tx:
        assert await held.demanded(tx, person.id) == []
