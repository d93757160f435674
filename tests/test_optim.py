"""Every optimizer against something that is not itself: torch.optim, Newton, autograd, LBFGS, closed forms."""

import copy
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3 import DQN
from test_memory_rules import minimise
from torch import Tensor, nn

from emotional_ed.optim import (
    M3,
    DeltaMomentum,
    MLPMomentum,
    MomentumMemory,
    PreconditionedMomentum,
    newton_schulz,
)

Maker = Callable[[Any], torch.optim.Optimizer]

MAKERS: dict[str, Maker] = {
    "momentum": partial(MomentumMemory, lr=0.03, weight_decay=0.01),
    "momentum-loop": partial(MomentumMemory, lr=0.03, foreach=False),
    "preconditioned": partial(PreconditionedMomentum, lr=0.03, weight_decay=0.01),
    "rms": partial(PreconditionedMomentum, lr=0.002, preconditioner="rms"),
    "delta": partial(DeltaMomentum, lr=0.03, weight_decay=0.01),
    "delta-grad": partial(DeltaMomentum, lr=0.03, solver="grad"),
    "mlp": partial(MLPMomentum, lr=0.03, weight_decay=0.01),
    "mlp-l2": partial(MLPMomentum, lr=0.02, objective="l2"),
    "m3": partial(M3, lr=0.05, period=3, retention=(0.9, 1.0, 1.0), weight_decay=0.01),
}
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())

seeds = st.integers(0, 2**31 - 1)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 5))
shares = st.floats(0, 0.95)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def follow(optimizer: torch.optim.Optimizer, p: Tensor, grads: Tensor) -> Tensor:
    """Give a parameter these gradients one after the other, and return it after each step."""
    path = []
    for g in grads:
        p.grad = g.clone().to(p.dtype)
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)


def network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / max(p.shape[-1], 2) ** 0.5)
    return net


def loss_of(net: nn.Sequential) -> Tensor:
    """Return how badly a network tells the product and the sine of its inputs."""
    p = next(net.parameters())
    x = draw(5, 32, 3).to(p)
    y = torch.stack([x.prod(-1), x.sum(-1).sin()], -1)
    loss: Tensor = (net(x) - y).square().mean()
    return loss


