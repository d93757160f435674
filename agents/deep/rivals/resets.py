"""Resets: the last layers of a Q-network are forgotten now and then, and learned anew from replay."""

from __future__ import annotations

from typing import Any, final

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from emotional_ed.agents.deep.rivals.fresh import make_fresh
from emotional_ed.checks import require_int


@final
class Resets(BaseCallback):
    """A callback that draws the last layers of a DQN anew, every so many steps, and keeps the replay buffer.

    The target network gets the same fresh layers, and the optimizer forgets its moments and its count. It
    happens between two rollouts, never between an action and what is learned from it. Works with
    Stable-Baselines3's DQN and with `EmotionalDQN`.

    Args:
        every: steps between two resets, >= 1.
        layers: linear layers that are reset, counted from the output, >= 1.
        seed: of the fresh weights.

    Raises:
        ValueError: a number is out of range; when learning starts, if the network has fewer linear layers or
            there is none.

    Source: Nikishin, Schwarzer, D'Oro, Bacon and Courville (2022), arXiv 2205.07802, section 4. There the
    optimizer forgets the moments of the layers that are reset only.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> from emotional_ed.agents import EmotionalDQN
        >>> model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(0), seed=0)
        >>> resets = Resets(every=100)
        >>> _ = model.learn(250, callback=resets)
        >>> resets.count
        2
    """

    def __init__(self, every: int, *, layers: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.every = require_int("every", every, 1)
        self.layers = require_int("layers", layers, 1)
        self._generator = torch.Generator().manual_seed(require_int("seed", seed, 0))
        self.count = 0
        """Resets so far."""
        self._last = 0

    def _on_training_start(self) -> None:
        self._last = self.model.num_timesteps
        self._heads()

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps - self._last >= self.every:
            self._last = self.model.num_timesteps
            self.reset()

    def _on_step(self) -> bool:
        return True

    @torch.no_grad()
    def reset(self) -> None:
        """Forget the last layers now."""
        online, target = self._heads()
        make_fresh(online, self._generator)
        for new, old in zip(online, target, strict=True):
            old.load_state_dict(new.state_dict())
        model: Any = self.model
        model.policy.optimizer.state.clear()
        self.count += 1

    def _heads(self) -> tuple[list[nn.Linear], list[nn.Linear]]:
        """Return the layers of the online and of the target network that are reset."""
        model: Any = self.model
        found = []
        for name in ("q_net", "q_net_target"):
            network = getattr(model, name, None)
            if not isinstance(network, nn.Module):
                raise ValueError(f"model: got {type(model).__name__}, expected a DQN, with {name}")
            linear = [one for one in network.modules() if isinstance(one, nn.Linear)]
            if len(linear) < self.layers:
                raise ValueError(f"layers: got {self.layers}, expected at most {len(linear)}, as {name} has")
            found.append(linear[-self.layers :])
        return found[0], found[1]
