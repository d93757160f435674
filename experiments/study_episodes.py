"""Episodes of a study that are worth a look, lived again from what the run folders say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.trace import Columns, Trace
from emotional_ed.analysis import LoadedStudy, Run
from emotional_ed.analysis.episode import Episode, around, worth_a_look
from emotional_ed.checks import require_int
from emotional_ed.experiments.watch import read_spec

STEPS = 1000
"""Steps of an arm's first seed that are lived again unless told otherwise."""
_ARMS = 6  # arms that are lived again, the first ones of the study
_BOTH = 3  # arms up to which each shows both of its episodes
_SAME = 1e-6  # returns that differ by rounding only


def study_episodes(study: LoadedStudy, steps: int = STEPS) -> tuple[list[Episode], list[str]]:
    """Let the first seed of each arm live its first steps again, and choose one or two of its episodes.

    A run holds what was earned and not what was felt; but a seed lives the same life again, so nothing had to
    be recorded. Each episode says whether it has the length and return that `metrics.csv` has. Chosen are the
    first catastrophe and the worst surprise (see `worth_a_look`); with more than 3 arms, one of them.

    Args:
        study: what was loaded; its folders stay as they are.
        steps: how far each life goes at most, >= 0; 0 lives none.

    Returns:
        The episodes, arm by arm, and a sentence on each arm that has none.

    Raises:
        ValueError: `steps` is negative.
    """
    episodes: list[Episode] = []
    notes: list[str] = []
    if require_int("steps", steps, 0) == 0:
        return episodes, ["No episode was lived again for this page, because none was asked for."]
    for run in study.runs[:_ARMS]:
        try:
            found = _relived(run, steps)
        except Exception as error:  # a page without episodes, with the reason on it, is better than no page
            notes.append(f"{run.name}: no episode can be lived again: {error}.")
            continue
        episodes += found[: 2 if len(study.runs) <= _BOTH else 1]
    if len(study.runs) > _ARMS:
        notes.append(f"Only the first {_ARMS} of {len(study.runs)} arms were lived again.")
    return episodes, notes


def _relived(run: Run, steps: int) -> list[Episode]:
    if run.source != "emotional_ed":
        raise ValueError("the run is of another package, and only returns are known")
    spec = read_spec(_first_folder(run))
    model = dataclasses.replace(spec, population=1, steps=min(steps, spec.steps), device="cpu").build()
    if not isinstance(model, EmotionalQ):
        raise ValueError(f"agent: got {spec.agent!r}, expected 'emotional-q', whose lives can be traced")
    trace = Trace(limit=steps)
    try:
        model.learn(min(steps, spec.steps), callback=trace)
    finally:
        model.require_env().close()
    columns = trace.columns(0)
    seed = f", seed {run.seeds[0]}" if run.seeds else ""
    chosen = []
    for number, why in worth_a_look(columns).items():
        mine = trace.episode(number)
        title = f"{run.name}{seed}, episode {number}: {why}"
        note = _compared(mine, run.episodes, number)
        chosen.append(Episode(title, around(columns, number), number, note))
    return chosen


def _first_folder(run: Run) -> Path:
    return run.folders[0] if run.folders else run.folder


def _compared(lived: Columns, rows: NDArray[np.void], number: int) -> str:
    """Return whether the relived episode is the one in `metrics.csv`."""
    if not bool(lived["terminated"][-1] or lived["truncated"][-1]):
        return "Lived again from its seed, and cut off before its end."
    known = rows[(rows["member"] == 0) & (rows["episode"] == number)]
    total, length = float(lived["reward"].sum()), len(lived["reward"])
    if (
        len(known)
        and length == known["length"][0]
        and abs(total - known["return"][0]) <= _SAME * max(1, abs(total))
    ):
        return "Lived again from its seed: the same length and return as in metrics.csv."
    return "Lived again from its seed, but NOT as in metrics.csv: the run was made with other versions."
