"""A contest: every arm tuned alike on one block of seeds and judged on another, as few array programs."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.checks import require_int
from emotional_ed.envs import BlockedCount, as_batched
from emotional_ed.experiments.contests.arm import Arm, Setting
from emotional_ed.experiments.contests.tasks import Task
from emotional_ed.experiments.pool import each
from emotional_ed.experiments.tune import mean_returns

TUNING_SEED = 1_000_000
"""First seed of the tuning block; reported seeds must lie below it."""
_LARGEST = 1500  # members of one array program: more share no overhead, and caches are small


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every arm is given."""

    configurations: int = 40
    """Random settings an arm, >= 1."""
    seeds: int = 6
    """Tuning seeds each is tried on, >= 1."""
    finalists: int = 5
    """The best of them are tried again on `final_seeds` further seeds, >= 1; the best mean over all wins.

    A single one has won already, and is not tried again."""
    final_seeds: int = 20
    """Further tuning seeds, >= 1."""
    report: int = 50
    """Fresh seeds that are reported, >= 1."""
    first_seed: int = 0
    """The first of them."""

    def __post_init__(self) -> None:
        for name in ("configurations", "seeds", "finalists", "final_seeds", "report"):
            require_int(f"Budget.{name}", getattr(self, name), 1)
        require_int("Budget.first_seed", self.first_seed, 0, TUNING_SEED - self.report)


@dataclass(frozen=True)
class Lives:
    """What became of the members of one arm, one entry a seed."""

    score: NDArray[np.float64]
    """[S], mean return over all episodes, less the price of catastrophes."""
    late: NDArray[np.float64]
    """[S], the same over the second half of the steps."""
    catastrophes: NDArray[np.float64]
    """[S], catastrophes per 1000 steps."""


@dataclass(frozen=True)
class Entry:
    """One arm of a contest."""

    arm: str
    setting: dict[str, float]
    """The best that the search found; or that of the arm which this one follows."""
    tuning_score: float | None
    """Its mean score on all tuning seeds it was tried on; None for an arm that follows another."""
    lives: Lives
    """On fresh seeds."""
    trials: list[dict[str, float]]
    """Every setting that was tried, with its score; none for an arm that follows another."""
    seconds: float
    """Time of tuning and judging; arms in one array program share it."""


@dataclass(frozen=True)
class _Found:
    """What an arm is judged with."""

    setting: dict[str, float]
    score: float | None
    trials: list[dict[str, float]]
    seconds: float


def contest(
    task: Task,
    arms: Mapping[str, Arm],
    budget: Budget,
    *,
    jobs: int = 1,
    progress: Callable[[int], object] | None = None,
) -> list[Entry]:
    """Tune every arm with the same budget, and judge it on fresh seeds.

    An arm that follows another is judged with what that one was tuned to, and has no trials of its own.

    Args:
        task: what is learned.
        arms: name -> arm; those of one kind run in one population.
        budget: seeds and settings, the same for all.
        jobs: processes; results do not depend on it.
        progress: called with the number of arms that were finished since the last call.

    Raises:
        ValueError: an arm cannot be built for the task, or there is none; or an arm follows one that is not
            there or follows another itself, or whose setting it has no place for.
    """
    require_int("jobs", jobs, 1)
    if not arms:
        raise ValueError("arms: got none, expected at least one")
    _check_follows(arms)
    waiting = _of_a_kind(arms)
    found: dict[str, _Found] = {}
    entries: dict[str, Entry] = {}
    while waiting:  # at most twice: an arm may wait for one of another kind to be tuned
        works = [partial(_run_group, task, group, budget, dict(found)) for group in waiting]
        for tuned, judged in each(works, jobs):
            found |= tuned
            entries |= {entry.arm: entry for entry in judged}
            if progress is not None and judged:
                progress(len(judged))
        waiting = [group for group in waiting if not set(group) <= set(entries)]
    return [entries[name] for name in arms]


def _check_follows(arms: Mapping[str, Arm]) -> None:
    searched = [name for name, arm in arms.items() if not arm.follows]
    for name, arm in arms.items():
        if not arm.follows:
            continue
        if arm.follows not in searched:
            raise ValueError(
                f"arms: got {name!r} that follows {arm.follows!r}, expected it to follow one that is tuned, "
                f"among {searched}"
            )
        arm.configured(arms[arm.follows].draw(1, seed=0)[0])


def _of_a_kind(arms: Mapping[str, Arm]) -> list[dict[str, Arm]]:
    kinds: dict[str, dict[str, Arm]] = defaultdict(dict)
    for name, arm in arms.items():
        kinds[arm.kind][name] = arm
    return list(kinds.values())


def _run_group(
    task: Task, arms: Mapping[str, Arm], budget: Budget, known: Mapping[str, _Found]
) -> tuple[dict[str, _Found], list[Entry]]:
    """Tune what is not tuned yet, and judge all arms unless one waits for the setting of another."""
    searched = {name: arm for name, arm in arms.items() if not arm.follows and name not in known}
    found = _search(task, searched, budget) if searched else {}
    known = {**known, **found}
    if any(arm.follows not in known for arm in arms.values() if arm.follows):
        return found, []
    ready = {name: _followed(arm, known) if arm.follows else known[name] for name, arm in arms.items()}
    return found, _judge(task, arms, ready, budget)


def _followed(arm: Arm, known: Mapping[str, _Found]) -> _Found:
    leader = known[arm.follows]
    return _Found({**leader.setting, **arm.fixed}, None, [], leader.seconds)


