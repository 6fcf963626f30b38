"""The front desk of one process: its keys, its hashing threads, and who it saw a moment ago."""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID

from sqlalchemy import select

from madang.features.accounts import settings
from madang.features.accounts.service import tokens
from madang.features.accounts.service.passwords import Hashing
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.errors import Unauthorized
from madang.kernel.house import House

REMEMBERED_SECONDS = 3.0
REMEMBERED_AT_MOST = 20_000


class Desk:
    """State of one process. A sign-in that ended elsewhere is noticed here after `REMEMBERED_SECONDS`."""

    def __init__(self, house: House) -> None:
        chosen = settings.load()
        self.keys = tokens.derive_keys(house.settings.secret_key.get_secret_value())
        self.hashing = Hashing(
            chosen.password_hash_memory_kib, chosen.password_hash_rounds, chosen.password_hash_threads
        )
        self._seen: OrderedDict[UUID, tuple[float, Principal]] = OrderedDict()

    def remembered(self, login_id: UUID) -> Principal | None:
        """The principal of a sign-in that was good a moment ago."""
        seen = self._seen.get(login_id)
        return seen[1] if seen and monotonic() - seen[0] < REMEMBERED_SECONDS else None

    def remember(self, login_id: UUID, who: Principal) -> None:
        """Ask the database about this sign-in again only after a moment."""
        self._seen[login_id] = (monotonic(), who)
        self._seen.move_to_end(login_id)
        while len(self._seen) > REMEMBERED_AT_MOST:
            self._seen.popitem(last=False)

    def forget(self, login_id: UUID) -> None:
        """Ask the database at the next request."""
        self._seen.pop(login_id, None)

    def forget_account(self, account_id: UUID) -> None:
        """Ask the database about every sign-in of the account."""
        for login_id in [login for login, (_, who) in self._seen.items() if who.account_id == account_id]:
            del self._seen[login_id]


@asynccontextmanager
async def open_desk(house: House) -> AsyncGenerator[Desk]:
    """Open the desk of this process; use it through `house.resource(open_desk)`."""
    desk = Desk(house)
    try:
        yield desk
    finally:
        desk.hashing.close()


async def authenticate(house: House, bearer: str) -> Principal:
    """Take an access token to its principal: a signature check, and the database at most every few seconds.

    Raises `Unauthorized` with the codes token_invalid, token_expired or signed_out.
    """
    desk = await house.resource(open_desk)
    claims = tokens.read_access_token(desk.keys, bearer)
    who = desk.remembered(claims.login_id)
    if who is None:
        who = await _standing(house, claims)
        desk.remember(claims.login_id, who)
    if who.account_id != claims.account_id:
        raise Unauthorized("token_invalid", "The access token is not one of this server's. Sign in again.")
    return who


async def _standing(house: House, claims: tokens.AccessClaims) -> Principal:
    """Whether the sign-in still stands, from the database."""
    query = (
        select(AccountRow.id, AccountRow.is_supervisor)
        .join(LoginRow, LoginRow.account_id == AccountRow.id)
        .where(LoginRow.id == claims.login_id, LoginRow.ended_at.is_(None))
        .where(AccountRow.disabled_at.is_(None), AccountRow.deleted_at.is_(None))
    )
    async with house.db.transaction() as tx:
        found = (await tx.execute(query)).one_or_none()
    if found is None:
        raise Unauthorized("signed_out", "This sign-in has ended. Sign in again.")
    return Principal(account_id=found.id, is_supervisor=found.is_supervisor, login_id=claims.login_id)
