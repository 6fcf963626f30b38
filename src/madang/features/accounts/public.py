"""The door to accounts for other packages."""

from madang.features.accounts.contracts import AccountDeleted, AccountRegistered
from madang.features.accounts.service.registration import display_name

__all__ = ["AccountDeleted", "AccountRegistered", "display_name"]
