"""Provisioning by SCIM."""

revision = "0012_scim"
down_revision = "0011_organisations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
