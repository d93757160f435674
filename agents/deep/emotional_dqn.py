"""DQN with affect: Stable-Baselines3's verbs and parts, its numbers at level 0, and less time a step."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn, TrainFreq
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.deep.choice import choose
from emotional_ed.agents.deep.deep_sleep import DeepSleepConfig
from emotional_ed.agents.deep.feelings import Feelings, check_affect, needs_heads
from emotional_ed.agents.deep.finite import check_losses, check_tensors
from emotional_ed.agents.deep.flat_adam import FlatAdam, is_plain_adam
from emotional_ed.agents.deep.heads import Heads
from emotional_ed.agents.deep.lessons import Lessons
from emotional_ed.agents.deep.model_file import (
    DQN_ARGUMENTS,
    DQN_COUNTERS,
    Parts,
)
from emotional_ed.agents.deep.replay import Observations
from emotional_ed.agents.deep.resuming import Resuming
from emotional_ed.agents.deep.rollouts import (
    collect,
    mark_salience,
    step_tensors,
    store_step,
)
from emotional_ed.agents.deep.value_learning import ValueLearning
from emotional_ed.agents.deep.value_network import ValueNetwork
from emotional_ed.agents.signal_log import tags_of
from emotional_ed.checks import require_choice, require_range
from emotional_ed.streams import Streams

Actions = NDArray[np.int64]


@final
class EmotionalDQN(Resuming, DQN):
    """Stable-Baselines3's DQN, with affect.

    Equation:
        y = r + discount (1 - terminated) max_a' Q_target(s', a')
        L = mean w huber(Q(s, a) - y)             w = 1 + step_gain H(s, a), H the fear that (s, a) recalls
        act: argmax_a Q(s, a) + bias(a), at random with probability epsilon exploration, weights 1 - avoidance

    Everything that Stable-Baselines3 has for DQN works with it: policies, vectors of environments, callbacks,
    schedules, its logger, `learn`, `predict`, `evaluate_policy`. `AffectConfig.levels(0)` is its DQN from the
    same seed: the same actions, and parameters that differ by rounding, in less time.

    Emotion acts on the choice of actions and on sample weights or targets, never on the optimizer's learning
    rate, which Adam would cancel, and never twice. The step gains of arousal and anger, which would be the
    same for a whole minibatch, have no effect here for that reason.

    Recall's memories of values are heads on the network's features, one for each situation that it tells
    apart (see `Heads`). A head in use chooses and makes targets; a replayed transition teaches the head that
    it was lived with. Environments share the heads, and each has its own evidence for which one to use.

    With `replay_buffer_class=SalienceReplayBuffer` replay is prioritised: importance weights multiply the
    loss, errors become priorities, and affect's salience of a step, or else its standardised surprise, is its
    salience. With `sleep` the agent also learns between episodes (see `DeepSleep`).

    Args:
        *args: everything that `stable_baselines3.DQN` takes, at the same places: policy, env, ...
        affect: which levels of affect; the emotions of level 1 by default.
        double: whether the online network chooses the next action of a target (double DQN).
        fear_on: "action": fear lowers the scores of actions; "target": it lowers the targets of replay.
        stillness: observations of real numbers count as unchanged if their keys are no further apart, >= 0.
        reluctance: how many times more evidence a new head needs than an old one, beyond the reluctance of
            `RecallConfig`, in [0, 1e6]: some of a network's surprise is its own learning.
        sleep: how long to sleep between episodes; None never does. It needs a `SalienceReplayBuffer`.
        **kwargs: everything that `stable_baselines3.DQN` takes, by name.

    Raises:
        ValueError: a space, a number or a part of `affect` that a deep Q-network cannot serve.
        NotFiniteError: while learning, an observation, a reward, a loss or a weight is NaN or infinite.

    Source: Mnih et al. (2015), Nature 518; for fear on targets Lipton et al. (2016), arXiv 1611.01211.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(1), seed=0)
        >>> model = model.learn(200)
        >>> model.num_timesteps
        200
    """

    def __init__(
        self,
        *args: Any,
        affect: AffectConfig | None = None,
        double: bool = False,
        fear_on: str = "action",
        stillness: float = 1e-3,
        reluctance: float = 2.0,
        sleep: DeepSleepConfig | None = None,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.affect_config = check_affect(AffectConfig.levels(1) if affect is None else affect, heads=True)
        self.double = bool(double)
        self.fear_on = require_choice("fear_on", fear_on, ("action", "target"))
        self.stillness = require_range("stillness", stillness, 0)
        self.reluctance = require_range("reluctance", reluctance, 0, 1e6)
        if sleep is not None and not isinstance(sleep, DeepSleepConfig):
            raise ValueError(f"sleep: got {sleep!r}, expected a DeepSleepConfig or None")
        self.sleep = sleep
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
        if is_plain_adam(self.policy.optimizer):
            self.policy.optimizer = FlatAdam.like(self.policy.optimizer)
        self._build_learning()
        self._build_affect(int(actions.n))
        self._build_lessons()

    def _build_learning(self) -> None:
        self.online, self.target = ValueNetwork(self.q_net), ValueNetwork(self.q_net_target)
        self._heads: Heads | None = None
        recall = self.affect_config.recall
        if needs_heads(self.affect_config):
            self._heads = Heads(self.online, self.target, 1 if recall is None else recall.slots)
            self._heads.to(self.device)
            arguments = {"lr": self.lr_schedule(1), **self.policy.optimizer_kwargs}
            self._heads.learn_with(self.policy.optimizer, self.policy.optimizer_class, arguments)
        self._learning = ValueLearning(
            self.online,
            self.target,
            self.policy.optimizer,
            max_grad_norm=self.max_grad_norm,
            double=self.double,
            heads=self._heads,
        )

    def _build_lessons(self) -> None:
        assert self.replay_buffer is not None
        self._lessons = Lessons(
            self._learning,
            self.replay_buffer,
            self._feelings,
            self.sleep,
            batch_size=self.batch_size,
            discount=self.gamma,
            seed=self._streams.seeds[0],
        )

    def _build_affect(self, actions: int) -> None:
        first = secrets.randbelow(2**31) if self.seed is None else self.seed
        seeds = [first + index for index in range(self.n_envs)]
        self._streams = Streams(seeds, 2, purpose=3, device=self.device)
        self._predict_streams = Streams(seeds[:1], 2, purpose=2, device=self.device)
        self._acted: tuple[Tensor, Tensor] | None = None
        self._unfinished = (0, 0)
        self.last_checkpoint: Path | None = None
        """The file that was saved or loaded last."""
        if self.affect_config.is_plain:
            self._feelings = None
            self.affect = AffectSystem(
                self.affect_config, self.n_envs, actions=actions, keys=1, device=self.device
            )
            return
        self._feelings = Feelings(
            self.affect_config,
            self.online,
            self.target,
            environments=self.n_envs,
            actions=actions,
            discount=self.gamma,
            double=self.double,
            fear_on=self.fear_on,
            stillness=self.stillness,
            device=self.device,
            heads=self._heads,
            reluctance=self.reluctance,
        )
        self.affect = self._feelings.system

    # ------------------------------------------------------------------ learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "EmotionalDQN",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> EmotionalDQN:
        """Act and learn for `total_timesteps` steps of all environments together, as Stable-Baselines3 does.

        Args:
            total_timesteps: a lower bound; the last rollout is finished.
            callback: Stable-Baselines3's, one or a list.
            log_interval: episodes between two points in the log.
            tb_log_name: name of the TensorBoard run.
            reset_num_timesteps: count anew, in new episodes; False goes on where the last call stopped.
            progress_bar: show one.

        Raises:
            NotFiniteError: an observation, a reward, a loss or a weight is NaN or infinite.
        """
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )

    def dump_logs(self) -> None:
        """Write the log, with the mean over environments of what the last step was to every level."""
        for tag, value in tags_of(self.affect.signals).items():
            self.logger.record(tag, value)
        for name, count in self.affect.nest.update_counts().items():
            self.logger.record(f"updates/{name}", float(count.double().mean()))
        if self._lessons.sleep is not None:
            self.logger.record("updates/sleep", self._lessons.sleep.slept)
        super().dump_logs()

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Make gradient steps on minibatches of the replay buffer, and sleep if a night is due."""
        self._set_training_mode(True)
        optimizer, normalize = self.policy.optimizer, self._vec_normalize_env
        heads = None if self._heads is None else self._heads.optimizer
        self._update_learning_rate(optimizer if heads is None else [optimizer, heads])
        if isinstance(optimizer, FlatAdam):
            optimizer.flatten()
        losses = self._lessons.study(gradient_steps, batch_size, normalize, self._check_learned)
        losses += self._lessons.night(self.num_timesteps, normalize)
        if self._feelings is not None:
            self._feelings.forget_features()
        self._check_learned(torch.stack(losses))
        self._n_updates += len(losses)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(torch.stack(losses).double().mean()))

    def _check_learned(self, losses: Tensor) -> None:
        check_losses(losses, self.num_timesteps, self.last_checkpoint)
        optimizer = self.policy.optimizer
        if not isinstance(optimizer, FlatAdam) or not bool(optimizer.values.isfinite().all()):
            check_tensors(self.q_net.named_parameters(), self.num_timesteps, self.last_checkpoint)

    def _set_training_mode(self, mode: bool) -> None:
        if self.online.mlp is None:  # nothing in a plain perceptron knows about modes
            self.policy.set_training_mode(mode)

    def _on_step(self) -> None:
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self._learning.update_target(self.tau)
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
        """Act for as long as `train_freq` says, and store what came of it.

        As in Stable-Baselines3, but that a step on which a callback stops learning is stored all the same:
        going on afterwards, with
        `reset_num_timesteps=False`, misses nothing and finishes the rollout.
        """
        return collect(
            self, env, callback, train_freq, replay_buffer, action_noise, learning_starts, log_interval
        )

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Any,
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        row = replay_buffer.pos
        store_step(self, replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._lessons.remember(row, dones)

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
        key, values = feelings.perceive(self._tensors(self._last_obs))
        self._acted = choose(
            values, feelings.drive(key), epsilon, uniform, lambda: self._draw(n_envs), self._streams.next
        )
        actions: Actions = self._acted[0].cpu().numpy()
        return actions

    def _draw(self, number: int) -> Actions:
        return np.array([self.action_space.sample() for _ in range(number)])

    def _tensors(self, observations: Any) -> Observations:
        """Return observations of a vector of environments as the network takes them."""
        if self.online.is_vector:
            return torch.from_numpy(observations).to(self.device)
        return self.policy.obs_to_tensor(observations)[0]

    def _feel(
        self,
        new_obs: Any,
        rewards: NDArray[np.float32],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Let affect take in the step that has just been made."""
        if self._feelings is None or self._acted is None:
            return
        before, after, *came = step_tensors(self, new_obs, rewards, dones, infos)
        self._feelings.appraise(before, after, *self._acted, *came)
        self._lessons.forget(self._feelings.begun)
        mark_salience(self.replay_buffer, self.affect, infos)

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions as the agent is now; nothing is learned and no affective state moves.

        Fear, curiosity and moods of all environments are averaged. Persistence against a block belongs to
        the running episodes of `learn` and is left out.

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

    def load_replay_buffer(self, path: Any, truncate_last_traj: bool = True) -> None:
        """Load a buffer that `save_replay_buffer` wrote; all of it counts as lived with the first memory."""
        super().load_replay_buffer(path, truncate_last_traj)
        self._build_lessons()

    def _saved_parts(self) -> Parts:
        """Return what a file holds of this agent beside what all deep agents have."""
        optimizers = {"optimizer": self.policy.optimizer}
        if self._heads is not None and self._heads.optimizer is not None:
            optimizers["heads_optimizer"] = self._heads.optimizer
        slow = None if self._feelings is None else self._feelings.slow
        tensors = self._lessons.tensors()
        for title, one in (("heads", self._heads), ("slow", slow)):
            if one is not None:
                tensors |= {f"{title}/{name}": tensor for name, tensor in one.tensors().items()}
        return Parts((*DQN_ARGUMENTS, "reluctance", "sleep"), DQN_COUNTERS, optimizers, tensors)

    def _excluded_save_params(self) -> list[str]:
        return [
            *super()._excluded_save_params(),
            "online",
            "target",
            "_learning",
            "_heads",
            "_lessons",
            "_feelings",
            "_streams",
            "_predict_streams",
            "_acted",
        ]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, others = super()._get_torch_save_params()
        heads = [] if self._heads is None else ["_heads"]
        return [*names, *heads], others
