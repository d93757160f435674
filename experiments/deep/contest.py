"""The deep contest: every arm tuned alike on one block of seeds, judged on another, resumable run by run."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from emotional_ed.checks import require_int
from emotional_ed.experiments.contests.contest import TUNING_SEED
from emotional_ed.experiments.deep.contest_table import deep_table, scores_csv
from emotional_ed.experiments.deep.folder import claim
from emotional_ed.experiments.deep.jobs import DeepJob, read_life, run_jobs
from emotional_ed.experiments.deep.plan import DeepBudget, DeepEntry, DeepSuiteSpec
from emotional_ed.experiments.deep.task import DEEP_TASKS
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically


def run_deep_suite(
    spec: DeepSuiteSpec, out: Path, *, jobs: int = 1, progress_bar: bool = False
) -> list[DeepEntry]:
    """Run what is missing of the contest, and write `scores.csv`, `table.md` and, last, `suite.json`.

    The tables hold all arms that are finished in the folder, those of earlier calls with them.

    Args:
        spec: what to run.
        out: a new folder, or that of the same contest, which then goes on where it stopped.
        jobs: processes of one thread each; results do not depend on it.
        progress_bar: show one on standard error.

    Raises:
        ValueError: the folder holds something else, a run failed, or a number is out of range.
    """
    require_int("jobs", jobs, 1)
    plan = _claim(spec, out)
    arms = spec.chosen
    with tqdm(
        total=spec.runs, desc=f"deep suite on {spec.task}", unit="run", disable=not progress_bar
    ) as bar:
        for stage in (_trials, _finals, _report):  # each chooses by the one before
            run_jobs([job for name in arms for job in stage(spec, out, name)], jobs, bar.update)
    every = dataclasses.replace(spec, arms=())
    entries = [_entry(every, out, name) for name in every.chosen if _is_finished(every, out, name)]
    write_atomically(out / "scores.csv", scores_csv(spec, entries).encode())
    write_atomically(out / "table.md", deep_table(spec, entries).encode())
    listed = {one.arm: every.chosen[one.arm].to_dict() for one in entries}
    write_json(
        out / "suite.json",
        {**plan, "arms": listed, "entries": [dataclasses.asdict(one) for one in entries], **provenance()},
    )
    return entries


def _claim(spec: DeepSuiteSpec, out: Path) -> dict[str, Any]:
    """Write down what the folder is for, or find that it is for just that; return what it says."""
    plan = {
        "task": {"name": spec.task, **spec.situation.to_dict()},
        "budget": dataclasses.asdict(spec.budget),
    }
    claim(out / "plan.json", plan, empty=out)
    for name, arm in spec.chosen.items():
        claim(out / "runs" / name / "arm.json", arm.to_dict())
    return plan


def _job(spec: DeepSuiteSpec, out: Path, name: str, setting: int, seed: int) -> DeepJob:
    arm = spec.chosen[name]
    drawn = arm.draw(spec.budget.configurations, seed=0, also=spec.situation.search)[setting]
    path = out / "runs" / name / f"setting{setting:02d}-seed{seed}.json"
    return DeepJob(spec.situation, arm, drawn, seed, path)


def _trials(spec: DeepSuiteSpec, out: Path, name: str) -> list[DeepJob]:
    seeds = range(TUNING_SEED, TUNING_SEED + spec.budget.seeds)
    return [_job(spec, out, name, i, seed) for i in range(spec.budget.configurations) for seed in seeds]


def _finalists(spec: DeepSuiteSpec, out: Path, name: str) -> list[int]:
    best = np.argsort(-_tried(spec, out, name), kind="stable")
    return [int(index) for index in best[: spec.budget.finalists]]


def _finals(spec: DeepSuiteSpec, out: Path, name: str) -> list[DeepJob]:
    first = TUNING_SEED + spec.budget.seeds
    seeds = range(first, first + spec.budget.final_seeds)
    return [_job(spec, out, name, index, seed) for index in _finalists(spec, out, name) for seed in seeds]


def _tried(spec: DeepSuiteSpec, out: Path, name: str) -> NDArray[np.float64]:
    """Return the mean score of every setting on the seeds that all were tried on, [configurations]."""
    scores = [read_life(job).score for job in _trials(spec, out, name)]
    return np.asarray(np.reshape(scores, (spec.budget.configurations, spec.budget.seeds)).mean(1))


def _tuned(spec: DeepSuiteSpec, out: Path, name: str) -> tuple[int, float]:
    """Return the finalist with the best mean score on all seeds it was tried on, and that score."""
    seeds = range(TUNING_SEED, TUNING_SEED + spec.budget.seeds + spec.budget.final_seeds)
    scores = {
        index: float(np.mean([read_life(_job(spec, out, name, index, seed)).score for seed in seeds]))
        for index in _finalists(spec, out, name)
    }
    best = max(scores, key=scores.__getitem__)
    return best, scores[best]


def _report(spec: DeepSuiteSpec, out: Path, name: str) -> list[DeepJob]:
    best, _ = _tuned(spec, out, name)
    return [_job(spec, out, name, best, seed) for seed in spec.budget.reported]


def _is_finished(spec: DeepSuiteSpec, out: Path, name: str) -> bool:
    return all(
        all(job.path.exists() for job in stage(spec, out, name)) for stage in (_trials, _finals, _report)
    )


def _entry(spec: DeepSuiteSpec, out: Path, name: str) -> DeepEntry:
    tried, report = _tried(spec, out, name), _report(spec, out, name)
    settings = [dict(job.setting) for job in _trials(spec, out, name)[:: spec.budget.seeds]]
    trials = [{**one, "score": float(score)} for one, score in zip(settings, tried, strict=True)]
    lives = [read_life(job) for job in report]
    _, score = _tuned(spec, out, name)
    return DeepEntry(name, spec.chosen[name].role, dict(report[0].setting), score, lives, trials)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing of a contest, and print its table; return 2 for bad input, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m emotional_ed.experiments.deep.contest", description=__doc__
    )
    parser.add_argument("--task", required=True, help=f"one of {', '.join(DEEP_TASKS)}")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder; finished runs in it are kept")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--arms", nargs="*", default=[], help="names of arms; all of them by default")
    parser.add_argument("--steps", type=int, help="steps of a run (default: the task's)")
    numbers = (
        ("configurations", "settings an arm"),
        ("seeds", "tuning seeds of each"),
        ("finalists", "settings that are tried again"),
        ("final_seeds", "further tuning seeds of these"),
        ("report", "reported seeds"),
        ("first_seed", "the first of them"),
    )
    for name, what in numbers:
        usual, flag = getattr(DeepBudget(), name), name.replace("_", "-")
        parser.add_argument(f"--{flag}", type=int, default=usual, help=f"{what} (default {usual})")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    given = parser.parse_args(argv)

    def work() -> str:
        budget = DeepBudget(**{name: getattr(given, name) for name, _ in numbers})
        spec = DeepSuiteSpec(task=given.task, arms=tuple(given.arms), budget=budget, steps=given.steps)
        run_deep_suite(spec, Path(given.out), jobs=given.jobs, progress_bar=not given.quiet)
        return (Path(given.out) / "table.md").read_text()

    return tell("deep-suite", work)


if __name__ == "__main__":
    sys.exit(main())
