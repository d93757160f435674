"""Intrinsic fear: states from which a catastrophe is near are remembered, and targets are lowered by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.critics.danger import NEVER, danger_of, greedy_target
from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.checks import require_int, require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature


@dataclass(frozen=True, kw_only=True)
class IntrinsicFearConfig(RuleConfig):
    """How near a catastrophe frightens, how fast that is learned, and what it costs."""

    penalty: float = 1.0
    """What a fear of 1 takes off the target, in units of value, in [0, 1e6]."""
    radius: int = 3
    """Steps before a catastrophe that count as dangerous, in [1, 1000]."""
    fear_step_size: float = 0.1
    """Share of the gap that one write of the danger memory closes, in [0, 1]."""
    bad_reward: float = NEVER
    """Without declared dangers, a step with at most this reward is a catastrophe; by default none is."""

    def __post_init__(self) -> None:
        require_range("IntrinsicFearConfig.penalty", self.penalty, 0, 1e6)
        require_int("IntrinsicFearConfig.radius", self.radius, 1, 1000)
        require_range("IntrinsicFearConfig.fear_step_size", self.fear_step_size, 0, 1)
        require_range("IntrinsicFearConfig.bad_reward", self.bad_reward)


@final
class IntrinsicFear(Critic):
    """Q-learning whose targets are lowered by a learned memory of dangerous states.

    Equation:
        y = r + discount (1 - terminated) max_a' Q(s', a') - penalty max(danger, (1 - terminated) F(s'))
        F(s) += fear_step_size (d - F(s)):  d = danger for the last `radius` states up to a catastrophe,
                0 for a state after which `radius` steps, or the rest of its episode, brought none

    F(s) in [0, 1] is the probability that a catastrophe comes within `radius` steps of s. What follows a
    state is known only later: F learns with a delay of at most `radius` steps, from lived steps and not
    from replayed ones; states whose episode was cut off before that are not judged. F is one for all value
    memories: it is about the world. With penalty = 0 it is Q-learning bit for bit.

    Reference:
        Lipton, Azizzadenesheli, Kumar, Li, Gao and Deng (2016), arXiv 1611.01211, algorithm 1. There F is a
        classifier trained on buffers of dangerous and safe states; here it is a table of running means. Its
        phase-in of the penalty is left out: F starts at 0.

    When it does harm: where the way to the goal leads along the danger; a penalty on states, unlike one on
    actions, falls on the careful too.

    Shapes:
        memory.M: [P, A, S K]; fear.M: [P, 1, K]; waiting_key: [P, R] or [P, R, T], R the largest radius,
        the latest first; waiting: [P, R] bool.
    """

    penalty: Tensor
    radius: Tensor
    fear_step_size: Tensor
    bad_reward: Tensor
    waiting_key: Tensor
    waiting: Tensor
    oldest: Tensor

    name = "intrinsic-fear"
    Config = IntrinsicFearConfig

    def start(self, configs: Sequence[IntrinsicFearConfig]) -> None:
        """Start with values of zero and without fear."""
        population, _, keys, _, active, _, device = self.place
        self.memory = table(self.place)
        self.fear = AssociativeMemory(1, keys, batch=(population,), solver="grad", device=device)
        reach = max(config.radius for config in configs)
        shape = (population, reach) if active == 1 else (population, reach, active)
        self.register_buffer("waiting_key", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("waiting", torch.zeros(population, reach, dtype=torch.bool))
        last = torch.tensor([[config.radius - 1] for config in configs])
        self.register_buffer("oldest", torch.arange(reach) == last, persistent=False)

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def feared(self, key: Tensor) -> Tensor:
        """Return F for keys of any value memory, [P] in [0, 1]."""
        return self.fear.read(key % self.place.keys).squeeze(-1)

    def target(self, moment: Moment) -> Tensor:
        """Return the greedy target less the fear of where it leads."""
        ahead = self.feared(moment.next_key).masked_fill(moment.terminated, 0)
        fear = torch.maximum(danger_of(moment, self.bad_reward), ahead)
        return greedy_target(self.memory, moment) - self.penalty * fear

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Write the value, and judge states whose time has come if this was lived."""
        super().write(moment, target, share)
        if moment.done is not None:
            self._wait(moment.key % self.place.keys)
            self._judge(danger_of(moment, self.bad_reward), moment.terminated, moment.done)

    def _wait(self, key: Tensor) -> None:
        """Put the state just left in front of those not judged yet."""
        self.waiting_key.copy_(self.waiting_key.roll(1, dims=1))
        self.waiting_key[:, 0] = key
        self.waiting.copy_(self.waiting.roll(1, dims=1))
        self.waiting[:, 0] = True

    def _judge(self, danger: Tensor, terminated: Tensor, done: Tensor) -> None:
        """Write the states that are known by now to be dangerous or safe, the oldest first."""
        settled = ((danger > 0) | terminated)[:, None]
        judged = self.waiting & (settled | self.oldest)
        for age in reversed(range(judged.shape[1])):
            if bool(judged[:, age].any()):
                key = self.waiting_key[:, age]
                share = share_per_feature(self.fear.M, self.fear_step_size, key)
                self.fear.write(key, danger[:, None], share, judged[:, age])
        self.waiting &= ~(judged | done[:, None])

    def cut_episode(self) -> None:
        """Leave states of the running episode unjudged."""
        self.waiting.fill_(False)
