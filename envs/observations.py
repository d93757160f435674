"""What the observations of a space are as numbers: one integer, several integers, or a vector."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

_SLACK = 1e-5  # by which a bound may be overstepped, relative to the bound or to 1: rounding


class Fault(NamedTuple):
    """A number that no observation of the space has."""

    where: tuple[int, ...]
    """Where it stands, leading dimensions first."""
    value: float


@final
class Observations:
    """Reads observations of one space, singly or in batches.

    A Discrete observation is one integer; MultiDiscrete, MultiBinary and a Tuple of Discrete give several,
    all counted from 0 whatever the space starts with; a Box gives a vector in single precision, flattened.

    Args:
        space: the space of a single observation.

    Attributes:
        sizes: how many values each integer has; None for a Box.
        shape: of one observation, () for Discrete, else [n].
        layout: kind and sizes as a text; where it is the same, the same features apply.
        expected: what a valid observation is, for messages.

    Raises:
        ValueError: another kind of space, or one without any numbers.
    """

    def __init__(self, space: Any) -> None:
        self.space = space
        self._tuple = isinstance(space, spaces.Tuple)
        self.sizes: tuple[int, ...] | None = None
        if isinstance(space, spaces.Box):
            self._own_shape = space.shape
            self.shape: tuple[int, ...] = (int(np.prod(space.shape)),)
            low, high = (np.asarray(one, dtype=np.float64).ravel() for one in (space.low, space.high))
            self._low, self._high = low - _SLACK * np.fmax(1, -low), high + _SLACK * np.fmax(1, high)
            self.layout = f"Box({self.shape[0]})"
        else:
            sizes, start, self._own_shape = _integers(space)
            self.sizes = tuple(int(one) for one in sizes)
            self.shape = () if isinstance(space, spaces.Discrete) else (len(self.sizes),)
            self._low = np.asarray(start, dtype=np.float64).reshape(self.shape)
            self._high = self._low + np.asarray(sizes, dtype=np.float64).reshape(self.shape) - 1
            self._start = np.asarray(start, dtype=np.int64).reshape(self.shape)
            self.layout = f"Discrete({self.sizes[0]})" if self.shape == () else f"Factors{list(self.sizes)}"
        if self.shape == (0,):
            raise ValueError(f"observation_space: got {space}, expected a space with at least one number")
        self.expected = f"elements of {space}"
        if self.shape == ():
            self.expected = f"integers in [{int(self._low)}, {int(self._high) + 1})"

    def read(self, observation: Any) -> tuple[NDArray[Any], Fault | None]:
        """Return observations as numbers [..., *shape], and the first that is outside the space.

        Integers come as int64, vectors as float32.

        Raises:
            ValueError: the shape is not that of the space, after any leading dimensions.
        """
        try:
            given = np.stack(observation, axis=-1) if self._tuple else observation
            numbers = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"observation: got {observation!r}, expected {self.expected}") from None
        lead = numbers.ndim - len(self._own_shape)
        if lead < 0 or numbers.shape[lead:] != self._own_shape:
            raise ValueError(
                f"observation: got shape {list(numbers.shape)}, expected [..., "
                f"{', '.join(map(str, self._own_shape))}] for {self.space}"
            )
        numbers = numbers.reshape(numbers.shape[:lead] + self.shape)
        valid = (numbers >= self._low) & (numbers <= self._high)  # false for NaN
        if self.sizes is None:
            with np.errstate(over="ignore"):
                single = numbers.astype(np.float32)
            return single, _first_fault(numbers, valid & np.isfinite(single))
        fault = _first_fault(numbers, valid & (numbers == np.floor(numbers)))
        return (numbers if fault is None else np.zeros_like(numbers)).astype(np.int64) - self._start, fault


def _first_fault(numbers: NDArray[Any], valid: NDArray[np.bool_]) -> Fault | None:
    if valid.all():
        return None
    index = tuple(int(one) for one in np.argwhere(~valid)[0])
    return Fault(index, float(numbers[index]))


def _integers(space: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Return the number of values, the first value, and the shape of a space of integers."""
    if isinstance(space, spaces.Discrete):
        return [space.n], [space.start], ()
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ravel(), space.start.ravel(), space.nvec.shape
    if isinstance(space, spaces.MultiBinary):
        count = int(np.prod(space.shape))
        return [2] * count, [0] * count, space.shape
    if isinstance(space, spaces.Tuple) and all(isinstance(one, spaces.Discrete) for one in space):
        return [one.n for one in space], [one.start for one in space], (len(space),)
    raise ValueError(
        f"observation_space: got {space}, expected Discrete, MultiDiscrete, MultiBinary, Box, "
        "or a Tuple of Discrete"
    )
