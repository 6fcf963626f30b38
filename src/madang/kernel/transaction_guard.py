"""A guard: a task that holds a transaction open opens no other."""

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

from madang.kernel import log

logger = log.get_logger(__name__)


class NestedTransactionError(RuntimeError):
    """A task opened a transaction, or waited for something else, while it held another open.

    Sixteen such tasks hold every connection and wait for a seventeenth. Use the transaction that is open, or do the
    other thing before or after it.
    """


@dataclass(slots=True)
class _Holder:
    task: ReferenceType["asyncio.Task[Any]"]
    is_open: bool = True


_HOLDER: ContextVar[_Holder | None] = ContextVar("transaction_holder", default=None)
_told: set[str] = set()


def has_open_transaction() -> bool:
    """Whether the current task holds a transaction open; tasks that it began do not count."""
    holder = _HOLDER.get()
    return holder is not None and holder.is_open and holder.task() is asyncio.current_task()


@contextmanager
def the_only_transaction(*, strict: bool) -> Generator[None]:
    """Mark that this task holds a transaction open. One within another is refused, or only logged unless `strict`."""
    if has_open_transaction():
        _refuse(strict=strict)
        yield
        return
    task = asyncio.current_task()
    holder = _Holder(ref(task)) if task is not None else None
    _HOLDER.set(holder)
    try:
        yield
    finally:
        if holder is not None:
            holder.is_open = False


def _refuse(*, strict: bool) -> None:
    place = _caller()
    if strict:
        raise NestedTransactionError(f"{place} opens a transaction while this task holds another open")
    if place not in _told:
        _told.add(place)
        logger.error("transaction_in_transaction", place=place)


def _caller() -> str:
    """Whoever opened the transaction: the first frame that is not of the machinery."""
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # what `inspect.currentframe` calls, without its price
    while frame.f_back is not None and frame.f_globals["__name__"] in {__name__, "contextlib", "madang.kernel.db"}:
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}:{frame.f_lineno}"
