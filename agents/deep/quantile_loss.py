"""Quantile regression with Huber's loss: value and slope in one pass, and by sorting where there are many."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

_MANY = 4096  # pairs of quantiles a sample from which sorting costs less than comparing all of them


@final
class QuantileLoss:
    """How well quantiles describe targets, and the slope of that for each quantile.

    Equation:
        tau_i = (i + 1/2) / N;   delta_ij = y_j - theta_i
        L = mean over samples of  w (1/M) sum_i sum_j |tau_i - [delta_ij < 0]| huber(delta_ij)
        dL/dtheta_i = -w / (B M) sum_j |tau_i - [delta_ij < 0]| clip(delta_ij, -1, 1)

    Both depend on the targets only through how many of them, their sum and their sum of squares lie below
    theta - 1, theta and theta + 1. With many quantiles these come from sorted targets and running sums,
    N log N numbers instead of N^2.

    Args:
        quantiles: N.
        device: where it computes.

    Source: Dabney, Rowland, Bellemare and Munos (2018), arXiv 1710.10044, eq. 10 and algorithm 1, kappa = 1.
    """

    def __init__(self, quantiles: int, device: torch.device | str = "cpu") -> None:
        self.quantiles = quantiles
        self._tau = (torch.arange(quantiles, device=device, dtype=torch.float32) + 0.5) / quantiles
        self._tau_double = (torch.arange(quantiles, device=device, dtype=torch.float64) + 0.5) / quantiles

    @torch.no_grad()
    def __call__(self, held: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the loss and its slope.

        Args:
            held: quantiles theta that are to learn.
            target: samples y of what they are to describe.
            weights: of the samples, >= 0; None means 1 each.

        Shapes:
            held: [B, N]; target: [B, M]; weights: [B, 1]; returns [] and [B, N].
        """
        many = held.shape[1] * target.shape[1] >= _MANY
        loss, slope = self._by_sorting(held, target) if many else self._by_pairs(held, target)
        if weights is not None:
            loss, slope = loss * weights, slope * weights
        number = held.shape[0] * target.shape[1]
        return (loss.sum() / number).to(held.dtype), slope.div_(-number).to(held.dtype)

    def _by_pairs(self, held: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums over pairs: of the loss [B, 1], and of minus its slope [B, N]."""
        delta = target[:, None, :] - held[:, :, None]  # [B, N, M]
        weight = (delta < 0).to(delta.dtype).sub_(self._tau[:, None]).abs_()
        near = delta.clamp(-1, 1)
        slope = weight.mul_(near)
        loss = delta.sub_(near, alpha=0.5).mul_(slope).sum((1, 2))  # huber(d) = c (d - c/2)
        return loss[:, None], slope.sum(-1)

    def _by_sorting(self, held: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `_by_pairs` does; in double precision, because sums are subtracted."""
        theta, tau = held.double(), self._tau_double
        y = target.sort(1).values.double()  # [B, M]
        batch, number = y.shape
        running = y.new_zeros(2, batch, number + 1)  # of y and y^2
        torch.cumsum(y, 1, out=running[0, :, 1:])
        torch.cumsum(y * y, 1, out=running[1, :, 1:])
        below = torch.searchsorted(y, torch.cat([theta - 1, theta, theta + 1], 1))  # [B, 3 N]
        sums = running.gather(2, below.expand(2, -1, -1)).view(2, batch, 3, -1)
        count = below.view(batch, 3, -1).double()
        n, (first, second) = count[:, 1:] - count[:, :-1], sums[:, :, 1:] - sums[:, :, :-1]  # [B, 2, N]
        delta = first - n * theta[:, None]  # sums of delta within 1 below and above theta
        square = (second - theta[:, None] * (first + delta)) / 2
        far_below, far_above = count[:, 0], number - count[:, 2]
        slope = (1 - tau) * (delta[:, 0] - far_below) + tau * (delta[:, 1] + far_above)
        above = running[0, :, -1:] - sums[0, :, 2]
        loss = (1 - tau) * (square[:, 0] + far_below * (theta - 0.5) - sums[0, :, 0])
        loss += tau * (square[:, 1] + above - far_above * (theta + 0.5))
        return loss.sum(1, keepdim=True), slope
