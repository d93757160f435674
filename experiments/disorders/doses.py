"""Every dose of a disorder lives on the same seeds in one population; finished pieces are kept on disk."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.checks import require_int
from emotional_ed.envs import as_batched
from emotional_ed.experiments.contests.arm import Arm, Setting
from emotional_ed.experiments.contests.contest import TUNING_SEED, live
from emotional_ed.experiments.contests.tasks import Task
from emotional_ed.experiments.disorders.catalogue import DISORDERS, SITUATIONS
from emotional_ed.experiments.disorders.conduct import Conduct
from emotional_ed.experiments.pool import each
from emotional_ed.experiments.run_folder import write_json
from emotional_ed.experiments.tune import mean_returns
from emotional_ed.files import write_atomically

ROLES = ("situation", "control")
"""Where the emotion is meant to help, and where it is not needed."""
FIXED: Setting = {"step_size": 0.1, "exploration": 0.1}
"""What an agent has by default, in every place and at every dose."""
_HEAD = ("dose", "seed", "score", "conduct")
_UNTAUGHT = math.nan  # the dose that stands for an agent that learns nothing
_PLAIN = "level-0"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much is run."""

    seeds: int = 50
    """Reported seeds, >= 1, common to all doses."""
    first_seed: int = 50_000
    """The first of them."""
    steps: int | None = None
    """Steps of each member, >= 1; None: as many as the situation has."""
    tuned: bool = False
    """Whether step size and exploration are those of tuned level 0 in each place, instead of `FIXED`."""
    configurations: int = 20
    """Random settings of level 0 that are tried on 4 tuning seeds; the best 4 again on 8 further ones."""

    def __post_init__(self) -> None:
        require_int("Scope.seeds", self.seeds, 1)
        require_int("Scope.first_seed", self.first_seed, 0)
        require_int("Scope.configurations", self.configurations, 1)
        if self.steps is not None:
            require_int("Scope.steps", self.steps, 1)

    def task(self, name: str) -> Task:
        """Return the situation of that name, of this length."""
        task = SITUATIONS[name]
        return task if self.steps is None else Task(**{**_fields(task), "steps": self.steps})


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.__dataclass_fields__}


@dataclass(frozen=True)
class Curve:
    """What became of one disorder's doses in one place, D doses and S seeds."""

    disorder: str
    role: str
    """One of `ROLES`."""
    task: str
    doses: tuple[float, ...]
    score: NDArray[np.float64]
    """[D, S], mean return less the price of catastrophes."""
    conduct: NDArray[np.float64]
    """[D, S], the behaviour that names the disorder."""
    untaught: NDArray[np.float64]
    """[S], the score of the agent at dose 0 that learns nothing."""


# ---------------------------------------------------------------- running


def tuned_level_0(task: Task, configurations: int) -> dict[str, float]:
    """Return level 0's best step size and exploration, on tuning seeds only."""
    arm = Arm()
    drawn = arm.draw(configurations, seed=0)
    first = range(TUNING_SEED, TUNING_SEED + 4)
    scores = [one.score for one in live(task, {_PLAIN: arm}, {_PLAIN: drawn}, first)[_PLAIN]]
    order = np.argsort([-one.mean() for one in scores], kind="stable")[:4]
    again = range(first.stop, first.stop + 8)
    finals = live(task, {_PLAIN: arm}, {_PLAIN: [drawn[i] for i in order]}, again)[_PLAIN]
    means = [
        float(np.concatenate([scores[i], final.score]).mean()) for i, final in zip(order, finals, strict=True)
    ]
    return drawn[int(order[int(np.argmax(means))])]


