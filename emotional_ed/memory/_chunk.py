"""Many pairs written at once: exactly as one after the other, jointly, or from a frozen state."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.checks import require_choice
from emotional_ed.memory._linear import solve_spd
from emotional_ed.memory._rules import Rate, _checked_out, retain, retains
from emotional_ed.memory._validation import (
    check_anchor,
    check_batch,
    check_finite,
    check_memory,
    check_nonnegative,
    check_rate,
    describe,
)


def write_chunk(
    M: Tensor,
    K: Tensor,
    V: Tensor,
    eta: Rate,
    *,
    mode: str = "sequential",
    ridge: Rate = 0.0,
    anchor: Tensor | None = None,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write a chunk of T key-value pairs into each memory (objective l2).

    Equation:
        With rows k_t of K and v_t of V:

            sequential  T exact proximal steps, one after the other, solved at once:
                        N0 = M - A, R = V - K A^T, s = 1 + eta lambda, b = eta/(s + eta |k|^2)
                        U = solve(I + tril(b s^(j-t) K K^T, -1), b (R - s^-t K N0^T))
                        M+ = A + s^-T N0 + (s^(t-T) U)^T K
            joint       one proximal step on all pairs:
                        M+ = argmin_X 1/2 |X K^T - V^T|^2 + lambda/2 |X - A|^2 + 1/(2 eta) |X - M|^2
            frozen      one gradient step on all pairs, from the memory as it is at the chunk's start:
                        M+ = M + eta (V - K M^T)^T K - eta lambda (M - A)

        Joint and sequential agree if keys are orthogonal; frozen diverges once eta lmax(K^T K) > 2.

    Args:
        M: the memories.
        K: keys, in order of time.
        V: values.
        eta: step size >= 0: a number, one a memory [...]; in mode sequential also one a pair [..., T].
        mode: "sequential", "joint" or "frozen".
        ridge: lambda >= 0, the pull toward the anchor at each step; a number or [...].
        anchor: A, zeros if None.
        out: if given, receives the result (it may be `M`); needs `torch.no_grad()` as `write` does.

    Shapes:
        M, anchor, out: [..., V, K]; K: [..., T, K]; V: [..., T, V]; returns ([..., V, K], [..., T, V]).

    Returns:
        The written memories, and each pair's local surprise: before its own write in mode sequential, before
        the chunk in the others.

    Raises:
        ValueError: a rank, size, dtype, name or number does not fit.

    Reference:
        Behrouz et al., arXiv 2512.24695, eq. 71 (frozen; as printed it sums C + 1 terms, here exactly T);
        Yang et al. (2024), arXiv 2406.06484 (the triangular form of the delta rule).
    """
    require_choice("mode", mode, ("sequential", "joint", "frozen"))
    _check_chunk(M, K, V)
    check_anchor(anchor, M)
    pull = check_rate("ridge", ridge, M, features=False)
    per_pair = isinstance(eta, Tensor) and eta.ndim == M.ndim - 1
    if per_pair and (mode != "sequential" or eta.shape[-1] != K.shape[-2]):  # type: ignore[union-attr]
        raise ValueError(f"eta: got {describe(eta)}, expected one a pair [..., T] in mode sequential only")
    if per_pair:
        check_nonnegative("eta", eta, M)  # type: ignore[arg-type]
    step = eta[..., None] if per_pair else check_rate("eta", eta, M, features=False)  # type: ignore[index]
    if K.shape[-2] == 0:
        written, lss = M.clone(), V.clone()
    elif mode == "sequential":
        written, lss = _sequential(M, K, V, step, pull, anchor)
    elif mode == "joint":
        written, lss = _joint(M, K, V, step, pull, anchor)
    else:
        lss = V - K @ M.mT
        written = M + step * (lss.mT @ K) - step * pull * (M if anchor is None else M - anchor)
    target = _checked_out(out, written)
    return (written if target is None else target.copy_(written)), lss


