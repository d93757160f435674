"""What finished contests have left in their folders, read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_ed.experiments.contests.contest import Budget
from emotional_ed.experiments.contests.suite import COLUMNS, LAST


@dataclass(frozen=True)
class Outcome:
    """What a finished contest has left."""

    task: str
    mechanism: str
    scores: dict[str, NDArray[np.float64]]
    """Arm -> [S] on the reported seeds."""
    tuned: dict[str, float]
    """Arm -> score of its best setting on the tuning seeds; without arms that follow another."""
    roles: dict[str, str]
    """Arm -> "own", "control" or "rival"."""
    budget: Budget
    """What every arm was given."""
    steps: int
    """Of each member."""
    revision: str
    """Of the code that ran it."""


def load_suite(folder: Path) -> Outcome | None:
    """Read a finished contest; None if there is none in the folder."""
    if not (folder / LAST).is_file():
        return None
    facts = json.loads((folder / LAST).read_text())
    scores = {one["arm"]: np.array(one["lives"]["score"]) for one in facts["entries"]}
    tuned = {one["arm"]: one["tuning_score"] for one in facts["entries"]}
    return Outcome(
        facts["task"]["name"],
        facts["mechanism"],
        scores,
        {name: score for name, score in tuned.items() if score is not None},
        {name: arm["role"] for name, arm in facts["arms"].items()},
        Budget(**facts["budget"]),
        facts["task"]["steps"],
        facts.get("revision", ""),
    )


def gathered_scores(folders: Iterable[Path], wanted: Callable[[str], bool] = lambda _: True) -> str:
    """Return every score of the arms that are wanted, of finished contests, as one CSV with five digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for folder in folders:
        with (folder / "scores.csv").open(newline="") as scores:
            rows = [row for row in list(csv.reader(scores))[1:] if wanted(row[2])]
        writer.writerows((*row[:4], *(f"{float(number):.5g}" for number in row[4:])) for row in rows)
    return text.getvalue()
