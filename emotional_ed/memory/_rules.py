"""How a memory is read, and how one proximal or gradient step writes a key-value pair into it."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.checks import require_choice
from emotional_ed.memory._validation import (
    check_finite,
    check_mask,
    check_memory,
    check_rate,
    check_vector,
    describe,
)

Rate = float | Tensor


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
    check_vector("q", q, M, -1)
    return (M * q[..., None, :]).sum(-1)


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

        A vector `eta` [..., K] is a diagonal metric: one step size a feature. The proximal form never
        overshoots: with ridge 0 the residual shrinks by exactly 1/(1 + eta |k|^2); the gradient form
        diverges once eta |k|^2 > 2. A zero key writes nothing but the retention.

    Args:
        M: the memories.
        k: keys.
        v: values.
        eta: step size >= 0, one number, one a memory [...], or one a feature [..., K].
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
    check_finite("M", M)
    step = check_rate("eta", eta, M)  # [..., 1, 1 or K]
    retains = isinstance(ridge, Tensor) or ridge != 0
    pull = check_rate("ridge", ridge, M)
    if anchor is not None and anchor.shape[-2:] != M.shape[-2:]:
        raise ValueError(f"anchor: got {describe(anchor)}, expected the shape of M, {list(M.shape)}")

    key = k[..., None, :]  # [..., 1, K]
    lss = v - (M * key).sum(-1)  # [..., V]
    if solver == "prox":
        written = _proximal(M, key, v, lss, step, pull if retains else None, anchor, objective)
    else:
        error = lss if objective == "l2" else v
        written = M + step * (error[..., None] * key)
        if retains:
            written = written - step * pull * (M if anchor is None else M - anchor)
    if mask is not None:
        written = torch.where(check_mask(mask, M), written, M)
    return _deliver(written, out), lss


def _proximal(
    M: Tensor,
    key: Tensor,
    v: Tensor,
    lss: Tensor,
    step: Tensor,
    pull: Tensor | None,
    anchor: Tensor | None,
    objective: str,
) -> Tensor:
    if pull is not None:
        shrink = 1 + step * pull
        M = (M if anchor is None else M + step * pull * anchor) / shrink
        step = step / shrink
        lss = v - (M * key).sum(-1)
    if objective == "dot":
        return M + v[..., None] * (step * key)
    scaled = step * key  # [..., 1, K]
    return M + lss[..., None] * (scaled / (1 + (key * scaled).sum(-1, keepdim=True)))


def _deliver(written: Tensor, out: Tensor | None) -> Tensor:
    if out is None:
        return written
    if out.shape != written.shape or out.dtype != written.dtype or out.device != written.device:
        raise ValueError(f"out: got {describe(out)}, expected {describe(written)}")
    if torch.is_grad_enabled() and (written.requires_grad or out.requires_grad):
        raise ValueError("out: got gradients being recorded, expected the call inside torch.no_grad()")
    return out.copy_(written)


def modulate_share(share: Rate, factor: Tensor) -> Tensor:
    """Scale the step size behind a proximal write that takes up `share` of a surprise.

    Equation:
        A proximal write with |k| = 1 takes up share = eta/(1 + eta). Multiplying eta by `factor` gives

            share' = factor share / (1 + share (factor - 1))

        which is `share` itself, bit for bit, at factor 1, and stays in [0, 1] for every factor >= 0.

    Args:
        share: in [0, 1].
        factor: >= 0.
    """
    return factor * share / (1 + share * (factor - 1))
