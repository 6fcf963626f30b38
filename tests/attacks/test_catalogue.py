"""What PostgreSQL lets the application do: every table, every column, every function, read from its catalogue."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from madang.kernel.auth import Principal
from madang.kernel.db import APP_ROLE
from tests.attacks.cast import Cast
from tests.attacks.planting import quoted

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = ("supervisor", "partner", "user")

LEDGER = "the house books it; row-level security lets nobody else write"
READ_ONLY: dict[str, str] = {
    "supervisor.alembic_version": "the owner migrates",
    "supervisor.retention": "the owner says what is kept",
    "user.vector_collections": "`open_collection` makes them",
}
"""Tables that the application only reads, and who writes them."""

APPENDED: dict[str, str] = {
    "supervisor.audit": "what happened is not changed",
    "partner.usage": "a booking stays; a lost one is corrected",
}
"""Tables that the application only reads and adds to."""

COLUMNS: dict[str, set[str]] = {
    "partner.scopes": {"name", "status", "suspended_by_supervisor", "deleted_at"},
    "partner.memberships": {"role", "status", "source"},
    "partner.invites": {"used_count", "expires_at", "revoked_at", "sent_at"},
    "partner.scim_tokens": {"last_used_at"},
    "partner.scim_users": {
        "account_id",
        "user_name",
        "email",
        "external_id",
        "active",
        "told",
        "suspended",
        "updated_at",
    },
    "partner.scim_groups": {"display_name", "external_id", "role", "role_scope_id", "updated_at"},
    "partner.scim_members": set(),
    "partner.budgets": {"amount"},
    "partner.usage": {
        "outcome",
        "is_priced",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "cost",
        "latency_ms",
    },
}
"""Tables of which the application changes these columns alone."""

OWN = "rows are of one account, which alone sees them"
WHOLE: dict[str, str] = {
    "supervisor.outbox": "the house alone sees the rows",
    "supervisor.heartbeat": "the house alone writes the row",
    "supervisor.registration_invites": "the house and supervisors alone see the rows",
    "partner.redemptions": OWN,
    "partner.usage_days": LEDGER,
    "partner.budget_windows": LEDGER,
    "partner.reservations": LEDGER,
    "user.accounts": "a trigger keeps all but name and preferences to the house: `PROTECTED`",
    "user.identities": "a trigger keeps whose and what it is to the house: `PROTECTED`",
    "user.logins": OWN,
    "user.authenticators": OWN,
    "user.recovery_codes": OWN,
    "user.passkeys": OWN,
    "user.api_keys": OWN,
    "user.files": OWN,
    "user.documents": OWN,
    "user.document_pages": OWN,
    "user.document_chunks": OWN,
    "user.postings": OWN,
    "user.vectors": OWN,
    "user.runs": OWN,
    "user.sessions": OWN,
    "user.messages": OWN,
}
"""Tables of which every column may be changed, and what guards the rows."""

DEFINED: dict[str, str] = {
    "supervisor.is_supervisor": "asks about the caller alone",
    "supervisor.open_months": "makes empty partitions of tables that are partitioned by month",
    "supervisor.count_strays": "tells a number",
    "supervisor.drop_months": "drops nothing that the owner has kept: `supervisor.retention`",
    "user.open_collection": "makes an empty partition for a model",
    "partner.state_of": "tells whether a scope is active",
    "partner.my_roots": "asks about the caller alone",
    "partner.my_blocks": "asks about the caller alone",
    "partner.my_scopes": "asks about the caller alone",
    "partner.my_memberships": "asks about the caller alone",
    "partner.managed_scopes": "asks about the caller alone",
    "partner.rank_of": "asks first whether the caller manages the place",
    "partner.members_of": "asks first whether the caller may read members there",
    "partner.budgets_of": "asks first whose budgets the caller may see",
    "partner.spender_names": "asks first what the caller manages",
}
"""Functions that the application may call and that then act as the owner, and why that gives nothing away."""

PROTECTED = {
    "user.accounts": {"name", "preferences"},
    "user.identities": {"provider", "email", "last_used_at", "created_at"},
}
"""Of these tables one changes only these columns of one's own row; the others are the house's to write."""


GUESTS = {"user.glossary_terms"}
"""Tables of products from outside, which may have joined this database in another test."""


async def rows(cast: Cast, query: str, **values: object) -> list[Any]:
    async with cast.house.db.transaction() as tx:
        return list((await tx.execute(text(query), values)).all())


async def test_every_table_says_what_the_application_changes_of_it(cast: Cast) -> None:
    found = await rows(
        cast,
        """
        SELECT n.nspname || '.' || c.relname AS name,
            array_remove(array_agg(CASE WHEN has_column_privilege(:role, c.oid, a.attnum, 'UPDATE')
                THEN a.attname::text END), NULL) AS changed,
            count(*) = count(*) FILTER (WHERE has_column_privilege(:role, c.oid, a.attnum, 'UPDATE')) AS is_whole,
            has_table_privilege(:role, c.oid, 'INSERT') AS adds, has_table_privilege(:role, c.oid, 'DELETE') AS removes,
            has_table_privilege(:role, c.oid, 'TRUNCATE') AS truncates
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = ANY (:ours) AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY 1, c.oid
        """,
        role=APP_ROLE,
        ours=list(OURS),
    )
    listed = {**READ_ONLY, **APPENDED, **COLUMNS, **WHOLE}
    found = [row for row in found if row.name not in GUESTS]
    assert {row.name for row in found} == set(listed), (
        "a new table: put it into the one of READ_ONLY, APPENDED, COLUMNS and WHOLE that is true of it, and grant the"
        " application no more than that in its migration"
    )
    for row in found:
        changed = set(row.changed)
        assert not row.truncates, row.name
        if row.name in WHOLE:
            assert row.is_whole, f"{row.name}: {changed}"
        else:
            assert changed == COLUMNS.get(row.name, set()), row.name
        assert row.adds or row.name in READ_ONLY, row.name
        assert not row.removes or row.name not in {*READ_ONLY, *APPENDED}, row.name


async def test_no_function_is_everybodys(cast: Cast) -> None:
    found = await rows(
        cast,
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY (:ours)
          AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) granted
                      WHERE granted.grantee = 0)
        """,
        ours=list(OURS),
    )
    assert found == [], "madang.migrations.privileges takes them from everybody after every migration"


