"""Mood: how things have been going lately, anchored to temperament."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig, same_for_all
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.temperament import Temperament
from emotional_ed.checks import require_int, require_range
from emotional_ed.memory import write
from emotional_ed.nested import Clock, Signals


@dataclass(frozen=True, kw_only=True)
class MoodConfig(ChannelConfig):
    """How surprise becomes mood, and what mood does."""

    period: int = 50
    """Steps between two updates, >= 1; the same for every member of a population."""
    step_size: float = 0.5
    """Proximal step size eta of one update, in (0, 1e6]."""
    ridge: float = 0.2
    """Pull toward temperament at each update, in [0, 1e6]."""
    midpoint: float = 0.25
    """Mean standardised surprise that makes half of the fullest mood, > 0."""
    exploration_gain: float = 0.5
    """Exploration is multiplied by 1 - exploration_gain * mood, in [-1, 1]: bad moods explore more."""

    def __post_init__(self) -> None:
        require_int("MoodConfig.period", self.period, 1)
        require_range("MoodConfig.step_size", self.step_size, 0, 1e6, low_open=True)
        require_range("MoodConfig.ridge", self.ridge, 0, 1e6)
        require_range("MoodConfig.midpoint", self.midpoint, 0, low_open=True)
        require_range("MoodConfig.exploration_gain", self.exploration_gain, -1, 1)


@final
class Mood(Channel):
    """Every `period` steps: signed standardised surprise, squashed, written with temperament as anchor.

    Equation:
        x = mean of z over the last period;  y = x / (midpoint + |x|) in (-1, 1)
        T+ = argmin_T  1/2 (T - y)^2 + ridge/2 (T - temperament)^2 + 1/(2 step_size) (T - T_t)^2

    Source: Eldar, Rutledge, Dolan and Niv (2016), "Mood as representation of momentum".
    When it does harm: where surprises are noise alone, mood is noise too (averaged over the period).

    Shapes:
        M: [P, 1, 1] in (-1, 1); total: [P].
    """

    M: Tensor
    total: Tensor
    step_size: Tensor
    ridge: Tensor
    midpoint: Tensor
    exploration_gain: Tensor

    one: Tensor
    ones: Tensor
    period: Tensor

    name = "mood"
    Config = MoodConfig
    needs = ("temperament",)

    @classmethod
    def clock_of(cls, configs: Sequence[MoodConfig]) -> Clock:
        """Fire every `period` steps."""
        return Clock(period=same_for_all(configs, "period"))

    def start(self, configs: Sequence[MoodConfig]) -> None:
        """Start at the temperament."""
        self.register_buffer("M", self.temperament.M.clone())
        self.remember("total")
        self.register_buffer("one", torch.ones(len(configs), 1), persistent=False)
        self.register_buffer("ones", torch.ones(len(configs)), persistent=False)

    @property
    def temperament(self) -> Temperament:
        """The anchor."""
        return cast(Temperament, self.setting.levels["temperament"])

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Add this step's surprise to the period's sum."""
        z = signals["surprise"]
        self.total.add_(z if active is None else z * active)
        signals["mood"] = self.M.view(-1).clone()

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Write the mean surprise of the period."""
        mean = self.total / self.period
        value = mean / (self.midpoint + mean.abs())
        write(
            self.M, self.one, value[:, None], self.step_size, ridge=self.ridge,
            anchor=self.temperament.M, mask=due, out=self.M,
        )  # fmt: skip
        self.total.mul_(0) if due is None else self.total.masked_fill_(due, 0)
        signals["mood"] = self.M.view(-1).clone()

    def modulate(self, key: Tensor) -> Drive:
        """Explore more in a bad mood."""
        return Drive(exploration=torch.sub(self.ones, self.exploration_gain * self.M.view(-1)))
