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
from emotional_ed.envs.tabular_env import TabularVectorEnv


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
        ValueError: the id is unknown, a space is not discrete, or the environment cannot be copied.
    """
    if isinstance(env, VectorEnv):
        if isinstance(env.unwrapped, TabularVectorEnv) and env.unwrapped is env:
            return _sized(env.batched, population)
        return _sized(GymnasiumBatch(env, env_id=_id_of(env), device=device), population)
    if not isinstance(env, gymnasium.Env) and isinstance(env, BatchedEnv):
        return _sized(env, population)
    if isinstance(env, gymnasium.Env) and population == 1:
        same_step = AutoresetMode.SAME_STEP
        wrapped = _declared(env, catastrophe_reward)
        return GymnasiumBatch(
            SyncVectorEnv([lambda: wrapped], autoreset_mode=same_step), env_id=_id_of(env), device=device
        )
    spec = _find_spec(env, env_kwargs or {})
    if spec.vector_entry_point is not None and not spec.additional_wrappers and catastrophe_reward is None:
        vector = gymnasium.make_vec(spec, num_envs=population)
        if isinstance(vector, TabularVectorEnv):
            limit = vector.batched.max_episode_steps
            return BatchedTabularEnv(
                vector.batched.model, population, env_id=spec.id, max_episode_steps=limit, device=device
            )
        vector.close()
    wrappers = [] if catastrophe_reward is None else [lambda one: _declared(one, catastrophe_reward)]
    envs = gymnasium.make_vec(
        spec,
        num_envs=population,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        wrappers=wrappers,
    )
    return GymnasiumBatch(envs, env_id=spec.id, device=device)


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
