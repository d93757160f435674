"""Random search in a study: the same budget for every arm, on seeds of its own, confirmed on fresh ones."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import Run, load_run
from emotional_ed.checks import require_int
from emotional_ed.experiments.contests.arm import COMMON, Arm, Range, Setting, uniform_shares
from emotional_ed.experiments.train import TABULAR, TrainSpec
from emotional_ed.files import write_atomically

_LEARNING_RATE = {"learning_rate": Range(1e-4, 5e-3)}
_GREEDY = {
    **_LEARNING_RATE,
    "exploration_final_eps": Range(0.01, 0.2),
    "exploration_fraction": Range(0.05, 0.5),
}
DEEP_RANGES: Mapping[str, Mapping[str, Range]] = {"emotional-dqn": _GREEDY, "emotional-qrdqn": _GREEDY}
"""What deep agents are searched over unless told otherwise; others over their learning rate."""
_LARGEST = 1500  # members of one population: more share no overhead
_OF_POPULATIONS = ("step_size", "exploration", "discount")


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What every arm is given to find its settings.

    Example:
        >>> Tuning(configurations=20, ranges={"step_size": Range(0.05, 0.8)}).block
        range(1000000, 1000015)
    """

    configurations: int = 40
    """Random settings an arm, >= 1."""
    seeds: int = 5
    """Tuning seeds each is tried on, >= 1."""
    finalists: int = 5
    """The best of them are tried again on `final_seeds` fresh seeds, >= 1; the best mean over all wins."""
    final_seeds: int = 10
    """Fresh tuning seeds, >= 1."""
    first_seed: int = 1_000_000
    """The first of all of them, >= 0; none may be a seed that is reported."""
    ranges: Mapping[str, Range] | None = None
    """Path, e.g. "step_size" or "affect.fear.caution" -> where every arm is searched; None: the usual."""
    own: Mapping[str, Mapping[str, Range]] = field(default_factory=dict)
    """Arm -> what it is searched over beside that."""
    draw: int = 0
    """Seed of the draw, >= 0; what arms have in common is drawn the same for all of them."""

    def __post_init__(self) -> None:
        for name in ("configurations", "seeds", "finalists", "final_seeds"):
            require_int(f"Tuning.{name}", getattr(self, name), 1)
        require_int("Tuning.first_seed", self.first_seed, 0)
        require_int("Tuning.draw", self.draw, 0)
        if self.ranges is not None:
            object.__setattr__(self, "ranges", {path: Range(*one) for path, one in self.ranges.items()})
        own = {arm: {path: Range(*one) for path, one in some.items()} for arm, some in self.own.items()}
        object.__setattr__(self, "own", own)
        for some in (self.ranges or {}, *own.values()):
            for path, one in some.items():
                one.check(f"Tuning.ranges[{path!r}]")

    @property
    def block(self) -> range:
        """All seeds that are tuned on."""
        return range(self.first_seed, self.first_seed + self.seeds + self.final_seeds)

    @property
    def first(self) -> range:
        """Seeds that all configurations are tried on."""
        return self.block[: self.seeds]

    @property
    def fresh(self) -> range:
        """Seeds that the finalists are tried on."""
        return self.block[self.seeds :]

    def ranges_of(self, arm: str, spec: TrainSpec) -> dict[str, Range]:
        """Return where an arm is searched."""
        usual = COMMON if spec.agent == TABULAR else DEEP_RANGES.get(spec.agent, _LEARNING_RATE)
        return {**(usual if self.ranges is None else self.ranges), **self.own.get(arm, {})}

    def settings(self, arm: str, spec: TrainSpec) -> list[dict[str, float]]:
        """Return an arm's random configurations; a larger budget goes on where a smaller one ends."""
        ranges = self.ranges_of(arm, spec)
        columns = {path: uniform_shares(path, self.configurations, self.draw) for path in ranges}
        return [
            {path: one.at(float(columns[path][i])) for path, one in ranges.items()}
            for i in range(self.configurations)
        ]


@dataclass(frozen=True)
class Trial:
    """A configuration of an arm, and what it earned."""

    arm: str
    """Whose."""
    number: int
    """From 0, in the order of drawing."""
    setting: Setting
    """Path -> number."""
    score: float
    """Mean return over all episodes of the first tuning seeds."""
    confirmed: float | None
    """The same on the fresh tuning seeds, of a finalist."""
    overall: float
    """The same on all seeds that it was tried on."""
    chosen: bool = False
    """Whether it was the best finalist."""


def with_setting(spec: TrainSpec, setting: Setting) -> TrainSpec:
    """Return a run with the numbers of a setting in their places.

    Raises:
        ValueError: a path leads nowhere.
    """
    inner = {path: value for path, value in setting.items() if "." in path}
    outer: dict[str, Any] = {path: value for path, value in setting.items() if "." not in path}
    level0, affect = Arm(affect=spec.affect, level0=spec.level0).configured(inner)
    if spec.agent == TABULAR:
        if strange := sorted(set(outer) - set(_OF_POPULATIONS)):
            raise ValueError(
                f"settings: got {strange[0]!r}, expected step_size, discount, exploration, or a path such as "
                "affect.fear.caution"
            )
        return dataclasses.replace(spec, level0=level0, affect=affect, **outer)
    return dataclasses.replace(
        spec, level0=level0, affect=affect, hyperparameters={**spec.hyperparameters, **outer}
    )


