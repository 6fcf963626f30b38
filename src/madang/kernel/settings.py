"""Settings of the house itself; every feature has its own file with its own prefix."""

import json
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

STARTTLS = ("required", "offered", "never")
SHORTEST_SECRET = 32
"""Characters; whoever knows a secret, even a former one, can sign in as anybody."""
SCHEDULER_POOL = 4
"""Its schedules are short, and one that waits comes a moment later."""


class EnvSettings(BaseSettings):
    """Base of everybody's settings: read from the environment, `MADANG_` before the name unless the class says another.

    An empty variable is an unset one, and no error shows a value, which may be a secret.
    """

    model_config = SettingsConfigDict(
        env_prefix="MADANG_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


def _networks(given: object) -> object:
    """Addresses and networks as people write them: with commas or spaces between, or as a JSON list."""
    if isinstance(given, str):
        given = [] if given.strip() == "none" else _words(given)
    if isinstance(given, list | tuple):
        try:
            return tuple(ip_network(str(one), strict=False) for one in cast("list[object]", given))
        except ValueError:
            raise PydanticCustomError("networks", "each is an IP address or a network") from None
    return given


def _words(given: object) -> object:
    """Names with commas or spaces between, or as a JSON list."""
    if not isinstance(given, str):
        return given
    if not given.lstrip().startswith("["):
        return given.replace(",", " ").split()
    try:
        return json.loads(given)
    except ValueError:
        raise PydanticCustomError("json_invalid", "not JSON") from None


type Networks = tuple[IPv4Network | IPv6Network, ...]


class Settings(EnvSettings):
    """Read from the environment (`MADANG_` before the name unless another name is given)."""

    database_url: Annotated[
        SecretStr,
        Field(
            validation_alias=AliasChoices("database_url", "DATABASE_URL"),
            description="PostgreSQL with pgvector, as `postgresql://user:password@host:port/database`.",
        ),
    ]
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="The same database as the owner of its tables, for migrations; `DATABASE_URL` if not given.",
    )
    valkey_url: Annotated[
        SecretStr,
        Field(
            validation_alias=AliasChoices("valkey_url", "VALKEY_URL"),
            description="Valkey or Redis, as `redis://user:password@host:port/0` or `unix:///path`.",
        ),
    ]
    secret_key: SecretStr = Field(
        min_length=SHORTEST_SECRET,
        description="Signs tokens; at least 32 characters, the same in every process. `madang up` makes one.",
    )
    old_secret_keys: tuple[SecretStr, ...] = Field(
        default=(),
        description=(
            "Former values of `MADANG_SECRET_KEY`, the newest first, as a JSON list: what they signed stays good, and"
            " nothing new is signed with them. At least 32 characters each. `madang admin rotate-keys` keeps them for"
            " `madang up`."
        ),
    )

    @field_validator("old_secret_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        short = [str(number) for number, key in enumerate(keys, 1) if len(key.get_secret_value()) < SHORTEST_SECRET]
        if short:
            told: dict[str, object] = {"least": SHORTEST_SECRET, "numbers": ", ".join(short)}
            raise PydanticCustomError("secrets_short", "each has at least {least} characters; not so {numbers}", told)
        return keys

    data_dir: Path = Field(default=Path(".madang"), description="Where `madang up` keeps everything.")
    storage_url: str | None = Field(
        default=None,
        pattern=r"^(file:///|s3://)[^/].*$",
        examples=["file:///srv/madang", "s3://bucket"],
        description="Where files live: `file:///path` or `s3://bucket`; in the data folder if unset.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the api process listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port of the api process; 0 takes any free one.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s?#]+$",
        examples=["https://madang.example.org"],
        description=(
            "Where people reach this server, such as `https://madang.example.org`, for links and for sign-in"
            " providers; what each request was sent to, if unset."
        ),
    )
    trusted_proxies: Annotated[Networks, NoDecode, BeforeValidator(_networks)] = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description=(
            "Addresses and networks of the proxies in front of this server, with commas between: what they say of where"
            " a request comes from (`X-Forwarded-For`, `X-Forwarded-Proto`) is believed, and of nobody else."
            " See [Behind a proxy](../guides/behind-a-proxy.md)."
        ),
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(),
        description=(
            "Further names by which people reach this server, with commas between; `*.example.org` stands for all"
            " below, `*` for any. The name of `MADANG_PUBLIC_URL`, that of this machine, localhost and IP addresses are"
            " always good."
        ),
    )
    setup_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description=(
            "What the first person to register must know, who becomes the supervisor; made from `MADANG_SECRET_KEY` if"
            " unset. `madang up` and `madang admin setup-url` print the address with it."
        ),
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description=(
            "The bearer token with which `/metrics` and the details of `/health` are read; from this machine alone if"
            " unset."
        ),
    )
    max_connections: int = Field(
        default=2_000, ge=10, le=100_000, description="Connections that one api process has open at most."
    )
    max_client_connections: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Of them, those from one address that is no trusted proxy; a school may be one.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description=(
            "The mail server, as `smtp://user:password@host:587` or `smtps://…`. The first insists on STARTTLS, except"
            " on this machine; `?starttls=never` sends in the clear, `?starttls=offered` if there is no other way."
            " Without it no mail is sent, and nobody needs to verify an address."
        ),
    )
    mail_from: str = Field(
        default="Madang <madang@localhost>", description="Whom mail is from, as `Name <address@example.org>`."
    )
    environment: Literal["development", "test", "production"] = Field(
        default="development", description="Shown by /health; production also insists on secure cookies."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much to log.")
    log_style: Literal["json", "text"] = Field(default="json", description="Logs for machines or for people.")
    database_pool: int = Field(
        default=16, ge=1, le=500, description="Database connections an api process opens at most; a scheduler, 4."
    )
    worker_database_pool: int = Field(
        default=8, ge=2, le=500, description="Database connections a worker opens at most, besides those of its agents."
    )
    admission_queue: int = Field(
        default=500,
        ge=0,
        le=100_000,
        description="Requests that wait in an api process for a database connection at most; further ones are refused.",
    )
    admission_wait_seconds: float = Field(
        default=8,
        ge=0.1,
        le=60,
        description="How long such a request waits at most; one that would wait longer is refused at once.",
    )
    database_request_seconds: float = Field(
        default=10,
        gt=0,
        le=3600,
        description="The longest that PostgreSQL may take over one statement of a request, before it is answered 503.",
    )
    database_work_seconds: float = Field(
        default=60, gt=0, le=3600, description="The same for workers, the scheduler and commands."
    )
    database_lock_seconds: float = Field(
        default=8, gt=0, le=3600, description="The longest that a statement waits for what another transaction holds."
    )
    database_idle_seconds: float = Field(
        default=20,
        gt=0,
        le=3600,
        description=(
            "A process that is silent for so long in a transaction loses it, and so the locks that others wait for."
        ),
    )
    worker_runs: int = Field(default=200, ge=1, le=5000, description="Answers one worker writes at the same time.")
    worker_jobs: int = Field(default=4, ge=1, le=500, description="Documents one worker reads at once; as many others.")
    stream_retention_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="How long the live event log of an answer may stay in Valkey: the longest that one may take.",
    )
    stream_linger_seconds: int = Field(
        default=120,
        ge=10,
        le=86_400,
        description="How long it stays after the answer's end; later readers get the same events from PostgreSQL.",
    )
    key_prefix: str = Field(
        default="madang",
        pattern=r"^[a-z0-9-]{1,32}$",
        examples=["madang", "madang-2"],
        description="Before every key in Valkey.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _known_starttls(cls, url: SecretStr | None) -> SecretStr | None:
        query = parse_qs(urlsplit(url.get_secret_value()).query) if url else {}
        if query.get("starttls", ["required"])[0] not in STARTTLS:
            told: dict[str, object] = {"expected": ", ".join(f"?starttls={one}" for one in STARTTLS)}
            raise PydanticCustomError("literal_error", "one of {expected}", told)
        return url

    def pool_of(self, process: str) -> int:
        """How many database connections a process of this name opens at most."""
        if process == "worker":
            return self.worker_database_pool
        return min(self.database_pool, SCHEDULER_POOL) if process == "scheduler" else self.database_pool

    @property
    def owner_url(self) -> str:
        """The URL that migrations use."""
        return (self.owner_database_url or self.database_url).get_secret_value()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret that signs, and after it the former ones, whose signatures are still good."""
        return tuple(one.get_secret_value() for one in (self.secret_key, *self.old_secret_keys))

    @property
    def base_url(self) -> str:
        """Where links in mail lead to; never what a request says of itself."""
        return self.public_url or f"http://localhost:{self.port}"


@cache
def load() -> Settings:
    """The settings of this process, read once.

    Raises `pydantic.ValidationError` when one is missing or malformed.
    """
    return Settings()  # pyright: ignore[reportCallIssue]  # the environment gives the required values
