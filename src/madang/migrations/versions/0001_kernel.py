"""Schemas, the application's role, and the outbox."""

from alembic import op

from madang.kernel.db import APP_ROLE

revision = "0001_kernel"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = ("supervisor", "partner", '"user"')


def upgrade() -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            CREATE ROLE {APP_ROLE};
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT {APP_ROLE} TO CURRENT_USER")
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for schema in SCHEMAS:
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}")
        op.execute(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE}"
        )
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {APP_ROLE}")
    op.execute(
        """
        CREATE FUNCTION supervisor.scope_account() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
        $$ SELECT nullif(nullif(current_setting('madang.account', true), 'house'), '')::uuid $$
        """
    )
    op.execute(
        """
        CREATE TABLE supervisor.outbox (
            id uuid CONSTRAINT pk_outbox PRIMARY KEY,
            kind text NOT NULL CONSTRAINT ck_outbox_kind CHECK (kind IN ('event', 'job')),
            name text NOT NULL,
            payload jsonb NOT NULL,
            request_id text,
            created_at timestamptz NOT NULL DEFAULT now(),
            due_at timestamptz NOT NULL,
            claimed_until timestamptz,
            attempts smallint NOT NULL DEFAULT 0,
            sends smallint NOT NULL DEFAULT 0,
            last_error text,
            dead_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX ix_outbox_due_at ON supervisor.outbox (due_at) WHERE dead_at IS NULL")


def downgrade() -> None:
    op.execute("DROP TABLE supervisor.outbox")
    op.execute("DROP FUNCTION supervisor.scope_account()")
