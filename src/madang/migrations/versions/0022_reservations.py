"""Reservations that grow, late words that correct, an index under budgets of scopes, rows that cannot be booked."""

from alembic import op

from madang.kernel.db import APP_ROLE, HOUSE
from madang.migrations import ledger
from madang.migrations.usage_functions import BOOK, EXPIRY_TRUSTED, EXTEND, OPEN_BUDGET, OUTPUT_FITS, RESERVE

revision = "0022_reservations"
down_revision = "0021_document_notes"
branch_labels = None
depends_on = None

IN_HOUSE = f"current_setting('madang.account', true) = '{HOUSE}'"
CORRECTABLE = "outcome, is_priced, input_tokens, cached_tokens, output_tokens, cost, latency_ms"

CORRECT = f"""
    CREATE POLICY usage_correct ON partner.usage FOR UPDATE USING ({IN_HOUSE} AND outcome = 'lost')
        WITH CHECK ({IN_HOUSE})
"""

STATEMENTS = (
    OUTPUT_FITS,
    RESERVE,
    EXTEND,
    BOOK,
    EXPIRY_TRUSTED,
    OPEN_BUDGET,
    f"GRANT UPDATE ({CORRECTABLE}) ON partner.usage TO {APP_ROLE}",
    CORRECT,
    "CREATE INDEX ix_usage_days_scope_path ON partner.usage_days USING gin (scope_path)",
    "ALTER TABLE partner.reservations ADD COLUMN error text",
    'ALTER TABLE "user".runs ADD COLUMN unbooked_error text',
)
"""A row of usage stays as it was written, but for a lost one, which the true word may replace."""


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute('ALTER TABLE "user".runs DROP COLUMN unbooked_error')
    op.execute("ALTER TABLE partner.reservations DROP COLUMN error")
    op.execute("DROP INDEX partner.ix_usage_days_scope_path")
    op.execute("DROP POLICY usage_correct ON partner.usage")
    op.execute(f"REVOKE UPDATE ({CORRECTABLE}) ON partner.usage FROM {APP_ROLE}")
    op.execute(ledger.RESERVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for function in ("expiry_trusted", "book_calls", "extend_reservations", "output_fits"):
        op.execute(f"DROP FUNCTION partner.{function}")
