"""Many people asking at once, and what must be true of all they asked."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import psycopg

from tests.faults.readers import LONGEST_SECONDS, People
from tests.live import Live, eventually, sign_in

TOKENS = 40
MODEL = f"openai/bench?tokens={TOKENS}&rate=40"
WHOLE = "".join(f"tok{i} " for i in range(TOKENS))
ASKERS = 8
SETTINGS = {
    "MADANG_RUN_LEASE_SECONDS": "1.5",
    "MADANG_RUN_HEARTBEAT_SECONDS": "0.5",
    "MADANG_RUN_MAX_ATTEMPTS": "50",
    "MADANG_REQUESTS_PER_MINUTE": "0",
    "MADANG_QUESTIONS_PER_MINUTE": "0",
}


@asynccontextmanager
async def asking(live: Live, seed: int, stops: float = 0) -> AsyncIterator[People]:
    """People who ask as long as the block lasts, and stop a share of their answers; checked at its end."""
    await live.ready()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        people = People(live, http, await sign_in(live, http), random.Random(seed), stops=stops)
        async with asyncio.TaskGroup() as group:
            for _ in range(ASKERS):
                group.create_task(people.ask_on(MODEL))
            try:
                yield people
            finally:
                people.over = True
        people.check()


async def in_the_middle(people: People) -> None:
    """Wait until several answers are being written, after another is whole: then readers hear more of two of them.

    Were the whole one not waited for, no answer would ever end on a machine that is slow to start what was killed.
    """
    whole = len(people.chats)

    async def one_more() -> bool:
        return len(people.chats) > whole

    await eventually(one_more, within=LONGEST_SECONDS)
    before = dict(people.heard)

    async def hear_more() -> bool:
        return sum(words > before.get(run_id, 0) for run_id, words in people.heard.items()) >= 2

    await eventually(hear_more, within=LONGEST_SECONDS)


def check_rows(live: Live, people: People) -> None:
    """No run is unfinished, each question has one run and one answer, and nothing is left in the outbox."""
    with psycopg.connect(live.postgres.url) as connection:
        unended = connection.execute(
            "SELECT count(*) FROM \"user\".runs WHERE status NOT IN ('finished', 'failed', 'cancelled')"
        ).fetchone()
        runs, questions, answers = connection.execute(
            "SELECT (SELECT count(*) FROM \"user\".runs), count(*) FILTER (WHERE role = 'user'),"
            " count(*) FILTER (WHERE role = 'assistant') FROM \"user\".messages"
        ).fetchone() or (0, 0, 0)
    assert unended == (0,)
    assert runs == questions == answers == len(people.chats)


async def settled(live: Live) -> None:
    """Wait until the outbox is empty, so that every answer is a message."""

    async def empty() -> bool:
        async with await psycopg.AsyncConnection.connect(live.postgres.url) as connection:
            cursor = await connection.execute("SELECT count(*) FROM supervisor.outbox")
            return await cursor.fetchone() == (0,)

    await eventually(empty, within=30)


async def agreeing(live: Live) -> None:
    """Wait until every run tells what the ledger says of it, with all its attempts."""

    async def agree() -> bool:
        async with await psycopg.AsyncConnection.connect(live.postgres.url) as connection:
            cursor = await connection.execute(
                "SELECT count(*) FROM \"user\".runs r WHERE (r.usage ->> 'output_tokens')::bigint IS DISTINCT FROM ("
                " SELECT sum(output_tokens) FROM partner.usage u WHERE u.run_id = r.id AND u.kind <> 'embedding')"
            )
            return await cursor.fetchone() == (0,)

    await eventually(agree, within=10)


def check_whole(people: People) -> None:
    """Every answer is whole in spite of everything; the attempt that said it was counted once, in full.

    What attempts took that were cut off is in the answer's usage as well: it was paid for.
    """
    for chat in people.chats:
        assert chat.answer["text"] == WHOLE, chat.answer
        assert chat.answer["usage"]["output_tokens"] >= TOKENS
        kinds = [kind for _, kind, _ in chat.readers[0].events]
        if kinds.count("run.started") == 1:
            assert chat.answer["usage"]["output_tokens"] == TOKENS
        last_attempt = chat.readers[0].events[len(kinds) - 1 - kinds[::-1].index("run.started") :]
        assert [data["output_tokens"] for _, kind, data in last_attempt if kind == "usage"] == [TOKENS]
