"""What users give to agents, made into what agents work with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotional_ed.checks import require_range

PerMember = float | Sequence[float]
"""One number for all members, or one a member."""


def per_member(name: str, value: PerMember, population: int) -> Tensor:
    """Return a share in [0, 1] for each member, [P], or raise `ValueError`."""
    several = isinstance(value, Sequence | np.ndarray | Tensor) and not isinstance(value, str)
    numbers: list[Any] = list(np.ravel(np.asarray(value))) if several else [value] * population
    if len(numbers) != population:
        raise ValueError(f"{name}: got {len(numbers)} numbers, expected one or {population}")
    return torch.tensor([require_range(name, number, 0, 1) for number in numbers], dtype=torch.float32)


def checked_device(device: torch.device | str) -> torch.device:
    """Return a device that torch can use here, or raise `ValueError`."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch says no in both ways
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: got {str(device)!r}, expected one that torch can use ({reason})") from None


def member_seeds(seed: int | Sequence[int] | None, population: int) -> list[int]:
    """Return one seed a member: the given ones, or consecutive ones from the first; drawn if None."""
    if seed is None:
        seed = secrets.randbelow(2**31)
    several = isinstance(seed, Sequence | np.ndarray)
    many: list[Any] = list(seed) if several else [seed]  # type: ignore[arg-type]
    whole = all(hasattr(one, "__index__") and 0 <= int(one) < 2**62 for one in many)
    if not whole or (several and len(many) != population):
        raise ValueError(f"seed: got {seed!r}, expected an integer in [0, 2**62), or {population} of them")
    return [int(one) for one in many] if several else [int(many[0]) + i for i in range(population)]


def plain_json(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments as JSON knows them, NumPy's numbers turned into Python's.

    Raises:
        ValueError: something in them cannot be written to a file without code.
    """

    def plain(thing: Any) -> Any:
        if isinstance(thing, np.generic | np.ndarray):
            return thing.tolist()
        raise TypeError

    try:
        return dict(json.loads(json.dumps(dict(given), default=plain, allow_nan=False)))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {given!r}, expected finite numbers, texts, lists and dicts") from None
