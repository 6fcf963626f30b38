"""The application may read which version its database is at, and a supervisor who is leaving supervises no more."""

from alembic import op

from madang.kernel.db import APP_ROLE

revision = "0015_operator_checks"
down_revision = "0014_leaving"
branch_labels = None
depends_on = None

SUPERVISES = """
    CREATE OR REPLACE FUNCTION supervisor.supervises(account uuid) RETURNS boolean LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        caller text := coalesce(current_setting('madang.account', true), '');
        answer boolean;
    BEGIN
        PERFORM set_config('madang.account', 'house', true);
        answer := (
            EXISTS (SELECT FROM "user".accounts a
                    WHERE a.id = account AND a.is_supervisor AND a.disabled_at IS NULL
                      AND a.deletion_at IS NULL AND a.deleted_at IS NULL)
        );
        PERFORM set_config('madang.account', caller, true);
        RETURN answer;
    END $$
"""


def upgrade() -> None:
    op.execute(SUPERVISES)
    op.execute(f"GRANT SELECT ON supervisor.alembic_version TO {APP_ROLE}")
