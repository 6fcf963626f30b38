"""Chat sessions and messages."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0006_chat"
down_revision = "0005_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".sessions (
            id uuid CONSTRAINT pk_sessions PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_sessions_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            title text NOT NULL,
            model text,
            agent text,
            active_run_id uuid,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute('CREATE INDEX ix_sessions_account_id_updated_at ON "user".sessions (account_id, updated_at DESC, id)')
    op.execute(
        """
        CREATE TABLE "user".messages (
            id uuid CONSTRAINT pk_messages PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_messages_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            session_id uuid NOT NULL
                CONSTRAINT fk_messages_session_id_sessions REFERENCES "user".sessions ON DELETE CASCADE,
            role text NOT NULL CONSTRAINT ck_messages_role CHECK (role IN ('user', 'assistant')),
            status text NOT NULL CONSTRAINT ck_messages_status
                CHECK (status IN ('complete', 'streaming', 'stopped', 'failed')),
            text text NOT NULL,
            reply_to uuid CONSTRAINT fk_messages_reply_to_messages REFERENCES "user".messages ON DELETE CASCADE,
            run_id uuid,
            citations jsonb NOT NULL DEFAULT '[]',
            error jsonb,
            usage jsonb,
            request jsonb,
            idempotency_key text,
            superseded_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_messages_account_id_idempotency_key UNIQUE (account_id, idempotency_key)
        )
        """
    )
    op.execute('CREATE INDEX ix_messages_session_id ON "user".messages (session_id, id)')
    op.execute('CREATE INDEX ix_messages_reply_to ON "user".messages (reply_to)')
    op.execute('CREATE INDEX ix_messages_text ON "user".messages USING gin (text gin_trgm_ops)')
    for table in ("user.sessions", "user.messages"):
        for statement in owner_policy(table):
            op.execute(statement)


def downgrade() -> None:
    op.execute('DROP TABLE "user".messages')
    op.execute('DROP TABLE "user".sessions')
