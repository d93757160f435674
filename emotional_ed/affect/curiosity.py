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
from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Signals

_LEAST = 1e-6  # what is at stake before the first surprise


@dataclass(frozen=True, kw_only=True)
class CuriosityConfig(ChannelConfig):
    """How fast novelty wears off and how much it attracts."""

    step_size: float = 0.5
    """Share of the novelty that one visit takes away, in [0, 1]."""
    gain: float = 0.1
    """Values are raised by gain * novelty * what is at stake before the greedy choice, in [0, 1e6]."""
    discount: float = 0.9
    """How much of the novelty that lies behind an action is felt one step earlier, in [0, 1)."""

    def __post_init__(self) -> None:
        require_range("CuriosityConfig.step_size", self.step_size, 0, 1)
        require_range("CuriosityConfig.gain", self.gain, 0, LARGEST_GAIN)
        require_range("CuriosityConfig.discount", self.discount, 0, 1, high_open=True)


@final
class Curiosity(Channel):
    """Every step: N(s, a) in [0, 1], 1 for what was never done here, and how much of that lies behind.

    Equation:
        N(s, a) += step_size (discount ahead - N(s, a)),  ahead = max_a' N(s', a'), 0 where s' is the end
        scores Q(s, a) + gain worth N(s, a)
        worth: max(unit of surprise, typical |target|), at least 1e-6, so that what is new wins a tie at first

    What was done wears off, unless it leads to something new: d steps away from that it goes on being worth
    discount^d, so curiosity finds its way to where it has not been. With discount = 0 only what is new here
    and now attracts. Nothing of it enters values. Where recall begins a new memory, all is new again.

    Source: E-values, Choshen, Fox and Loewenstein (2018), arXiv 1804.04012, there of what is done next, here
    of the most novel; bonuses for what was seldom done, Strehl and Littman (2008).
    When it does harm: where there is too much to try in the time there is, and where what is new bites.

    Shapes:
        memory.M: [P, A, K].
    """

    step_size: Tensor
    gain: Tensor
    discount: Tensor

    name = "curiosity"
    Config = CuriosityConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[CuriosityConfig]) -> None:
        """Start with everything new."""
        population, actions, keys, active, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad", initial=1 / active)
        self.looks_ahead = any(config.discount > 0 for config in configs)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Make what was done a little less new, unless something new lies behind it."""
        here = self.memory.entry(signals["key"], signals["action"])
        ahead = torch.zeros_like(self.discount)
        if self.looks_ahead:
            ahead = self.memory.read(signals["next_key"]).amax(-1).clamp(0, 1)
            ahead = self.discount * ahead.masked_fill(signals["terminated"], 0)
        here.take_up(ahead, self.step_size, due)
        signals["curiosity"] = here.held

    def begin_anew(self, who: Tensor) -> None:
        """Find everything new in a new situation."""
        self.memory.clear(who)

    def modulate(self, key: Tensor) -> Drive:
        """Raise the values of what is new."""
        worth = cast(Surprise, self.setting.levels["surprise"]).worth.clamp_min(_LEAST)
        return Drive(bias=(self.gain * worth)[:, None] * self.memory.read(key).clamp(0, 1))
