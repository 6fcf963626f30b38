"""Settings of uploads."""

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FileSettings(BaseSettings):
    """Read from the environment (`MADANG_` before the name)."""

    model_config = SettingsConfigDict(env_prefix="MADANG_", env_ignore_empty=True, extra="ignore", frozen=True)

    max_upload_mb: float = Field(default=50, gt=0, le=4096, description="The largest file anyone may upload, in MB.")

    @property
    def max_upload_bytes(self) -> int:
        """The limit in bytes."""
        return int(self.max_upload_mb * 1_000_000)


@cache
def load() -> FileSettings:
    """The settings of this process, read once."""
    return FileSettings()
