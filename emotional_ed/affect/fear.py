"""Fear: a learned memory of where bad surprises came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.surprise import Standardiser, Surprise, SurpriseConfig
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class FearConfig(ChannelConfig):
    """What frightens, how fear spreads and fades, and what it does."""

    onset: float = 1.5
    """Negative standardised surprise at which fear begins, >= 0."""
    full: float = 3.0
    """Negative standardised surprise that frightens fully, > onset."""
    step_size: float = 0.2
    """Share of the gap that one write closes, in [0, 1]; extinction is as fast as acquisition."""
    discount: float = 0.7
    """How much of the fear of an unavoidable future is felt one step earlier, in [0, 1)."""
    caution: float = 0.1
    """Values are lowered by caution * fear * what is at stake before the greedy choice, in [0, 1e6]."""
    avoidance: float = 0.9
    """Random actions are drawn with weight 1 - avoidance * fear, in [0, 1]."""
    step_gain: float = 0.0
    """Step size is multiplied by 1 + step_gain * fear; in [-1, 1e6]."""
    painful: float = 0.0
    """How much a bad reward frightens although it was expected, in [0, 1]."""
    declared: bool = False
    """Whether a danger that the environment declares frightens too, if the agent was told to listen."""

    def __post_init__(self) -> None:
        require_range("FearConfig.onset", self.onset, 0)
        require_range("FearConfig.full", self.full, self.onset, low_open=True)
        require_range("FearConfig.step_size", self.step_size, 0, 1)
        require_range("FearConfig.discount", self.discount, 0, 1, high_open=True)
        require_range("FearConfig.caution", self.caution, 0, LARGEST_GAIN)
        require_range("FearConfig.avoidance", self.avoidance, 0, 1)
        require_range("FearConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)
        require_range("FearConfig.painful", self.painful, 0, 1)
        if not isinstance(self.declared, bool):
            raise ValueError(f"FearConfig.declared: got {self.declared!r}, expected True or False")


@final
class Fear(Channel):
    """Every step: H(s, a) in [0, 1], how bad a surprise lies behind an action, with its own memory.

    Equation:
        c = clip((-z - onset)/(full - onset), 0, 1), or more:
            painful times the same of the standardised reward, and 1 where a danger was declared
        H(s, a) += step_size (c + (1 - c) discount min_a' H(s', a') - H(s, a))

        score Q(s, a) - caution worth H(s, a);  worth = max(unit of surprise, typical |target|)

    Nothing bad and nothing feared ahead gives the target 0: fear extinguishes. It is no function of Q, so
    it can change the greedy choice.

    Source: Lipton et al. (2016), arXiv 1611.01211 (intrinsic fear), here without access to the threat.
    When it does harm: where the way to the best outcome leads past a danger that Q already prices in.

    Shapes:
        memory.M: [P, A, K].
    """

    onset: Tensor
    full: Tensor
    step_size: Tensor
    discount: Tensor
    caution: Tensor
    avoidance: Tensor
    step_gain: Tensor

    declared: Tensor
    painful: Tensor
    usual: Tensor
    seen: Tensor

    name = "fear"
    Config = FearConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[FearConfig]) -> None:
        """Start without fear."""
        population, actions, keys, _, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        self.hurts = any(config.painful > 0 for config in configs)
        self.rewards = Standardiser([SurpriseConfig()] * population)
        self.remember("usual", "seen")
        self.listens = any(config.declared for config in configs)
        """Whether a declared danger is wanted at all."""

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Write this step's danger, and let the fear that was felt act on the step size."""
        bad = ((-signals["surprise"] - self.onset) / (self.full - self.onset)).clamp(0, 1)
        if self.hurts:
            bad = torch.maximum(bad, self.painful * self._pain(signals["reward"], due))
        if self.listens and "danger" in signals:
            bad = torch.maximum(bad, self.declared * signals["danger"])
        ahead = (
            self.memory.read(signals["next_key"]).clamp(0, 1).amin(-1).masked_fill(signals["terminated"], 0)
        )
        target = bad + (1 - bad) * self.discount * ahead  # [P]
        chosen = signals["chosen"]  # [P, A] bool
        mask = chosen if due is None else chosen & due[:, None]
        share = share_per_feature(self.memory.M, self.step_size, signals["key"])
        lss = self.memory.write(signals["key"], target[:, None].expand_as(chosen), share, mask)
        felt = target - lss.gather(-1, signals["action"][:, None]).squeeze(-1)
        signals["fear"] = felt + self.step_size * (target - felt)
        signals["fear_felt"] = felt

    def _pain(self, reward: Tensor, due: Tensor | None) -> Tensor:
        """Return how bad a reward is beside what is usual, [P] in [0, 1]."""
        z = self.rewards.standardise(reward - self.usual, reward, due)
        rate = torch.maximum(self.rewards.decay, 1 / (self.seen + 1))
        commit(self.usual, self.usual + rate * (reward - self.usual), due)
        commit(self.seen, self.seen + 1, due)
        return ((-z - self.onset) / (self.full - self.onset)).clamp(0, 1)

    def bend_step(self, signals: Signals) -> Tensor:
        """Learn faster, or slower, where it was feared."""
        return 1 + self.step_gain * signals["fear_felt"]

    def modulate(self, key: Tensor) -> Drive:
        """Lower the values of feared actions and draw them less often at random."""
        fear = self.memory.read(key).clamp(0, 1)  # [P, A]; overlapping features may add up to more
        worth = cast(Surprise, self.setting.levels["surprise"]).worth
        caution = (self.caution * worth)[:, None]
        return Drive(bias=-(caution * fear), avoidance=self.avoidance[:, None] * fear)
