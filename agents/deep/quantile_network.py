"""A quantile network of sb3-contrib, seen as features, quantiles and their means."""

from __future__ import annotations

from typing import final

import torch
from gymnasium import spaces
from sb3_contrib.qrdqn.policies import QuantileNetwork
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor, nn

from emotional_ed.agents.deep.plain_mlp import PlainMLP
from emotional_ed.agents.deep.replay import Observations


@final
class QuantileValues:
    """Quantiles of returns, and the hidden features that they are linear in.

    Where a Q-network is asked for values, as `ValueNetwork` is, the means of the quantiles answer.

    Args:
        network: of the policy, online or target.

    Raises:
        ValueError: the network does not end in a linear layer, and features were asked for.
    """

    def __init__(self, network: QuantileNetwork) -> None:
        self.network = network
        usual = isinstance(network, QuantileNetwork) and type(network).forward is QuantileNetwork.forward
        flat = usual and type(network.features_extractor) is FlattenExtractor
        hooked = bool(network._forward_hooks or network._forward_pre_hooks)
        self.mlp = PlainMLP.of(network.quantile_net) if flat and not hooked else None
        """The layers, if there is nothing else in the network; None otherwise."""
        space = network.observation_space
        self.is_vector = flat and isinstance(space, spaces.Box) and not is_image_space(space)
        """Whether observations enter the first layer as they are."""
        layers = list(network.quantile_net) if usual else []
        self._head = layers[-1] if layers and isinstance(layers[-1], nn.Linear) else None

    @property
    def features_dim(self) -> int:
        """Number of hidden features below the last layer."""
        return self._last_layer().in_features

    def _last_layer(self) -> nn.Linear:
        if self._head is None:
            raise ValueError(
                f"policy: got a {type(self.network).__name__} whose last layer is not linear, "
                "expected one of MlpPolicy, CnnPolicy, MultiInputPolicy because affect reads its features"
            )
        return self._head

    def inputs(self, observations: Observations) -> Tensor:
        """Return what enters the first layer, [B, K]."""
        if self.is_vector and isinstance(observations, Tensor):
            return observations.float().flatten(1)
        return self.network.extract_features(observations, self.network.features_extractor)

    def features(self, observations: Observations) -> Tensor:
        """Return the hidden features of the last layer, [B, K]."""
        inputs = self.inputs(observations)
        if self.mlp is not None:
            return self.mlp.hidden(inputs)[-1]
        self._last_layer()
        hidden: Tensor = self.network.quantile_net[:-1](inputs)
        return hidden

    def from_features(self, features: Tensor) -> Tensor:
        """Return the mean values [B, A] of features [B, K]."""
        head = self._last_layer()
        return self.shaped(torch.nn.functional.linear(features, head.weight, head.bias)).mean(1)

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
