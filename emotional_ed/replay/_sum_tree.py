"""Draw among millions of items in proportion to their priorities, which may change at every step."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from emotional_ed.checks import require_int
from emotional_ed.replay._numpy_tree import NumpyTree
from emotional_ed.replay._torch_tree import TorchTree

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_ROW = 4096  # a level of at most so many sums is the last one: it is summed in one pass


@final
class SumTree:
    """A tree of sums with few, wide levels, so that a batch of draws or updates is a few array operations.

    P(i) = p_i / sum_k p_k.  A sum is always taken anew from the sums below it and never incremented, so it
    depends on the present priorities alone and cannot drift. Sums are float64 for both kinds of priority.

    Args:
        capacity: number of items; all priorities start at zero.
        fanout: children of one node, a power of two; None is 32 where one level of nodes is enough then, up
            to 131,072 items, and 16 for more.
        device: where the priorities live. The CPU works through NumPy views of the same buffers. Another
            device may add in another order: an index may differ where a draw falls on the border between two
            items, within rounding.
        dtype: torch.float64 or torch.float32, of the stored priorities. The second holds a million in 4 MB
            less, in little more time; what it rounds to zero counts as zero.

    Shapes, units and ranges:
        priorities: any scale, from zero to 9e307 / capacity; an item of priority zero is never drawn.

    Raises:
        ValueError: an argument is out of range.

    Reference:
        Schaul et al. 2016, Prioritized Experience Replay, section 3.3 and appendix B.2.1.

    >>> tree = SumTree(4)
    >>> tree.update([0, 2], [1.0, 3.0])
    >>> tree.sample(4, uniform=torch.full((4,), 0.5, dtype=torch.float64))
    (tensor([0, 2, 2, 2]), tensor([0.2500, 0.7500, 0.7500, 0.7500], dtype=torch.float64))
    """

    def __init__(
        self,
        capacity: int,
        *,
        fanout: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.capacity = require_int("capacity", capacity, 1, 2**40)
        if fanout is None:
            fanout = 32 if capacity <= 32 * _ROW else 16
        self.fanout = require_int("fanout", fanout, 2, 2**16)
        if self.fanout & (self.fanout - 1):
            raise ValueError(f"fanout: got {fanout}, expected a power of two")
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype: got {dtype}, expected torch.float32 or torch.float64")
        self.device = torch.device(device)
        self.dtype = dtype
        self._levels = self._empty_levels()
        kind = NumpyTree if self.device.type == "cpu" else TorchTree
        self._tree: NumpyTree | TorchTree = kind(self._levels, self.fanout.bit_length() - 1)
        self._high = torch.finfo(torch.float64).max / (2 * self.capacity)  # so that no sum overflows

    def _empty_levels(self) -> list[Tensor]:
        sizes = [self.capacity]
        while sizes[-1] > _ROW:
            sizes.append(-(-sizes[-1] // self.fanout))
        shapes: list[tuple[int, ...]] = [(parents, self.fanout) for parents in sizes[1:]]
        shapes.append((sizes[-1],))
        dtypes = [self.dtype] + [torch.float64] * (len(sizes) - 1)
        return [
            torch.zeros(shape, dtype=kind, device=self.device)
            for shape, kind in zip(shapes, dtypes, strict=True)
        ]

    @property
    def _leaves(self) -> Tensor:
        return self._levels[0].view(-1)[: self.capacity]

    @property
    def total(self) -> float:
        """The sum of all priorities."""
        return self._tree.total()

    @property
    def min(self) -> float:
        """The smallest priority above zero, or zero if there is none; a pass over all items."""
        leaves = self._leaves
        smallest = float(torch.where(leaves > 0, leaves, torch.inf).amin())
        return smallest if smallest < torch.inf else 0.0

    @property
    def max(self) -> float:
        """The largest priority; a pass over all items."""
        return float(self._leaves.amax())

    def priority(self, index: Any) -> Tensor:
        """Return the priorities of some items.

        Shapes:
            index: [B]; result: [B], of the tree's dtype.

        Raises:
            ValueError: an index is not an integer in [0, capacity).
        """
        return self._tree.read(self._checked_index(index))

    def update(self, index: Any, priority: Any) -> None:
        """Set the priorities of some items; where an index is repeated the last one counts.

        Args:
            index: items, integers in [0, capacity).
            priority: finite numbers of at least zero.

        Shapes:
            index: [B]; priority: [B], or one number for all.

        Raises:
            ValueError: an index or priority is out of range or of another shape; nothing has changed then.
        """
        items = self._checked_index(index)
        values = self._checked_priority(priority, items.shape)
        if items.numel():
            self._tree.write(items, values)

    def find(self, uniform: Tensor) -> Tensor:
        """Return the stratified draws [B] of `sample` for numbers [B] float64 in [0, 1), not checked.

        Raises:
            ValueError: all priorities are zero.
        """
        self._refuse_emptiness()
        return self._tree.find(uniform, True)

    def read(self, index: Tensor) -> Tensor:
        """Return the priorities [B] of items [B] int64; nothing is checked."""
        return self._tree.read(index)

    def write(self, index: Tensor, priority: Tensor) -> None:
        """Set the priorities of items [B >= 1] int64 to [B] of the tree's dtype; nothing is checked."""
        self._tree.write(index, priority)

    def sample(
        self,
        n: int,
        *,
        uniform: Tensor | None = None,
        generator: torch.Generator | None = None,
        stratified: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Draw items in proportion to their priorities, with replacement.

        Args:
            n: number of draws B.
            uniform: numbers in [0, 1) to draw with; exactly one of this and `generator` must be given.
            generator: where the numbers come from otherwise.
            stratified: draw k falls into the k-th of B equal shares of the total, which spreads a batch;
                the indices then come in rising order.

        Shapes:
            uniform: [B]; results: index [B], int64; probability p_i / total [B], float64.

        Raises:
            ValueError: all priorities are zero, or an argument is out of range.
        """
        n = require_int("n", n, 1)
        self._refuse_emptiness()
        return self._tree.draw(self._uniform(n, uniform, generator), stratified)

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of the priorities; the sums follow from them, bit for bit."""
        return {"priority": self._leaves.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over priorities that `state_dict` gave.

        Raises:
            ValueError: other keys, shape, dtype, or values out of range; nothing has changed then.
        """
        if set(state) != {"priority"}:
            raise ValueError(f"state: got keys {sorted(state)}, expected ['priority']")
        priority = state["priority"]
        if priority.shape != (self.capacity,) or priority.dtype != self.dtype:
            got = f"{priority.dtype} {tuple(priority.shape)}"
            raise ValueError(f"priority: got {got}, expected {self.dtype} ({self.capacity},)")
        self.update(torch.arange(self.capacity), priority)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle through the priorities, so that a copy's views are of its own buffers."""
        return _rebuilt, (self.capacity, self.fanout, self.device, self.dtype, self.state_dict())

    def _refuse_emptiness(self) -> None:
        if self._tree.total() <= 0.0:
            raise ValueError("sample: got a tree without a positive priority, expected at least one")

    def _uniform(self, n: int, uniform: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if (uniform is None) == (generator is None):
            raise ValueError("uniform, generator: got both or none, expected exactly one")
        if uniform is None:
            assert generator is not None
            drawn = torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device)
            return drawn.to(self.device)
        if uniform.shape != (n,) or not uniform.is_floating_point():
            raise ValueError(f"uniform: got {uniform.dtype} {tuple(uniform.shape)}, expected floats ({n},)")
        low, high = self._tree.bounds(uniform.to(self.device))
        if not (low >= 0.0 and high < 1.0):
            raise ValueError(f"uniform: got values in [{low}, {high}], expected [0, 1)")
        return uniform.to(self.device, torch.float64)

    def _checked_index(self, index: Any) -> Tensor:
        items = index if isinstance(index, Tensor) else _as_tensor("index", index)
        if items.ndim != 1 or (items.dtype not in _INTEGERS and items.numel()):
            raise ValueError(f"index: got {items.dtype} {tuple(items.shape)}, expected integers [B]")
        items = items.to(self.device, torch.int64)
        if items.numel():
            low, high = self._tree.bounds(items)
            if low < 0 or high >= self.capacity:
                raise ValueError(f"index: got {low} to {high}, expected integers in [0, {self.capacity})")
        return items

    def _checked_priority(self, priority: Any, shape: torch.Size) -> Tensor:
        values = priority.detach() if isinstance(priority, Tensor) else _as_tensor("priority", priority)
        if values.is_complex():
            raise ValueError(f"priority: got {values.dtype}, expected real numbers")
        values = values.to(self.device, self.dtype)
        if values.ndim == 0:
            values = values.expand(shape)
        if values.shape != shape:
            raise ValueError(f"priority: got shape {tuple(values.shape)}, expected {tuple(shape)}")
        if values.numel():
            low, high = self._tree.bounds(values)
            if not (low >= 0.0 and high <= self._high):
                raise ValueError(f"priority: got values in [{low}, {high}], expected [0, {self._high:.3g}]")
        return values


def _rebuilt(
    capacity: int, fanout: int, device: torch.device, dtype: torch.dtype, state: dict[str, Tensor]
) -> SumTree:
    tree = SumTree(capacity, fanout=fanout, device=device, dtype=dtype)
    tree.load_state_dict(state)
    return tree


def _as_tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.from_numpy(np.array(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: got {value!r}, expected numbers") from error
