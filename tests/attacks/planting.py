"""Puts a row of the victim's into every table, whatever tables there are, with a mark in everything that can hold one.

A table that its module adds later is planted without a word here, unless its checks allow only certain values: then the
test that plants says which, and they belong into `PLANTED`.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from madang.features.runs.contracts import EventType
from madang.features.runs.service.packing import pack
from madang.kernel.db import Tx
from madang.kernel.ids import new_id
from madang.kernel.streams import Event

MARK = f"mark{secrets.token_hex(6)}"
"""Is in everything that is the victim's alone: whoever else is told it was told too much."""
SCOPE_MARK = f"place{secrets.token_hex(6)}"
"""Is in the names of the victim's organisation, which its members may know."""
GONE_MARK = f"gone{secrets.token_hex(6)}"
"""Is in the names of what the victim deleted, which only those still see who managed it."""

OTHERS_TABLES = {
    "supervisor.alembic_version": "the history of the database",
    "supervisor.heartbeat": "one row, that PostgreSQL answers",
    "supervisor.outbox": "what the house still owes; ids of every account, read by the house alone",
    "supervisor.registration_invites": "the house's own, not a tenant's; only hashes of codes",
    "supervisor.retention": "for how many months the owner has rows kept",
    "user.vector_collections": "names and dimensions of embedding models",
}
"""Tables of no tenant, and why; they have rules of their own in tests/attacks/test_catalogue.py."""

BARE_TABLES = {"supervisor.alembic_version": "read by everybody and written by the owner alone"}
"""Tables without row-level security, and why."""

LATER = datetime.now(UTC) + timedelta(days=1)

PLANTED: dict[str, dict[str, Any]] = {
    "user.accounts": {"is_supervisor": False},
    "user.messages": {"role": "user", "status": "complete", "request": {}},
    "user.documents": {"status": "ready", "stage": None, "filename": f"{MARK}.txt", "media_type": "text/plain"},
    "user.files": {"media_type": "text/plain", "filename": f"{MARK}.txt"},
    "user.postings": {"kind": "w"},
    "user.runs": {
        "status": "finished",
        "log": pack([Event(1, EventType.QUEUED.encode(), msgspec.json.encode({"said": MARK}))]),
        "request": {"messages": [{"role": "user", "text": MARK}]},
        "citations": [],
        "usage": None,
        "labels": {},
    },
    "user.vectors": {"collection": "test:3", "embedding": "[1,0,0]"},
    "partner.scopes": {"kind": "organisation", "name": SCOPE_MARK, "status": "active", "parent_id": None},
    "partner.memberships": {"role": "owner", "status": "active", "source": "test"},
    "partner.invites": {"role": "student", "used_count": 0, "max_uses": 5},
    "partner.scim_groups": {"role": "student"},
    "partner.usage": {"kind": "chat", "outcome": "ok"},
    "partner.usage_days": {"kind": "chat"},
    "partner.budgets": {"subject_kind": "scope", "unit": "tokens", "period": "month", "time_zone": "UTC"},
    "partner.reservations": {"kind": "chat"},
}
"""Values that a table's checks ask for, or that make the victim's row one which routes would hand out."""


@dataclass(frozen=True)
class Column:
    """A column that can be written."""

    name: str
    type: str
    is_needed: bool


