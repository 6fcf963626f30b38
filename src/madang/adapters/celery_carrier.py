"""Celery, which carries deliveries from any process to a worker and does nothing else.

Messages are taken without acknowledgement: what a dying worker or broker loses is still in the outbox, and is sent
again.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import cast

import msgspec
from celery import Celery, Task
from celery.exceptions import InvalidTaskError
from kombu import Message, Queue

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

    if take is not None:
        app.register_task(_Delivering(take))
    return app


class _Delivering(Task):
    """The one task: each message goes straight to `take`.

    Celery's own way makes a request of a message, traces its execution and acknowledges it in Valkey all the same,
    which costs several times what carrying it does; here nothing runs in Celery's hands.
    """

    name = TASK

    def __init__(self, take: Callable[[Delivery], None]) -> None:
        self.run = take

    def start_strategy(self, app: Celery, consumer: object, **options: object) -> Callable[..., None]:
        """What the consumer calls with every message; one for which `InvalidTaskError` rises is logged and dropped."""
        del app, consumer, options
        return self._take

    def _take(self, message: Message, *_: object) -> None:
        try:
            ((parcel,), *_rest) = cast("tuple[tuple[object], object]", message.payload)
            delivery = msgspec.convert(parcel, Delivery)
        except (TypeError, ValueError) as error:
            raise InvalidTaskError(f"not a delivery: {error}") from error
        self.run(delivery)


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
                parcel = msgspec.to_builtins(delivery)
                self._app.send_task(TASK, args=(parcel,), retry=False, argsrepr="", kwargsrepr="")
            except Exception as error:  # noqa: BLE001  # any broker failure means the same: the outbox sends it again
                logger.warning("carrier_failed", delivery=delivery.name, error=str(error))