def _search(task: Task, arms: Mapping[str, Arm], budget: Budget) -> dict[str, _Found]:
    """Try random settings of every arm on tuning seeds, and the best of them again on further ones."""
    began = time.perf_counter()
    drawn = {name: arm.draw(budget.configurations, seed=0) for name, arm in arms.items()}
    first = range(TUNING_SEED, TUNING_SEED + budget.seeds)
    scores = {name: [one.score for one in lives] for name, lives in live(task, arms, drawn, first).items()}
    order = {name: np.argsort([-one.mean() for one in scores[name]], kind="stable") for name in arms}
    best = {name: [int(i) for i in order[name][: budget.finalists]] for name in arms}
    over_all = {name: [scores[name][i] for i in best[name]] for name in arms}
    if budget.finalists > 1:
        again = range(first.stop, first.stop + budget.final_seeds)
        finals = live(task, arms, {name: [drawn[name][i] for i in best[name]] for name in arms}, again)
        for name in arms:
            pairs = zip(over_all[name], finals[name], strict=True)
            over_all[name] = [np.concatenate([held, final.score]) for held, final in pairs]
    seconds = time.perf_counter() - began
    found = {}
    for name in arms:
        means = [float(one.mean()) for one in over_all[name]]
        winner = int(np.argmax(means))
        tried = zip(drawn[name], scores[name], strict=True)
        trials = [{**one, "score": float(score.mean())} for one, score in tried]
        found[name] = _Found(drawn[name][best[name][winner]], means[winner], trials, seconds)
    return found


def _judge(task: Task, arms: Mapping[str, Arm], found: Mapping[str, _Found], budget: Budget) -> list[Entry]:
    """Let every arm live with its setting on the seeds that are reported."""
    began = time.perf_counter()
    fresh = range(budget.first_seed, budget.first_seed + budget.report)
    lives = live(task, arms, {name: [found[name].setting] for name in arms}, fresh)
    seconds = time.perf_counter() - began
    return [
        Entry(name, one.setting, one.score, lives[name][0], one.trials, one.seconds + seconds)
        for name, one in ((name, found[name]) for name in arms)
    ]


def live(
    task: Task,
    arms: Mapping[str, Arm],
    settings: Mapping[str, Sequence[Setting]],
    seeds: Sequence[int],
) -> dict[str, list[Lives]]:
    """Let every setting of every arm live with every seed, and return what became of them.

    Arms must be of one kind (`Arm.kind`): all of them are members of the same populations.
    """
    jobs = [(name, setting) for name in arms for setting in settings[name]]
    at_once = max(_LARGEST // len(seeds), 1)
    lives: list[Lives] = []
    for start in range(0, len(jobs), at_once):
        lives += _live_together(task, arms, jobs[start : start + at_once], seeds)
    found: dict[str, list[Lives]] = {name: [] for name in arms}
    for (name, _), one in zip(jobs, lives, strict=True):
        found[name].append(one)
    return found


def _live_together(
    task: Task, arms: Mapping[str, Arm], jobs: Sequence[tuple[str, Setting]], seeds: Sequence[int]
) -> list[Lives]:
    parts = [arms[name].configured(setting) for name, setting in jobs]
    population, number = len(jobs) * len(seeds), len(seeds)
    world: Any = as_batched(
        task.env_id, population, env_kwargs=dict(task.env_kwargs), catastrophe_reward=task.catastrophe_reward
    )
    count = next(iter(arms.values())).blocked_count
    if count:
        world = BlockedCount(world, cap=count)
    model = EmotionalQ(
        world,
        [affect for _, affect in parts for _ in seeds],
        level0=[level0 for level0, _ in parts for _ in seeds],
        population=population,
        step_size=[setting["step_size"] for _, setting in jobs for _ in seeds],
        exploration=[setting["exploration"] for _, setting in jobs for _ in seeds],
        discount=task.discount,
        seed=[seed for _ in jobs for seed in seeds],
        listens=task.listens,
    )
    half = task.steps // 2
    try:
        model.learn(half, log_interval=task.steps)
        before = _Totals.of(model)
        model.learn(task.steps - half, log_interval=task.steps)
        after = _Totals.of(model)
    finally:
        world.close()
    priced = mean_returns(model) - task.price * after.catastrophes / after.episodes
    late = after.minus(before)
    late_score = (late.returns - task.price * late.catastrophes) / late.episodes
    per_1000 = 1000 * after.catastrophes / task.steps
    rows = [slice(i * number, (i + 1) * number) for i in range(len(jobs))]
    return [Lives(priced[row], late_score[row], per_1000[row]) for row in rows]


@dataclass(frozen=True)
class _Totals:
    """Sums so far, [P] each."""

    returns: NDArray[np.float64]
    episodes: NDArray[np.float64]
    catastrophes: NDArray[np.float64]

    @classmethod
    def of(cls, model: EmotionalQ) -> _Totals:
        rows = model.episodes
        returns = np.bincount(rows["member"], weights=rows["return"], minlength=model.population)
        episodes = np.bincount(rows["member"], minlength=model.population)
        running = model.unfinished_lengths > 0
        return cls(
            returns + model.unfinished_returns,
            np.maximum(episodes + running, 1).astype(np.float64),
            model.catastrophes.astype(np.float64),
        )

    def minus(self, other: _Totals) -> _Totals:
        """Return what came after `other`; an episode that runs across counts as begun before."""
        return _Totals(
            self.returns - other.returns,
            np.maximum(self.episodes - other.episodes, 1),
            self.catastrophes - other.catastrophes,
        )


def as_plain(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain data for JSON."""
    return {
        **{name: value for name, value in dataclasses.asdict(entry).items() if name != "lives"},
        "lives": {name: value.tolist() for name, value in dataclasses.asdict(entry.lives).items()},
    }
