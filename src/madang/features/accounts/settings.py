"""Settings of accounts."""

from functools import cache
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from madang.kernel.settings import EnvSettings


class AccountSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name."""

    registration: Literal["open", "invite", "closed"] = Field(
        default="invite",
        description=(
            "Who may register after the first account, which becomes the supervisor: anybody, people with a code from"
            " the supervisor, or nobody."
        ),
    )
    access_token_minutes: int = Field(default=15, ge=1, le=1440, description="How long an access token is good.")
    sign_in_days: int = Field(
        default=30, ge=1, le=3650, description="A sign-in ends after so many days in which it was not used."
    )
    sign_in_attempts: int = Field(
        default=10, ge=1, le=10_000, description="Failed sign-ins from one address to one account before both wait."
    )
    sign_in_address_attempts: int = Field(
        default=100, ge=1, le=100_000, description="Failed sign-ins and registrations from one address before it waits."
    )
    sign_in_window_minutes: int = Field(
        default=15, ge=1, le=1440, description="The time in which failures are counted, and the longest wait."
    )
    require_verified_email: bool | None = Field(
        default=None,
        description="Whether people sign in only with an address they have proved; if unset, as soon as mail is sent.",
    )
    deletion_grace_days: int = Field(
        default=14,
        ge=0,
        le=365,
        description="Days in which the deletion of an account can be undone; with 0 it is deleted at once.",
    )
    password_hash_memory_kib: int = Field(
        default=19_456, ge=8, le=1_048_576, description="Memory that argon2id takes to hash one password, in KiB."
    )
    password_hash_rounds: int = Field(
        default=2, ge=1, le=20, description="How often argon2id goes over that memory for one password."
    )
    password_hash_threads: int = Field(
        default=1, ge=1, le=16, description="Passwords that one process hashes at the same time."
    )


class GroupMembership(BaseModel):
    """Who is in this group of a provider has this role in this scope, for as long as the provider says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    scope_id: UUID
    role: Literal["admin", "manager", "instructor", "student"]


class OidcProvider(BaseModel):
    """One OpenID Connect provider, as a member of `MADANG_OIDC_PROVIDERS`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$")]
    label: str
    issuer: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")]
    client_id: str
    client_secret: SecretStr | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    trusts_email: bool = False
    registration: Literal["open", "closed"] | None = None
    email_domains: tuple[str, ...] | None = None
    organisation: UUID | None = None
    groups_claim: str | None = None
    supervisor_groups: tuple[str, ...] = ()
    memberships: tuple[GroupMembership, ...] = ()


class OidcSettings(EnvSettings):
    """Signing in elsewhere: read from the environment, with `MADANG_` before the name unless another is given."""

    oidc_providers: tuple[OidcProvider, ...] = Field(
        default=(),
        description=(
            "OpenID Connect providers as a JSON list of objects with `name`, `label`, `issuer`, `client_id`,"
            " `client_secret` and more; [Single sign-on](../guides/single-sign-on.md) has them all."
        ),
    )
    google_client_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("google_client_id", "GOOGLE_CLIENT_ID"),
        description="With the secret, lets people sign in with Google.",
    )
    google_client_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("google_client_secret", "GOOGLE_CLIENT_SECRET"),
        description="The secret that Google shows for the client id.",
    )
    oidc_registration: Literal["open", "closed"] = Field(
        default="closed",
        description=(
            "Whether signing in at a provider makes an account for somebody who has none; each provider's own"
            " `registration` comes before it."
        ),
    )
    oidc_email_domains: tuple[str, ...] = Field(
        default=(),
        description=(
            "Domains, as a JSON list, for whose addresses a provider's word counts: it links accounts of these alone,"
            " and makes new ones for these alone, or for any if empty; each provider's own `email_domains` come before"
            " it."
        ),
    )

    @model_validator(mode="after")
    def _check(self) -> "OidcSettings":
        names = [one.name for one in self.providers]
        if len(names) != len(set(names)):
            raise PydanticCustomError("providers_same_name", "two providers have the same name")
        for one in self.providers:
            if one.organisation is not None and not self.domains_of(one):
                said = "the provider {name} speaks for an organisation: say in email_domains for which addresses"
                raise PydanticCustomError("provider_without_domains", said, {"name": one.name})
        return self

    @property
    def providers(self) -> tuple[OidcProvider, ...]:
        """Every provider; Google last, where it is set up by its own two variables."""
        if not self.google_client_id or not self.google_client_secret:
            return self.oidc_providers
        google = OidcProvider(
            name="google",
            label="Google",
            issuer="https://accounts.google.com",
            client_id=self.google_client_id,
            client_secret=self.google_client_secret,
        )
        return (*self.oidc_providers, google)

    def takes_new(self, provider: OidcProvider) -> bool:
        """Whether a sign-in there makes an account for somebody who has none."""
        return (provider.registration or self.oidc_registration) == "open"

    def domains_of(self, provider: OidcProvider) -> tuple[str, ...]:
        """The domains, as the operator spells them, for whose addresses the provider's word counts."""
        return self.oidc_email_domains if provider.email_domains is None else provider.email_domains


@cache
def load() -> AccountSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return AccountSettings()


@cache
def load_oidc() -> OidcSettings:
    """The providers of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return OidcSettings()
