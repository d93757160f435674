"""The networks of Stable-Baselines3's SAC, seen as a distribution of actions, values and features."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.agents.deep.linear_values import linear_head
from emotional_ed.agents.deep.replay import Observations

_HALF_LOG_2_PI = 0.9189385332046727
_OFF_EDGE = 1e-6  # keeps the logarithm of 1 - a^2 finite, as in Stable-Baselines3


class Normal(NamedTuple):
    """Actions before they are squashed by tanh."""

    mean: Tensor
    """[B, D]."""
    std: Tensor
    """[B, D], > 0."""

    def action(self, normal: Tensor, heat: Tensor | None = None) -> Tensor:
        """Return the action in [-1, 1] for standard normal numbers, at `heat` [B] times the temperature.

        Equation:
            a = tanh(mean + sqrt(heat) std normal)

        Shapes:
            normal: [B, D]; returns [B, D].
        """
        spread = self.std if heat is None else self.std * heat.sqrt()[:, None]
        return (self.mean + normal * spread).tanh()

    def draw(self) -> Tensor:
        """Return standard normal numbers [B, D], as Stable-Baselines3 draws them for one action each."""
        return torch.normal(torch.zeros_like(self.mean), torch.ones_like(self.mean))

    def log_density(self, normal: Tensor, squashed: Tensor) -> Tensor:
        """Return log pi(a|s) [B] of the actions `squashed` [B, D] for these standard normal numbers."""
        plain = -0.5 * normal.square() - self.std.log() - _HALF_LOG_2_PI
        return (plain - (1 - squashed.square() + _OFF_EDGE).log()).sum(1)


@final
class SoftNetworks:
    """An actor and its critics.

    Args:
        policy: with actor, critics and target critics.

    Raises:
        ValueError: a critic is not a stack of layers that ends in a linear one, and features were asked for.
    """

    def __init__(self, policy: SACPolicy) -> None:
        self.policy, self.actor = policy, policy.actor
        self.critic, self.critic_target = policy.critic, policy.critic_target

    def state_features(self, observations: Observations) -> Tensor:
        """Return the actor's hidden features of states, [B, K]."""
        hidden: Tensor = self.actor.latent_pi(
            self.actor.extract_features(observations, self.actor.features_extractor)
        )
        return hidden

    def actions(self, observations: Observations) -> Normal:
        """Return the distribution of actions in states."""
        mean, log_std, _ = self.actor.get_action_dist_params(observations)
        return Normal(mean, log_std.exp())

    @property
    def features_dim(self) -> int:
        """Number of the first critic's hidden features."""
        return self._head().in_features

    def _head(self) -> nn.Linear:
        first = self.critic.q_networks[0] if isinstance(self.critic, ContinuousCritic) else None
        head = first[-1] if isinstance(first, nn.Sequential) and len(first) else None
        return linear_head(self.critic, head)

    def critic_inputs(self, observations: Observations) -> Tensor:
        """Return what the critics make of observations before they see an action, [B, F]."""
        return self.critic.extract_features(observations, self.critic.features_extractor)

    def features(self, critic_inputs: Tensor, action: Tensor) -> Tensor:
        """Return the first critic's hidden features of states and actions, [B, K]."""
        hidden = torch.cat([critic_inputs, action], 1)
        for layer in list(self.critic.q_networks[0].children())[:-1]:
            hidden = layer(hidden)
        return hidden

    def value(self, critic_inputs: Tensor, action: Tensor) -> Tensor:
        """Return the least value that a critic sees in states and actions, [B]."""
        whole = torch.cat([critic_inputs, action], 1)
        return torch.cat([net(whole) for net in self.critic.q_networks], 1).amin(1)

    def target_value(self, observations: Observations, action: Tensor) -> Tensor:
        """Return the least value that a target critic sees in states and actions, [B]."""
        return torch.cat(self.critic_target(observations, action), 1).amin(1)


def critic_loss(values: tuple[Tensor, ...], target: Tensor, weights: Tensor | None) -> Tensor:
    """Return half the sum of the critics' mean squared errors, weighed by sample.

    Shapes:
        values: [B, 1] each; target: [B, 1]; weights: [B, 1] or None; returns [].
    """
    if weights is None:
        return 0.5 * torch.stack([F.mse_loss(one, target) for one in values]).sum()
    return 0.5 * torch.stack([(weights * (one - target).square()).mean() for one in values]).sum()
