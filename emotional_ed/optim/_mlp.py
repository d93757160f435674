"""Momentum kept in a small network that is trained on the gradients it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from emotional_ed.checks import require_choice, require_int
from emotional_ed.optim._base import (
    Group,
    MemoryOptimizer,
    as_matrix,
    check_common,
    shrink_weights,
    state_dtype,
)

Network = dict[str, Tensor]


@final
class MLPMomentum(MemoryOptimizer):
    """Gradient descent whose momentum is the output of a network trained by inner gradients.

    Equation:
        u = grad L(W), and at every step, for each parameter,

            theta = theta_0 + momentum (theta - theta_0) - lr grad_theta L2(theta; u)
            W     = (1 - lr weight_decay) W + m_theta(u)

        with the inner objective L2 = <m_theta(u), u> ("dot") or 1/2 |m_theta(u) + u|^2 ("l2"), and the
        network, one for each parameter, run on the rows x of u after division by their common root mean
        square:

            m_theta(u) = B + f R,    f = tanh(x A^T + a) / sqrt(V hidden)        row by row

        theta_0 has random A and zeros elsewhere. Without hidden units only B is left, and the dot
        objective gives exactly eq. 33, momentum. With them the network recalls past gradients by
        likeness: under "dot", were the hidden layer fixed, at time T

            m_theta(u_T) = -lr sum_t momentum^(T - t) (u_t + f_T f_t^T u_t)

        where f_T f_t^T [V, V] compares the present rows with those of time t and has no singular value above
        one: the step is momentum's and at most as much again. Under "l2" the network learns to answer
        u with -u, and the descent on B and R is stable while 2 lr < 1 + momentum.

    Choices where the paper leaves room:
        L^(2) is the objective of the second level, not a square; "dot" is that of eq. 33. What decays by
        `momentum` is the distance from the initial network (eq. 50 has theta itself; with theta a
        displacement that starts at zero, as a momentum does, the two are the same), because a first layer
        that decays to zero could never be trained again. Rows share one network, so that its size is
        (hidden + 1)(K + 1) + hidden K + V K instead of a multiple of the square of the entries.

    Args:
        params: parameters or groups of them.
        lr: step size eta >= 0 of the inner descent, a number or a tensor of shape [].
        momentum: alpha in [0, 1], the share of what was learned that is kept at each step.
        weight_decay: >= 0; decoupled from the gradient, because the gradient is also the input.
        hidden: units of the hidden layer; 0 for a network of biases only.
        objective: "dot" or "l2".
        seed: of the initial networks, drawn in the order of the parameters of a group.

    Shapes:
        A parameter of shape [V, ...] is the matrix [V, K]; a vector [K] or a scalar is one row [1, K].
        A: [hidden, K]; a: [hidden]; R: [hidden, K]; B: [V, K]. State: theta and the initial A.

    Raises:
        ValueError: an option is out of range, a parameter is complex, or a gradient sparse.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: eq. 50.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        hidden: int = 16,
        objective: str = "dot",
        seed: int = 0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "hidden": hidden,
            "objective": objective,
            "seed": seed,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        check_common(group)
        require_int("hidden", group["hidden"], 0)
        require_int("seed", group["seed"], 0)
        require_choice("objective", group["objective"], ("dot", "l2"))

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own, and draw their initial networks.

        Raises:
            ValueError: an option is out of range, or a parameter is not real floating point.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        generator = torch.Generator().manual_seed(group["seed"])
        for p in group["params"]:
            self.state[p].update(_initial_network(p, group["hidden"], generator))

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        networks = [{name: self.state[p][name] for name in _NAMES if name in self.state[p]} for p in params]
        inputs = [as_matrix(g.to(state_dtype(p))) for p, g in zip(params, grads, strict=True)]  # [V, K] each
        slopes = torch.func.grad(_inner_loss)(networks, inputs, group["objective"])
        shrink_weights(params, group["lr"], group["weight_decay"])
        for p, theta, u, slope in zip(params, networks, inputs, slopes, strict=True):
            for name, value in theta.items():
                if name == "hidden_weight":
                    value.lerp_(self.state[p]["initial_weight"], 1 - group["momentum"])
                else:
                    value.mul_(group["momentum"])
                value.sub_(group["lr"] * slope[name])
            p.add_(_answer(theta, u).reshape(p.shape))


_NAMES = ("hidden_weight", "hidden_bias", "output_weight", "output_bias")


def _initial_network(p: Tensor, hidden: int, generator: torch.Generator) -> Network:
    rows, columns = as_matrix(p).shape
    network = {"output_bias": torch.zeros(rows, columns)}
    if hidden:
        A = torch.randn(hidden, columns, generator=generator) / max(columns, 1) ** 0.5
        network["hidden_weight"], network["initial_weight"] = A, A.clone()
        network["hidden_bias"] = torch.zeros(hidden)
        network["output_weight"] = torch.zeros(hidden, columns)
    return {name: value.to(p.device, state_dtype(p)) for name, value in network.items()}


def _answer(theta: Network, u: Tensor) -> Tensor:
    """Return m_theta(u) [V, K]."""
    if "hidden_weight" not in theta:
        return theta["output_bias"]
    tiny = torch.finfo(u.dtype).tiny
    x = u / u.square().mean().sqrt().clamp_min(tiny)
    features = torch.tanh(x @ theta["hidden_weight"].T + theta["hidden_bias"])  # [V, hidden]
    answer: Tensor = theta["output_bias"] + features @ theta["output_weight"] / features.numel() ** 0.5
    return answer


def _inner_loss(networks: list[Network], inputs: list[Tensor], objective: str) -> Tensor:
    """Return L2 summed over parameters, whose networks do not share anything: one backward pass for all."""
    total = inputs[0].new_zeros(())
    for theta, u in zip(networks, inputs, strict=True):
        answer = _answer(theta, u)
        loss = (answer * u).sum() if objective == "dot" else (answer + u).square().sum() / 2
        total = total + loss.to(total)
    return total
