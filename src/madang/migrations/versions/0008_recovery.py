"""Verified e-mail addresses, and the way back to an account."""

from alembic import op

revision = "0008_recovery"
down_revision = "0007_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "user".accounts ADD COLUMN email_verified_at timestamptz')
    op.execute('ALTER TABLE "user".logins ADD COLUMN is_trusted boolean NOT NULL DEFAULT true')
    op.execute('DROP INDEX "user".ix_logins_account_id')  # of standing sign-ins only; those that ended tell places too
    op.execute('CREATE INDEX ix_logins_account_id ON "user".logins (account_id, id)')


def downgrade() -> None:
    op.execute('DROP INDEX "user".ix_logins_account_id')
    op.execute('CREATE INDEX ix_logins_account_id ON "user".logins (account_id) WHERE ended_at IS NULL')
    op.execute('ALTER TABLE "user".logins DROP COLUMN is_trusted')
    op.execute('ALTER TABLE "user".accounts DROP COLUMN email_verified_at')
