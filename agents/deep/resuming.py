"""What all deep agents share of stopping and going on: files, other environments, steps that are left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from emotional_ed.affect import AffectSystem
from emotional_ed.agents.deep.model_file import is_zip, load_model, save_model, sb3_warning

if TYPE_CHECKING:
    from emotional_ed.agents.deep.model_file import DeepAgent


class Resuming(OffPolicyAlgorithm):
    """Part of an off-policy algorithm of Stable-Baselines3, which stands behind it among the bases.

    Example:
        >>> from emotional_ed.agents import EmotionalDQN
        >>> [base.__name__ for base in EmotionalDQN.__mro__[:3]]
        ['EmotionalDQN', 'Resuming', 'DQN']
    """

    affect: AffectSystem
    """The affect of all environments."""
    last_checkpoint: Path | None
    """The file that was saved or loaded last."""
    _unfinished: tuple[int, int]

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
        self.last_checkpoint = save_model(cast("DeepAgent", self), path)

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
        return load_model(cls, path, env, device, kwargs)  # type: ignore[type-var]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, others = super()._get_torch_save_params()
        return [*names, "affect"], others
