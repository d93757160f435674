"""Quantile regression DQN with affect: frightened, it acts on the worst of what may come."""

from __future__ import annotations

import dataclasses
import secrets
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import QRDQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn, TrainFreq
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.deep.choice import choose
from emotional_ed.agents.deep.feelings import Feelings, check_affect
from emotional_ed.agents.deep.finite import check_losses, check_tensors
from emotional_ed.agents.deep.flat_adam import FlatAdam, is_plain_adam
from emotional_ed.agents.deep.minibatches import prioritise, weigh
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.quantile_learning import QuantileLearning
from emotional_ed.agents.deep.quantile_network import QuantileValues
from emotional_ed.agents.deep.replay import Minibatch, Observations, sample
from emotional_ed.agents.deep.resuming import Resuming
from emotional_ed.agents.deep.risk import risk_scores
from emotional_ed.agents.deep.rollouts import (
    check_salience,
    collect,
    mark_salience,
    record_signals,
    step_tensors,
    store_step,
)
from emotional_ed.agents.deep.value_network import ValueNetwork
from emotional_ed.checks import require_choice, require_range
from emotional_ed.streams import Streams

Actions = NDArray[np.int64]

_ARGUMENTS = (
    "learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma", "gradient_steps",
    "replay_buffer_class", "replay_buffer_kwargs", "optimize_memory_usage", "n_steps",
    "target_update_interval", "exploration_fraction", "exploration_initial_eps", "exploration_final_eps",
    "max_grad_norm", "tensorboard_log", "policy_kwargs", "verbose", "seed", "fear_on", "risk", "stillness",
)  # fmt: skip
_COUNTERS = (
    "num_timesteps", "exploration_rate", "_total_timesteps", "_num_timesteps_at_start", "_episode_num",
    "_n_updates", "_n_calls", "_current_progress_remaining", "_unfinished",
)  # fmt: skip


