"""How a memory is read, and how one proximal or gradient step writes a key-value pair into it."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.checks import require_choice, require_range
from emotional_ed.memory._linear import solve_spd
from emotional_ed.memory._validation import (
    check_anchor,
    check_mask,
    check_memory,
    check_rate,
    check_vector,
    describe,
)

Rate = float | Tensor
_LARGE = 64 * 64  # entries of one memory from which matrix products beat elementwise passes


def read(M: Tensor, q: Tensor) -> Tensor:
    """Recall the value that memory `M` holds for key `q`.

    Equation:
        y = M q

    Shapes:
        M: [..., V, K]; q: [..., K]; result: [..., V]. Leading dimensions broadcast.

    Raises:
        ValueError: the last dimensions, dtypes or devices do not fit.
    """
    check_memory(M)
    check_vector("q", q, M, -1, grow=True)
    return recall(M, q)


def write(
    M: Tensor,
    k: Tensor,
    v: Tensor,
    eta: Rate,
    *,
    objective: str = "l2",
    solver: str = "prox",
    ridge: Rate = 0.0,
    anchor: Tensor | None = None,
    mask: Tensor | None = None,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write one key-value pair into each memory of a batch by one step on its own objective.

    Equation:
        With L(M) = 1/2 |M k - v|^2 ("l2") or -<M k, v> ("dot"), ridge lambda and anchor A,

            prox:  M+ = argmin_X  L(X) + lambda/2 |X - A|^2 + 1/2 |X - M|^2_{1/eta}
            grad:  M+ = M - eta (grad L(M) + lambda (M - A))

        Closed forms, with s = 1 + eta lambda, M1 = (M + eta lambda A)/s, eta1 = eta/s:

            l2  prox:  M1 + (v - M1 k)(eta1 k)^T / (1 + k^T eta1 k)
            dot prox:  M1 + eta1 v k^T

        A vector `eta` [..., K] is a diagonal metric, one step size a feature; a symmetric positive matrix
        [..., K, K] a full one (recursive least squares, see `update_metric`). The proximal form never
        overshoots: with ridge 0 the residual shrinks by exactly 1/(1 + eta |k|^2); the gradient form
        diverges once eta |k|^2 > 2. A zero key writes nothing but the retention.

    Args:
        M: the memories.
        k: keys.
        v: values.
        eta: step size >= 0, one number, one a memory [...], one a feature [..., K], or a metric [..., K, K];
            eta |k|^2 must be finite in the dtype.
        objective: "l2" (regression) or "dot" (Hebbian).
        solver: "prox" (exact proximal step) or "grad" (one explicit gradient step).
        ridge: lambda >= 0, the pull toward the anchor; a number or [...].
        anchor: A, where the pull leads; zeros if None.
        mask: where False nothing is written; per memory [...] or per row [..., V].
        out: if given, receives the result (it may be `M`); needs `torch.no_grad()` as soon as gradients
            would be recorded.

    Shapes:
        M, anchor, out: [..., V, K]; k: [..., K]; v: [..., V]; returns ([..., V, K], [..., V]).

    Returns:
        The written memories, and the local surprise v - M k of the memories before the write.

    Raises:
        ValueError: a rank, size, dtype, device, name or step size does not fit.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: eq. 17 (dot; the shorter version's eq. 14
        prints the wrong sign and leaves out the 1/2), eqs. 56-57 (l2; eq. 57 as printed, eta/(1+eta),
        holds only for |k| = 1).
    """
    require_choice("objective", objective, ("l2", "dot"))
    require_choice("solver", solver, ("prox", "grad"))
    check_memory(M)
    check_vector("k", k, M, -1)
    check_vector("v", v, M, -2)
    step = check_rate("eta", eta, M, metric=True)
    pull = check_rate("ridge", ridge, M, features=False)
    check_anchor(anchor, M)

    lss = v - recall(M, k)  # [..., V]
    retained = retains(pull)
    base, error = M, lss if objective == "l2" else v
    if retained and solver == "prox":
        base, step = retain(M, step, pull, anchor)
        error = v - recall(base, k) if objective == "l2" else v
    elif retained:
        base = M - _scale(M if anchor is None else M - anchor, step) * pull
    key = k.unsqueeze(-2)  # [..., 1, K]
    scaled = _scale(key, step)
    if objective == "l2" and solver == "prox":
        scaled = scaled / (1 + (key * scaled).sum(-1, keepdim=True))
    if mask is not None:
        written, writes = add_outer(base, error, scaled), check_mask(mask, M)
        if _checked_out(out, written) is None:
            return torch.where(writes, written, M), lss
        return torch.where(writes, written, M, out=out), lss
    return add_outer(base, error, scaled, out=_checked_out(out, M, error, scaled)), lss


def _scale(rows: Tensor, step: Rate) -> Tensor:
    """Multiply rows [..., *, K] by a step size, one a feature, or a metric [..., K, K]."""
    return rows @ step if is_metric(step) else rows * step


def is_metric(step: Rate) -> bool:
    """Tell a full metric [..., K, K] from a step size or one a feature."""
    return isinstance(step, Tensor) and step.ndim >= 2 and step.shape[-2] == step.shape[-1] > 1