def train(net: nn.Sequential, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(net)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def weights(net: nn.Sequential) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


# Momentum, eq. 33


@given(seeds, st.floats(1e-4, 1), shares, st.floats(0, 0.5), st.booleans())
def test_momentum_is_sgd_with_momentum(
    seed: int, lr: float, momentum: float, weight_decay: float, foreach: bool
) -> None:
    start, grads = draw(seed, 2, 3), draw(seed + 1, 6, 2, 3)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    memory = MomentumMemory([ours], lr, momentum, weight_decay, foreach=foreach)
    sgd = torch.optim.SGD([theirs], lr, momentum, weight_decay=weight_decay)
    torch.testing.assert_close(follow(memory, ours, grads), follow(sgd, theirs, grads))


def test_momentum_writes_each_gradient_with_the_step_size_of_its_time() -> None:
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = MomentumMemory([p], lr=1.0, momentum=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    positions = []
    for _ in range(3):
        p.grad = torch.ones_like(p)
        optimizer.step()
        scheduler.step()
        positions.append(float(p.detach()))
    # m = -1, then -1/2 - 1/10, then -3/10 - 1/100; torch's SGD would go 1, 1.15, 1.1675
    assert positions == pytest.approx([-1, -1.6, -1.91])


def test_momentum_in_one_call_and_in_a_loop_agree_bit_for_bit() -> None:
    nets = [network(dtype=torch.float32) for _ in range(2)]
    for net, foreach in zip(nets, (True, False), strict=True):
        train(net, MomentumMemory(net.parameters(), 0.03, weight_decay=0.1, foreach=foreach), 9)
    assert torch.equal(weights(nets[0]), weights(nets[1]))


# Preconditioned momentum, eq. 47


@given(seeds, st.floats(1e-4, 1), shares)
def test_identity_preconditioners_give_momentum(seed: int, lr: float, momentum: float) -> None:
    start, grads = draw(seed, 2, 3), draw(seed + 1, 5, 2, 3)
    params = [nn.Parameter(start.clone()) for _ in range(5)]
    optimizers = [
        MomentumMemory([params[0]], lr, momentum),
        PreconditionedMomentum([params[1]], lr, momentum),
        PreconditionedMomentum([params[2]], lr, momentum, preconditioner=torch.clone),
        PreconditionedMomentum([params[3]], lr, momentum, preconditioner={params[3]: torch.ones(2, 3)}),
        PreconditionedMomentum([params[4]], lr, momentum, preconditioner={params[4]: torch.eye(6)}),
    ]
    paths = [follow(optimizer, p, grads) for optimizer, p in zip(optimizers, params, strict=True)]
    for path in paths[1:]:
        torch.testing.assert_close(path, paths[0])


@given(seeds, sizes, st.booleans())
def test_inverse_hessian_solves_a_quadratic_in_one_step(
    seed: int, size: tuple[int, int], as_function: bool
) -> None:
    n = size[0] * size[1]
    root, target = draw(seed, n, n), draw(seed + 1, n)
    H = root @ root.T + torch.eye(n, dtype=torch.float64)
    p = nn.Parameter(draw(seed + 2, *size))
    inverse = torch.linalg.inv(H)
    optimizer = PreconditionedMomentum(
        [p],
        lr=1.0,
        momentum=0.0,
        preconditioner=(lambda g: (inverse @ g.flatten()).view_as(g)) if as_function else {p: inverse},
    )
    error = p.flatten() - target
    (error @ H @ error / 2).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    torch.testing.assert_close(p.detach().flatten(), target, atol=1e-7, rtol=1e-7)


@given(seeds, st.floats(1e-4, 1), shares, st.floats(0, 0.99), st.floats(0, 0.5))
def test_running_second_moments_give_rmsprop(
    seed: int, lr: float, momentum: float, beta: float, weight_decay: float
) -> None:
    start, grads = draw(seed, 2, 3), draw(seed + 1, 6, 2, 3)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer = PreconditionedMomentum(
        [ours], lr, momentum, weight_decay, preconditioner="rms", beta=beta, eps=1e-3
    )
    rmsprop = torch.optim.RMSprop(
        [theirs], lr, alpha=beta, eps=1e-3, momentum=momentum, weight_decay=weight_decay
    )
    torch.testing.assert_close(follow(optimizer, ours, grads), follow(rmsprop, theirs, grads))


# Delta momentum, eq. 49 corrected


def written(seed: int, size: tuple[int, int], lr: float, momentum: float, solver: str) -> tuple[Tensor, ...]:
    """Return P, a memory, the gradient that comes next, and the memory after it."""
    P, first, G = draw(seed, size[0], size[0]), draw(seed + 1, *size), draw(seed + 2, *size)
    p = nn.Parameter(torch.zeros(size, dtype=torch.float64))
    optimizer = DeltaMomentum([p], lr, momentum, solver=solver, preconditioner={p: P})
    before, both = follow(optimizer, p, torch.stack([first, G]))
    return P, before, G, both - before


@given(seeds, sizes, st.floats(1e-3, 1), shares)
def test_explicit_delta_step_is_gradient_descent_on_its_objective(
    seed: int, size: tuple[int, int], lr: float, momentum: float
) -> None:
    P, m, G, got = written(seed, size, lr, momentum, "grad")
    m.requires_grad_()
    ((m @ G.T + P).square().sum() / 2).backward()  # type: ignore[no-untyped-call]
    assert m.grad is not None
    torch.testing.assert_close(got, momentum * m.detach() - lr * m.grad)


@given(seeds, sizes, st.floats(1e-2, 10), shares)
def test_proximal_delta_step_minimises_its_objective(
    seed: int, size: tuple[int, int], lr: float, momentum: float
) -> None:
    P, m, G, got = written(seed, size, lr, momentum, "prox")
    expected = minimise(
        lambda X: (X @ G.T + P).square().sum() / 2 + (X - momentum * m).square().sum() / (2 * lr), m
    )
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("solver", ["prox", "grad"])
def test_delta_memory_comes_to_rest_where_the_docs_say(solver: str) -> None:
    lr, momentum, G = 0.05, 0.8, draw(0, 2, 3)
    p = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    optimizer = DeltaMomentum([p], lr, momentum, solver=solver)
    path = follow(optimizer, p, G.expand(300, 2, 3))
    rest = -lr * G @ torch.linalg.inv((1 - momentum) * torch.eye(3, dtype=torch.float64) + lr * G.T @ G)
    torch.testing.assert_close(path[-1] - path[-2], rest)
    assert torch.linalg.matrix_norm(rest, 2) <= (lr / (1 - momentum)) ** 0.5 / 2


@given(seeds, st.floats(-30, 15), st.sampled_from([(3,), (), (5, 2), (2, 5), (2, 3, 2)]), st.booleans())
def test_proximal_delta_step_is_bounded_for_gradients_of_any_size(
    seed: int, exponent: float, shape: tuple[int, ...], singular: bool
) -> None:
    p = nn.Parameter(torch.zeros(shape))
    optimizer = DeltaMomentum([p], lr=0.1, momentum=0.9)
    grads = draw(seed, 20, *shape).float() * 10**exponent
    if singular:
        column = draw(seed + 1, 20, *shape[:1], *[1] * (len(shape) - 1)).float()
        grads = column * grads[:, :1] if len(shape) > 1 else grads  # of rank one
    grads[1] = 0.0
    steps = follow(optimizer, p, grads).reshape(20, -1).diff(dim=0)
    # a write has singular values of at most sqrt(lr)/2, at most two here, and erasing lengthens nothing
    assert steps.norm(dim=-1).max() <= (2 * 0.1) ** 0.5 / 2 / (1 - 0.9) * 1.001


def test_delta_step_for_small_gradients_is_momentum_for_large_ones_shrinks() -> None:
    def first_step(size: float) -> float:
        p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        return float(follow(DeltaMomentum([p], lr=0.1), p, torch.tensor([[size]]))[0])

    assert first_step(1e-4) == pytest.approx(-1e-5)
    assert first_step(1e4) == pytest.approx(-1e-4)


def test_a_vector_is_one_key() -> None:
    flat = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    row = nn.Parameter(torch.zeros(1, 4, dtype=torch.float64))
    grads = draw(0, 5, 4)
    path = follow(DeltaMomentum([flat], lr=0.5), flat, grads)
    assert torch.equal(path, follow(DeltaMomentum([row], lr=0.5), row, grads[:, None])[:, 0])


# MLP momentum, eq. 50


@given(seeds, sizes, st.floats(1e-3, 1), shares)
def test_a_network_of_biases_under_the_dot_objective_is_sgd_with_momentum(
    seed: int, size: tuple[int, int], lr: float, momentum: float
) -> None:
    start, grads = draw(seed, *size), draw(seed + 1, 6, *size)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    path = follow(MLPMomentum([ours], lr, momentum, hidden=0), ours, grads)
    torch.testing.assert_close(path, follow(torch.optim.SGD([theirs], lr, momentum), theirs, grads))


@given(seeds, sizes, st.floats(1e-3, 1), shares, st.sampled_from(["dot", "l2"]))
def test_the_network_is_trained_as_autograd_would(
    seed: int, size: tuple[int, int], lr: float, momentum: float, objective: str
) -> None:
    """A network of torch.nn, trained by autograd, makes the same steps."""
    rows, columns = size
    p = nn.Parameter(torch.zeros(size, dtype=torch.float64))
    optimizer = MLPMomentum([p], lr, momentum, hidden=4, objective=objective)
    first = nn.Linear(columns, 4).double()
    last = nn.Linear(4, columns, bias=False).double()
    B = nn.Parameter(torch.zeros(size, dtype=torch.float64))
    theta = [first.weight, first.bias, last.weight, B]
    with torch.no_grad():
        first.weight.copy_(optimizer.state[p]["hidden_weight"])
        first.bias.zero_()
        last.weight.zero_()
    initial = [t.detach().clone() for t in theta]

    def answer(u: Tensor) -> Tensor:
        x = u / u.square().mean().sqrt()
        out: Tensor = B + last(torch.tanh(first(x))) / (4 * rows) ** 0.5
        return out

    expected = torch.zeros(size, dtype=torch.float64)
    for u in draw(seed, 4, *size):
        y = answer(u)
        loss = (y * u).sum() if objective == "dot" else (y + u).square().sum() / 2
        slopes = torch.autograd.grad(loss, theta)
        with torch.no_grad():
            for t, t_0, slope in zip(theta, initial, slopes, strict=True):
                t.copy_(t_0 + momentum * (t - t_0) - lr * slope)
            expected = expected + answer(u)
        torch.testing.assert_close(follow(optimizer, p, u[None])[0], expected, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("objective", ["dot", "l2"])
def test_every_layer_of_the_network_changes_in_training(objective: str) -> None:
    net = network()
    optimizer = MLPMomentum(net.parameters(), lr=0.02, objective=objective)
    before = copy.deepcopy([optimizer.state[p] for p in net.parameters()])
    train(net, optimizer, 3)
    for p, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(optimizer.state[p]["initial_weight"], old["initial_weight"])
        for name in ("hidden_weight", "hidden_bias", "output_weight", "output_bias"):
            assert not torch.equal(optimizer.state[p][name], old[name]), name


def test_the_network_learns_its_inner_task() -> None:
    """Under "l2" it learns to answer a gradient with its negative, apart from what decay takes."""
    p = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    u = draw(0, 2, 3)
    path = follow(MLPMomentum([p], lr=0.5, momentum=1.0, objective="l2"), p, u.expand(100, 2, 3))
    torch.testing.assert_close(path[-1] - path[-2], -u)


# M3, Algorithm 1


@given(seeds, st.integers(1, 4), st.floats(0, 2), st.tuples(shares, shares, shares))
def test_m3_with_identity_follows_its_closed_form(
    seed: int, period: int, alpha: float, retention: tuple[float, float, float]
) -> None:
    b1, b2, b3, lr, eps = 0.5, 0.3, 0.2, 0.1, 0.01
    g = draw(seed, 11, 1)
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = M3([p], lr, (b1, b2, b3), retention, alpha, period, eps, orthogonalize=None)
    path = follow(optimizer, p, g)
    r1, r2, r3 = retention
    sums = [g[c * period : (c + 1) * period].sum(0) for c in range(11 // period)]
    position = torch.zeros(1, dtype=torch.float64)
    for t in range(11):
        fast = sum(b1 * r1 ** (t - i) * g[i] for i in range(t + 1))
        square = sum(b2 * r2 ** (t - i) * g[i] ** 2 for i in range(t + 1))
        past = t // period  # whole chunks before this step
        slow = sum((b3 * r3 ** (past - 1 - c) * sums[c] for c in range(past)), torch.zeros(1))
        position = position - lr * (fast + alpha * slow) / (square + eps) ** 0.5
        torch.testing.assert_close(path[t], position)


def test_m3_by_hand() -> None:
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = M3([p], lr=1.0, weights=(1, 0, 1), alpha=10.0, period=2, eps=1.0, orthogonalize=None)
    path = follow(optimizer, p, torch.tensor([[1.0], [2.0], [4.0], [8.0], [16.0]]))
    # fast 1, 3, 7, 15, 31; slow 0, 0, 3, 3, 15, which counts ten times
    assert path.diff(dim=0, prepend=torch.zeros(1, 1)).flatten().tolist() == [-1, -3, -37, -45, -181]


def test_m3_orthogonalises_matrices_and_leaves_vectors_alone() -> None:
    G = draw(0, 3, 5)
    exact = partial(newton_schulz, steps=40, coefficients=(15 / 8, -10 / 8, 3 / 8))
    for shape in ((3, 5), (3, 5, 1)):
        p = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        optimizer = M3([p], lr=1.0, weights=(1, 0, 1), eps=1.0, orthogonalize=exact)
        U, _, Vh = torch.linalg.svd(G, full_matrices=False)
        torch.testing.assert_close(follow(optimizer, p, G.view(1, *shape)).view(3, 5), -U @ Vh)
    v = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    optimizer = M3([v], lr=1.0, weights=(1, 0, 1), eps=1.0, orthogonalize=exact)
    torch.testing.assert_close(follow(optimizer, v, G[:1])[0], -G[0])


@given(seeds, sizes, st.integers(0, 6))
def test_newton_schulz_maps_singular_values_and_keeps_singular_vectors(
    seed: int, size: tuple[int, int], steps: int
) -> None:
    G = draw(seed, *size)
    U, s, Vh = torch.linalg.svd(G, full_matrices=False)
    s = s / s.norm()
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    torch.testing.assert_close(newton_schulz(G, steps), U @ s.diag() @ Vh, atol=1e-6, rtol=1e-6)
    assert torch.equal(newton_schulz(0 * G, steps), 0 * G)


# What all of them owe to torch.optim


@every_optimizer
def test_training_lowers_the_loss(make: Maker) -> None:
    net = network()
    losses = train(net, make(net.parameters()), 150)
    assert losses[-1] < 0.6 * losses[0]


@every_optimizer
def test_same_start_same_path(make: Maker) -> None:
    runs = []
    for _ in range(2):
        net = network()
        train(net, make(net.parameters()), 5)
        runs.append(weights(net))
    assert torch.equal(runs[0], runs[1])


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_goes_through_a_file_in_the_middle_of_a_chunk(make: Maker, dtype: torch.dtype) -> None:
    net = network(dtype=dtype)
    optimizer = make(net.parameters())
    train(net, optimizer, 5)  # the period of M3 is 3
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    parameters, state = torch.load(file, weights_only=True)
    copied = network(1, dtype)
    copied.load_state_dict(parameters)
    resumed = make(copied.parameters())
    resumed.load_state_dict(state)
    train(net, optimizer, 5)
    train(copied, resumed, 5)
    assert torch.equal(weights(net), weights(copied))


@every_optimizer
def test_loaded_state_is_a_copy(make: Maker) -> None:
    net, other = network(), network()
    optimizer = make(net.parameters())
    train(net, optimizer, 4)
    reader = make(other.parameters())
    reader.load_state_dict(optimizer.state_dict())
    kept = copy.deepcopy(reader.state_dict()["state"])
    train(net, optimizer, 4)
    after = reader.state_dict()["state"]
    for index, state in kept.items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(after[index][name])), name


def test_preconditioners_are_saved_and_copied_with_the_optimizer() -> None:
    p, q = (nn.Parameter(torch.ones(2, 1)) for _ in range(2))
    optimizer = PreconditionedMomentum([p], lr=0.1, preconditioner={p: torch.full((2, 1), 3.0)})
    resumed = PreconditionedMomentum([q], lr=0.5)
    resumed.load_state_dict(optimizer.state_dict())
    g = torch.ones(4, 2, 1)
    assert torch.equal(follow(optimizer, p, g), follow(resumed, q, g))
    for source in (
        PreconditionedMomentum([p], preconditioner=torch.neg),
        M3([p], orthogonalize=torch.zeros_like),
    ):
        twin = copy.deepcopy(source)
        inner = twin.param_groups[0]["params"][0]
        assert inner is not p
        assert torch.equal(follow(twin, inner, g), follow(source, p, g))


@every_optimizer
def test_groups_keep_their_own_options(make: Maker) -> None:
    net, alone = network(), network()
    before = weights(net)
    last = list(net[2].parameters())
    optimizer = make([{"params": net[0].parameters(), "lr": 0.0, "weight_decay": 0.0}])
    optimizer.add_param_group({"params": last})
    assert [group["lr"] == 0 for group in optimizer.param_groups] == [True, False]
    train(net, optimizer, 3)
    assert torch.equal(weights(net)[:32], before[:32])
    for p in alone[0].parameters():
        p.requires_grad_(False)
    train(alone, make(alone[2].parameters()), 3)
    assert torch.equal(weights(net), weights(alone))


@every_optimizer
def test_closure_is_evaluated_with_gradients_and_its_loss_returned(make: Maker) -> None:
    net, plain = network(), network()
    optimizer = make(net.parameters())

    def closure() -> float:
        optimizer.zero_grad()
        loss = loss_of(net)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    returned = [optimizer.step(closure) for _ in range(3)]
    assert returned == train(plain, make(plain.parameters()), 3)
    assert torch.equal(weights(net), weights(plain))


@every_optimizer
def test_schedulers_set_the_step_size(make: Maker) -> None:
    net = network()
    optimizer = make(net.parameters())
    base = optimizer.param_groups[0]["lr"]
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.25, total_iters=3)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["lr"])
        train(net, optimizer, 1)
        scheduler.step()
    assert seen == pytest.approx([base, base * 0.75, base * 0.5, base * 0.25])
    assert torch.isfinite(weights(net)).all()


@every_optimizer
def test_step_size_may_be_a_tensor(make: Maker) -> None:
    net, plain = network(), network()
    optimizer = make(plain.parameters())
    lr = torch.tensor(optimizer.param_groups[0]["lr"], dtype=torch.float64)
    train(plain, optimizer, 5)
    train(net, make([{"params": net.parameters(), "lr": lr}]), 5)
    torch.testing.assert_close(weights(net), weights(plain))


@every_optimizer
def test_parameters_without_a_gradient_stay(make: Maker) -> None:
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(3))
    optimizer = make([used, unused])
    follow(optimizer, used, torch.ones(2, 2, 2))
    assert torch.equal(unused, torch.ones(3))
    assert not torch.equal(used, torch.ones(2, 2))


@every_optimizer
def test_gradients_belong_to_the_caller(make: Maker) -> None:
    p = nn.Parameter(torch.ones(2, 3))
    p.grad = torch.arange(6.0).reshape(2, 3)
    make([{"params": [p], "weight_decay": 0.0}]).step()
    assert torch.equal(p.grad, torch.arange(6.0).reshape(2, 3))


@every_optimizer
def test_weight_decay_pulls_toward_zero(make: Maker) -> None:
    p = nn.Parameter(torch.ones(2, 3))
    optimizer = make([{"params": [p], "weight_decay": 0.5}])
    follow(optimizer, p, torch.zeros(3, 2, 3))
    assert bool(((p > 0) & (p < 1)).all())


@pytest.mark.parametrize("make", [DeltaMomentum, MLPMomentum, M3])
def test_decoupled_weight_decay_is_a_factor(make: Callable[..., torch.optim.Optimizer]) -> None:
    p = nn.Parameter(torch.ones(2, dtype=torch.float64))
    path = follow(make([p], lr=0.1, weight_decay=0.5), p, torch.zeros(2, 2))
    torch.testing.assert_close(path[:, 0], torch.tensor([0.95, 0.95**2], dtype=torch.float64))


@every_optimizer
def test_half_precision_weights_keep_state_in_float32(make: Maker) -> None:
    net = network(dtype=torch.bfloat16)
    optimizer = make(net.parameters())
    train(net, optimizer, 2)
    resumed = make(net.parameters())
    resumed.load_state_dict(optimizer.state_dict())
    for state in (*optimizer.state.values(), *resumed.state.values()):
        assert all(value.dtype == torch.float32 for value in state.values() if isinstance(value, Tensor))


@pytest.mark.gpu
@every_optimizer
def test_step_on_a_gpu_never_waits_and_agrees_with_the_cpu(make: Maker) -> None:
    nets = [network(), network().cuda()]
    for net in nets:
        optimizer = make(net.parameters())
        for _ in range(5):
            optimizer.zero_grad()
            loss_of(net).backward()  # type: ignore[no-untyped-call]
            torch.cuda.set_sync_debug_mode("error")
            optimizer.step()
            torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(weights(nets[1]).cpu(), weights(nets[0]))


@pytest.mark.parametrize(
    "optimizer_class", [MomentumMemory, PreconditionedMomentum, DeltaMomentum, MLPMomentum, M3]
)
def test_stable_baselines_trains_with_it(optimizer_class: type[torch.optim.Optimizer], tmp_path: Any) -> None:
    model = DQN(
        "MlpPolicy",
        "CartPole-v1",
        policy_kwargs={"optimizer_class": optimizer_class, "net_arch": [16]},
        learning_starts=50,
        buffer_size=500,
        seed=0,
        device="cpu",
    )
    before = [p.detach().clone() for p in model.q_net.parameters()]
    model.learn(200)
    after = list(model.q_net.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert not any(torch.equal(p, q) for p, q in zip(before, after, strict=True))
    model.save(tmp_path / "model")
    loaded = DQN.load(tmp_path / "model", device="cpu")
    state, again = model.policy.optimizer.state_dict(), loaded.policy.optimizer.state_dict()
    assert str(state) == str(again)


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: MomentumMemory([p], lr=-1), r"lr: got -1, expected a number in \[0, inf\)"),
        (lambda p: MomentumMemory([p], lr=float("nan")), r"lr: got nan, expected"),
        (lambda p: MomentumMemory([p], lr=torch.ones(2)), r"lr: got a tensor of shape \[2\], expected"),
        (lambda p: MomentumMemory([p], momentum=1.5), r"momentum: got 1.5, expected a number in \[0, 1\]"),
        (lambda p: MomentumMemory([p], weight_decay=-1), r"weight_decay: got -1, expected"),
        (lambda p: MomentumMemory([{"params": [p], "lr": "fast"}]), r"lr: got 'fast', expected"),
        (lambda p: MomentumMemory([p.detach().cfloat()]), r"params: got a tensor of torch.complex64, expected real"),
        (lambda p: PreconditionedMomentum([p], beta=1.0), r"beta: got 1.0, expected a number in \[0, 1\)"),
        (lambda p: PreconditionedMomentum([p], eps=0.0), r"eps: got 0.0, expected a number in \(0, inf\)"),
        (lambda p: PreconditionedMomentum([p], preconditioner="adam"), r"preconditioner: got 'adam', expected one of rms"),
        (lambda p: PreconditionedMomentum([p], preconditioner=3), r"preconditioner: got a int, expected 'rms', a function"),  # type: ignore[arg-type]
        (lambda p: PreconditionedMomentum([p], preconditioner={p: torch.eye(2)}), r"got a tensor of shape \[2, 2\], expected \[2, 3\] or \[6, 6\]"),
        (lambda p: PreconditionedMomentum([p], preconditioner={torch.ones(2, 3): p}), r"preconditioner: got 1 keys of others"),
        (lambda p: DeltaMomentum([p], solver="newton"), r"solver: got 'newton', expected one of grad, prox"),
        (lambda p: DeltaMomentum([p], preconditioner={p: torch.eye(3)}), r"got a tensor of shape \[3, 3\], expected \[2, 2\]"),
        (lambda p: MLPMomentum([p], hidden=-1), r"hidden: got -1, expected an integer of at least 0"),
        (lambda p: MLPMomentum([p], objective="cosine"), r"objective: got 'cosine', expected one of dot, l2"),
        (lambda p: MLPMomentum([p], seed=-1), r"seed: got -1, expected"),
        (lambda p: M3([p], weights=(1, 2)), r"weights: got \(1, 2\), expected three numbers"),  # type: ignore[arg-type]
        (lambda p: M3([p], weights=(1, -2, 0)), r"weights\[1\]: got -2, expected a number in \[0, inf\)"),
        (lambda p: M3([p], retention=(1, 1, 2)), r"retention\[2\]: got 2, expected a number in \[0, 1\]"),
        (lambda p: M3([p], alpha=-1), r"alpha: got -1, expected"),
        (lambda p: M3([p], period=0), r"period: got 0, expected an integer of at least 1"),
        (lambda p: M3([p], eps=0), r"eps: got 0, expected a number in \(0, inf\)"),
        (lambda p: newton_schulz(torch.ones(2)), r"G: got a tensor of shape \[2\], expected a matrix"),
        (lambda p: newton_schulz(p, -1), r"steps: got -1, expected"),
    ],
)  # fmt: skip
def test_bad_options_are_named(make: Callable[[nn.Parameter], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(nn.Parameter(torch.ones(2, 3)))


@every_optimizer
def test_bad_gradients_and_groups_are_named(make: Maker) -> None:
    p, q = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2))
    optimizer = make([p])
    p.grad = torch.ones(2, 3).to_sparse()
    with pytest.raises(ValueError, match=r"grad: got .*sparse.*, expected a dense gradient"):
        optimizer.step()
    with pytest.raises(ValueError, match=r"lr: got -2, expected"):
        optimizer.add_param_group({"params": [q], "lr": -2})
    with pytest.raises(ValueError, match=r"params: got a tensor of torch.complex64, expected real"):
        optimizer.add_param_group({"params": [torch.ones(2, dtype=torch.complex64)]})
    assert len(optimizer.param_groups) == 1
    optimizer = PreconditionedMomentum([q], preconditioner=torch.sum)
    with pytest.raises(ValueError, match="preconditioner: got shape"):
        follow(optimizer, q, torch.ones(1, 2))
