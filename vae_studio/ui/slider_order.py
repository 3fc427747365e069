"""Which sliders a list shows, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

INACTIVE_BELOW = 0.01  # nats per image
_NO_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def is_active(kl: float | None) -> bool:
    """Whether a dimension of this KL, in nats per image, carries information; so it is where that is not known."""
    return kl is None or kl >= INACTIVE_BELOW


def keys_in_order(
    names: Sequence[str], kls: Sequence[float | None], *, by_kl: bool, active_only: bool, sought: str = ""
) -> list[int]:
    """The keys of the rows, from the top: −1, −2, … for directions of these names, then 0, 1, … for dimensions.

    `by_kl` puts the dimensions of largest KL first, and wants all of them known. What is `sought`, a dimension's number
    or a part of a direction's name, is found among dead dimensions too; a number typed in full comes first.
    """
    directions = [-1 - index for index in range(len(names))]
    dimensions = sorted(range(len(kls)), key=lambda index: -kls[index]) if by_kl else list(range(len(kls)))
    if not sought:
        return [*directions, *(index for index in dimensions if not active_only or is_active(kls[index]))]
    sought = sought.casefold()
    digits = sought.translate(_NO_SUBSCRIPTS).removeprefix("z")
    found = [index for index in dimensions if str(index + 1).startswith(digits)]
    found.sort(key=lambda index: str(index + 1) != digits)
    return [*(key for key in directions if sought in names[-1 - key].casefold()), *found]
