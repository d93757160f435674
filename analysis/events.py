"""What a signal does around a moment: records of many members aligned at events, and their mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis.bootstrap import RESAMPLES, generator, interval
from emotional_ed.checks import require_int

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Around:
    """The mean course around an event, W = before + after + 1 moments; the event is at index `before`."""

    x: NDArray[np.int64]
    """[W], -before to after."""
    mean: Array
    """[W], mean over members of each member's mean over its events; NaN where nothing is known."""
    low: Array
    """[W], lower end of the interval over members."""
    high: Array
    """[W], its upper end."""
    members: Array
    """[P, W], each member's mean."""
    events: int
    """How many events there were."""


def cut_out(values: ArrayLike, when: ArrayLike, who: ArrayLike, before: int, after: int) -> Array:
    """Return the record around each event; what lies before its beginning or after its end is NaN.

    Args:
        values: the record, [T, P].
        when: moment of each event, [E] in [0, T).
        who: member of each event, [E] in [0, P).
        before: moments before the event, >= 0.
        after: moments after it, >= 0.

    Returns:
        [E, before + after + 1].

    Raises:
        ValueError: shapes do not fit, or an event lies outside the record.
    """
    record = np.asarray(values, dtype=np.float64)
    moments, members = np.asarray(when, dtype=np.int64), np.asarray(who, dtype=np.int64)
    require_int("before", before, 0)
    require_int("after", after, 0)
    if record.ndim != 2 or moments.ndim != 1 or moments.shape != members.shape:
        raise ValueError(
            f"values: got shapes {record.shape}, {moments.shape}, {members.shape}, expected [T, P], [E], [E]"
        )
    for name, given, end in (("when", moments, len(record)), ("who", members, record.shape[1])):
        if len(given) and not (given.min() >= 0 and given.max() < end):
            raise ValueError(f"{name}: got {given.min()} to {given.max()}, expected within [0, {end})")
    index = moments[:, None] + np.arange(-before, after + 1)
    inside = (index >= 0) & (index < len(record))
    found = record[index.clip(0, len(record) - 1), members[:, None]]
    return np.where(inside, found, np.nan)


def around(values: ArrayLike, when: ArrayLike, who: ArrayLike, before: int, after: int) -> Around:
    """Align a record at events and average it, first within members, then over them.

    The interval draws members anew, because events of one member are not independent. See `cut_out` for the
    arguments.

    Raises:
        ValueError: as `cut_out`, or there is no event.
    """
    cut, members = cut_out(values, when, who, before, after), np.asarray(who, dtype=np.int64)
    if not len(cut):
        raise ValueError("when: got no events, expected at least one")
    present = np.unique(members)
    means = np.stack([_mean(cut[members == one]) for one in present])
    mean = _mean(means)
    low, high = _interval(means)
    return Around(np.arange(-before, after + 1), mean, low, high, means, len(cut))


def _mean(rows: Array) -> Array:
    """Return the mean of what is known in each column, NaN where nothing is."""
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(0)
    return np.asarray(np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan))


def _interval(means: Array) -> tuple[Array, Array]:
    if len(means) < 2:
        nothing = np.full(means.shape[1], np.nan)
        return nothing, nothing
    drawn = generator(RESAMPLES, 0).integers(0, len(means), (RESAMPLES, len(means)))
    samples = np.stack([_mean(means[rows]) for rows in drawn])
    return interval(np.where(np.isfinite(samples), samples, _mean(means)), 0.95, len(means))


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return the mean over members [P] and the ends of its bootstrap interval; NaN members are left out.

    Raises:
        ValueError: no member is known.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        raise ValueError("values: got no finite number, expected at least one")
    low, high = _interval(numbers[:, None])
    return float(numbers.mean()), float(low[0]), float(high[0])


def begins(flags: ArrayLike) -> NDArray[np.bool_]:
    """Return where a flag [T, P] goes up: it is set and was not the moment before."""
    up = np.asarray(flags, dtype=np.bool_)
    return np.asarray(up & ~np.concatenate([np.zeros_like(up[:1]), up[:-1]]))
