"""Seeded histories of budgets: reserving, growing, booking, dying, late and repeated words, in any order.

Each plays against PostgreSQL's own functions with an account and an organisation of its own, beside a plain account of
what is true. `play` raises AssertionError where a budget is overdrawn or the ledger disagrees with the truth.
"""

from dataclasses import dataclass, field
from random import Random
from uuid import UUID

import msgspec
from sqlalchemy import text

from madang.features.usage.contracts import BudgetExhausted, Call, Outcome, Price, Spender
from madang.features.usage.service import ledger as books
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.ids import new_id

PRICE = Price(1_000_000, 2_000_000)
TOKENS, MONEY = 4_000, 9_000_000
"""What the budgets allow: tokens of the organisation, billionths of a dollar of the account."""

_BUDGET = text("""
    INSERT INTO partner.budgets (id, subject_kind, subject_id, path, unit, amount, period, time_zone, since)
    VALUES (:id, :kind, :subject, :path, :unit, :amount, :period, 'Asia/Seoul',
        CASE :period WHEN 'total' THEN now() ELSE date_trunc(:period, now(), 'Asia/Seoul') END)
""")
_SCOPE = text("INSERT INTO partner.scopes (id, kind, path, name) VALUES (:id, 'organisation', ARRAY[:id], 'A school')")
_STANDS = text("SELECT budget_id, spent, reserved FROM partner.budget_windows WHERE budget_id = ANY (:ids)")
_EXPIRE = text("UPDATE partner.reservations SET expires_at = now() - interval '1 s' WHERE id = :id")
_OLD_BOOK = text("SELECT count(*) FROM partner.book_usage(CAST(:calls AS jsonb), 'Asia/Seoul')")
_DAYS = text("SELECT coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(cost), 0), coalesce(sum(calls), 0)"
             " FROM partner.usage_days WHERE account_id = :account")  # fmt: skip


@dataclass
class Held:
    """A call that is being made: what it may take, and what it truly takes in the end."""

    id: UUID
    input_tokens: int
    granted: int
    most: int


@dataclass
class Totals:
    """What histories did, and how much of what fitted was granted."""

    histories: int = 0
    steps: int = 0
    calls: int = 0
    late_words: int = 0
    refused: int = 0
    fitted: int = 0
    granted: int = 0


