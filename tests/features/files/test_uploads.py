"""An upload is either claimed by a row or gone, whatever happens in between."""

import asyncio
import hashlib

import pytest
from sqlalchemy import select, text

from madang.features.files.contracts import DiscardObject
from madang.features.files.service import uploads
from madang.features.files.settings import FileSettings
from madang.features.files.tables import File
from madang.kernel.db import OUTBOX
from madang.kernel.errors import Invalid, NotFound, TooLarge, Unavailable, UnsupportedType
from madang.kernel.house import House
from tests.features.knowledge.library import new_account


async def pieces(*content):
    for piece in content:
        yield piece


async def owed(house: House, key: str):
    """How many removals of the object the outbox holds."""
    async with house.db.transaction() as tx:
        rows = await tx.execute(select(OUTBOX.c.id).where(OUTBOX.c.payload["key"].astext == key))
        return len(rows.all())


async def test_what_comes_in_pieces_is_stored_whole(house):
    who = await new_account(house)
    received = await uploads.receive_upload(house, who, "../a.md", pieces(b"# ma", b"", b"dang"))
    assert (received.filename, received.media_type, received.size) == ("a.md", "text/markdown", 8)
    assert received.sha256 == hashlib.sha256(b"# madang").hexdigest()
    assert await house.storage.read(received.key) == b"# madang"


async def test_an_upload_that_nobody_claims_is_removed(house):
    who = await new_account(house)
    received = await uploads.receive_upload(house, who, "a.txt", pieces(b"text"))
    assert await owed(house, received.key) == 1
    await uploads.discard(house, DiscardObject(received.key))
    assert not await house.storage.exists(received.key)
    await uploads.discard(house, DiscardObject(received.key))


async def test_a_claimed_upload_stays_until_it_is_deleted(house):
    who = await new_account(house)
    received = await uploads.receive_upload(house, who, "a.txt", pieces(b"text"))
    async with house.db.transaction(who) as tx:
        file = await uploads.keep_file(tx, who, received)
    await uploads.discard(house, DiscardObject(file.key))
    assert await house.storage.exists(file.key)
    async with house.db.transaction(who) as tx:
        await uploads.delete_file(tx, who, file.id)
    assert await owed(house, file.key) == 2
    await uploads.discard(house, DiscardObject(file.key))
    assert not await house.storage.exists(file.key)


async def test_a_disk_that_takes_nothing_is_told_as_what_it_is(house):
    who = await new_account(house)
    await uploads.receive_upload(house, await new_account(house), "a.txt", pieces(b"the folder is made"))
    folder = house.settings.data_dir / "files" / "files" / str(who.account_id)
    folder.write_text("in the way of a folder")
    with pytest.raises(Unavailable, match="storage_unavailable"):
        await uploads.receive_upload(house, who, "a.txt", pieces(b"text"))


async def test_a_claim_that_is_rolled_back_leaves_the_removal(house):
    who = await new_account(house)
    received = await uploads.receive_upload(house, who, "a.txt", pieces(b"text"))

    async def claim_and_fail():
        async with house.db.transaction(who) as tx:
            await uploads.keep_file(tx, who, received)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await claim_and_fail()
    await uploads.discard(house, DiscardObject(received.key))
    assert not await house.storage.exists(received.key)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ((), Invalid),
        ((b"",), Invalid),
        ((b"x" * 600_000,) * 2, TooLarge),
        ((b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",), UnsupportedType),
    ],
)
async def test_what_is_refused_is_never_stored(house, monkeypatch, content, error):
    monkeypatch.setattr(uploads, "load", lambda: FileSettings(max_upload_mb=1))
    who = await new_account(house)
    with pytest.raises(error):
        await uploads.receive_upload(house, who, "a.txt", pieces(*content))
    async with house.db.transaction() as tx:
        assert not await tx.scalar(
            text("SELECT count(*) FROM supervisor.outbox WHERE payload->>'key' LIKE :mine"),
            {"mine": f"files/{who.account_id}/%"},
        )


async def test_an_account_keeps_no_more_than_its_quota_however_many_come_at_once(house, monkeypatch):
    monkeypatch.setattr(uploads, "load", lambda: FileSettings(storage_quota_mb=0.001))
    who, other = await new_account(house), await new_account(house)

    async def upload(owner, number):
        received = await uploads.receive_upload(house, owner, f"{number}.txt", pieces(b"x" * 300))
        async with house.db.transaction(owner) as tx:
            return await uploads.keep_file(tx, owner, received)

    done = await asyncio.gather(*(upload(who, number) for number in range(8)), return_exceptions=True)
    refused = [one for one in done if isinstance(one, TooLarge)]
    assert (len(refused), {one.code for one in refused}) == (5, {"storage_full"})
    assert refused[0].extra == {"used_bytes": 900, "quota_bytes": 1000}
    await upload(other, 0)
    kept = next(one for one in done if not isinstance(one, BaseException))
    async with house.db.transaction(who) as tx:
        await uploads.delete_file(tx, who, kept.id)
    await upload(who, 9)


async def test_without_a_quota_there_is_no_bound(house, monkeypatch):
    monkeypatch.setattr(uploads, "load", lambda: FileSettings(storage_quota_mb=0))
    who = await new_account(house)
    received = await uploads.receive_upload(house, who, "a.txt", pieces(b"x" * 300))
    async with house.db.transaction(who) as tx:
        assert (await uploads.keep_file(tx, who, received)).size == 300


async def test_an_upload_that_breaks_off_leaves_nothing(house):
    async def broken():
        yield b"text"
        raise ConnectionError

    who = await new_account(house)
    with pytest.raises(ConnectionError):
        await uploads.receive_upload(house, who, "a.txt", broken())
    async with house.db.transaction(who) as tx:
        assert await tx.scalar(select(File.id)) is None


async def test_nobody_elses_file_exists(house):
    who, stranger = await new_account(house), await new_account(house)
    received = await uploads.receive_upload(house, who, "a.txt", pieces(b"text"))
    async with house.db.transaction(who) as tx:
        file = await uploads.keep_file(tx, who, received)
    async with house.db.transaction(stranger) as tx:
        for act in (uploads.stored_file, uploads.delete_file):
            with pytest.raises(NotFound, match="file_not_found"):
                await act(tx, stranger, file.id)
