"""Arousal: how sure it is that the world has changed, as opposed to being noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.checks import require_range
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class ArousalConfig(ChannelConfig):
    """When surprise adds up to arousal, and what arousal does."""

    allowance: float = 0.5
    """Mean surprise a step that is put up with, in standard units, >= 0."""
    threshold: float = 8.0
    """Sum of surprise beyond the allowance at which arousal begins, > 0; it is full at twice that."""
    step_gain: float = 1.0
    """Step size is multiplied by 1 + step_gain * arousal; in [-1, 1e6]."""
    exploration_gain: float = 0.0
    """Exploration is multiplied by 1 + exploration_gain * arousal; in [-1, 1e6]."""

    def __post_init__(self) -> None:
        require_range("ArousalConfig.allowance", self.allowance, 0)
        require_range("ArousalConfig.threshold", self.threshold, 0, low_open=True)
        require_range("ArousalConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)
        require_range("ArousalConfig.exploration_gain", self.exploration_gain, -1, LARGEST_GAIN)


@final
class Arousal(Channel):
    """Every step: a two-sided CUSUM on *signed* standardised surprise.

    Equation:
        up   = clip(up   + z - allowance, 0, 2h);   down = clip(down - z - allowance, 0, 2h)
        arousal = clip((max(up, down) - h)/h, 0, 1)

    Noise raises |z| but averages out in the signed sum, so it does not arouse; a change does.

    Source: Page (1954), "Continuous inspection schemes", Biometrika 41.
    When it does harm: errors that keep one sign for long without a change (slow learning from a bad start).
    """

    up: Tensor
    down: Tensor
    level: Tensor
    allowance: Tensor
    threshold: Tensor
    step_gain: Tensor
    exploration_gain: Tensor
    zero: Tensor
    cap: Tensor
    one: Tensor

    name = "arousal"
    Config = ArousalConfig

    def start(self, configs: Sequence[ArousalConfig]) -> None:
        """Start calm."""
        self.remember("up", "down", "level")
        self.register_buffer("zero", torch.zeros(len(configs)), persistent=False)
        self.register_buffer("one", torch.ones(len(configs)), persistent=False)
        self.register_buffer("cap", 2 * self.threshold, persistent=False)
        self.explores = any(config.exploration_gain != 0 for config in configs)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Add this step's surprise to the two sums."""
        z, up, down = signals["surprise"], self.up, self.down
        if due is not None:
            up, down = up.clone(), down.clone()
        up.add_(z).sub_(self.allowance).clamp_(self.zero, self.cap)
        down.sub_(z).sub_(self.allowance).clamp_(self.zero, self.cap)
        if due is not None:
            commit(self.up, up, due)
            commit(self.down, down, due)
        level = torch.maximum(self.up, self.down).sub_(self.threshold).div_(self.threshold).clamp_(0, 1)
        commit(self.level, level, due)
        signals["arousal"] = level

    def bend_step(self, signals: Signals) -> Tensor:
        """Learn faster, or slower, while aroused."""
        return (self.step_gain * signals["arousal"]).add_(self.one)

    def modulate(self, key: Tensor) -> Drive | None:
        """Explore more, or less, while aroused."""
        if not self.explores:
            return None
        return Drive(exploration=(self.exploration_gain * self.level).add_(self.one))
