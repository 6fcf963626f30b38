"""Settings of `madang up` and of what it starts on this machine."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field

from madang.kernel.settings import EnvSettings


class LocalSettings(EnvSettings):
    """Read from the environment (`MADANG_` before the name unless another name is given)."""

    data_dir: Path = Field(default=Path(".madang"), description="Where `madang up` keeps everything.")
    host: str = Field(default="127.0.0.1", description="The address that `madang up` serves on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port that it serves on; 0 takes any free one.")
    models_dir: Path | None = Field(
        default=None, description="Where the built-in language model is put together; `models` in the data folder."
    )
    local_models: bool = Field(
        default=True, description="Whether `madang up` starts the built-in models; they take 0.7 GB of memory."
    )
    database_url: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("database_url", "DATABASE_URL"),
            description="A PostgreSQL of your own; without it `madang up` starts one.",
        ),
    ] = None
    valkey_url: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("valkey_url", "VALKEY_URL"),
            description="A Valkey of your own; without it `madang up` starts one.",
        ),
    ] = None
    secret_key: str | None = Field(
        default=None, min_length=32, description="Signs tokens; without it `madang up` makes one and keeps it."
    )
    start_seconds: float = Field(
        default=120, gt=0, le=3600, description="How long `madang up` waits for each part before it gives up."
    )
    stop_seconds: float = Field(
        default=6, gt=0, le=300, description="How long each part may take to end well before it is killed."
    )

    @property
    def models_folder(self) -> Path:
        """Where the built-in language model's file is."""
        return (self.models_dir or self.data_dir / "models").resolve()
