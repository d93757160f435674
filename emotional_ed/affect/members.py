"""Some members of a population, taken out, judged, and put back."""

from __future__ import annotations

from typing import final

from torch import Tensor


@final
class Members:
    """The members whose episode has ended: their rows are taken out, judged, and put back.

    In a large population episodes end at almost every step, but few of them.
    """

    def __init__(self, due: Tensor | None) -> None:
        rows = None if due is None else due.nonzero().squeeze(-1)
        self.nobody = rows is not None and not len(rows)
        self._rows = rows if due is None or rows is None or len(rows) < len(due) else None  # None: all

    @property
    def everybody(self) -> bool:
        """Whether these are all."""
        return self._rows is None

    def of(self, whole: Tensor, axis: int = 0) -> Tensor:
        """Return their part of `whole`."""
        return whole if self._rows is None else whole.index_select(axis, self._rows)

    def put(self, whole: Tensor, part: Tensor) -> None:
        """Write their part into `whole` [P, ...]."""
        if self._rows is None:
            whole.copy_(part)
        else:
            whole.index_copy_(0, self._rows, part)

    def clear(self, whole: Tensor) -> None:
        """Set their part of `whole` [P, ...] to 0."""
        if self._rows is None:
            whole.zero_()
        else:
            whole.index_fill_(0, self._rows, 0)
