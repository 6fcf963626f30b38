"""What providers are to others: requests, chunks, usage and errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from madang.kernel.errors import BadGateway, GatewayTimeout, Invalid, Unavailable

type Role = Literal["system", "user", "assistant", "tool"]
type EmbeddingKind = Literal["query", "passage"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asked for. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `tool_call_id` names the call that a tool message answers."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What to ask a model. `model` is `provider/model`, None for the default.

    `tools` are OpenAI function tools as JSON-compatible mappings and pass through unread. A model that does not know
    a parameter (GPT-5 takes no temperature) is asked without it.
    """

    messages: Sequence[Message]
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    json_schema: Mapping[str, object] | None = None
    tools: Sequence[Mapping[str, object]] = ()
    tool_choice: str | Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took. `cost_micros` is in millionths of a US dollar, None when the price is not known.

    `estimated` says that the tokens are our guess by length, because the model's server did not count them.
    `cached_tokens` are those of the input that the server had in its cache.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    estimated: bool = False
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of a tool call: `id` and `name` come with its first piece, `arguments` are to be joined by `index`."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """What had come since the last one: all tokens of a moment in one object.

    The last chunk of an answer, and only that, carries `usage` and `finish_reason`: "stop", "length" (the model's limit
    or that of the request), "budget" (what the spender's budget affords), "content_filter", "tool_calls", or a reason
    of the server's own. `retracts`: all text of the chunks before was reasoning, as the model shows only now.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    retracts: bool = False


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as people choose it. Prices are micro-USD per 1,000,000 tokens, None when not known.

    `cached_price` is that of input which the server had in its cache, None when it is not cheaper.

    `available` says whether this installation is set up to reach it, not whether its server answers now.
    """

    id: str
    label: str
    context_tokens: int
    input_price: int | None
    output_price: int | None
    built_in: bool
    available: bool
    cached_price: int | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingBatch:
    """Vectors of `dimension` numbers, one a text and in their order; `model` is `provider/model`."""

    model: str
    dimension: int
    vectors: list[list[float]]


class ModelUnknown(Invalid):
    """There is no such model here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "model_unknown",
            f"There is no model {name!r} here. GET /api/v1/models lists those there are.",
            model=name,
        )


class ModelUnreachable(Unavailable):
    """The model's server is away or fails, after the retries. `upstream` is what it said, for the operator alone."""

    def __init__(self, name: str, why: str, *, upstream: str = "") -> None:
        super().__init__(
            "model_unreachable",
            f"The server of {name} cannot be reached ({why}). Try again in a minute, or choose another model.",
            model=name,
        )
        self.upstream = upstream


class ModelTimeout(GatewayTimeout):
    """The model did not say anything for too long."""

    def __init__(self, name: str, waited_for: str, seconds: float) -> None:
        super().__init__(
            "model_timeout",
            f"{name} gave no {waited_for} within {seconds:g} s. Try again, or choose another model.",
            model=name,
        )


class ModelCutOff(BadGateway):
    """The answer ended in the middle; what came before stands, but it is not the whole.

    The connection broke, or the server reported an error: `upstream` is what it said, for the operator alone.
    """

    def __init__(self, name: str, *, upstream: str = "") -> None:
        super().__init__(
            "model_cut_off",
            f"The connection to {name} broke in the middle of the answer. Ask again for a whole one.",
            model=name,
        )
        self.upstream = upstream


class ModelSilent(BadGateway):
    """The model ended its answer without a word of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "model_silent",
            f"{name} ended without an answer. Ask again in other words, or choose another model.",
            model=name,
        )


class ModelNonsense(BadGateway):
    """What came back is not the OpenAI protocol. `upstream` is how it begins, for the operator alone."""

    def __init__(self, name: str, why: str, *, upstream: str = "") -> None:
        super().__init__(
            "model_nonsense",
            f"The server of {name} does not speak the OpenAI protocol ({why}). Check OPENAI_BASE_URL, or choose "
            "another model.",
            model=name,
        )
        self.upstream = upstream


class ModelRefused(BadGateway):
    """The model's server understood and said no.

    `upstream_status` is its HTTP status, 200 for a refusal mid-stream; `upstream` is what it said, for the operator
    alone. `code` tells the refusals apart that people can do something about.
    """

    def __init__(
        self, name: str, upstream_status: int, advice: str, *, code: str = "model_refused", upstream: str = ""
    ) -> None:
        super().__init__(
            code,
            f"The server of {name} refused ({upstream_status}). {advice}",
            model=name,
            upstream_status=upstream_status,
        )
        self.upstream = upstream


def upstream_message(problem: Exception) -> str:
    """What a model's server said about a problem, without the key it was asked with; empty when it said nothing."""
    return str(getattr(problem, "upstream", ""))
