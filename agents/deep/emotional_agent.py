"""What all deep agents share: feelings beside an algorithm, rollouts that feel, stopping and going on."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.deep.feelings import Feelings, check_affect
from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.model_file import Parts, is_zip, load_model, save_model, sb3_warning
from emotional_ed.agents.deep.replay import Observations
from emotional_ed.agents.deep.rollouts import check_salience, collect, mark_salience, step_tensors, store_step
from emotional_ed.agents.signal_log import tags_of
from emotional_ed.checks import require_range
from emotional_ed.streams import Streams

if TYPE_CHECKING:
    from emotional_ed.agents.deep.soft_feelings import SoftFeelings

Actions = NDArray[Any]


class EmotionalAgent(OffPolicyAlgorithm):
    """Part of an off-policy algorithm of Stable-Baselines3, which stands behind it among the bases.

    Args:
        *args: of the algorithm.
        affect: which levels of affect; None is the emotions of level 1.
        heads: whether the agent can have several value heads.
        stillness: observations of real numbers count as unchanged if their hidden features change by no more
            than this share of their length, >= 0.
        **kwargs: of the algorithm.

    Raises:
        ValueError: `affect` or `stillness` cannot be served, or the environment is not the algorithm's.

    Example:
        >>> from emotional_ed.agents import EmotionalSAC
        >>> [base.__name__ for base in EmotionalSAC.__mro__[:3]]
        ['EmotionalSAC', 'EmotionalAgent', 'SAC']
    """

    affect: AffectSystem
    """The affect of all environments."""
    last_checkpoint: Path | None
    """The file that was saved or loaded last."""
    _feelings: Feelings | SoftFeelings | None
    _acted: tuple[Tensor, ...] | None
    _unfinished: tuple[int, int]

    def __init__(
        self, *args: Any, affect: AffectConfig | None, heads: bool = False, stillness: float, **kwargs: Any
    ) -> None:
        self.affect_config = check_affect(AffectConfig.levels(1) if affect is None else affect, heads=heads)
        self.stillness = require_range("stillness", stillness, 0)
        try:
            super().__init__(*args, **{**kwargs, "_init_setup_model": False})
        except AssertionError as error:
            raise ValueError(f"env: {error}") from None

    def _build_affect(self, width: int) -> None:
        """Make feelings, and streams of `width` random numbers a step."""
        check_salience(self.affect_config, self.replay_buffer)
        first = secrets.randbelow(2**31) if self.seed is None else self.seed
        seeds = [first + index for index in range(self.n_envs)]
        self._streams = Streams(seeds, width, purpose=3, device=self.device)
        self._predict_streams = Streams(seeds[:1], width, purpose=2, device=self.device)
        self._acted, self._unfinished, self.last_checkpoint = None, (0, 0), None
        if self.affect_config.is_plain:
            self._feelings = None
            self.affect = AffectSystem(self.affect_config, self.n_envs, actions=1, keys=1, device=self.device)
        else:
            self._feelings = self._make_feelings()
            self.affect = self._feelings.system

    @abstractmethod
    def _make_feelings(self) -> Feelings | SoftFeelings:
        """Return what appraises the steps of this agent."""

    # ------------------------------------------------------------------ learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Act and learn for `total_timesteps` steps of all environments together, as Stable-Baselines3 does.

        Args:
            total_timesteps: a lower bound; the last rollout is finished.
            callback: Stable-Baselines3's, one or a list.
            log_interval: episodes between two points in the log.
            tb_log_name: name of the TensorBoard run; None is the name of the agent's class.
            reset_num_timesteps: count anew, in new episodes; False goes on where the last call stopped.
            progress_bar: show one.

        Raises:
            NotFiniteError: an observation, a reward, a loss or a weight is NaN or infinite.
        """
        name = type(self).__name__ if tb_log_name is None else tb_log_name
        return super().learn(total_timesteps, callback, log_interval, name, reset_num_timesteps, progress_bar)

    def dump_logs(self) -> None:
        """Write the log, with the mean over environments of what the last step was to every level."""
        for tag, value in tags_of(self.affect.signals).items():
            self.logger.record(tag, value)
        for name, count in self.affect.nest.update_counts().items():
            self.logger.record(f"updates/{name}", float(count.double().mean()))
        super().dump_logs()

    def _begin_training(self) -> None:
        self._set_training_mode(True)
        optimizers = list(self._optimizers().values())
        self._update_learning_rate(optimizers)
        for optimizer in optimizers:
            if isinstance(optimizer, FlatAdam):
                optimizer.flatten()

    def _set_training_mode(self, mode: bool) -> None:
        self.policy.set_training_mode(mode)

    @abstractmethod
    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return all that learns, by the name that it has in a file."""

    # ------------------------------------------------------------------ acting

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> RolloutReturn:
        """Act for as long as `train_freq` says, and store what came of it; see `rollouts.collect`."""
        return collect(self, *args, **kwargs)

    def _store_transition(self, *step: Any) -> None:
        store_step(self, *step)

    def _feel(
        self, new_obs: Any, rewards: NDArray[Any], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> None:
        """Let affect take in the step that has just been made."""
        if self._feelings is None or self._acted is None:
            return
        before, after, *came = step_tensors(self, new_obs, rewards, dones, infos)
        self._feelings.appraise(before, after, *self._acted, *came)
        mark_salience(self.replay_buffer, self.affect, infos)

    def _draw(self, number: int) -> Actions:
        return np.array([self.action_space.sample() for _ in range(number)])

    def _tensors(self, observations: Any) -> Observations:
        """Return observations of a vector of environments as the networks take them."""
        return self.policy.obs_to_tensor(observations)[0]

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions as the agent is now; nothing is learned and no affective state moves.

        What the environments fear and want, curiosity and moods among it, is averaged. Persistence against a
        block belongs to the running episodes of `learn` and is left out.

        Args:
            observation: one, or as many as there are, as Stable-Baselines3 takes them.
            state: passed through.
            episode_start: not used.
            deterministic: the best or likeliest action if True; with exploration, or drawn, if False.

        Returns:
            Actions of as many observations, and `state`.
        """
        if self._feelings is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.policy.set_training_mode(False)
        tensors, several = self.policy.obs_to_tensor(observation)
        with torch.inference_mode():
            actions = self._predicted(tensors, deterministic)
        return (actions if several else actions[0]), state

    @abstractmethod
    def _predicted(self, observations: Observations, deterministic: bool) -> Actions:
        """Return what affect lets the agent choose for observations [n, ...], as the environment takes it."""

    # ------------------------------------------------------------------ stopping and going on

    def _forget_features(self) -> None:
        """Compute anew what is known of the present observations."""

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """Go on learning in another environment with the same spaces; see Stable-Baselines3.

        Raises:
            ValueError: the spaces differ.
        """
        super().set_env(env, force_reset)
        self.affect.cut_episode()
        self._forget_features()

    def _setup_learn(
        self, total_timesteps: int, callback: Any = None, *rest: Any
    ) -> tuple[int, BaseCallback]:
        if not rest or rest[0]:  # reset_num_timesteps
            self._unfinished = (0, 0)
            self.affect.cut_episode()
        self._forget_features()
        return super()._setup_learn(total_timesteps, callback, *rest)

    @property
    def remaining_timesteps(self) -> int:
        """Steps that the last call of `learn` has not made yet, e.g. because it was stopped."""
        return max(self._total_timesteps - self.num_timesteps, 0)

    def save(
        self, path: Any, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None
    ) -> None:
        """Write all there is to the agent into one file (suffix .safetensors).

        The file holds tensors and JSON, no code: networks, optimizer, replay buffer, schedules, affect,
        clocks, random states, and the state of the environments where it can be taken. It is replaced as a
        whole or not at all. Call it from outside `learn`, or use `Checkpoints` within.

        Args:
            path: with or without the suffix .safetensors. A path that ends in .zip asks for
                Stable-Baselines3's own format, with a warning, because loading that executes code.
            exclude: for Stable-Baselines3's format only.
            include: for Stable-Baselines3's format only.

        Raises:
            OSError: the folder cannot be written.
            ValueError: the replay buffer is of a class whose state cannot be held.
            NotFiniteError: a weight or a feeling is NaN or infinite; an older file is left as it was.
        """
        if is_zip(path):
            sb3_warning(path)
            super().save(path, exclude, include)
            return
        self.last_checkpoint = save_model(self, path)

    @classmethod
    def load(
        cls,
        path: Any,
        env: Any = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Read an agent that `save` wrote; nothing in the file is executed.

        Where the environments can be restored, learning goes on in the middle of their episodes, bit for bit
        on CPU: `model.learn(model.remaining_timesteps, reset_num_timesteps=False)`. Where they cannot, a
        warning says so. For that, the global random generators are set as they were when it was saved.

        Args:
            path: with or without the suffix .safetensors; a path that ends in .zip is Stable-Baselines3's
                format, with a warning.
            env: where to go on; by default environments made with the id that they had, if they had one.
            device: where the networks will live.
            custom_objects: for Stable-Baselines3's format only.
            print_system_info: for Stable-Baselines3's format only.
            force_reset: for Stable-Baselines3's format only.
            **kwargs: arguments to change, or that the file could not hold.

        Raises:
            CheckpointError: the file is missing, damaged, of another version, or does not fit `env`.
        """
        if is_zip(path):
            sb3_warning(path)
            return super().load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)
        return load_model(cls, path, env, device, kwargs)

    def _saved_parts(self) -> Parts:
        """Return what a file holds of this agent beside what all deep agents have."""
        keys = {} if self._feelings is None else self._feelings.keys.state_dict()
        tensors = {f"keys/{name}": tensor for name, tensor in keys.items()}
        return Parts((), (), self._optimizers(), tensors)

    def _excluded_save_params(self) -> list[str]:
        own = ["_learning", "_feelings", "_streams", "_predict_streams", "_acted"]
        return [*super()._excluded_save_params(), *own]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, others = super()._get_torch_save_params()
        keys = [] if self._feelings is None else ["_feelings.keys"]
        return [*names, "affect", *keys], others
