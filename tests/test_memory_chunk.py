"""Chunks against T single steps, numerical minimisers and torch.optim; metrics against ridge regression."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_memory_rules import minimise, seeds
from torch import Tensor

from emotional_ed.memory import update_metric, write, write_chunk

shapes = st.tuples(
    st.integers(1, 3), st.integers(1, 7), st.integers(1, 3), st.integers(1, 6)
)  # batch, T, V, K


def draw(seed: int, shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    B, T, V, K = shape
    g = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=g, dtype=torch.float64)

    return normal(B, V, K), normal(B, V, K), normal(B, T, K), normal(B, T, V)


@given(
    seeds,
    shapes,
    st.floats(0, 50),
    st.floats(0, 2),
    st.booleans(),
    st.sampled_from(["number", "memory", "pair"]),
)
def test_sequential_equals_single_steps(
    seed: int, shape: tuple[int, int, int, int], eta: float, ridge: float, anchored: bool, kind: str
) -> None:
    M, A, K, V = draw(seed, shape)
    B, T = shape[:2]
    g = torch.Generator().manual_seed(seed)
    per_pair = torch.rand(B, T, generator=g, dtype=torch.float64) * eta
    kinds: dict[str, float | Tensor] = {"number": eta, "memory": per_pair[:, 0], "pair": per_pair}
    rate = kinds[kind]
    anchor = A if anchored else None
    written, lss = write_chunk(M, K, V, rate, ridge=ridge, anchor=anchor)
    expected = M
    for t in range(T):
        one = per_pair[:, t] if kind == "pair" else rate
        expected, surprise = write(expected, K[:, t], V[:, t], one, ridge=ridge, anchor=anchor)
        torch.testing.assert_close(lss[:, t], surprise, atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(written, expected, atol=1e-9, rtol=1e-8)


@given(seeds, shapes, st.floats(0.01, 5), st.floats(0, 2))
def test_joint_minimises_its_objective(
    seed: int, shape: tuple[int, int, int, int], eta: float, ridge: float
) -> None:
    M, A, K, V = (one[:1] for one in draw(seed, shape))

    def total(X: Tensor) -> Tensor:
        fit = 0.5 * ((X @ K.mT - V.mT) ** 2).sum()
        return fit + ridge / 2 * ((X - A) ** 2).sum() + ((X - M) ** 2).sum() / (2 * eta)

    written, lss = write_chunk(M, K, V, eta, mode="joint", ridge=ridge, anchor=A)
    torch.testing.assert_close(written, minimise(total, M), atol=5e-6, rtol=5e-6)
    torch.testing.assert_close(lss, V - K @ M.mT)


@given(seeds, shapes, st.floats(0, 0.1), st.floats(0, 2))
def test_frozen_is_sgd_with_gradient_accumulation(
    seed: int, shape: tuple[int, int, int, int], eta: float, ridge: float
) -> None:
    M, A, K, V = draw(seed, shape)
    X = M.clone().requires_grad_()
    sgd = torch.optim.SGD([X], lr=eta)
    for t in range(shape[1]):
        (0.5 * ((X @ K[:, t, :, None]).squeeze(-1) - V[:, t]) ** 2).sum().backward()  # type: ignore[no-untyped-call]
    (ridge / 2 * (X - A) ** 2).sum().backward()  # type: ignore[no-untyped-call]
    sgd.step()
    written, _ = write_chunk(M, K, V, eta, mode="frozen", ridge=ridge, anchor=A)
    torch.testing.assert_close(written, X.detach())


def test_joint_and_sequential_agree_exactly_when_keys_are_orthogonal() -> None:
    M, _, _, V = draw(0, (2, 3, 2, 5))
    orthogonal = torch.linalg.qr(torch.randn(2, 5, 3, dtype=torch.float64)).Q.mT
    one, _ = write_chunk(M, orthogonal, V, 2.0, mode="joint")
    other, _ = write_chunk(M, orthogonal, V, 2.0)
    torch.testing.assert_close(one, other)
    skewed = orthogonal + 0.5
    assert not torch.allclose(
        write_chunk(M, skewed, V, 2.0, mode="joint")[0], write_chunk(M, skewed, V, 2.0)[0]
    )


def test_correlated_keys_do_not_explode() -> None:
    """The features of an agent are correlated; powers of their correlation matrix would overflow."""
    g = torch.Generator().manual_seed(0)
    K = 3 + 0.01 * torch.randn(1, 256, 16, generator=g)
    V = torch.randn(1, 256, 2, generator=g)
    written, _ = write_chunk(torch.zeros(1, 2, 16), K, V, 10.0)
    exact, _ = write_chunk(torch.zeros(1, 2, 16, dtype=torch.float64), K.double(), V.double(), 10.0)
    torch.testing.assert_close(written.double(), exact, atol=2e-2, rtol=2e-2)


def test_chunk_in_place_gradients_and_zero_keys() -> None:
    M, A, K, V = draw(3, (2, 4, 2, 3))
    for mode in ("sequential", "joint", "frozen"):

        def gradient(M: Tensor, K: Tensor, V: Tensor, mode: str = mode) -> Tensor:
            return write_chunk(M, K, V, 0.1, mode=mode, ridge=0.2)[0]

        expected, _ = write_chunk(M, K, V, 0.1, mode=mode)
        target = M.clone()
        write_chunk(target, K, V, 0.1, mode=mode, out=target)
        assert torch.equal(target, expected)
        inputs = tuple(one.clone().requires_grad_() for one in (M, K, V))
        assert torch.autograd.gradcheck(gradient, inputs)
        idle, _ = write_chunk(M, torch.zeros_like(K), V, 1.0, mode=mode)
        assert torch.equal(idle, M)
    drifted, _ = write_chunk(M, torch.zeros_like(K), V, 1.0, ridge=1.0, anchor=A)
    torch.testing.assert_close(drifted - A, (M - A) / 2**4)


@given(seeds, st.integers(1, 12), st.integers(1, 5), st.floats(0.1, 100))
def test_the_full_metric_gives_recursive_least_squares(seed: int, T: int, K: int, scale: float) -> None:
    g = torch.Generator().manual_seed(seed)
    keys, values = (
        torch.randn(T, K, generator=g, dtype=torch.float64),
        torch.randn(T, 2, generator=g, dtype=torch.float64),
    )
    M, P = torch.zeros(2, K, dtype=torch.float64), scale * torch.eye(K, dtype=torch.float64)
    for k, v in zip(keys, values, strict=True):
        M, _ = write(M, k, v, P)
        P = update_metric(P, k)
    augmented = torch.cat([keys, torch.eye(K, dtype=torch.float64) / scale**0.5])
    expected = torch.linalg.lstsq(
        augmented, torch.cat([values, torch.zeros(K, 2, dtype=torch.float64)])
    ).solution.T
    torch.testing.assert_close(M, expected, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(P, torch.linalg.inv(augmented.T @ augmented), atol=1e-7, rtol=1e-6)


def test_forgetting_weighs_old_pairs_less() -> None:
    g = torch.Generator().manual_seed(0)
    keys, values = (
        torch.randn(40, 3, generator=g, dtype=torch.float64),
        torch.randn(40, 1, generator=g, dtype=torch.float64),
    )
    M, P = torch.zeros(1, 3, dtype=torch.float64), 1e8 * torch.eye(3, dtype=torch.float64)
    for k, v in zip(keys, values, strict=True):
        M, _ = write(M, k, v, P)  # P already holds the past, discounted to this pair
        P = update_metric(P, k, forgetting=0.9)
    weights = 0.9 ** torch.arange(39, -1, -1, dtype=torch.float64)
    root = weights.sqrt()[:, None]
    expected = torch.linalg.lstsq(root * keys, root * values).solution.T
    torch.testing.assert_close(M, expected, atol=1e-5, rtol=1e-5)


@given(seeds, st.integers(1, 3), st.integers(2, 5), st.floats(0, 2))
def test_a_full_metric_with_ridge_minimises_its_objective(seed: int, V: int, K: int, ridge: float) -> None:
    g = torch.Generator().manual_seed(seed)
    M, A = torch.randn(2, V, K, generator=g, dtype=torch.float64)
    k, v = torch.randn(K, generator=g, dtype=torch.float64), torch.randn(V, generator=g, dtype=torch.float64)
    root = torch.randn(K, K, generator=g, dtype=torch.float64) / K**0.5
    D = root @ root.T + 0.2 * torch.eye(K, dtype=torch.float64)
    inverse = torch.linalg.inv(D)

    def total(X: Tensor) -> Tensor:
        near = 0.5 * torch.einsum("vi,ij,vj->", X - M, inverse, X - M)
        loss: Tensor = 0.5 * ((X @ k - v) ** 2).sum() + ridge / 2 * ((X - A) ** 2).sum() + near
        return loss

    written, _ = write(M, k, v, D, ridge=ridge, anchor=A)
    torch.testing.assert_close(written, minimise(total, M), atol=1e-5, rtol=1e-5)


def test_bad_chunks_are_named() -> None:
    M, K, V = torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(4, 2)
    for arguments, message in (
        ((M, K[:, :2], V, 1.0), r"K: got .*expected shape \[\.\.\., T, K=3\]"),
        ((M, K, V[:3], 1.0), r"V: got 3 rows for 4 keys"),
        ((M, K.double(), V, 1.0), r"K: got .*float64.*expected torch.float32"),
        ((M, K, V, -1.0), r"eta: got -1.0"),
        ((M, K, V, torch.ones(3)), r"eta: got .*one a pair"),
        ((torch.zeros(3), K, V, 1.0), r"M: got"),
    ):
        with pytest.raises(ValueError, match=message):
            write_chunk(*arguments)
    with pytest.raises(ValueError, match="mode: got 'both'"):
        write_chunk(M, K, V, 1.0, mode="both")
    with pytest.raises(ValueError, match="expected one a pair"):
        write_chunk(M, K, V, torch.ones(4), mode="joint")
    with pytest.raises(ValueError, match="anchor: got"):
        write_chunk(M, K, V, 1.0, anchor=torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"P: got .*expected shape \[\.\.\., K, K\]"):
        update_metric(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="forgetting: got 0"):
        update_metric(torch.eye(3), torch.zeros(3), forgetting=0)


def test_retention_over_long_chunks_keeps_gradients_finite() -> None:
    K = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    write_chunk(torch.zeros(1, 1, 3), K, torch.ones(1, 64, 1), 1.0, ridge=4.0)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert K.grad is not None
    assert bool(torch.isfinite(K.grad).all())


def test_equal_keys_and_huge_steps_are_solved_in_single_precision() -> None:
    K, V = torch.ones(3, 3), torch.ones(3, 1)
    written, _ = write_chunk(torch.zeros(1, 3), K, V, 1e8, mode="joint")
    torch.testing.assert_close(written @ torch.ones(3), torch.ones(1), atol=1e-3, rtol=1e-3)
    empty, _ = write_chunk(torch.ones(1, 3), K[:0], V[:0], 1.0, ridge=1.0)
    assert torch.equal(empty, torch.ones(1, 3))


def test_the_metric_stays_symmetric_and_the_residual_shrinks() -> None:
    g = torch.Generator().manual_seed(0)
    P, M, w = 1e4 * torch.eye(8), torch.zeros(1, 8), torch.randn(1, 8, generator=g)
    for _ in range(500):
        k = 3 + 0.05 * torch.randn(8, generator=g)
        M, lss = write(M, k, w @ k, P)
        P = update_metric(P, k)
        assert torch.equal(P, P.T)
        assert float((w @ k - M @ k).abs()) <= float(lss.abs()) + 1e-3
