"""What usage plugs in."""

from typing import ClassVar

from madang.kernel.module import Module


class Usage(Module):
    """What models cost, who pays, and how much they may spend."""

    name: ClassVar[str] = "usage"
