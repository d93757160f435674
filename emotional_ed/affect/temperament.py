"""Temperament: the anchor that mood falls back to, moved by many moods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig, commit, stack
from emotional_ed.checks import require_range
from emotional_ed.nested import Clock, Signals


@dataclass(frozen=True, kw_only=True)
class TemperamentConfig(ChannelConfig):
    """Where temperament starts and how slowly it moves."""

    initial: float = 0.0
    """Temperament at birth, in [-1, 1]."""
    step_size: float = 0.01
    """Proximal step size eta of one update toward mood, in [0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("TemperamentConfig.initial", self.initial, -1, 1)
        require_range("TemperamentConfig.step_size", self.step_size, 0, 1e6)


@final
class Temperament(Channel):
    """Every episode: a slow memory of mood.

    Equation:
        A+ = argmin_A  1/2 (A - T)^2 + 1/(2 step_size) (A - A_t)^2      T: mood

    Shapes:
        M: [P, 1, 1] in [-1, 1].
    """

    M: Tensor
    step_size: Tensor
    share: Tensor

    name = "temperament"
    Config = TemperamentConfig
    clock = Clock(event="episode_end")
    after = ("mood",)
    idles = True
    observes_alone = True

    def start(self, configs: Sequence[TemperamentConfig]) -> None:
        """Start where the configuration says."""
        self.register_buffer("M", stack(configs, "initial")[:, None, None].clone())
        share = self.step_size / (1 + self.step_size)  # of a proximal step
        self.register_buffer("share", share, persistent=False)

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Show the temperament."""
        signals["temperament"] = self.M.view(-1).clone()

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Move a little toward the mood at the episode's end."""
        mood = self.setting.levels.get("mood")
        if mood is None:
            return
        moody = None if mood.everywhere else mood.present > 0
        mask = due if moody is None else moody if due is None else moody & due
        held = self.M.view(-1)
        commit(held, torch.addcmul(held, signals["mood"] - held, self.share), mask)
