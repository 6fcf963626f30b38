"""Settings of providers."""

from functools import cache
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from madang.kernel.settings import EnvSettings

PROVIDERS = ("openai", "local")
OPENAI_URL = "https://api.openai.com/v1"


class ModelPrice(BaseModel):
    """Millionths of a dollar for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: int = Field(ge=0, le=10**12)
    output: int = Field(default=0, ge=0, le=10**12)
    cached: int | None = Field(default=None, ge=0, le=10**12)


class ProviderSettings(EnvSettings):
    """Read from the environment, with `MADANG_` before the name unless another name is given."""

    openai_api_key: Annotated[
        SecretStr | None,
        Field(
            validation_alias=AliasChoices("openai_api_key", "OPENAI_API_KEY"),
            description="The key for OpenAI or the compatible server; the `openai/…` models are off without it.",
        ),
    ] = None
    openai_base_url: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("openai_base_url", "OPENAI_BASE_URL"),
            description="Any OpenAI-compatible server, with its `/v1` if it has one; OpenAI's own if not given.",
        ),
    ] = None
    default_model: str | None = Field(
        default=None,
        description="The model that answers when none is chosen, as `provider/model`. If not given: `openai/gpt-5` "
        "with a key or base URL, the built-in `local/gemma3-270m` without. Where the server has not got it, the first "
        "that it lists.",
    )
    openai_models: tuple[str, ...] = Field(
        default=(),
        description='The models of the `openai/…` server, as a list such as `["gpt-5", "my-deployment"]`; if not '
        "given, the server is asked. For servers whose list is not what can be asked for, such as Azure's.",
    )
    embedding_model: str | None = Field(
        default=None,
        description="The model that embeds documents and questions, as `provider/model`; the built-in "
        "`local/multilingual-e5-small` if not given.",
    )
    model_prices: dict[str, ModelPrice] = Field(
        default={},
        description="Prices that are not known here, or other ones, in millionths of a dollar for a million tokens: "
        '`{"openai/my-model": {"input": 150000, "output": 600000, "cached": 75000}}`.',
    )
    local_models_url: str | None = Field(
        default=None, description="Where the built-in language model is served; `madang up` sets it."
    )
    local_embeddings_url: str | None = Field(
        default=None, description="Where the built-in embedding model is served; `madang up` sets it."
    )
    model_connect_seconds: float = Field(
        default=5, gt=0, le=300, description="How long to wait for a connection to a model's server."
    )
    model_first_token_seconds: float = Field(
        default=90, gt=0, le=3600, description="How long a model may think before its first token."
    )
    model_between_tokens_seconds: float = Field(
        default=30, gt=0, le=3600, description="How long a model may be silent in the middle of an answer."
    )
    model_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a call that failed before its first token is tried again; never after it.",
    )
    stream_coalesce_ms: int = Field(
        default=80,
        ge=0,
        le=200,
        description="Tokens that come within so many milliseconds are passed on together, the first at once; 0 passes "
        "on whatever each packet brings.",
    )
    local_model_slots: int = Field(
        default=4, ge=1, le=64, description="Answers the built-in language model writes at the same time; others queue."
    )
    local_model_queue_seconds: float = Field(
        default=300, gt=0, le=3600, description="How long an answer may wait for a place at the built-in model."
    )
    embedding_batch: int = Field(default=32, ge=1, le=2048, description="Texts sent to be embedded in one request.")
    embedding_requests: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Requests to embed documents that one process has under way; questions do not wait for them.",
    )
    embedding_seconds: float = Field(
        default=120, gt=0, le=3600, description="How long one request for embeddings may take."
    )

    @field_validator("default_model", "embedding_model")
    @classmethod
    def _has_provider(cls, name: str | None) -> str | None:
        provider, _, model = (name or "").partition("/")
        if name is not None and (provider not in PROVIDERS or not model.strip()):
            told: dict[str, object] = {"providers": ", ".join(PROVIDERS)}
            raise PydanticCustomError("model_name", "a model is provider/model, the provider one of {providers}", told)
        return name

    @property
    def is_compatible(self) -> bool:
        """Whether the server is another one than OpenAI's own."""
        return (self.openai_base_url or OPENAI_URL).rstrip("/") != OPENAI_URL

    @property
    def has_openai(self) -> bool:
        """Whether the `openai/…` models are set up."""
        return self.openai_api_key is not None or self.openai_base_url is not None


@cache
def load() -> ProviderSettings:
    """The settings of this process, read once; raises `pydantic.ValidationError` when one is malformed."""
    return ProviderSettings()
