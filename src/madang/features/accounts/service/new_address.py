"""Another e-mail address for an account: nothing changes before it is proved, where this server can have it proved."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from madang.features.accounts.access import own_account
from madang.features.accounts.contracts import WRITE, Account, Device, Language, LetterWanted
from madang.features.accounts.service import confirming, links, people, recovery, throttle
from madang.features.accounts.service.addresses import is_same, normal_email, owner_of
from madang.kernel import mail
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Conflict, Invalid, TooMany
from madang.kernel.house import House

CHANGES_AN_HOUR = 5


async def change(
    house: House, who: Principal, email: str, password: str | None, device: Device, language: Language | None = None
) -> Account:
    """Have the caller's address changed: by a link in a letter to the new one, or at once where no mail is sent.

    Returns the account as it is now. Whether the new address is taken is told to nobody but its owner, by a letter in
    place of the link; only a house without mail says so. Raises what `confirming.make_sure` does, `Invalid`
    (email_malformed, email_unchanged), `Conflict` (email_taken, mail_not_set_up) and `TooMany`.
    """
    wanted = normal_email(email)
    await confirming.make_sure(house, who, password, device)
    await throttle.count(house, [throttle.Counter(f"new addresses of {who.account_id}", CHANGES_AN_HOUR, 3600)])
    if not mail.is_set_up(house.settings):
        return await _change_at_once(house, who, wanted)
    async with house.db.transaction(who) as tx:
        _permit_other((await own_account(tx, who)).email, wanted)
    may_write = await _may_write_to(house, wanted)
    async with house.db.transaction(who) as tx:
        account = people.account(await own_account(tx, who))
        _permit_other(account.email, wanted)
        await record(tx, who, "accounts.email_change_asked", Target("account", who.account_id))
        if may_write:
            await tx.enqueue(WRITE, LetterWanted("email_change", wanted, language, who.account_id))
    return account


async def _may_write_to(house: House, address: str) -> bool:
    """Whether the address has not had its letters of this hour; nobody is told."""
    try:
        limit = recovery.LETTERS_AN_HOUR
        await throttle.count(house, [throttle.Counter(f"letters to email_change {address}", limit, 3600)])
    except TooMany:
        return False
    return True


async def _change_at_once(house: House, who: Principal, wanted: str) -> Account:
    if recovery.is_required(house):
        detail = "Addresses have to be proved here, and this server sends no mail. Ask the person who runs it."
        raise Conflict("mail_not_set_up", detail)
    async with house.db.transaction() as tx:
        taken = await _is_taken(tx, wanted, who.account_id)
    try:
        async with house.db.transaction(who) as tx:
            row = await own_account(tx, who)
            _permit_other(row.email, wanted)
            if taken:
                raise _email_taken()
            await act_as_house(tx)
            row.email, row.email_verified_at = wanted, None
            await tx.flush()
            await record(tx, who, "accounts.email_changed", Target("account", row.id))
            return people.account(row)
    except IntegrityError as error:
        raise _email_taken() from error


def _email_taken() -> Conflict:
    return Conflict("email_taken", "There is an account with this e-mail address. Use another one.")


async def _is_taken(tx: Tx, email: str, account_id: UUID) -> bool:
    """Whether the address is somebody else's, however they spell it; in the house's transaction."""
    owner = await tx.scalar(owner_of(email))
    return owner is not None and owner.id != account_id


def _permit_other(present: str, wanted: str) -> None:
    if is_same(present, wanted):
        raise Invalid("email_unchanged", "This is your address already. Enter the one to change to.")


async def prove(house: House, token: str) -> None:
    """Take the link of a letter: it proves the account's address, or puts a new one in its place.

    Raises `Invalid` (link_invalid), also for a new address that somebody else has got meanwhile.
    """
    link = links.read(token)
    if not link.email:
        await recovery.verify(house, link)
        return
    try:
        async with house.db.transaction() as tx:
            row = await links.row_of(house, tx, "email_change", link)
            if await _is_taken(tx, link.email, row.id):
                raise links.void()
            former, row.email, row.email_verified_at = row.email, normal_email(link.email), now()
            await tx.flush()
            await record(tx, Principal(row.id), "accounts.email_changed", Target("account", row.id), by="mail")
            await recovery.proved(house, tx, row)
            if mail.is_set_up(house.settings):
                await tx.enqueue(WRITE, LetterWanted("email_changed", former, None, row.id))
    except IntegrityError as taken:
        raise links.void() from taken
