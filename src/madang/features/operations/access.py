"""Who may read the audit log."""

from uuid import UUID

from madang.features.organisations.public import permit
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Forbidden


async def permit_audit(tx: Tx, who: Principal, scope_id: UUID | None) -> tuple[UUID, ...]:
    """Let supervisors read everything, and who manages a scope what happened in it; the scope's path, else empty.

    Raises `Forbidden` (supervisor_only, scope_permission) and `NotFound` (scope_not_found).
    """
    if scope_id is not None:
        return (await permit(tx, who, scope_id, "audit.read")).path
    if not who.is_supervisor:
        detail = "Only a supervisor reads the whole house's log. Give `scope_id` for that of your organisation."
        raise Forbidden("supervisor_only", detail)
    return ()
