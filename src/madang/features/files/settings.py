"""Settings of uploads."""

from functools import cache

from pydantic import Field

from madang.kernel.settings import EnvSettings


class FileSettings(EnvSettings):
    """Read from the environment (`MADANG_` before the name)."""

    max_upload_mb: float = Field(default=50, gt=0, le=4096, description="The largest file anyone may upload, in MB.")

    @property
    def max_upload_bytes(self) -> int:
        """The limit in bytes."""
        return int(self.max_upload_mb * 1_000_000)


@cache
def load() -> FileSettings:
    """The settings of this process, read once."""
    return FileSettings()
