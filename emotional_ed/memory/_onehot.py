"""The fast path for one-hot keys: one column is gathered and scattered, nothing else is touched."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.checks import require_choice
from emotional_ed.memory._rules import Rate, _checked_out, _deliver
from emotional_ed.memory._validation import check_finite, check_memory, check_rate, describe


def read_onehot(M: Tensor, index: Tensor) -> Tensor:
    """Recall the value held for the one-hot key with its 1 at `index`; equals `read(M, one_hot(index))`.

    Shapes:
        M: [..., V, K]; index: [...], int64 in [0, K) (not checked on the device); result: [..., V].

    Raises:
        ValueError: `index` does not have M's batch shape or is not int64.
    """
    check_memory(M)
    return M.gather(-1, _column(M, index)).squeeze(-1)


def write_onehot(
    M: Tensor,
    index: Tensor,
    v: Tensor,
    eta: Rate,
    *,
    solver: str = "prox",
    mask: Tensor | None = None,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write a value for a one-hot key; equals `write` (l2, no ridge) with `one_hot(index)`.

    Equation:
        M[:, index] += share (v - M[:, index]),  share = eta/(1 + eta) ("prox") or eta ("grad")

    With solver "grad" and eta = alpha in [0, 1] this is the tabular update of Sutton and Barto, eq. 2.5.

    Args:
        M: the memories.
        index: where the key is 1.
        v: values.
        eta: step size >= 0, a number or one a memory [...].
        solver: "prox" or "grad".
        mask: where False nothing is written; per memory [...] or per row [..., V].
        out: `M` itself to write in place.

    Shapes:
        M: [..., V, K]; index: [...]; v: [..., V]; returns ([..., V, K], [..., V]).

    Returns:
        The written memories, and the local surprise v - M[:, index] before the write.

    Raises:
        ValueError: a rank, size, dtype, name or step size does not fit.
    """
    require_choice("solver", solver, ("prox", "grad"))
    check_memory(M)
    column = _column(M, index)  # [..., V, 1]
    held = M.gather(-1, column).squeeze(-1)  # [..., V]
    rate = _checked_write(M, held, v, eta)
    lss = v - held
    written = held + (rate / (1 + rate) if solver == "prox" else rate) * lss
    if mask is not None:
        written = torch.where(_row_mask(mask, M), written, held)
    if out is M:
        _checked_out(out, M, v)
        return M.scatter_(-1, column, written.unsqueeze(-1)), lss
    return _deliver(M.scatter(-1, column, written.unsqueeze(-1)), out), lss


def _checked_write(M: Tensor, held: Tensor, v: Tensor, eta: Rate) -> Rate:
    """Refuse values that do not fit what is held [..., V], and return the step size, [..., 1] if a tensor."""
    if not isinstance(v, Tensor) or v.shape != held.shape or v.dtype != M.dtype:
        raise ValueError(f"v: got {describe(v)}, expected {M.dtype} {list(held.shape)}")
    check_finite("v", v)
    rate = check_rate("eta", eta, M)
    if not isinstance(rate, Tensor):
        return rate
    if rate.shape[-1] != 1:
        raise ValueError(f"eta: got {describe(rate)}, expected a number or one a memory for indices")
    return rate.squeeze(-1)


def _row_mask(mask: Tensor, M: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.ndim not in (M.ndim - 2, M.ndim - 1):
        raise ValueError(f"mask: got {describe(mask)}, expected torch.bool, a memory [...] or a row [..., V]")
    return mask if mask.ndim == M.ndim - 1 else mask.unsqueeze(-1)


def _column(M: Tensor, index: Tensor) -> Tensor:
    if not isinstance(index, Tensor) or index.dtype != torch.int64 or index.shape != M.shape[:-2]:
        raise ValueError(f"index: got {describe(index)}, expected torch.int64 {list(M.shape[:-2])}")
    return index.unsqueeze(-1).unsqueeze(-1).expand(*M.shape[:-1], 1)
