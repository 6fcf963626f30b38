"""Tests refuse what holds a connection to PostgreSQL while it waits for another server."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import aiohttp
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from madang.kernel.transaction_guard import NestedTransactionError, has_open_transaction


def refuse_waits_in_transactions() -> None:
    """Let every command to Valkey and every request over HTTP fail while its task has a transaction open."""
    Redis.execute_command = _guarded(Redis.execute_command, "Valkey")  # type: ignore[method-assign]  # for good
    Pipeline.execute = _guarded(Pipeline.execute, "Valkey")  # type: ignore[method-assign]  # for good
    aiohttp.ClientSession._request = _guarded(aiohttp.ClientSession._request, "HTTP")  # type: ignore[method-assign]  # for good


def _guarded(real: Callable[..., Awaitable[Any]], what: str) -> Any:
    @wraps(real)
    def asking(*args: Any, **options: Any) -> Awaitable[Any]:
        if has_open_transaction():
            raise NestedTransactionError(f"{what} is asked while this task holds a transaction open")
        return real(*args, **options)

    return asking
