"""How much to ask of a network at once: whoever waits for a call waits for all of it. Imports no torch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_TELLING = 0.002  # seconds; of shorter calls too much is what any call costs, whatever its size
_REMEMBERED = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds: how long a `call` is to take; how long a view may stay `bare`; and `between` unfinished maps."""

    call: float = 0.008
    bare: float = 1 / 60
    between: float = 1 / 60


class Cost:
    """What an item of a call costs, learned from the calls there were, any of which may have been held up."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._each: deque[float] = deque(maxlen=_REMEMBERED)  # seconds
        self._calls = 0
        self._was_long = False

    @property
    def is_known(self) -> bool:
        """Whether there is more to go by than one short call: with more items each may cost much less."""
        return self._calls > 1 or self._was_long

    def note(self, items: int, seconds: float) -> None:
        """A call with so many items took so long. A short one can only lower the cost."""
        self._calls += 1
        self._was_long = self._was_long or seconds >= self._limits.call
        if seconds >= _TELLING or not self._each or seconds < self.seconds(items):
            self._each.append(seconds / items)

    def seconds(self, items: int) -> float:
        """What so many should take, by the median of the last calls, or the lower of two."""
        return items * sorted(self._each)[(len(self._each) - 1) // 2]

    def items(self, least: int, most: int) -> int:
        """How many a call may have, a multiple of `least`; no more than that before the first."""
        if not self._each:
            return least
        if self.seconds(most) <= self._limits.call:
            return most // least * least
        return max(1, int(self._limits.call / self.seconds(least))) * least
