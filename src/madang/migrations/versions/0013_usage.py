"""Usage, budgets and reservations."""

revision = "0013_usage"
down_revision = "0012_scim"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
