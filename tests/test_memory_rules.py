"""Every form of `write` against something that is not itself: LBFGS, autograd, torch.optim, lstsq."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.memory import (
    AssociativeMemory,
    modulate_share,
    read,
    read_onehot,
    value_checks,
    write,
    write_onehot,
)


def minimise(objective: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Find the minimum of a smooth convex function of one matrix numerically, in fp64."""
    X = start.clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [X], max_iter=500, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = objective(X)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(3):
        solver.step(closure)  # type: ignore[no-untyped-call]
    return X.detach()


def local_loss(X: Tensor, k: Tensor, v: Tensor, objective: str) -> Tensor:
    return 0.5 * ((X @ k - v) ** 2).sum() if objective == "l2" else -((X @ k) * v).sum()


sizes = st.tuples(st.integers(1, 4), st.integers(1, 6))
seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, V: int, K: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    M, A = torch.randn(2, V, K, generator=g, dtype=torch.float64)
    k = torch.randn(K, generator=g, dtype=torch.float64)
    v = torch.randn(V, generator=g, dtype=torch.float64)
    return M, A, k, v


@given(
    seeds,
    sizes,
    st.sampled_from(["l2", "dot"]),
    st.floats(0.01, 5),
    st.floats(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_proximal_write_minimises_its_objective(
    seed: int, size: tuple[int, int], objective: str, eta: float, ridge: float, anchored: bool, diagonal: bool
) -> None:
    M, A, k, v = draw(seed, *size)
    rate = (
        eta * (0.2 + torch.rand(size[1], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
        if diagonal
        else eta
    )
    A = A if anchored else torch.zeros_like(M)

    def total(X: Tensor) -> Tensor:
        near = ((X - M) ** 2 / rate).sum() / 2
        return local_loss(X, k, v, objective) + ridge / 2 * ((X - A) ** 2).sum() + near

    expected = minimise(total, M)
    written, lss = write(M, k, v, rate, objective=objective, ridge=ridge, anchor=A if anchored else None)
    torch.testing.assert_close(written, expected, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(lss, v - M @ k)


@given(seeds, sizes, st.sampled_from(["l2", "dot"]), st.floats(0.01, 1), st.floats(0, 2))
def test_gradient_write_is_one_step_of_sgd(
    seed: int, size: tuple[int, int], objective: str, eta: float, ridge: float
) -> None:
    M, A, k, v = draw(seed, *size)
    X = M.clone().requires_grad_()
    sgd = torch.optim.SGD([X], lr=eta)
    (local_loss(X, k, v, objective) + ridge / 2 * ((X - A) ** 2).sum()).backward()  # type: ignore[no-untyped-call]
    sgd.step()
    written, _ = write(M, k, v, eta, objective=objective, solver="grad", ridge=ridge, anchor=A)
    torch.testing.assert_close(written, X.detach())


@given(seeds, sizes, st.floats(0, 1e6))
def test_proximal_write_shrinks_the_residual_by_its_factor(
    seed: int, size: tuple[int, int], eta: float
) -> None:
    M, _, k, v = draw(seed, *size)
    written, lss = write(M, k, v, eta)
    torch.testing.assert_close(v - read(written, k), lss / (1 + eta * (k @ k)), atol=1e-8, rtol=1e-6)


def test_cycling_with_a_huge_step_reaches_least_squares(generator: torch.Generator) -> None:
    keys = torch.randn(3, 8, generator=generator, dtype=torch.float64)
    values = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    M0 = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    expected = M0 + torch.linalg.lstsq(keys, values - keys @ M0.T).solution.T
    M = M0
    for _ in range(2000):
        for k, v in zip(keys, values, strict=True):
            M, _ = write(M, k, v, 1e12)
    torch.testing.assert_close(M, expected, atol=1e-9, rtol=1e-9)


@given(seeds, sizes, st.floats(0.01, 5), st.floats(0, 3))
def test_retention_is_the_gated_delta_rule(
    seed: int, size: tuple[int, int], eta: float, ridge: float
) -> None:
    M, _, k, v = draw(seed, *size)
    s = 1 + eta * ridge
    eta1 = eta / s
    beta, decay = eta1 / (1 + eta1 * (k @ k)), 1 / s
    expected = decay * M @ (
        torch.eye(len(k), dtype=torch.float64) - beta * torch.outer(k, k)
    ) + beta * torch.outer(v, k)
    torch.testing.assert_close(write(M, k, v, eta, ridge=ridge)[0], expected)


def test_the_explicit_step_diverges_beyond_two_and_the_proximal_one_never() -> None:
    k, v = torch.tensor([3.0, 4.0], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    ends = {}
    for rate in (1.99, 2.01):
        for solver in ("grad", "prox"):
            M = torch.zeros(1, 2, dtype=torch.float64)
            for _ in range(2000):
                M, lss = write(M, k, v, rate / 25, solver=solver)
            ends[solver, rate] = float(lss.abs())
    assert ends["grad", 1.99] < 1e-6
    assert ends["grad", 2.01] > 1e6
    assert ends["prox", 1.99] < 1e-12
    assert ends["prox", 2.01] < 1e-12


def test_hand_computed_values() -> None:
    M = torch.tensor([[1.0, 0.0]])
    k, v = torch.tensor([1.0, 2.0]), torch.tensor([3.0])
    # residual 2, |k|^2 = 5, eta/(1 + eta |k|^2) = 0.5/3.5
    written, lss = write(M, k, v, 0.5)
    torch.testing.assert_close(written, torch.tensor([[1 + 2 / 7, 4 / 7]]))
    assert lss.tolist() == [2.0]
    # Hebbian with ridge 1: (M + 0.5 v k^T)/1.5
    written, _ = write(M, k, v, 0.5, objective="dot", ridge=1.0)
    torch.testing.assert_close(written, torch.tensor([[2.5 / 1.5, 3.0 / 1.5]]))


def test_zero_key_is_exact() -> None:
    M = torch.randn(2, 3)
    written, _ = write(M, torch.zeros(3), torch.ones(2), 1e30)
    assert torch.equal(written, M)


@given(seeds, st.integers(1, 5))
def test_batch_equals_members_alone(seed: int, batch: int) -> None:
    g = torch.Generator().manual_seed(seed)
    M = torch.randn(batch, 2, 3, generator=g)
    k, v = torch.randn(batch, 3, generator=g), torch.randn(batch, 2, generator=g)
    eta = torch.rand(batch, generator=g)
    together, lss = write(M, k, v, eta, ridge=eta)
    for i in range(batch):
        alone, one = write(M[i], k[i], v[i], eta[i], ridge=eta[i])
        torch.testing.assert_close(together[i], alone)
        torch.testing.assert_close(lss[i], one)


def test_mask_leaves_rows_as_they_are() -> None:
    M, k, v = torch.randn(3, 2, 4), torch.randn(3, 4), torch.randn(3, 2)
    full, _ = write(M, k, v, 0.5)
    members = torch.tensor([True, False, True])
    masked, _ = write(M, k, v, 0.5, mask=members)
    assert torch.equal(masked, torch.where(members[:, None, None], full, M))
    rows = torch.tensor([[True, False], [False, False], [True, True]])
    masked, _ = write(M, k, v, 0.5, mask=rows)
    assert torch.equal(masked, torch.where(rows[..., None], full, M))


def test_in_place_equals_functional_and_needs_no_grad() -> None:
    M, k, v = torch.randn(2, 3), torch.randn(3), torch.randn(2)
    expected, _ = write(M, k, v, 0.5)
    target = M.clone()
    with torch.no_grad():
        result, _ = write(target, k, v, 0.5, out=target)
    assert result is target
    assert torch.equal(target, expected)
    with pytest.raises(ValueError, match=r"out: got gradients being recorded"):
        write(M, k.requires_grad_(), v, 0.5, out=M.clone())


def test_gradients_reach_keys_values_and_step_sizes(generator: torch.Generator) -> None:
    arguments = [torch.randn(s, generator=generator, dtype=torch.float64) for s in ((2, 3), (3,), (2,))]
    eta = torch.tensor(0.7, dtype=torch.float64)
    inputs = tuple(one.requires_grad_() for one in (*arguments, eta))
    assert torch.autograd.gradcheck(lambda M, k, v, e: write(M, k, v, e, ridge=0.3)[0], inputs)


@given(
    seeds,
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from(["prox", "grad"]),
    st.floats(0, 3),
)
def test_onehot_equals_the_general_rule(seed: int, P: int, V: int, K: int, solver: str, eta: float) -> None:
    g = torch.Generator().manual_seed(seed)
    M = torch.randn(P, V, K, generator=g, dtype=torch.float64)
    index = torch.randint(K, (P,), generator=g)
    v = torch.randn(P, V, generator=g, dtype=torch.float64)
    key = torch.nn.functional.one_hot(index, K).double()
    mask = torch.rand(P, V, generator=g) < 0.5
    expected, lss = write(M, key, v, eta, solver=solver, mask=mask)
    written, fast = write_onehot(M, index, v, eta, solver=solver, mask=mask)
    torch.testing.assert_close(written, expected)
    torch.testing.assert_close(fast, lss)
    torch.testing.assert_close(read_onehot(M, index), read(M, key))
    inside = M.clone()
    write_onehot(inside, index, v, eta, solver=solver, mask=mask, out=inside)
    assert torch.equal(inside, written)


@given(st.floats(0, 0.999), st.floats(0, 100))
def test_modulated_share_is_the_proximal_step_with_a_scaled_step_size(share: float, factor: float) -> None:
    eta = share / (1 - share)
    M, index, v = (
        torch.zeros(1, 1, 1, dtype=torch.float64),
        torch.zeros(1, dtype=torch.int64),
        torch.ones(1, 1, dtype=torch.float64),
    )
    expected, _ = write_onehot(M, index, v, eta * factor)
    got = modulate_share(torch.tensor(share, dtype=torch.float64), torch.tensor(factor, dtype=torch.float64))
    torch.testing.assert_close(got, expected.squeeze(), atol=1e-12, rtol=1e-9)
    assert 0 <= float(got) <= 1


@given(st.floats(0, 1, width=32))
def test_factor_one_changes_no_bit(share: float) -> None:
    given_share = torch.tensor(share)
    assert torch.equal(modulate_share(given_share, torch.tensor(1.0)), given_share)


def test_a_cleared_memory_is_what_it_was_at_first_and_the_others_are_kept() -> None:
    memory = AssociativeMemory(2, 3, batch=(2, 2), initial=0.25)
    memory.write(torch.zeros(2, 2, dtype=torch.int64), torch.full((2, 2, 2), 9.0))
    before = memory.M.clone()
    memory.clear(torch.tensor([[True, False], [False, False]]))
    assert (memory.M[0, 0] == 0.25).all()
    assert torch.equal(memory.M[0, 1], before[0, 1])
    assert torch.equal(memory.M[1], before[1])
    assert "blank" not in memory.state_dict(), "it follows from how the memory is made"


def test_module_keeps_its_state_and_takes_both_kinds_of_keys() -> None:
    memory = AssociativeMemory(2, 3, batch=(4,), eta=1.0, ridge=0.0)
    index = torch.tensor([0, 1, 2, 0])
    value = torch.arange(8.0).reshape(4, 2)
    lss = memory.write(index, value)
    assert torch.equal(lss, value)
    torch.testing.assert_close(memory.read(index), value / 2)  # eta = 1 takes up one half
    torch.testing.assert_close(memory.read(torch.nn.functional.one_hot(index, 3).float()), value / 2)
    copy = AssociativeMemory(2, 3, batch=(4,))
    copy.load_state_dict(memory.state_dict())
    assert torch.equal(copy.M, memory.M)
    anchored = AssociativeMemory(1, 1, ridge=1.0, anchor=torch.ones(1, 1))
    for _ in range(60):
        anchored.write(torch.zeros(1), torch.zeros(1))
    torch.testing.assert_close(anchored.M, torch.ones(1, 1))  # idle: falls back to the anchor
    with pytest.raises(ValueError, match="key: got one-hot"):
        anchored.write(torch.tensor(0), torch.zeros(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: read(torch.zeros(3), torch.zeros(3)), r"M: got .*\[3\].*expected .*\[\.\.\., V, K\]"),
        (lambda: read(torch.zeros(2, 3), torch.zeros(2)), r"q: got .*\[2\].*K=3"),
        (lambda: read(torch.zeros(2, 3), torch.zeros(3, dtype=torch.float64)), r"q: .*float64.*expected torch.float32"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(3), 1), r"v: got .*V=2"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), -1), r"eta: got -1, expected"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), float("nan")), r"eta: got nan, expected"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), torch.zeros(2)), r"eta: got .*a feature"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, objective="l3"), r"objective: got 'l3'"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, solver="sgd"), r"solver: got 'sgd'"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, anchor=torch.zeros(2)), r"anchor: got"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, mask=torch.zeros(2)), r"mask: got .*bool"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, out=torch.zeros(2)), r"out: got"),
        (lambda: read_onehot(torch.zeros(2, 3), torch.zeros(())), r"index: got .*int64"),
        (lambda: read(torch.zeros(4, 2, 3), torch.zeros(5, 3)), r"q: got .*expected batch dimensions \[4\]"),
        (lambda: write(torch.zeros(4, 2, 3), torch.zeros(3), torch.zeros(2), torch.zeros(5)), r"eta: got .*batch"),
        (lambda: write(torch.zeros(4, 2, 3), torch.zeros(3), torch.zeros(2), 1, ridge=torch.zeros(4, 3)), r"ridge: got"),
        (lambda: write(torch.zeros(2, 3), torch.zeros(3), torch.zeros(2), 1, anchor=3), r"anchor: got int 3"),  # type: ignore[arg-type]
        (lambda: AssociativeMemory(1, 1, dtype=torch.bfloat16), r"dtype: got torch.bfloat16, expected"),
        (lambda: write_onehot(torch.zeros(2, 3), torch.tensor(0), torch.zeros(3), 1), r"v: got"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_values_are_checked_on_request() -> None:
    M, k, v = torch.zeros(1, 2), torch.tensor([1.0, float("inf")]), torch.zeros(1)
    write(M, k, v, 1.0)
    with value_checks():
        with pytest.raises(ValueError, match="k: got a tensor with 1 non-finite"):
            write(M, k, v, 1.0)
        with pytest.raises(ValueError, match="eta: got a smallest entry of -1"):
            write(M, torch.ones(2), v, torch.tensor(-1.0))
    write(M, k, v, 1.0)
