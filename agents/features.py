"""What a state looks like to a memory: the binary features that are active in an observation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from emotional_ed.agents.tile_coding import TileCoding
from emotional_ed.checks import require_int
from emotional_ed.envs import Observations


@runtime_checkable
class Features(Protocol):
    """Binary features of observations: always the same number of them is active."""

    keys: int
    """K, how many features there are."""
    active: int
    """T, how many are active at a time."""

    def __call__(self, observation: Tensor) -> Tensor:
        """Return which features are active: [P] int64 in [0, K) if T is 1, else [P, T], distinct."""
        ...

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        """Return where two observations differ, [P] bool."""
        ...


@dataclass(frozen=True, kw_only=True)
class OneHot:
    """One feature for each observation of a Discrete space: a table."""

    def over(self, space: Any, device: torch.device | str = "cpu") -> Features:
        """Return the features of a Discrete space."""
        _require_kind(self, space, spaces.Discrete)
        return _Table(int(space.n))


@dataclass(frozen=True, kw_only=True)
class Factors:
    """One feature for each value of each component, and one for each combination of them.

    The components generalise; the combinations let values depend on what comes together.
    """

    combinations: int = 4096
    """Most combinations that get a feature of their own, >= 0; more, and there is none for any. 0: none."""

    def __post_init__(self) -> None:
        require_int("Factors.combinations", self.combinations, 0)

    def over(self, space: Any, device: torch.device | str = "cpu") -> Features:
        """Return the features of a MultiDiscrete, a MultiBinary or a Tuple of Discrete."""
        _require_kind(self, space, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Tuple)
        return _Components(Observations(space).sizes or (), self.combinations, device)


Coding = OneHot | Factors | TileCoding
"""What can be told about features before the space is known."""
_CODINGS: tuple[type[Coding], ...] = (OneHot, Factors, TileCoding)


def features_for(
    space: Any, given: Coding | Features | None = None, device: torch.device | str = "cpu"
) -> Features:
    """Return features for a space: the given ones, or a table, factors or tile coding as the space demands.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Tuple of Discrete, or Box.
        given: `OneHot`, `Factors` or `TileCoding`; features of your own; or None.
        device: where observations are.

    Raises:
        ValueError: the space is of another kind, or the given features are for another kind.
    """
    Observations(space)  # refuses what nobody can code
    if given is None:
        given = OneHot() if isinstance(space, spaces.Discrete) else Factors()
        given = TileCoding() if isinstance(space, spaces.Box) else given
    if isinstance(given, _CODINGS):
        return given.over(space, device)
    if not isinstance(given, Features):
        raise ValueError(f"features: got {given!r}, expected OneHot, Factors, TileCoding or Features")
    return given


def coding_to_dict(features: Features) -> dict[str, Any]:
    """Return all there is to make the same features again, as JSON knows it; only the kind for your own."""
    coding = getattr(features, "coding", None)
    if not isinstance(coding, _CODINGS):
        return {"kind": type(features).__name__}
    fields = dataclasses.asdict(coding)
    for name in ("low", "high"):  # JSON has no infinity
        if name in fields:
            fields[name] = [one if math.isfinite(one) else None for one in fields[name]]
    return {"kind": type(coding).__name__, **fields}


def coding_from_dict(data: dict[str, Any]) -> Coding | None:
    """Return the coding that `coding_to_dict` wrote, or None if its kind is none of ours.

    Raises:
        ValueError: a field is unknown or out of range.
    """
    kinds = {kind.__name__: kind for kind in _CODINGS}
    fields = dict(data)
    kind = kinds.get(fields.pop("kind", ""))
    if kind is None:
        return None
    strange = sorted(set(fields) - {field.name for field in dataclasses.fields(kind)})
    if strange:
        raise ValueError(f"{kind.__name__}: got fields {strange}, expected its own")
    for name, missing in (("low", -math.inf), ("high", math.inf)):
        if fields.get(name) is not None:
            fields[name] = [missing if one is None else one for one in fields[name]]
    return kind(**fields)


@final
class _Table:
    """The features of a Discrete space: the observation itself is the key."""

    def __init__(self, keys: int) -> None:
        self.coding = OneHot()
        self.keys, self.active = keys, 1

    def __call__(self, observation: Tensor) -> Tensor:
        return observation

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        return after != before


@final
class _Components:
    """The features of several integers: rows for each component, then rows for their combinations."""

    def __init__(self, sizes: Sequence[int], combinations: int, device: torch.device | str) -> None:
        self.coding = Factors(combinations=combinations)
        rows = sum(sizes)
        starts = np.cumsum([0, *sizes[:-1]])
        self._starts = torch.tensor(starts, dtype=torch.int64, device=device)
        self._strides: Tensor | None = None
        self._combined_start = rows
        if len(sizes) > 1 and math.prod(sizes) <= combinations:
            strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
            self._strides = torch.tensor(strides, dtype=torch.int64, device=device)
            rows += math.prod(sizes)
        self.keys = require_int("features.keys", rows, 1)
        self.active = len(sizes) + (self._strides is not None)

    def __call__(self, observation: Tensor) -> Tensor:
        single = observation + self._starts  # [P, n]
        if self.active == 1:
            return single.squeeze(-1)
        if self._strides is None:
            return single
        combined = (observation * self._strides).sum(-1, keepdim=True) + self._combined_start
        return torch.cat([single, combined], -1)

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        return (after != before).any(-1)


def _require_kind(coding: Coding, space: Any, *kinds: type[Any]) -> None:
    if not isinstance(space, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"features: got {type(coding).__name__} for {space}, expected a space of {names}")
