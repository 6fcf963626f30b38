"""The audit log, and months as partitions of tables that only grow."""

from alembic import op

from madang.kernel.db import APP_ROLE

revision = "0007_audit"
down_revision = "0006_chat"
branch_labels = None
depends_on = None

AUDIT = """
CREATE TABLE supervisor.audit (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id uuid,
    scope_path uuid[] NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    request_id text,
    details jsonb NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at)
"""

OPEN_MONTHS = """
CREATE FUNCTION supervisor.open_months(schema_name text, table_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(schema_name || table_name));
    FOR ahead IN 0..2 LOOP
        month := date_trunc('month', now(), 'UTC') + make_interval(months => ahead);
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
            schema_name, table_name || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM'), schema_name, table_name,
            month, month + interval '1 month');
    END LOOP;
END
$$
"""
"""Makes this month's partition and the next two."""

DROP_MONTHS = """
CREATE FUNCTION supervisor.drop_months(schema_name text, table_name text, keep integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old text;
    oldest text := table_name || to_char((now() AT TIME ZONE 'UTC') - make_interval(months => keep), '_YYYY_MM');
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = format('%I.%I', schema_name, table_name)::regclass
            AND child.relname ~ (table_name || '_[0-9]{4}_[0-9]{2}$') AND child.relname < oldest
    LOOP
        EXECUTE format('DROP TABLE %I.%I', schema_name, old);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$
"""
"""Drops the partitions of months older than the last `keep`; returns how many."""


def upgrade() -> None:
    for statement in (OPEN_MONTHS, DROP_MONTHS, AUDIT):
        op.execute(statement)
    op.execute("CREATE TABLE supervisor.audit_rest PARTITION OF supervisor.audit DEFAULT")
    op.execute("SELECT supervisor.open_months('supervisor', 'audit')")
    op.execute("CREATE INDEX ix_audit_actor_id ON supervisor.audit (actor_id, id)")
    op.execute("CREATE INDEX ix_audit_scope_path ON supervisor.audit USING gin (scope_path)")
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON supervisor.audit FROM {APP_ROLE}")


def downgrade() -> None:
    op.execute("DROP TABLE supervisor.audit")
    op.execute("DROP FUNCTION supervisor.drop_months")
    op.execute("DROP FUNCTION supervisor.open_months")
