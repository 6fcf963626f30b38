"""What organisations plugs in."""

from typing import ClassVar

from madang.kernel.module import Module


class Organisations(Module):
    """Organisations, partners and classes: who belongs to which, as what."""

    name: ClassVar[str] = "organisations"
