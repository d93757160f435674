"""One mechanism with all its controls and rivals on one task: a contest in a folder, and its table."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import io
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tqdm.auto import tqdm

from emotional_ed.analysis import estimate, holm, iqm_difference, probability_of_improvement, sign_flip_test
from emotional_ed.analysis.table import table_of
from emotional_ed.checks import require_int
from emotional_ed.experiments.contests.arm import Arms
from emotional_ed.experiments.contests.contest import Budget, Entry, as_plain, contest
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, arms_for
from emotional_ed.experiments.contests.tasks import TASKS, Task
from emotional_ed.experiments.run_folder import RunFolder, provenance, write_json
from emotional_ed.files import write_atomically

COLUMNS = ("task", "mechanism", "arm", "seed", "score", "late", "catastrophes")
"""Columns of `scores.csv`, a row an arm and seed; see `Lives` for the last three."""
LAST = "suite.json"
"""It is written last: where it is, the contest is finished."""
_LEVEL_0 = 2  # arms before the mechanism's own: level 0, tuned and untaught
_WIDTH = 110


@dataclass(frozen=True, kw_only=True)
class SuiteSpec:
    """Which mechanism is tested on which task, and with what budget.

    Example:
        >>> spec = SuiteSpec(task="regimes", mechanism="joy")
        >>> list(spec.arms)[:3], spec.own
        (['level-0', 'level-0 untaught', 'joy'], 'joy')
    """

    task: str
    """One of `TASKS`."""
    mechanism: str
    """One of `MECHANISMS`."""
    budget: Budget = field(default_factory=Budget)
    """Settings and seeds, the same for every arm."""
    steps: int | None = None
    """Steps of each member, >= 1; None: as many as the task has."""
    tasks: Mapping[str, Task] = field(default_factory=lambda: TASKS, repr=False, hash=False)
    """Where the task is looked up."""
    mechanisms: Mapping[str, Callable[[Task], Arms]] = field(
        default_factory=lambda: MECHANISMS, repr=False, hash=False
    )
    """Where the mechanism is looked up."""

    def __post_init__(self) -> None:
        _require_known("task", self.task, self.tasks)
        _require_known("mechanism", self.mechanism, self.mechanisms)
        if self.steps is not None:
            require_int("steps", self.steps, 1)

    @property
    def situation(self) -> Task:
        """The task itself."""
        task = self.tasks[self.task]
        return task if self.steps is None else dataclasses.replace(task, steps=self.steps)

    @property
    def arms(self) -> Arms:
        """All arms, by name."""
        return arms_for(self.task, self.mechanism, tasks=self.tasks, mechanisms=self.mechanisms)

    @property
    def own(self) -> str:
        """The mechanism's own arm, which the others are compared with."""
        return list(self.arms)[_LEVEL_0]

    @property
    def seeds(self) -> range:
        """The seeds that are reported."""
        return range(self.budget.first_seed, self.budget.first_seed + self.budget.report)


def run_suite(
    spec: SuiteSpec, out: str | os.PathLike[str], *, jobs: int = 1, progress_bar: bool = False
) -> str:
    """Run the contest and write `scores.csv`, `table.md` and, last, `suite.json` into `out`.

    Args:
        spec: what to test.
        out: a new or empty folder.
        jobs: processes.
        progress_bar: show one on standard error.

    Returns:
        The table, as in `table.md`.

    Raises:
        ValueError: the folder holds something, or a number is out of range.
    """
    require_int("jobs", jobs, 1)
    arms, situation = spec.arms, spec.situation
    folder = RunFolder(out)
    with tqdm(
        total=len(arms),
        desc=f"{spec.mechanism} on {spec.task}, {situation.steps} steps",
        unit="arm",
        disable=not progress_bar,
    ) as bar:
        entries = contest(situation, arms, spec.budget, jobs=jobs, progress=bar.update)
    text = table(spec, entries)
    write_atomically(folder.path / "scores.csv", _scores(spec, entries).encode())
    write_atomically(folder.path / "table.md", text.encode())
    facts = {
        "task": {"name": spec.task, **dataclasses.asdict(situation)},
        "mechanism": spec.mechanism,
        "own": spec.own,
        "budget": dataclasses.asdict(spec.budget),
        "arms": {name: arm.to_dict() for name, arm in arms.items()},
        "entries": [as_plain(one) for one in entries],
    }
    write_json(folder.path / LAST, {**facts, **provenance()})
    return text


def table(spec: SuiteSpec, entries: Sequence[Entry]) -> str:
    """Return what came of every arm as Markdown that fits 110 columns."""
    situation, budget = spec.situation, spec.budget
    price = f", less {situation.price:g} a catastrophe" if situation.price else ""
    about = (
        f"{spec.mechanism} on {spec.task} ({situation.env_id}, {situation.steps} steps). Score: mean return "
        f"of all episodes{price}; IQM over {budget.report} fresh seeds with 95 % bootstrap interval. Every "
        f"arm was tuned with {budget.configurations} settings on {budget.seeds} other seeds, the best "
        f"{min(budget.finalists, budget.configurations)} again on {budget.final_seeds} more. Differences, p "
        f"(sign flips on common seeds, corrected by Holm) and P(better) are those of the row's arm against "
        f"{spec.own!r}."
    )
    if any(arm.follows for arm in spec.arms.values()):
        about += " An arm without a score when tuned takes the setting of the arm that it follows."
    settings = [
        textwrap.fill(f"- {one.arm}: {_setting(one)}", _WIDTH, subsequent_indent="  ") for one in entries
    ]
    parts = [textwrap.fill(about, _WIDTH), _comparison(spec, entries), _costs(entries)]
    return "\n\n".join([*parts, "Settings:", "\n".join(settings)]) + "\n"


def _comparison(spec: SuiteSpec, entries: Sequence[Entry]) -> str:
    own = next(one for one in entries if one.arm == spec.own).lives.score
    others = [one for one in entries if one.arm != spec.own]
    p_values = holm([sign_flip_test(one.lives.score, own) for one in others])
    against = {
        one.arm: (
            f"{iqm_difference(one.lives.score, own):.3g}",
            f"{p:.3g}",
            f"{probability_of_improvement(one.lives.score, own):.2f}",
        )
        for one, p in zip(others, p_values, strict=True)
    }
    nothing = ("", "", "")
    rows = [(one.arm, f"{estimate(one.lives.score):.3g}", *against.get(one.arm, nothing)) for one in entries]
    return table_of(("arm", "score", f"minus {spec.own}", "p", "P(better)"), rows)


def _costs(entries: Sequence[Entry]) -> str:
    rows = [
        (
            one.arm,
            f"{estimate(one.lives.late):.3g}",
            f"{estimate(one.lives.catastrophes):.3g}",
            "" if one.tuning_score is None else f"{one.tuning_score:.3g}",
        )
        for one in entries
    ]
    return table_of(("arm", "score, second half", "catastrophes / 1000 steps", "score when tuned"), rows)


def _setting(entry: Entry) -> str:
    short = (f"{path.removeprefix('affect.')} {value:.3g}" for path, value in entry.setting.items())
    return ", ".join(short)


def _scores(spec: SuiteSpec, entries: Sequence[Entry]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        columns = (one.lives.score.tolist(), one.lives.late.tolist(), one.lives.catastrophes.tolist())
        for seed, *numbers in zip(spec.seeds, *columns, strict=True):
            writer.writerow((spec.task, spec.mechanism, one.arm, seed, *numbers))
    return text.getvalue()


def _require_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name in names:
        return
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"{what}: got {name!r}, expected one of {', '.join(names)}{meant}")
