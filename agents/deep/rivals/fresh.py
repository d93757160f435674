"""Linear layers as torch makes them, from a generator of one's own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def make_fresh(layers: Iterable[nn.Linear], generator: torch.Generator) -> None:
    """Draw the weights of linear layers anew, in place, uniform in [-1, 1] / sqrt(inputs) as torch does.

    Args:
        layers: to be forgotten.
        generator: of the CPU; the global one is left alone.
    """
    for layer in layers:
        bound = layer.in_features**-0.5
        for values in (layer.weight, layer.bias):
            if values is not None:
                drawn = torch.rand(values.shape, generator=generator, dtype=values.dtype)
                values.copy_((2 * drawn - 1) * bound)
