"""Budgets and usage, loaded only for those who may see or set them."""

from uuid import UUID

from sqlalchemy import select

from madang.features.accounts.public import account_of
from madang.features.organisations.public import Permission, permit
from madang.features.usage.contracts import NOBODY, BudgetNotFound, SubjectKind
from madang.features.usage.tables import BudgetRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Forbidden, NotFound


async def permit_subject(
    tx: Tx, who: Principal | None, kind: SubjectKind, subject_id: UUID, permission: Permission
) -> tuple[UUID, ...]:
    """The path to a subject of budgets, empty unless it is a scope, when `who` may do that to its budgets.

    Supervisors, and the operator (None), may everything; others what their roles allow, and read their own account's.
    Raises NotFound (scope_not_found, account_not_found) and Forbidden (scope_permission, supervisor_only).
    """
    if kind == "scope":
        asking = who or Principal(NOBODY, is_supervisor=True)
        return (await permit(tx, asking, subject_id, permission)).path
    own = who is not None and kind == "account" and subject_id == who.account_id and permission == "budgets.read"
    if who is not None and not (who.is_supervisor or own):
        raise Forbidden("supervisor_only", "Only a supervisor can do this. Ask the person who runs this server.")
    if kind == "account" and not own:
        await _require_account(tx, subject_id)
    return ()


async def _require_account(tx: Tx, account_id: UUID) -> None:
    if await account_of(tx, account_id) is None:
        raise NotFound("account_not_found", "There is no such account.")


async def budget_of(tx: Tx, who: Principal | None, budget_id: UUID, permission: Permission) -> BudgetRow:
    """The budget, when `who` may do that to it. Raises `BudgetNotFound` and Forbidden (scope_permission)."""
    budget = await tx.scalar(select(BudgetRow).where(BudgetRow.id == budget_id))
    if budget is None:
        raise BudgetNotFound
    kind: SubjectKind = "platform" if budget.subject_id == NOBODY else "scope" if budget.path else "account"
    await permit_subject(tx, who, kind, budget.subject_id, permission)
    return budget
