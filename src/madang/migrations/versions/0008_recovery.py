"""Verified e-mail addresses, and the way back to an account."""

from alembic import op

revision = "0008_recovery"
down_revision = "0007_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "user".accounts ADD COLUMN email_verified_at timestamptz')


def downgrade() -> None:
    op.execute('ALTER TABLE "user".accounts DROP COLUMN email_verified_at')
