"""Does affect harm where it cannot help? The full deep agent beside plain DQN on Gymnasium's own tasks."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from emotional_ed.affect import AffectConfig
from emotional_ed.analysis import Estimate, estimate, iqm_difference
from emotional_ed.analysis.differences import is_non_inferior
from emotional_ed.analysis.table import table_of
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.deep.arm import DeepArm
from emotional_ed.experiments.deep.folder import claim
from emotional_ed.experiments.deep.jobs import DeepJob, DeepLife, read_life, run_jobs
from emotional_ed.experiments.deep.task import DeepTask
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

MARGIN = 0.05
"""The largest loss that does not matter, as a share of plain DQN's return; chosen before any run."""
_FEWEST = 5  # seeds: the intervals were never tried with fewer
COLUMNS = ("task", "arm", "seed", "late", "score", "episodes", "seconds")
"""Columns of `scores.csv`; see `DeepLife` for the last four."""
ARMS: Mapping[str, DeepArm] = MappingProxyType(
    {
        "dqn": DeepArm(affect=AffectConfig.levels(0), note="plain DQN"),
        "full": DeepArm(role="own", affect=AffectConfig.levels(2), note="the full agent at its defaults"),
    }
)
"""What is compared, at the same settings and with the same seeds."""
_LANDER = {
    "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0,
    "target_update_interval": 250, "train_freq": 4, "gradient_steps": -1,
    "exploration_fraction": 0.12, "exploration_final_eps": 0.1,
}  # fmt: skip
TASKS: Mapping[str, DeepTask] = MappingProxyType(
    {
        "CartPole-v1": DeepTask(
            env_id="CartPole-v1",
            steps=50_000,
            hidden=(256, 256),
            settings={
                "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
                "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
                "exploration_fraction": 0.16, "exploration_final_eps": 0.04,
            },
        ),
        "Acrobot-v1": DeepTask(
            env_id="Acrobot-v1", steps=100_000, hidden=(256, 256), settings=_LANDER
        ),
        "MountainCar-v0": DeepTask(
            env_id="MountainCar-v0",
            steps=120_000,
            discount=0.98,
            hidden=(256, 256),
            settings={
                "learning_rate": 4e-3, "batch_size": 128, "buffer_size": 10_000, "learning_starts": 1000,
                "target_update_interval": 600, "train_freq": 16, "gradient_steps": 8,
                "exploration_fraction": 0.2, "exploration_final_eps": 0.07,
            },
        ),
        "LunarLander-v3": DeepTask(
            env_id="LunarLander-v3", steps=100_000, hidden=(256, 256), settings=_LANDER
        ),
    }
)  # fmt: skip
"""Tasks with the settings that rl-baselines3-zoo has for DQN on them, the same for both arms."""


@dataclass(frozen=True, kw_only=True)
class NoHarmSpec:
    """Which tasks, how many seeds, and for how long.

    Example:
        >>> NoHarmSpec(tasks=("CartPole-v1",)).seeds
        10
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    """Some of `TASKS`."""
    seeds: int = 10
    """Runs of each arm, with seeds 0, 1, ..., >= 2."""
    steps: int | None = None
    """Steps of a run, >= 1; None: as many as the task has."""

    def __post_init__(self) -> None:
        for name in self.tasks:
            require_choice("tasks", name, TASKS)
        require_int("seeds", self.seeds, 2)
        if self.steps is not None:
            require_int("steps", self.steps, 1)

    def task(self, name: str) -> DeepTask:
        """Return a task as it is run."""
        task = TASKS[name]
        return task if self.steps is None else dataclasses.replace(task, steps=self.steps)


@dataclass(frozen=True)
class NoHarm:
    """What came of one task."""

    task: str
    lives: dict[str, list[DeepLife]]
    """Arm -> one a seed."""

    def late(self, arm: str) -> NDArray[np.float64]:
        """Return the mean return in the second half of the steps, [S]."""
        return np.array([one.late for one in self.lives[arm]])

    @property
    def relative(self) -> Estimate:
        """IQM of full less plain on common seeds, as a share of the size of plain DQN's IQM."""
        plain = self.late("dqn")
        size = abs(estimate(plain).value)
        return iqm_difference(self.late("full") / size, plain / size)

    @property
    def verdict(self) -> str:
        """What the interval of the difference says about the margin."""
        found = self.relative
        if found.seeds < _FEWEST:
            return "too few seeds"
        if is_non_inferior(found, MARGIN):
            return "better" if found.low > 0 else "not inferior"
        return "inferior" if found.high < -MARGIN else "undecided"


