"""One step of a vector of environments, without Stable-Baselines3's deep copies where they copy nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

_FIXED = (bool, int, float, str, bytes, type(None), np.generic)  # values that nobody can change in place


def step(
    env: VecEnv, actions: NDArray[Any]
) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
    """Return what `env.step(actions)` returns, having done what it does.

    A `DummyVecEnv` copies its buffers and every info with `copy.deepcopy`. Here arrays are copied as arrays,
    and a dictionary of numbers as a dictionary.
    """
    if type(env) is not DummyVecEnv:
        observations, rewards, dones, infos = env.step(actions)
        return observations, rewards, dones, infos
    env.step_async(actions)
    for index, one in enumerate(env.envs):
        observation, reward, terminated, truncated, info = one.step(actions[index])
        env.buf_rews[index] = float(reward)
        env.buf_infos[index] = info
        env.buf_dones[index] = terminated or truncated
        info["TimeLimit.truncated"] = truncated and not terminated
        if env.buf_dones[index]:
            info["terminal_observation"] = observation
            observation, env.reset_infos[index] = one.reset()
        env._save_obs(index, observation)
    whole = env.buf_obs.get(None)  # type: ignore[call-overload]  # there unless the space is a Dict
    seen = env._obs_from_buf() if whole is None else whole.copy()
    return seen, env.buf_rews.copy(), env.buf_dones.copy(), [_copied(info) for info in env.buf_infos]


def _copied(info: dict[str, Any]) -> dict[str, Any]:
    for value in info.values():
        if not isinstance(value, _FIXED):
            return deepcopy(info)
    return dict(info)


def final_observations(
    observations: Any, dones: NDArray[np.bool_], infos: list[dict[str, Any]], recover: Any = None
) -> Any:
    """Return the observations that a step reached, before any reset.

    Args:
        observations: as a vector of environments returns them, [n, ...] or a dictionary of such.
        dones: [n] bool.
        infos: of the step, with `terminal_observation` where done.
        recover: applied to a terminal observation, to undo a normalization; None leaves it as it is.
    """
    if not np.count_nonzero(dones):
        return observations
    reached = deepcopy(observations)
    for index in np.flatnonzero(dones):
        last = infos[index].get("terminal_observation")
        if last is None:
            continue
        last = last if recover is None else recover(last)
        if isinstance(reached, dict):
            for name in reached:
                reached[name][index] = last[name]
        else:
            reached[index] = last
    return reached
