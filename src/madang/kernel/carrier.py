"""Celery, which carries deliveries from any process to a worker and does nothing else.

Messages are taken without acknowledgement: what a dying worker or broker loses is still in the outbox, and is sent
again.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import msgspec
from celery import Celery
from kombu import Queue

from madang.kernel import log
from madang.kernel.db import Delivery
from madang.kernel.settings import Settings

logger = log.get_logger(__name__)

TASK = "madang.deliver"


def celery_app(settings: Settings, take: Callable[[Delivery], None] | None = None) -> Celery:
    """The Celery application; a worker gives `take`, which must return at once."""
    queue = f"{settings.key_prefix}:deliveries"
    app = Celery("madang", broker=settings.valkey_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        task_default_queue=queue,
        task_queues=(Queue(queue, no_ack=True),),
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_pool="solo",
        worker_prefetch_multiplier=0,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        broker_transport_options={
            "global_keyprefix": f"{settings.key_prefix}:celery:",
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "retry_on_timeout": True,
        },
    )

    def deliver(parcel: dict[str, Any]) -> None:
        if take is not None:
            take(msgspec.convert(parcel, Delivery))

    app.task(deliver, name=TASK, shared=False)
    return app


class Carrier:
    """Hands deliveries to Celery from a thread of its own, so that no loop ever waits for the broker.

    What cannot be handed over is dropped with a line in the log: it is still in the outbox, which sends it again.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = celery_app(settings)
        self._queue: SimpleQueue[Delivery | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)
        self._thread.start()

    def carry(self, deliveries: list[Delivery]) -> None:
        """Queue deliveries for sending; returns at once."""
        for delivery in deliveries:
            self._queue.put(delivery)

    def close(self) -> None:
        """Send what is queued, then end; waits five seconds at most."""
        self._queue.put(None)
        self._thread.join(5)
        self._app.close()

    def _run(self) -> None:
        while (delivery := self._queue.get()) is not None:
            try:
                self._app.send_task(TASK, args=(msgspec.to_builtins(delivery),), retry=False)
            except Exception as error:  # noqa: BLE001  # any broker failure means the same: the outbox sends it again
                logger.warning("carrier_failed", delivery=delivery.name, error=str(error))
