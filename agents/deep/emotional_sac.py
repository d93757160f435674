"""SAC with affect: for actions that are vectors of real numbers."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from emotional_ed.affect import AffectConfig, Drive
from emotional_ed.agents.deep.emotional_agent import Actions, EmotionalAgent
from emotional_ed.agents.deep.finite import check_learned
from emotional_ed.agents.deep.flat_adam import flattened
from emotional_ed.agents.deep.minibatches import prioritise, weigh
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.replay import Observations, sample
from emotional_ed.agents.deep.soft_choice import choose_among, likeliest, normals, wanted
from emotional_ed.agents.deep.soft_feelings import SoftFeelings
from emotional_ed.agents.deep.soft_learning import Losses, SoftLearning, mean_losses
from emotional_ed.agents.deep.soft_networks import SoftNetworks
from emotional_ed.checks import require_choice, require_int
from emotional_ed.streams import Streams


@final
class EmotionalSAC(EmotionalAgent, SAC):
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
        stillness: observations of real numbers count as unchanged if the actor's hidden features change by no
            more than this share of their length, >= 0.
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

    _feelings: SoftFeelings | None

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
        self.fear_on = require_choice("fear_on", fear_on, ("action", "target"))
        self.proposals = require_int("proposals", proposals, 1)
        super().__init__(*args, affect=affect, stillness=stillness, **kwargs)
        if self.affect_config.curiosity is not None:
            raise ValueError(
                f"affect.curiosity: got {self.affect_config.curiosity!r}, expected None for EmotionalSAC, "
                "because it compares actions of a list"
            )
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
        for network in (self.actor, self.critic):
            network.optimizer = flattened(network.optimizer)
        if self.ent_coef_optimizer is not None:
            self.ent_coef_optimizer = flattened(self.ent_coef_optimizer)
        self.networks = SoftNetworks(self.policy)
        self._learning = SoftLearning(
            self.networks,
            log_temperature=self.log_ent_coef,
            temperature=None if self.log_ent_coef is not None else self.ent_coef_tensor,
            temperature_optimizer=self.ent_coef_optimizer,
            target_entropy=float(self.target_entropy),
        )
        numbers = int(np.prod(actions.shape))
        self._previous = torch.zeros(self.n_envs, numbers, device=self.device)
        self._build_affect(width=1 + 2 * numbers)  # to keep or turn down, and to propose anew

    def _make_feelings(self) -> SoftFeelings:
        return SoftFeelings(
            self.affect_config,
            self.networks,
            environments=self.n_envs,
            actions=self._previous.shape[1],
            discount=self.gamma,
            temperature=lambda: self._learning.temperature,
            fear_on=self.fear_on,
            stillness=self.stillness,
            space=self.observation_space,
            device=self.device,
        )

    # ------------------------------------------------------------------ learning

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps on minibatches of the replay buffer."""
        self._begin_training()
        buffer = self.replay_buffer
        assert buffer is not None
        losses: list[Losses] = []
        for index in range(gradient_steps):
            batch = sample(buffer, batch_size, self._vec_normalize_env, self.gamma)
            weights, penalty = weigh(self._feelings, batch)
            loss, error = self._learning.step(batch, weights=weights, penalty=penalty)
            losses.append(loss)
            prioritise(buffer, batch, loss.critic, error, lambda: self._check_learned(losses))
            if index % self.target_update_interval == 0:
                self._learning.following.update(self.tau)
                polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self._check_learned(losses)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, mean in mean_losses(losses).items():
            self.logger.record(f"train/{name}", mean)

    def _check_learned(self, losses: list[Losses]) -> None:
        whole = torch.stack([one.critic + one.actor for one in losses])
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        check_learned(whole, optimizers, self.policy, self.num_timesteps, self.last_checkpoint)

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        found = {"actor_optimizer": self.actor.optimizer, "critic_optimizer": self.critic.optimizer}
        own = self.ent_coef_optimizer
        return found if own is None else {**found, "temperature_optimizer": own}

    # ------------------------------------------------------------------ acting

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[Actions, Actions]:
        if self._feelings is None:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        random = self._draw_scaled(n_envs) if self.num_timesteps < learning_starts else None
        with torch.inference_mode():
            stored = self._shaped(self._choose(self._feelings, random))
        if random is None:  # as Stable-Baselines3 does, to the last bit
            stored = self.policy.scale_action(self.policy.unscale_action(stored))
        return self.policy.unscale_action(stored), stored

    def _shaped(self, action: Tensor) -> Actions:
        actions: Actions = action.cpu().numpy().reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        return actions

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

        def kept(action: Tensor) -> Tensor | None:
            return self._weight(feelings.drive(observations, action))

        first = policy.action(policy.draw(), heat) if random is None else random
        action = choose_among(first, propose, kept, self._streams.next, self.proposals)
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

    def _draw_scaled(self, number: int) -> Tensor:
        scaled = self.policy.scale_action(self._draw(number))
        return torch.from_numpy(np.asarray(scaled, dtype=np.float32)).to(self.device).flatten(1)

    def _feel(self, *step: Any) -> None:
        if self._acted is not None:
            self._acted = (*self._acted, normals(self._streams.next()[:, 1:]))
        super()._feel(*step)

    def _predicted(self, observations: Observations, deterministic: bool) -> Actions:
        """Return what `predict` chooses.

        Deterministic means the mode of the policy, and where that is feared the likeliest, weighed by fear,
        of it and a few proposals that are always the same.
        """
        assert self._feelings is not None
        feelings, policy = self._feelings, self.networks.actions(observations)

        def kept(action: Tensor) -> Tensor | None:
            return self._weight(feelings.mean_drive(observations, action))

        if deterministic:
            action = likeliest(policy, kept, self._fixed_proposals())
            return self.policy.unscale_action(self._shaped(action))
        heat = feelings.mean_drive(observations, policy.mean.tanh()).exploration

        def draw() -> Tensor:
            return torch.cat([self._predict_streams.next() for _ in policy.mean])

        def propose(uniform: Tensor) -> Tensor:
            return policy.action(normals(uniform), heat)

        first = policy.action(policy.draw(), heat)
        action = choose_among(first, propose, kept, draw, self.proposals)
        return self.policy.unscale_action(self._shaped(action))

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
        return super()._saved_parts().more(("ent_coef", "target_entropy", "proposals"), tensors=tensors)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "networks", "_previous"]
