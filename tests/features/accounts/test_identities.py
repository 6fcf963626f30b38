"""Whose account an identity is: linking, unlinking, groups, and an independent provider."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import oidc_provider_mock
import pytest
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.features.accounts.contracts import EXPECTED, GROUPS, WELCOME, Grant
from madang.features.accounts.module import Accounts
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.module import Module
from madang.kernel.settings import Settings
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer
from tests.features.accounts.oidc import (
    CALLBACK,
    IDENTITIES,
    address,
    begin,
    come_back,
    error_of,
    school,
    set_up,
    sign_in,
    verify_address,
    who_is,
)
from tests.features.accounts.provider import Provider

SCOPE = "018f0000-0000-7000-8000-000000000001"

# Whose account it is


async def test_attack_takeover_by_an_unverified_address(
    api: httpx.AsyncClient, idp: Provider, join: Join, house: House
) -> None:
    victim = await join()
    await verify_address(house, victim)
    for verified in (False, None, "false", "yes", 1, [True]):
        claims = {"email": victim.email, "email_verified": verified, "sub": "attacker"}
        refused = "oidc_email_unverified" if verified is not None else "oidc_email_not_vouched"
        assert error_of(await sign_in(api, idp, **claims)) == refused


async def test_attack_takeover_of_whoever_registered_first_without_proof(
    api: httpx.AsyncClient, idp: Provider, join: Join
) -> None:
    squatter = await join()
    assert error_of(await sign_in(api, idp, email=squatter.email, sub="owner")) == "oidc_link_first"


async def test_both_sides_verified_are_linked(api: httpx.AsyncClient, idp: Provider, join: Join, house: House) -> None:
    person = await join("은비")
    await verify_address(house, person)
    told = await who_is(api, await sign_in(api, idp, email=person.email.upper(), sub="linked"))
    assert (told["id"], told["name"]) == (str(person.id), "은비")
    mine = await api.get(IDENTITIES, headers=bearer(person.access_token))
    assert [(one["provider"], one["label"], one["email"]) for one in mine.json()] == [("school", "학교", person.email)]


async def test_attack_linking_past_a_second_factor(
    api: httpx.AsyncClient, idp: Provider, join: Join, house: House
) -> None:
    person = await join()
    await verify_address(house, person)
    async with house.db.transaction() as tx:
        statement = text(
            'INSERT INTO "user".authenticators (account_id, sealed_secret, last_step, enabled_at)'
            " VALUES (:id, 'x', 0, now())"
        )
        await tx.execute(statement, {"id": person.id})
    assert error_of(await sign_in(api, idp, email=person.email, sub="past")) == "oidc_link_first"


async def test_registration_and_domains(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, school(idp.url), oidc_registration="closed")
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_registration_closed"
    set_up(monkeypatch, school(idp.url), oidc_email_domains=("Example.org",))
    for email in ("a@evil.example", "a@sub.example.org", "a@example.org.evil.example", "a@notexample.org"):
        assert error_of(await sign_in(api, idp, email=email)) == "oidc_registration_closed"
    await who_is(api, await sign_in(api, idp, email=address(), sub="d"))
    set_up(monkeypatch, school(idp.url, registration="closed"))
    assert error_of(await sign_in(api, idp, email=address(), sub="e")) == "oidc_registration_closed"


async def test_nobody_founds_a_house_from_outside(
    api: httpx.AsyncClient, idp: Provider, empty: None, house: House
) -> None:
    assert error_of(await sign_in(api, idp, email=address())) == "first_run"


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
async def test_the_disabled_and_the_deleted_stay_out(
    column: str, api: httpx.AsyncClient, idp: Provider, house: House
) -> None:
    told = await who_is(api, await sign_in(api, idp, email=address(), sub=column))
    async with house.db.transaction() as tx:
        await tx.execute(text(f'UPDATE "user".accounts SET {column} = now() WHERE id = :id'), {"id": told["id"]})
    assert error_of(await sign_in(api, idp, email=address(), sub=column)) == "account_disabled"


# Linking and unlinking


async def link(api: httpx.AsyncClient, person: Person, idp: Provider, **claims: Any) -> httpx.Response:
    begun = await api.post(
        IDENTITIES, json={"provider": "school", "return_to": "/settings"}, headers=bearer(person.access_token)
    )
    assert begun.status_code == 200, begun.text
    url = begun.json()["url"]
    return await come_back(api, url, idp.sign_in(url, **claims))


async def test_link_sign_in_and_unlink(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    person = await join()
    done = await link(api, person, idp, email="other@example.net", email_verified=False, sub="mine")
    assert done.headers["location"] == "/settings"
    assert "madang_refresh" not in done.headers["set-cookie"]
    assert (await who_is(api, await sign_in(api, idp, sub="mine", email=address())))["id"] == str(person.id)
    mine = (await api.get(IDENTITIES, headers=bearer(person.access_token))).json()
    gone = await api.delete(f"{IDENTITIES}/{mine[0]['id']}", headers=bearer(person.access_token))
    assert gone.status_code == 204
    assert (await api.get(IDENTITIES, headers=bearer(person.access_token))).json() == []


async def test_attack_linking_somebody_elses_identity(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    owner, thief = await join(), await join()
    await link(api, owner, idp, sub="one", email=address())
    refused = await link(api, thief, idp, sub="one", email=address())
    assert refused.headers["location"] == "/settings?sign-in-error=oidc_identity_taken"
    mine = (await api.get(IDENTITIES, headers=bearer(owner.access_token))).json()[0]["id"]
    stranger = await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(thief.access_token))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "identity_not_found")


async def test_attack_linking_after_signing_out(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    person = await join()
    begun = await api.post(IDENTITIES, json={"provider": "school"}, headers=bearer(person.access_token))
    url = begun.json()["url"]
    await api.post("/api/v1/auth/logout", json={"refresh_token": person.refresh_token})
    assert error_of(await come_back(api, url, idp.sign_in(url, email=address()))) == "signed_out"


async def test_the_last_way_in_stays(api: httpx.AsyncClient, idp: Provider, house: House) -> None:
    told = await who_is(api, await sign_in(api, idp, email=address(), sub="only"))
    token = (await api.post("/api/v1/auth/refresh")).json()["access_token"]
    mine = (await api.get(IDENTITIES, headers=bearer(token))).json()[0]["id"]
    refused = await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_last_way")
    async with house.db.transaction() as tx:
        statement = text("UPDATE \"user\".accounts SET password_hash = 'x' WHERE id = :id")
        await tx.execute(statement, {"id": told["id"]})
    assert (await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(token))).status_code == 204


async def test_no_password_signs_in_to_an_account_without_one(
    api: httpx.AsyncClient, idp: Provider, house: House
) -> None:
    email = address()
    await sign_in(api, idp, email=email, sub="bare")
    for password in ("", " ", PASSWORD):
        refused = await api.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


# Groups


class Granting(Module):
    """Stands where organisations stand: keeps what it was told."""

    name = "granting"
    told: ClassVar[list[tuple[str, list[Grant]]]] = []

    def offers(self) -> Any:
        async def apply(_tx: Tx, _account: Any, source: str, grants: Any) -> None:
            self.told.append((source, list(grants)))

        return (GROUPS.offer(apply),)


async def test_groups_give_and_take(
    house_settings: Settings, api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = {"group": "math", "scope_id": SCOPE, "role": "instructor"}
    more: Any = {"groups_claim": "groups", "supervisor_groups": ["admins"], "memberships": [mapping]}
    set_up(monkeypatch, school(idp.url, **more))
    granting = Granting()
    granting.told.clear()
    async with open_house(house_settings, [Accounts(), granting], "test", deliver=lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=("groups", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as browser:
            email = address()
            for groups, role, memberships in (
                (["admins", "math"], "supervisor", 1),
                ("math", "user", 1),
                (["admins"], "supervisor", 0),
                ({"admins": 1}, "user", 0),
                (None, "user", 0),
            ):
                told = await who_is(browser, await sign_in(browser, idp, email=email, sub="g", groups=groups))
                assert told["role"] == role
                source, grants = granting.told[-1]
                assert source == "oidc:school"
                assert len(grants) == memberships


async def test_groups_take_nothing_that_they_did_not_give(
    api: httpx.AsyncClient, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: Any = {"groups_claim": "groups", "supervisor_groups": ["admins"]}
    set_up(monkeypatch, school(idp.url, **more))
    boss = await join(supervisor=True)
    await link(api, boss, idp, sub="boss", email=address())
    for groups in (["admins"], []):
        told = await who_is(api, await sign_in(api, idp, sub="boss", email=address(), groups=groups))
        assert told["role"] == "supervisor"


# An independent provider


async def test_with_an_independent_provider(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, join: Join
) -> None:
    await join(supervisor=True)
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        set_up(monkeypatch, school(issuer))
        email = address()
        async with httpx.AsyncClient() as browser:
            claims = {"email": email, "email_verified": True, "name": "김마당"}
            await browser.put(f"{issuer}/users/jimin", json=claims)
            url = await begin(api)
            shown = await browser.post(url, data={"sub": "jimin"})
            assert shown.status_code == 302, shown.text
            back = urlsplit(shown.headers["location"])
            assert back.path == CALLBACK
            told = await who_is(api, await api.get(f"{back.path}?{back.query}"))
            assert (told["email"], told["name"]) == (email, "김마당")
            denied = await browser.post(await begin(api), data={"action": "deny"})
            back = urlsplit(denied.headers["location"])
            assert error_of(await api.get(f"{back.path}?{back.query}")) == "oidc_denied"


class Organisation(Module):
    """Stands where organisations stand: expects one address, and keeps who came."""

    name = "organisation"
    came: ClassVar[list[tuple[str, str]]] = []

    def offers(self) -> Any:
        async def expects(_tx: Tx, organisation: Any, email: str) -> bool:
            return (str(organisation), email) == (SCOPE, "expected@school.example")

        async def greet(_tx: Tx, account: Any, organisation: Any, email: str) -> None:
            self.came.append((str(organisation), email))

        return (EXPECTED.offer(expects), WELCOME.offer(greet))


async def test_a_closed_provider_lets_in_whom_its_organisation_expects(
    house_settings: Settings, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, organisation=SCOPE), oidc_registration="closed")
    organisation = Organisation()
    organisation.came.clear()
    async with open_house(house_settings, [Accounts(), organisation], "test", deliver=lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=("expected", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as browser:
            assert error_of(await sign_in(browser, idp, email=address(), sub="n")) == "oidc_registration_closed"
            unproved = {"email": "expected@school.example", "email_verified": False}
            assert error_of(await sign_in(browser, idp, sub="e", **unproved)) == "oidc_email_unverified"
            await who_is(browser, await sign_in(browser, idp, email="Expected@school.example", sub="e"))
    assert organisation.came == [(SCOPE, "expected@school.example")]
