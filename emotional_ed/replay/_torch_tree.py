"""The sum tree in torch operations alone, for other devices: a draw does not wait for the device."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor


@final
class TorchTree:
    """Levels of a sum tree, leaves first: all but the last are [nodes, fanout], the last is one row.

    Args:
        levels: the buffers, all on one device; written in place.
        bits: binary logarithm of the fanout.
    """

    def __init__(self, levels: Sequence[Tensor], bits: int) -> None:
        self.bits = bits
        self.levels = list(levels)
        self._cumulative = torch.empty(0)
        self._stale = True

    @staticmethod
    def bounds(values: Tensor) -> tuple[float, float]:
        """Return the smallest and the largest value; NaN where there is one."""
        low, high = torch.stack(torch.aminmax(values)).tolist()
        return low, high

    def read(self, index: Tensor) -> Tensor:
        """Return the priorities of some items."""
        return self.levels[0].view(-1)[index]

    def write(self, index: Tensor, priority: Tensor) -> None:
        """Store priorities and sum every ancestor anew from its children."""
        ordered, order = index.sort(stable=True)
        last = torch.searchsorted(ordered, index, right=True) - 1
        self.levels[0].view(-1)[index] = priority[order[last]]  # every repetition writes the last value
        node = index
        for children, parents in pairwise(self.levels):
            every = len(node) >= len(children)
            node = torch.arange(len(children), device=node.device) if every else node >> self.bits
            parents.view(-1)[node] = _cumulate(children[node])[:, -1]
        self._stale = True

    def total(self) -> float:
        """Return the sum of all priorities."""
        return float(self._running()[-1])

    def _running(self) -> Tensor:
        if self._stale:
            sums = _cumulate(self.levels[-1][None])[0]
            self._cumulative = torch.nn.functional.pad(sums, (1, 0))  # a leading zero: before the first
            self._stale = False
        return self._cumulative

    def draw(self, uniform: Tensor, stratified: bool) -> tuple[Tensor, Tensor]:
        """Return items and their probabilities: where the running sum first exceeds a share of the total."""
        node = self.find(uniform, stratified)
        return node, self.read(node).double() / self._running()[-1]

    def find(self, uniform: Tensor, stratified: bool) -> Tensor:
        """Return the items of `draw`.

        A target is kept below the sum of its node, so that rounding never leads to a node of sum zero.
        """
        rest = uniform
        if stratified:
            rest = (rest + torch.arange(len(rest), device=rest.device)) / len(rest)
        cumulative = self._running()
        total = cumulative[-1]
        rest = torch.minimum(rest * total, _below(total))
        node = torch.searchsorted(cumulative[1:], rest, right=True)
        rest = rest - cumulative[node]
        for children in self.levels[-2::-1]:
            sums = _cumulate(children[node])  # [B, fanout]
            rest = torch.minimum(rest, _below(sums[:, -1]))
            child = torch.searchsorted(sums, rest[:, None], right=True)
            rest = rest - (sums.gather(1, (child - 1).clamp(min=0)) * (child > 0))[:, 0]
            node = (node << self.bits) + child[:, 0]
        return node


def _cumulate(rows: Tensor) -> Tensor:
    """Return running sums that never fall and that stand still at a zero, in whatever order a device adds."""
    sums = rows.cumsum(1, dtype=torch.float64)
    return torch.where(rows > 0, sums, 0.0).cummax(1).values


def _below(value: Tensor) -> Tensor:
    return torch.nextafter(value, torch.zeros_like(value))
