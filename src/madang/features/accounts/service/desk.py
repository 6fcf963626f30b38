"""The front desk of one process: its keys, its hashing threads, and who it saw a moment ago."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID

from sqlalchemy import bindparam, select

from madang.features.accounts import settings
from madang.features.accounts.service import keys, tokens
from madang.features.accounts.service.passwords import WAITING_AT_MOST, Hashing, busy
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.errors import Unauthorized
from madang.kernel.house import House
from madang.kernel.jobs import spawn

REMEMBERED_SECONDS = 3.0
REMEMBERED_AT_MOST = 20_000
TURNS = 2
"""How many passwords are looked up and compared at a time; a flood leaves connections to everybody else."""


class Remembered[K]:
    """Whom this process saw a moment ago, by what they showed."""

    def __init__(self) -> None:
        self._seen: OrderedDict[K, tuple[float, Principal]] = OrderedDict()

    def get(self, shown: K) -> Principal | None:
        """The principal of what was good a moment ago."""
        seen = self._seen.get(shown)
        return seen[1] if seen and monotonic() < seen[0] else None

    def keep(self, shown: K, who: Principal, seconds: float = REMEMBERED_SECONDS) -> None:
        """Ask the database about this again only after a moment."""
        self._seen[shown] = (monotonic() + min(seconds, REMEMBERED_SECONDS), who)
        self._seen.move_to_end(shown)
        while len(self._seen) > REMEMBERED_AT_MOST:
            self._seen.popitem(last=False)

    def forget(self, shown: K) -> None:
        """Ask the database at the next request."""
        self._seen.pop(shown, None)

    def forget_where(self, matches: Callable[[Principal], bool]) -> None:
        """Ask the database about everyone who matches."""
        for shown in [shown for shown, (_, who) in self._seen.items() if matches(who)]:
            del self._seen[shown]


class Desk:
    """State of one process. What ended elsewhere, or expired, is noticed after `REMEMBERED_SECONDS`."""

    def __init__(self, house: House) -> None:
        chosen = settings.load()
        self.keys = tokens.derive_keys(*house.settings.secrets)
        self.hashing = Hashing(
            chosen.password_hash_memory_kib, chosen.password_hash_rounds, chosen.password_hash_threads
        )
        self._turns = asyncio.Semaphore(TURNS)
        self._in_line = 0
        self.logins: Remembered[str] = Remembered()
        self.api_keys: Remembered[bytes] = Remembered()
        self._notes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Stand in line and have one's turn in the block; whatever else it does goes at the pace of hashing.

        Raises `TooMany` (sign_in_busy) when so many stand there already that one more had better come back later.
        """
        if self._in_line >= WAITING_AT_MOST:
            raise busy()
        self._in_line += 1
        try:
            async with self._turns:
                yield
        finally:
            self._in_line -= 1

    def forget(self, login_id: UUID) -> None:
        """Ask the database at the sign-in's next request."""
        self.logins.forget_where(lambda who: who.login_id == login_id)

    def forget_account(self, account_id: UUID) -> None:
        """Ask the database about every sign-in and key of the account."""
        self.logins.forget_where(lambda who: who.account_id == account_id)
        self.api_keys.forget_where(lambda who: who.account_id == account_id)

    def note(self, work: Coroutine[None, None, None], name: str) -> None:
        """Write something down beside the request that gave rise to it."""
        task = spawn(work, name)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def close(self) -> None:
        """Finish what is being written down, and let the threads go."""
        await asyncio.gather(*self._notes, return_exceptions=True)
        self.hashing.close()


@asynccontextmanager
async def open_desk(house: House) -> AsyncGenerator[Desk]:
    """Open the desk of this process; use it through `house.resource(open_desk)`."""
    desk = Desk(house)
    try:
        yield desk
    finally:
        await desk.close()


async def authenticate(house: House, bearer: str) -> Principal:
    """Take an access token or an API key to its principal: the database is asked at most every few seconds.

    Raises `Unauthorized` with the codes token_invalid, token_expired, signed_out or key_invalid.
    """
    desk = await house.resource(open_desk)
    if bearer.startswith(keys.PREFIX):
        return await _authenticate_key(house, desk, bearer)
    who = desk.logins.get(bearer)
    if who is None:
        claims = tokens.read_access_token(desk.keys, bearer)
        who = await _standing(house, claims)
        if who.account_id != claims.account_id:
            raise Unauthorized("token_invalid", "The access token is not one of this server's. Sign in again.")
        desk.logins.keep(bearer, who)
    return who


async def _authenticate_key(house: House, desk: Desk, key: str) -> Principal:
    """Only the hash of a key is compared, so the time of an answer tells nothing about a key that is near."""
    key_hash = keys.digest(key) if keys.SHAPE.fullmatch(key) else b""
    who = desk.api_keys.get(key_hash)
    if who is not None:
        return who
    found = None
    if key_hash:
        async with house.db.transaction() as tx:
            found = await keys.standing(tx, key_hash)
    if found is None:
        raise Unauthorized("key_invalid", "This API key is not good, or it was ended or has expired. Make a new one.")
    left = (found.expires_at - now()).total_seconds() if found.expires_at else REMEMBERED_SECONDS
    desk.api_keys.keep(key_hash, found.who, left)
    if found.is_stale and found.who.key_id:
        desk.note(keys.note_use(house, found.who.key_id), "key_used")
    return found.who


_STANDING = (
    select(AccountRow.id, AccountRow.is_supervisor)
    .join(LoginRow, LoginRow.account_id == AccountRow.id)
    .where(LoginRow.id == bindparam("login"), LoginRow.ended_at.is_(None))
    .where(AccountRow.disabled_at.is_(None), AccountRow.deletion_at.is_(None), AccountRow.deleted_at.is_(None))
)


async def _standing(house: House, claims: tokens.AccessClaims) -> Principal:
    """Whether the sign-in still stands, from the database."""
    async with house.db.transaction() as tx:
        found = (await tx.execute(_STANDING, {"login": claims.login_id})).one_or_none()
    if found is None:
        raise Unauthorized("signed_out", "This sign-in has ended. Sign in again.")
    return Principal(account_id=found.id, is_supervisor=found.is_supervisor, login_id=claims.login_id)
