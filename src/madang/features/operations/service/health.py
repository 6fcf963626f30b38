"""Asking every part whether it is there."""

import asyncio
import time
from collections.abc import Awaitable

from sqlalchemy import select

from madang import __version__
from madang.features.operations.contracts import Health, Services, ServiceState
from madang.features.providers.public import answers, model_info
from madang.kernel import log
from madang.kernel.house import House

logger = log.get_logger(__name__)

PATIENCE_SECONDS = 2.0
ALIVE_SECONDS = 10.0
MODELS_LOOK_SECONDS = 5
"""How long one look at the models' server counts before some worker looks again."""


async def report_alive(house: House, worker: str) -> None:
    """Note that the worker of this name is alive now; forget those that have not said so for a while.

    Now and then also whether the models' server answers: it is workers who need it, and however many people ask for
    /health, it is not asked more often.
    """
    key = _workers(house)
    now = time.time()
    pipe = house.valkey.pipeline(transaction=False)
    pipe.zadd(key, {worker: now})
    pipe.zremrangebyscore(key, "-inf", now - ALIVE_SECONDS)
    await pipe.execute()
    if await house.valkey.set(f"{_models(house)}:look", worker, nx=True, ex=MODELS_LOOK_SECONDS):
        found = await _state(answers(house))
        await house.valkey.set(_models(house), found, ex=2 * MODELS_LOOK_SECONDS + 2)
        if found != "healthy":
            await house.valkey.delete(f"{_models(house)}:look")


async def report_gone(house: House, worker: str) -> None:
    """Note that the worker of this name has ended, so that nobody counts on it until its word is old."""
    await house.valkey.zrem(_workers(house), worker)


def _workers(house: House) -> str:
    return f"{house.settings.key_prefix}:workers"


def _models(house: House) -> str:
    return f"{house.settings.key_prefix}:models"


async def health(house: House) -> Health:
    """Ask all services at once; each has two seconds."""
    checks = (_database(house), _valkey(house), _worker(house), _model(house))
    database, valkey, worker, models = await asyncio.gather(*(_state(check) for check in checks))
    services = Services(database=database, valkey=valkey, worker=worker, models=models)
    well = all(state == "healthy" for state in services.model_dump().values())
    return Health(
        status="healthy" if well else "degraded",
        version=__version__,
        environment=house.settings.environment,
        services=services,
    )


def is_ready(house: House, found: Health) -> bool:
    """Whether a first answer can be given; a model's server elsewhere may be away for a while, ours may not."""
    states = found.services.model_dump() if found.services else {}
    away = {name for name, state in states.items() if state != "healthy"}
    return not away or (away == {"models"} and not model_info(house, None).built_in)


async def _state(check: Awaitable[bool]) -> ServiceState:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return "healthy" if await check else "unavailable"
    except Exception as error:  # noqa: BLE001  # whatever goes wrong, the service is not there for us
        logger.warning("health_check_failed", error=str(error).splitlines()[:1])
        return "unavailable"


async def _database(house: House) -> bool:
    async with house.db.transaction() as tx:
        return await tx.scalar(select(1)) == 1


async def _valkey(house: House) -> bool:
    return bool(await house.valkey.ping())  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves **kwargs untyped


async def _worker(house: House) -> bool:
    return await workers_alive(house) > 0


async def _model(house: House) -> bool:
    return await house.valkey.get(_models(house)) == b"healthy"


async def workers_alive(house: House) -> int:
    """How many workers have said so lately. Raises `RedisError`."""
    return int(await house.valkey.zcount(_workers(house), time.time() - ALIVE_SECONDS, "+inf"))
