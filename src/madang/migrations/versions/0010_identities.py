"""Identities at OpenID Connect providers."""

revision = "0010_identities"
down_revision = "0009_second_factors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
