"""What chat plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module

if TYPE_CHECKING:
    from fastapi import APIRouter

    from madang.kernel.events import Reaction


class Chat(Module):
    """Conversations."""

    name: ClassVar[str] = "chat"

    def routes(self) -> "Sequence[APIRouter]":
        """`/chat`."""
        from madang.features.chat.routes import router

        return (router,)

    def reactions(self) -> "Sequence[Reaction]":
        """Storing answers, and forgetting those who leave."""
        from madang.features.chat.reactions import REACTIONS

        return REACTIONS
