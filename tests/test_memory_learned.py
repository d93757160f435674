"""Self-modifying memories, network memories, and learned step sizes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_memory_rules import minimise, seeds
from torch import Tensor, nn

from emotional_ed.memory import (
    ContinuumChain,
    ContinuumMemory,
    HypergradientMemory,
    IDBDMemory,
    MLPMemory,
    SelfModifyingMemory,
    SelfModifyingState,
    update_metric,
    value_checks,
    write_chunk,
    write_self,
)

# ---------------------------------------------------------------- self-modifying


def by_hand(model: SelfModifyingMemory, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """One sequence, token by token, written down once more with explicit loops and a numerical minimiser."""
    M = {name: model.get_parameter(name).detach().clone() for name in SelfModifyingState._fields}
    W = model.get_parameter("query").detach()
    answers = []
    for token in x:
        k, v, q = M["key"] @ token, M["value"] @ token, W @ token
        k, q = k / k.norm(), q / q.norm()
        eta = torch.log1p(torch.exp(M["step"] @ token)).squeeze()
        alpha = 1 / (1 + torch.exp(-(M["retention"] @ token).squeeze()))
        answers.append(M["content"] @ q)
        own = {name: memory @ v for name, memory in M.items()}
        for name in M:
            kept = alpha * M[name]

            def total(
                X: Tensor, kept: Tensor = kept, u: Tensor = own[name], k: Tensor = k, eta: Tensor = eta
            ) -> Tensor:
                return 0.5 * ((X @ k - u) ** 2).sum() + ((X - kept) ** 2).sum() / (2 * eta)

            M[name] = minimise(total, kept)
    return torch.stack(answers), M


def test_token_by_token_equals_the_equations_written_out() -> None:
    g = torch.Generator().manual_seed(0)
    model = SelfModifyingMemory(4, generator=g, dtype=torch.float64)
    x = torch.randn(1, 5, 4, generator=g, dtype=torch.float64)
    y, state = model(x)
    answers, memories = by_hand(model, x[0])
    torch.testing.assert_close(y[0].detach(), answers, atol=1e-5, rtol=1e-5)
    for name, memory in memories.items():
        torch.testing.assert_close(getattr(state, name)[0].detach(), memory, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rule", ["l2", "dot", "published"])
@given(seeds, st.integers(1, 9), st.integers(1, 4))
def test_an_answer_never_depends_on_its_own_or_a_later_token(
    rule: str, seed: int, T: int, chunk: int
) -> None:
    g = torch.Generator().manual_seed(seed)
    model = SelfModifyingMemory(3, chunk=chunk, rule=rule, generator=g, dtype=torch.float64)
    x = torch.randn(2, T, 3, generator=g, dtype=torch.float64, requires_grad=True)
    y, _ = model(x)
    t = seed % T
    (gradient,) = torch.autograd.grad(y[:, t].sum(), x)
    assert not gradient[:, t + 1 :].any()  # nothing later
    start = t - t % chunk
    assert not gradient[:, start:t].any()  # within a chunk all read from its start
    if start and rule != "published":
        assert bool(gradient[:, :start].any())


@given(seeds, st.integers(1, 12), st.integers(1, 5))
def test_chunks_split_anywhere_at_their_borders(seed: int, T: int, chunk: int) -> None:
    g = torch.Generator().manual_seed(seed)
    model = SelfModifyingMemory(3, chunk=chunk, generator=g, dtype=torch.float64)
    x = torch.randn(2, T, 3, generator=g, dtype=torch.float64)
    whole, end = model(x)
    border = (T // 2) // chunk * chunk
    if border:
        first, state = model(x[:, :border])
        second, other = model(x[:, border:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        for one, two in zip(end, other, strict=True):
            torch.testing.assert_close(one, two)


def test_a_chunk_of_one_is_token_by_token_and_larger_ones_differ() -> None:
    x = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = {
        chunk: SelfModifyingMemory(
            3, chunk=chunk, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )(x)[0]
        for chunk in (1, 2, 8)
    }
    assert not torch.allclose(outputs[1], outputs[2])
    start = SelfModifyingMemory(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    query = nn.functional.normalize(x @ start.get_parameter("query").T, dim=-1)
    torch.testing.assert_close(outputs[8], query @ start.get_parameter("content").T)  # all from the start


@pytest.mark.parametrize(("rule", "share"), [("l2", 1.0), ("dot", 1.0), ("published", 0.5)])
def test_fixed_points_of_the_rules(rule: str, share: float) -> None:
    k, u = torch.tensor([[0.6, 0.8]], dtype=torch.float64), torch.tensor([[2.0]], dtype=torch.float64)
    M = torch.zeros(1, 1, 2, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    for _ in range(200):
        M = write_self(M, k, u, 0.3 * one, one, rule)
    assert (M @ k[..., None]).item() == pytest.approx(share * 2.0)


def test_the_initial_memories_can_be_trained_through_the_writes() -> None:
    """Knowledge transfer by initialisation: outer training on one batch lowers its loss."""
    g = torch.Generator().manual_seed(0)
    model = SelfModifyingMemory(8, generator=g)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(4, 4, 8, generator=g)
    x = torch.cat([x, x], 1)
    losses = []
    for _ in range(80):
        y, _ = model(x)
        loss = ((y[:, 4:] - x[:, 4:]) ** 2).mean()  # answer what was seen with the same token before
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())


# ---------------------------------------------------------------- networks


@given(seeds, st.integers(1, 3))
def test_a_network_memory_makes_one_step_of_sgd_on_its_inner_objective(seed: int, P: int) -> None:
    g = torch.Generator().manual_seed(seed)
    memory = MLPMemory((3, 5, 2), batch=(P,), generator=g, dtype=torch.float64)
    key, value = (
        torch.randn(P, 3, generator=g, dtype=torch.float64),
        torch.randn(P, 2, generator=g, dtype=torch.float64),
    )
    expected = []
    for p in range(P):
        net = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 2)).double()
        for i, layer in ((0, 0), (1, 2)):
            net[layer].weight.data = memory.weights[f"w{i}"][p].clone()
            net[layer].bias.data = memory.weights[f"b{i}"][p].clone()
        torch.testing.assert_close(memory.read(key)[p], net(key[p]).detach())
        (0.5 * ((net(key[p]) - value[p]) ** 2).sum()).backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()
        expected.append(net)
    before = memory.read(key)
    lss = memory.write(key, value, 0.1)
    torch.testing.assert_close(lss, value - before)
    for p, net in enumerate(expected):
        torch.testing.assert_close(memory.read(key)[p], net(key[p]).detach())


def test_network_memory_masks_learns_and_names_bad_input() -> None:
    g = torch.Generator().manual_seed(0)
    memory = MLPMemory((2, 16, 1), batch=(2,), eta=0.2, generator=g)
    key, value = torch.randn(2, 2, generator=g), torch.ones(2, 1)
    start = memory.read(key)
    for _ in range(50):
        memory.write(key, value, mask=torch.tensor([True, False]))
    assert abs(float(memory.read(key)[0] - 1)) < 0.01
    assert torch.equal(memory.read(key)[1], start[1])
    single = MLPMemory((2, 1))
    single.write(torch.ones(2), torch.ones(1), torch.tensor(0.5))
    with pytest.raises(ValueError, match=r"key: got .*expected torch.float32 \[2, 2\]"):
        memory.read(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"sizes: got \[2\]"):
        MLPMemory((2,))


# ---------------------------------------------------------------- learned step sizes


def test_trace_is_the_derivative_of_the_weights_by_the_log_step_sizes() -> None:
    """One-hot keys, theta = 0: h equals autograd's dw/dbeta."""
    beta = torch.tensor([0.05, 0.2, 0.4], dtype=torch.float64).log().requires_grad_()
    w = torch.zeros(3, dtype=torch.float64)
    memory = IDBDMemory(3, theta=0.0, dtype=torch.float64)
    memory.log_step.copy_(beta.detach())
    g = torch.Generator().manual_seed(0)
    for t in range(20):
        key = nn.functional.one_hot(torch.tensor(t % 3), 3).double()
        value = torch.randn(1, generator=g, dtype=torch.float64)
        memory.write(key, value)
        w = w + beta.exp() * (value - w @ key) * key
    derivative = torch.stack([torch.autograd.grad(w[i], beta, retain_graph=True)[0][i] for i in range(3)])
    torch.testing.assert_close(memory.M[0], w.detach())
    torch.testing.assert_close(memory.trace, derivative)


