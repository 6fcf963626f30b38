"""Settings of operations."""

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperationsSettings(BaseSettings):
    """Read from the environment, with `MADANG_` before the name."""

    model_config = SettingsConfigDict(env_prefix="MADANG_", env_ignore_empty=True, extra="ignore", frozen=True)

    audit_months: int | None = Field(
        default=None,
        ge=3,
        le=1200,
        description="Whole months for which the audit log is kept; for ever if unset. Older ones are dropped.",
    )


@cache
def load() -> OperationsSettings:
    """The settings of this process, read once."""
    return OperationsSettings()
