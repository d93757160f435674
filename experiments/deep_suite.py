"""The deep contest: every arm tuned alike on one block of seeds, judged on another, resumable run by run."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from emotional_ed.analysis import estimate, holm, iqm_difference, probability_of_improvement, sign_flip_test
from emotional_ed.analysis.table import table_of
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.contest import TUNING_SEED
from emotional_ed.experiments.deep_arm import DeepArm
from emotional_ed.experiments.deep_arms import deep_arms
from emotional_ed.experiments.deep_jobs import DeepJob, DeepLife, read_life, run_jobs
from emotional_ed.experiments.deep_task import DEEP_TASKS, DeepTask
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.files import write_atomically

COLUMNS = ("task", "arm", "seed", "score", "late", "catastrophes", "episodes", "seconds")
"""Columns of `scores.csv`, a row an arm and reported seed; see `DeepLife` for the last five."""
_SIGNIFICANT = 0.05
_WIDTH = 110


@dataclass(frozen=True, kw_only=True)
class DeepBudget:
    """What every arm is given."""

    configurations: int = 16
    """Random settings an arm, >= 1."""
    seeds: int = 1
    """Tuning seeds each is tried on, >= 1."""
    finalists: int = 4
    """The best of them are tried again on `final_seeds` further seeds, >= 1; the best mean over all wins."""
    final_seeds: int = 2
    """Further tuning seeds, >= 1."""
    report: int = 10
    """Fresh seeds that are reported, >= 1."""
    first_seed: int = 0
    """The first of them."""

    def __post_init__(self) -> None:
        for name in ("configurations", "seeds", "finalists", "final_seeds", "report"):
            require_int(f"DeepBudget.{name}", getattr(self, name), 1)
        require_int("DeepBudget.first_seed", self.first_seed, 0, TUNING_SEED - self.report)

    @property
    def runs(self) -> int:
        """How many runs an arm is given."""
        finals = min(self.finalists, self.configurations) * self.final_seeds
        return self.configurations * self.seeds + finals + self.report

    @property
    def reported(self) -> range:
        """The seeds that are reported."""
        return range(self.first_seed, self.first_seed + self.report)


@dataclass(frozen=True, kw_only=True)
class DeepSuiteSpec:
    """Which arms compete on which task, and with what budget.

    Example:
        >>> spec = DeepSuiteSpec(task="lava-field", arms=("level-2", "dqn"))
        >>> spec.runs
        68
    """

    task: str
    """One of `DEEP_TASKS`."""
    arms: tuple[str, ...] = ()
    """Names of arms; none means all."""
    budget: DeepBudget = field(default_factory=DeepBudget)
    """Settings and seeds, the same for every arm."""
    steps: int | None = None
    """Steps of a run, >= 1; None: as many as the task has."""

    def __post_init__(self) -> None:
        require_choice("task", self.task, DEEP_TASKS)
        if self.steps is not None:
            require_int("steps", self.steps, 1)
        for name in self.arms:
            require_choice("arms", name, deep_arms(self.situation))

    @property
    def situation(self) -> DeepTask:
        """The task itself."""
        task = DEEP_TASKS[self.task]
        return task if self.steps is None else dataclasses.replace(task, steps=self.steps)

    @property
    def chosen(self) -> dict[str, DeepArm]:
        """The arms, by name."""
        every = deep_arms(self.situation)
        return {name: every[name] for name in every if name in self.arms or not self.arms}

    @property
    def runs(self) -> int:
        """How many runs that is."""
        return len(self.chosen) * self.budget.runs


@dataclass(frozen=True)
class DeepEntry:
    """One arm of a contest."""

    arm: str
    role: str
    setting: dict[str, float]
    """The best that the search found."""
    tuning_score: float
    """Its mean score on all tuning seeds it was tried on."""
    lives: list[DeepLife]
    """On fresh seeds."""
    trials: list[dict[str, float]]
    """Every setting that was tried, with its mean score on the seeds that all were tried on."""

    def of(self, name: str) -> NDArray[np.float64]:
        """Return one number of every life, [S]."""
        return np.array([getattr(one, name) for one in self.lives], dtype=np.float64)


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
    _claim(spec, out)
    arms, budget = spec.chosen, spec.budget
    with tqdm(
        total=spec.runs, desc=f"deep suite on {spec.task}", unit="run", disable=not progress_bar
    ) as bar:
        for stage in (_trials, _finals, _report):  # each chooses by the one before
            run_jobs([job for name in arms for job in stage(spec, out, name)], jobs, bar.update)
    every = dataclasses.replace(spec, arms=())
    entries = [_entry(every, out, name) for name in every.chosen if _is_finished(every, out, name)]
    write_atomically(out / "scores.csv", _scores(spec, entries).encode())
    write_atomically(out / "table.md", deep_table(spec, entries).encode())
    facts = {
        "task": {"name": spec.task, **dataclasses.asdict(spec.situation)},
        "budget": dataclasses.asdict(budget),
    }
    listed = {one.arm: every.chosen[one.arm].to_dict() for one in entries}
    write_json(
        out / "suite.json",
        {**facts, "arms": listed, "entries": [dataclasses.asdict(one) for one in entries], **provenance()},
    )
    return entries


def _claim(spec: DeepSuiteSpec, out: Path) -> None:
    """Write down what the folder is for, or find that it is for just that."""
    plan = {
        "task": {"name": spec.task, **dataclasses.asdict(spec.situation)},
        "budget": dataclasses.asdict(spec.budget),
    }
    claim(out / "plan.json", plan, empty=out)
    for name, arm in spec.chosen.items():
        claim(out / "runs" / name / "arm.json", arm.to_dict())


def claim(path: Path, facts: Mapping[str, Any], empty: Path | None = None) -> None:
    """Write down what a folder is for, or find that it is for just that.

    Args:
        path: the file that says so.
        facts: what it says.
        empty: a folder that must be empty if the file is not there.

    Raises:
        ValueError: the file says something else, or the folder holds something else.
    """
    if path.exists():
        held, wanted = json.loads(path.read_text()), json.loads(json.dumps(facts))
        if held != wanted:
            differing = sorted(name for name in wanted if held.get(name) != wanted[name])
            raise ValueError(
                f"out: got {str(path)!r} of another contest (it differs in {', '.join(differing)}), "
                "expected the same one or a new folder"
            )
        return
    if empty is not None and empty.exists() and (not empty.is_dir() or any(empty.iterdir())):
        raise ValueError(f"out: got {str(empty)!r}, which holds something else, expected a new folder")
    write_json(path, facts)


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


def own_entry(entries: Sequence[DeepEntry]) -> DeepEntry | None:
    """Return the form of the full agent that tuned best, which the others are compared with."""
    own = [one for one in entries if one.role == "own"]
    return max(own, key=lambda one: one.tuning_score) if own else None


def deep_table(spec: DeepSuiteSpec, entries: Sequence[DeepEntry]) -> str:
    """Return what came of every arm as Markdown that fits 110 columns."""
    situation, budget, own = spec.situation, spec.budget, own_entry(entries)
    about = (
        f"Deep contest on {spec.task} ({situation.env_id}, {situation.steps} steps). Score: mean return "
        f"of all episodes; IQM over {budget.report} fresh seeds with 95 % bootstrap interval. Every arm was "
        f"tuned with {budget.configurations} random settings on other seeds ({budget.seeds} each, the best "
        f"{min(budget.finalists, budget.configurations)} on {budget.final_seeds} more)."
    )
    if own is not None:
        about += (
            f" Differences, p (sign flips on common seeds, corrected by Holm) and P(better) are those of the "
            f"row's arm against {own.arm!r}, the form of the full agent that tuned best."
        )
    settings = [_filled(f"- {one.arm}: {_setting(one)}", subsequent_indent="  ") for one in entries]
    parts = [_filled(about), _comparison(entries, own), _costs(entries)]
    if own is not None and any(one.role == "rival" for one in entries):
        parts.insert(2, _filled(_verdict(entries, own)))
    return "\n\n".join([*parts, "Settings:", "\n".join(settings)]) + "\n"


def _p_values(entries: Sequence[DeepEntry], own: DeepEntry) -> dict[str, float]:
    """Return how sure the difference of every other arm from `own` is, corrected for their number."""
    others = [one for one in entries if one is not own]
    corrected = holm([sign_flip_test(one.of("score"), own.of("score")) for one in others])
    return {one.arm: float(p) for one, p in zip(others, corrected, strict=True)}


def _verdict(entries: Sequence[DeepEntry], own: DeepEntry) -> str:
    """Say in a sentence which rivals the full agent beats, and which it loses to."""
    p_values = _p_values(entries, own)
    won: list[str] = []
    lost: list[str] = []
    open_: list[str] = []
    for one in entries:
        if one.role == "rival":
            ahead = float(own.of("score").mean() - one.of("score").mean())
            group = open_ if p_values[one.arm] >= _SIGNIFICANT else won if ahead > 0 else lost
            group.append(one.arm)
    told = [f"{verb} {', '.join(names)}" for verb, names in
            (("wins over", won), ("loses to", lost), ("is not told apart from", open_)) if names]  # fmt: skip
    return f"Against the rivals {own.arm!r} {'; '.join(told)}."


def _comparison(entries: Sequence[DeepEntry], own: DeepEntry | None) -> str:
    against: dict[str, tuple[str, str, str]] = {}
    if own is not None:
        mine, others = own.of("score"), [one for one in entries if one is not own]
        for one, p in zip(others, _p_values(entries, own).values(), strict=True):
            score = one.of("score")
            better = probability_of_improvement(score, mine)
            against[one.arm] = (f"{iqm_difference(score, mine):.3g}", f"{p:.3g}", f"{better:.2f}")
    rows = [
        (one.arm, one.role, f"{estimate(one.of('score')):.3g}", *against.get(one.arm, ("", "", "")))
        for one in entries
    ]
    minus = "minus own" if own is None else f"minus {own.arm}"
    return table_of(("arm", "role", "score", minus, "p", "P(better)"), rows)


def _costs(entries: Sequence[DeepEntry]) -> str:
    rows = [
        (
            one.arm,
            f"{estimate(one.of('late')):.3g}",
            f"{estimate(one.of('catastrophes')):.3g}",
            f"{one.tuning_score:.3g}",
            f"{np.median(one.of('seconds')):.0f}",
        )
        for one in entries
    ]
    head = ("arm", "score, second half", "catastrophes / 1000 steps", "when tuned", "seconds")
    return table_of(head, rows)


def _filled(text: str, subsequent_indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=subsequent_indent, break_on_hyphens=False)


def _setting(entry: DeepEntry) -> str:
    return ", ".join(f"{path.removeprefix('affect.')} {value:.3g}" for path, value in entry.setting.items())


def _scores(spec: DeepSuiteSpec, entries: Sequence[DeepEntry]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        for seed, life in zip(spec.budget.reported, one.lives, strict=True):
            writer.writerow((spec.task, one.arm, seed, *(getattr(life, name) for name in COLUMNS[3:])))
    return text.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing of a contest, and print its table; return 2 for bad input, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m emotional_ed.experiments.deep_suite", description=__doc__
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
    )
    for name, what in numbers:
        usual, flag = getattr(DeepBudget(), name), name.replace("_", "-")
        parser.add_argument(f"--{flag}", type=int, default=usual, help=f"{what} (default {usual})")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    given = parser.parse_args(argv)
    try:
        budget = DeepBudget(**{name: getattr(given, name) for name, _ in numbers})
        spec = DeepSuiteSpec(task=given.task, arms=tuple(given.arms), budget=budget, steps=given.steps)
        run_deep_suite(spec, Path(given.out), jobs=given.jobs, progress_bar=not given.quiet)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"deep-suite: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("deep-suite: interrupted; what was finished is saved\n")
        return 130
    sys.stdout.write((Path(given.out) / "table.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
