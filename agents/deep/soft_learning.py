"""One gradient step of SAC: temperature, critics, actor, target critics."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.following import Following
from emotional_ed.agents.deep.replay import Minibatch, Observations
from emotional_ed.agents.deep.soft_networks import SoftNetworks, critic_loss


class Losses(NamedTuple):
    """What one gradient step came to, [] each."""

    critic: Tensor
    actor: Tensor
    temperature: Tensor
    """alpha that was used."""
    temperature_loss: Tensor | None
    """None where alpha is fixed."""


@final
class SoftLearning:
    """Learns the networks of SAC from minibatches.

    Equation:
        y = r + discount (1 - terminal) (min_i Q'_i(s', a') - alpha log pi(a'|s')) - penalty,   a' ~ pi(s')
        L_critic = 1/2 sum_i mean w (Q_i(s, a) - y)^2
        L_actor = mean (alpha log pi(b|s) - min_i Q_i(s, b)),   b ~ pi(s)
        L_alpha = -mean log(alpha) (log pi(b|s) + target_entropy)

    Args:
        networks: that learn; their actor and critic hold their optimizers.
        log_temperature: log(alpha), if it is learned.
        temperature: alpha, if it is fixed.
        temperature_optimizer: of the logarithm.
        target_entropy: in nats.

    Source: Haarnoja et al. (2018), arXiv 1812.05905, algorithm 1.
    """

    def __init__(
        self,
        networks: SoftNetworks,
        *,
        log_temperature: Tensor | None,
        temperature: Tensor | None,
        temperature_optimizer: torch.optim.Optimizer | None,
        target_entropy: float,
    ) -> None:
        self.networks, self.target_entropy = networks, target_entropy
        self._log_temperature, self._temperature = log_temperature, temperature
        self._temperature_optimizer = temperature_optimizer
        critic = networks.critic
        self.following = Following(critic, networks.critic_target, lambda: critic.optimizer)

    @property
    def temperature(self) -> Tensor:
        """The present alpha, [1] or []."""
        if self._log_temperature is not None:
            return self._log_temperature.detach().exp()
        assert self._temperature is not None
        return self._temperature

    def step(
        self, batch: Minibatch, *, weights: Tensor | None = None, penalty: Tensor | None = None
    ) -> tuple[Losses, Tensor]:
        """Make one gradient step of everything but the target critics.

        Args:
            batch: what to learn from.
            weights: of the samples in the critics' loss, >= 0; None means 1 each.
            penalty: taken off the critics' targets, in units of value; None means nothing.

        Shapes:
            weights, penalty: [B, 1]; returns the losses, and the critics' mean |target - value| [B].
        """
        networks, observations = self.networks, batch.observations
        chosen, log_density = self._draw(observations)
        temperature = self.temperature
        temperature_loss = self._learn_temperature(log_density)
        target = self._targets(batch, temperature)
        if penalty is not None:
            target = target - penalty
        values = networks.critic(observations, batch.actions)
        loss = critic_loss(values, target, weights)
        _descend(networks.critic.optimizer, loss)
        actor_loss = self._learn_actor(batch, chosen, log_density, temperature)
        error = torch.cat([(target - one.detach()).abs() for one in values], 1).mean(1)
        return Losses(loss.detach(), actor_loss, temperature.mean(), temperature_loss), error

    def _draw(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """Return actions of the policy [B, D] and the logarithms of their densities [B, 1]."""
        policy = self.networks.actions(observations)
        normal = policy.draw()
        action = policy.action(normal)
        return action, policy.log_density(normal, action)[:, None]

    @torch.no_grad()
    def _targets(self, batch: Minibatch, temperature: Tensor) -> Tensor:
        action, log_density = self._draw(batch.next_observations)
        ahead = self.networks.target_value(batch.next_observations, action)[:, None]
        soft = ahead - temperature * log_density
        return batch.rewards + (1 - batch.terminal) * batch.discounts * soft

    def _learn_temperature(self, log_density: Tensor) -> Tensor | None:
        if self._log_temperature is None or self._temperature_optimizer is None:
            return None
        loss = -(self._log_temperature * (log_density + self.target_entropy).detach()).mean()
        _descend(self._temperature_optimizer, loss)
        return loss.detach()

    def _learn_actor(
        self, batch: Minibatch, chosen: Tensor, log_density: Tensor, temperature: Tensor
    ) -> Tensor:
        critic = self.networks.critic
        free = [p for p in critic.parameters() if p.requires_grad]
        for p in free:  # the actor's loss is not the critics' business
            p.requires_grad_(False)
        values = torch.cat(critic(batch.observations, chosen), 1)
        loss = (temperature * log_density - values.amin(1, keepdim=True)).mean()
        _descend(self.networks.actor.optimizer, loss)
        for p in free:
            p.requires_grad_(True)
        return loss.detach()


def mean_losses(losses: list[Losses]) -> dict[str, float]:
    """Return the means of what gradient steps came to, by Stable-Baselines3's names for them."""
    whole = {
        "ent_coef": [one.temperature for one in losses],
        "actor_loss": [one.actor for one in losses],
        "critic_loss": [one.critic for one in losses],
        "ent_coef_loss": [one.temperature_loss for one in losses if one.temperature_loss is not None],
    }
    return {name: float(torch.stack(each).double().mean()) for name, each in whole.items() if each}


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if isinstance(optimizer, FlatAdam):
        optimizer.apply()
    else:
        optimizer.step()
