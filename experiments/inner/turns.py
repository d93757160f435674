"""Situations that take turns: which memory answered when a situation was in force before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def phases(phase: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the moments of each stretch of one situation of one member, for its record [T]."""
    lived = np.flatnonzero(np.isfinite(phase))
    return np.split(lived, np.flatnonzero(np.diff(phase[lived])) + 1)


def whole_phases(phase: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return a record [T, P] without last stretches that broke off before `length` moments."""
    whole = phase.copy()
    for p in range(phase.shape[1]):
        last = phases(phase[:, p])[-1]
        if len(last) < length:
            whole[last, p] = np.nan
    return whole


def answered_then(
    phase: NDArray[np.float64], memory: NDArray[np.float64], back: int = 2
) -> NDArray[np.float64]:
    """Return the memory that answered `back` phases before that of each moment, [T, P]; NaN where none did.

    It is the one that was used most in the second half of that phase. Where as many situations as `back` take
    turns, the present one was in force then; one phase before it was another.
    """
    known = np.full(phase.shape, np.nan)
    for p in range(phase.shape[1]):
        stretches = phases(phase[:, p])
        for now, then in zip(stretches[back:], stretches, strict=False):
            late = memory[then[len(then) // 2 :], p].astype(np.int64)
            known[now, p] = np.bincount(late).argmax()
    return known


def late_in(phase: NDArray[np.float64], back: int = 2) -> NDArray[np.bool_]:
    """Return which moments are in the second half of a phase whose situation was lived before, [T, P]."""
    late = np.zeros(phase.shape, dtype=np.bool_)
    for p in range(phase.shape[1]):
        for stretch in phases(phase[:, p])[back:]:
            late[stretch[len(stretch) // 2 :], p] = True
    return late


def returns(phase: NDArray[np.float64], back: int = 2) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return moment and member of each change to a situation that was lived before, [E] each."""
    return _changes(phase, slice(back, None))


def first_meetings(phase: NDArray[np.float64], back: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return moment and member of each change to a situation that was never lived before, [E] each."""
    return _changes(phase, slice(1, back))


def _changes(phase: NDArray[np.float64], which: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    pairs = [(stretch[0], p) for p in range(phase.shape[1]) for stretch in phases(phase[:, p])[which]]
    when, who = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return when, who


def is_back(
    memory: NDArray[np.float64],
    known: NDArray[np.float64],
    when: NDArray[np.int64],
    who: NDArray[np.int64],
    before: int,
    after: int,
) -> NDArray[np.float64]:
    """Return whether the memory of the new situation is in use, around each change, [T, P]; else NaN."""
    back = np.full(memory.shape, np.nan)
    for t, p in zip(when, who, strict=True):
        span = slice(max(t - before, 0), t + after + 1)
        back[span, p] = np.where(np.isfinite(memory[span, p]), memory[span, p] == known[t, p], np.nan)
    return back
