"""Sign-ins that did not work, in the audit log and to the owner, without letting a guesser fill either."""

from uuid import UUID

from madang.features.accounts.contracts import Device
from madang.features.accounts.service import recovery, throttle
from madang.features.accounts.service.throttle import Kind
from madang.kernel.audit import Target, record
from madang.kernel.house import House

QUIET_SECONDS = 60
"""From one address to one account a failure is noted once in so long; the throttle counts them all."""
LETTER_SECONDS = 24 * 3600
"""Who is guessed at for days has a letter a day."""


async def note_failed(house: House, email: str, account_id: UUID | None, device: Device) -> None:
    """Note that a sign-in failed, with the account if there is one; never what was typed, which may be a password.

    Takes as long for an unknown address.
    """
    if await throttle.is_first(house, f"failure {throttle.place(device.address)} {email}", QUIET_SECONDS):
        async with house.db.transaction() as tx:
            await record(tx, None, "accounts.sign_in_failed", Target("account", account_id))


async def note_held_off(house: House, email: str, account_id: UUID | None, lane: Kind) -> None:
    """Note that so many guesses were made at an account that a whole lane waits, once in the time of a lane.

    Its owner is told by mail, once a day, where their own devices may be the ones that wait. Takes as long for an
    unknown address.
    """
    if not email or not await throttle.is_first(house, f"{lane} of {email} wait", throttle.STEADY_SECONDS):
        return
    is_news = await throttle.is_first(house, f"guesses at {email} told", LETTER_SECONDS)
    async with house.db.transaction() as tx:
        await record(tx, None, "accounts.sign_in_held_off", Target("account", account_id), lane=lane)
        if is_news:
            await recovery.tell(house, tx, "sign_in_guessed", email)
