"""Amnesia: fear is forgotten every so many episodes. The control of a fear that is carried to a new task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig
from emotional_ed.checks import require_int
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class AmnesiaConfig(ChannelConfig):
    """When fear is forgotten."""

    every: int = 50
    """Episodes between two times, >= 1."""

    def __post_init__(self) -> None:
        require_int("AmnesiaConfig.every", self.every, 1)


@final
class Amnesia(Channel):
    """At the end of every `every`-th episode: fear begins anew; values stay.

    It bends nothing. `LevelZero.reset_episodes` does the same to values.

    Shapes:
        lived: [P], episodes since the last time.
    """

    every: Tensor
    lived: Tensor

    name = "amnesia"
    Config = AmnesiaConfig
    after = ("surprise", "fear")
    needs = ("fear",)

    def start(self, configs: Sequence[AmnesiaConfig]) -> None:
        """Start at an episode's beginning."""
        self.remember("lived")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Count episodes, and let fear begin anew when it is time."""
        ends = signals["done"] if due is None else signals["done"] & due
        self.lived += ends
        over = ends & (self.lived >= self.every) & (self.present > 0)
        self.lived.masked_fill_(over, 0)
        if bool(over.any()):
            self.setting.levels["fear"].begin_anew(over)
        signals["amnesia"] = over.to(torch.float32)
