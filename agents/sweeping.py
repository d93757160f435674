"""Prioritised sweeping: a model of what was seen, backed up where that changes values most, then backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.agents.sleep import Dreamer, Sleep
from emotional_ed.checks import require_bool, require_int, require_range


@dataclass(frozen=True, kw_only=True)
class SweepingConfig(RuleConfig):
    """When to sweep, how much, and what the model keeps of a world that is not always the same."""

    period: int = 100
    """Steps between two nights, >= 1; one for a whole population."""
    updates: int = 100
    """Most backups a night, >= 1; one for a whole population."""
    theta: float = 1e-4
    """A pair waits for its turn if its |TD error| is above this, in units of value, >= 0."""
    full: bool = True
    """True: a backup takes up the whole TD error. False: the agent's step size; the rest goes on waiting."""
    average: bool = False
    """True: the model's reward is the mean of those seen in the pair. False: the last one."""

    def __post_init__(self) -> None:
        require_int("SweepingConfig.period", self.period, 1)
        require_int("SweepingConfig.updates", self.updates, 1)
        require_range("SweepingConfig.theta", self.theta, 0)
        for name in ("full", "average"):
            require_bool(f"SweepingConfig.{name}", getattr(self, name))


@final
class PrioritisedSweeping(Sleep):
    """Every `period` steps, at most `updates` backups of the pairs (s, a) whose TD errors are largest.

    Equation:
        model(s, a) = (s', r, terminated) as last seen; r the mean of all seen if `average`
        a lived step gives (s, a) the priority |delta|
        a backup:  the pair of the largest priority > theta;  Q(s, a) += share (y - Q(s, a)),  y the critic's
                   own target of what the model tells;  its priority becomes (1 - share) |delta|
        then for each pair (p, b) that the model leads to s:
                   priority(p, b) = max(priority(p, b), |r + y_0(s) - Q(p, b)|),  if above theta

    y_0(s) is the critic's target with no reward and next state s: discount max_a Q(s, a) for Q-learning.
    share is 1 if `full`, else the agent's step size. Members that have nothing to do rest.

    Reference:
        Sutton and Barto, section 8.4; Moore and Atkeson (1993), "Prioritized Sweeping".

    When it does harm: where one pair leads to different states, because the last one seen stands for all.

    Shapes:
        next_key, reward, danger: [P, S K, A]; terminated: [P, S K, A] bool; tries: [P, S K, A] int64, 0 for
        pairs never tried; priority: [P, S K A].

    Raises:
        ValueError: the features of a state are several; a model needs states that are told apart.
    """

    theta: Tensor
    full: Tensor
    average: Tensor
    next_key: Tensor
    reward: Tensor
    terminated: Tensor
    danger: Tensor
    told: Tensor
    tries: Tensor
    priority: Tensor
    everyone: Tensor

    name = "prioritised-sweeping"
    Config = SweepingConfig

    def start(self, configs: Sequence[SweepingConfig]) -> None:
        """Start with an empty model and nothing waiting."""
        if self.place.active > 1:
            raise ValueError(
                f"sleep: got {self.place.active} features of a state, expected one-hot keys, because a model "
                "must tell states apart"
            )
        for name in ("period", "updates"):
            values = sorted({getattr(config, name) for config in configs})
            if len(values) > 1:
                raise ValueError(f"SweepingConfig.{name}: got {values}, expected one for a whole population")
        self.every, self.rounds = configs[0].period, configs[0].updates
        keys = self.place.slots * self.place.keys
        pairs = (self.place.population, keys, self.place.actions)
        self.register_buffer("next_key", torch.zeros(pairs, dtype=torch.int64))
        self.register_buffer("reward", torch.zeros(pairs))
        self.register_buffer("terminated", torch.zeros(pairs, dtype=torch.bool))
        self.register_buffer("danger", torch.zeros(pairs))
        self.register_buffer("told", torch.zeros((), dtype=torch.bool))
        self.register_buffer("tries", torch.zeros(pairs, dtype=torch.int64))
        self.register_buffer("priority", torch.zeros(pairs[0], keys * self.place.actions))
        self.register_buffer("everyone", torch.arange(pairs[0]), persistent=False)

    def remember(self, moment: Moment, salience: Tensor) -> None:
        """Take the transition into the model, and let the pair wait; `salience` is its |TD error|."""
        at = (self.everyone, moment.key, moment.action)
        tries = self.tries[at] + 1
        rate = torch.where(self.average > 0, 1 / tries, 1.0)
        self.reward[at] = (1 - rate) * self.reward[at] + rate * moment.reward
        self.next_key[at] = moment.next_key
        self.terminated[at] = moment.terminated
        self.tries[at] = tries
        if moment.danger is not None:
            self.danger[at] = moment.danger.to(self.danger.dtype)
            self.told.fill_(True)
        pair = moment.key * self.place.actions + moment.action
        waiting = self.priority[self.everyone, pair]
        risen = torch.where(salience > self.theta, torch.maximum(waiting, salience), waiting)
        self.priority[self.everyone, pair] = risen

    def forget(self, first: Tensor, last: Tensor, who: Tensor) -> None:
        """Forget what the model knows of a value memory that begins anew."""
        key = torch.arange(self.tries.shape[1], device=self.tries.device)
        gone = (key >= first[:, None]) & (key < last[:, None]) & who[:, None]  # [P, S K]
        self.tries.masked_fill_(gone[..., None], 0)
        self.priority.masked_fill_(gone.repeat_interleave(self.place.actions, dim=1), 0)

    def is_night(self, steps: int) -> bool:
        """Return whether it is time."""
        return steps % self.every == 0

    def night(self, critic: Dreamer, step_size: Tensor, discount: Tensor, epsilon: Tensor) -> None:
        """Back up the most urgent pairs, one of each member at a time."""
        share = torch.where(self.full > 0, 1.0, step_size)
        values = self._values(critic)
        for _ in range(self.rounds):
            urgent, pair = self.priority.max(-1)
            awake = urgent > self.theta
            if not bool(awake.any()):
                return
            moment = self._moment(pair, awake, discount, epsilon)
            target = critic.target(moment)
            error = (target - critic.read(moment.key).gather(-1, moment.action[:, None]).squeeze(-1)).abs()
            critic.write(moment, target, share)
            self.priority[self.everyone, pair] = torch.where(awake, (1 - share) * error, urgent)
            values[self.everyone, moment.key] = critic.read(moment.key)
            self._raise_predecessors(critic, moment, awake, values)

    def _values(self, critic: Dreamer) -> Tensor:
        """Return what the critic holds of every key that some member knows, [P, S K, A]; else zeros."""
        values = torch.zeros_like(self.reward)
        for key in self.tries.any(-1).any(0).nonzero().flatten().tolist():
            values[:, key] = critic.read(torch.full_like(self.everyone, key))
        return values

    def _moment(self, pair: Tensor, awake: Tensor, discount: Tensor, epsilon: Tensor) -> Moment:
        """Return the transition that the model tells of pairs [P]; members that rest choose nothing."""
        key, action = pair // self.place.actions, pair % self.place.actions
        at = (self.everyone, key, action)
        actions = torch.arange(self.place.actions, device=pair.device)
        return Moment(
            key=key,
            next_key=self.next_key[at],
            action=action,
            chosen=(action[:, None] == actions) & awake[:, None],
            reward=self.reward[at],
            terminated=self.terminated[at],
            discount=discount,
            epsilon=epsilon,
            danger=self.danger[at] if bool(self.told) else None,
        )

    def _raise_predecessors(self, critic: Dreamer, moment: Moment, awake: Tensor, values: Tensor) -> None:
        """Let pairs wait that lead to the state whose value has changed."""
        nothing = torch.zeros_like(moment.reward)
        onward = moment._replace(
            next_key=moment.key,
            reward=nothing,
            terminated=torch.zeros_like(moment.terminated),
            danger=None if moment.danger is None else nothing,
        )
        error = (self.reward + critic.target(onward)[:, None, None] - values).abs()  # [P, S K, A]
        leads = (self.tries > 0) & ~self.terminated & (self.next_key == moment.key[:, None, None])
        leads = leads & awake[:, None, None] & (error > self.theta[:, None, None])
        risen = torch.where(leads, error, 0.0).flatten(1)
        self.priority.copy_(torch.maximum(self.priority, risen))
