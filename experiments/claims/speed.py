"""Sample efficiency: the steps after which an agent is, and stays, nearly as good as level 0 comes to be."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import estimate
from emotional_ed.experiments.claims.catalogue import SPEED
from emotional_ed.experiments.claims.verdict import Measured
from emotional_ed.experiments.contests.arm import Arm, Setting
from emotional_ed.experiments.contests.contest import live
from emotional_ed.experiments.contests.rungs import PLAIN, UNTAUGHT
from emotional_ed.experiments.contests.tasks import Task
from emotional_ed.experiments.run_folder import provenance, write_json

SHARE = 0.9
"""Of the way from an agent that learns nothing to tuned level 0 in its second half."""
_LEAST = 100  # steps


def half_octaves(steps: int) -> tuple[int, ...]:
    """Return the numbers of steps that are looked at, up to `steps`, each about 1.41 times the one before.

    Example:
        >>> half_octaves(400)
        (100, 141, 200, 283, 400)
    """
    count = int(2 * np.log2(max(steps / _LEAST, 1)) + 1e-9)
    return tuple(round(steps * 2 ** (-k / 2)) for k in range(count, -1, -1))


def late_scores(
    task: Task, arm: Arm, setting: Setting, seeds: Sequence[int], grid: Sequence[int]
) -> NDArray[np.float64]:
    """Return the score over the second half of the first n steps, for each n of the grid, [G, S].

    A life of n steps is the beginning of a longer one with the same seed.
    """
    rows = []
    for steps in grid:
        short = dataclasses.replace(task, steps=steps)
        rows.append(live(short, {"arm": arm}, {"arm": [setting]}, seeds)["arm"][0].late)
    return np.array(rows)


def steps_needed(late: NDArray[np.float64], grid: Sequence[int], threshold: float) -> NDArray[np.float64]:
    """Return the fewest steps after which a score is at the threshold and stays there, [S].

    Who is not there in the end counts as half an octave beyond the last.

    Args:
        late: [G, S].
        grid: steps, rising, [G].
        threshold: in units of score.
    """
    stays = np.flip(np.logical_and.accumulate(np.flip(late >= threshold, 0), axis=0), 0)
    first = len(grid) - stays.sum(0)
    return np.asarray(np.array([*grid, grid[-1] * 2**0.5])[first])


def measure_speed(
    task: Task, name: str, facts: Mapping[str, Any], arms: Mapping[str, Arm], seeds: Sequence[int], out: Path
) -> None:
    """Let tuned level 0 and the tuned agent live, and write what came of it to `out`.

    Args:
        task: what is learned.
        name: its name.
        facts: what a contest of the whole agent on it has written.
        arms: the arms of that contest.
        seeds: fresh ones.
        out: a file.
    """
    entries = {one["arm"]: one for one in facts["entries"]}
    roles = {arm: one["role"] for arm, one in facts["arms"].items()}
    tuned = [one for one in entries if roles[one] == "own" and entries[one]["tuning_score"] is not None]
    own = max(tuned, key=lambda one: entries[one]["tuning_score"])
    late = {one: estimate(entries[one]["lives"]["late"]).value for one in (PLAIN, UNTAUGHT)}
    grid = half_octaves(task.steps)
    found = {arm: late_scores(task, arms[arm], entries[arm]["setting"], seeds, grid) for arm in (PLAIN, own)}
    write_json(
        out,
        {
            "task": name,
            "own": own,
            "threshold": late[UNTAUGHT] + SHARE * (late[PLAIN] - late[UNTAUGHT]),
            "grid": list(grid),
            "seeds": list(seeds),
            "settings": {arm: entries[arm]["setting"] for arm in found},
            "late": {arm: scores.tolist() for arm, scores in found.items()},
            "source": facts.get("revision"),
            **provenance(),
        },
    )


def load_speed(path: Path) -> Measured:
    """Read what `measure_speed` wrote; a score is minus the binary logarithm of the steps needed."""
    facts = json.loads(path.read_text())
    grid, threshold = facts["grid"], facts["threshold"]
    scores = {
        arm: -np.log2(steps_needed(np.array(late), grid, threshold)) for arm, late in facts["late"].items()
    }
    octaves = float(np.log2(grid[-1] / grid[0]) + 0.5)
    return Measured(SPEED, facts["task"], facts["own"], PLAIN, None, None, scores, octaves, SPEED)
