"""One episode of one seed as a report shows it: what was felt, step by step, and why it was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
"""Signal -> its value at each step, [T]."""


@dataclass(frozen=True)
class Episode:
    """An episode that is worth a look."""

    title: str
    """Whose it is and why it was chosen, in a line."""
    columns: Columns
    """What happened and what was felt; "reward" and "catastrophe" are understood, and every affect. With
    "episode", steps of other episodes are those around it."""
    number: int = 0
    """Which of the numbers in "episode" it is."""
    note: str = ""
    """How it was recorded, in a sentence."""


def around(columns: Columns, number: int, least: int = 60) -> dict[str, NDArray[Any]]:
    """Return an episode, with the steps around it if it is shorter than `least`.

    Args:
        columns: of one seed's life, [T].
        number: of the episode, which must be in `columns["episode"]`.
        least: steps to return if there are as many.
    """
    mine = np.flatnonzero(np.asarray(columns["episode"]) == number)
    first, last, total = int(mine[0]), int(mine[-1]) + 1, len(columns["episode"])
    room = max(least - (last - first), 0)
    start = max(min(first - room // 2, total - least), 0) if room else first
    stop = min(max(last, start + least), total) if room else last
    return {name: values[start:stop] for name, values in columns.items()}


def worth_a_look(columns: Columns) -> dict[int, str]:
    """Choose episodes of one seed: that of the first catastrophe, and that of the worst surprise.

    Equation:
        The worst surprise is at argmin_t lss_t, where the agent got least beside what it expected.

    Args:
        columns: "episode", "terminated", "truncated", "catastrophe" and "lss" at each step, [T], as `Trace`
            gives them.

    Returns:
        Number of an episode -> why it was chosen. Episodes that did not end are taken only if none did.
    """
    number = np.asarray(columns["episode"])
    if not len(number):
        return {}
    ended = np.asarray(columns["terminated"], bool) | np.asarray(columns["truncated"], bool)
    whole = np.isin(number, number[ended])
    seen = whole if whole.any() else np.ones(len(number), bool)
    chosen: dict[int, list[str]] = {}
    bites = np.flatnonzero(seen & np.asarray(columns["catastrophe"], bool))
    if len(bites):
        chosen.setdefault(int(number[bites[0]]), []).append("its first catastrophe")
    errors = np.where(seen, np.nan_to_num(np.asarray(columns["lss"], np.float64)), np.inf)
    chosen.setdefault(int(number[errors.argmin()]), []).append("its worst surprise")
    return {episode: " and ".join(why) for episode, why in chosen.items()}
