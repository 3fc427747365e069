"""What is held to a time, on a machine that may have other things to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


def best_of(attempts: int) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A test that is held to the real clock passes if it does once in so many attempts: others may want the cores."""

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def attempt(*args: P.args, **kwargs: P.kwargs) -> None:
            for left in reversed(range(attempts)):
                try:
                    return test(*args, **kwargs)
                except AssertionError:
                    if not left:
                        raise
            return None

        return attempt

    return decorate
