"""What a process holds: resources that are opened once, values that may be forgotten, files, offers."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr
from redis.exceptions import RedisError

from madang.adapters.opening import open_house
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from madang.kernel.module import Module, Offers, Slot
from madang.kernel.settings import Settings
from madang.kernel.storage import Storage


class Kettle:
    """A resource that takes a while to open, and may fail a few times before."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.opened = self.closed = 0

    @asynccontextmanager
    async def open(self, house: House) -> AsyncIterator["Kettle"]:
        self.opened += 1
        await asyncio.sleep(0.02)
        if self.opened <= self.fails:
            raise OSError("no water")
        yield self
        self.closed += 1


async def test_a_resource_is_opened_once_for_all_who_ask_and_closed_with_the_house(house_settings: Settings):
    kettle = Kettle()
    open_it = kettle.open
    async with open_house(house_settings, [], "test", lambda _: None) as house:
        found = await asyncio.gather(*(house.resource(open_it) for _ in range(30)))
        assert {id(one) for one in found} == {id(kettle)}
        assert await house.resource(open_it) is kettle
        assert (kettle.opened, kettle.closed) == (1, 0)
    assert kettle.closed == 1


async def test_who_gives_up_waiting_spoils_it_for_nobody(house: House):
    kettle = Kettle()
    open_it = kettle.open
    hasty, patient = (spawn(house.resource(open_it), "asks") for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient is kettle
    assert kettle.opened == 1


async def test_a_resource_that_could_not_be_opened_is_tried_again(house: House):
    kettle = Kettle(fails=1)
    open_it = kettle.open
    outcomes = await asyncio.gather(*(house.resource(open_it) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in outcomes)
    assert await house.resource(open_it) is kettle
    assert kettle.opened == 2


class Cup(msgspec.Struct):
    size: int


class Mug(msgspec.Struct):
    colour: str


async def test_the_cache_gives_what_was_kept_until_its_time_is_over(house: House):
    key = new_id().hex
    await house.cache.set(key, Cup(3), ttl=60)
    assert await house.cache.get(key, Cup) == Cup(3)
    assert await house.cache.get(key, Mug) is None, "it is of another shape by now"
    await house.cache.delete(key)
    assert await house.cache.get(key, Cup) is None
    await house.cache.set(key, Cup(4), ttl=0.02)
    await asyncio.sleep(0.05)
    assert await house.cache.get(key, Cup) is None


async def test_what_is_not_in_the_cache_is_made_and_kept(house: House):
    key, made = new_id().hex, []

    async def make() -> Cup:
        made.append(1)
        return Cup(len(made))

    found = [await house.cache.get_or_make(key, Cup, 60, make) for _ in range(3)]
    assert found == [Cup(1)] * 3


async def test_without_valkey_the_cache_finds_and_keeps_nothing_but_refuses_to_forget(house_settings: Settings):
    away = house_settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")})
    async with open_house(away, [], "test", lambda _: None) as house:
        await house.cache.set("a", Cup(1), ttl=60)
        assert await house.cache.get("a", Cup) is None
        with pytest.raises(RedisError):
            await house.cache.delete("a")


async def test_files_come_back_as_they_were_however_they_are_given(house_settings: Settings, tmp_path: Path):
    storage = Storage(house_settings.model_copy(update={"data_dir": tmp_path}))
    content = random.Random(5).randbytes(3_000_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 70_001):
            yield content[start : start + 70_001]

    await storage.put("whole", content)
    await storage.put("folder/streamed", pieces())
    for key in ("whole", "folder/streamed"):
        assert await storage.exists(key)
        assert await storage.read(key) == content
        digest = hashlib.sha256()
        async for piece in storage.get(key):
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(content).digest()
        await storage.delete(key)
        await storage.delete(key)
        assert not await storage.exists(key)
    with pytest.raises(FileNotFoundError):
        await storage.read("whole")


async def test_a_folder_of_their_own_is_made_for_files(house_settings: Settings, tmp_path: Path):
    folder = tmp_path / "내 파일"
    storage = Storage(house_settings.model_copy(update={"storage_url": folder.as_uri()}))
    await storage.put("a/b", b"here")
    assert (folder / "a/b").read_bytes() == b"here"


async def test_an_upload_that_breaks_leaves_nothing(house_settings: Settings, tmp_path: Path):
    storage = Storage(house_settings.model_copy(update={"data_dir": tmp_path}))

    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(Exception, match=r".*"):
        await storage.put("broken", breaks())
    assert not await storage.exists("broken")


def test_ids_are_unique_and_sorted_by_their_making():
    ids = [new_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


def test_a_later_module_replaces_what_an_earlier_one_offered():
    slot: Slot[str] = Slot("greeting")

    class Early(Module):
        name = "early"

        def offers(self):
            return (slot.offer("hello"),)

    class Late(Module):
        name = "late"

        def offers(self):
            return (slot.offer("안녕"), Slot[str]("other").offer("x"))

    offers = Offers([Early(), Late()])
    assert (offers.all(slot), offers.one(slot)) == (["hello", "안녕"], "안녕")
    with pytest.raises(LookupError, match="no installed module"):
        Offers([]).one(slot)
