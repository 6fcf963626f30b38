"""Scopes, memberships and invites."""

revision = "0011_organisations"
down_revision = "0010_identities"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
