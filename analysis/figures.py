"""How numbers are written: as many digits as they deserve."""

from __future__ import annotations

import math
from collections.abc import Iterable

from emotional_ed.analysis.statistics import Estimate


def decimals(numbers: Iterable[float]) -> int:
    """Return how many decimals show three digits of the largest of the numbers, in [0, 4]."""
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    if largest == 0.0:
        return 2
    return min(4, max(0, 2 - math.floor(math.log10(largest))))


def show(one: Estimate | None, places: int, *, sign: bool = False) -> str:
    """Return an estimate as text, "0.91 [0.88, 0.93]"."""
    if one is None:
        return "not counted"
    spec = f"{'+' if sign else ''}.{places}f"
    value = format(one.value, spec)
    if not one.bounded:
        return f"{value} (no interval)"
    return f"{value} [{format(one.low, spec)}, {format(one.high, spec)}]"


def show_p(p: float) -> str:
    """Return a p value as text."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def show_tick(value: float) -> str:
    """Return a short label for an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{value:g}"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers inside [low, high], roughly `about` of them."""
    raw = (high - low) / max(about, 1)
    scale = 10.0 ** math.floor(math.log10(raw))
    step = min((m * scale for m in (1.0, 2.0, 5.0, 10.0)), key=lambda size: abs(math.log(size / raw)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]