def test_one_write_never_overshoots() -> None:
    memory = IDBDMemory(4, step_size=50.0, theta=5.0, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    for _ in range(300):
        key, value = (
            10 * torch.randn(4, generator=g, dtype=torch.float64),
            torch.randn(1, generator=g, dtype=torch.float64),
        )
        lss = memory.write(key, value)
        after = value - memory.read(key)
        rounding = 1e-12 * float(1 + value.abs() + (memory.M.abs() @ key.abs()))
        assert abs(float(after)) <= abs(float(lss)) + rounding
        assert float(after * lss) >= -rounding * abs(float(lss))
    assert bool(torch.isfinite(memory.M).all())


def test_the_classic_tracking_task_grows_the_relevant_step_sizes() -> None:
    """Sutton (1992): 20 inputs, 5 matter; every 20 items one of their five signs flips."""
    g = torch.Generator().manual_seed(0)
    seeds_ = 8
    memory = IDBDMemory(20, batch=(seeds_,), step_size=0.05, theta=0.005, dtype=torch.float64)
    fixed = IDBDMemory(20, batch=(seeds_,), step_size=0.05, theta=0.0, dtype=torch.float64)
    target = torch.zeros(seeds_, 20, dtype=torch.float64)
    target[:, :5] = 1
    errors, plain = [], []
    for t in range(20_000):
        if t % 20 == 0:
            flip = torch.randint(5, (seeds_,), generator=g)
            target[torch.arange(seeds_), flip] *= -1
        key = torch.randn(seeds_, 20, generator=g, dtype=torch.float64)
        value = (target * key).sum(-1, keepdim=True)
        errors.append(memory.write(key, value).square().mean())
        plain.append(fixed.write(key, value).square().mean())
    relevant, irrelevant = memory.step_sizes[:, :5].mean(), memory.step_sizes[:, 5:].mean()
    assert relevant > 0.1  # Sutton reports about 0.13 after long training
    assert irrelevant < 0.03
    late, late_plain = torch.stack(errors[-5000:]).mean(), torch.stack(plain[-5000:]).mean()
    assert late < 0.6 * late_plain


@given(seeds)
def test_the_hypergradient_is_that_of_one_unrolled_step(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    memory = HypergradientMemory(2, 3, step_size=0.7, theta=0.0, dtype=torch.float64)
    memory.M.copy_(torch.randn(2, 3, generator=g, dtype=torch.float64))
    M = memory.M.clone()
    pairs = [
        (torch.randn(3, generator=g, dtype=torch.float64), torch.randn(2, generator=g, dtype=torch.float64))
        for _ in range(2)
    ]
    log_eta = torch.tensor(0.7, dtype=torch.float64).log().requires_grad_()
    (k0, v0), (k1, v1) = pairs
    eta = log_eta.exp()
    written = M + torch.outer(v0 - M @ k0, k0) * eta / (1 + eta * k0 @ k0)
    (expected,) = torch.autograd.grad(0.5 * ((v1 - written @ k1) ** 2).sum(), log_eta)
    memory.write(k0, v0)
    torch.testing.assert_close(memory.M, written.detach())
    torch.testing.assert_close(memory.hypergradient(k1, v1 - memory.read(k1)), expected)


def test_the_hypergradient_step_grows_where_things_change_and_shrinks_in_noise() -> None:
    g = torch.Generator().manual_seed(0)
    drifting = HypergradientMemory(1, 1, batch=(64,), step_size=0.1, theta=0.02)
    noisy = HypergradientMemory(1, 1, batch=(64,), step_size=0.1, theta=0.2)
    key, walk = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(3000):
        walk = walk + torch.randn(64, 1, generator=g)
        drifting.write(key, walk)
        noisy.write(key, torch.randn(64, 1, generator=g))
    assert float(drifting.step_sizes.mean()) > 1.0
    assert float(noisy.step_sizes.mean()) < 0.05


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="step_size: got 0"):
        IDBDMemory(3, step_size=0)
    with pytest.raises(ValueError, match="theta: got -1"):
        HypergradientMemory(1, 3, theta=-1)
    with pytest.raises(ValueError, match="rule: got 'l1'"):
        SelfModifyingMemory(3, rule="l1")
    with pytest.raises(ValueError, match="rule: got 'dotty'"):
        write_self(
            torch.zeros(1, 1, 2), torch.zeros(1, 2), torch.zeros(1, 1), torch.ones(1), torch.ones(1), "dotty"
        )
    with pytest.raises(ValueError, match=r"x: got .*\[B, T, D=3\]"):
        SelfModifyingMemory(3)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"key: got .*K=3"):
        IDBDMemory(3).read(torch.zeros(2))


