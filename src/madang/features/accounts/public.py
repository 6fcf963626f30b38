"""The door to accounts for other packages."""

from madang.features.accounts.contracts import (
    EXPORT,
    MAY_LEAVE,
    AccountDeleted,
    AccountRegistered,
    ExportedFile,
)
from madang.features.accounts.service.lookup import account_by_email, account_of
from madang.features.accounts.service.registration import display_name, normal_email
from madang.features.accounts.service.throttle import Counter, attempt

__all__ = [
    "EXPORT",
    "MAY_LEAVE",
    "AccountDeleted",
    "AccountRegistered",
    "Counter",
    "ExportedFile",
    "account_by_email",
    "account_of",
    "attempt",
    "display_name",
    "normal_email",
]
