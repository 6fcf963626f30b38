"""What files plug in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module

if TYPE_CHECKING:
    from madang.kernel.events import Reaction
    from madang.kernel.jobs import Job


class Files(Module):
    """Uploads and their bytes in storage."""

    name: ClassVar[str] = "files"

    def jobs(self) -> "Sequence[Job]":
        """Removes the bytes of what was deleted or never claimed."""
        from madang.features.files.jobs import JOBS

        return JOBS

    def reactions(self) -> "Sequence[Reaction]":
        """Forgetting those who leave."""
        from madang.features.files.reactions import FORGET

        return (FORGET,)
