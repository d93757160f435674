"""A network of values that are linear in its hidden features, seen as these features and a last layer."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor, nn

from emotional_ed.agents.deep.plain_mlp import PlainMLP
from emotional_ed.agents.deep.replay import Observations


class LinearValues(ABC):
    """Values, and the hidden features that they are linear in.

    A plain perceptron on flat observations, the usual case, is computed without walking through modules.

    Args:
        network: of the policy, online or target.
        layers: of the network, behind its features extractor; None where it goes its own ways.

    Raises:
        ValueError: the network does not end in a linear layer, and features were asked for.
    """

    network: BasePolicy

    def __init__(self, network: BasePolicy, layers: nn.Module | None) -> None:
        self.network = network
        flat = layers is not None and type(network.features_extractor) is FlattenExtractor
        hooked = bool(network._forward_hooks or network._forward_pre_hooks)
        self.mlp = PlainMLP.of(layers) if layers is not None and flat and not hooked else None
        """The layers, if there is nothing else in the network; None otherwise."""
        space = network.observation_space
        self.is_vector = flat and isinstance(space, spaces.Box) and not is_image_space(space)
        """Whether observations enter the first layer as they are."""
        self._layers = layers if isinstance(layers, nn.Sequential) else nn.Sequential()
        self._head = self._layers[-1] if len(self._layers) else None

    @property
    def features_dim(self) -> int:
        """Number of hidden features below the last layer."""
        return self.last_layer().in_features

    def last_layer(self) -> nn.Linear:
        """Return the layer in which the values are linear."""
        return linear_head(self.network, self._head)

    def inputs(self, observations: Observations) -> Tensor:
        """Return what enters the first layer, [B, K]."""
        if self.is_vector and isinstance(observations, Tensor):
            plain = observations.dtype == torch.float32 and observations.ndim == 2
            return observations if plain else observations.float().flatten(1)
        return self.network.extract_features(observations, self.network.features_extractor)

    def features(self, observations: Observations) -> Tensor:
        """Return the hidden features of the last layer, [B, K]."""
        inputs = self.inputs(observations)
        if self.mlp is not None:
            return self.mlp.hidden(inputs)[-1]
        self.last_layer()
        hidden: Tensor = self._layers[:-1](inputs)
        return hidden

    @abstractmethod
    def from_features(self, features: Tensor) -> Tensor:
        """Return the values [B, A] of features [B, K]."""

    @abstractmethod
    def __call__(self, observations: Observations) -> Tensor:
        """Return the values [B, A]."""


def linear_head(network: nn.Module, head: object) -> nn.Linear:
    """Return the last layer of a network.

    Raises:
        ValueError: it is not linear.
    """
    if not isinstance(head, nn.Linear):
        raise ValueError(
            f"policy: got a {type(network).__name__} whose last layer is not linear, "
            "expected one of MlpPolicy, CnnPolicy, MultiInputPolicy because affect reads its features"
        )
    return head
