"""From a network's hidden features to keys of affective memories."""

from __future__ import annotations

from typing import Final, final

import torch
from torch import Tensor

from emotional_ed.affect import AffectSystem
from emotional_ed.memory import AssociativeMemory, QuickModule

_RATE: Final = 1 / 500  # of the running mean, once that many steps were seen
_BIAS: Final = 0.1**0.5  # the bias' part of a key of length 1
_UNUSUAL: Final = 0.9**0.5  # the features' part
_SMALLEST: Final = 1e-12


@final
class FeatureKeys(QuickModule):
    """Keys of length 1: what is unusual about a state's features, and a bias for what all states share.

    Equation:
        m += max(1/n, 1/500) (mean over environments of h - m)     once a step, n = 1, 2, ...
        k = [sqrt(0.9) (h - m)/|h - m|, sqrt(0.1)]

    A write with step size eta into a memory of such keys takes up the share eta of its surprise. Features
    are taken as they are: no gradient flows back into the network.

    Hidden features are positive, so those of any two states point much the same way, and what was written
    for one would be read for all. Less their mean they do not: on average only the bias is read for others,
    a tenth. Before the first step m is 0.

    Source: crosstalk of linear associative memories, and the mean taken off their patterns against it: Amari
    (1977), Biological Cybernetics 26; Tsodyks and Feigelman (1988), Europhysics Letters 6.

    Args:
        features: K, numbers in h.
        device: where it lives.

    Shapes:
        mean: [K]; count: scalar, n.
    """

    mean: Tensor
    count: Tensor

    def __init__(self, features: int, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features, device=device))
        self.register_buffer("count", torch.zeros((), device=device))

    def __call__(self, features: Tensor) -> Tensor:
        """Return the keys [n, K + 1] of hidden features [n, K]."""
        unusual = features.detach() - self.mean
        length = torch.linalg.vector_norm(unusual, dim=-1, keepdim=True).clamp_min_(_SMALLEST)
        bias = torch.full_like(length, _BIAS)
        return torch.cat([unusual.mul_(length.reciprocal_().mul_(_UNUSUAL)), bias], dim=-1)

    def take_in(self, features: Tensor) -> None:
        """Learn what is usual, from the hidden features [P, K] of a step of every environment."""
        rate = self.count.add_(1).reciprocal().clamp_min_(_RATE)
        self.mean.lerp_(features.detach().mean(0), rate)


@torch.no_grad()
def start_from_bias(affect: AffectSystem) -> None:
    """Let memories that start with one value everywhere hold it in their bias alone.

    A memory filled with v answers v to any one-hot key. To a key of features it would answer v times the sum
    of them; with v / bias in the column of the bias and 0 elsewhere it answers v again.
    """
    for memory in affect.modules():
        if isinstance(memory, AssociativeMemory):
            value = memory.M[..., :1].clone()
            if value.any() and bool(torch.eq(memory.M, value).all()):
                for held in (memory.M, memory.blank):
                    held.zero_()
                memory.M[..., -1:] = value / _BIAS
                memory.blank[..., -1:] = value.flatten(0, -3)[0] / _BIAS