@final
class EmotionalQRDQN(Resuming, QRDQN):
    """sb3-contrib's QRDQN, with affect: fear says what to do with the distribution of returns.

    Equation:
        y_j = r + discount (1 - terminated) theta'_j(s', argmax_a' mean_j theta'_j(s', a'))
        L = mean w sum_i mean_j |tau_i - [y_j < theta_i]| huber(y_j - theta_i);   w = 1 + step_gain H(s, a)
        act: argmax_a CVaR_l(s, a) + bias(a);   l = 1 - risk H(s, a*),   a* = argmax_a mean_i theta_i(s, a)

    Fear of what it is about to do makes it compare the worst share l of the outcomes of every action instead
    of their means. Where outcomes are certain there is no worse share, and fear changes nothing; the caution
    of `FearConfig`, which takes the same off whatever the spread, is not used then: fear acts once. Backups
    stay greedy for the mean: a backup that is greedy for CVaR is not the CVaR of the return.

    Everything that Stable-Baselines3 has for QRDQN works with it, as for `EmotionalDQN`, and
    `AffectConfig.levels(0)` is sb3-contrib's from the same seed, in less time.

    Args:
        *args: everything that `sb3_contrib.QRDQN` takes, at the same places: policy, env, ...
        affect: which levels of affect; the emotions of level 1 by default.
        fear_on: "quantile": fear lowers the share that the choice looks at; "action": the scores of actions;
            "target": the targets of replay.
        risk: share of the outcomes that full fear leaves out, the best ones; in [0, 1], used on quantiles.
        stillness: observations of real numbers count as unchanged if their keys are no further apart, >= 0.
        **kwargs: everything that `sb3_contrib.QRDQN` takes, by name.

    Raises:
        ValueError: a space, a number or a part of `affect` that a quantile network cannot serve.
        NotFiniteError: while learning, an observation, a reward, a loss or a weight is NaN or infinite.

    When it does harm: where what is feared is worth its risk; a choice by CVaR anew in every state may also
    be more careful all along than a plan made once would be.

    Source: Dabney, Rowland, Bellemare and Munos (2018), arXiv 1710.10044; risk at action time Dabney,
    Ostrovski, Silver and Munos (2018), arXiv 1806.06923, section 4.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> kwargs = {"policy_kwargs": {"n_quantiles": 10}, "seed": 0}
        >>> model = EmotionalQRDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(1), **kwargs)
        >>> model = model.learn(200)
        >>> model.num_timesteps
        200
    """

    def __init__(
        self,
        *args: Any,
        affect: AffectConfig | None = None,
        fear_on: str = "quantile",
        risk: float = 0.9,
        stillness: float = 1e-3,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.affect_config = check_affect(AffectConfig.levels(1) if affect is None else affect)
        self.fear_on = require_choice("fear_on", fear_on, ("quantile", "action", "target"))
        self.risk = require_range("risk", risk, 0, 1)
        self.stillness = require_range("stillness", stillness, 0)
        if self.fear_on == "quantile" and "fear" in self.affect_config.shuffled:
            raise ValueError(
                "affect.shuffled: got 'fear' with fear_on='quantile', expected fear_on='action', "
                "because only wishes are shuffled in time, and a quantile is none"
            )
        try:
            super().__init__(*args, **{**kwargs, "_init_setup_model": False})
        except AssertionError as error:
            raise ValueError(f"env: {error}") from None
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        actions = self.action_space
        if not isinstance(actions, spaces.Discrete) or actions.start != 0:
            raise ValueError(f"env: got the action space {actions}, expected Discrete that starts at 0")
        super()._setup_model()
        check_salience(self.affect_config, self.replay_buffer)
        if is_plain_adam(self.policy.optimizer):
            self.policy.optimizer = FlatAdam.like(self.policy.optimizer)
        self.online, self.target = QuantileValues(self.quantile_net), QuantileValues(self.quantile_net_target)
        self._learning = QuantileLearning(
            self.online, self.target, self.policy.optimizer, max_grad_norm=self.max_grad_norm
        )
        self._build_affect(int(actions.n))

    def _build_affect(self, actions: int) -> None:
        first = secrets.randbelow(2**31) if self.seed is None else self.seed
        seeds = [first + index for index in range(self.n_envs)]
        self._streams = Streams(seeds, 2, purpose=3, device=self.device)
        self._predict_streams = Streams(seeds[:1], 2, purpose=2, device=self.device)
        self._acted: tuple[Tensor, Tensor] | None = None
        self._unfinished = (0, 0)
        self.last_checkpoint: Path | None = None
        """The file that was saved or loaded last."""
        affect, fear = self.affect_config, self.affect_config.fear
        if affect.is_plain:
            self._feelings = None
            self.affect = AffectSystem(affect, self.n_envs, actions=actions, keys=1, device=self.device)
            return
        if fear is not None and self.fear_on == "quantile":  # fear acts once
            affect = dataclasses.replace(affect, fear=dataclasses.replace(fear, caution=0.0))
        self._feelings = Feelings(
            affect,
            cast(ValueNetwork, self.online),
            cast(ValueNetwork, self.target),
            environments=self.n_envs,
            actions=actions,
            discount=self.gamma,
            double=False,
            fear_on="target" if self.fear_on == "target" else "action",
            stillness=self.stillness,
            device=self.device,
        )
        self.affect = self._feelings.system

    # ------------------------------------------------------------------ learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "EmotionalQRDQN",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> EmotionalQRDQN:
        """Act and learn for `total_timesteps` steps of all environments together; see `EmotionalDQN.learn`.

        Raises:
            NotFiniteError: an observation, a reward, a loss or a weight is NaN or infinite.
        """
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )

    def dump_logs(self) -> None:
        """Write the log, with the mean over environments of what the last step was to every level."""
        record_signals(self)
        super().dump_logs()

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Make gradient steps on minibatches of the replay buffer."""
        self._set_training_mode(True)
        optimizer, buffer = self.policy.optimizer, self.replay_buffer
        assert buffer is not None
        self._update_learning_rate(optimizer)
        if isinstance(optimizer, FlatAdam):
            optimizer.flatten()
        losses: list[Tensor] = []
        for _ in range(gradient_steps):
            self._learn_from(sample(buffer, batch_size, self._vec_normalize_env, self.gamma), losses)
        if self._feelings is not None:
            self._feelings.forget_features()
        self._check_learned(torch.stack(losses))
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(torch.stack(losses).double().mean()))

    def _learn_from(self, batch: Minibatch, losses: list[Tensor]) -> None:
        """Make one gradient step and add its loss to `losses`."""
        weights, penalty = weigh(self._feelings, batch)
        loss, error = self._learning.step(batch, weights=weights, penalty=penalty)
        losses.append(loss)
        prioritise(self.replay_buffer, batch, loss, error, lambda: self._check_learned(torch.stack(losses)))

    def _check_learned(self, losses: Tensor) -> None:
        check_losses(losses, self.num_timesteps, self.last_checkpoint)
        optimizer = self.policy.optimizer
        if not isinstance(optimizer, FlatAdam) or not bool(optimizer.values.isfinite().all()):
            check_tensors(self.quantile_net.named_parameters(), self.num_timesteps, self.last_checkpoint)

    def _set_training_mode(self, mode: bool) -> None:
        if self.online.mlp is None:  # nothing in a plain perceptron knows about modes
            self.policy.set_training_mode(mode)

    def _on_step(self) -> None:
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self._learning.following.update(self.tau)
            polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    # ------------------------------------------------------------------ acting

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: ReplayBuffer,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """Act for as long as `train_freq` says, and store what came of it; see `rollouts.collect`."""
        return collect(
            self, env, callback, train_freq, replay_buffer, action_noise, learning_starts, log_interval
        )

    def _store_transition(self, *step: Any) -> None:
        store_step(self, *step)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[Actions, Actions]:
        warm = self.num_timesteps >= learning_starts
        uniform, epsilon = (np.random.rand(), self.exploration_rate) if warm else (0.0, np.inf)  # noqa: NPY002
        if self._feelings is not None:
            actions = self._choose(self._feelings, epsilon, uniform, n_envs)
        elif uniform < epsilon:
            actions = self._draw(n_envs)
        else:
            with torch.no_grad():
                actions = self.online(self._tensors(self._last_obs)).argmax(1).cpu().numpy()
        return actions, actions

    def _choose(self, feelings: Feelings, epsilon: float, uniform: float, n_envs: int) -> Actions:
        observations = self._tensors(self._last_obs)
        key, values = feelings.perceive(observations)
        if self._looks_at_risk:
            values = self._scores(observations, values, self._fear(key[:, None])[:, 0])
        self._acted = choose(
            values, feelings.drive(key), epsilon, uniform, lambda: self._draw(n_envs), self._streams.next
        )
        actions: Actions = self._acted[0].cpu().numpy()
        return actions

    @property
    def _looks_at_risk(self) -> bool:
        return self.fear_on == "quantile" and self.risk > 0 and self.affect_config.fear is not None

    @torch.no_grad()
    def _fear(self, key: Tensor) -> Tensor:
        """Return how far environments fear actions in states, [P, n, A] for keys [P or 1, n, K]."""
        level = self.affect.level("fear")
        fear: Tensor = (key @ level.memory.M.mT).clamp(0, 1)
        trust = self.affect.weight(level)
        return fear if trust is None else fear * trust[:, None, None]

    @torch.no_grad()
    def _scores(self, observations: Observations, values: Tensor, fear: Tensor) -> Tensor:
        """Return what actions are compared by, [n, A], for their means and the fear of them, [n, A] each."""
        felt = fear.gather(1, values.argmax(1, keepdim=True)).squeeze(1)
        if not bool(felt.any()):
            return values
        return risk_scores(self.online.quantiles(observations), 1 - self.risk * felt)

    def _draw(self, number: int) -> Actions:
        return np.array([self.action_space.sample() for _ in range(number)])

    def _tensors(self, observations: Any) -> Observations:
        """Return observations of a vector of environments as the network takes them."""
        if self.online.is_vector:
            return torch.from_numpy(observations).to(self.device)
        return self.policy.obs_to_tensor(observations)[0]

    def _feel(
        self, new_obs: Any, rewards: NDArray[Any], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> None:
        """Let affect take in the step that has just been made."""
        if self._feelings is None or self._acted is None:
            return
        before, after, *rest = step_tensors(self, new_obs, rewards, dones, infos)
        self._feelings.appraise(before, after, *self._acted, *rest)
        mark_salience(self.replay_buffer, self.affect, infos)

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions as the agent is now; nothing is learned and no affective state moves.

        What the environments fear and want is averaged; see `EmotionalDQN.predict`.

        Args:
            observation: one, or as many as there are, as Stable-Baselines3 takes them.
            state: passed through.
            episode_start: not used.
            deterministic: greedy if True, with exploration if False.

        Returns:
            Actions of as many observations, and `state`.
        """
        if self._feelings is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.policy.set_training_mode(False)
        tensors, several = self.policy.obs_to_tensor(observation)
        key, values = self._feelings.look(tensors)
        uniform, epsilon = (1.0, 0.0) if deterministic else (np.random.rand(), self.exploration_rate)  # noqa: NPY002
        if self._looks_at_risk:
            values = self._scores(tensors, values, self._fear(key[None]).mean(0))

        def second() -> Tensor:
            return torch.cat([self._predict_streams.next() for _ in values])

        drive = self._feelings.mean_drive(key)
        action, _ = choose(values, drive, epsilon, uniform, lambda: self._draw(len(values)), second)
        actions = action.cpu().numpy()
        return (actions if several else actions[0]), state

    def _forget_features(self) -> None:
        if self._feelings is not None:
            self._feelings.forget_features()

    # ------------------------------------------------------------------ files

    def _saved_parts(self) -> Parts:
        return Parts(_ARGUMENTS, _COUNTERS, {"optimizer": self.policy.optimizer}, {})

    def _excluded_save_params(self) -> list[str]:
        own = ["online", "target", "_learning", "_feelings", "_streams", "_predict_streams"]
        return [*super()._excluded_save_params(), *own, "_acted"]
