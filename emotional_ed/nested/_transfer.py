"""The five ways in which one level's knowledge reaches another, and where gradients cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

Parameters = Mapping[str, Tensor]
"""What a level has learned: name -> tensor."""


@dataclass(frozen=True)
class Source:
    """The level that gives: what it knows, and what it does with it.

    Raises:
        ValueError: `parameters` holds something that is not a tensor, or `apply` cannot be called.
    """

    parameters: Parameters
    """theta, its knowledge; empty for a level without any."""
    apply: Callable[[Parameters, Tensor], Tensor]
    """f, its output f(theta, x)."""

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if not isinstance(value, Tensor):
                raise ValueError(f"parameters[{name!r}]: got {type(value).__name__}, expected a tensor")
        if not callable(self.apply):
            raise ValueError(f"apply: got {type(self.apply).__name__}, expected a function of theta and x")


@dataclass(frozen=True)
class Delivery:
    """What the receiving level gets; it runs on `input` with `{**its_own, **parameters}`."""

    input: Tensor
    """What the receiver is given to work on."""
    parameters: Parameters = field(default_factory=dict)
    """What the receiver takes over by name; empty where it keeps its own."""


Transfer = Callable[[Source, Tensor], Delivery]
"""A way of transfer; all five functions of this module are of this kind."""


def parametric(source: Source, x: Tensor) -> Delivery:
    """Let the receiver read the source's parameters; no gradient crosses.

    Equation:
        receiver: y = g(sg(theta), x), sg = stop-gradient

    The parameters are shared, not copied: what the source learns in place, the receiver sees at once. The
    receiver must not write them.

    Args:
        source: the level that gives.
        x: goes to the receiver as it is.

    Shapes:
        parameters: as the source's; input: as x.

    Raises:
        ValueError: `x` is no tensor.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 3.3, direct connection with parameters.
    """
    return Delivery(_tensor("x", x), {name: value.detach() for name, value in source.parameters.items()})


def conditioning(source: Source, x: Tensor) -> Delivery:
    """Give the source's output to the receiver as its input; no gradient crosses, neither to theta nor x.

    Equation:
        receiver: y = g(sg(f(theta, x)))

    Args:
        source: the level that gives.
        x: what the source works on.

    Shapes:
        parameters: none; input: as f returns.

    Raises:
        ValueError: `x` or what `source.apply` returns is no tensor.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 3.3, direct connection without parameters.
    """
    return Delivery(_output(source, x).detach())


def backpropagation(source: Source, x: Tensor) -> Delivery:
    """Give the source's output to the receiver as its input, and the receiver's gradient to the source.

    Equation:
        receiver: y = g(f(theta, x)), dL/dtheta = dL/dy dg/df df/dtheta

    Args:
        source: the level that gives.
        x: what the source works on.

    Shapes:
        parameters: none; input: as f returns.

    Raises:
        ValueError: `x` or what `source.apply` returns is no tensor.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 3.3, transfer by backpropagation.
    """
    return Delivery(_output(source, x))


def initialisation(source: Source, x: Tensor) -> Delivery:
    """Let the receiver start from the source's parameters; gradients cross through its own steps.

    Equation:
        receiver: phi_0 = theta, phi_{i+1} = phi_i - eta grad L_i(phi_i),
        dL/dtheta = dL/dphi_n prod_i (I - eta hess L_i(phi_i))

    The parameters are copies within the graph: the receiver's steps leave the source as it was, and the
    gradient crosses as long as the steps are differentiable (as `memory.write` is).

    Args:
        source: the level that gives.
        x: goes to the receiver as it is.

    Shapes:
        parameters: as the source's; input: as x.

    Raises:
        ValueError: `x` is no tensor.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 3.3, transfer by initialization; Finn et al. (2017), MAML.
    """
    return Delivery(_tensor("x", x), {name: value.clone() for name, value in source.parameters.items()})


def generation(source: Source, x: Tensor) -> Delivery:
    """Let the source generate what the receiver uses as its weights or as its context; gradients cross.

    Equation:
        receiver: y = g(W, x), W = f(theta, x), dL/dtheta = dL/dW df/dtheta

    Args:
        source: the level that gives.
        x: what the source works on; goes to the receiver too, which may run on something else.

    Shapes:
        parameters: {"weight": as f returns}; input: as x.

    Raises:
        ValueError: `x` or what `source.apply` returns is no tensor.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 3.3, transfer by generation; Ha et al. (2016),
        hypernetworks.
    """
    return Delivery(x, {"weight": _output(source, x)})


def _output(source: Source, x: Tensor) -> Tensor:
    return _tensor("apply", source.apply(source.parameters, _tensor("x", x)))


def _tensor(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: got {type(value).__name__}, expected a tensor")
    return value
