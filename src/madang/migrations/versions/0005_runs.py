"""Runs."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0005_runs"
down_revision = "0004_knowledge"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".runs (
            id uuid CONSTRAINT pk_runs PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_runs_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            agent text,
            model text,
            status text NOT NULL CONSTRAINT ck_runs_status
                CHECK (status IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
            attempt integer NOT NULL DEFAULT 0,
            lease_owner text,
            lease_expires_at timestamptz,
            cancel_requested_at timestamptz,
            request jsonb NOT NULL,
            labels jsonb NOT NULL,
            text text,
            citations jsonb,
            usage jsonb,
            error jsonb,
            log bytea,
            created_at timestamptz NOT NULL DEFAULT now(),
            started_at timestamptz,
            finished_at timestamptz
        )
        """
    )
    op.execute('ALTER TABLE "user".runs ALTER COLUMN log SET STORAGE EXTERNAL')
    op.execute('CREATE INDEX ix_runs_account_id ON "user".runs (account_id)')
    op.execute("CREATE INDEX ix_runs_lease ON \"user\".runs (lease_expires_at) WHERE status = 'running'")
    for statement in owner_policy("user.runs"):
        op.execute(statement)


def downgrade() -> None:
    op.execute('DROP TABLE "user".runs')
