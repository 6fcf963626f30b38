"""How a process that has started treats its memory."""

import gc

YOUNG_OBJECTS = 20_000
"""New objects between two looks of the garbage collector; Python's 700 is for small programs."""


def settle() -> None:
    """Leave what was imported out of garbage collection for good, and collect the rest less often.

    Reference counting frees nearly everything here; looking through the imported modules' objects again and again
    costs several per cent of the processor.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
