"""Quantile regression: the distribution of returns is learned, and its worst part decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.checks import require_int, require_range


@dataclass(frozen=True, kw_only=True)
class QuantileConfig(RuleConfig):
    """How finely the distribution is told, how much of it decides, and how far one step goes."""

    quantiles: int = 20
    """Quantiles an action, N, in [1, 1000]; one for a whole population."""
    level: float = 1.0
    """Share of the lowest quantiles whose mean is compared, in (0, 1]; 1 is risk-neutral."""
    scale_rate: float = 0.01
    """Rate of the running scale of the TD error, in (0, 1]."""

    def __post_init__(self) -> None:
        require_int("QuantileConfig.quantiles", self.quantiles, 1, 1000)
        require_range("QuantileConfig.level", self.level, 0, 1, low_open=True)
        require_range("QuantileConfig.scale_rate", self.scale_rate, 0, 1, low_open=True)


@final
class Quantile(Critic):
    """Quantiles of the return of every action; a choice compares their CVaR.

    Equation:
        read:    CVaR(s, a) = mean of the lowest level N of theta_1..N(s, a), a last one counted in part
        target:  T_j = r + discount (1 - terminated) theta_j(s', a*),  a* = argmax_a' mean_i theta_i(s', a')
        write:   theta_i += mean_j clip(T_j - theta_i, -2 h (1 - tau_i), 2 h tau_i)
                 tau_i = (i - 1/2)/N,  h = share scale
        scale^2 += max(scale_rate, 1/n) (delta^2 - scale^2),  delta = mean_j T_j - mean_i theta_i, first

    The write is the proximal step of quantile regression on each T_j: the subgradient step
    2 h (tau_i - [T_j < theta_i]) that stops at T_j instead of passing it. `share` has no unit and a
    subgradient has none either, so the step needs a unit of value: the root mean square of the TD errors
    that the member has had. Spreads well above h are told as quantiles, those below as their mean. With
    one quantile and scale_rate = 1 the step is share delta: Q-learning.

    CVaR is taken of the learned returns when an action is chosen. The target's action is the best in the
    mean, because risk-greedy backups are not the CVaR of the return.

    Reference:
        Dabney, Rowland, Bellemare and Munos (2018), arXiv 1710.10044, algorithm 1 and eq. 9; for CVaR at
        the choice, Dabney, Ostrovski, Silver and Munos (2018), arXiv 1806.06923.

    When it does harm: N times the memory and N^2 times the arithmetic; and while quantiles of what was
    seldom tried are still on their way, their spread looks like safety.

    Shapes:
        memory.M: [P, A N, S K], the quantiles of one action side by side; square, writes: [P].
    """

    level: Tensor
    scale_rate: Tensor
    share_of_rank: Tensor
    above: Tensor
    below: Tensor
    square: Tensor
    writes: Tensor

    name = "quantile"
    Config = QuantileConfig

    def start(self, configs: Sequence[QuantileConfig]) -> None:
        """Start with every quantile at zero."""
        counts = sorted({config.quantiles for config in configs})
        if len(counts) > 1:
            raise ValueError(f"QuantileConfig.quantiles: got {counts}, expected one for a whole population")
        self.number = counts[0]
        self.memory = table(self.place, self.number)
        rank = torch.arange(self.number, dtype=torch.float64)
        levels = torch.tensor([[float(config.level)] for config in configs], dtype=torch.float64)
        wanted = levels * self.number  # [P, 1]
        part = (wanted - rank).clamp(0, 1) / wanted
        self.register_buffer("share_of_rank", part.float()[:, None, :], persistent=False)  # [P, 1, N]
        tau = ((rank + 0.5) / self.number).float()
        self.register_buffer("above", 2 * tau, persistent=False)
        self.register_buffer("below", -2 * (1 - tau), persistent=False)
        self.register_buffer("square", torch.zeros(self.place.population))
        self.register_buffer("writes", torch.zeros(self.place.population))

    def distribution(self, key: Tensor) -> Tensor:
        """Return the quantiles of every action, [P, A, N], not sorted."""
        return self.memory.read(key).view(-1, self.place.actions, self.number)

    def read(self, key: Tensor) -> Tensor:
        """Return the mean of the lowest part of the quantiles."""
        lowest_first = self.distribution(key).sort(-1).values
        return (lowest_first * self.share_of_rank).sum(-1)

    def mean(self, key: Tensor) -> Tensor:
        """Return the mean of all quantiles, [P, A]: the expected return."""
        return self.distribution(key).sum(-1) / self.number

    def target(self, moment: Moment) -> Tensor:
        """Return the mean of the target distribution."""
        return self._targets(moment).sum(-1) / self.number

    def _targets(self, moment: Moment) -> Tensor:
        """Return what the quantiles of the action taken should have been, [P, N]."""
        ahead = self.distribution(moment.next_key)
        best = moment.bent(ahead.sum(-1) / self.number).argmax(-1)
        of_best = ahead.gather(1, best[:, None, None].expand(-1, 1, self.number)).squeeze(1)
        if moment.bias is not None:
            of_best = of_best + moment.bias.gather(-1, best[:, None])
        of_best = of_best.masked_fill(moment.terminated[:, None], 0)
        return moment.reward[:, None] + moment.discount[:, None] * of_best

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Take a step of quantile regression toward the targets, moved so that their mean is `target`."""
        active = moment.chosen.any(-1)  # [P]
        rows = moment.action[:, None] * self.number + torch.arange(self.number, device=share.device)  # [P, N]
        held = self.memory.read(moment.key).gather(-1, rows)  # [P, N]
        targets = self._targets(moment)
        targets = targets + (target - targets.sum(-1) / self.number)[:, None]
        h = share * self._scale(target - held.sum(-1) / self.number, active)
        change = self._change(held, targets, h).masked_fill(~active[:, None], 0)
        columns = moment.key.reshape(len(h), -1)  # [P, T]
        everyone = torch.arange(len(h), device=h.device)[:, None, None]
        spread = (change / columns.shape[-1])[..., None]  # [P, N, 1]
        self.memory.M[everyone, rows[..., None], columns[:, None, :]] += spread

    def _change(self, held: Tensor, targets: Tensor, h: Tensor) -> Tensor:
        """Return the mean proximal step of every quantile, [P, N]."""
        high, low = (h[:, None] * self.above)[..., None], (h[:, None] * self.below)[..., None]  # [P, N, 1]
        gap = targets[:, None, :] - held[..., None]  # [P, N, N]
        return torch.minimum(torch.maximum(gap, low), high).sum(-1) / self.number

    def _scale(self, delta: Tensor, active: Tensor) -> Tensor:
        """Take in a TD error and return the scale that it leaves, [P]."""
        self.writes += active
        rate = torch.maximum(self.scale_rate, 1 / self.writes.clamp_min(1))
        square = (1 - rate) * self.square + rate * delta * delta
        self.square.copy_(torch.where(active, square, self.square))
        return self.square.sqrt()
