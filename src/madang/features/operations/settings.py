"""Settings of operations."""

from functools import cache

from pydantic import Field

from madang.kernel.settings import EnvSettings


class OperationsSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name."""

    audit_months: int | None = Field(
        default=None,
        ge=3,
        le=1200,
        description=(
            "Whole months for which the audit log is kept; for ever if unset. Older ones are dropped. `madang up` and"
            " `madang migrate` tell the database, which drops nothing younger whoever asks."
        ),
    )


@cache
def load() -> OperationsSettings:
    """The settings of this process, read once."""
    return OperationsSettings()


def audit_months() -> int | None:
    """For how many months the audit log is kept, None for ever."""
    return load().audit_months
