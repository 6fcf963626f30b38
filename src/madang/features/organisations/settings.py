"""Settings of organisations."""

from functools import cache
from typing import Literal

from pydantic import Field

from madang.kernel.settings import EnvSettings


class OrganisationSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name."""

    organisations: Literal["supervisor", "open"] = Field(
        default="supervisor", description="Who may found an organisation: only supervisors, or everybody."
    )
    scope_grace_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="For how many days a deleted organisation, partner or class can be restored; 0 is none.",
    )
    invite_attempts: int = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Wrong invite codes from one address before it waits, in the window of failed sign-ins.",
    )
    scim_requests_per_minute: int = Field(
        default=1_500,
        ge=0,
        le=1_000_000,
        description="Requests of one SCIM token; 0 for no limit. Large directories send up to 25 a second.",
    )


@cache
def load() -> OrganisationSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return OrganisationSettings()
