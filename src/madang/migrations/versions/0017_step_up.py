"""When somebody last proved themselves in a sign-in, and which identities they linked themselves."""

from alembic import op

revision = "0017_step_up"
down_revision = "0016_finish_reason"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "user".logins ADD COLUMN confirmed_at timestamptz')
    op.execute('ALTER TABLE "user".identities ADD COLUMN is_confirmed boolean NOT NULL DEFAULT false')


def downgrade() -> None:
    op.execute('ALTER TABLE "user".identities DROP COLUMN is_confirmed')
    op.execute('ALTER TABLE "user".logins DROP COLUMN confirmed_at')
