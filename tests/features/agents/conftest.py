"""A turn, and an emitter that remembers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from madang.features.agents.public import Turn
from madang.features.providers.public import Message
from madang.kernel.auth import Principal
from madang.kernel.ids import new_id
from tests.features.providers.conftest import configure, models_house, upstream

__all__ = ["configure", "models_house", "upstream"]


@dataclass
class Remembered:
    """Every event in order, as (name, what it was told)."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told, **more: self.events.append((name, more or told[0] if len(told) < 2 else told))

    def of(self, name: str) -> list[Any]:
        return [told for event, told in self.events if event == name]

    @property
    def text(self) -> str:
        return "".join(self.of("delta"))


@pytest.fixture
def emit() -> Remembered:
    return Remembered()


def turn_of(who: Principal, *said: str, **more: Any) -> Turn:
    """A turn after these messages, the person's and the assistant's by turns; the last is the question."""
    roles = ["user", "assistant"]
    messages = [Message(roles[number % 2], text) for number, text in enumerate(said)]
    return Turn(more.pop("run_id", None) or new_id(), who, messages, **more)
