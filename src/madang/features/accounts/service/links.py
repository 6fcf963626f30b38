"""What stands behind the # of a letter's link.

A token carries a MAC over the account, its end and the state it is about, so none is stored, and it is void as soon as
that state is another: the address, and the password where the link is about more than proving an address.
"""

import base64
import hmac
import struct
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import select

from madang.features.accounts.service import tokens
from madang.features.accounts.tables import AccountRow
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid
from madang.kernel.house import House

type Purpose = Literal["verification", "password_reset", "email_change"]

LIFETIMES: dict[Purpose, timedelta] = {
    "verification": timedelta(days=3),
    "password_reset": timedelta(hours=1),
    "email_change": timedelta(days=1),
}
_LINK = struct.Struct(">16sI32s")


@dataclass(frozen=True, slots=True)
class Link:
    """A token taken apart; nothing about it is proved before `row_of`. `email` is the address to change to, if any."""

    account_id: UUID
    expires: int
    mac: bytes
    email: str


def token(house: House, purpose: Purpose, row: AccountRow, email: str = "") -> str:
    """A token for the account, good from now on for as long as its purpose has; `email` is the address to change to."""
    expires = int((now() + LIFETIMES[purpose]).timestamp())
    packed = _LINK.pack(row.id.bytes, expires, _macs(house, purpose, row, expires, email)[0])
    return base64.urlsafe_b64encode(packed + email.encode()).decode().rstrip("=")


def read(token: str) -> Link:
    """The parts of a token; raises `Invalid` (link_invalid) for what is none."""
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        account, expires, mac = _LINK.unpack(packed[: _LINK.size])
        email = packed[_LINK.size :].decode()
    except (ValueError, struct.error) as error:
        raise void() from error
    return Link(UUID(bytes=account), expires, mac, email)


async def row_of(house: House, tx: Tx, purpose: Purpose, link: Link) -> AccountRow:
    """The account of a genuine link, locked; raises `Invalid` when it is not genuine, or over, or was used."""
    query = select(AccountRow).where(AccountRow.id == link.account_id, AccountRow.deleted_at.is_(None))
    row = await tx.scalar(query.where(AccountRow.disabled_at.is_(None)).with_for_update())
    if row is None or link.expires < now().timestamp():
        raise void()
    if not any(hmac.compare_digest(link.mac, one) for one in _macs(house, purpose, row, link.expires, link.email)):
        raise void()
    return row


def void() -> Invalid:
    """The answer to every link that is no good."""
    return Invalid("link_invalid", "This link is not good any more. Ask for another one.")


def _macs(house: House, purpose: Purpose, row: AccountRow, expires: int, email: str) -> list[bytes]:
    """Over all that makes the link void when it changes, by the key that signs and by those that did before."""
    password = "" if purpose == "verification" else row.password_hash
    state = "\0".join((str(row.id), str(expires), row.email, password, email))
    keys = [tokens.expand(secret, b"letter/" + purpose.encode()) for secret in house.settings.secrets]
    return [hmac.digest(key, state.encode(), "sha256") for key in keys]
