"""The sum tree on the CPU: NumPy views of the buffers, where a small operation costs a microsecond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


@final
class NumpyTree:
    """Levels of a sum tree, leaves first: all but the last are [nodes, fanout], the last is one row.

    Args:
        levels: the buffers, on the CPU; written in place.
        bits: binary logarithm of the fanout.
    """

    def __init__(self, levels: Sequence[Tensor], bits: int) -> None:
        self.bits = bits
        self.levels = [level.numpy() for level in levels]
        self.flat = [level.reshape(-1) for level in self.levels]  # views
        self._cumulative = np.zeros(len(self.levels[-1]) + 1)  # a leading zero: what lies before the first
        self._top = torch.from_numpy(self.levels[-1])
        self._running = self._cumulative[1:]
        self._sums = torch.from_numpy(self._running)
        self._total = self._below_total = 0.0
        self._stale = True

    @staticmethod
    def bounds(values: Tensor) -> tuple[float, float]:
        """Return the smallest and the largest value; NaN where there is one."""
        array = values.numpy()
        return np.minimum.reduce(array).item(), np.maximum.reduce(array).item()

    def read(self, index: Tensor) -> Tensor:
        """Return the priorities of some items."""
        return torch.from_numpy(self.flat[0].take(index.numpy()))

    def write(self, index: Tensor, priority: Tensor) -> None:
        """Store priorities and sum every ancestor anew from its children."""
        node: Array = index.numpy()
        self.flat[0][node] = priority.numpy()  # of a repeated index NumPy keeps the last
        for children, parents in zip(self.levels, self.flat[1:], strict=False):
            node = np.arange(len(children)) if node.size >= len(children) else node >> self.bits
            parents[node] = _cumulate(children.take(node, 0))[:, -1]
        self._stale = True

    def total(self) -> float:
        """Return the sum of all priorities."""
        if self._stale:
            torch.cumsum(self._top, 0, dtype=torch.float64, out=self._sums)
            self._total = self._cumulative.item(-1)
            self._below_total = math.nextafter(self._total, 0.0)
            self._stale = False
        return self._total

    def draw(self, uniform: Tensor, stratified: bool) -> tuple[Tensor, Tensor]:
        """Return items and their probabilities: where the running sum first exceeds a share of the total."""
        node = self.find(uniform, stratified)
        return node, torch.from_numpy(self.flat[0].take(node.numpy()).astype(np.float64) / self.total())

    def find(self, uniform: Tensor, stratified: bool) -> Tensor:
        """Return the items of `draw`.

        A target is kept below the sum of its node, so that rounding never leads to a node of sum zero.
        """
        rest: Array = uniform.numpy()
        if stratified:
            rest = (rest + np.arange(float(len(rest)))) / len(rest)
        rest = np.minimum(rest * self.total(), self._below_total)
        node: Array = self._running.searchsorted(rest, "right")
        before: Array = self._cumulative.take(node)
        for children in self.levels[-2::-1]:
            rest -= before
            sums = _cumulate(children.take(node, 0))  # [B, fanout]
            np.minimum(rest, np.nextafter(sums[:, -1], 0.0), out=rest)
            child = (sums > rest[:, None]).argmax(1)
            node = (node << self.bits) + child
            if children is not self.levels[0]:
                before = _before(sums, child)
        return torch.from_numpy(node)


def _cumulate(rows: Array) -> Array:
    sums: Array = torch.from_numpy(rows).cumsum(1, dtype=torch.float64).numpy()  # six times NumPy's speed
    return sums


def _before(sums: Array, child: Array) -> Array:
    """Return the sum before a child of each row: the running sum up to the one on its left."""
    left = np.arange(-1, sums.size - 1, sums.shape[1]) + child
    before: Array = sums.take(left) * (child > 0)  # before a first child lies nothing
    return before
