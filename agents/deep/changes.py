"""Whether observations have changed: exactly where they are whole numbers, else by their features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from emotional_ed.agents.deep.replay import Observations


def is_exact(space: spaces.Space[Any]) -> bool:
    """Return whether observations are whole numbers, which are the same only if they are equal."""
    if isinstance(space, spaces.Dict):
        return all(is_exact(one) for one in space.spaces.values())
    return not (isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating))


def differ(before: Observations, after: Observations) -> Tensor:
    """Return which observations of n environments differ in any number, [n] bool."""
    old = before if isinstance(before, dict) else {"": before}
    new = after if isinstance(after, dict) else {"": after}
    changes = [old[name].ne(new[name]).reshape(len(new[name]), -1).any(1) for name in old]
    return torch.stack(changes).any(0)


def shifted(before: Tensor, after: Tensor, stillness: float) -> Tensor:
    """Return which hidden features [n, K] have changed by more than a share of their length, [n] bool.

    Equation:
        |h' - h| > stillness |h|
    """
    length: Tensor = torch.linalg.vector_norm(before, dim=-1)
    distance: Tensor = torch.linalg.vector_norm(after - before, dim=-1)
    return distance > stillness * length
