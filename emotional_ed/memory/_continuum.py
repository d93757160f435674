"""A spectrum of memories of the same stream, each with its own clock; slower ones anchor faster ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.memory._linear import solve_spd
from emotional_ed.memory._rules import recall, retain, write
from emotional_ed.memory._validation import check_dtype, check_mask, check_vector
from emotional_ed.ticks import Ticks


@final
class ContinuumMemory(nn.Module):
    """Memories of one mapping at several speeds; what was forgotten fast comes back from what is held slowly.

    Equation:
        Level l is frozen within its chunk and sums what it saw there; after period C_l items (v_t, k_t) it
        makes one step, and starts a new chunk. With A_l = M_{l+1} (nothing for the slowest),

            prox:  M_l+ = argmin_X 1/2 sum_t |X k_t - v_t|^2 + ridge_l/2 |X - A_l|^2 + 1/(2 eta_l) |X - M_l|^2
            grad:  M_l+ = M_l - eta_l (sum_t (M_l k_t - v_t) k_t^T + ridge_l (M_l - A_l))

    Every level is fed the whole stream. Where several are due at one item, the fastest goes first and its
    anchor is the slower level as it was before the item. No level moves before it has seen C_l items; a
    partial chunk waits (see `end_chunk`).

    Args:
        value_dim: V.
        key_dim: K.
        periods: C_l, fastest first, not decreasing.
        etas: step sizes > 0, one for all or one a level.
        ridges: pulls toward the next slower level >= 0, one for all or one a level.
        batch: leading dimensions, e.g. `(P,)`.
        solver: "prox" or "grad".
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        M, moment: [L, *batch, V, K]; overlap: [L, *batch, K, K].

    Raises:
        ValueError: a number is out of range, or periods decrease.

    Reference:
        Behrouz et al., arXiv 2512.24695, eqs. 70-74 (independent form; eq. 71 as printed sums one term too
        many). The anchoring is ours: the paper describes recovery of forgotten knowledge without an equation.
    """

    M: Tensor
    moment: Tensor
    overlap: Tensor

    def __init__(
        self,
        value_dim: int,
        key_dim: int,
        *,
        periods: Sequence[int] = (1, 16, 256),
        etas: float | Sequence[float] = 0.5,
        ridges: float | Sequence[float] = 0.0,
        batch: Sequence[int] = (),
        solver: str = "prox",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_dtype(dtype)
        self.periods = tuple(require_int("periods", period, 1) for period in periods)
        if not self.periods or list(self.periods) != sorted(self.periods):
            raise ValueError(f"periods: got {list(periods)}, expected at least one, fastest first")
        self.etas = _per_level("etas", etas, len(self.periods), positive=True)
        self.ridges = _per_level("ridges", ridges, len(self.periods), positive=False)
        self.solver = require_choice("solver", solver, ("prox", "grad"))
        shape = (len(self.periods), *batch, require_int("value_dim", value_dim, 1))
        keys = require_int("key_dim", key_dim, 1)
        zeros = torch.zeros((*shape, keys), device=device, dtype=dtype)
        self.register_buffer("M", zeros)
        self.register_buffer("moment", zeros.clone())
        self.register_buffer("overlap", torch.zeros((*shape[:-1], keys, keys), device=device, dtype=dtype))
        self.ticks = Ticks(self.periods, batch, device=device)

    def read(self, q: Tensor, level: int = 0) -> Tensor:
        """Recall what a level (the fastest by default) holds for keys [*batch, K]: [*batch, V]."""
        check_vector("q", q, self.M[level], -1)
        return recall(self.M[level], q)

    @torch.no_grad()
    def write(self, k: Tensor, v: Tensor, active: Tensor | None = None) -> Tensor:
        """Take in one item and move every level that is due; return the fastest level's surprise [*batch, V].

        Args:
            k: keys [*batch, K].
            v: values [*batch, V].
            active: [*batch] bool, which members saw the item; None means all.
        """
        check_vector("k", k, self.M[0], -1)
        check_vector("v", v, self.M[0], -2)
        lss = v - recall(self.M[0], k)
        seen_k, seen_v = k, v
        if active is not None:  # whatever masked rows hold, also NaN, must not get into a chunk
            mask = check_mask(active, self.M[0])[..., 0]
            seen_k, seen_v = (torch.where(mask, one, 0.0) for one in (k, v))
        slower = self.M.clone() if self._anchored else self.M
        for level, period in enumerate(self.periods):
            if period > 1:
                self._gather(level, seen_k, seen_v)
        self.ticks.advance(active)
        for level, period in enumerate(self.periods):
            anchor = slower[level + 1] if level + 1 < len(self.periods) else None
            if period == 1:
                self._write_one(level, k, v, anchor, active)
                continue
            due = self.ticks.due(level, active)
            if due is not None:
                self._write_chunk(level, anchor, due)
        return lss

    @property
    def _anchored(self) -> bool:
        return any(self.ridges[:-1])

    def _gather(self, level: int, k: Tensor, v: Tensor) -> None:
        self.moment[level] += v[..., None] * k[..., None, :]
        self.overlap[level] += k[..., None] * k[..., None, :]

    def _write_one(
        self, level: int, k: Tensor, v: Tensor, anchor: Tensor | None, active: Tensor | None
    ) -> None:
        M = self.M[level]
        ridge = self.ridges[level] if anchor is not None else 0.0
        write(M, k, v, self.etas[level], solver=self.solver, ridge=ridge, anchor=anchor, mask=active, out=M)

    def _write_chunk(self, level: int, anchor: Tensor | None, due: Tensor) -> None:
        M, moment, overlap = self.M[level], self.moment[level], self.overlap[level]
        eta, ridge = self.etas[level], self.ridges[level] if anchor is not None else 0.0
        if self.solver == "grad":
            written = M + eta * (moment - M @ overlap)
            if anchor is not None:
                written = written - eta * ridge * (M - anchor)
        else:
            base, rate = retain(M, eta, ridge, anchor) if ridge else (M, eta)
            system = torch.eye(M.shape[-1], dtype=M.dtype, device=M.device) + rate * overlap
            written = base + solve_spd(system, rate * (moment - base @ overlap).mT).mT
        mask = due[..., None, None]
        self.M[level] = torch.where(mask, written, M)
        self._forget_chunk(level, due)
        self.ticks.fired(level, due)

    def _forget_chunk(self, level: int, due: Tensor) -> None:
        mask = due[..., None, None]
        self.moment[level] = self.moment[level].masked_fill(mask, 0)
        self.overlap[level] = self.overlap[level].masked_fill(mask, 0)

    @torch.no_grad()
    def end_chunk(self, policy: str, ended: Tensor | None = None) -> None:
        """Settle partial chunks, e.g. at an episode's end.

        Args:
            policy: "keep" (the next episode fills them), "drop", or "write" (an early step on what is there).
            ended: [*batch] bool, whose chunks; None means all.
        """
        require_choice("policy", policy, ("keep", "drop", "write"))
        if policy == "keep":
            return
        slower = self.M.clone()
        for level, period in enumerate(self.periods):
            if period == 1:
                continue
            due = self.ticks.since[level] > 0
            due = due if ended is None else due & ended
            if policy == "write":
                anchor = slower[level + 1] if level + 1 < len(self.periods) else None
                self._write_chunk(level, anchor, due)
            else:
                self._forget_chunk(level, due)
            self.ticks.restart(level, due)


def _per_level(
    name: str, given: float | Sequence[float], levels: int, *, positive: bool
) -> tuple[float, ...]:
    many = list(given) if isinstance(given, Sequence) else [given] * levels
    if len(many) != levels:
        raise ValueError(f"{name}: got {len(many)} numbers, expected one or {levels}, one a level")
    return tuple(require_range(name, one, 0.0, float("inf"), low_open=positive) for one in many)