def retains(pull: Rate) -> bool:
    """Tell whether there is a pull toward an anchor; a tensor counts as one, so that nobody looks at it."""
    return isinstance(pull, Tensor) or pull > 0


def retain(M: Tensor, step: Rate, pull: Rate, anchor: Tensor | None) -> tuple[Tensor, Rate]:
    """Return M1 = (M + eta lambda A) s^-1 and eta1 = eta s^-1, with s = 1 + eta lambda."""
    pulled = M if anchor is None else M + _scale(anchor, step) * pull
    if isinstance(step, Tensor) and is_metric(step):
        shrink = torch.eye(step.shape[-1], dtype=M.dtype, device=M.device) + step * pull
        return solve_spd(shrink, pulled.mT).mT, solve_spd(shrink, step.expand_as(shrink)).mT
    return pulled / (1 + step * pull), step / (1 + step * pull)


def recall(M: Tensor, q: Tensor) -> Tensor:
    """Return M q without checks: elementwise for small memories, as a matrix product for large ones."""
    if M.shape[-2] * M.shape[-1] >= _LARGE:
        return (M @ q[..., None]).squeeze(-1)
    return (M * q.unsqueeze(-2)).sum(-1)


def add_outer(M: Tensor, left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return M + left right^T in one pass; left [..., V], right [..., 1, K]."""
    column = left.unsqueeze(-1)
    large = M.shape[-2] * M.shape[-1] >= _LARGE
    if (
        large
        and M.ndim == column.ndim == right.ndim == 3
        and len({*M.shape[:1], len(column), len(right)}) == 1
    ):
        return torch.baddbmm(M, column, right) if out is None else torch.baddbmm(M, column, right, out=out)
    return torch.addcmul(M, column, right) if out is None else torch.addcmul(M, column, right, out=out)


def _checked_out(out: Tensor | None, *inputs: Tensor) -> Tensor | None:
    """Refuse an `out` that does not fit, or one that would have to record gradients."""
    if out is None:
        return None
    M = inputs[0]
    if out.shape != M.shape or out.dtype != M.dtype or out.device != M.device:
        raise ValueError(f"out: got {describe(out)}, expected {describe(M)}")
    if torch.is_grad_enabled() and any(one.requires_grad for one in (out, *inputs)):
        raise ValueError("out: got gradients being recorded, expected the call inside torch.no_grad()")
    return out


def _deliver(written: Tensor, out: Tensor | None) -> Tensor:
    return written if _checked_out(out, written) is None else out.copy_(written)  # type: ignore[union-attr]


def update_metric(P: Tensor, k: Tensor, *, forgetting: float | Tensor = 1.0) -> Tensor:
    """Return the metric after a write with key `k`: with `write(M, k, v, P)` this is recursive least squares.

    Equation:
        P+ = (P - P k k^T P / (1 + k^T P k)) / forgetting

    Starting from P = p I and M = 0, the memory after any number of pairs is the ridge regression with
    penalty 1/p, and P the inverse of K^T K + I/p (at forgetting 1).

    In single precision P loses its positive eigenvalues over long streams of correlated keys; use float64
    there. With forgetting, features that are never active wind up: P grows by 1/forgetting a step in them.

    Args:
        P: symmetric positive metric [..., K, K].
        k: the key that was written, [..., K].
        forgetting: in (0, 1]; below 1 old pairs count less, each step by that factor.

    Raises:
        ValueError: shapes do not fit, or `forgetting` is out of range.

    Reference:
        Haykin, "Adaptive Filter Theory", ch. 10; Behrouz et al., eq. 47 gives the metric as preconditioner.
    """
    if not isinstance(P, Tensor) or P.ndim < 2 or P.shape[-1] != P.shape[-2]:
        raise ValueError(f"P: got {describe(P)}, expected shape [..., K, K]")
    check_memory(P, "P")
    check_vector("k", k, P, -1)
    if not isinstance(forgetting, Tensor):
        require_range("forgetting", forgetting, 0, 1, low_open=True)
    rate = check_rate("forgetting", forgetting, P, features=False)
    gain = (P @ k[..., None]).squeeze(-1)  # [..., K]
    weight = 1 + (k * gain).sum(-1, keepdim=True).clamp_min(0)
    root = gain / weight.sqrt()  # its square is symmetric to the last bit, so P+ is as symmetric as P
    return (P - root[..., None] * root[..., None, :]) / rate


def modulate_share(share: Rate, factor: Tensor) -> Tensor:
    """Scale the step size behind a proximal write that takes up `share` of a surprise.

    Equation:
        A proximal write with |k| = 1 takes up share = eta/(1 + eta). Multiplying eta by `factor` gives

            share' = factor share / (1 + share (factor - 1))

        which is `share` itself, bit for bit, at factor 1, and stays in [0, 1] for every factor >= 0.

    Args:
        share: in [0, 1], a number or a tensor that broadcasts with `factor`.
        factor: >= 0.

    Returns:
        The new share, in [0, 1], of the broadcast shape.
    """
    odds = 1 + share * (factor - 1)  # 0 only for share 1 and factor 0, where nothing is taken up
    return factor * share / odds.clamp_min(torch.finfo(odds.dtype).tiny)
