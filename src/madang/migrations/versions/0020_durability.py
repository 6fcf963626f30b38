"""Since when PostgreSQL answers, rows given back without a lost attempt, compact logs of old runs, patient DDL."""

from alembic import op

revision = "0020_durability"
down_revision = "0019_privileges"
branch_labels = None
depends_on = None

IN_HOUSE = "current_setting('madang.account', true) = 'house'"

HEARTBEAT = """
CREATE TABLE supervisor.heartbeat (
    id boolean CONSTRAINT pk_heartbeat PRIMARY KEY DEFAULT true CONSTRAINT ck_heartbeat_single CHECK (id),
    beaten_at timestamptz NOT NULL,
    answering_since timestamptz NOT NULL
)
"""
"""One row that the scheduler writes each second: when it could last, and since when without a gap."""

BEAT = """
CREATE FUNCTION supervisor.beat() RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO supervisor.heartbeat AS old (beaten_at, answering_since) VALUES (clock_timestamp(), clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET
        beaten_at = excluded.beaten_at,
        answering_since = CASE
            WHEN excluded.beaten_at BETWEEN old.beaten_at - supervisor.longest_gap()
                AND old.beaten_at + supervisor.longest_gap() THEN old.answering_since
            ELSE excluded.beaten_at
        END
$$
"""
"""Written a gap after the beat before, it says that PostgreSQL was away until now; so does a clock set back."""

LONGEST_GAP = """
CREATE FUNCTION supervisor.longest_gap() RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT interval '8 seconds' $$
"""
"""Longer than another scheduler takes to lead (7 s), shorter than two thirds of the lease of a run (10 s)."""

ANSWERING_SINCE = """
CREATE FUNCTION supervisor.answering_since() RETURNS timestamptz LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(
        pg_postmaster_start_time(),
        (SELECT CASE WHEN beaten_at < now() - supervisor.longest_gap() THEN now() ELSE answering_since END
         FROM supervisor.heartbeat)
    )
$$
"""
"""The moment since which PostgreSQL has answered without a gap; now, while nobody knows that it did."""


def upgrade() -> None:
    for statement in (HEARTBEAT, LONGEST_GAP, BEAT, ANSWERING_SINCE):
        op.execute(statement)
    op.execute("ALTER TABLE supervisor.heartbeat ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE supervisor.heartbeat FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY heartbeat_read ON supervisor.heartbeat FOR SELECT USING (true)")
    op.execute(f"CREATE POLICY heartbeat_house ON supervisor.heartbeat USING ({IN_HOUSE}) WITH CHECK ({IN_HOUSE})")
    op.execute("ALTER TABLE supervisor.outbox ADD COLUMN released smallint NOT NULL DEFAULT 0")
    op.execute('CREATE INDEX ix_runs_whole ON "user".runs (finished_at) WHERE text IS NOT NULL')
    for function in ("open_months(text, text)", "drop_months(text, text, integer)"):
        op.execute(f"ALTER FUNCTION supervisor.{function} SET lock_timeout = '2s'")


def downgrade() -> None:
    for function in ("open_months(text, text)", "drop_months(text, text, integer)"):
        op.execute(f"ALTER FUNCTION supervisor.{function} RESET lock_timeout")
    op.execute('DROP INDEX "user".ix_runs_whole')
    op.execute("ALTER TABLE supervisor.outbox DROP COLUMN released")
    for function in ("answering_since", "beat", "longest_gap"):
        op.execute(f"DROP FUNCTION supervisor.{function}()")
    op.execute("DROP TABLE supervisor.heartbeat")
