"""A Valkey that is full lets ended answers go, and nothing that somebody needs."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from madang.kernel.lock import Locks
from madang.local.valkey import ValkeyServer
from tests.live import eventually

ANSWERS, OLDER, PIECES = 1000, 300, 60
"""So many are older that Valkey, which looks at ten keys at a time, always sees one of them."""

LOCKS = 50
PIECE = {b"t": b"message.delta", b"d": b'{"text":"' + 60 * b"x" + b'"}'}


async def write_log(valkey: Redis, name: str, seconds: int) -> None:
    async with valkey.pipeline(transaction=False) as calls:
        for seq in range(1, PIECES + 1):
            calls.xadd(name, PIECE, id=f"{seq}-0")  # type: ignore[arg-type]  # redis-py's dict is invariant
        calls.expire(name, seconds)
        await calls.execute()


async def test_a_full_valkey_keeps_locks_the_queue_and_running_answers(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, megabytes=6)
    await asyncio.to_thread(server.start)
    valkey = Redis.from_url(server.url)
    try:
        locks = Locks(valkey, "test")
        for name in range(LOCKS):
            assert await locks.acquire(f"{name}", 600)
        for number in range(OLDER):
            await write_log(valkey, f"ended:{number}", 120)

        async def are_older() -> bool:
            return await valkey.object("idletime", f"ended:{OLDER - 1}") >= 2

        await eventually(are_older)
        await write_log(valkey, "running", 86_400)
        for number in range(OLDER, ANSWERS):
            await write_log(valkey, f"ended:{number}", 120)
            if number % 20 == 0:
                await valkey.rpush("queue", number)
                assert await valkey.xlen("running") == PIECES
        assert (await valkey.info("stats"))["evicted_keys"] > ANSWERS / 4
        assert await valkey.llen("queue") == len(range(OLDER, ANSWERS, 20))
        assert all([await locks.extend(f"{name}", 600) for name in range(LOCKS)])
        assert (await valkey.info("memory"))["used_memory"] < 8_000_000
    finally:
        await valkey.aclose()
        await asyncio.to_thread(server.stop)
