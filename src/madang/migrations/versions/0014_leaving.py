"""Deletion with grace, and everybody's sight of what the audit log says about them."""

from alembic import op

revision = "0014_leaving"
down_revision = "0013_usage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE "user".accounts ADD COLUMN deletion_at timestamptz, ADD COLUMN deletion_by uuid')
    op.execute(
        'CREATE INDEX ix_accounts_deletion_at ON "user".accounts (deletion_at)'
        " WHERE deletion_at IS NOT NULL AND deleted_at IS NULL"
    )
    op.execute(
        "CREATE POLICY audit_own ON supervisor.audit FOR SELECT USING (actor_id = supervisor.scope_account()"
        " OR (target_kind = 'account' AND target_id = supervisor.scope_account()))"
    )


def downgrade() -> None:
    op.execute("DROP POLICY audit_own ON supervisor.audit")
    op.execute('ALTER TABLE "user".accounts DROP COLUMN deletion_at, DROP COLUMN deletion_by')
