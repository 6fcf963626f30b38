"""That an e-mail address is somebody's own, and the way back for who has forgotten the password.

Whoever asks gets the same answer after the same work: a job is left for a worker, which alone looks whether there is
such an account. A link carries a MAC over the account, its end and the state it is about, so none is stored, and it is
void as soon as the address is verified or the password is another.
"""

import base64
import hmac
import struct
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from madang.features.accounts import settings
from madang.features.accounts.contracts import WRITE, Device, Language, LetterWanted
from madang.features.accounts.service import letters, passwords, people, throttle, tokens
from madang.features.accounts.service.addresses import normal_email
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow
from madang.kernel import mail
from madang.kernel.audit import Target, record
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, Invalid, TooMany
from madang.kernel.house import House

LIFETIMES: dict[str, timedelta] = {"verification": timedelta(days=3), "password_reset": timedelta(hours=1)}
PLACES: dict[str, str] = {
    "verification": "/verify-email#{token}",
    "password_reset": "/reset-password#{token}",
    "password_changed": "/forgot-password",
}
LETTERS_AN_HOUR = 5
ASKED_AN_HOUR = 30
_LINK = struct.Struct(">16sI32s")


def is_required(house: House) -> bool:
    """Whether people sign in only once their address is verified: as set, else as soon as mail can be sent."""
    chosen = settings.load().require_verified_email
    return mail.is_set_up(house.settings) if chosen is None else chosen


def permit_verified(house: House, row: AccountRow) -> None:
    """Let only who has proved the address sign in; raises `Forbidden` (email_unverified)."""
    if row.email_verified_at is None and is_required(house):
        detail = "Open the link in the mail that was sent to you first, or ask for another one."
        raise Forbidden("email_unverified", detail)


async def ask_for(house: House, kind: letters.Letter, email: str, device: Device, language: Language | None) -> None:
    """Have a letter written to the address if it has an account that it is for.

    Raises `Conflict` (mail_not_set_up), `Invalid` for what is no address, and `TooMany` for who asks too often. An
    address that has had its letters for this hour gets no more, and nobody is told.
    """
    if not mail.is_set_up(house.settings):
        raise Conflict("mail_not_set_up", "This server sends no mail. Ask the person who runs it.")
    address = normal_email(email)
    await throttle.count(house, [throttle.Counter(f"letters from {device.address}", ASKED_AN_HOUR, 3600)])
    try:
        await throttle.count(house, [throttle.Counter(f"letters to {kind} {address}", LETTERS_AN_HOUR, 3600)])
    except TooMany:
        return
    async with house.db.transaction() as tx:
        await tx.enqueue(WRITE, LetterWanted(kind, address, language))


async def tell(house: House, tx: Tx, kind: letters.Letter, email: str) -> None:
    """Have a letter written about what this transaction does, where mail is set up."""
    if mail.is_set_up(house.settings):
        await tx.enqueue(WRITE, LetterWanted(kind, email, None))


async def write(house: House, wanted: LetterWanted) -> None:
    """Write the letter, if there is somebody whom it is for. For the worker."""
    if not mail.is_set_up(house.settings):
        return
    async with house.db.transaction() as tx:
        query = select(AccountRow).where(AccountRow.email == wanted.email, AccountRow.deleted_at.is_(None))
        row = await tx.scalar(query)
    if row is None or row.disabled_at is not None or not _concerns(wanted.kind, row):
        return
    place = PLACES.get(wanted.kind, "/")
    if "{token}" in place:
        place = place.format(token=_token(house, wanted.kind, row))
    chosen = wanted.language or row.preferences.get("language")
    language: Language = "ko" if chosen == "ko" else "en"
    link = house.settings.base_url + place
    await mail.send(house, letters.written(wanted.kind, row.email, language, link, now()))


def _concerns(kind: str, row: AccountRow) -> bool:
    return kind != "verification" or row.email_verified_at is None


async def verify(house: House, token: str) -> None:
    """Take the link of a verification letter. Raises `Invalid` (link_invalid)."""
    link = _read(token)
    async with house.db.transaction() as tx:
        row = await _row_of(house, tx, "verification", link)
        row.email_verified_at = now()
        await tx.flush()
        await record(tx, None, "accounts.email_verified", Target("account", row.id))


async def reset(house: House, token: str, wanted: str) -> None:
    """Take the link of a reset letter and set another password; every sign-in ends, and the address is proved.

    Raises `Invalid` (link_invalid), and for a weak password, after which the link can be used again.
    """
    link = _read(token)
    async with house.db.transaction() as tx:
        row = await _row_of(house, tx, "password_reset", link)
        password = passwords.accept(wanted, row.email, row.name)
    desk = await house.resource(open_desk)
    password_hash = await desk.hashing.hash(password)
    async with house.db.transaction() as tx:
        row = await _row_of(house, tx, "password_reset", link)
        proved = row.email_verified_at or now()
        values = {"password_hash": password_hash, "email_verified_at": proved}
        await tx.execute(update(AccountRow).where(AccountRow.id == row.id).values(values))
        await people.end_logins(tx, row.id, "password")
        await record(tx, None, "accounts.password_reset", Target("account", row.id), by="mail")
        await tell(house, tx, "password_changed", row.email)
    desk.forget_account(link.account_id)


@dataclass(frozen=True, slots=True)
class _Link:
    """A link's token taken apart; nothing about it is proved before `_row_of`."""

    account_id: UUID
    expires: int
    mac: bytes


def _token(house: House, kind: str, row: AccountRow) -> str:
    expires = int((now() + LIFETIMES[kind]).timestamp())
    packed = _LINK.pack(row.id.bytes, expires, _macs(house, kind, row, expires)[0])
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _read(token: str) -> _Link:
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        account, expires, mac = _LINK.unpack(packed)
    except (ValueError, struct.error) as error:
        raise _void() from error
    return _Link(UUID(bytes=account), expires, mac)


async def _row_of(house: House, tx: Tx, kind: str, link: _Link) -> AccountRow:
    """The account of a genuine link, locked; raises `Invalid` when it is not genuine, or over, or was used."""
    query = select(AccountRow).where(AccountRow.id == link.account_id, AccountRow.deleted_at.is_(None))
    row = await tx.scalar(query.where(AccountRow.disabled_at.is_(None)).with_for_update())
    if row is None or link.expires < now().timestamp() or not _concerns(kind, row):
        raise _void()
    if not any(hmac.compare_digest(link.mac, one) for one in _macs(house, kind, row, link.expires)):
        raise _void()
    return row


def _macs(house: House, kind: str, row: AccountRow, expires: int) -> list[bytes]:
    """Over all that makes the link void when it changes, by the key that signs and by those that did before."""
    state = "\0".join((str(row.id), str(expires), row.email, row.password_hash if kind == "password_reset" else ""))
    keys = [tokens.expand(secret, b"letter/" + kind.encode()) for secret in house.settings.secrets]
    return [hmac.digest(key, state.encode(), "sha256") for key in keys]


def _void() -> Invalid:
    return Invalid("link_invalid", "This link is not good any more. Ask for another one.")
