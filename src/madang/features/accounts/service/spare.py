"""What this process counted itself, which decides while Valkey is away. Bounded, and gone with the process."""

import time

MOST = 10_000
"""How many subjects are remembered; some 2 MB at most. Of more, those that have the least against them are dropped."""
LEFT = MOST * 9 // 10
APART_SECONDS = 5.0
"""So long Valkey is not asked again after it was away, or whoever signs in would wait for it at each step."""


class Spare:
    """Buckets that leak (GCRA): kept is, for each subject, the moment in milliseconds at which all has come back."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}
        self._apart_until = 0.0

    @property
    def is_apart(self) -> bool:
        """Whether Valkey was away a moment ago."""
        return time.monotonic() < self._apart_until

    def part(self) -> None:
        """Leave Valkey alone for a moment."""
        self._apart_until = time.monotonic() + APART_SECONDS

    def count(self, subject: str, limit: int, window: int, moment: int) -> int:
        """Count one at this moment (milliseconds), of `limit` in `window` seconds; 0, or the seconds to wait for it."""
        full_at = max(self._full_at.get(subject, 0.0), moment) + window * 1000 / limit
        wait = full_at - moment - window * 1000
        if wait > 0.5:
            return -int(-wait // 1000)
        self._full_at[subject] = full_at
        if len(self._full_at) > MOST:
            self._make_room(moment)
        return 0

    def take_back(self, subject: str, limit: int, window: int, moment: int) -> None:
        """Let one that was counted be as if it had not been."""
        full_at = self._full_at.get(subject, 0.0) - window * 1000 / limit
        if full_at > moment:
            self._full_at[subject] = full_at
        else:
            self._full_at.pop(subject, None)

    def has(self, subject: str, moment: int) -> bool:
        """Whether anything is counted for the subject."""
        return self._full_at.get(subject, 0.0) > moment

    def forget(self, subject: str) -> None:
        """Let nothing be counted for the subject."""
        self._full_at.pop(subject, None)

    def __len__(self) -> int:
        """How many subjects are remembered."""
        return len(self._full_at)

    def _make_room(self, moment: int) -> None:
        """Drop what is over, and then what has least against it: a flood of names does not wash an attack away."""
        longest = sorted(self._full_at.items(), key=lambda one: one[1], reverse=True)[:LEFT]
        self._full_at = {subject: full_at for subject, full_at in longest if full_at > moment}
