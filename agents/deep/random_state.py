"""The state of every global random generator that Stable-Baselines3 draws from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotional_ed.agents.deep.world_state import decode, encode


def take_random(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of Python's, NumPy's and torch's global generators as tensors and JSON."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return tensors, {"python": encode(random.getstate()), "numpy": encode(numpy)}


def put_random(tensors: dict[str, Tensor], facts: dict[str, Any], device: torch.device) -> None:
    """Bring the global generators back to what `take_random` returned."""
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
    random.setstate(decode(facts["python"]))
    np.random.set_state(decode(facts["numpy"]))  # noqa: NPY002
