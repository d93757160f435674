"""One picture of an inner signal: its panels, and the numbers that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emotional_ed.analysis.events import Around, mean_interval
from emotional_ed.analysis.panels import Line, Panel


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows, before it is drawn."""

    title: str
    """Above the picture."""
    panels: Sequence[Panel]
    """Row by row."""
    numbers: Mapping[str, float]
    """Name -> number, all computed from the runs of this picture."""
    says: str
    """The sentence below the picture; `{name}` or `{name:.2f}` stands for a number."""
    settings: str
    """How the members lived."""
    columns: int = 2
    """Panels a row."""
    height: float = 2.7
    """Of a row, in inches."""

    @property
    def text(self) -> str:
        """The sentence with its numbers in place."""
        return self.says.format(**self.numbers)


def course(found: Around, *, label: str, role: str = "felt", right: bool = False) -> Line:
    """Return the mean course around an event, with its interval over members."""
    return Line(x=found.x, y=found.mean, low=found.low, high=found.high, role=role, label=label, right=right)


def single(found: Around, *, role: str = "felt", member: int = 0, label: str = "one member") -> Line:
    """Return one member's own course around its events, to be drawn thin."""
    return Line(x=found.x, y=found.members[member], role=role, thin=True, label=label)


def with_interval(values: ArrayLike, form: str = ".2f") -> str:
    """Return a mean over members with its interval, as text."""
    value, low, high = mean_interval(values)
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def share(flags: ArrayLike, where: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return each member's share of steps with a flag among those in `where`, [P]; NaN where there is none.

    Args:
        flags: [T, P] bool, or numbers to be averaged.
        where: [T, P] bool.
    """
    mask = np.asarray(where, dtype=np.bool_)
    total = np.where(mask, np.asarray(flags, dtype=np.float64), 0).sum(0)
    count = mask.sum(0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