def _check_chunk(M: Tensor, K: Tensor, V: Tensor) -> None:
    check_memory(M)
    for name, rows, size, letter in (("K", K, M.shape[-1], "K"), ("V", V, M.shape[-2], "V")):
        if not isinstance(rows, Tensor) or rows.ndim < 2 or rows.shape[-1] != size:
            raise ValueError(f"{name}: got {describe(rows)}, expected shape [..., T, {letter}={size}]")
        if rows.dtype != M.dtype or rows.device != M.device:
            raise ValueError(f"{name}: got {describe(rows)}, expected {M.dtype} on {M.device} as M is")
        check_batch(name, rows, rows.shape[:-2], M)
        check_finite(name, rows)
    if K.shape[-2] != V.shape[-2]:
        raise ValueError(f"V: got {V.shape[-2]} rows for {K.shape[-2]} keys, expected as many")


def _sequential(
    M: Tensor, K: Tensor, V: Tensor, step: Rate, pull: Rate, anchor: Tensor | None
) -> tuple[Tensor, Tensor]:
    start = M if anchor is None else M - anchor
    values = V if anchor is None else V - K @ anchor.mT
    overlap = K @ K.mT  # [..., T, T]
    norms = overlap.diagonal(dim1=-2, dim2=-1)[..., None]  # [..., T, 1]
    held = K @ start.mT  # [..., T, V]
    if not retains(pull):
        share = step / (1 + step * norms)
        lower = torch.tril(share * overlap, -1)
        surprise = share * (values - held)
        U = torch.linalg.solve_triangular(lower, surprise, upper=False, unitriangular=True)
        return M + U.mT @ K, values - held - torch.tril(overlap, -1) @ U
    decay = torch.log1p(torch.as_tensor(step * pull, dtype=M.dtype, device=M.device)).expand_as(norms)
    total = decay.cumsum(-2)  # [..., T, 1]: minus the logarithm of what is left of the start
    share = step / (decay.exp() + step * norms)
    # What is left at t of what was written at j <= t, [..., t, j]; kept finite above the diagonal.
    between = torch.exp((total.mT - total).clamp_max(0))
    lower = torch.tril(share * overlap * between, -1)
    surprise = share * (values - (-total).exp() * held)
    U = torch.linalg.solve_triangular(lower, surprise, upper=False, unitriangular=True)
    left = torch.exp(total - total[..., -1:, :])  # [..., T, 1]
    written = (-total[..., -1:, :]).exp() * start + (left * U).mT @ K
    before = values - _before(held, U, overlap, total, decay)
    return (written if anchor is None else anchor + written), before


def _before(held: Tensor, U: Tensor, overlap: Tensor, total: Tensor, decay: Tensor) -> Tensor:
    """Return what the memory, before the retention of step t, answered to key t: [..., T, V]."""
    elapsed = total - decay  # decay until just before step t
    between = torch.tril(torch.exp((total.mT - elapsed).clamp_max(0)), -1)
    return (-elapsed).exp() * held + (between * overlap) @ U


def _joint(
    M: Tensor, K: Tensor, V: Tensor, step: Rate, pull: Rate, anchor: Tensor | None
) -> tuple[Tensor, Tensor]:
    lss = V - K @ M.mT
    base, rate = retain(M, step, pull, anchor) if retains(pull) else (M, step)
    error = V - K @ base.mT  # [..., T, V]
    if K.shape[-2] <= K.shape[-1]:  # solve in the space of pairs
        system = torch.eye(K.shape[-2], dtype=M.dtype, device=M.device) + rate * (K @ K.mT)
        return base + rate * (solve_spd(system, error).mT @ K), lss
    system = torch.eye(K.shape[-1], dtype=M.dtype, device=M.device) + rate * (K.mT @ K)
    return base + rate * solve_spd(system, K.mT @ error).mT, lss