def test_huge_surprises_do_not_blow_up_a_learned_step_size() -> None:
    memory = HypergradientMemory(1, 1)
    for sign in (1, 1, -1, 1, -1, -1):
        memory.write(torch.ones(1), sign * 1000 * torch.ones(1))
    assert bool(torch.isfinite(memory.M).all())
    assert bool(torch.isfinite(memory.log_step).all())


def test_values_are_checked_everywhere_on_request() -> None:
    nan = torch.full((3,), float("nan"))
    with value_checks():
        for call in (
            lambda: MLPMemory((3, 1)).write(nan, torch.zeros(1)),
            lambda: SelfModifyingMemory(3, rule="dot")(nan[None, None]),
            lambda: IDBDMemory(3).write(nan, torch.zeros(1)),
            lambda: HypergradientMemory(1, 3).write(torch.zeros(3), nan[:1]),
            lambda: ContinuumMemory(1, 3).write(nan, torch.zeros(1)),
            lambda: ContinuumChain(3, 2).write(nan, torch.zeros(3)),
            lambda: write_chunk(torch.zeros(1, 3), torch.zeros(2, 3), torch.zeros(2, 1), nan[:2]),
            lambda: update_metric(torch.eye(3), nan),
        ):
            with pytest.raises(ValueError, match=r"non-finite"):
                call()
    with pytest.raises(ValueError, match=r"eta: got .*expected a number or shape"):
        MLPMemory((3, 1)).write(torch.zeros(3), torch.zeros(1), torch.zeros(3))
