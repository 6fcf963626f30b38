"""The door to organisations for other packages."""

from madang.features.organisations.access import chain_of, permit
from madang.features.organisations.contracts import (
    DIRECTORY_LIMITER,
    MemberJoined,
    MemberLeft,
    Permission,
    Role,
    Scope,
    ScopeDeleted,
    ScopeSuspended,
)
from madang.features.organisations.queries import scope_names, stewards

__all__ = [
    "DIRECTORY_LIMITER",
    "MemberJoined",
    "MemberLeft",
    "Permission",
    "Role",
    "Scope",
    "ScopeDeleted",
    "ScopeSuspended",
    "chain_of",
    "permit",
    "scope_names",
    "stewards",
]
