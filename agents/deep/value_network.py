"""A Q-network of Stable-Baselines3, seen as features and a last layer on them."""

from __future__ import annotations

from typing import final

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.dqn.policies import QNetwork
from torch import Tensor, nn

from emotional_ed.agents.deep.plain_mlp import PlainMLP
from emotional_ed.agents.deep.replay import Observations


@final
class ValueNetwork:
    """Values, and the hidden features that they are linear in.

    A plain perceptron on flat observations, the usual case, is computed without walking through modules.

    Args:
        network: of the policy, online or target.

    Raises:
        ValueError: the network does not end in a linear layer, and features were asked for.
    """

    def __init__(self, network: QNetwork) -> None:
        self.network = network
        usual = isinstance(network, QNetwork) and type(network).forward is QNetwork.forward
        flat = usual and type(network.features_extractor) is FlattenExtractor
        hooked = bool(network._forward_hooks or network._forward_pre_hooks)
        self.mlp = PlainMLP.of(network.q_net) if flat and not hooked else None
        """The layers, if there is nothing else in the network; None otherwise."""
        space = network.observation_space
        self.is_vector = flat and isinstance(space, spaces.Box) and not is_image_space(space)
        """Whether observations enter the first layer as they are."""
        layers = list(network.q_net) if usual and isinstance(network.q_net, nn.Sequential) else []
        self._head = layers[-1] if layers and isinstance(layers[-1], nn.Linear) else None

    @property
    def features_dim(self) -> int:
        """Number of hidden features below the last layer."""
        return self.last_layer().in_features

    def last_layer(self) -> nn.Linear:
        """Return the layer in which the values are linear."""
        if self._head is None:
            raise ValueError(
                f"policy: got a {type(self.network).__name__} whose last layer is not linear, "
                "expected one of MlpPolicy, CnnPolicy, MultiInputPolicy because affect reads its features"
            )
        return self._head

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
        self.last_layer()
        hidden: Tensor = self.network.q_net[:-1](inputs)
        return hidden

    def from_features(self, features: Tensor) -> Tensor:
        """Return the values [B, A] of features [B, K]."""
        head = self.last_layer()
        return torch.nn.functional.linear(features, head.weight, head.bias)

    def __call__(self, observations: Observations) -> Tensor:
        """Return the values [B, A]."""
        if self.mlp is not None:
            return self.mlp(self.inputs(observations))
        values: Tensor = self.network(observations)
        return values
