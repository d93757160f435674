"""Value and gradient of a plain multilayer perceptron, written out: no graph is built and walked."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class PlainMLP:
    """A stack of linear layers with ReLU between them, seen through its own parameters.

    Equation:
        h_0 = x;   h_i = relu(W_i h_{i-1} + b_i);   y = W_n h_{n-1} + b_n
        dL/dW_i = g_i^T h_{i-1},  dL/db_i = sum g_i,  g_{i-1} = (g_i W_i) [h_{i-1} > 0]

    The numbers are those of torch's autograd. Gradients go into the `grad` of the parameters, which must
    be there.

    Args:
        layers: linear layers in order, ReLU between them and none at the end.
    """

    def __init__(self, layers: list[nn.Linear]) -> None:
        self._layers = layers

    @classmethod
    def of(cls, network: nn.Module) -> PlainMLP | None:
        """Return the view of an `nn.Sequential` of Linear, ReLU, Linear, ..., Linear; None of any other."""
        if type(network) is not nn.Sequential or not len(network) % 2:
            return None
        linear, between = list(network)[::2], list(network)[1::2]
        plain = all(type(one) is nn.Linear and one.bias is not None for one in linear)
        hooked = any(one._forward_hooks or one._forward_pre_hooks for one in network)
        if not plain or hooked or not all(type(one) is nn.ReLU for one in between):
            return None
        return cls([one for one in linear if isinstance(one, nn.Linear)])

    @property
    def width(self) -> int:
        """Number of outputs V."""
        return self._layers[-1].out_features

    def hidden(self, x: Tensor) -> list[Tensor]:
        """Return the inputs of every layer, h_0 to h_{n-1}, for inputs [B, K]."""
        inputs = [x]
        for layer in self._layers[:-1]:
            inputs.append(F.linear(inputs[-1], layer.weight, layer.bias).relu_())
        return inputs

    def output(self, last: Tensor) -> Tensor:
        """Return the output [B, V] for the input of the last layer."""
        return F.linear(last, self._layers[-1].weight, self._layers[-1].bias)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output [B, V] for inputs [B, K]."""
        return self.output(self.hidden(x)[-1])

    def backward(self, inputs: list[Tensor], gradient: Tensor, beside: Tensor | None = None) -> None:
        """Write the gradients for dL/dy [B, V] over those that the parameters hold.

        Args:
            inputs: what `hidden` returned.
            gradient: dL/dy.
            beside: what flows into h_{n-1} from other layers on it, [B, K]; None if there are none.
        """
        for index in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[index]
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            torch.mm(gradient.t(), inputs[index], out=layer.weight.grad)
            torch.sum(gradient, 0, out=layer.bias.grad)
            if index:
                gradient = torch.mm(gradient, layer.weight)
                if beside is not None:
                    gradient, beside = gradient.add_(beside), None
                gradient.mul_(inputs[index] > 0)