def live_at_doses(
    task: Task, arms: Sequence[Arm], setting: Setting, seeds: Sequence[int], behaviour: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let every arm live with every seed, and return scores and conduct, [D, S] each.

    Arms of one kind are members of one population; which company they keep changes no number.
    """
    together: dict[str, list[int]] = defaultdict(list)
    for i, arm in enumerate(arms):
        together[arm.kind].append(i)
    score, conduct = np.zeros((2, len(arms), len(seeds)))
    for rows in together.values():
        score[rows], conduct[rows] = _live(task, [arms[i] for i in rows], setting, seeds, behaviour)
    return score, conduct


def _live(
    task: Task, arms: Sequence[Arm], setting: Setting, seeds: Sequence[int], behaviour: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    population, conduct = len(arms) * len(seeds), Conduct()
    settings = [{**setting, **arm.fixed} for arm in arms for _ in seeds]
    world: Any = as_batched(
        task.env_id, population, env_kwargs=dict(task.env_kwargs), catastrophe_reward=task.catastrophe_reward
    )
    model = EmotionalQ(
        world,
        [arm.affect for arm in arms for _ in seeds],
        population=population,
        step_size=[one["step_size"] for one in settings],
        exploration=[one["exploration"] for one in settings],
        discount=task.discount,
        seed=[seed for _ in arms for seed in seeds],
        listens=task.listens,
    )
    try:
        model.learn(task.steps, callback=conduct, log_interval=task.steps)
    finally:
        world.close()
    running = model.unfinished_lengths > 0
    episodes = np.bincount(model.episodes["member"], minlength=population) + running
    score = mean_returns(model) - task.price * model.catastrophes / np.maximum(episodes, 1)
    shape = (len(arms), len(seeds))
    return score.reshape(shape), conduct.of(behaviour).reshape(shape)


# ---------------------------------------------------------------- pieces on disk


def run_disorders(names: Iterable[str], out: Path, scope: Scope, jobs: int = 1) -> Iterator[str]:
    """Run what is not finished yet below `out`, and yield what was finished, piece by piece.

    If the scope says so, level 0 is tuned for each place first; then every disorder lives in both its places.

    Raises:
        ValueError: a name is unknown, or the folder holds pieces of another scope.
    """
    require_int("jobs", jobs, 1)
    wanted = [(name, role) for name in names for role in ROLES]
    _claim(out, scope)
    places = dict.fromkeys(getattr(DISORDERS[name], role) for name, role in wanted)
    untuned = [place for place in places if scope.tuned and not _tuned_file(out, place).is_file()]
    yield from each([partial(_tune, out, scope, place) for place in untuned], jobs)
    pieces = [(name, role) for name, role in wanted if not _piece(out, name, role).is_file()]
    yield from each([partial(_run, out, scope, name, role) for name, role in pieces], jobs)


def _claim(out: Path, scope: Scope) -> None:
    """Write what the folder is for, or refuse one that is for something else."""
    target, asked = out / "scope.json", asdict(scope)
    if target.is_file():
        held = json.loads(target.read_text())
        if held != asked:
            raise ValueError(f"out: got {str(out)!r}, which holds pieces of {held}, expected one of {asked}")
    else:
        write_json(target, asked)


def _tuned_file(out: Path, place: str) -> Path:
    return out / "tuned" / f"{place}.json"


def _piece(out: Path, name: str, role: str) -> Path:
    return out / "pieces" / f"{name.replace(' ', '-')}-{role}.csv"


def _tune(out: Path, scope: Scope, place: str) -> str:
    setting = tuned_level_0(scope.task(place), scope.configurations)
    write_json(_tuned_file(out, place), setting)
    return f"level 0 tuned on {place}"


def _run(out: Path, scope: Scope, name: str, role: str) -> str:
    disorder = DISORDERS[name]
    place = getattr(disorder, role)
    setting = json.loads(_tuned_file(out, place).read_text()) if scope.tuned else FIXED
    seeds = range(scope.first_seed, scope.first_seed + scope.seeds)
    arms = [disorder.arm(dose) for dose in disorder.doses]
    untaught = Arm(affect=disorder.healthy, fixed={"step_size": 0.0})
    score, conduct = live_at_doses(scope.task(place), [*arms, untaught], setting, seeds, disorder.behaviour)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    for i, dose in enumerate((*disorder.doses, _UNTAUGHT)):
        for j, seed in enumerate(seeds):
            writer.writerow([f"{dose:g}", seed, repr(float(score[i, j])), repr(float(conduct[i, j]))])
    write_atomically(_piece(out, name, role), text.getvalue().encode())
    return f"{name} in {place}"


def load_curves(out: Path) -> list[Curve]:
    """Read every finished piece below `out`, in the order of `DISORDERS`."""
    return [
        _load(name, role, _piece(out, name, role))
        for name in DISORDERS
        for role in ROLES
        if _piece(out, name, role).is_file()
    ]


def _load(name: str, role: str, path: Path) -> Curve:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    number = len({row["seed"] for row in rows})
    doses = [float(row["dose"]) for row in rows[::number]]
    score, conduct = (np.array([float(row[key]) for row in rows]).reshape(-1, number) for key in _HEAD[2:])
    place: str = getattr(DISORDERS[name], role)
    return Curve(name, role, place, tuple(doses[:-1]), score[:-1], conduct[:-1], score[-1])


def tuned_settings(out: Path) -> Mapping[str, dict[str, float]]:
    """Return place -> level 0's setting there, of the finished searches below `out`."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((out / "tuned").glob("*.json"))}
