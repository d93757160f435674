"""One row of each memory of a batch, under one key: found once, then read and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from emotional_ed.memory._multihot import add_up, is_multihot
from emotional_ed.memory._validation import check_distinct, check_finite, describe


class Entry(ABC):
    """Where one row of each memory meets a key; made by `AssociativeMemory.entry`, and written once at most.

    Equation:
        held = (M k)[row];   M[row] += share (v - held) k/|k|^2      (|k|^2 is taken for 1 with vector keys)
    """

    held: Tensor
    """[...], what the memories held there when the entry was found."""

    def take_up(self, value: Tensor, share: Tensor, mask: Tensor | None = None) -> Tensor:
        """Take up a share of the surprise that a value is, in place, and return the surprise.

        Args:
            value: what the memories are to hold.
            share: in [0, 1].
            mask: bool, where False nothing is written.

        Shapes:
            all [...], one a memory.
        """
        check_finite("value", value)
        check_finite("share", share)
        lss = value - self.held
        self._add(share, lss, mask)
        return lss

    @abstractmethod
    def _add(self, share: Tensor, lss: Tensor, mask: Tensor | None) -> None: ...


@final
class Cell(Entry):
    """The entry of a one-hot key: one number at place `place` [...] of the memories laid out in a line."""

    def __init__(self, M: Tensor, place: Tensor) -> None:
        self._flat, self._place = M.view(-1), place.view(-1)
        self.held = self._flat.index_select(0, self._place).view(place.shape)

    def _add(self, share: Tensor, lss: Tensor, mask: Tensor | None) -> None:
        written = (share * lss).add_(self.held)
        if mask is not None:
            torch.where(mask, written, self.held, out=written)
        self._flat.index_copy_(0, self._place, written.view(-1))


@final
class Cells(Entry):
    """The entry of a key with several 1s: numbers at places `places` [..., T], which add up."""

    def __init__(self, M: Tensor, places: Tensor) -> None:
        self._flat, self._places = M.view(-1), places.view(-1)
        self._parts = self._flat.index_select(0, self._places).view(places.shape)
        self.held = add_up(self._parts)

    def _add(self, share: Tensor, lss: Tensor, mask: Tensor | None) -> None:
        change = share / self._parts.shape[-1] * lss
        written = self._parts + change.unsqueeze(-1)
        if mask is not None:
            torch.where(mask.unsqueeze(-1), written, self._parts, out=written)
        self._flat.index_copy_(0, self._places, written.view(-1))


@final
class Row(Entry):
    """The entry of a key of real numbers: a whole row, number `row` [...] of all rows of all memories."""

    def __init__(self, M: Tensor, row: Tensor, key: Tensor) -> None:
        self._rows, self._row, self._key = M.view(-1, M.shape[-1]), row.view(-1), key
        self._parts = self._rows.index_select(0, self._row).view(key.shape)  # [..., K]
        self.held = (self._parts * key).sum(-1)

    def _add(self, share: Tensor, lss: Tensor, mask: Tensor | None) -> None:
        written = torch.addcmul(self._parts, (share * lss).unsqueeze(-1), self._key)
        if mask is not None:
            torch.where(mask.unsqueeze(-1), written, self._parts, out=written)
        self._rows.index_copy_(0, self._row, written.view(-1, written.shape[-1]))


def find_entry(M: Tensor, first: Tensor, key: Tensor, row: Tensor) -> Entry:
    """Return the entry of rows `row` [...]; `first` [...] numbers the memories' first rows.

    Raises:
        ValueError: the row or the key does not have the memories' batch shape, or is of another kind.
    """
    if row.dtype != torch.int64 or row.shape != first.shape:
        raise ValueError(f"row: got {describe(row)}, expected torch.int64 {list(first.shape)}")
    width = M.shape[-1]
    number = row + first
    if key.is_floating_point():
        if key.shape != (*first.shape, width) or key.dtype != M.dtype:
            raise ValueError(f"key: got {describe(key)}, expected {M.dtype} {[*first.shape, width]}")
        check_finite("key", key)
        return Row(M, number, key)
    if is_multihot(M, key):
        if key.shape[:-1] != first.shape:
            raise ValueError(f"key: got {describe(key)}, expected {[*first.shape, 'T']}")
        check_distinct("key", key)
        return Cells(M, torch.add(key, number.unsqueeze(-1), alpha=width))
    if key.shape != first.shape:
        raise ValueError(f"key: got {describe(key)}, expected {list(first.shape)}")
    return Cell(M, torch.add(key, number, alpha=width))
