"""How an answer ended, beside that it did."""

from alembic import op

revision = "0016_finish_reason"
down_revision = "0015_operator_checks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "user".runs ADD COLUMN finish_reason text')
    op.execute('ALTER TABLE "user".messages ADD COLUMN finish_reason text')


def downgrade() -> None:
    op.execute('ALTER TABLE "user".messages DROP COLUMN finish_reason')
    op.execute('ALTER TABLE "user".runs DROP COLUMN finish_reason')
