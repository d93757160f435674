"""The fast path for keys with a few 1s (tile coding): only their columns are gathered and scattered."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.checks import require_choice
from emotional_ed.memory._onehot import _checked_write, _row_mask
from emotional_ed.memory._rules import Rate, _checked_out, _deliver
from emotional_ed.memory._validation import check_distinct, check_memory, describe


def read_multihot(M: Tensor, index: Tensor) -> Tensor:
    """Recall the value held for the key with its 1s at `index`; equals `read` with that key written out.

    Equation:
        y = sum_t M[:, index_t]

    Shapes:
        M: [..., V, K]; index: [..., T], int64 in [0, K) and distinct (seen under `value_checks` only);
        result: [..., V].

    Raises:
        ValueError: `index` does not have M's batch shape, is not int64, or T is 0.
    """
    check_memory(M)
    return add_up(M.gather(-1, _columns(M, index)))


def write_multihot(
    M: Tensor,
    index: Tensor,
    v: Tensor,
    eta: Rate,
    *,
    solver: str = "prox",
    mask: Tensor | None = None,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write a value for a key with T 1s; equals `write` (l2, no ridge) with that key written out.

    Equation:
        M[:, index_t] += step (v - sum_t M[:, index_t]),  step = eta/(1 + eta T) ("prox") or eta ("grad")

    It is the exact step for |k|^2 = T. The gradient form takes up eta T of the surprise and diverges beyond
    eta T = 2; see `share_per_feature`.

    Args:
        M: the memories.
        index: where the key is 1.
        v: values.
        eta: step size >= 0, a number or one a memory [...].
        solver: "prox" or "grad".
        mask: where False nothing is written; per memory [...] or per row [..., V].
        out: `M` itself to write in place.

    Shapes:
        M: [..., V, K]; index: [..., T]; v: [..., V]; returns ([..., V, K], [..., V]).

    Returns:
        The written memories, and the local surprise before the write.

    Raises:
        ValueError: a rank, size, dtype, name or step size does not fit.

    Reference:
        Sutton and Barto, "Reinforcement Learning", 2nd ed., section 9.5.4 (tile coding) and eq. 9.7.
    """
    require_choice("solver", solver, ("prox", "grad"))
    check_memory(M)
    columns = _columns(M, index)  # [..., V, T]
    held = M.gather(-1, columns)  # [..., V, T]
    recalled = add_up(held)  # [..., V]
    rate = _checked_write(M, recalled, v, eta)
    lss = v - recalled
    change = (rate / (1 + rate * index.shape[-1]) if solver == "prox" else rate) * lss
    written = held + change.unsqueeze(-1)
    if mask is not None:
        written = torch.where(_row_mask(mask, M).unsqueeze(-1), written, held)
    if out is M:
        _checked_out(out, M, v)
        return M.scatter_(-1, columns, written), lss
    return _deliver(M.scatter(-1, columns, written), out), lss


def share_per_feature(M: Tensor, share: Rate, key: Tensor) -> Rate:
    """Return the step size with which a gradient write for `key` takes up `share` of the surprise.

    Equation:
        share / T for a key with T 1s;  `share` itself, bit for bit, for one-hot and for vector keys

    (For a vector key the step size that does it is share / |k|^2; whoever makes the key knows its norm.)

    Args:
        M: the memories that will be written.
        share: in [0, 1], a number or one a memory [...].
        key: as given to `AssociativeMemory.write`.

    Shapes:
        M: [..., V, K]; key: [...] or [..., T], int64, or [..., K]; result: as `share`.
    """
    return share / key.shape[-1] if is_multihot(M, key) else share


def is_multihot(M: Tensor, key: Tensor) -> bool:
    """Tell indices of several features [..., T] from indices of one [...] and from vectors [..., K]."""
    return key.ndim == M.ndim - 1 and not key.is_floating_point()


def add_up(columns: Tensor) -> Tensor:
    """Sum over a short last axis [..., T] in an order that depends on T alone, not on the batch.

    Halves are added elementwise; a library's reduction may order its terms by the shape of the batch.
    """
    while columns.shape[-1] > 1:
        half = columns.shape[-1] // 2
        left_over = columns[..., 2 * half :]
        columns = columns[..., :half] + columns[..., half : 2 * half]
        if left_over.shape[-1]:
            columns = torch.cat([columns, left_over], -1)
    return columns.squeeze(-1)


def _columns(M: Tensor, index: Tensor) -> Tensor:
    fits = isinstance(index, Tensor) and index.dtype == torch.int64 and index.ndim == M.ndim - 1
    if not fits or index.shape[:-1] != M.shape[:-2] or not 1 <= index.shape[-1] <= M.shape[-1]:
        shape = ", ".join([*map(str, M.shape[:-2]), "T"])
        expected = f"torch.int64 [{shape}] with T in [1, {M.shape[-1]}]"
        raise ValueError(f"index: got {describe(index)}, expected {expected}")
    check_distinct("index", index)
    return index.unsqueeze(-2).expand(*M.shape[:-1], index.shape[-1])
