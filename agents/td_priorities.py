"""TD errors of Stable-Baselines3's algorithms, so that their replay is prioritised without a subclass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from emotional_ed.agents.salience_buffer import SalienceReplayBuffer, SalienceSamples


@final
class PrioritizeByTDError(BaseCallback):
    """Give each drawn transition the priority of its TD error, just before the gradient step on it.

    `DQN(..., replay_buffer_class=SalienceReplayBuffer).learn(n, callback=PrioritizeByTDError())` is
    prioritised replay with the algorithm's own loss, that is without importance weights. It costs one more
    pass through the networks, without gradients, for each minibatch.

    Args:
        error: from samples to TD errors [B] or [B, 1]; None for those of DQN, SAC, TD3 and DDPG.

    Raises:
        ValueError: when learning starts, if the buffer is another, or the algorithm is and no error is given.
    """

    def __init__(self, error: Callable[[SalienceSamples], Tensor] | None = None) -> None:
        super().__init__()
        self._error = error

    def _on_training_start(self) -> None:
        model: Any = self.model
        if not isinstance(model.replay_buffer, SalienceReplayBuffer):
            got = type(model.replay_buffer).__name__
            raise ValueError(f"replay_buffer: got {got}, expected SalienceReplayBuffer")
        if self._error is None and not isinstance(model, DQN | SAC | TD3):
            raise ValueError(
                f"model: got {type(model).__name__}, expected DQN, SAC, TD3 or DDPG, or an `error`"
            )
        error = self._error
        model.replay_buffer.td_error = error if error else lambda samples: td_error(model, samples)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        model: Any = self.model
        model.replay_buffer.td_error = None


@torch.no_grad()
def td_error(model: DQN | SAC | TD3, samples: SalienceSamples) -> Tensor:
    """Return the TD errors of the present networks, as the algorithm's own loss takes them.

    delta = r + (1 - done) discount V'(s') - Q(s, a);  the mean of |delta| where there are several critics.
    V' is max Q' for DQN; the least critic at the target's action for TD3 and DDPG, without the smoothing
    noise; the same at a drawn action, plus its entropy, for SAC. Global random state is left as it was.

    Shapes:
        result: [B].
    """
    was_training = model.policy.training
    model.policy.set_training_mode(False)
    try:
        following, present = _values(model, samples)
    finally:
        model.policy.set_training_mode(was_training)
    discounts = model.gamma if samples.discounts is None else samples.discounts
    target = samples.rewards + (1 - samples.dones) * discounts * following
    return (target - present).abs().mean(1)


def _values(model: DQN | SAC | TD3, samples: SalienceSamples) -> tuple[Tensor, Tensor]:
    """Return V' of the next states [B, 1] and Q of what was done [B, number of critics]."""
    if isinstance(model, DQN):
        values = model.q_net(samples.observations).gather(1, samples.actions.long())
        return model.q_net_target(samples.next_observations).amax(1, keepdim=True), values
    present = torch.cat(model.critic(samples.observations, samples.actions), 1)
    if isinstance(model, TD3):
        action, bonus = model.actor_target(samples.next_observations), 0.0
    else:
        action, bonus = _drawn_action(model, samples.next_observations)
    following = torch.cat(model.critic_target(samples.next_observations, action), 1)
    return following.amin(1, keepdim=True) + bonus, present


def _drawn_action(model: SAC, observations: Tensor) -> tuple[Tensor, Any]:
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        action, log_probability = model.actor.action_log_prob(observations)
    log_entropy = model.log_ent_coef
    weight = model.ent_coef_tensor if log_entropy is None else log_entropy.exp()
    return action, -weight * log_probability.reshape(-1, 1)
