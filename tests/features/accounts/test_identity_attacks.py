"""A provider that lies: what somebody gets who runs one, or signs in at one as whoever they like."""

from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.features.accounts.contracts import BELONGS, EXPECTED, WELCOME
from madang.features.accounts.module import Accounts
from madang.features.accounts.settings import OidcSettings
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.module import Module
from madang.kernel.settings import Settings
from tests.features.accounts.conftest import Join, Person, bearer, visitor
from tests.features.accounts.oidc import (
    IDENTITIES,
    START,
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
from tests.features.accounts.posting import deliver
from tests.features.accounts.provider import Provider
from tests.mailbox import Mailbox

SCHOOL = "018f0000-0000-7000-8000-000000000001"


class Organisation(Module):
    """Stands where organisations stand: has members, expects an address, and keeps who came."""

    name = "organisation"
    members: ClassVar[set[UUID]] = set()
    came: ClassVar[list[str]] = []

    def offers(self) -> Any:
        async def expects(_tx: Any, organisation: UUID, email: str) -> bool:
            return (str(organisation), email) == (SCHOOL, "expected@elsewhere.example")

        async def belongs(_tx: Any, organisation: UUID, account_id: UUID) -> bool:
            return str(organisation) == SCHOOL and account_id in self.members

        async def greet(_tx: Any, _account: UUID, _organisation: UUID, email: str) -> None:
            self.came.append(email)

        return (EXPECTED.offer(expects), BELONGS.offer(belongs), WELCOME.offer(greet))


async def linked(house: House, person: Person) -> int:
    async with house.db.transaction() as tx:
        query = text('SELECT count(*) FROM "user".identities WHERE account_id = :id')
        return int(await tx.scalar(query, {"id": person.id}) or 0)


async def make(house: House, person: Person, statement: str) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(text(statement), {"id": person.id})


async def test_attack_a_tenants_provider_asserts_the_supervisors_address(
    api: httpx.AsyncClient, idp: Provider, join: Join, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = await join(supervisor=True)
    for more in ({}, {"organisation": SCHOOL}, {"email_domains": ()}, {"email_domains": ("another.example",)}):
        set_up(monkeypatch, school(idp.url, **more))
        claims = {"email": supervisor.email, "email_verified": True, "sub": "attacker"}
        assert error_of(await sign_in(api, idp, **claims)) == "oidc_link_first"
    assert await linked(house, supervisor) == 0


PASSKEY = """
    INSERT INTO "user".passkeys (id, account_id, credential_id, public_key, rp_id, sign_count, transports, name)
    VALUES (gen_random_uuid(), :id, CAST(CAST(:id AS text) AS bytea), 'x', 'madang.test', 0, '[]', 'key')
"""


async def test_attack_linking_past_a_passkey(api: httpx.AsyncClient, idp: Provider, join: Join, house: House) -> None:
    person = await join()
    await verify_address(house, person)
    await make(house, person, PASSKEY)
    assert error_of(await sign_in(api, idp, email=person.email, sub="attacker")) == "oidc_link_first"
    assert await linked(house, person) == 0


@pytest.mark.parametrize("domains", [(), ("another.example",)])
async def test_attack_a_provider_speaks_for_addresses_that_nobody_gave_it(
    domains: tuple[str, ...],
    api: httpx.AsyncClient,
    idp: Provider,
    join: Join,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_up(monkeypatch, school(idp.url, email_domains=domains))
    person = await join()
    await verify_address(house, person)
    assert error_of(await sign_in(api, idp, email=person.email, sub="attacker")) == "oidc_link_first"
    assert await linked(house, person) == 0


async def test_attack_one_organisations_provider_takes_over_a_member_of_another(
    house_settings: Settings, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, organisation=SCHOOL))
    async with open_house(house_settings, [Accounts(), Organisation()], "test", deliver=lambda _: None) as house:
        stranger, member = await join(), await join()
        Organisation.members.add(member.id)
        async with visitor(house) as api:
            for person in (stranger, member):
                await verify_address(house, person)
            assert error_of(await sign_in(api, idp, email=stranger.email, sub="s")) == "oidc_link_first"
            assert (await who_is(api, await sign_in(api, idp, email=member.email, sub="m")))["id"] == str(member.id)


async def test_attack_a_directorys_person_is_claimed_by_an_address_outside_of_the_domains(
    house_settings: Settings, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, organisation=SCHOOL, registration="open"))
    Organisation.came.clear()
    async with open_house(house_settings, [Accounts(), Organisation()], "test", deliver=lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=("claims", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as api:
            claimed = await sign_in(api, idp, email="expected@elsewhere.example", sub="c")
            assert error_of(claimed) == "oidc_registration_closed"
            await who_is(api, await sign_in(api, idp, email=address(), sub="d"))
            await who_is(api, await sign_in(api, idp, email="expected@elsewhere.example", sub="d"))
    assert all(email.endswith("@example.org") for email in Organisation.came)
    assert len(Organisation.came) == 1


async def test_attack_a_new_account_claims_an_address_that_its_provider_does_not_speak_for(
    writing: House, idp: Provider, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, email_domains=()))
    email = address()
    async with visitor(writing) as api:
        told = await who_is(api, await sign_in(api, idp, email=email, sub="squatter"))
    assert told["email_verified"] is False
    await deliver(writing)
    assert [mail["To"] for mail in box.mails] == [email]
    assert "/verify-email#" in str(box.mails[0].get_body(("plain",)))


async def test_attack_an_organisations_provider_signs_in_whoever_became_a_supervisor(
    house_settings: Settings, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, organisation=SCHOOL))
    async with open_house(house_settings, [Accounts(), Organisation()], "test", deliver=lambda _: None) as house:
        person = await join()
        Organisation.members.add(person.id)
        await verify_address(house, person)
        async with visitor(house) as api:
            await who_is(api, await sign_in(api, idp, email=person.email, sub="p"))
            await make(house, person, 'UPDATE "user".accounts SET is_supervisor = true WHERE id = :id')
            assert error_of(await sign_in(api, idp, email=person.email, sub="p")) == "oidc_link_first"
            body = {"provider": "school", "return_to": "/settings"}
            begun = await api.post(IDENTITIES, json=body, headers=bearer(person.access_token))
            url = begun.json()["url"]
            await come_back(api, url, idp.sign_in(url, sub="p"))
            assert (await who_is(api, await sign_in(api, idp, sub="p")))["role"] == "supervisor"


async def test_a_provider_of_an_organisation_says_for_which_addresses(idp: Provider) -> None:
    with pytest.raises(ValueError, match="school speaks for an organisation: say in email_domains"):
        OidcSettings(oidc_providers=(school(idp.url, organisation=SCHOOL, email_domains=None),))


async def test_every_new_link_and_every_end_of_one_is_told_by_mail(
    writing: House, idp: Provider, join: Join, box: Mailbox
) -> None:
    by_address, by_hand = await join(), await join()
    await verify_address(writing, by_address)
    async with visitor(writing) as api:
        await who_is(api, await sign_in(api, idp, email=by_address.email, sub="a"))
        begun = await api.post(IDENTITIES, json={"provider": "school"}, headers=bearer(by_hand.access_token))
        url = begun.json()["url"]
        await come_back(api, url, idp.sign_in(url, sub="b", email=address()))
        mine = (await api.get(IDENTITIES, headers=bearer(by_hand.access_token))).json()
        await api.delete(f"{IDENTITIES}/{mine[0]['id']}", headers=bearer(by_hand.access_token))
    await deliver(writing)
    told = sorted((str(mail["To"]), str(mail["Subject"])) for mail in box.mails)
    assert told == sorted(
        [
            (by_address.email, "A sign-in provider was linked"),
            (by_hand.email, "A sign-in provider was linked"),
            (by_hand.email, "A sign-in provider was unlinked"),
        ]
    )


async def test_a_provider_that_is_silent_about_addresses_names_the_setting_that_trusts_it(
    api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    email = address()
    assert error_of(await sign_in(api, idp, email=email, email_verified=None)) == "oidc_email_not_vouched"
    assert "trusts_email" in capsys.readouterr().out
    set_up(monkeypatch, school(idp.url, trusts_email=True))
    assert (await who_is(api, await sign_in(api, idp, email=email, email_verified=None)))["email"] == email


async def test_attack_the_next_person_at_a_shared_computer_signs_in_as_the_last(
    api: httpx.AsyncClient, idp: Provider
) -> None:
    assert "prompt=" not in await begin(api)
    await who_is(api, await sign_in(api, idp, email=address(), sub="first"))
    left = await api.post("/api/v1/auth/logout")
    assert left.headers["clear-site-data"] == '"cache", "storage"'
    url = await begin(api)
    assert "prompt=select_account" in url
    await who_is(api, await come_back(api, url, idp.sign_in(url, email=address(), sub="second")))
    assert "prompt=" not in await begin(api)


@pytest.mark.parametrize(
    ("known", "asked"), [(["none", "login"], "login"), (["none"], None), (["select_account"], "select_account")]
)
async def test_a_provider_is_asked_in_a_word_that_it_knows(
    known: list[str], asked: str | None, api: httpx.AsyncClient, idp: Provider
) -> None:
    idp.described = {"prompt_values_supported": known}
    await api.post("/api/v1/auth/logout")
    location = httpx.URL(str((await api.get(START)).headers["location"]))
    assert location.params.get("prompt") == asked
