"""The months of the audit log: open ahead of time, dropped when they are old."""

from sqlalchemy import text

from madang.features.operations.settings import load
from madang.kernel import log
from madang.kernel.db import LONG_SECONDS, set_statement_timeout
from madang.kernel.house import House

logger = log.get_logger(__name__)


async def turn_months(house: House) -> None:
    """Open the months to come, and drop those that are older than `MADANG_AUDIT_MONTHS`."""
    keep = load().audit_months
    async with house.db.transaction() as tx:
        await set_statement_timeout(tx, LONG_SECONDS)
        await tx.execute(text("SELECT supervisor.open_months('supervisor', 'audit')"))
        strays = await tx.scalar(text("SELECT supervisor.count_strays('supervisor', 'audit')"))
        kept = await tx.scalar(text("SELECT months FROM supervisor.retention WHERE table_name = 'supervisor.audit'"))
        drop = text("SELECT supervisor.drop_months('supervisor', 'audit', :keep)")
        dropped = await tx.scalar(drop, {"keep": keep}) if keep is not None else 0
    if strays:
        logger.warning("audit_outside_of_months", rows=strays)
    if keep is not None and (kept is None or keep < kept):
        mend = "run `madang migrate`: only the owner of the tables has less kept"
        logger.warning("audit_kept_longer", wanted=keep, kept=kept, mend=mend)
    if dropped:
        logger.info("audit_months_dropped", months=dropped)
