"""Tile coding: points in a box as the tiles that they fall into, one in each of several grids.

The published packages take one point at a time, or number tiles in the order in which they are met, which
depends on the run; here a batch of points is coded at once, and a point the same in every company.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.checks import require_int, require_range

_PRIME = 2**31 - 1  # of the hash; products of two residues fit in int64
Bounds = float | Sequence[float] | NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TileCoding:
    """Overlapping grids over a Box, each displaced against the others: near points share tiles.

    Equation:
        tile of grid t along dimension i:  floor((q_i + t (2 i + 1) mod tilings) / tilings),
        q_i = floor(tilings tiles (x_i - low_i)/(high_i - low_i)), x clipped to [low, high]

    A dimension without bounds is squashed by x/(1 + |x|) to (-1, 1) first. If the grids have more tiles
    together than `size`, each has size // tilings rows and a tile with coordinates c takes the row

        ((sum_i a_ti c_i) mod (2^31 - 1)) mod (size // tilings),

    with a_ti = 1 + w mod (2^31 - 2), w the raw 64-bit words of NumPy's Philox with key 0, row by row: the
    universal hash of Carter and Wegman (1979). Tiles of one grid may then share a row, those of different
    grids never do.

    Reference:
        Sutton and Barto, "Reinforcement Learning", 2nd ed., section 9.5.4 (asymmetric displacement by the
        first odd integers; `tilings` is best a power of two of at least four times the dimensions).
    """

    low: Bounds | None = None
    """Lower ends of the grids, one or one a dimension of the flattened Box; those of the space if None.

    Where an end is infinite, the dimension has no bounds."""
    high: Bounds | None = None
    """Upper ends of the grids, > low; given together with `low` or not at all."""
    tilings: int = 8
    """Number of grids, T, in [1, 1024]."""
    tiles: int = 8
    """Tiles of a grid along each dimension, in [1, 10000]."""
    size: int | None = None
    """Most rows that a memory may have, >= tilings; 2**14 if None."""
    still: float = 1e-3
    """A point has moved if it went further than this along a dimension, in widths of a tile, >= 0."""

    def __post_init__(self) -> None:
        require_int("TileCoding.tilings", self.tilings, 1, 1024)
        require_int("TileCoding.tiles", self.tiles, 1, 10_000)
        require_range("TileCoding.still", self.still, 0)
        if self.size is not None:
            require_int("TileCoding.size", self.size, self.tilings, 2**30)
        if (self.low is None) != (self.high is None):
            raise ValueError(
                f"TileCoding.low, high: got {self.low} and {self.high}, expected both or neither"
            )
        for name in ("low", "high"):
            object.__setattr__(self, name, _plain_bounds(f"TileCoding.{name}", getattr(self, name)))

    def over(self, space: Any, device: torch.device | str = "cpu") -> Tiles:
        """Return the features of a Box."""
        if not isinstance(space, spaces.Box):
            raise ValueError(f"features: got TileCoding for {space}, expected a space of Box")
        return Tiles(self, *_bounds(self, space), device)


@final
class Tiles:
    """The features of a Box: one tile of each grid; see `TileCoding`, and `Features` for what they can do."""

    def __init__(
        self, coding: TileCoding, low: NDArray[Any], high: NDArray[Any], device: torch.device | str
    ) -> None:
        self.coding = dataclasses.replace(coding, low=low, high=high)
        bounded = np.isfinite(low)
        low, high = np.where(bounded, low, -1), np.where(bounded, high, 1)
        dimensions, self.active = len(low), coding.tilings
        size = 2**14 if coding.size is None else coding.size
        full = (coding.tiles + 1) ** dimensions  # displaced, a grid reaches one tile further
        hashed = full * self.active > size
        rows = max(size // self.active, 1) if hashed else full
        self.keys = rows * self.active

        def on_device(array: Any, dtype: torch.dtype) -> Tensor:
            return torch.tensor(np.asarray(array), dtype=dtype, device=device)

        self._low, self._high = on_device(low, torch.float32), on_device(high, torch.float32)
        self._width = self._high - self._low
        self._bounded = None if bounded.all() else on_device(bounded, torch.bool)
        tiling, odd = np.arange(self.active)[:, None], 2 * np.arange(dimensions) + 1
        self._shift = on_device(tiling * odd % self.active, torch.int64)  # [T, d]
        radix = [[(coding.tiles + 1) ** i for i in range(dimensions)]]
        factors = _multipliers(self.active, dimensions) if hashed else radix
        self._factors = on_device(factors, torch.int64)  # [T or 1, d]
        self._modulo = rows if hashed else 0
        self._first = on_device(np.arange(self.active) * rows, torch.int64)  # [T]

    def __call__(self, observation: Tensor) -> Tensor:
        """Return the tiles of points [P, d], [P, T], or [P] for a single grid."""
        point = torch.minimum(torch.maximum(self._squashed(observation), self._low), self._high)
        steps = self.active * self.coding.tiles
        fine = ((point - self._low) / self._width * steps).to(torch.int64)  # [P, d], >= 0
        tile = (fine[:, None] + self._shift) // self.active  # [P, T, d]
        row = (tile * self._factors).sum(-1)  # [P, T]
        if self._modulo:
            row = row % _PRIME % self._modulo
        key = row + self._first
        return key.squeeze(-1) if self.active == 1 else key

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        """Return where points went further than `still` widths of a tile, [P] bool."""
        distance = (self._squashed(after) - self._squashed(before)).abs() / self._width * self.coding.tiles
        return distance.amax(-1) > self.coding.still

    def _squashed(self, observation: Tensor) -> Tensor:
        if self._bounded is None:
            return observation
        return torch.where(self._bounded, observation, observation / (1 + observation.abs()))


def _multipliers(tilings: int, dimensions: int) -> NDArray[np.int64]:
    """Return the factors of the hash, [T, d], in [1, 2**31 - 2]."""
    words = np.random.Philox(key=0).random_raw(tilings * dimensions)
    return (1 + words % np.uint64(_PRIME - 1)).astype(np.int64).reshape(tilings, dimensions)


def _bounds(coding: TileCoding, space: spaces.Box) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of the grids, [d] each, in single precision; infinite where there are no bounds."""
    dimensions = math.prod(space.shape)
    if dimensions * (coding.tiles + 1) >= 2**31:
        raise ValueError(f"TileCoding.tiles: got {coding.tiles} for {space}, expected fewer")
    ends = []
    for name, given, own in (("low", coding.low, space.low), ("high", coding.high, space.high)):
        end = np.asarray(own if given is None else given, dtype=np.float64).ravel()
        if len(end) not in (1, dimensions):
            raise ValueError(f"TileCoding.{name}: got {len(end)} numbers, expected one or {dimensions}")
        with np.errstate(over="ignore"):
            ends.append(np.broadcast_to(end, dimensions).astype(np.float32))
    low, high = ends
    with np.errstate(over="ignore", invalid="ignore"):
        unbounded = ~np.isfinite(high - low)
    low, high = np.where(unbounded, -np.inf, low), np.where(unbounded, np.inf, high)
    constant = high <= low
    if constant.any() and coding.low is not None:
        i = int(np.flatnonzero(constant)[0])
        raise ValueError(f"TileCoding.high: got {high[i]:g} for dimension {i}, expected more than {low[i]:g}")
    high[constant] = low[constant] + np.fmax(1, np.abs(low[constant]))  # such a dimension never changes
    return low, high


def _plain_bounds(name: str, given: Any) -> tuple[float, ...] | None:
    """Return ends as a tuple of floats, of one or of as many as were given."""
    if given is None:
        return None
    try:
        ends = np.asarray(given, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        ends = np.array([np.nan])
    if not len(ends) or np.isnan(ends).any():
        raise ValueError(f"{name}: got {given!r}, expected numbers")
    return tuple(ends.tolist())
