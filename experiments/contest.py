"""A contest: every arm tuned alike on one block of seeds and judged on another, as few array programs."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.checks import require_int
from emotional_ed.envs import BlockedCount, as_batched
from emotional_ed.experiments.arm import Arm, Setting
from emotional_ed.experiments.tasks import Task
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
    """The best of them are tried again on `final_seeds` further seeds, >= 1; the best mean over all wins."""
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
    """The best that the search found."""
    tuning_score: float
    """Its mean score on all tuning seeds it was tried on."""
    lives: Lives
    """On fresh seeds."""
    trials: list[dict[str, float]]
    """Every setting that was tried, with its score."""
    seconds: float
    """Time of tuning and judging; arms in one array program share it."""


def contest(
    task: Task,
    arms: Mapping[str, Arm],
    budget: Budget,
    *,
    jobs: int = 1,
    progress: Callable[[int], object] | None = None,
) -> list[Entry]:
    """Tune every arm with the same budget, and judge it on fresh seeds.

    Args:
        task: what is learned.
        arms: name -> arm; those of one kind run in one population.
        budget: seeds and settings, the same for all.
        jobs: processes; results do not depend on it.
        progress: called with the number of arms that were finished since the last call.

    Raises:
        ValueError: an arm cannot be built for the task, or there is none.
    """
    require_int("jobs", jobs, 1)
    if not arms:
        raise ValueError("arms: got none, expected at least one")
    kinds: dict[str, dict[str, Arm]] = defaultdict(dict)
    for name, arm in arms.items():
        kinds[arm.kind][name] = arm
    groups = list(kinds.values())
    entries: dict[str, Entry] = {}
    for group in _groups_run(task, groups, budget, jobs):
        entries |= {entry.arm: entry for entry in group}
        if progress is not None:
            progress(len(group))
    return [entries[name] for name in arms]


def _groups_run(
    task: Task, groups: Sequence[Mapping[str, Arm]], budget: Budget, jobs: int
) -> Iterator[list[Entry]]:
    """Yield what came of each group as soon as it is known; with `jobs` > 1 in any order."""
    if jobs == 1:
        yield from (_run_group(task, group, budget) for group in groups)
        return
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context, initializer=_be_a_worker) as pool:
        running = [pool.submit(_run_group, task, group, budget) for group in groups]
        try:
            yield from (one.result() for one in concurrent.futures.as_completed(running))
        except BaseException:
            for one in running:
                one.cancel()
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _be_a_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    torch.set_num_threads(1)


def _run_group(task: Task, arms: Mapping[str, Arm], budget: Budget) -> list[Entry]:
    began = time.perf_counter()
    drawn = {name: arm.draw(budget.configurations, seed=0) for name, arm in arms.items()}
    first = range(TUNING_SEED, TUNING_SEED + budget.seeds)
    scores = {name: [one.score for one in lives] for name, lives in live(task, arms, drawn, first).items()}
    order = {name: np.argsort([-one.mean() for one in scores[name]], kind="stable") for name in arms}
    best = {name: [int(i) for i in order[name][: budget.finalists]] for name in arms}
    again = range(first.stop, first.stop + budget.final_seeds)
    finals = live(task, arms, {name: [drawn[name][i] for i in best[name]] for name in arms}, again)
    chosen: dict[str, tuple[int, float]] = {}
    for name in arms:
        means = [
            float(np.concatenate([scores[name][i], final.score]).mean())
            for i, final in zip(best[name], finals[name], strict=True)
        ]
        winner = int(np.argmax(means))
        chosen[name] = (best[name][winner], means[winner])
    fresh = range(budget.first_seed, budget.first_seed + budget.report)
    judged = live(task, arms, {name: [drawn[name][chosen[name][0]]] for name in arms}, fresh)
    seconds = time.perf_counter() - began
    return [
        Entry(
            name,
            drawn[name][chosen[name][0]],
            chosen[name][1],
            judged[name][0],
            [{**one, "score": float(s.mean())} for one, s in zip(drawn[name], scores[name], strict=True)],
            seconds,
        )
        for name in arms
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
