"""Reading the audit log: page by page, and as a file that is made while it is sent."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from uuid import UUID

import msgspec

from madang.features.accounts.public import ExportedFile, account_names, accounts_named
from madang.features.operations.access import permit_audit
from madang.features.operations.contracts import AuditFilter, Deed
from madang.features.operations.queries import deeds, deeds_about
from madang.kernel.audit import AuditRow, Target, record
from madang.kernel.auth import Principal
from madang.kernel.house import House

PAGE = 1000
"""Deeds that an export holds in memory."""

NAMED_AT_MOST = 500
COLUMNS = tuple(Deed.__slots__)
FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""With what a cell begins that a spreadsheet would work out instead of showing (the wide forms too)."""

type Packing = Callable[[Sequence[Deed]], bytes]


async def read(house: House, who: Principal, wanted: AuditFilter, before: UUID | None, limit: int) -> list[Deed]:
    """At most `limit` deeds that fit, the newest first, older than `before`.

    Raises `Forbidden` (supervisor_only, scope_permission) and `NotFound` (scope_not_found).
    """
    named: Sequence[UUID] = ()
    if wanted.text:
        async with house.db.transaction() as tx:
            named = await accounts_named(tx, wanted.text, NAMED_AT_MOST)
    async with house.db.transaction(who) as tx:
        await permit_audit(tx, who, wanted.scope_id)
        rows = await deeds(tx, wanted, named, before, limit)
    actors = {row.actor_id for row in rows if row.actor_id is not None}
    async with house.db.transaction() as tx:
        names = await account_names(tx, actors)
    return [_deed(row, names) for row in rows]


async def begin_export(house: House, who: Principal, wanted: AuditFilter, form: str) -> AsyncGenerator[bytes]:
    """Note that somebody takes the log along, and the file as CSV or JSON lines, piece by piece. Raises as `read`."""
    async with house.db.transaction(who) as tx:
        path = await permit_audit(tx, who, wanted.scope_id)
        asked = {name: value for name, value in msgspec.to_builtins(wanted).items() if value}
        target = Target("scope" if path else "house", wanted.scope_id, path)
        await record(tx, who, "operations.audit_exported", target, format=form, filter=asked)
    return _export(house, who, wanted, as_csv if form == "csv" else as_lines)


async def _export(house: House, who: Principal, wanted: AuditFilter, packed: Packing) -> AsyncGenerator[bytes]:
    if packed is as_csv:
        yield b"\xef\xbb\xbf" + _rows([COLUMNS])
    before: UUID | None = None
    while found := await read(house, who, wanted, before, PAGE):
        yield packed(found)
        before = found[-1].id


async def own_part(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """What the log says about an account, for its owner to take along."""
    yield ExportedFile("deeds.jsonl", _own_lines(house, who))


async def _own_lines(house: House, who: Principal) -> AsyncIterator[bytes]:
    after: UUID | None = None
    while True:
        async with house.db.transaction(who) as tx:
            rows = await deeds_about(tx, who.account_id, after, PAGE)
        if not rows:
            return
        yield b"".join(msgspec.json.encode(_told(row, who.account_id)) + b"\n" for row in rows)
        after = rows[-1].id


def _told(row: AuditRow, account_id: UUID) -> dict[str, object]:
    """A deed as the person is told it whom it is about; where others did it from is theirs."""
    own = ("address", "user_agent", "details") if row.actor_id == account_id else ()
    told = ("id", "created_at", "action", "target_kind", "target_id", *own)
    return {**{name: getattr(row, name) for name in told}, "by": "you" if own else "others"}


def _deed(row: AuditRow, names: dict[UUID, str]) -> Deed:
    shown = {name: getattr(row, name) for name in COLUMNS if name != "actor_name"}
    return Deed(actor_name=names.get(row.actor_id) if row.actor_id else None, **shown)


def as_lines(found: Sequence[Deed]) -> bytes:
    """Deeds as JSON, one a line."""
    return b"".join(msgspec.json.encode(deed) + b"\n" for deed in found)


def as_csv(found: Sequence[Deed]) -> bytes:
    """Deeds as CSV (RFC 4180); a cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    return _rows([[_cell(getattr(deed, name)) for name in COLUMNS] for deed in found])


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')
    return f"'{text}" if text.lstrip(" ")[:1] in FORMULA and text.strip(" ") else text


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    page = io.StringIO()
    csv.writer(page, quoting=csv.QUOTE_ALL).writerows(rows)
    return page.getvalue().encode()
