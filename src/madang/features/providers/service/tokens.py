"""Tokens and what they cost: as counted by the model's server, or guessed by length."""

from collections.abc import Iterable

import msgspec

from madang.features.providers.contracts import ChatRequest, Message, ModelInfo, Usage
from madang.features.usage.public import Price

LATIN_PER_TOKEN = 4
HANGUL_TOKENS = 0.7
MESSAGE_TOKENS = 4
BYTES_PER_TOKEN = 3


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: four ASCII characters or one and a half others make one.

    Within a fifth or so for prose with OpenAI's o200k vocabulary; for budgets of context and for answers whose
    server does not count.
    """
    if text.isascii():
        return -(-len(text) // LATIN_PER_TOKEN)
    wide = sum(character > "\x7f" for character in text)
    return round((len(text) - wide) / LATIN_PER_TOKEN + wide * HANGUL_TOKENS + 0.5)


def estimate_input(messages: Iterable[Message]) -> int:
    """About how many tokens a conversation is as input."""
    total = 0
    for message in messages:
        total += estimate_tokens(message.content) + MESSAGE_TOKENS
        total += sum(estimate_tokens(call.arguments) for call in message.tool_calls)
    return total


def estimate_tools(request: ChatRequest) -> int:
    """About how many tokens the tools and the schema of an answer add to the input."""
    if not request.tools and request.json_schema is None:
        return 0
    return len(msgspec.json.encode((request.tools, request.json_schema))) // LATIN_PER_TOKEN


def most_input(request: ChatRequest) -> int:
    """About the most tokens that a request is as input, in one step a message: three bytes seldom make more than one.

    For reservations, which must rather be too large than too small.
    """
    texts = sum(_bytes(message.content) + MESSAGE_TOKENS * BYTES_PER_TOKEN for message in request.messages)
    calls = sum(_bytes(call.arguments) for message in request.messages for call in message.tool_calls)
    schemas = len(msgspec.json.encode((request.tools, request.json_schema)))
    return (texts + calls + schemas) // BYTES_PER_TOKEN + MESSAGE_TOKENS


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def cost(info: ModelInfo, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int | None:
    """Micro-USD, rounded up; None when the price is not known."""
    if info.input_price is None or info.output_price is None:
        return None
    price = Price(info.input_price, info.output_price, info.cached_price)
    return -(-price.nanos(input_tokens, output_tokens, cached_tokens) // 1000)


def usage_of(
    info: ModelInfo, input_tokens: int, output_tokens: int, cached_tokens: int = 0, *, estimated: bool = False
) -> Usage:
    """Usage with its cost."""
    micros = cost(info, input_tokens, output_tokens, cached_tokens)
    return Usage(info.id, input_tokens, output_tokens, micros, estimated, cached_tokens)


def estimate_usage(info: ModelInfo, messages: Iterable[Message], answer: str) -> Usage:
    """What a call took by the look of it; for one that was stopped before its server could say."""
    return usage_of(info, estimate_input(messages), estimate_tokens(answer), estimated=True)
