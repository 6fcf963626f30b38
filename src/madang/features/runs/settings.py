"""Settings of runs."""

from functools import cache

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from madang.kernel.settings import EnvSettings


class RunSettings(EnvSettings):
    """Read from the environment, `MADANG_RUN_` before the name."""

    model_config = SettingsConfigDict(env_prefix="MADANG_RUN_")

    lease_seconds: float = Field(
        default=15, gt=0, le=600, description="A worker that is silent for this long loses its answers to another."
    )
    max_attempts: int = Field(
        default=8, ge=1, le=100, description="An answer that ended this many workers is given up with an error."
    )
    max_streams: int = Field(
        default=50, ge=1, le=10_000, description="Event streams that one account reads from one api process at most."
    )
    log_days: int = Field(
        default=7,
        ge=1,
        le=3650,
        description="Days that the events of an answer are kept one by one; later they are told in as few as can be.",
    )
    heartbeat_seconds: float = Field(
        default=5, gt=0, le=60, description="Silence on an event stream after which a comment keeps it open."
    )


@cache
def load() -> RunSettings:
    """The settings of this process, read once."""
    return RunSettings()
