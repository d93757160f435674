"""Acting and storing as deep agents do it: Stable-Baselines3's rollout, with feelings and without NaNs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import should_collect_more_steps
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.deep.feelings import flags
from emotional_ed.agents.deep.finite import check_step
from emotional_ed.agents.deep.replay import Observations, store
from emotional_ed.agents.deep.stepping import final_observations, step
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer


def check_salience(affect: AffectConfig, buffer: ReplayBuffer | None) -> None:
    """Refuse salience that nobody asks for.

    Raises:
        ValueError: affect has salience, and the replay buffer is no `SalienceReplayBuffer`.
    """
    if affect.salience is not None and not isinstance(buffer, SalienceReplayBuffer):
        raise ValueError(
            f"affect.salience: got {affect.salience!r}, expected None or "
            "replay_buffer_class=SalienceReplayBuffer, which asks for it"
        )


def collect(
    model: Any,
    env: VecEnv,
    callback: BaseCallback,
    train_freq: TrainFreq,
    replay_buffer: ReplayBuffer,
    action_noise: ActionNoise | None = None,
    learning_starts: int = 0,
    log_interval: int | None = None,
) -> RolloutReturn:
    """Act for as long as `train_freq` says, and store what came of it.

    As in Stable-Baselines3, but that a step on which a callback stops learning is stored all the same: going
    on afterwards, with `reset_num_timesteps=False`, misses nothing and finishes the rollout.

    Raises:
        ValueError: `train_freq` counts episodes of several environments.
        NotFiniteError: an observation or a reward is NaN or infinite; that step is not stored.
    """
    model._set_training_mode(False)
    if env.num_envs > 1 and train_freq.unit != TrainFrequencyUnit.STEP:
        raise ValueError(f"train_freq: got {train_freq}, expected a number of steps with several envs")
    continue_training = True
    callback.on_rollout_start()
    num_collected_steps, num_collected_episodes = model._unfinished
    model._unfinished = (0, 0)
    while continue_training and should_collect_more_steps(
        train_freq, num_collected_steps, num_collected_episodes
    ):
        actions, buffer_actions = model._sample_action(learning_starts, action_noise, env.num_envs)
        new_obs, rewards, dones, infos = step(env, actions)
        check_step(new_obs, rewards, model.num_timesteps, model.last_checkpoint)
        model._feel(new_obs, rewards, dones, infos)
        model.num_timesteps += env.num_envs
        num_collected_steps += 1
        callback.update_locals({"self": model, **locals()})
        continue_training = callback.on_step()
        model._update_info_buffer(infos, dones)
        model._store_transition(replay_buffer, buffer_actions, new_obs, rewards, dones, infos)
        model._update_current_progress_remaining(model.num_timesteps, model._total_timesteps)
        model._on_step()
        for done in dones:
            if done:
                num_collected_episodes += 1
                model._episode_num += 1
                if log_interval is not None and model._episode_num % log_interval == 0:
                    model.dump_logs()
    if continue_training:
        callback.on_rollout_end()
    else:
        model._unfinished = (num_collected_steps, num_collected_episodes)
    return RolloutReturn(num_collected_steps * env.num_envs, num_collected_episodes, continue_training)


def store_step(
    model: Any,
    replay_buffer: ReplayBuffer,
    buffer_action: NDArray[Any],
    new_obs: Any,
    reward: NDArray[Any],
    dones: NDArray[Any],
    infos: list[dict[str, Any]],
) -> None:
    """Store one step of every environment, with the observation that it reached before any reset."""
    normalize = model._vec_normalize_env
    if normalize is None:
        model._last_original_obs, new_original, original_reward = model._last_obs, new_obs, reward
        following = final_observations(new_obs, dones, infos)
    else:
        new_original, original_reward = normalize.get_original_obs(), normalize.get_original_reward()
        following = final_observations(new_original, dones, infos, normalize.unnormalize_obs)
    store(replay_buffer, model._last_original_obs, following, buffer_action, original_reward, dones, infos)
    model._last_obs = new_obs
    if normalize is not None:
        model._last_original_obs = new_original


def step_tensors(
    model: Any,
    new_obs: Any,
    rewards: NDArray[Any],
    dones: NDArray[np.bool_],
    infos: list[dict[str, Any]],
) -> tuple[Observations, Observations, Tensor, Tensor, Tensor]:
    """Return a step as feelings take it: observations before and after, reward, terminated, truncated."""
    terminated, truncated = flags(infos, dones)
    return (
        model._tensors(model._last_obs),
        model._tensors(final_observations(new_obs, dones, infos)),
        torch.from_numpy(np.asarray(rewards, dtype=np.float32)).to(model.device),
        terminated.to(model.device),
        truncated.to(model.device),
    )


def mark_salience(buffer: ReplayBuffer | None, affect: AffectSystem, infos: list[dict[str, Any]]) -> None:
    """Let a salience buffer know how salient a step was for affect, or else how surprising.

    What the environment itself says counts instead.
    """
    if isinstance(buffer, SalienceReplayBuffer):
        salience = affect.signals.get("salience")
        felt = (affect.signals["surprise"] if salience is None else salience).tolist()
        for info, one in zip(infos, felt, strict=True):
            info.setdefault("salience", abs(one))