@dataclass
class History:
    """One account's."""

    house: House
    turn: Random
    totals: Totals
    account: UUID = field(default_factory=new_id)
    school: UUID = field(default_factory=new_id)
    budgets: dict[UUID, int] = field(default_factory=dict[UUID, int])
    held: list[Held] = field(default_factory=list[Held])
    silent: list[Held] = field(default_factory=list[Held])
    said: list[books.Booking] = field(default_factory=list[books.Booking])
    tokens: int = 0
    cost: int = 0

    @property
    def spender(self) -> Spender:
        """Who pays."""
        return Spender(self.account, (self.school,))

    async def begin(self) -> None:
        """Make the organisation and two budgets."""
        async with self.house.db.transaction() as tx:
            await tx.execute(_SCOPE, {"id": self.school})
            for kind, subject, path, unit, amount, period in (
                ("scope", self.school, [self.school], "tokens", TOKENS, "month"),
                ("account", self.account, [], "money", MONEY, "total"),
            ):
                budget = new_id()
                self.budgets[budget] = amount
                await tx.execute(_BUDGET, {"id": budget, "kind": kind, "subject": subject, "path": path, "unit": unit,
                                           "amount": amount, "period": period})  # fmt: skip

    async def reserve(self) -> bool:
        """A call begins, if it can be paid."""
        one = Held(new_id(), self.turn.randint(1, 60), 0, 0)
        asked = Call("chat", "m", PRICE, one.input_tokens, self.turn.randint(1, 900))
        try:
            grant = await books.reserve(self.house, one.id, self.spender, asked)
        except BudgetExhausted:
            self.totals.refused += 1
            return False
        assert grant is not None
        one.granted, one.most = grant.output_tokens, grant.most
        self.held.append(one)
        self.totals.calls += 1
        return True

    async def extend(self) -> None:
        """Some calls want more at once."""
        some = [one for one in self.held if one.granted < one.most][: self.turn.randint(1, 3)]
        wanted = [
            books.Extension(
                one.id, min(self.turn.randint(1, 300), one.most - one.granted), PRICE.input, PRICE.output, 0
            )
            for one in some
        ]
        if wanted:
            granted = await books.extend(self.house, wanted)
            for one in some:
                one.granted += granted.get(one.id, 0)

    async def book(self) -> None:
        """A call ends, with at most what it held; sometimes a process of the version before books it."""
        if self.held:
            one = self.held.pop(self.turn.randrange(len(self.held)))
            word = self._word(one, "ok")
            if self.turn.random() < 0.2:
                calls = msgspec.json.encode([word]).decode()
                async with self.house.db.transaction() as tx:
                    await tx.execute(_OLD_BOOK, {"calls": calls})
            else:
                await books.book(self.house, [word])

    async def cancel(self) -> None:
        """A call is stopped before it took anything."""
        if self.held:
            one = self.held.pop(self.turn.randrange(len(self.held)))
            one.input_tokens = one.granted = 0
            await books.book(self.house, [self._word(one, "cancelled")])

    async def die(self) -> None:
        """A worker is frozen for longer than its reservation stands."""
        if self.held:
            one = self.held.pop(self.turn.randrange(len(self.held)))
            async with self.house.db.transaction() as tx:
                await tx.execute(_EXPIRE, {"id": one.id})
            await books.book_expired(self.house)
            self.silent.append(one)

    async def speak_late(self) -> None:
        """It thaws, and says what its call truly took."""
        if self.silent:
            one = self.silent.pop(self.turn.randrange(len(self.silent)))
            self.totals.late_words += 1
            await books.book(self.house, [self._word(one, "cut_off")])

    async def repeat(self) -> None:
        """The answer to a booking was lost: some of it comes again."""
        if self.said:
            await books.book(self.house, self.turn.sample(self.said, min(len(self.said), 3)))

    def _word(self, one: Held, outcome: Outcome) -> books.Booking:
        took, wrote = self.turn.randint(0, one.input_tokens), self.turn.randint(0, one.granted)
        cost = PRICE.nanos(took, wrote)
        self.tokens += took + wrote
        self.cost += cost
        word = books.Booking(new_id(), now(), self.account, (self.school,), None, "", "chat", "m", outcome, True, took,
                             0, wrote, cost, 1, one.id)  # fmt: skip
        self.said.append(word)
        return word

    async def check(self) -> list[tuple[int, int, int]]:
        """No budget is overdrawn; limit, spent and reserved of each."""
        async with self.house.db.transaction() as tx:
            rows = (await tx.execute(_STANDS, {"ids": list(self.budgets)})).all()
        stands = [(self.budgets[row.budget_id], row.spent, row.reserved) for row in rows]
        for limit, spent, reserved in stands:
            assert spent + reserved <= limit
            assert min(spent, reserved) >= 0
        return stands

    async def end(self) -> None:
        """All words arrive: the ledger is the sum of truths. What is left is granted nearly to the last token."""
        while self.held:
            await self.book()
        while self.silent:
            await self.speak_late()
        for limit, spent, reserved in await self.check():
            assert reserved == 0
            assert spent == (self.tokens if limit == TOKENS else self.cost)
        async with self.house.db.transaction() as tx:
            row = (await tx.execute(_DAYS, {"account": self.account})).one()
        assert tuple(row) == (self.tokens, self.cost, len(self.said))
        left = min(TOKENS - self.tokens, (MONEY - self.cost) // 2_000)
        self.totals.fitted += max(left, 0)
        before = len(self.held)
        while await self.reserve():
            while (granted := self.held[-1].granted) < self.held[-1].most:
                await self.extend()
                if self.held[-1].granted == granted:
                    break
        self.totals.granted += sum(one.input_tokens + one.granted for one in self.held[before:])
        await self.check()


async def play(house: House, seed: int, totals: Totals, steps: int = 14) -> None:
    """One history from its seed."""
    turn = Random(seed)
    history = History(house, turn, totals)
    await history.begin()
    moves = [history.reserve, history.extend, history.book, history.cancel, history.die, history.speak_late,
             history.repeat]  # fmt: skip
    for _ in range(steps):
        await turn.choices(moves, (8, 5, 4, 1, 2, 2, 1))[0]()
        await history.check()
        totals.steps += 1
    await history.end()
    totals.histories += 1
