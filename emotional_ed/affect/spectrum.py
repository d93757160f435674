"""A spectrum of moods: the same surprise on many clocks, each slower one the anchor of the faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig, same_for_all
from emotional_ed.affect.drive import Drive
from emotional_ed.checks import require_int, require_range
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class SpectrumConfig(ChannelConfig):
    """Which clocks, how they are tied, and what each does."""

    periods: tuple[int, ...] = (1, 8, 64, 512)
    """Steps between updates of each level, different, fastest first, in [1, 1e6]; the same for all."""
    step_size: float = 0.5
    """Proximal step size eta of one update, in (0, 1e6]."""
    ridge: float = 0.2
    """Pull of each level toward the next slower one, in [0, 1e6]; the slowest is pulled toward 0."""
    midpoint: float = 0.25
    """Mean standardised surprise that makes half of the fullest affect, > 0."""
    exploration_gains: tuple[float, ...] = (0.0, 0.0, 0.25, 0.25)
    """One a level, in [-1, 1]: exploration is multiplied by 1 - gain * level."""

    def __post_init__(self) -> None:
        if not isinstance(self.periods, tuple) or not self.periods:
            raise ValueError(f"SpectrumConfig.periods: got {self.periods!r}, expected a tuple, fastest first")
        for period in self.periods:
            require_int("SpectrumConfig.periods", period, 1, 10**6)
        if list(self.periods) != sorted(set(self.periods)):
            raise ValueError(
                f"SpectrumConfig.periods: got {self.periods!r}, expected different ones, fastest first"
            )
        require_range("SpectrumConfig.step_size", self.step_size, 0, 1e6, low_open=True)
        require_range("SpectrumConfig.ridge", self.ridge, 0, 1e6)
        require_range("SpectrumConfig.midpoint", self.midpoint, 0, low_open=True)
        if not isinstance(self.exploration_gains, tuple) or len(self.exploration_gains) != len(self.periods):
            raise ValueError(
                f"SpectrumConfig.exploration_gains: got {self.exploration_gains!r}, expected a tuple of "
                f"{len(self.periods)}, one a period"
            )
        for gain in self.exploration_gains:
            require_range("SpectrumConfig.exploration_gains", gain, -1, 1)


@final
class Spectrum(Channel):
    """Level l every C_l steps: signed standardised surprise, written with the next slower level as anchor.

    Equation:
        x_l = mean of z over the last C_l steps;  y_l = x_l / (midpoint + |x_l|) in (-1, 1)
        T_l+ = argmin_T 1/2 (T - y_l)^2 + ridge/2 (T - T_{l+1})^2 + 1/(2 step_size) (T - T_l)^2

    Phasic affect is its fast end, tonic affect its slow end; there is nothing special about two. No level is
    weighed by 1/period, or the fastest would drown the rest.

    Source: Behrouz et al., arXiv 2512.24695, eqs. 70-74 (a continuum of memories), for scalars.
    When it does harm: as mood, where surprises are noise alone.

    Shapes:
        M, total, since: [P, L], M in (-1, 1), since int64.
    """

    M: Tensor
    total: Tensor
    since: Tensor
    period: Tensor
    gains: Tensor
    step_size: Tensor
    ridge: Tensor
    midpoint: Tensor

    name = "spectrum"
    Config = SpectrumConfig

    def start(self, configs: Sequence[SpectrumConfig]) -> None:
        """Start even on every clock."""
        periods: tuple[int, ...] = same_for_all(configs, "periods")
        shape = (self.setting.population, len(periods))
        self.register_buffer("M", torch.zeros(shape))
        self.register_buffer("total", torch.zeros(shape))
        self.register_buffer("since", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("period", torch.tensor(periods), persistent=False)
        gains = torch.tensor([config.exploration_gains for config in configs], dtype=torch.float32)
        self.register_buffer("gains", gains, persistent=False)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Take in one surprise, and move the levels whose time it is, all from where they were."""
        z = signals["surprise"]
        self.total += (z if due is None else z * due)[:, None]
        self.since += 1 if due is None else due[:, None]
        whose = self.since >= self.period  # [P, L]
        whose = whose if due is None else whose & due[:, None]
        mean = self.total / self.period
        value = mean / (self.midpoint[:, None] + mean.abs())
        anchor = torch.cat([self.M[:, 1:], torch.zeros_like(self.M[:, :1])], dim=-1)
        eta, ridge = self.step_size[:, None], self.ridge[:, None]
        written = (self.M + eta * value + eta * ridge * anchor) / (1 + eta + eta * ridge)
        self.M.copy_(torch.where(whose, written, self.M))
        self.total.masked_fill_(whose, 0)
        self.since.masked_fill_(whose, 0)
        for row in range(len(self.period)):
            signals[f"spectrum_{row}"] = self.M[:, row].clone()
        signals["spectrum"] = self.M[:, -1].clone()

    def modulate(self, key: Tensor) -> Drive:
        """Explore more where affect is bad, on every clock that has a gain."""
        factors = 1 - self.gains * self.M  # [P, L]
        product = factors[:, 0]
        for row in range(1, len(self.period)):
            product = product * factors[:, row]
        return Drive(exploration=product)
