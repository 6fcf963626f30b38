"""Tokens and what they cost: as counted by the model's server, or guessed by length."""

from collections.abc import Iterable

from madang.features.providers.contracts import Message, ModelInfo, Usage

LATIN_PER_TOKEN = 4
HANGUL_TOKENS = 0.7
MESSAGE_TOKENS = 4


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
    return sum(estimate_tokens(message.content) + MESSAGE_TOKENS for message in messages)


def cost(info: ModelInfo, input_tokens: int, output_tokens: int) -> int | None:
    """Micro-USD, rounded up; None when the price is not known."""
    if info.input_price is None or info.output_price is None:
        return None
    return -(-(input_tokens * info.input_price + output_tokens * info.output_price) // 1_000_000)


def usage_of(info: ModelInfo, input_tokens: int, output_tokens: int, *, estimated: bool = False) -> Usage:
    """Usage with its cost."""
    return Usage(info.id, input_tokens, output_tokens, cost(info, input_tokens, output_tokens), estimated)


def estimate_usage(info: ModelInfo, messages: Iterable[Message], answer: str) -> Usage:
    """What a call took by the look of it; for one that was stopped before its server could say."""
    return usage_of(info, estimate_input(messages), estimate_tokens(answer), estimated=True)
