"""A Q-network of Stable-Baselines3, seen as features and a last layer on them."""

from __future__ import annotations

from typing import final

import torch
from stable_baselines3.dqn.policies import QNetwork
from torch import Tensor
from torch.nn import functional as F

from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.replay import Observations


@final
class ValueNetwork(LinearValues):
    """Values, and the hidden features that they are linear in.

    Args:
        network: of the policy, online or target.
    """

    network: QNetwork

    def __init__(self, network: QNetwork) -> None:
        usual = isinstance(network, QNetwork) and type(network).forward is QNetwork.forward
        super().__init__(network, network.q_net if usual else None)

    def last_layer_matrix(self) -> Tensor:
        """Return weights and, as the last column, bias of the last layer, [A, K + 1]."""
        head = self.last_layer()
        return torch.cat([head.weight.data, head.bias.data[:, None]], dim=1)

    @torch.no_grad()
    def set_last_layer_matrix(self, matrix: Tensor) -> None:
        """Set weights and bias of the last layer to `matrix` [A, K + 1]."""
        head = self.last_layer()
        head.weight.copy_(matrix[:, :-1])
        head.bias.copy_(matrix[:, -1])

    def from_features(self, features: Tensor) -> Tensor:
        """Return the values [B, A] of features [B, K]."""
        head = self.last_layer()
        return F.linear(features, head.weight, head.bias)

    def __call__(self, observations: Observations) -> Tensor:
        """Return the values [B, A]."""
        if self.mlp is not None:
            return self.mlp(self.inputs(observations))
        values: Tensor = self.network(observations)
        return values
