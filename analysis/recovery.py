"""How long an agent needs, after a change, to be back at what it reached before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.checks import require_int, require_range


@dataclass(frozen=True)
class Recovery:
    """Time to recovery of each curve."""

    value: NDArray[np.int64]
    """[...], episodes (or steps: the curve's unit) until recovery; the phase's length where censored."""
    censored: NDArray[np.bool_]
    """[...], whether the phase ended before: the true value is then larger."""


def recovery(
    curve: ArrayLike,
    change: int,
    share: float = 0.9,
    window: int = 10,
    *,
    floor: float = 0.0,
    end: int | None = None,
) -> Recovery:
    """Count the episodes from a change to the first stretch that is as good as before, to a stated share.

    Equation:
        before = mean of curve[change - window : change]; target = floor + share (before - floor);
        value  = the least k >= 0 with mean of curve[change + k : change + k + window] >= target.
        No window mixes episodes of before and after the change. A curve whose level before was not above the
        floor had nothing to recover to: it counts as censored, so that never learning cannot look good.

    Args:
        curve: the return of each episode (or of equal spans of steps), [..., T].
        change: position of the first episode after the change.
        share: of the level before, in (0, 1].
        window: episodes to smooth over, at least 1.
        floor: return that counts as nothing, e.g. a random policy's. The share is of the height above it,
            so choose it below the returns of a task that pays only losses.
        end: position after the phase's last episode, e.g. the next change; None means the curve's end.

    Raises:
        ValueError: the phases before or after are shorter than the window, or a return is not finite.

    Source:
        Kaplan and Meier (1958) for what censoring is; the rest is defined here.
    """
    numbers = np.asarray(curve, dtype=np.float64)
    if numbers.ndim < 1 or not np.isfinite(numbers).all():
        raise ValueError(f"curve: got shape {numbers.shape}, expected finite returns, [..., T]")
    require_range("share", share, 0.0, 1.0, low_open=True)
    require_int("window", window, 1)
    require_int("change", change, window, numbers.shape[-1] - window)
    stop = numbers.shape[-1] if end is None else require_int("end", end, change + window, numbers.shape[-1])
    before = numbers[..., change - window : change].mean(axis=-1)
    target = floor + share * (before - require_range("floor", floor))
    after = np.lib.stride_tricks.sliding_window_view(numbers[..., change:stop], window, axis=-1).mean(-1)
    back = (after >= target[..., None]) & (before > floor)[..., None]
    censored = ~back.any(axis=-1)
    value = np.where(censored, stop - change, back.argmax(axis=-1))
    return Recovery(value.astype(np.int64), censored)
