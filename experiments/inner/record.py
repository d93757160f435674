"""Lives for pictures of inner signals: what members felt at each step, and what they were about to decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.checks import require_int
from emotional_ed.experiments.contests.tasks import Task

FACTS = ("observation", "action", "reached", "reward", "done", "greedy", "explored", "episode")
"""Recorded of every step, beside the signals and what is looked at."""
Look = Callable[[EmotionalQ], Mapping[str, Tensor]]
"""Reads an agent's memories before a step, name -> [P] or [P, ...]; changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much is recorded for each picture."""

    members: int = 48
    """Seeds, >= 2."""
    first_seed: int = 60_000
    """The first of them."""
    share: float = 1.0
    """Share of a picture's usual steps, in (0, 1]; less only to try things out."""

    def __post_init__(self) -> None:
        require_int("Scope.members", self.members, 2)
        require_int("Scope.first_seed", self.first_seed, 0)
        if not 0 < self.share <= 1:
            raise ValueError(f"Scope.share: got {self.share!r}, expected a number in (0, 1]")


@dataclass(frozen=True)
class Record:
    """T steps of P members."""

    columns: dict[str, NDArray[Any]]
    """Name -> [T, P] or [T, P, ...]: `FACTS`, the signals asked for, what was seen before each step."""

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def steps(self) -> int:
        """T."""
        return len(self.columns["reward"])

    @property
    def members(self) -> int:
        """P."""
        return int(self.columns["reward"].shape[1])

    def by_episode(self, name: str, how: str = "last") -> NDArray[np.float64]:
        """Return one number an episode, [N, P], NaN where a member had fewer; running episodes are left out.

        Args:
            name: a column [T, P].
            how: "last" of the episode, its "sum", its "mean", or the "first".

        Raises:
            ValueError: `how` is none of these.
        """
        values, episode, done = self[name].astype(np.float64), self["episode"], self["done"]
        number = int(done.sum(0).max())
        found = np.full((number, self.members), np.nan)
        when, who = done.nonzero()
        which = episode[when, who]
        ends = np.zeros((number + 1, self.members), dtype=np.int64)
        ends[which + 1, who] = when + 1
        if how == "last":
            found[which, who] = values[when, who]
        elif how == "first":
            found[which, who] = values[ends[which, who], who]
        elif how in ("sum", "mean"):
            total = np.concatenate([np.zeros((1, self.members)), values.cumsum(0)])
            span = total[when + 1, who] - total[ends[which, who], who]
            found[which, who] = span / (when + 1 - ends[which, who]) if how == "mean" else span
        else:
            raise ValueError(f"how: got {how!r}, expected last, first, sum or mean")
        return found


@dataclass(frozen=True, kw_only=True)
class Life:
    """How the members of a picture live; the numbers were chosen before, and are the same for its control."""

    task: Task
    affect: AffectConfig
    level0: LevelZero = field(default_factory=LevelZero)
    step_size: float = 0.1
    exploration: float = 0.05
    signals: Sequence[str] = ()
    """Signals to record, beside `FACTS`."""
    look: Look | None = None
    """What else to read before each step."""

    def record(self, scope: Scope) -> Record:
        """Live, and return what was felt."""
        seeds = [scope.first_seed + i for i in range(scope.members)]
        model = EmotionalQ(
            self.task.env_id,
            self.affect,
            level0=self.level0,
            population=scope.members,
            step_size=self.step_size,
            exploration=self.exploration,
            discount=self.task.discount,
            seed=seeds,
            env_kwargs=dict(self.task.env_kwargs),
            listens=self.task.listens,
        )
        rows: dict[str, list[NDArray[Any]]] = {}
        seen: dict[str, Tensor] = {}
        episode = torch.zeros(scope.members, dtype=torch.int64)

        def keep(agent: EmotionalQ) -> None:
            nonlocal episode, seen
            step = agent.last_step
            assert step is not None
            done = step.terminated | step.truncated
            facts = {
                "reached": step.final_observation,
                "reward": step.reward,
                "done": done,
                "episode": episode,
            }
            facts |= {one: agent.signals[one] for one in ("observation", "action", "greedy", "explored")}
            for name, value in {**facts, **{one: agent.signals[one] for one in self.signals}, **seen}.items():
                rows.setdefault(name, []).append(value.cpu().numpy().copy())
            episode = episode + done
            seen = self._seen(agent)

        model.learn(0)  # so that there is something to look at
        seen = self._seen(model)
        steps = max(int(self.task.steps * scope.share), 1)
        model.learn(steps, callback=keep, log_interval=steps)
        return Record({name: np.stack(values) for name, values in rows.items()})

    @torch.no_grad()
    def _seen(self, model: EmotionalQ) -> dict[str, Tensor]:
        seen = {} if self.look is None else self.look(model)
        return {name: value.clone() for name, value in seen.items()}  # memories change in place


def values_of(model: EmotionalQ) -> Tensor:
    """Return what level 0 holds of the state that the agent is about to act in, [P, A]."""
    return model.mind.critic.read(model.mind.value_key(key_of(model)))


def key_of(model: EmotionalQ) -> Tensor:
    """Return the key of the state that the agent is about to act in, [P]."""
    assert model.observation is not None
    return model.features(model.observation)
