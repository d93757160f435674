"""A quantile network of sb3-contrib, seen as features, quantiles and their means."""

from __future__ import annotations

from typing import final

from sb3_contrib.qrdqn.policies import QuantileNetwork
from torch import Tensor
from torch.nn import functional as F

from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.replay import Observations


@final
class QuantileValues(LinearValues):
    """Quantiles of returns, and the hidden features that they are linear in.

    Where it is asked for values, as a `ValueNetwork` is, the means of the quantiles answer.

    Args:
        network: of the policy, online or target.
    """

    network: QuantileNetwork

    def __init__(self, network: QuantileNetwork) -> None:
        usual = isinstance(network, QuantileNetwork) and type(network).forward is QuantileNetwork.forward
        super().__init__(network, network.quantile_net if usual else None)

    def from_features(self, features: Tensor) -> Tensor:
        """Return the mean values [B, A] of features [B, K]."""
        head = self.last_layer()
        return self.shaped(F.linear(features, head.weight, head.bias)).mean(1)

    def shaped(self, outputs: Tensor) -> Tensor:
        """Return outputs of the last layer [B, N A] as quantiles [B, N, A]."""
        return outputs.view(len(outputs), self.network.n_quantiles, -1)

    def quantiles(self, observations: Observations) -> Tensor:
        """Return the quantiles [B, N, A], in the order in which they are learned."""
        if self.mlp is not None:
            return self.shaped(self.mlp(self.inputs(observations)))
        found: Tensor = self.network(observations)
        return found

    def __call__(self, observations: Observations) -> Tensor:
        """Return the mean values [B, A]."""
        return self.quantiles(observations).mean(1)
