"""Draws of one action among several, with weights that fear may lower."""

from __future__ import annotations

from torch import Tensor

_RARELY = 1e-3  # share of its weight that is left to an action that fear would exclude altogether


def reweighed(weights: Tensor, avoidance: Tensor | None) -> Tensor:
    """Return weights [P, A] lowered by avoidance [P, A] in [0, 1], never to zero."""
    if avoidance is None:
        return weights
    return weights * (1 - avoidance).clamp_min(_RARELY).to(weights.dtype)


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Return an action of every member, [P], with probability in proportion to weights [P, A] >= 0.

    With equal weights, action floor(A u). An action of weight 0 is never drawn.

    Args:
        weights: some of each row above 0.
        uniform: [P], in [0, 1).
    """
    cumulative = weights.cumsum(-1)
    return (uniform[:, None].to(weights.dtype) * cumulative[:, -1:] >= cumulative).sum(-1)
