"""From a network's hidden features to keys of affective memories."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.affect import AffectSystem
from emotional_ed.memory import AssociativeMemory

_SHARE = 0.5**0.5  # of a key's length that the features get; the bias gets the rest
_SMALLEST = 1e-12


def feature_keys(features: Tensor) -> Tensor:
    """Return keys of length 1: normalized features, and a bias for what all states have in common.

    Equation:
        k = [h/|h|, 1] / sqrt(2)

    A write with step size eta into a memory of such keys takes up the share eta of its surprise. Features
    are taken as they are: no gradient flows back into the network.

    Args:
        features: hidden features h.

    Shapes:
        features: [n, K]; result: [n, K + 1].
    """
    h = features.detach()
    length = torch.linalg.vector_norm(h, dim=-1, keepdim=True).clamp_min(_SMALLEST)
    bias = torch.full_like(length, _SHARE)
    return torch.cat([h * (_SHARE / length), bias], dim=-1)


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
                memory.M.zero_()
                memory.M[..., -1:] = value / _SHARE
