"""Curiosity: what has not been tried here yet is worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature
from emotional_ed.nested import Signals

_LEAST = 1e-6  # unit of value before the first surprise


@dataclass(frozen=True, kw_only=True)
class CuriosityConfig(ChannelConfig):
    """How fast novelty wears off and how much it attracts."""

    step_size: float = 0.5
    """Share of the novelty that one visit takes away, in [0, 1]."""
    gain: float = 0.1
    """Values are raised by gain * novelty standard surprises before the greedy choice, in [0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("CuriosityConfig.step_size", self.step_size, 0, 1)
        require_range("CuriosityConfig.gain", self.gain, 0, LARGEST_GAIN)


@final
class Curiosity(Channel):
    """Every step: N(s, a) in [0, 1], 1 for what was never done here.

    Equation:
        N(s, a) += step_size (0 - N(s, a));  scores Q(s, a) + gain unit N(s, a)
        unit: what one standard surprise is worth, at least 1e-6, so that what is new wins a tie at first

    Source: count-based exploration bonuses, Strehl and Littman (2008); here on the scale of surprise.
    When it does harm: where there is too much to try in the time there is.

    Shapes:
        memory.M: [P, A, K].
    """

    step_size: Tensor
    gain: Tensor

    name = "curiosity"
    Config = CuriosityConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[CuriosityConfig]) -> None:
        """Start with everything new."""
        population, actions, keys, active, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad", initial=1 / active)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Make what was done a little less new."""
        key, chosen = signals["key"], signals["chosen"]
        mask = chosen if due is None else chosen & due[:, None]
        nothing = torch.zeros(chosen.shape, device=chosen.device)
        lss = self.memory.write(key, nothing, share_per_feature(self.memory.M, self.step_size, key), mask)
        signals["curiosity"] = -lss.gather(-1, signals["action"][:, None]).squeeze(-1)

    def modulate(self, key: Tensor) -> Drive:
        """Raise the values of what is new."""
        unit = cast(Surprise, self.setting.levels["surprise"]).unit.clamp_min(_LEAST)
        return Drive(bias=(self.gain * unit)[:, None] * self.memory.read(key))
