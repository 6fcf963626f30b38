"""Settings of usage."""

from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from madang.kernel.settings import EnvSettings


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("time_zone", "there is no such time zone") from None
    return zone


class UsageSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name."""

    time_zone: Annotated[str, AfterValidator(_known)] = Field(
        default="Asia/Seoul",
        description="Where days, weeks (from Monday) and months begin, for usage and for budgets made from now on.",
    )
    usage_retention_months: int = Field(
        default=13,
        ge=3,
        le=240,
        description="Months that single calls are kept for, this one included; the sums of each day stay.",
    )
    budget_answer_tokens: int = Field(
        default=8_192,
        ge=64,
        le=200_000,
        description="The most tokens of one model call where a budget binds.",
    )
    budget_step_tokens: int = Field(
        default=256,
        ge=16,
        le=200_000,
        description="Output tokens that are reserved before a model call where a budget binds; more is reserved in"
        " growing steps while the answer is written.",
    )
    budget_wait_seconds: float = Field(
        default=30,
        ge=0,
        le=600,
        description="How long a model call waits for answers in flight to let go of what they hold of a budget, before"
        " it is refused; what could not be paid without them either is refused at once.",
    )
    budget_least_answer_tokens: int = Field(
        default=256,
        ge=1,
        le=200_000,
        description="When a budget has less left than an answer may take, the answer is kept shorter, but not shorter "
        "than so many tokens: then the call is refused.",
    )
    reservation_seconds: int = Field(
        default=60,
        ge=3,
        le=3600,
        description="What a worker that died had reserved is booked as spent after so long; the living renew it.",
    )
    requests_per_minute: int = Field(
        default=600, ge=0, le=1_000_000, description="Requests of one account, and of one API key; 0 for no limit."
    )
    questions_per_minute: int = Field(
        default=300, ge=0, le=1_000_000, description="Questions of one account, and of one API key; 0 for no limit."
    )
    scope_questions_per_minute: int = Field(
        default=3_000,
        ge=0,
        le=1_000_000,
        description="Questions that all members of one organisation ask together; 0 for no limit.",
    )


@cache
def load() -> UsageSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return UsageSettings()


def usage_months() -> int:
    """For how many months single calls are kept."""
    return load().usage_retention_months
