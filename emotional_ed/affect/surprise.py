"""Level 0's local surprise in units of its own running scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig, commit, stack
from emotional_ed.checks import require_range
from emotional_ed.memory import QuickModule
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class SurpriseConfig(ChannelConfig):
    """How raw surprise becomes standardised surprise."""

    decay: float = 0.01
    """Rate of the running scale, in (0, 1]; about 1/decay updates are remembered."""
    floor: float = 0.05
    """Surprises below this share of the typical target count as small, in [0, 1]."""
    limit: float = 3.0
    """Standardised surprise is clipped to [-limit, limit], in (0, 1000]."""

    def __post_init__(self) -> None:
        require_range("SurpriseConfig.decay", self.decay, 0, 1, low_open=True)
        require_range("SurpriseConfig.floor", self.floor, 0, 1)
        require_range("SurpriseConfig.limit", self.limit, 0, 1000, low_open=True)


@final
class Standardiser(QuickModule):
    """Running scale of a signed error, so that no threshold depends on the scale of rewards.

    Equation:
        b = max(decay, 1/(n+1));  scale += b (|e| - scale);  size += b (|y| - size)
        unit = max(scale, floor size);  z = clip(e / unit, -limit, limit),  0 where unit is 0

    Shapes:
        scale, size, unit, count: [P].
    """

    scale: Tensor
    size: Tensor
    unit: Tensor
    count: Tensor
    decay: Tensor
    floor: Tensor
    limit: Tensor
    lowest: Tensor
    one: Tensor

    def __init__(self, configs: Sequence[SurpriseConfig]) -> None:
        super().__init__()
        for name in ("scale", "size", "unit", "count"):
            self.register_buffer(name, torch.zeros(len(configs)))
        for name in ("decay", "floor", "limit"):
            self.register_buffer(name, stack(configs, name), persistent=False)
        self.register_buffer("lowest", -self.limit, persistent=False)
        self.register_buffer("one", torch.ones(len(configs)), persistent=False)

    def standardise(self, error: Tensor, target: Tensor, due: Tensor | None) -> Tensor:
        """Take in errors [P] with their targets [P] and return the standardised errors z [P]."""
        return self.take_in(error, target, due)[0]

    def take_in(self, error: Tensor, target: Tensor, due: Tensor | None) -> tuple[Tensor, Tensor]:
        """Do the same, and return the weight b of these errors too, [P]."""
        held = (self.count, self.scale, self.size, self.unit)
        count, scale, size, unit = held if due is None else [one.clone() for one in held]
        rate = torch.maximum(self.decay, count.add_(self.one).reciprocal())
        scale.add_(error.abs().sub_(scale).mul_(rate))
        size.add_(target.abs().sub_(size).mul_(rate))
        torch.maximum(scale, self.floor * size, out=unit)
        if due is not None:
            for buffer, new in zip(held, (count, scale, size, unit), strict=True):
                commit(buffer, new, due)
        z = error.div(unit.clamp_min(torch.finfo(unit.dtype).tiny)).clamp_(self.lowest, self.limit)
        return z, rate


@final
class Surprise(Channel):
    """Every step: z = lss / unit, what every emotion above listens to.

    Adds `surprise` [P] to the signals. See `Standardiser` for the equation.
    """

    name = "surprise"
    Config = SurpriseConfig
    after = ()

    def start(self, configs: Sequence[SurpriseConfig]) -> None:
        """Set up the running scale."""
        self.standardiser = Standardiser(configs)

    @property
    def unit(self) -> Tensor:
        """What one standard surprise is worth in units of value, [P]."""
        return self.standardiser.unit

    @property
    def worth(self) -> Tensor:
        """What is at stake in units of value, [P]: the unit of surprise, or the typical target if larger.

        It does not fade as the world becomes familiar, which the unit of surprise does.
        """
        return torch.maximum(self.standardiser.unit, self.standardiser.size)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Standardise this step's local surprise."""
        signals["surprise"] = self.standardiser.standardise(signals["lss"], signals["target"], due)
