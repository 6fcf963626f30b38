"""What chat plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from madang.features.accounts.public import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.events import Reaction
    from madang.kernel.house import House


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

    def offers(self) -> Sequence[Offer[object]]:
        """What somebody takes along of their conversations."""
        from madang.features.accounts.public import EXPORT

        return (EXPORT.offer(_export),)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.chat.queries import export

    return export(house, who)
