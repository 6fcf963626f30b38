"""Settings of reading and searching documents."""

from functools import cache

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from madang.kernel.settings import EnvSettings


class KnowledgeSettings(EnvSettings):
    """Read from the environment (`MADANG_KNOWLEDGE_` before the name)."""

    model_config = SettingsConfigDict(env_prefix="MADANG_KNOWLEDGE_")

    max_pages: int = Field(default=3000, ge=1, le=100_000, description="The most pages a document may have.")
    max_characters: int = Field(
        default=10_000_000, ge=1000, le=100_000_000, description="The most characters of text a document may have."
    )
    read_seconds: float = Field(
        default=120, gt=0, le=3600, description="The longest that reading one document may take, by the clock."
    )
    read_memory_mb: int = Field(
        default=1536,
        ge=1024,
        le=65_536,
        description="The most address space that reading one document may take, in MB; libraries take 520.",
    )
    embedding_batch: int = Field(
        default=16, ge=1, le=256, description="Passages embedded at once; what is done is kept after each batch."
    )


@cache
def load() -> KnowledgeSettings:
    """The settings of this process, read once."""
    return KnowledgeSettings()