def trial_runs(
    spec: TrainSpec, settings: Mapping[int, Setting], seeds: range
) -> dict[str, tuple[TrainSpec, list[tuple[int, int]]]]:
    """Return the runs that try settings: folder -> run, and which (trial, seed) its members are."""
    if spec.agent != TABULAR:
        return {
            f"trial_{number:04d}/seed_{seed}": (
                dataclasses.replace(with_setting(spec, setting), seed=seed),
                [(number, seed)],
            )
            for number, setting in settings.items()
            for seed in seeds
        }
    at_once = max(_LARGEST // len(seeds), 1)
    numbers = list(settings)
    runs = {}
    for start in range(0, len(numbers), at_once):
        some = numbers[start : start + at_once]
        trials = tuple(dict(settings[number]) for number in some)
        one = dataclasses.replace(spec, trials=trials, population=len(some) * len(seeds), seed=seeds[0])
        runs[f"trials_{some[0]:04d}"] = (one, [(number, seed) for number in some for seed in seeds])
    return runs


def mean_returns_of(run: Run) -> NDArray[np.float64]:
    """Return each member's mean return over its episodes, the running one included, [P]."""
    rows, population = run.episodes, run.population
    total = np.bincount(rows["member"], weights=rows["return"], minlength=population)
    count = np.bincount(rows["member"], minlength=population)
    last = np.zeros(population, np.int64)
    np.maximum.at(last, rows["member"], rows["step"])
    running = last < run.member_steps
    return np.asarray((total + np.where(running, run.unfinished_return, 0)) / np.maximum(count + running, 1))


Do = Callable[[Mapping[str, TrainSpec]], object]
"""Trains runs into folders below the study's, by name."""


def search(specs: Mapping[str, TrainSpec], tuning: Tuning, folder: Path, do: Do) -> list[Trial]:
    """Try every arm's configurations, and the best of them again on fresh seeds; return all trials.

    Args:
        specs: arm -> how it is trained, apart from what is searched.
        tuning: the budget.
        folder: of the study.
        do: trains runs.
    """
    settings = {arm: dict(enumerate(tuning.settings(arm, spec))) for arm, spec in specs.items()}
    first = _tried(specs, settings, tuning.first, "search", folder, do)
    best = {
        arm: {number: settings[arm][number] for number in _best(scores, tuning.finalists)}
        for arm, scores in first.items()
    }
    fresh = _tried(specs, best, tuning.fresh, "confirm", folder, do)
    trials: list[Trial] = []
    for arm, scores in first.items():
        overall = {number: _mean([*scores[number], *fresh[arm].get(number, [])]) for number in scores}
        winner = max(best[arm], key=lambda number: overall[number])
        for number, setting in settings[arm].items():
            again = fresh[arm].get(number)
            trials.append(
                Trial(
                    arm,
                    number,
                    setting,
                    _mean(scores[number]),
                    None if again is None else _mean(again),
                    overall[number],
                    number == winner,
                )
            )
    write_atomically(folder / "tuning" / "trials.csv", _table(trials).encode())
    return trials


def _tried(
    specs: Mapping[str, TrainSpec],
    settings: Mapping[str, Mapping[int, Setting]],
    seeds: range,
    phase: str,
    folder: Path,
    do: Do,
) -> dict[str, dict[int, list[float]]]:
    """Return arm -> trial -> score of each seed."""
    runs = {
        f"tuning/{arm}/{phase}/{name}": (arm, spec, members)
        for arm in specs
        for name, (spec, members) in trial_runs(specs[arm], settings[arm], seeds).items()
    }
    do({name: spec for name, (_, spec, _) in runs.items()})
    scores: dict[str, dict[int, list[float]]] = {arm: {n: [] for n in settings[arm]} for arm in specs}
    for name, (arm, _, members) in runs.items():
        for (number, _), score in zip(members, mean_returns_of(load_run(folder / name)), strict=True):
            scores[arm][number].append(float(score))
    return scores


def _best(scores: Mapping[int, Sequence[float]], count: int) -> list[int]:
    return sorted(sorted(scores, key=lambda number: -_mean(scores[number]))[:count])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _table(trials: Iterable[Trial]) -> str:
    rows = list(trials)
    paths = list(dict.fromkeys(path for one in rows for path in one.setting))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["arm", "trial", *paths, "score", "confirmed", "overall", "chosen"])
    for one in rows:
        numbers = [one.setting.get(path, "") for path in paths]
        confirmed = "" if one.confirmed is None else one.confirmed
        writer.writerow([one.arm, one.number, *numbers, one.score, confirmed, one.overall, int(one.chosen)])
    return text.getvalue()
