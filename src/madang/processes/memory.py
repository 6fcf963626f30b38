"""How a process that has started treats its memory."""

import contextlib
import ctypes
import gc
import sys

YOUNG_OBJECTS = 20_000
"""New objects between two looks of the garbage collector; Python's 700 is for small programs."""


def settle() -> None:
    """Leave what was imported out of garbage collection for good, and collect the rest less often.

    Reference counting frees nearly everything here; looking through the imported modules' objects again and again
    costs several per cent of the processor. What reading the modules' files took goes back to the system.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no such thing
            ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
