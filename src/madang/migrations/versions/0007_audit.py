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

OPEN_MONTHS = f"""
CREATE FUNCTION supervisor.open_months(schema_name text, table_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent regclass := format('%I.%I', schema_name, table_name)::regclass;
    rest regclass := (SELECT nullif(partdefid, 0)::regclass FROM pg_partitioned_table WHERE partrelid = parent);
    month timestamptz;
    child text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(schema_name || table_name));
    FOR ahead IN 0..2 LOOP
        month := date_trunc('month', now(), 'UTC') + make_interval(months => ahead);
        child := format('%I.%I', schema_name, table_name || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM'));
        CONTINUE WHEN to_regclass(child) IS NOT NULL;
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
        EXECUTE format('REVOKE ALL ON %s FROM {APP_ROLE}', child);
        IF rest IS NOT NULL THEN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
            EXECUTE format('WITH moved AS (DELETE FROM %s WHERE created_at >= %L AND created_at < %L RETURNING *)
                INSERT INTO %s SELECT * FROM moved', rest, month, month + interval '1 month', child);
        END IF;
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
            parent, child, month, month + interval '1 month');
    END LOOP;
    IF rest IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON %s FROM {APP_ROLE}', rest);
    END IF;
END
$$
"""  # noqa: S608  # only a constant goes in
"""Makes this month's partition and the next two; rows of a month that is opened late move into it.

A partition is reached only through its table, whose rights and row-level security then hold: the application has no
right on the partition itself.
"""

COUNT_STRAYS = """
CREATE FUNCTION supervisor.count_strays(schema_name text, table_name text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rest regclass := (SELECT nullif(partdefid, 0)::regclass FROM pg_partitioned_table
                      WHERE partrelid = format('%I.%I', schema_name, table_name)::regclass);
    strays bigint := 0;
BEGIN
    IF rest IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s', rest) INTO strays;
    END IF;
    RETURN strays;
END
$$
"""
"""How many rows are in the default partition, because no month was open for them."""

DROP_MONTHS = """
CREATE FUNCTION supervisor.drop_months(schema_name text, table_name text, keep integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old text;
    oldest text := table_name || to_char((now() AT TIME ZONE 'UTC') - make_interval(months => keep), '_YYYY_MM');
    dropped integer := 0;
BEGIN
    IF keep < 3 THEN
        RAISE EXCEPTION 'the last three months are never dropped';
    END IF;
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
"""Drops the partitions of months older than the last `keep`, which are three or more; returns how many."""


def upgrade() -> None:
    for statement in (OPEN_MONTHS, COUNT_STRAYS, DROP_MONTHS, AUDIT):
        op.execute(statement)
    op.execute("CREATE TABLE supervisor.audit_rest PARTITION OF supervisor.audit DEFAULT")
    op.execute("SELECT supervisor.open_months('supervisor', 'audit')")
    op.execute("CREATE INDEX ix_audit_actor_id ON supervisor.audit (actor_id, id)")
    op.execute("CREATE INDEX ix_audit_scope_path ON supervisor.audit USING gin (scope_path)")
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON supervisor.audit FROM {APP_ROLE}")
    for function in ("open_months(text, text)", "count_strays(text, text)", "drop_months(text, text, integer)"):
        op.execute(f"REVOKE ALL ON FUNCTION supervisor.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION supervisor.{function} TO {APP_ROLE}")


def downgrade() -> None:
    op.execute("DROP TABLE supervisor.audit")
    op.execute("DROP FUNCTION supervisor.drop_months")
    op.execute("DROP FUNCTION supervisor.count_strays")
    op.execute("DROP FUNCTION supervisor.open_months")
