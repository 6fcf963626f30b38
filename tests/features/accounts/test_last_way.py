"""Nobody throws their last way in away: passkeys of who has no password. Identities have the same test of their own."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from madang.features.accounts.tables import AccountRow, IdentityRow, PasskeyRow
from madang.kernel.clock import now
from madang.kernel.house import House
from tests.features.accounts.conftest import Join, Person, bearer, visitor
from tests.features.accounts.guarding import code
from tests.features.accounts.oidc import school, set_up
from tests.features.accounts.passkeys import PASSKEYS, question, sign_in, with_passkey


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The api under a name that browsers allow passkeys on."""
    async with visitor(house, "http://localhost:8000") as client:
        yield client


async def without_password(house: House, person: Person) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(password_hash="").where(AccountRow.id == person.id))


async def of(house: House, person: Person) -> list[UUID]:
    async with house.db.transaction() as tx:
        return list(await tx.scalars(select(PasskeyRow.id).where(PasskeyRow.account_id == person.id)))


async def test_the_last_way_in_stays(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    await without_password(house, person)
    headers = bearer(person.access_token)
    (only,) = await of(house, person)
    refused = await api.delete(f"{PASSKEYS}/{only}", headers=headers)
    assert (refused.status_code, code(refused)) == (409, "passkey_last_way")
    asked = await question(api)
    assert (await sign_in(api, asked["challenge"], device.get(asked["options"]))).status_code == 200
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(password_hash="x").where(AccountRow.id == person.id))
    assert (await api.delete(f"{PASSKEYS}/{only}", headers=headers)).status_code == 204


@pytest.mark.parametrize(("is_set_up", "status"), [(True, 204), (False, 409)])
async def test_an_identity_is_another_way_in_while_its_provider_is_set_up(
    is_set_up: bool, status: int, api: httpx.AsyncClient, house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    await with_passkey(api, person)
    await without_password(house, person)
    set_up(monkeypatch, *([school("https://school.example")] if is_set_up else []))
    async with house.db.transaction() as tx:
        tx.add(
            IdentityRow(
                account_id=person.id,
                provider="school",
                issuer="https://school.example",
                subject=str(person.id),
                email=person.email,
                made_supervisor=False,
                last_used_at=now(),
            )
        )
    (only,) = await of(house, person)
    answer = await api.delete(f"{PASSKEYS}/{only}", headers=bearer(person.access_token))
    assert answer.status_code == status


async def test_of_the_last_two_removed_at_once_one_stays(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    for _ in range(2):
        await with_passkey(api, person)
    await without_password(house, person)
    headers = bearer(person.access_token)
    removals = [api.delete(f"{PASSKEYS}/{one}", headers=headers) for one in await of(house, person)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*removals)) == [204, 409]
    assert len(await of(house, person)) == 1
