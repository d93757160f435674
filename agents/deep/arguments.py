"""What an agent was made with, as JSON, and back without running anything that a file names."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common import torch_layers
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule

from emotional_ed.agents.deep.deep_sleep import DeepSleepConfig
from emotional_ed.agents.deep.world_state import decode, encode
from emotional_ed.agents.errors import CheckpointError
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

_BUFFERS: dict[str, Any] = {
    one.__name__: one for one in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer, SalienceReplayBuffer)
}
_HOMES: dict[str, Any] = {"torch.nn": torch.nn, "torch.optim": torch.optim, "torch_layers": torch_layers}
_CONFIGS: dict[str, Any] = {DeepSleepConfig.__name__: DeepSleepConfig}
_UNKNOWN = "__unknown__"


def argument_to_json(value: Any) -> Any:
    """Return an argument as JSON; what JSON cannot hold becomes a note that says so.

    Numbers, texts, lists and dictionaries of them, Stable-Baselines3's schedules and buffers, and classes of
    `torch.nn`, `torch.optim` and Stable-Baselines3's `torch_layers` can be held.
    """
    if isinstance(value, FloatSchedule):
        return argument_to_json(value.value_schedule)
    if isinstance(value, ConstantSchedule):
        return {"schedule": "constant", "data": [value.val]}
    if isinstance(value, LinearSchedule):
        return {"schedule": "linear", "data": [value.start, value.end, value.end_fraction]}
    if isinstance(value, type):
        name = value.__name__
        if _BUFFERS.get(name) is value:
            return {"buffer": name}
        for home, module in _HOMES.items():
            if getattr(module, name, None) is value:
                return {"home": home, "class": name}
    if type(value) in _CONFIGS.values():
        return {"config": type(value).__name__, "fields": encode(dataclasses.asdict(value))}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"items": {key: argument_to_json(one) for key, one in value.items()}}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return {type(value).__name__: [argument_to_json(one) for one in value]}
    try:
        return {"value": encode(value)}
    except ValueError:
        return {_UNKNOWN: repr(value)}


def argument_from_json(name: str, data: Any) -> Any:
    """Return what `argument_to_json` was given.

    Raises:
        CheckpointError: the file could not hold it, so it has to be given anew.
    """
    if _UNKNOWN in data:
        raise CheckpointError(
            f"{name}: got {data[_UNKNOWN]}, which a checkpoint cannot hold, expected load(path, {name}=...)"
        )
    if "schedule" in data:
        return (ConstantSchedule if data["schedule"] == "constant" else LinearSchedule)(*data["data"])
    if "config" in data:
        return _CONFIGS[data["config"]](**decode(data["fields"]))
    if "buffer" in data:
        return _BUFFERS[data["buffer"]]
    if "home" in data:
        found = getattr(_HOMES[data["home"]], data["class"], None)
        if not isinstance(found, type):
            raise CheckpointError(f"{name}: got {data['class']!r}, expected a class of {data['home']}")
        return found
    if "items" in data:
        return {key: argument_from_json(name, one) for key, one in data["items"].items()}
    for kind in (list, tuple):
        if kind.__name__ in data:
            return kind(argument_from_json(name, one) for one in data[kind.__name__])
    return decode(data["value"])


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return a space as JSON.

    Raises:
        ValueError: Stable-Baselines3 does not take such a space.
    """
    if isinstance(space, spaces.Box):
        low, high = (
            encode(one.ravel()[:1] if (one == one.ravel()[0]).all() else one)
            for one in (space.low, space.high)
        )
        return {"Box": [low, high, list(space.shape), str(space.dtype)]}
    if isinstance(space, spaces.Discrete):
        return {"Discrete": [int(space.n), int(space.start)]}
    if isinstance(space, spaces.MultiDiscrete):
        return {"MultiDiscrete": [encode(space.nvec), str(space.dtype)]}
    if isinstance(space, spaces.MultiBinary):
        return {"MultiBinary": encode(space.n if isinstance(space.n, int) else list(space.n))}
    if isinstance(space, spaces.Dict):
        return {"Dict": [[name, space_to_json(one)] for name, one in space.spaces.items()]}
    raise ValueError(f"space: got {space}, expected Box, Discrete, MultiDiscrete, MultiBinary or Dict")


def space_from_json(data: dict[str, Any]) -> spaces.Space[Any]:
    """Return the space that `space_to_json` was given."""
    kind, value = next(iter(data.items()))
    if kind == "Box":
        shape, dtype = tuple(value[2]), np.dtype(value[3])
        low, high = (np.broadcast_to(decode(one), shape).astype(dtype) for one in value[:2])
        return spaces.Box(low, high, shape, dtype.type)
    if kind == "Discrete":
        return spaces.Discrete(value[0], start=value[1])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(decode(value[0]), dtype=np.dtype(value[1]).type)
    if kind == "MultiBinary":
        return spaces.MultiBinary(decode(value))
    return spaces.Dict({name: space_from_json(one) for name, one in value})
