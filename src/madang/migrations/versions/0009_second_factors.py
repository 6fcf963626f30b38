"""Second factors, passkeys and API keys."""

revision = "0009_second_factors"
down_revision = "0008_recovery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
