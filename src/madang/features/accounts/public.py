"""The door to accounts for other packages."""

from madang.features.accounts.access import act_for_others
from madang.features.accounts.contracts import (
    BELONGS,
    EXPECTED,
    EXPORT,
    GROUPS,
    MAY_LEAVE,
    PROVED,
    REGISTRATION_CODES,
    SIGNED,
    WELCOME,
    Account,
    AccountDeleted,
    AccountRegistered,
    CodeBook,
    ExportedFile,
    Grant,
)
from madang.features.accounts.service.addresses import is_same, normal_email
from madang.features.accounts.service.lookup import (
    account_by_email,
    account_names,
    account_of,
    accounts_named,
    addresses_of,
    supervisors,
    verified_email,
)
from madang.features.accounts.service.registration import display_name
from madang.features.accounts.service.stationery import letter
from madang.features.accounts.service.throttle import Counter, attempt, place

__all__ = [
    "BELONGS",
    "EXPECTED",
    "EXPORT",
    "GROUPS",
    "MAY_LEAVE",
    "PROVED",
    "REGISTRATION_CODES",
    "SIGNED",
    "WELCOME",
    "Account",
    "AccountDeleted",
    "AccountRegistered",
    "CodeBook",
    "Counter",
    "ExportedFile",
    "Grant",
    "account_by_email",
    "account_names",
    "account_of",
    "accounts_named",
    "act_for_others",
    "addresses_of",
    "attempt",
    "display_name",
    "is_same",
    "letter",
    "normal_email",
    "place",
    "supervisors",
    "verified_email",
]
