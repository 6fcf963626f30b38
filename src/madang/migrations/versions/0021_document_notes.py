"""What a document's reader must be told beside its text."""

from alembic import op

revision = "0021_document_notes"
down_revision = "0020_durability"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE \"user\".documents ADD COLUMN notes jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute('ALTER TABLE "user".documents DROP COLUMN notes')
