"""What deep agents share that choose the best action of a list, at random now and then."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.deep.choice import choose
from emotional_ed.agents.deep.emotional_agent import EmotionalAgent
from emotional_ed.agents.deep.feelings import Feelings
from emotional_ed.agents.deep.finite import check_learned
from emotional_ed.agents.deep.flat_adam import flattened
from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.quantile_learning import QuantileLearning
from emotional_ed.agents.deep.replay import Observations
from emotional_ed.agents.deep.value_learning import ValueLearning

Actions = NDArray[np.int64]

_ARGUMENTS = (
    "exploration_fraction", "exploration_initial_eps", "exploration_final_eps", "max_grad_norm", "compiled",
)  # fmt: skip
_COUNTERS = ("exploration_rate", "_n_calls")


class GreedyAgent(EmotionalAgent):
    """Part of an algorithm of Stable-Baselines3 like DQN, which stands behind it among the bases.

    Example:
        >>> from emotional_ed.agents import EmotionalDQN
        >>> [base.__name__ for base in EmotionalDQN.__mro__[:4]]
        ['EmotionalDQN', 'GreedyAgent', 'EmotionalAgent', 'DQN']
    """

    online: LinearValues
    target: LinearValues
    exploration_schedule: Schedule
    exploration_rate: float
    target_update_interval: int
    compiled: bool
    batch_norm_stats: list[Tensor]
    batch_norm_stats_target: list[Tensor]
    _n_calls: int
    _learning: ValueLearning | QuantileLearning
    _feelings: Feelings | None

    def _setup_model(self) -> None:
        actions = self.action_space
        if not isinstance(actions, spaces.Discrete) or actions.start != 0:
            raise ValueError(f"env: got the action space {actions}, expected Discrete that starts at 0")
        super()._setup_model()
        self.policy.optimizer = flattened(self.policy.optimizer)
        self._build_learning()
        self._build_affect(width=2)

    @abstractmethod
    def _build_learning(self) -> None:
        """See the networks as values, and make what they learn with."""

    def _feelings_for(self, affect: AffectConfig, fear_on: str, **own: Any) -> Feelings:
        """Return feelings on the networks, with arguments of `Feelings` that are the agent's own."""
        assert isinstance(self.action_space, spaces.Discrete)
        return Feelings(
            affect,
            self.online,
            self.target,
            environments=self.n_envs,
            actions=int(self.action_space.n),
            discount=self.gamma,
            fear_on=fear_on,
            stillness=self.stillness,
            device=self.device,
            compiled=self.compiled,
            **own,
        )

    # ------------------------------------------------------------------ learning

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Make gradient steps on minibatches of the replay buffer."""
        self._begin_training()
        losses = torch.stack(self._study(gradient_steps, batch_size))
        self._forget_features()
        self._check_learned(losses)
        self._n_updates += len(losses)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(losses.double().mean()))

    @abstractmethod
    def _study(self, gradient_steps: int, batch_size: int) -> list[Tensor]:
        """Make gradient steps on minibatches, and return their losses."""

    def _check_learned(self, losses: Tensor) -> None:
        optimizers = [self.policy.optimizer]
        check_learned(losses, optimizers, self.online.network, self.num_timesteps, self.last_checkpoint)

    def _set_training_mode(self, mode: bool) -> None:
        if self.online.mlp is None:  # nothing in a plain perceptron knows about modes
            super()._set_training_mode(mode)

    def _on_step(self) -> None:
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self._learning.update_target(self.tau)
            if self.batch_norm_stats:
                polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": self.policy.optimizer}

    # ------------------------------------------------------------------ acting

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
        key, values, drive = feelings.perceive(observations)
        values = self._compared(observations, values, key, own=True)
        self._acted = choose(values, drive, epsilon, uniform, lambda: self._draw(n_envs), self._streams.next)
        actions: Actions = self._acted[0].cpu().numpy()
        return actions

    def _predicted(self, observations: Observations, deterministic: bool) -> Actions:
        assert self._feelings is not None
        key, values = self._feelings.look(observations)
        uniform, epsilon = (1.0, 0.0) if deterministic else (np.random.rand(), self.exploration_rate)  # noqa: NPY002
        values = self._compared(observations, values, key, own=False)

        def second() -> Tensor:
            return torch.cat([self._predict_streams.next() for _ in values])

        drive = self._feelings.mean_drive(key)
        chosen, _ = choose(values, drive, epsilon, uniform, lambda: self._draw(len(values)), second)
        actions: Actions = chosen.cpu().numpy()
        return actions

    def _compared(self, observations: Observations, values: Tensor, key: Tensor, *, own: bool) -> Tensor:
        """Return what actions are compared by, [n, A], for their values and keys of the states [n, K].

        Args:
            observations: of the states.
            values: of the actions.
            key: of the states.
            own: whether each state is that of the environment at its place; else it may be any.
        """
        return values

    def _tensors(self, observations: Any) -> Observations:
        if self.online.is_vector:
            return torch.from_numpy(observations).to(self.device)
        return super()._tensors(observations)

    def _forget_features(self) -> None:
        if self._feelings is not None:
            self._feelings.forget_features()

    # ------------------------------------------------------------------ files

    def _saved_parts(self) -> Parts:
        return super()._saved_parts().more(_ARGUMENTS, _COUNTERS)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "online", "target"]