async def test_every_function_that_acts_as_the_owner_is_listed_and_no_name_can_be_put_before_its_own(
    cast: Cast,
) -> None:
    found = await rows(
        cast,
        """
        SELECT n.nspname || '.' || p.proname AS name, has_function_privilege(:role, p.oid, 'EXECUTE') AS is_open,
            p.prorettype = 'trigger'::regtype AS is_trigger, array_to_string(p.proconfig, ' ') AS config
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY (:ours) AND p.prosecdef
        """,
        role=APP_ROLE,
        ours=list(OURS),
    )
    for row in found:
        assert "search_path=" in (row.config or ""), f"{row.name} finds what somebody put before it: SET search_path"
    opened = {row.name for row in found if row.is_open and not row.is_trigger}
    assert opened == set(DEFINED), (
        "a function that acts as the owner and that the application may call: say in DEFINED why it gives nothing"
        " away, or REVOKE it from PUBLIC in its migration"
    )


@pytest.mark.parametrize("table", PROTECTED)
async def test_attack_raw_sql_makes_oneself_a_supervisor_or_proves_ones_address(table: str, cast: Cast) -> None:
    columns = await rows(
        cast,
        """
        SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
        WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
        """,
        table=quoted(table),
    )
    samples = {
        "boolean": "NOT coalesce({0}, false)",
        "uuid": "gen_random_uuid()",
        "timestamp with time zone": "now()",
        "text": "{0} || '.'",
        "jsonb": "'{{}}'",
    }
    for name, kind in columns:
        changed = f'UPDATE {quoted(table)} SET "{name}" = ' + samples[kind].format(f'"{name}"')
        refused = await fails(cast, changed)
        assert refused == (None if name in PROTECTED[table] else "42501"), f"{changed}: {refused}"


async def fails(cast: Cast, statement: str) -> str | None:
    """The SQLSTATE with which a statement in the victim's own scope is refused; None when it went through."""
    try:
        async with cast.house.db.transaction(Principal(cast.victim.account_id)) as tx:
            await tx.execute(text(statement))
            await tx.rollback()
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", None))
    return None


@pytest.mark.parametrize(
    "statement",
    [
        'DELETE FROM "user".accounts',
        "UPDATE supervisor.outbox SET dead_at = now()",
        "DELETE FROM supervisor.registration_invites",
        "SELECT payload FROM supervisor.outbox",
    ],
)
async def test_attack_raw_sql_reaches_what_is_the_houses(statement: str, cast: Cast) -> None:
    async with cast.house.db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO supervisor.outbox (id, kind, name, payload, attempts, sends, due_at)"
                " VALUES (gen_random_uuid(), 'job', 'test.nobody', '{}', 0, 0, 'infinity')"
            )
        )
    async with cast.house.db.transaction(Principal(cast.accounts["student"])) as tx:
        result = await tx.execute(text(statement))
        assert (len(result.all()) if statement.startswith("SELECT") else result.rowcount) == 0  # type: ignore[attr-defined]  # a cursor's
    async with cast.house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM supervisor.outbox WHERE name = 'test.nobody'"))


async def test_attack_the_application_drops_the_audit_log(cast: Cast) -> None:
    before = await rows(cast, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'supervisor.audit'::regclass")
    async with cast.house.db.transaction() as tx:
        assert await tx.scalar(text("SELECT supervisor.drop_months('supervisor', 'audit', 3)")) == 0
    assert await rows(cast, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'supervisor.audit'::regclass") == before
    for statement in (
        "UPDATE supervisor.retention SET months = 3",
        "DELETE FROM supervisor.audit",
        "TRUNCATE supervisor.audit",
        "DROP TABLE supervisor.audit",
    ):
        assert await fails(cast, statement) == "42501", statement
