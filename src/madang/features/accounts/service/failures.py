"""Sign-ins that did not work, in the audit log, without letting a guesser fill it."""

import hashlib
from uuid import UUID

from redis.exceptions import RedisError

from madang.features.accounts.contracts import Device
from madang.kernel import log
from madang.kernel.audit import Target, record
from madang.kernel.house import House

logger = log.get_logger(__name__)

QUIET_SECONDS = 60
"""From one address to one account a failure is noted once in so long; the throttle counts them all."""


async def note_failed(house: House, email: str, account_id: UUID | None, device: Device) -> None:
    """Note that a sign-in failed, with the account if there is one; never what was typed, which may be a password.

    Takes as long for an unknown address. When Valkey is away nothing is noted but in the process's own log.
    """
    digest = hashlib.sha256(f"{device.address} {email}".encode()).hexdigest()[:32]
    key = f"{house.settings.key_prefix}:failure-noted:{digest}"
    try:
        is_first = await house.valkey.set(key, 1, nx=True, ex=QUIET_SECONDS)
    except (RedisError, OSError) as error:
        logger.warning("failure_not_noted", error=str(error))
        return
    if is_first:
        async with house.db.transaction() as tx:
            await record(tx, None, "accounts.sign_in_failed", Target("account", account_id))
