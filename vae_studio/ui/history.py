"""Undo and redo for values that are never changed but replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
LIMIT = 500


class History(Generic[T]):
    """The `present` value, the values before it, and those that were undone; at most `limit` before it are kept."""

    def __init__(self, present: T, limit: int = LIMIT) -> None:
        self.present = present
        self._past: deque[T] = deque(maxlen=limit)
        self._future: list[T] = []
        self._merge: Hashable = None

    @property
    def past(self) -> Sequence[T]:
        """What `undo` would go back to, the nearest last."""
        return self._past

    @property
    def future(self) -> Sequence[T]:
        """What `redo` would go forward to, the nearest last."""
        return self._future

    def record(self, value: T, merge: Hashable = None) -> None:
        """Make this the present, and forget what was undone.

        Values recorded one after the other with the same `merge`, that is not None, are undone together; if they end
        where they began, there is nothing to undo.
        """
        if value == self.present:
            return
        self._future.clear()
        if merge is None or merge != self._merge:
            self._past.append(self.present)
            self._merge = merge
        elif value == self._past[-1]:
            self._past.pop()
            self._merge = None
        self.present = value

    def undo(self) -> bool:
        """Go back by one entry; whether there was one."""
        if not self._past:
            return False
        self._future.append(self.present)
        self.present = self._past.pop()
        self._merge = None
        return True

    def redo(self) -> bool:
        """Go forward again by one entry; whether there was one."""
        if not self._future:
            return False
        self._past.append(self.present)
        self.present = self._future.pop()
        self._merge = None
        return True

    def rewrite(self, change: Callable[[T], T]) -> None:
        """Change every value that is kept, without an entry of its own; neighbours that become alike are one."""
        kept: deque[T] = deque(maxlen=self._past.maxlen)
        self.present = change(self.present)
        for value in map(change, self._past):
            if not kept or value != kept[-1]:
                kept.append(value)
        if kept and kept[-1] == self.present:
            kept.pop()
        ahead: list[T] = []  # the furthest first
        for value in map(change, self._future):
            if not ahead or value != ahead[-1]:
                ahead.append(value)
        if ahead and ahead[-1] == self.present:
            ahead.pop()
        self._past, self._future, self._merge = kept, ahead, None
