"""Files."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0003_files"
down_revision = "0002_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".files (
            id uuid CONSTRAINT pk_files PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_files_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            filename text NOT NULL,
            media_type text NOT NULL,
            size bigint NOT NULL CONSTRAINT ck_files_size_positive CHECK (size > 0),
            sha256 text NOT NULL,
            key text NOT NULL CONSTRAINT uq_files_key UNIQUE,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute('CREATE INDEX ix_files_account_id ON "user".files (account_id)')
    for statement in owner_policy("user.files"):
        op.execute(statement)


def downgrade() -> None:
    op.execute('DROP TABLE "user".files')
