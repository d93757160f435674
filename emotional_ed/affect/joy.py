"""Joy: things go better than expected, so stay with what is going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.checks import require_range
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class JoyConfig(ChannelConfig):
    """How fast joy rises and fades, and what it does."""

    rate: float = 0.1
    """Share by which joy moves toward this step's good surprise, in (0, 1]."""
    gain: float = 1.0
    """Exploration is divided by 1 + gain * joy; in [0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("JoyConfig.rate", self.rate, 0, 1, low_open=True)
        require_range("JoyConfig.gain", self.gain, 0, LARGEST_GAIN)


@final
class Joy(Channel):
    """Every step: a leaky mean of good surprise, in standard units.

    Equation:
        joy += rate (max(z, 0) - joy);  exploration is divided by 1 + gain joy

    It scales exploration and adds nothing to values: a constant added to all actions would change nothing.

    Source: broaden-and-build is Fredrickson (2001), here in its narrow form, exploitation after success.
    When it does harm: where the first success is not the best one.

    Shapes:
        level: [P], >= 0.
    """

    level: Tensor
    rate: Tensor
    gain: Tensor

    name = "joy"
    Config = JoyConfig

    def start(self, configs: Sequence[JoyConfig]) -> None:
        """Start even."""
        self.remember("level")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Rise with good surprise, fade without."""
        level = self.level + self.rate * (signals["surprise"].clamp_min(0) - self.level)
        commit(self.level, level, due)
        signals["joy"] = level

    def modulate(self, key: Tensor) -> Drive:
        """Explore less while things go well."""
        return Drive(exploration=1 / (1 + self.gain * self.level))
