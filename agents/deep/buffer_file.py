"""A replay buffer as tensors, and back."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from torch import Tensor

from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def take_buffer(buffer: ReplayBuffer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the transitions that a buffer holds, and where it is about to write.

    Raises:
        ValueError: it is of a class that has more state than transitions.
    """
    if isinstance(buffer, SalienceReplayBuffer):
        return buffer.state(), {}
    if type(buffer) not in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        raise ValueError(
            f"replay_buffer_class: got {type(buffer).__name__}, expected ReplayBuffer, DictReplayBuffer, "
            "NStepReplayBuffer or SalienceReplayBuffer, whose state a checkpoint can hold"
        )
    rows = min(buffer.size() + int(buffer.optimize_memory_usage), buffer.buffer_size)
    tensors = {name: torch.from_numpy(array[:rows]) for name, array in _arrays(buffer).items()}
    return tensors, {"pos": int(buffer.pos), "full": bool(buffer.full)}


def put_buffer(buffer: ReplayBuffer, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Fill a buffer of the same class and size with what `take_buffer` returned."""
    if isinstance(buffer, SalienceReplayBuffer):
        buffer.restore(tensors)
        return
    for name, array in _arrays(buffer).items():
        saved = tensors[name].numpy()
        array[: len(saved)] = saved
    buffer.pos, buffer.full = facts["pos"], facts["full"]


def _arrays(buffer: ReplayBuffer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _ARRAYS:
        value: Any = getattr(buffer, name, None)
        if isinstance(value, dict):
            found |= {f"{name}/{key}": array for key, array in value.items()}
        elif value is not None:
            found[name] = value
    return found
