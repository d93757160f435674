"""Sleep at work: which lived steps a night starts from, and how far what was found spreads."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, SalienceConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.sleep import Replay, SleepConfig
from emotional_ed.analysis.events import around, mean_interval
from emotional_ed.analysis.panels import Bars, Panel
from emotional_ed.envs import BatchedTabularEnv
from emotional_ed.envs.tabular_model import TabularModel
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene, course

_TASK = dataclasses.replace(TASKS["sparse-maze"], steps=12_000)
_PERIOD = SleepConfig.period  # steps between two nights
_BINS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 99))
_NIGHTS = 12
_KINDS = ("salience", "uniform")


def steps_to_goal(model: TabularModel) -> NDArray[np.int64]:
    """Return how many steps each state is from the end at best, [Z]; -1 if there is no way."""
    reached, ends = model.next_state[0], model.terminated[0]  # [Z, A, O]
    distance = np.full(len(reached), -1)
    last = np.flatnonzero(ends.any((1, 2)))
    distance[last] = 1
    waiting = deque(last.tolist())
    while waiting:
        state = waiting.popleft()
        for before in np.flatnonzero((reached == state).any((1, 2)) & (distance < 0)):
            distance[before] = distance[state] + 1
            waiting.append(int(before))
    return distance


def chances(sleep: Replay) -> Tensor:
    """Return how likely each kept transition is to start a sweep, [P, N], as `Replay` draws it."""
    count = min(int(sleep.written), sleep.kept)
    salience = sleep.salience[:, :count].double()
    total = salience.sum(-1, keepdim=True)
    anywhere = torch.full_like(salience, 1 / max(count, 1))
    if not sleep.needs_salience:
        return anywhere
    mixed = (1 - sleep.uniform.double()[:, None]) * salience / total.clamp_min(1e-30)
    mixed = mixed + sleep.uniform.double()[:, None] * anywhere
    return torch.where(total > 0, mixed, anywhere)


@final
class Morning:
    """Looks at where a night started and where the kept steps lay, [P, bins] each, NaN by day.

    `known` [P], at every step: share of the states on the way to the goal from which the goal is expected.
    """

    def __init__(self) -> None:
        self._distance: Tensor | None = None

    def __call__(self, model: EmotionalQ) -> Mapping[str, Tensor]:
        """Look; changes nothing."""
        sleep, world = model.mind.sleep, model.require_env()
        assert isinstance(sleep, Replay)
        assert isinstance(world, BatchedTabularEnv)
        if self._distance is None:
            self._distance = torch.as_tensor(steps_to_goal(world.model))
        known = (model.value.M.amax(1)[:, self._distance > 0] > 1e-6).double().mean(-1)
        nothing = torch.full((model.population, len(_BINS)), float("nan"), dtype=torch.float64)
        if model.num_timesteps == 0 or model.num_timesteps % _PERIOD:
            return {"known": known, "starts": nothing, "kept": nothing}
        far = self._distance[sleep.past_key[:, : min(int(sleep.written), sleep.kept)]]  # [P, N]
        chance = chances(sleep)
        bins = [(far >= low) & (far <= high) for low, high in _BINS]
        return {
            "known": known,
            "starts": torch.stack([(chance * one).sum(-1) for one in bins], dim=-1),
            "kept": torch.stack([one.double().mean(-1) for one in bins], dim=-1),
        }


def _life(kind: str) -> Life:
    affect = dataclasses.replace(AffectConfig.levels(0), salience=SalienceConfig())
    level0 = LevelZero(sleep=SleepConfig(draw=kind))
    return Life(task=_TASK, affect=affect, level0=level0, step_size=0.3, exploration=0.1, look=Morning())


def first_finds(record: Record, after: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the step and member of each first arrival at the goal that leaves `after` steps of life."""
    found = record["done"] & (record["reward"] > 0.5)
    who = np.flatnonzero(found[: max(record.steps - after, 0)].any(0))
    return found[:, who].argmax(0), who


def sleep(scope: Scope) -> Scene:
    """Sleep after the goal was found for the first time: drawn by salience, beside drawn evenly."""
    lives = {kind: _life(kind).record(scope) for kind in _KINDS}
    span = _NIGHTS * _PERIOD
    finds = {kind: first_finds(record, span) for kind, record in lives.items()}
    spread = {kind: around(lives[kind]["known"], *finds[kind], _PERIOD, span) for kind in _KINDS}
    night = {kind: _first_night(lives[kind], *finds[kind]) for kind in _KINDS}
    own = night["salience"]
    shares = {
        name: [mean_interval(own[name][:, i]) for i in range(len(_BINS))] for name in ("starts", "kept")
    }
    panels = [
        Panel(
            title="The night after the goal was found",
            across="steps from the goal",
            up="share",
            bars=[
                Bars(
                    heights=[one[0] for one in shares[name]],
                    low=[one[1] for one in shares[name]],
                    high=[one[2] for one in shares[name]],
                    role=role,
                    label=label,
                )
                for name, role, label in (
                    ("starts", "felt", "of the starts, drawn by salience"),
                    ("kept", "control", "of all steps kept (drawn evenly)"),
                )
            ],
            ticks=["1", "2-3", "4-7", "8-15", "16 or more"],
        ),
        Panel(
            title="So what was found spreads through the maze",
            across=f"steps from the first arrival (a night every {_PERIOD})",
            up="share that expects the goal",
            lines=[
                course(spread["salience"], label="drawn by salience"),
                course(spread["uniform"], label="drawn evenly", role="control"),
            ],
            moment=0.0,
            legend="upper left",
        ),
    ]
    numbers = {
        "found": float(len(finds["salience"][0])),
        "members": float(scope.members),
        "starts": 100 * shares["starts"][0][0],
        "kept": 100 * shares["kept"][0][0],
        "known": 100 * float(spread["salience"].mean[_PERIOD + _PERIOD]),
        "known_uniform": 100 * float(spread["uniform"].mean[_PERIOD + _PERIOD]),
        "later": 100 * float(spread["salience"].mean[-1]),
        "later_uniform": 100 * float(spread["uniform"].mean[-1]),
    }
    return Scene(
        title="Sleep: a maze whose only reward is at its far end",
        panels=panels,
        numbers=numbers,
        says="{found:.0f} of {members:.0f} members found the goal early enough to be counted. In the "
        "night after, {starts:.0f} % "
        "of the sweeps started from the step that enters the goal, which is {kept:.1f} % of the steps "
        "kept. One night "
        f"({_PERIOD} steps) later {{known:.0f}} % of the maze expected the goal, {{known_uniform:.0f}} "
        f"% where steps are drawn "
        f"evenly; after {_NIGHTS} nights {{later:.0f}} % and {{later_uniform:.0f}} %.",
        settings=f"sparse-maze, {_TASK.steps} steps, step size 0.3, exploration 0.1, "
        f"{SleepConfig.updates} updates a night",
        height=3.0,
    )


def _first_night(
    record: Record, when: NDArray[np.int64], who: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return where the first night after each find started, and where the kept steps lay, [E, bins] each."""
    nights = (when // _PERIOD + 1) * _PERIOD  # looked at before the step that follows the night
    return {name: record[name][nights, who] for name in ("starts", "kept")}
