"""Any Gymnasium vector environment with discrete actions, seen as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.envs.batched import BatchedStep
from emotional_ed.envs.observations import Observations


@final
class GymnasiumBatch:
    """Adapter from a Gymnasium vector environment to `BatchedEnv`.

    Args:
        envs: with discrete actions, observations that `Observations` can read, and autoreset mode SAME_STEP.
        env_id: the id that it stands for.
        env_kwargs: what it was made with.
        device: where tensors go.

    Raises:
        ValueError: a space is of another kind, or the autoreset mode is another.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        *,
        env_id: str = "",
        env_kwargs: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                f"env: got a vector environment with autoreset mode {getattr(mode, 'value', mode)}, expected "
                "SameStep: gymnasium.make_vec(..., vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP})"
            )
        self.observation_space = envs.single_observation_space
        self._observations = Observations(self.observation_space)
        self._acted = _discrete(envs.single_action_space)
        self.envs = envs
        self.env_id = env_id
        self.env_kwargs = dict(env_kwargs or {})
        self.action_start = int(self._acted.start)
        self.num_envs = envs.num_envs
        self.actions = int(self._acted.n)
        self.device = torch.device(device)
        self._steps = 0

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Reset every copy with its own seed."""
        self._steps = 0
        observation, _ = self.envs.reset(seed=list(seeds))  # type: ignore[arg-type]
        return self._tensor(self._checked(observation))

    def step(self, action: Tensor) -> BatchedStep:
        """Step all copies.

        Raises:
            ValueError: a reward is not finite, or an observation is outside its space.
        """
        self._steps += 1
        actions = action.cpu().numpy() + self._acted.start
        observation, reward, terminated, truncated, info = self.envs.step(actions)
        observation = self._checked(observation)
        with np.errstate(over="ignore"):  # what single precision cannot hold is infinite, and refused
            rewards = np.asarray(reward, dtype=np.float64).astype(np.float32)
        if not np.isfinite(rewards).all():
            bad = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise ValueError(
                f"reward: got {np.asarray(reward)[bad]} from copy {bad} of {self.env_id or self.envs} "
                f"at step {self._steps}, expected a finite number in single precision"
            )
        done = terminated | truncated
        final = observation.copy()
        for copy in np.flatnonzero(done):
            final[copy] = self._checked(info["final_obs"][copy], int(copy))
        return BatchedStep(
            self._tensor(observation),
            self._tensor(final),
            self._tensor(rewards),
            self._tensor(terminated),
            self._tensor(truncated),
            self._tensor(self._catastrophe(info, done)),
        )

    def _catastrophe(self, info: Mapping[str, Any], done: NDArray[np.bool_]) -> NDArray[np.bool_]:
        flags = np.zeros(self.num_envs, dtype=np.bool_)
        flags |= np.asarray(info.get("catastrophe", flags), dtype=np.bool_)
        final = info.get("final_info")
        if isinstance(final, Mapping) and "catastrophe" in final:
            flags = np.where(done, np.asarray(final["catastrophe"], dtype=np.bool_), flags)
        return flags

    def _checked(self, observation: Any, copy: int | None = None) -> NDArray[Any]:
        """Return observations of all copies as numbers, or that of one copy."""
        numbers, fault = self._observations.read(observation)
        if fault is not None:
            where = fault.where[0] if copy is None else copy
            raise ValueError(
                f"observation: got {fault.value:g} from copy {where} of {self.env_id or self.envs} "
                f"at step {self._steps}, expected an element of {self.observation_space}"
            )
        return numbers

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)

    def state(self) -> None:
        """Return None: other people's environments cannot be restored in general."""
        return None

    def restorable(self, state: Mapping[str, Tensor]) -> bool:
        """Return False."""
        return False

    def restore(self, state: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """Refuse, because there is nothing to restore from."""
        raise ValueError(f"env: got {self.env_id or self.envs}, expected an environment that can be restored")

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def _discrete(space: Any) -> spaces.Discrete:
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"action_space: got {space}, expected Discrete")
    return space
