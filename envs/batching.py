"""From whatever a user calls an environment to P copies that step together."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from emotional_ed.envs.batched import BatchedEnv, BatchedTabularEnv
from emotional_ed.envs.declare_catastrophe import DeclareCatastrophe
from emotional_ed.envs.gymnasium_batch import GymnasiumBatch
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv


def as_batched(
    env: Any,
    population: int,
    *,
    device: torch.device | str = "cpu",
    env_kwargs: Mapping[str, Any] | None = None,
    catastrophe_reward: float | None = None,
) -> BatchedEnv:
    """Return P copies of an environment that step together on `device`.

    Args:
        env: an id, a Gymnasium environment (copied from its spec), a vector environment, or a `BatchedEnv`.
        population: P.
        device: where observations and rewards go.
        env_kwargs: arguments for `gymnasium.make`, with an id only.
        catastrophe_reward: if set, a reward at most this counts as a catastrophe in reports.

    Raises:
        ValueError: the id is unknown, a space is of a kind unknown here, or the environment cannot be copied.
    """
    if not isinstance(env, str) and env_kwargs:
        raise ValueError(f"env_kwargs: got {dict(env_kwargs)} with {env}, expected them with an id only")
    if isinstance(env, VectorEnv) or (not isinstance(env, gymnasium.Env) and isinstance(env, BatchedEnv)):
        if catastrophe_reward is not None:
            raise ValueError(
                f"catastrophe_reward: got {catastrophe_reward} with {env}, "
                "expected it with an id or a single environment only"
            )
        return _sized(_from_vector(env, device) if isinstance(env, VectorEnv) else env, population)
    if isinstance(env, gymnasium.Env) and population == 1 and not _is_ours(env):
        return _one_instance(_declared(env, catastrophe_reward), device)
    spec = _find_spec(env, env_kwargs or {})
    if spec.vector_entry_point is not None and not spec.additional_wrappers and catastrophe_reward is None:
        vector = _make(spec, num_envs=population)
        if isinstance(vector, TabularVectorEnv):
            return _tabular(vector, spec.id, spec.kwargs, device)
        vector.close()
    wrappers = [] if catastrophe_reward is None else [lambda one: _declared(one, catastrophe_reward)]
    envs = _make(
        spec,
        num_envs=population,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        wrappers=wrappers,
    )
    return GymnasiumBatch(envs, env_id=spec.id, env_kwargs=spec.kwargs, device=device)


def _make(spec: EnvSpec, **arguments: Any) -> VectorEnv[Any, Any, Any]:
    try:
        return gymnasium.make_vec(spec, **arguments)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise ValueError(
            f"env: got {spec.id!r} with {spec.kwargs}, expected one that can be made here. {error}"
        ) from None


def _is_ours(env: gymnasium.Env[Any, Any]) -> bool:
    """Tell whether an instance came from `gymnasium.make` of one of our ids, without further wrappers."""
    spec = env.spec
    return isinstance(env.unwrapped, TabularEnv) and spec is not None and not spec.additional_wrappers


def _from_vector(env: VectorEnv[Any, Any, Any], device: torch.device | str) -> BatchedEnv:
    kwargs = {} if env.spec is None else _own_kwargs(env.spec.kwargs)
    if isinstance(env, TabularVectorEnv):
        return _tabular(env, _id_of(env), kwargs, device)
    return GymnasiumBatch(env, env_id=_id_of(env), env_kwargs=kwargs, device=device)


def _tabular(
    env: TabularVectorEnv, env_id: str, kwargs: Mapping[str, Any], device: torch.device | str
) -> BatchedEnv:
    return BatchedTabularEnv(
        env.batched.model,
        env.num_envs,
        env_id=env_id,
        env_kwargs=kwargs,
        max_episode_steps=env.batched.max_episode_steps,
        device=device,
    )


def _one_instance(env: gymnasium.Env[Any, Any], device: torch.device | str) -> BatchedEnv:
    kwargs = {} if env.spec is None else env.spec.kwargs
    envs = SyncVectorEnv([lambda: env], autoreset_mode=AutoresetMode.SAME_STEP)
    return GymnasiumBatch(envs, env_id=_id_of(env), env_kwargs=kwargs, device=device)


def _own_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what `make_vec` added."""
    added = {"num_envs", "vectorization_mode", "vector_kwargs", "wrappers", "max_episode_steps"}
    return {name: value for name, value in kwargs.items() if name not in added}


def _find_spec(env: Any, env_kwargs: Mapping[str, Any]) -> EnvSpec:
    if isinstance(env, gymnasium.Env):
        if env.spec is None:
            raise ValueError(
                f"env: got {env} without a spec, expected an id or a registered environment to copy for a "
                "population above 1"
            )
        return env.spec
    if not isinstance(env, str):
        raise ValueError(f"env: got {env!r}, expected an id, a Gymnasium environment or a vector environment")
    try:
        spec = gymnasium.spec(env)
    except gymnasium.error.Error as error:
        raise ValueError(f"env: got {env!r}, expected an id that Gymnasium knows. {error}") from None
    spec = copy.deepcopy(spec)
    spec.kwargs.update(env_kwargs)
    return spec


def _declared(env: Any, catastrophe_reward: float | None) -> Any:
    return env if catastrophe_reward is None else DeclareCatastrophe(env, catastrophe_reward)


def _sized(env: BatchedEnv, population: int) -> BatchedEnv:
    if env.num_envs != population:
        raise ValueError(f"population: got {population} with {env.num_envs} environments, expected as many")
    return env


def _id_of(env: Any) -> str:
    return "" if env.spec is None else str(env.spec.id)