@dataclass
class Ground:
    """The tables as they are: columns that can be written, and what refers to what."""

    columns: dict[str, list[Column]] = field(default_factory=dict)
    references: dict[str, list[tuple[tuple[str, ...], str, tuple[str, ...]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def in_order(self) -> list[str]:
        """Every tenant's table, after those that it refers to."""
        order = ["user.accounts", "partner.scopes"]
        left = [table for table in self.columns if table not in {*OTHERS_TABLES, *order}]
        while left:
            free = [table for table in left if {to for _, to, _ in self.references[table]} - {table} <= {*order}]
            assert free, f"these refer to each other in a circle: {left}"
            order += free
            left = [table for table in left if table not in free]
        return order


async def survey(tx: Tx) -> Ground:
    """What tables the application has."""
    ground = Ground()
    columns = text("""
        SELECT n.nspname || '.' || c.relname AS at, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
               a.attnotnull AND NOT a.atthasdef AS is_needed
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''
        ORDER BY at, a.attnum
    """)
    for at, name, kind, is_needed in await tx.execute(columns):
        ground.columns.setdefault(at, []).append(Column(name, kind, is_needed))
    references = text("""
        SELECT n.nspname || '.' || c.relname, rn.nspname || '.' || r.relname,
               (SELECT array_agg(a.attname ORDER BY k.at) FROM unnest(f.conkey) WITH ORDINALITY k(num, at)
                JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num),
               (SELECT array_agg(a.attname ORDER BY k.at) FROM unnest(f.confkey) WITH ORDINALITY k(num, at)
                JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num)
        FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
        WHERE f.contype = 'f' AND n.nspname IN ('supervisor', 'partner', 'user') AND NOT c.relispartition
    """)
    for at, to, names, theirs in await tx.execute(references):
        ground.references[at].append((tuple(names), to, tuple(theirs)))
    return ground


def quoted(table: str) -> str:
    """The name as SQL takes it."""
    schema, name = table.split(".")
    return f'"{schema}"."{name}"'


async def plant(
    tx: Tx, ground: Ground, table: str, things: dict[str, dict[str, Any]], **chosen: object
) -> dict[str, Any]:
    """Insert the victim's row; `things` are their rows so far, by table."""
    row: dict[str, Any] = {}
    kinds = {column.name: column.type for column in ground.columns[table]}
    for column in ground.columns[table]:
        value = _value(table, column, things)
        if value is not None:
            row[column.name] = value
    for names, to, theirs in ground.references[table]:
        if to != table:
            pairs = zip(names, theirs, strict=True)
            row |= {name: things[to][their] for name, their in pairs if name in kinds}
    row = {**row, **PLANTED.get(table, {}), **chosen}
    if table == "partner.scopes":
        row["path"] = [row["id"]]
    assert set(row) <= set(kinds), f"{table} has no column {set(row) - set(kinds)}"
    given = ", ".join(f"CAST(:{name} AS {kinds[name]})" for name in row)
    names = ", ".join(f'"{name}"' for name in row)
    statement = text(f"INSERT INTO {quoted(table)} ({names}) VALUES ({given}) RETURNING *")
    found = await tx.execute(statement, {name: _written(row[name], kinds[name]) for name in row})
    return dict(found.mappings().one())


def _written(value: object, kind: str) -> object:
    return msgspec.json.encode(value).decode() if kind == "jsonb" and value is not None else value


def _value(table: str, column: Column, things: dict[str, dict[str, Any]]) -> object:
    """Something of the right type, marked where the type can be; None leaves the column to its default."""
    victim = things.get("user.accounts", {}).get("id")
    place = things.get("partner.scopes", {})
    if column.name in {"account_id", "actor_id", "created_by"}:
        return victim
    if column.name == "subject_id":
        return place["id"]
    if column.name in {"path", "scope_path"} and table != "partner.scopes":
        return list(place["path"])
    said = f"{MARK}.{table}.{column.name}"
    by_type: dict[str, object] = {
        "text": said if column.name != "email" else f"{said}@example.org".lower(),
        "jsonb": {"said": said},
        "bytea": said.encode() + secrets.token_bytes(8),
    }
    if column.type in by_type:
        return by_type[column.type]
    if not column.is_needed:
        return None
    return {
        "uuid": new_id(),
        "bigint": 1,
        "integer": 1,
        "smallint": 1,
        "double precision": 0.5,
        "boolean": False,
        "timestamp with time zone": LATER,
        "date": LATER.date(),
        "text[]": "{}",
        "uuid[]": "{}",
        "bigint[]": "{}",
        "timestamp with time zone[]": "{}",
    }.get(column.type)


async def traces(tx: Tx, tables: Iterable[str], ids: Iterable[UUID]) -> dict[str, str | None]:
    """A fingerprint of every row that names one of the ids, by table."""
    one = (
        "SELECT '{name}' AS at, md5(string_agg(row, '' ORDER BY row)) AS print"
        " FROM (SELECT t::text AS row FROM {table} t) all_rows WHERE row ~ :named"
    )
    every = " UNION ALL ".join(one.format(name=table, table=quoted(table)) for table in tables)
    found = await tx.execute(text(every), {"named": "|".join(str(one) for one in ids)})
    return {row.at: row.print for row in found}
