"""Settings of uploads."""

from functools import cache

from pydantic import Field

from madang.kernel.settings import EnvSettings


class FileSettings(EnvSettings):
    """Read from the environment (`MADANG_` before the name)."""

    max_upload_mb: float = Field(default=50, gt=0, le=4096, description="The largest file anyone may upload, in MB.")

    storage_quota_mb: float = Field(
        default=5_000, ge=0, le=10_000_000, description="MB that the files of one account may take; 0 for no limit."
    )

    @property
    def storage_quota_bytes(self) -> int | None:
        """What one account's files may take, in bytes; None where there is no limit."""
        return int(self.storage_quota_mb * 1_000_000) or None

    @property
    def max_upload_bytes(self) -> int:
        """The limit in bytes."""
        return int(self.max_upload_mb * 1_000_000)


@cache
def load() -> FileSettings:
    """The settings of this process, read once."""
    return FileSettings()
