"""Risk at action time: the mean of the worst part of the returns that quantiles describe."""

from __future__ import annotations

import torch
from torch import Tensor


def cvar(quantiles: Tensor, level: Tensor) -> Tensor:
    """Return the conditional value at risk of equally likely quantiles: the mean of the worst share.

    Equation:
        CVaR_l = 1/(l N) (sum of the k least + (l N - k) times the next),   k = floor(l N)

    Level 1 is the mean, a level of 1/N or less the least quantile. Quantiles need not be in order.

    Args:
        quantiles: theta.
        level: l in (0, 1].

    Shapes:
        quantiles: [n, N, A]; level: [n]; returns [n, A].

    Source: Rockafellar and Uryasev (2000), Journal of Risk 2; on learned quantiles Dabney et al. (2018),
    arXiv 1806.06923, section 4.
    """
    number = quantiles.shape[1]
    mass = (level * number).clamp_min(1)[:, None]  # [n, 1]
    share = (mass - torch.arange(number, device=level.device)).clamp(0, 1)  # [n, N]
    return (quantiles.sort(1).values * share[..., None]).sum(1) / mass


def risk_scores(quantiles: Tensor, level: Tensor) -> Tensor:
    """Return the means of quantiles where the level is 1, and their CVaR elsewhere.

    At level 1 these are the numbers that a risk-neutral agent compares, bit for bit.

    Shapes:
        quantiles: [n, N, A]; level: [n] in (0, 1]; returns [n, A].
    """
    mean = quantiles.mean(1)
    if bool((level >= 1).all()):
        return mean
    return torch.where((level < 1)[:, None], cvar(quantiles, level), mean)
