"""The door to accounts for other packages."""

from madang.features.accounts.contracts import (
    EXPORT,
    GROUPS,
    MAY_LEAVE,
    Account,
    AccountDeleted,
    AccountRegistered,
    ExportedFile,
    Grant,
)
from madang.features.accounts.service.lookup import account_by_email, account_names, account_of, accounts_named
from madang.features.accounts.service.registration import display_name, normal_email
from madang.features.accounts.service.throttle import Counter, attempt

__all__ = [
    "EXPORT",
    "GROUPS",
    "MAY_LEAVE",
    "Account",
    "AccountDeleted",
    "AccountRegistered",
    "Counter",
    "ExportedFile",
    "Grant",
    "account_by_email",
    "account_names",
    "account_of",
    "accounts_named",
    "attempt",
    "display_name",
    "normal_email",
]
