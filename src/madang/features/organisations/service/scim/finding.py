"""Finding users and groups: by what systems ask for again and again in SQL, by everything else among all there are."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from scim2_models import Resource, ScimFilter, TooManyException
from scim2_models.path.expressions import Comparison
from sqlalchemy import ColumnElement, func, select

from madang.features.organisations.tables import ScopeRow
from madang.kernel.db import Tx

AT_ONCE = 500
MOST_LOOKED_AT = 20_000
FARTHEST = 2**62
"""No list is longer than that, and PostgreSQL counts no farther."""

type Read = Callable[[Tx, Sequence[Any]], Awaitable[Sequence[Resource[Any]]]]
"""Takes rows to resources."""

COLUMNS = {"username": "user_name", "displayname": "display_name", "externalid": "external_id"}


@dataclass(frozen=True, slots=True)
class Found:
    """One page, and how many there are in all."""

    resources: Sequence[Resource[Any]]
    total: int


async def one(tx: Tx, organisation: ScopeRow, table: Any, id_: UUID) -> Any:  # noqa: ANN401  # a row of the table
    """The row with that id, None when it is not the organisation's."""
    return await tx.scalar(select(table).where(table.scope_id == organisation.id, table.id == id_))


async def find(
    tx: Tx,
    organisation: ScopeRow,
    table: Any,  # noqa: ANN401  # the rows of either kind
    wanted: ScimFilter[Any] | None,
    skip: int,
    count: int,
    read: Read,
) -> Found:
    """One page of what matches, in the order it was made; raises `TooManyException` when too much must be looked at."""
    where: list[ColumnElement[bool]] = [table.scope_id == organisation.id]
    simple = _simple(table, wanted)
    if wanted is not None and simple is None:
        return await _look(tx, table, where, wanted, skip, count, read)
    if simple is not None:
        where.append(simple)
    total = await tx.scalar(select(func.count()).select_from(table).where(*where)) or 0
    rows = (
        await tx.scalars(select(table).where(*where).order_by(table.id).offset(min(skip, FARTHEST)).limit(count))
    ).all()
    return Found(await read(tx, rows), total)


def _simple(table: Any, wanted: ScimFilter[Any] | None) -> ColumnElement[bool] | None:  # noqa: ANN401  # as above
    """An equation of a column that has an index or is as good as one."""
    ast = wanted.ast if wanted is not None else None
    if not isinstance(ast, Comparison) or ast.op.value != "eq" or not isinstance(ast.value, str):
        return None
    name = COLUMNS.get(str(ast.attr_path).rpartition(":")[2].casefold())
    column: Any = getattr(table, name, None) if name else None
    if column is None or not ast.value.isascii() or "\0" in ast.value:
        return None
    if name == "external_id":
        exact: ColumnElement[bool] = column == ast.value
        return exact
    alike: ColumnElement[bool] = func.lower(column) == ast.value.lower()
    return alike


async def _look(
    tx: Tx,
    table: Any,  # noqa: ANN401  # as above
    where: list[ColumnElement[bool]],
    wanted: ScimFilter[Any],
    skip: int,
    count: int,
    read: Read,
) -> Found:
    page: list[Resource[Any]] = []
    matched, looked_at, after = 0, 0, UUID(int=0)
    while True:
        query = select(table).where(*where, table.id > after).order_by(table.id).limit(AT_ONCE)
        rows = (await tx.scalars(query)).all()
        for resource in await read(tx, rows):
            if wanted.match(resource):
                matched += 1
                if skip < matched <= skip + count:
                    page.append(resource)
        looked_at += len(rows)
        if len(rows) < AT_ONCE:
            return Found(page, matched)
        if looked_at >= MOST_LOOKED_AT:
            raise TooManyException(detail="Ask with userName, externalId or displayName and eq.")
        after = rows[-1].id
