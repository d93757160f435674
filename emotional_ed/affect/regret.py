"""Regret: what the action not taken would have brought, where the world tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig
from emotional_ed.affect.drive import Drive
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class RegretConfig(ChannelConfig):
    """How fast regret is learned and how loud it is."""

    step_size: float = 0.2
    """Share of the gap that one write closes, in [0, 1]."""
    gain: float = 1.0
    """Values are raised by gain * regret before the greedy choice, in [0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("RegretConfig.step_size", self.step_size, 0, 1)
        require_range("RegretConfig.gain", self.gain, 0, LARGEST_GAIN)


@final
class Regret(Channel):
    """Every step: R(s, b) in units of reward, how much better b would have been than what was done.

    Equation:
        R(s, b) += step_size (r_b - r - R(s, b))      for every action b; r_b: what b would have earned

    Only real counterfactual feedback is used (`info["affect"]["forgone"]`), and only if the agent was told
    to listen; without it there is no regret.

    Source: Coricelli et al. (2005), "Regret and its avoidance"; Boorman et al. (2011), what was not chosen.
    When it does harm: where the better reward now leads to a worse state; regret sees one step only.

    Shapes:
        memory.M: [P, A, K].
    """

    step_size: Tensor
    gain: Tensor

    name = "regret"
    Config = RegretConfig

    def start(self, configs: Sequence[RegretConfig]) -> None:
        """Start without regrets."""
        population, actions, keys, _, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Compare what was done with what could have been done."""
        if "forgone" not in signals:
            signals["regret"] = torch.zeros_like(signals["lss"])
            return
        key, missed = signals["key"], signals["forgone"] - signals["reward"][:, None]  # [P, A]
        self.memory.write(key, missed, share_per_feature(self.memory.M, self.step_size, key), due)
        signals["regret"] = missed.amax(-1)

    def modulate(self, key: Tensor) -> Drive:
        """Raise the values of actions whose omission was regretted."""
        return Drive(bias=self.gain[:, None] * self.memory.read(key))
