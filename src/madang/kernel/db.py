"""The database: transactions that know who asks, and the only commit.

Facts and jobs that are announced in a transaction are rows of the same transaction (the outbox) and are delivered
after it, so a crash can lose neither the change nor its consequences.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast
from uuid import UUID

import msgspec
from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Engine,
    Executable,
    MetaData,
    Select,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy import Row as Found
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.util.concurrency import greenlet_spawn

from madang.kernel.auth import Principal
from madang.kernel.ids import new_id
from madang.kernel.log import request_id
from madang.kernel.transaction_guard import the_only_transaction

if TYPE_CHECKING:
    from madang.kernel.jobs import JobKind

APP_ROLE = "madang_app"
"""Row-level security binds this role; every connection of the application takes it on."""

RESEND_AFTER_SECONDS = 5
"""A delivery that nobody has taken on by then is sent again."""

LONG_SECONDS = 600.0
"""For the few statements that go through all rows of something; see `set_statement_timeout`."""

HOUSE = "house"
"""The scope of the house itself, which sees every row."""

SCOPE = text("SELECT set_config('madang.account', :account, true)")
"""Sets the row-level scope for the rest of the transaction."""

_BEGIN = "BEGIN; SELECT set_config('madang.account', '{account}', true)"
_BEGIN_PLAIN = _BEGIN + ", set_config('madang.plain', 'yes', true)"
"""The same for an API key without its supervisor's powers: the database then knows no supervisor either."""


class Row(DeclarativeBase):
    """Base of all tables; names of constraints follow one convention."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[object, object]] = {
        UUID: Uuid(),
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        dict[str, object]: JSONB(),
        list[object]: JSONB(),
    }


def id_column() -> Mapped[UUID]:
    """A version 7 UUID as primary key, made by the application."""
    return mapped_column(primary_key=True, default=new_id)


def created_at_column() -> Mapped[datetime]:
    """The moment the row was inserted, by the database's clock."""
    return mapped_column(server_default=func.now())


OUTBOX = Table(
    "outbox",
    Row.metadata,
    Column("id", Uuid(), primary_key=True),
    Column("kind", Text(), nullable=False),
    Column("name", Text(), nullable=False),
    Column("payload", JSONB(), nullable=False),
    Column("request_id", Text()),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("claimed_until", DateTime(timezone=True)),
    Column("attempts", SmallInteger(), default=0, nullable=False),
    Column("released", SmallInteger(), default=0, nullable=False),
    Column("sends", SmallInteger(), default=0, nullable=False),
    Column("last_error", Text()),
    Column("dead_at", DateTime(timezone=True)),
    schema="supervisor",
)
"""What committed transactions still owe: events to tell and jobs to do.

`attempts` only grows, so that its number fences; `released` of them cost no try: given back, or before a retry.
"""


def in_seconds(seconds: Any) -> ColumnElement[Any]:  # noqa: ANN401  # a number or SQL
    """A moment from now by the database's clock, as SQL; `seconds` may be SQL too. A number is no parameter."""
    if isinstance(seconds, int | float):
        return literal_column(f"(now() + make_interval(secs => {seconds!r}))", DateTime(timezone=True))
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


POST = insert(OUTBOX).values(
    due_at=func.coalesce(bindparam("due_at", type_=DateTime(timezone=True)), in_seconds(RESEND_AFTER_SECONDS))
)


def posting(change: CTE) -> Select[Any]:
    """A statement that makes a change, which returns one row if it did anything, and then posts what follows from it.

    For `Tx.enqueue_with` and `Database.once`, where it saves a round trip.
    """
    row = {column.name: bindparam(f"post_{column.name}", type_=column.type) for column in _POSTED}
    none: ColumnElement[int] = literal_column("0")
    posted = select(*row.values(), in_seconds(RESEND_AFTER_SECONDS), none, none).select_from(change)
    columns = [*row, "due_at", "attempts", "sends"]
    post = insert(OUTBOX).from_select(columns, posted, include_defaults=False).cte("post")
    return select(change).add_cte(post)  # what is posted is not for everybody to read


