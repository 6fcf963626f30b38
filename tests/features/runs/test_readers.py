"""Readers of event streams: so many of one account, and for as long as their sign-in stands."""

import asyncio
from contextlib import ExitStack, aclosing
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from madang.catalog import installed
from madang.features.accounts.contracts import Device
from madang.features.accounts.service import desk, keys, people, registration, signing_in
from madang.features.accounts.service.standing import ended
from madang.features.runs.service import readers, reading
from madang.features.runs.service.sse import event_stream
from madang.features.runs.settings import RunSettings
from madang.kernel.auth import Principal
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from tests.features.runs.conftest import Asked

PASSWORD = "courtyard rain 7"


async def signed_in(house: House, email: str) -> tuple[Principal, str]:
    signed = await signing_in.sign_in(house, email, PASSWORD, Device("test", "test"))
    return await desk.authenticate(house, signed.access_token), signed.refresh_token


async def somebody(house: House) -> tuple[str, Principal]:
    email = f"{uuid4().hex}@example.org"
    made = await registration.create_supervisor(house, email, "", PASSWORD)
    return email, Principal(made.id)


async def test_an_account_reads_so_many_streams_and_others_are_not_in_its_way(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readers.settings, "load", lambda: RunSettings(max_streams=2))
    here = await house.resource(readers.open_readers)
    first, second = Principal(uuid4()), Principal(uuid4())
    with ExitStack() as reading_now:
        for _ in range(2):
            await readers.permit_reader(house, first)
            reading_now.enter_context(here.read(first))
        with pytest.raises(TooMany) as caught:
            await readers.permit_reader(house, first)
        assert caught.value.code == "too_many_streams"
        await readers.permit_reader(house, second)
    await readers.permit_reader(house, first)
    assert not here.by_account
    assert not here.reading


async def test_a_stream_ends_when_its_sign_in_does_and_another_of_the_same_person_goes_on(asked: Asked, soon: None):
    house = asked.house
    email = await _email_of(house, asked.who)
    (gone, refresh), (stays, _) = await signed_in(house, email), await signed_in(house, email)
    here = await house.resource(readers.open_readers)
    async with house.db.transaction(asked.who) as tx:
        opening = await reading.open_events(tx, asked.who, asked.run_id)

    async def read(who: Principal) -> None:
        async with aclosing(event_stream(house, who, opening, 0)) as pieces:
            async for _ in pieces:
                pass

    async with asyncio.TaskGroup() as group:
        ending, lasting = group.create_task(read(gone)), group.create_task(read(stays))
        async with asyncio.timeout(20):
            while len(here.reading) < 2:  # noqa: ASYNC110  # the tasks are being watched
                await asyncio.sleep(0.01)
            await signing_in.sign_out(house, refresh)
            await here.look()
            await ending
        assert not lasting.done()
        lasting.cancel()


async def test_who_is_suspended_leaves_or_lost_their_key_has_ended(house: House):
    assert {module.name for module in installed()} >= {"accounts"}
    (email, person), (leaver_email, leaver), (_, other) = [await somebody(house) for _ in range(3)]
    by_login, _ = await signed_in(house, email)
    async with house.db.transaction(leaver) as tx:
        assert await tx.scalar(text("SELECT supervisor.is_supervisor()")) is True
    async with house.db.transaction(other) as tx:
        made, secret = await keys.create(
            tx, other, keys.Wanted("a key", ["chat:read"], timedelta(days=1)), ["chat:read"]
        )
    by_key = await desk.authenticate(house, secret)
    everybody = {by_login, person, leaver, other, by_key}
    assert await ended(house, everybody) == set()
    await people.suspend_by_operator(house, email, suspended=True)
    async with house.db.transaction() as tx:
        leaving = 'UPDATE "user".accounts SET deletion_at = now() WHERE email = :email'
        await tx.execute(text(leaving), {"email": leaver_email})
    async with house.db.transaction(leaver) as tx:
        assert await tx.scalar(text("SELECT supervisor.is_supervisor()")) is False
    async with house.db.transaction(other) as tx:
        await keys.end(tx, other, made.id)
    assert await ended(house, everybody) == everybody - {other}
    await people.suspend_by_operator(house, email, suspended=False)


async def _email_of(house: House, who: Principal) -> str:
    async with house.db.transaction() as tx:
        found = await tx.scalar(text('SELECT email FROM "user".accounts WHERE id = :id'), {"id": who.account_id})
    return str(found)
