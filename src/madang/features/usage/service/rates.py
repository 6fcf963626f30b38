"""How often: limits for each account, key and organisation."""

from uuid import UUID

from madang.features.usage.service.buckets import Rate, count_request
from madang.features.usage.settings import load
from madang.kernel.auth import Principal
from madang.kernel.house import House

QUESTIONS = "questions"
"""The policy of routes that have a model answer; all others have the policy "requests"."""


async def limit_request(house: House, who: Principal, policy: str) -> list[tuple[bytes, bytes]]:
    """Count a request of an account and its key; the headers that say what is left.

    Raises TooMany (rate_limited). While Valkey is away everything is allowed.
    """
    settings = load()
    limits: list[Rate] = []
    if settings.requests_per_minute:
        limits += _limits("requests", who, settings.requests_per_minute)
    if policy == QUESTIONS and settings.questions_per_minute:
        limits += _limits(QUESTIONS, who, settings.questions_per_minute)
    return await count_request(house, limits) if limits else []


async def limit_questions(house: House, scope_path: tuple[UUID, ...]) -> None:
    """Count a question of an organisation's member. Raises TooMany (rate_limited)."""
    most = load().scope_questions_per_minute
    if most and scope_path:
        await count_request(house, [("organisation", f"scope:{scope_path[0].hex}", most)])


async def limit_directory(house: House, token_id: UUID, most: int) -> list[tuple[bytes, bytes]]:
    """Count a request of a system that manages an organisation, `most` a minute; the headers that say what is left.

    Raises TooMany (rate_limited).
    """
    return await count_request(house, [("scim", f"scim:{token_id.hex}", most)])


def _limits(policy: str, who: Principal, most: int) -> list[Rate]:
    limits = [(policy, f"{policy}:{who.account_id.hex}", most)]
    if who.key_id is not None:
        limits.append((f"key-{policy}", f"{policy}:{who.key_id.hex}", most))
    return limits