def run_no_harm(spec: NoHarmSpec, out: Path, *, jobs: int = 1, progress_bar: bool = False) -> list[NoHarm]:
    """Run what is missing of the study, and write `scores.csv`, `table.md` and, last, `no_harm.json`.

    A task that cannot be made here, because a package is missing, is left out, and the table says so.

    Args:
        spec: what to run.
        out: a new folder, or that of the same study, which then goes on where it stopped.
        jobs: processes of one thread each; results do not depend on it.
        progress_bar: show one on standard error.

    Raises:
        ValueError: the folder holds something else, a run failed, or a number is out of range.
    """
    require_int("jobs", jobs, 1)
    missing = {name: why for name in spec.tasks if (why := _missing(TASKS[name].env_id))}
    plan = {
        "study": "no harm",
        "seeds": spec.seeds,
        "arms": {name: arm.to_dict() for name, arm in ARMS.items()},
        "settings": {name: spec.task(name).to_dict() for name in TASKS},
    }
    claim(out / "plan.json", plan, empty=out)
    listed = {name: _jobs(spec, out, name) for name in spec.tasks if name not in missing}
    total = sum(len(one) for arms in listed.values() for one in arms.values())
    with tqdm(total=total, desc="no harm", unit="run", disable=not progress_bar) as bar:
        run_jobs([job for arms in listed.values() for one in arms.values() for job in one], jobs, bar.update)
    every = {name: _jobs(spec, out, name) for name in TASKS}
    found = [
        NoHarm(name, {arm: [read_life(job) for job in one] for arm, one in arms.items()})
        for name, arms in every.items()
        if all(job.path.exists() for one in arms.values() for job in one)
    ]
    write_atomically(out / "scores.csv", _scores(found).encode())
    write_atomically(out / "table.md", no_harm_table(found, missing).encode())
    results = [{**dataclasses.asdict(one), "verdict": one.verdict} for one in found]
    write_json(out / "no_harm.json", {**plan, "margin": MARGIN, "results": results, **provenance()})
    return found


def _missing(env_id: str) -> str:
    """Return why an environment cannot be made here, or nothing."""
    try:
        gymnasium.make(env_id).close()
    except (gymnasium.error.Error, ImportError) as error:
        return str(error)
    return ""


def _jobs(spec: NoHarmSpec, out: Path, name: str) -> dict[str, list[DeepJob]]:
    return {
        arm: [
            DeepJob(spec.task(name), how, {}, seed, out / "runs" / name / arm / f"seed{seed}.json")
            for seed in range(spec.seeds)
        ]
        for arm, how in ARMS.items()
    }


def no_harm_table(found: Sequence[NoHarm], missing: Mapping[str, str]) -> str:
    """Return what came of every task as Markdown that fits 110 columns."""
    about = (
        "Full deep agent against plain DQN, the same settings and seeds. Return: mean over the episodes of "
        "the second half of the steps, exploration included; IQM over seeds with 95 % bootstrap interval. "
        "Difference: of IQMs on common seeds, as a share of plain DQN's. Not inferior: its interval lies "
        f"above -{MARGIN:.0%}; inferior: below. Time: that of full, as a multiple of plain DQN's."
    )
    rows = []
    for one in found:
        plain, full = one.late("dqn"), one.late("full")
        seconds = [float(np.median([life.seconds for life in one.lives[arm]])) for arm in ("dqn", "full")]
        cells = (f"{estimate(plain):.3g}", f"{estimate(full):.3g}", f"{one.relative:+.1%}")
        rows.append((one.task, str(len(plain)), *cells, f"{seconds[1] / seconds[0]:.1f}", one.verdict))
    head = ("task", "seeds", "dqn", "full", "difference", "time", "verdict")
    parts = [textwrap.fill(about, 110), table_of(head, rows) if rows else "No task is finished."]
    parts += [textwrap.fill(f"Left out: {name}. {why}", 110) for name, why in missing.items()]
    return "\n\n".join(parts) + "\n"


def _scores(found: Sequence[NoHarm]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        for arm, lives in one.lives.items():
            for seed, life in enumerate(lives):
                writer.writerow((one.task, arm, seed, *(getattr(life, name) for name in COLUMNS[3:])))
    return text.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing of the study, and print its table; return 2 for bad input, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m emotional_ed.experiments.deep.no_harm", description=__doc__
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder; finished runs in it are kept")
    parser.add_argument(
        "--tasks", nargs="*", default=list(TASKS), help=f"some of {', '.join(TASKS)} (default all)"
    )
    parser.add_argument("--seeds", type=int, default=10, help="runs of each arm (default 10)")
    parser.add_argument("--steps", type=int, help="steps of a run (default: the task's)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    given: Any = parser.parse_args(argv)

    def work() -> str:
        spec = NoHarmSpec(tasks=tuple(given.tasks), seeds=given.seeds, steps=given.steps)
        run_no_harm(spec, Path(given.out), jobs=given.jobs, progress_bar=not given.quiet)
        return (Path(given.out) / "table.md").read_text()

    return tell("no-harm", work)


if __name__ == "__main__":
    sys.exit(main())
