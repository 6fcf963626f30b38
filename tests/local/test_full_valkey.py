"""A Valkey that is full lets ended answers go, and nothing that somebody needs."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from madang.kernel.lock import Locks
from madang.local.valkey import ValkeyServer
from tests.live import eventually

ANSWERS, PIECES = 1000, 60
PIECE = {b"t": b"message.delta", b"d": b'{"text":"' + 60 * b"x" + b'"}'}


async def write_log(valkey: Redis, name: str, seconds: int) -> None:
    async with valkey.pipeline(transaction=False) as calls:
        for seq in range(1, PIECES + 1):
            calls.xadd(name, PIECE, id=f"{seq}-0")  # type: ignore[arg-type]  # redis-py's dict is invariant
        calls.expire(name, seconds)
        await calls.execute()


async def test_a_full_valkey_keeps_the_lead_the_queue_and_running_answers(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, megabytes=6)
    await asyncio.to_thread(server.start)
    valkey = Redis.from_url(server.url)
    try:
        await write_log(valkey, "ended:0", 120)

        async def is_older() -> bool:
            return await valkey.object("idletime", "ended:0") >= 2

        await eventually(is_older)
        locks = Locks(valkey, "test")
        assert await locks.acquire("scheduler", 60)
        await write_log(valkey, "running", 86_400)
        for number in range(1, ANSWERS):
            await write_log(valkey, f"ended:{number}", 120)
            if number % 20 == 0:
                assert await locks.extend("scheduler", 60)
                await valkey.rpush("queue", number)
                assert await valkey.xlen("running") == PIECES
        assert (await valkey.info("stats"))["evicted_keys"] > ANSWERS / 4
        assert await valkey.llen("queue") == ANSWERS // 20 - 1
        assert (await valkey.info("memory"))["used_memory"] < 8_000_000
    finally:
        await valkey.aclose()
        await asyncio.to_thread(server.stop)
