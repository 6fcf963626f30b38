"""Deletion with grace, and export."""

revision = "0014_leaving"
down_revision = "0013_usage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
