"""SAC with affect: for actions that are vectors of real numbers."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn, TrainFreq
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem, Drive
from emotional_ed.agents.deep.feelings import check_affect
from emotional_ed.agents.deep.finite import check_losses, check_tensors
from emotional_ed.agents.deep.flat_adam import FlatAdam, is_plain_adam
from emotional_ed.agents.deep.minibatches import prioritise, weigh
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.replay import Minibatch, Observations, sample
from emotional_ed.agents.deep.resuming import Resuming
from emotional_ed.agents.deep.rollouts import (
    check_salience,
    collect,
    mark_salience,
    record_signals,
    step_tensors,
    store_step,
)
from emotional_ed.agents.deep.soft_choice import choose_among, normals, wanted
from emotional_ed.agents.deep.soft_feelings import SoftFeelings
from emotional_ed.agents.deep.soft_learning import Losses, SoftLearning
from emotional_ed.agents.deep.soft_networks import Normal, SoftNetworks
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.streams import Streams

Actions = NDArray[Any]

_ARGUMENTS = (
    "learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma", "gradient_steps",
    "replay_buffer_class", "replay_buffer_kwargs", "optimize_memory_usage", "n_steps", "ent_coef",
    "target_update_interval", "target_entropy", "tensorboard_log", "policy_kwargs", "verbose", "seed",
    "fear_on", "proposals", "stillness",
)  # fmt: skip
_COUNTERS = (
    "num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_episode_num", "_n_updates",
    "_current_progress_remaining", "_unfinished",
)  # fmt: skip


@final
class EmotionalSAC(Resuming, SAC):
    """Stable-Baselines3's SAC, with affect.

    Equation:
        y = r + discount (1 - terminated) (min_i Q'_i(s', a') - alpha log pi(a'|s')),   a' ~ pi(s')
        L = 1/2 sum_i mean w (Q_i(s, a) - y)^2;   w = 1 + step_gain H(s, a), H the fear that (s, a) recalls
        act: a ~ tanh(mean + sqrt(exploration) std normal), kept with probability
             (1 - avoidance) exp(min(bias, 0) / alpha), else another is proposed, `proposals` at most

    SAC's policy is proportional to exp(Q / alpha). Kept with this probability, its actions are those of the
    policy for Q + bias: what lowers the score of an action in `EmotionalDQN` does the same here. Exploration
    is the temperature that an action is drawn at. Anger repeats the action before. The learning rates and
    the learned temperature are left alone.

    Everything that Stable-Baselines3 has for SAC works with it, as for `EmotionalDQN`, but for action noise
    and gSDE. `AffectConfig.levels(0)` is its SAC from the same seed: the same random numbers, and networks
    and actions that differ by rounding.

    Args:
        *args: everything that `stable_baselines3.SAC` takes, at the same places: policy, env, ...
        affect: which levels of affect; the emotions of level 1 by default.
        fear_on: "action": fear turns proposals down; "target": it lowers the targets of replay.
        proposals: how many actions are proposed at most, >= 1; 1 takes the first whatever is felt.
        stillness: observations of real numbers count as unchanged if the actor's normalized features of them
            are no further apart, >= 0.
        **kwargs: everything that `stable_baselines3.SAC` takes, by name.

    Raises:
        ValueError: a space, a number, an option or a part of `affect` that cannot be served.
        NotFiniteError: while learning, an observation, a reward, a loss or a weight is NaN or infinite.

    When it does harm: fear of an action in one state is fear of what the critic's features take for the
    same; early on, when they tell little apart, it is fear of too much.

    Source: Haarnoja et al. (2018), arXiv 1812.05905.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> model = EmotionalSAC("MlpPolicy", "Pendulum-v1", affect=AffectConfig.levels(1), seed=0)
        >>> model = model.learn(120)
        >>> model.num_timesteps
        120
    """

    def __init__(
        self,
        *args: Any,
        affect: AffectConfig | None = None,
        fear_on: str = "action",
        proposals: int = 8,
        stillness: float = 1e-3,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.affect_config = check_affect(AffectConfig.levels(1) if affect is None else affect)
        if self.affect_config.curiosity is not None:
            raise ValueError(
                f"affect.curiosity: got {self.affect_config.curiosity!r}, expected None for EmotionalSAC, "
                "because it compares actions of a list"
            )
        self.fear_on = require_choice("fear_on", fear_on, ("action", "target"))
        self.proposals = require_int("proposals", proposals, 1)
        self.stillness = require_range("stillness", stillness, 0)
        try:
            super().__init__(*args, **{**kwargs, "_init_setup_model": False})
        except AssertionError as error:
            raise ValueError(f"env: {error}") from None
        for name, usual in (("action_noise", None), ("use_sde", False)):
            if getattr(self, name) != usual:
                raise ValueError(
                    f"{name}: got {getattr(self, name)}, expected {usual}, because affect bends the draws of "
                    "SAC's own policy"
                )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        actions = self.action_space
        if not isinstance(actions, spaces.Box):
            raise ValueError(f"env: got the action space {actions}, expected a Box")
        super()._setup_model()
        check_salience(self.affect_config, self.replay_buffer)
        for network in (self.actor, self.critic):
            if is_plain_adam(network.optimizer):
                network.optimizer = FlatAdam.like(network.optimizer)
        if self.ent_coef_optimizer is not None and is_plain_adam(self.ent_coef_optimizer):
            self.ent_coef_optimizer = FlatAdam.like(self.ent_coef_optimizer)
        self.networks = SoftNetworks(self.policy)
        self._learning = SoftLearning(
            self.networks,
            log_temperature=self.log_ent_coef,
            temperature=None if self.log_ent_coef is not None else self.ent_coef_tensor,
            temperature_optimizer=self.ent_coef_optimizer,
            target_entropy=float(self.target_entropy),
        )
        self._build_affect(int(np.prod(actions.shape)))

    def _build_affect(self, actions: int) -> None:
        first = secrets.randbelow(2**31) if self.seed is None else self.seed
        seeds = [first + index for index in range(self.n_envs)]
        width = 1 + 2 * actions  # to keep or turn down, and to propose anew
        self._streams = Streams(seeds, width, purpose=3, device=self.device)
        self._predict_streams = Streams(seeds[:1], width, purpose=2, device=self.device)
        self._previous = torch.zeros(self.n_envs, actions, device=self.device)
        self._acted: tuple[Tensor, Tensor] | None = None
        self._unfinished = (0, 0)
        self.last_checkpoint: Path | None = None
        """The file that was saved or loaded last."""
        self._feelings: SoftFeelings | None = None
        if self.affect_config.is_plain:
            self.affect = AffectSystem(self.affect_config, self.n_envs, actions=1, keys=1, device=self.device)
            return
        self._feelings = SoftFeelings(
            self.affect_config,
            self.networks,
            environments=self.n_envs,
            actions=actions,
            discount=self.gamma,
            temperature=lambda: self._learning.temperature,
            fear_on=self.fear_on,
            stillness=self.stillness,
            space=self.observation_space,
            device=self.device,
        )
        self.affect = self._feelings.system

    # ------------------------------------------------------------------ learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "EmotionalSAC",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> EmotionalSAC:
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

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps on minibatches of the replay buffer."""
        self._set_training_mode(True)
        optimizers, buffer = self._optimizers(), self.replay_buffer
        assert buffer is not None
        self._update_learning_rate(list(optimizers.values()))
        for optimizer in optimizers.values():
            if isinstance(optimizer, FlatAdam):
                optimizer.flatten()
        losses: list[Losses] = []
        for index in range(gradient_steps):
            self._learn_from(sample(buffer, batch_size, self._vec_normalize_env, self.gamma), losses)
            if index % self.target_update_interval == 0:
                self._learning.following.update(self.tau)
                polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self._check_learned(losses)
        self._n_updates += gradient_steps
        self._record_losses(losses)

    def _learn_from(self, batch: Minibatch, losses: list[Losses]) -> None:
        """Make one gradient step and add its losses to `losses`."""
        weights, penalty = weigh(self._feelings, batch)
        loss, error = self._learning.step(batch, weights=weights, penalty=penalty)
        losses.append(loss)
        prioritise(self.replay_buffer, batch, loss.critic, error, lambda: self._check_learned(losses))

    def _check_learned(self, losses: list[Losses]) -> None:
        whole = torch.stack([one.critic + one.actor for one in losses])
        check_losses(whole, self.num_timesteps, self.last_checkpoint)
        flat = [one for one in (self.actor.optimizer, self.critic.optimizer) if isinstance(one, FlatAdam)]
        if len(flat) < 2 or not all(bool(one.values.isfinite().all()) for one in flat):
            check_tensors(self.policy.named_parameters(), self.num_timesteps, self.last_checkpoint)

    def _record_losses(self, losses: list[Losses]) -> None:
        means = {
            "train/ent_coef": torch.stack([one.temperature for one in losses]),
            "train/actor_loss": torch.stack([one.actor for one in losses]),
            "train/critic_loss": torch.stack([one.critic for one in losses]),
        }
        learned = [one.temperature_loss for one in losses if one.temperature_loss is not None]
        if learned:
            means["train/ent_coef_loss"] = torch.stack(learned)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in means.items():
            self.logger.record(name, float(values.double().mean()))

    def _set_training_mode(self, mode: bool) -> None:
        self.policy.set_training_mode(mode)

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        found = {"actor_optimizer": self.actor.optimizer, "critic_optimizer": self.critic.optimizer}
        if self.ent_coef_optimizer is not None:
            found["temperature_optimizer"] = self.ent_coef_optimizer
        return found

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
        if self._feelings is None:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        random = self._draw(n_envs) if self.num_timesteps < learning_starts else None
        with torch.inference_mode():
            action = self._choose(self._feelings, random)
        stored = action.cpu().numpy().reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        if random is None:  # as Stable-Baselines3 does, to the last bit
            stored = self.policy.scale_action(self.policy.unscale_action(stored))
        return self.policy.unscale_action(stored), stored

    def _choose(self, feelings: SoftFeelings, random: Tensor | None) -> Tensor:
        """Choose an action in [-1, 1] for every environment, of `random` ones if they are given."""
        observations = self._tensors(self._last_obs)
        policy = self.networks.actions(observations)
        drive = feelings.drive(observations, policy.mean.tanh())
        heat = drive.exploration

        def propose(uniform: Tensor) -> Tensor:
            if random is not None:
                return 2 * uniform[:, : random.shape[1]] - 1
            return policy.action(normals(uniform), heat)

        def weigh(action: Tensor) -> Tensor | None:
            return self._weight(feelings.drive(observations, action))

        first = policy.action(policy.draw(), heat) if random is None else random
        action = choose_among(first, propose, weigh, self._streams.next, self.proposals)
        if drive.persist is not None:
            action = torch.where(drive.persist[:, None], self._previous, action)
        self._previous.copy_(action)
        self._acted = action, feelings.is_best(observations, action, policy)
        return action

    def _weight(self, drive: Drive) -> Tensor | None:
        """Return how probably an action is kept, [n], for what affect wants of it."""
        avoidance = None if drive.avoidance is None else drive.avoidance[:, 0]
        bias = None if drive.bias is None else drive.bias[:, 0]
        return wanted(avoidance, bias, self._learning.temperature)

    def _draw(self, number: int) -> Tensor:
        drawn = np.array([self.action_space.sample() for _ in range(number)])
        scaled = self.policy.scale_action(drawn)
        return torch.from_numpy(np.asarray(scaled, dtype=np.float32)).to(self.device).flatten(1)

    def _tensors(self, observations: Any) -> Observations:
        """Return observations of a vector of environments as the networks take them."""
        return self.policy.obs_to_tensor(observations)[0]

    def _feel(
        self, new_obs: Any, rewards: NDArray[Any], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> None:
        """Let affect take in the step that has just been made."""
        if self._feelings is None or self._acted is None:
            return
        before, after, *rest = step_tensors(self, new_obs, rewards, dones, infos)
        normal = normals(self._streams.next()[:, 1:])
        self._feelings.appraise(before, after, *self._acted, normal, *rest)
        mark_salience(self.replay_buffer, self.affect, infos)

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions as the agent is now; nothing is learned and no affective state moves.

        What the environments fear and want is averaged. Persistence against a block belongs to the running
        episodes of `learn` and is left out. Deterministic means the mode of the policy, and where that is
        feared the likeliest, weighed by fear, of it and a few proposals that are always the same.

        Args:
            observation: one, or as many as there are, as Stable-Baselines3 takes them.
            state: passed through.
            episode_start: not used.
            deterministic: the most likely action if True, a drawn one if False.

        Returns:
            Actions of as many observations, and `state`.
        """
        if self._feelings is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.policy.set_training_mode(False)
        tensors, several = self.policy.obs_to_tensor(observation)
        with torch.inference_mode():
            action = self._predicted(self._feelings, tensors, deterministic)
        shaped = action.cpu().numpy().reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        actions: Actions = self.policy.unscale_action(shaped)
        return (actions if several else actions.squeeze(axis=0)), state

    def _predicted(self, feelings: SoftFeelings, observations: Observations, deterministic: bool) -> Tensor:
        policy = self.networks.actions(observations)
        number = len(policy.mean)

        def weigh(action: Tensor) -> Tensor | None:
            return self._weight(feelings.mean_drive(observations, action))

        if deterministic:
            return _likeliest(policy, weigh, self._fixed_proposals())
        heat = feelings.mean_drive(observations, policy.mean.tanh()).exploration

        def draw() -> Tensor:
            return torch.cat([self._predict_streams.next() for _ in range(number)])

        def propose(uniform: Tensor) -> Tensor:
            return policy.action(normals(uniform), heat)

        first = policy.action(policy.draw(), heat)
        return choose_among(first, propose, weigh, draw, self.proposals)

    def _fixed_proposals(self) -> Tensor:
        """Return the standard normal numbers of deterministic proposals, [`proposals` - 1, D]."""
        streams = Streams([0], self._streams.width, purpose=4, device=self.device)
        rows = [streams.next()[:, 1:] for _ in range(self.proposals - 1)]
        return normals(torch.cat(rows)) if rows else self._previous[:0]

    # ------------------------------------------------------------------ files

    def _saved_parts(self) -> Parts:
        tensors = {"previous": self._previous}
        if self.log_ent_coef is not None:
            tensors["log_ent_coef"] = self.log_ent_coef
        return Parts(_ARGUMENTS, _COUNTERS, self._optimizers(), tensors)

    def _excluded_save_params(self) -> list[str]:
        own = ["networks", "_learning", "_feelings", "_streams", "_predict_streams", "_previous", "_acted"]
        return [*super()._excluded_save_params(), *own]


def _likeliest(policy: Normal, weigh: Any, normal: Tensor) -> Tensor:
    """Return the mode of a policy, or the likeliest of it and `normal` [N, D] once affect has weighed them.

    Equation:
        argmax_j log w(s, a_j) - |normal_j|^2 / 2,   normal_0 = 0
    """
    chosen = policy.mean.tanh()
    weights: Tensor | None = weigh(chosen)
    if weights is None or bool((weights >= 1).all()):
        return chosen
    best = weights.log()
    for one in normal:
        action = policy.action(one.expand_as(policy.mean))
        score = weigh(action).log() - one.square().sum() / 2
        chosen = torch.where((score > best)[:, None], action, chosen)
        best = torch.maximum(score, best)
    return chosen