_POSTED = (OUTBOX.c.id, OUTBOX.c.kind, OUTBOX.c.name, OUTBOX.c.payload, OUTBOX.c.request_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outbox row on its way. `payload` is JSON-compatible.

    It was sent `again` when nobody is known to have taken it on in time, and is `lost` when a worker had it in hand
    and was not heard of any more; either may be its own doing.
    """

    id: UUID
    kind: Literal["event", "job"]
    name: str
    payload: dict[str, object]
    request_id: str | None
    again: bool = False
    lost: bool = False

    def row(self, prefix: str = "") -> dict[str, object]:
        """Its columns in the outbox."""
        return {f"{prefix}{column.name}": getattr(self, column.name) for column in _POSTED}


def _delivery(kind: Literal["event", "job"], name: str, payload: object) -> Delivery:
    return Delivery(new_id(), kind, name, msgspec.to_builtins(payload), request_id())


class Named(Protocol):
    """An event: a frozen dataclass with a class-level name."""

    name: ClassVar[str]


class Tx(AsyncSession):
    """One transaction. Rows are read and written through it; it is committed by whoever opened it."""

    deliveries: list[Delivery]

    async def announce(self, event: Named) -> None:
        """Record the event with this transaction; reactions run after the commit, at least until they succeed."""
        await self._post("event", event.name, event)

    async def enqueue[P](self, kind: "JobKind[P]", payload: P, *, due_at: datetime | None = None) -> None:
        """Record a job with this transaction; a worker does it after the commit, not before `due_at` (UTC)."""
        await self._post("job", kind.name, payload, due_at)

    async def enqueue_with[P](
        self, statement: Executable, values: Mapping[str, object], kind: "JobKind[P]", payload: P
    ) -> None:
        """Make a change with a statement of `posting`, and record the job with it."""
        delivery = _delivery("job", kind.name, payload)
        await self.execute(statement, {**values, **delivery.row("post_")})
        self.deliveries.append(delivery)

    async def _post(
        self, kind: Literal["event", "job"], name: str, payload: object, due_at: datetime | None = None
    ) -> None:
        delivery = _delivery(kind, name, payload)
        await self.execute(POST, {**delivery.row(), "due_at": due_at})
        if due_at is None:
            self.deliveries.append(delivery)


class Database:
    """The engine of one process. `deliver` is called with what a committed transaction announced.

    Connections of `house` have the house's scope for good: single statements of it need no transaction to set it. With
    `strict` a transaction within another of the same task is an error; without, it is logged.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        house: AsyncEngine,
        deliver: Callable[[list[Delivery]], None],
        *,
        strict: bool = True,
    ) -> None:
        self.engine = engine
        self._house = house.sync_engine
        self._deliver = deliver
        self._strict = strict

    async def look(self, who: Principal, statement: Executable, values: Mapping[str, object]) -> Found[Any] | None:
        """The first row of a statement that only reads, in a transaction of its own as `who`."""
        return await greenlet_spawn(_look, self.engine.sync_engine, who, statement, values)

    async def once(
        self, statement: Executable, values: Mapping[str, object], event: Named | None = None
    ) -> Found[Any] | None:
        """Execute one statement as the house itself, committed when it is done; its first row.

        It costs one round trip where a transaction has three. With an `event` the statement is one of `posting`, which
        announces it.
        """
        if event is None:
            return await greenlet_spawn(_once, self._house, statement, values)
        delivery = _delivery("event", event.name, event)
        row = await greenlet_spawn(_once, self._house, statement, {**values, **delivery.row("post_")})
        if row is not None:
            self._deliver([delivery])
        return row

    @asynccontextmanager
    async def transaction(self, who: Principal | None = None) -> AsyncGenerator[Tx]:
        """Open a transaction as `who` (row-level security shows only what is theirs); None is the house itself.

        Commits when the block ends, rolls back when it raises. Raises `NestedTransactionError` when this task holds
        another open, and what `madang.kernel.failures` tells apart; when the reply to the commit is lost, whether it
        was done is not known.
        """
        tx = Tx(self.engine, expire_on_commit=False)
        tx.deliveries = []
        with the_only_transaction(strict=self._strict):
            try:
                await tx.run_sync(_begin, who)
                yield tx
                await tx.commit()
            finally:
                if tx.in_transaction():
                    await asyncio.shield(tx.close())
        if tx.deliveries:
            self._deliver(tx.deliveries)


def _look(engine: Engine, who: Principal, statement: Executable, values: Mapping[str, object]) -> Found[Any] | None:
    with engine.connect() as connection:
        connection.exec_driver_sql(_opening(who))
        row = connection.execute(statement, values).first()
        connection.exec_driver_sql("COMMIT")
    return row


def _once(engine: Engine, statement: Executable, values: Mapping[str, object]) -> Found[Any] | None:
    with engine.connect() as connection:
        return connection.execute(statement, values).first()


def _begin(session: Session, who: Principal | None) -> None:
    """Begin and set the scope in one round trip."""
    session.connection().exec_driver_sql(_opening(who))


def _opening(who: Principal | None) -> str:
    begin = _BEGIN_PLAIN if who and who.key_id and not who.is_supervisor else _BEGIN
    return begin.format(account=HOUSE if who is None else who.account_id)


async def act_as_house(tx: Tx) -> None:
    """Let the rest of a transaction, which was opened as somebody, see and change every row.

    Only after this same transaction has shown by what the caller may see that they have the right to what follows:
    then it holds even where a check in code is missing.
    """
    await tx.execute(SCOPE, {"account": HOUSE})


class PatientConnection(Protocol):
    """A connection that waits for each answer only so long; see `madang.adapters.postgres`."""

    def let_statements_take(self, seconds: float) -> Callable[..., None]:
        """Wait longer, or shorter; what is returned puts back the usual limit."""
        ...


async def set_statement_timeout(tx: Tx, seconds: float) -> None:
    """Let each statement in the rest of this transaction take so long, where its process would allow less."""
    connection = await (await tx.connection()).get_raw_connection()
    patient = cast("PatientConnection", connection.driver_connection)
    event.listen(tx.sync_session, "after_transaction_end", patient.let_statements_take(seconds), once=True)
    await tx.execute(_STATEMENT_TIMEOUT, {"limit": f"{seconds * 1000:.0f}"})


_STATEMENT_TIMEOUT = text("SELECT set_config('statement_timeout', :limit, true)")


def owner_policy(table: str, column: str = "account_id") -> Iterable[str]:
    """Statements for a migration: rows of `table` ("schema.table") show only to their account and to the house."""
    schema, name = table.split(".")
    mine = f"(current_setting('madang.account', true) = 'house' OR {column} = supervisor.scope_account())"
    return (
        f'ALTER TABLE "{schema}".{name} ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{schema}".{name} FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY {name}_owner ON "{schema}".{name} USING {mine} WITH CHECK {mine}',
    )
