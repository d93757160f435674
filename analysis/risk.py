"""What bad outcomes cost: the mean of the worst returns, and catastrophes beside steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.checks import require_range


def cvar(returns: ArrayLike, level: float = 0.1, axis: int = -1) -> NDArray[np.float64]:
    """Return the conditional value at risk: the mean of the worst share `level` of the returns.

    Equation:
        With x sorted upwards and k = floor(level N):
        CVaR = (x_(1) + ... + x_(k) + (level N - k) x_(k+1)) / (level N). A level of 1 is the mean.

    Args:
        returns: at least one along `axis`.
        level: share of the worst, in (0, 1].
        axis: which axis to average over.

    Raises:
        ValueError: there is no return, one is not finite, or the level is outside (0, 1].

    Source:
        Rockafellar and Uryasev (2002), "Conditional value-at-risk for general loss distributions".
    """
    require_range("level", level, 0.0, 1.0, low_open=True)
    numbers = np.moveaxis(np.asarray(returns, dtype=np.float64), axis, -1)
    count = numbers.shape[-1]
    if count == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"returns: got {numbers!r}, expected at least one, all finite")
    mass = level * count
    weights = np.clip(mass - np.arange(count), 0.0, 1.0)
    return np.asarray((np.sort(numbers, axis=-1) * weights).sum(axis=-1) / mass)


def catastrophes_per_1000_steps(catastrophes: ArrayLike, steps: ArrayLike) -> NDArray[np.float64]:
    """Return 1000 x catastrophes / steps, entry by entry.

    Args:
        catastrophes: how many there were, at least 0.
        steps: in how many steps, at least 1.

    Raises:
        ValueError: a count is negative or there was no step.
    """
    bad, made = np.asarray(catastrophes, dtype=np.float64), np.asarray(steps, dtype=np.float64)
    if not (np.isfinite(bad) & (bad >= 0)).all():
        raise ValueError(f"catastrophes: got {bad!r}, expected counts of at least 0")
    if not (np.isfinite(made) & (made >= 1)).all():
        raise ValueError(f"steps: got {made!r}, expected counts of at least 1")
    return np.asarray(1000.0 * bad / made)
