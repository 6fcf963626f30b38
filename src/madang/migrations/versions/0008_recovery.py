"""Verified e-mail addresses, and the way back to an account."""

revision = "0008_recovery"
down_revision = "0007_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
