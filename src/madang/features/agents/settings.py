"""Settings of agents."""

from functools import cache

from pydantic import Field

from madang.kernel.settings import EnvSettings


class AgentSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name."""

    history_tokens: int = Field(
        default=24_000,
        ge=0,
        le=2_000_000,
        description="The most of a conversation that is sent with a question, in tokens; less if the model holds less.",
    )
    answer_tokens: int = Field(
        default=8_000, ge=64, le=200_000, description="Room kept for the answer in the model's context, in tokens."
    )
    passages: int = Field(default=6, ge=1, le=50, description="Passages of documents that an answer may draw on.")
    checkpoint_connections: int = Field(
        default=4, ge=1, le=200, description="Database connections a worker keeps for agents' checkpoints."
    )


@cache
def load() -> AgentSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return AgentSettings()
