"""A memory with its state in buffers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.memory._entry import Entry, find_entry
from emotional_ed.memory._multihot import is_multihot, read_multihot, write_multihot
from emotional_ed.memory._onehot import read_onehot, write_onehot
from emotional_ed.memory._rules import Rate, read, write
from emotional_ed.memory._validation import check_dtype


@final
class AssociativeMemory(nn.Module):
    """A batch of memories from keys to values, held in the buffer `M` and written in place.

    Equation:
        M+ = argmin_X  L(X; k, v) + lambda/2 |X - A|^2 + 1/(2 eta) |X - M|^2      (see `write`)

    Keys are vectors [..., K], or int64 indices: [...] stand for one-hot vectors, [..., T] for vectors of 0s
    with T 1s.

    Args:
        value_dim: V.
        key_dim: K.
        batch: leading dimensions, e.g. `(P,)` for a population.
        eta: default step size, >= 0.
        objective: "l2" or "dot".
        solver: "prox" or "grad".
        ridge: retention >= 0 toward `anchor`; vector keys only.
        anchor: what the memory falls back to, [*batch, V, K]; zeros if None.
        initial: the value of every entry at first.
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        M: [*batch, V, K]; blank: [V, K], what each was at first.

    Raises:
        ValueError: a size, name or number is out of range.
    """

    M: Tensor
    blank: Tensor
    anchor: Tensor | None
    _first: Tensor

    def __init__(
        self,
        value_dim: int,
        key_dim: int,
        *,
        batch: Sequence[int] = (),
        eta: float = 1.0,
        objective: str = "l2",
        solver: str = "prox",
        ridge: float = 0.0,
        anchor: Tensor | None = None,
        initial: float = 0.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_dtype(dtype)
        shape = (*batch, require_int("value_dim", value_dim, 1), require_int("key_dim", key_dim, 1))
        self.eta = require_range("eta", eta, 0.0)
        self.objective = require_choice("objective", objective, ("l2", "dot"))
        self.solver = require_choice("solver", solver, ("prox", "grad"))
        self.ridge = require_range("ridge", ridge, 0.0)
        if anchor is not None and tuple(anchor.shape) != shape:
            raise ValueError(f"anchor: got shape {list(anchor.shape)}, expected {list(shape)}")
        self.register_buffer("M", torch.full(shape, initial, device=device, dtype=dtype))
        blank = torch.full(shape[-2:], initial, device=device, dtype=dtype)
        self.register_buffer("blank", blank, persistent=False)
        self.register_buffer("anchor", None if anchor is None else anchor.to(self.M).clone())
        first = torch.arange(math.prod(batch), device=device).mul_(value_dim).view(tuple(batch))
        self.register_buffer("_first", first, persistent=False)

    def _held(self) -> Tensor:
        """Return `M`; looking it up as an attribute costs more than a small tensor operation."""
        return self._buffers["M"]  # type: ignore[return-value]

    def read(self, key: Tensor) -> Tensor:
        """Recall the value [..., V] for keys [..., K], or for indices [...] or [..., T]."""
        M = self._held()
        if key.is_floating_point():
            return read(M, key)
        return read_multihot(M, key) if is_multihot(M, key) else read_onehot(M, key)

    def write(
        self, key: Tensor, value: Tensor, eta: Rate | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Write in place and return the local surprise [..., V] that the values were to the memory."""
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.write(key, value, eta, mask)
        M, rate = self._held(), self.eta if eta is None else eta
        if key.is_floating_point():
            _, lss = write(
                M, key, value, rate, objective=self.objective, solver=self.solver, ridge=self.ridge,
                anchor=self._buffers["anchor"], mask=mask, out=M,
            )  # fmt: skip
            return lss
        if self.objective != "l2" or self.ridge:
            raise ValueError(
                "key: got one-hot or several indices, expected vectors (dot objective, or ridge)"
            )
        by_index = write_multihot if is_multihot(M, key) else write_onehot
        _, lss = by_index(M, key, value, rate, solver=self.solver, mask=mask, out=M)
        return lss

    def clear(self, who: Tensor) -> None:
        """Begin anew where `who` [*batch] is True: the memory is again what it was at first."""
        M = self._held()
        M.copy_(torch.where(who[..., None, None], self.blank, M))

    def entry(self, key: Tensor, row: Tensor) -> Entry:
        """Find row `row` of each memory under a key, to read it and then to write it alone.

        For one-hot keys and for indices of several features these are the numbers of `read`, and of a
        gradient `write` of `share_per_feature` with all other rows masked, bit for bit; for vector keys they
        differ by rounding.

        Shapes:
            key: as in `read`; row: [...] int64 in [0, V).

        Raises:
            ValueError: a shape or dtype does not fit, or the rule is not the plain gradient step.
        """
        if self.solver != "grad" or self.objective != "l2" or self.ridge:
            raise ValueError(f"entry: got a memory with {self.extra_repr()}, expected l2, grad and no ridge")
        M, first = self._held(), self._buffers["_first"]
        return find_entry(M, first, key, row)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Name the shape and the rule in `print(module)`."""
        rule = f"objective={self.objective!r}, solver={self.solver!r}, ridge={self.ridge:g}"
        return f"{list(self.M.shape)}, {rule}"
