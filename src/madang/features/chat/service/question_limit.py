"""Counting an organisation's questions, with nothing held: neither a connection nor a lock waits for Valkey."""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from madang.features.chat.access import own_session, payer_of
from madang.features.usage.public import limit_questions
from madang.kernel.admission import admitted_transaction
from madang.kernel.auth import Principal
from madang.kernel.house import House

REMEMBERED_AT_MOST = 20_000

type _Key = tuple[UUID, UUID | None, UUID | None]
"""The account, the session if there is one, and the scope that was asked for."""


class PayerMemory:
    """Whom this process last saw pay for what. Only whose limit counts a question follows from it, not who pays."""

    def __init__(self) -> None:
        self._payers: OrderedDict[_Key, tuple[UUID, ...]] = OrderedDict()

    def get(self, key: _Key) -> tuple[UUID, ...] | None:
        """The payer's scopes, None when this process has not seen any."""
        return self._payers.get(key)

    def keep(self, key: _Key, payer: tuple[UUID, ...]) -> None:
        """Remember, instead of who was not heard of for the longest time."""
        self._payers[key] = payer
        self._payers.move_to_end(key)
        while len(self._payers) > REMEMBERED_AT_MOST:
            self._payers.popitem(last=False)


@asynccontextmanager
async def open_payers(_house: House) -> AsyncGenerator[PayerMemory]:
    """The memory of this process, for `house.resource`."""
    yield PayerMemory()


async def count_question(house: House, who: Principal, session_id: UUID | None, scope_id: UUID | None) -> None:
    """Count a question of an organisation's member, before the transaction that stores it.

    Raises TooMany (rate_limited), `SessionNotFound` and what `access.payer_of` raises.
    """
    payers = await house.resource(open_payers)
    key = who.account_id, session_id, scope_id
    payer = payers.get(key)
    if payer is None:
        async with admitted_transaction(house, who, is_writing=False) as tx:
            session = None if session_id is None else await own_session(tx, who, session_id)
            payer = await payer_of(tx, who, session, scope_id)
        payers.keep(key, payer)
    await limit_questions(house, payer)


async def remember_payer(
    house: House, who: Principal, session_id: UUID | None, scope_id: UUID | None, payer: tuple[UUID, ...]
) -> None:
    """Note who pays, as the question's own transaction found it."""
    (await house.resource(open_payers)).keep((who.account_id, session_id, scope_id), payer)
