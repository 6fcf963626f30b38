"""Settings of chat."""

from functools import cache

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from madang.kernel.settings import EnvSettings


class ChatSettings(EnvSettings):
    """Read from the environment, `MADANG_CHAT_` before the name."""

    model_config = SettingsConfigDict(env_prefix="MADANG_CHAT_")

    max_question_chars: int = Field(
        default=20_000, ge=1, le=1_000_000, description="The longest question, in characters."
    )
    history_messages: int = Field(
        default=20, ge=0, le=500, description="How many earlier messages of a session an agent is given."
    )


@cache
def load() -> ChatSettings:
    """The settings of this process, read once."""
    return ChatSettings()
