"""Argument checks whose messages name the argument, what was given and what is expected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def require_range(
    name: str,
    value: float,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a float if it is a finite number in the interval, else raise `ValueError`.

    Args:
        name: how the user knows the argument.
        value: what was given.
        low: lower end of the interval.
        high: upper end of the interval.
        low_open: the lower end itself is refused.
        high_open: the upper end itself is refused.

    Raises:
        ValueError: `value` is no number, not finite, or outside the interval.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last: a tensor of several numbers
        number = math.nan
    too_low = number <= low if low_open else number < low
    too_high = number >= high if high_open else number > high
    finite = -math.inf < number < math.inf  # comparisons only: torch.compile follows them
    if not finite or too_low or too_high:
        left = "(" if low_open or low == -math.inf else "["
        right = ")" if high_open or high == math.inf else "]"
        raise ValueError(f"{name}: got {value!r}, expected a number in {left}{low:g}, {high:g}{right}")
    return number


def require_int(name: str, value: Any, low: int, high: int = 2**31 - 1) -> int:
    """Return `value` as an int in [low, high], else raise `ValueError`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < low:
        raise ValueError(f"{name}: got {value!r}, expected an integer of at least {low}")
    if int(value) > high:
        raise ValueError(f"{name}: got {value!r}, expected an integer of at most {high}")
    return int(value)


def require_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, else raise `ValueError`."""
    allowed = sorted(choices)
    if value not in allowed:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(allowed)}")
    return value


def require_bool(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, else raise `ValueError`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: got {value!r}, expected True or False")
    return value
