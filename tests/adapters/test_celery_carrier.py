"""What goes through Celery: a real Valkey, a real consumer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from uuid import uuid4

import pytest
from celery.contrib.testing.worker import start_worker

from madang.adapters.celery_carrier import TASK, Carrier, celery_app
from madang.adapters.opening import open_valkey
from madang.kernel.db import Delivery
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings

PATIENCE_SECONDS = 30


@pytest.fixture
def settings(house_settings: Settings) -> Settings:
    """With a queue of its own."""
    return house_settings.model_copy(update={"key_prefix": f"carrier-{uuid4().hex}"})


@contextmanager
def consumer(settings: Settings) -> Iterator[Queue[Delivery]]:
    """A consumer in a thread; what it takes."""
    taken: Queue[Delivery] = Queue()
    with start_worker(celery_app(settings, taken.put), perform_ping_check=False, without_heartbeat=True):
        yield taken


def one(number: int) -> Delivery:
    return Delivery(new_id(), "job", "test.do", {"number": number, "text": "가나다 \x01 'quoted'"}, f"request {number}")


def test_deliveries_arrive_whole_once_and_in_order(settings: Settings) -> None:
    sent = [one(number) for number in range(50)]
    carrier = Carrier(settings)
    carrier.carry(sent)
    with consumer(settings) as taken:
        carrier.carry([last := one(50)])
        assert [taken.get(timeout=PATIENCE_SECONDS) for _ in range(51)] == [*sent, last]
        carrier.close()
    assert taken.empty()


def test_what_is_no_delivery_is_dropped_and_the_next_arrives(settings: Settings) -> None:
    nearly = {"id": str(uuid4()), "kind": "other", "name": "test.do", "payload": {}, "request_id": None}
    with consumer(settings) as taken:
        app, carrier = celery_app(settings), Carrier(settings)
        for args in ((), ({},), ("text",), (None,), (1, 2), (nearly,), ({**nearly, "kind": "job", "id": "1"},)):
            app.send_task(TASK, args=args)
        app.send_task("madang.other", args=({**nearly, "kind": "job"},))
        carrier.carry([good := one(1)])
        assert taken.get(timeout=PATIENCE_SECONDS) == good
        carrier.close()


def test_nothing_is_left_in_valkey_of_what_was_taken(settings: Settings) -> None:
    with consumer(settings) as taken:
        carrier = Carrier(settings)
        carrier.carry([one(number) for number in range(20)])
        for _ in range(20):
            taken.get(timeout=PATIENCE_SECONDS)
        carrier.close()

    async def left() -> set[bytes]:
        valkey = open_valkey(settings)
        try:
            return {key async for key in valkey.scan_iter(f"{settings.key_prefix}*")}
        finally:
            await valkey.aclose()

    kept = asyncio.run(left())
    assert all(b"_kombu.binding" in key for key in kept), kept
