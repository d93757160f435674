"""Where a gradient must cross between levels it does, with the right value; elsewhere there is none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.memory import read, write
from emotional_ed.nested import (
    Delivery,
    Parameters,
    Source,
    Transfer,
    backpropagation,
    conditioning,
    generation,
    initialisation,
    parametric,
)

V, K, ETA, STEPS = 2, 3, 0.3, 4
WAYS: list[Transfer] = [parametric, conditioning, backpropagation, initialisation, generation]


class World:
    """A source f(theta, x) = tanh(theta x) [V, K] -> [V], and a receiving matrix phi."""

    def __init__(self, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=g, dtype=torch.float64)

        self.theta = normal(V, K).requires_grad_()
        self.phi = normal(V, V).requires_grad_()
        self.x = normal(K).requires_grad_()
        self.keys, self.values = normal(STEPS, K), normal(STEPS, V)
        self.source = Source({"M": self.theta}, lambda own, x: torch.tanh(read(own["M"], x)))


def received(way: Transfer, world: World) -> Tensor:
    """What a receiver of each kind makes of its delivery: a number, quadratic in what it got."""
    got = way(world.source, world.x)
    if way is parametric:
        output = read(world.phi, read(got.parameters["M"], got.input))
    elif way is initialisation:
        M = got.parameters["M"]
        for k, v in zip(world.keys, world.values, strict=True):
            M, _ = write(M, k, v, ETA, solver="grad")
        output = read(world.phi, read(M, got.input))
    elif way is generation:
        output = read(world.phi, got.parameters["weight"] * 2 + got.input[:V])
    else:
        output = read(world.phi, got.input)
    return (output**2).sum()


def gradients(way: Transfer, world: World) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """With respect to the source's parameters, the receiver's, and the input."""
    received(way, world).backward()  # type: ignore[no-untyped-call]
    return world.theta.grad, world.phi.grad, world.x.grad


def by_finite_differences(way: Transfer, world: World, of: Tensor) -> Tensor:
    """Central differences of `received`; needs nothing of autograd."""
    result, flat = torch.zeros_like(of), of.detach().view(-1)
    with torch.no_grad():
        for i, kept in enumerate(flat.tolist()):
            ends = []
            for step in (1e-5, -1e-5):
                flat[i] = kept + step
                ends.append(float(received(way, world)))
            flat[i] = kept
            result.view(-1)[i] = (ends[0] - ends[1]) / 2e-5
    return result


@pytest.mark.parametrize(
    ("way", "to_source", "to_input"),
    [
        (parametric, False, True),
        (conditioning, False, False),
        (backpropagation, True, True),
        (initialisation, True, True),
        (generation, True, True),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_gradients_cross_where_they_must_and_nowhere_else(
    way: Transfer, to_source: bool, to_input: bool
) -> None:
    world = World()
    theta, phi, x = gradients(way, world)
    assert (theta is not None) == to_source
    assert (x is not None) == to_input
    assert phi is not None  # the receiver itself always learns
    assert by_finite_differences(way, world, world.theta).norm() > 1e-3  # theta does matter, in every way
    for analytic, variable in ((theta, world.theta), (phi, world.phi)):
        if analytic is not None:
            measured = by_finite_differences(way, world, variable)
            torch.testing.assert_close(analytic, measured, atol=1e-6, rtol=1e-6)


@given(st.integers(0, 2**31 - 1))
def test_backpropagated_gradient_is_the_chain_rule_by_hand(seed: int) -> None:
    world = World(seed)
    theta, _, x = gradients(backpropagation, world)
    with torch.no_grad():
        f = torch.tanh(world.theta @ world.x)
        inner = (2 * world.phi.T @ (world.phi @ f)) * (1 - f * f)
        torch.testing.assert_close(theta, torch.outer(inner, world.x))
        torch.testing.assert_close(x, world.theta.T @ inner)


@given(st.integers(0, 2**31 - 1))
def test_gradient_of_an_initial_value_crosses_every_inner_step(seed: int) -> None:
    world = World(seed)
    theta, _, _ = gradients(initialisation, world)
    with torch.no_grad():
        M, jacobian = world.theta.clone(), torch.eye(K, dtype=torch.float64)
        for k, v in zip(world.keys, world.values, strict=True):
            M = M + ETA * torch.outer(v - M @ k, k)
            jacobian = jacobian @ (torch.eye(K, dtype=torch.float64) - ETA * torch.outer(k, k))
        outer = torch.outer(2 * world.phi.T @ (world.phi @ (M @ world.x)), world.x)
        torch.testing.assert_close(theta, outer @ jacobian.T)


@given(st.integers(0, 2**31 - 1))
def test_gradient_of_generated_weights_by_hand(seed: int) -> None:
    world = World(seed)
    theta, _, _ = gradients(generation, world)
    with torch.no_grad():
        weight = torch.tanh(world.theta @ world.x)
        inner = 2 * world.phi.T @ (world.phi @ (2 * weight + world.x[:V])) * 2 * (1 - weight * weight)
        torch.testing.assert_close(theta, torch.outer(inner, world.x))


def test_what_is_delivered() -> None:
    world = World()
    output = torch.tanh(world.theta @ world.x)
    names: dict[Transfer, set[str]] = {parametric: {"M"}, initialisation: {"M"}, generation: {"weight"}}
    for way in WAYS:
        got = way(world.source, world.x)
        assert isinstance(got, Delivery)
        keeps_input = way in (parametric, initialisation, generation)
        torch.testing.assert_close(got.input, world.x if keeps_input else output, msg=str(way))
        assert set(got.parameters) == names.get(way, set())
    torch.testing.assert_close(generation(world.source, world.x).parameters["weight"], output)


def test_a_read_parameter_is_shared_and_an_initial_value_is_a_copy() -> None:
    M = torch.zeros(1, 1)
    source = Source({"M": M}, lambda own, x: read(own["M"], x))
    shared, copy = parametric(source, M[0]), initialisation(source, M[0])
    M += 1
    assert shared.parameters["M"].item() == 1.0
    assert copy.parameters["M"].item() == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Source({"M": 1.0}, lambda own, x: x), r"parameters\['M'\]: got float, expected a tensor"),  # type: ignore[dict-item]
        (lambda: Source({}, 3), r"apply: got int, expected a function"),  # type: ignore[arg-type]
        *((lambda way=way: way(Source({}, lambda own, x: x), [1.0]), r"x: got list, expected a tensor") for way in WAYS),
        *(
            (lambda way=way: way(Source({}, _no_tensor), torch.ones(1)), r"apply: got float, expected a tensor")
            for way in (conditioning, backpropagation, generation)
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def _no_tensor(own: Parameters, x: Tensor) -> Any:
    return 1.0
