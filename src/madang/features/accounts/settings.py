"""Settings of accounts."""

from functools import cache
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AccountSettings(BaseSettings):
    """Read from the environment, with `MADANG_` before the name."""

    model_config = SettingsConfigDict(env_prefix="MADANG_", extra="ignore", frozen=True)

    registration: Literal["open", "invite", "closed"] = Field(
        default="invite",
        description=(
            "Who may register after the first account, which becomes the supervisor: anybody, people with a code from"
            " the supervisor, or nobody."
        ),
    )
    access_token_minutes: int = Field(default=15, ge=1, le=1440, description="How long an access token is good.")
    sign_in_days: int = Field(
        default=30, ge=1, le=3650, description="A sign-in ends after so many days in which it was not used."
    )
    sign_in_attempts: int = Field(
        default=10, ge=1, le=10_000, description="Failed sign-ins from one address to one account before both wait."
    )
    sign_in_address_attempts: int = Field(
        default=100, ge=1, le=100_000, description="Failed sign-ins and registrations from one address before it waits."
    )
    sign_in_window_minutes: int = Field(
        default=15, ge=1, le=1440, description="The time in which failures are counted, and the longest wait."
    )
    password_hash_memory_kib: int = Field(
        default=19_456, ge=8, le=1_048_576, description="Memory that argon2id takes to hash one password, in KiB."
    )
    password_hash_rounds: int = Field(
        default=2, ge=1, le=20, description="How often argon2id goes over that memory for one password."
    )
    password_hash_threads: int = Field(
        default=1, ge=1, le=16, description="Passwords that one process hashes at the same time."
    )


@cache
def load() -> AccountSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return AccountSettings()
