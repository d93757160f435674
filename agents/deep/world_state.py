"""The state of running environments: taken out, and put back where that can be done exactly."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control.acrobot import AcrobotEnv
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.classic_control.continuous_mountain_car import Continuous_MountainCarEnv
from gymnasium.envs.classic_control.mountain_car import MountainCarEnv
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.wrappers import (
    ClipAction,
    FlattenObservation,
    GrayscaleObservation,
    OrderEnforcing,
    PassiveEnvChecker,
    RescaleAction,
    ResizeObservation,
    TimeLimit,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize, VecTransposeImage

_FIELDS: dict[type, tuple[str, ...]] = {
    # What changes while an environment of exactly this class runs, beside its random numbers.
    CartPoleEnv: ("state", "steps_beyond_terminated"),
    MountainCarEnv: ("state",),
    Continuous_MountainCarEnv: ("state",),
    AcrobotEnv: ("state",),
    PendulumEnv: ("state", "last_u"),
    FrozenLakeEnv: ("s", "lastaction"),
    CliffWalkingEnv: ("s", "lastaction"),
    TimeLimit: ("_elapsed_steps",),
    OrderEnforcing: ("_has_reset",),
    PassiveEnvChecker: (),
    Monitor: ("rewards", "needs_reset", "total_steps", "episode_returns", "episode_lengths", "episode_times"),
    ClipAction: (),
    FlattenObservation: (),
    GrayscaleObservation: (),
    RescaleAction: (),
    ResizeObservation: (),
}
_MARK = "__kind__"


def unrestorable(env: VecEnv) -> str | None:
    """Return the name of what cannot be put back exactly in `env`, or None if all of it can.

    What can: a `DummyVecEnv`, with `VecNormalize` or `VecTransposeImage` around it, of Gymnasium's classic
    control, FrozenLake and CliffWalking and usual wrappers, and any environment or wrapper that has
    `get_state() -> dict` (of numbers, texts, lists and arrays) and `set_state(dict)`.
    """
    inner = env
    while type(inner) in (VecNormalize, VecTransposeImage):
        inner = inner.venv  # type: ignore[attr-defined]
    if type(inner) is not DummyVecEnv:
        return type(inner).__name__
    for one in inner.envs:
        for layer in _layers(one):
            if type(layer) not in _FIELDS and not _has_protocol(layer):
                return type(layer).__name__
    return None


def take(env: VecEnv) -> dict[str, Any] | None:
    """Return the state of all environments as JSON, or None if some of it could not be put back."""
    if unrestorable(env) is not None:
        return None
    wraps, inner = [], env
    while not isinstance(inner, DummyVecEnv):
        wraps.append({"type": type(inner).__name__, "state": encode(_vec_state(inner))})
        inner = inner.venv  # type: ignore[attr-defined]
    return {"vec": wraps, "envs": [[_take_layer(layer) for layer in _layers(one)] for one in inner.envs]}


def fits(env: VecEnv, state: dict[str, Any] | None) -> bool:
    """Return whether `state` is of environments built like these."""
    if state is None or unrestorable(env) is not None:
        return False
    vec, inner = [], env
    while not isinstance(inner, DummyVecEnv):
        vec.append(type(inner).__name__)
        inner = inner.venv  # type: ignore[attr-defined]
    layers = [[type(layer).__name__ for layer in _layers(one)] for one in inner.envs]
    saved = [[layer["type"] for layer in one] for one in state["envs"]]
    return vec == [one["type"] for one in state["vec"]] and layers == saved


def put_back(env: VecEnv, state: dict[str, Any]) -> None:
    """Bring environments that `fits` accepts back to `state`; their next reset is as it would have been."""
    inner = env
    for saved in state["vec"]:
        _put_vec_state(inner, decode(saved["state"]))
        inner = inner.venv  # type: ignore[attr-defined]
    assert isinstance(inner, DummyVecEnv)
    for one, layers in zip(inner.envs, state["envs"], strict=True):
        for layer, saved in zip(_layers(one), layers, strict=True):
            _put_layer(layer, saved)
    inner._reset_seeds()


def _layers(env: gym.Env[Any, Any]) -> list[Any]:
    layers: list[Any] = [env]
    while isinstance(layers[-1], gym.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _has_protocol(layer: Any) -> bool:
    return callable(getattr(type(layer), "get_state", None)) and callable(
        getattr(type(layer), "set_state", None)
    )


def _take_layer(layer: Any) -> dict[str, Any]:
    if _has_protocol(layer):
        fields = layer.get_state()
    else:
        fields = {name: getattr(layer, name) for name in _FIELDS[type(layer)] if hasattr(layer, name)}
    saved = {"type": type(layer).__name__, "fields": encode(fields)}
    if not isinstance(layer, gym.Wrapper):
        generator = layer._np_random
        saved["random"] = None if generator is None else encode(generator.bit_generator.state)
    space = layer.__dict__.get("action_space")
    if space is not None and getattr(space, "_np_random", None) is not None:
        saved["action_space"] = encode(space.np_random.bit_generator.state)
    return saved


def _put_layer(layer: Any, saved: dict[str, Any]) -> None:
    fields = decode(saved["fields"])
    if _has_protocol(layer):
        layer.set_state(fields)
    else:
        for name, value in fields.items():
            setattr(layer, name, value)
    if type(layer) is PassiveEnvChecker:  # it compares with the step before, which it has not seen
        layer.checked_reset = layer.checked_step = layer.checked_data_reuse = True
    if saved.get("random") is not None:
        layer.np_random.bit_generator.state = decode(saved["random"])
    if saved.get("action_space") is not None:
        layer.action_space.np_random.bit_generator.state = decode(saved["action_space"])


def _vec_state(env: VecEnv) -> dict[str, Any]:
    if not isinstance(env, VecNormalize):
        return {}
    state: dict[str, Any] = {"returns": env.returns, "old_obs": env.old_obs, "old_reward": env.old_reward}
    for name, stats in _running(env):
        state[name] = [stats.mean, stats.var, stats.count]
    return state


def _put_vec_state(env: VecEnv, state: dict[str, Any]) -> None:
    if not isinstance(env, VecNormalize):
        return
    env.returns, env.old_obs, env.old_reward = state["returns"], state["old_obs"], state["old_reward"]
    for name, stats in _running(env):
        stats.mean, stats.var, stats.count = state[name]


def _running(env: VecNormalize) -> list[tuple[str, Any]]:
    whole = env.obs_rms if isinstance(env.obs_rms, dict) else {"": env.obs_rms}
    return [
        ("ret_rms", env.ret_rms),
        *((f"obs_rms/{name}", one) for name, one in whole.items() if one is not None),
    ]


def encode(value: Any) -> Any:
    """Return `value` as JSON from which `decode` gives it back exactly: numbers, texts, lists, arrays.

    Raises:
        ValueError: something else is in it.
    """
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, np.ndarray):
        return {
            _MARK: "array",
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "data": value.ravel().tolist(),
        }
    if isinstance(value, np.generic):
        return {_MARK: "number", "dtype": str(value.dtype), "data": value.item()}
    if isinstance(value, tuple):
        return {_MARK: "tuple", "data": [encode(one) for one in value]}
    if isinstance(value, list):
        return [encode(one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: encode(one) for key, one in value.items()}
    raise ValueError(f"state: got {value!r}, expected numbers, texts, lists, dictionaries or arrays")


def decode(value: Any) -> Any:
    """Return what `encode` was given."""
    if isinstance(value, list):
        return [decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if kind == "array":
        return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    if kind == "number":
        return np.dtype(value["dtype"]).type(value["data"])
    if kind == "tuple":
        return tuple(decode(one) for one in value["data"])
    return {key: decode(one) for key, one in value.items()}
