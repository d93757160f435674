"""Counters behind every clock: one a row and member, without looking at the device more than needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor, nn


@final
class Ticks(nn.Module):
    """Counts steps since each row's last update, for each member on its own.

    A row with period n is due for a member once that has made n steps since the row last fired: exactly
    floor(T/n) times in T steps. A row with period 1 fires by itself at every step, one with period None
    when its owner says so.

    Args:
        periods: steps between two updates, one a row; None for events.
        batch: shape of the population, e.g. `(P,)`.
        device: where counters are kept.

    Shapes:
        since, updates: [L, *batch], steps since each row's last update, and how often it updated.
        steps: [*batch], steps made.
    """

    since: Tensor
    updates: Tensor
    steps: Tensor
    fast: Tensor
    slow: Tensor

    def __init__(
        self,
        periods: Sequence[int | None],
        batch: Sequence[int] = (),
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.periods = tuple(periods)
        shape = (len(self.periods), *batch)
        self.register_buffer("since", torch.zeros(shape, dtype=torch.int64, device=device))
        self.register_buffer("updates", torch.zeros(shape, dtype=torch.int64, device=device))
        self.register_buffer("steps", torch.zeros(tuple(batch), dtype=torch.int64, device=device))
        fast = torch.tensor([period == 1 for period in self.periods], dtype=torch.int64, device=device)
        fast = fast.reshape(-1, *[1] * len(batch))
        self.register_buffer("fast", fast, persistent=False)
        self.register_buffer("slow", 1 - fast, persistent=False)
        self._bound = [0] * len(self.periods)  # no member has waited longer
        self._in_step = True  # all members have made the same steps so far
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    def advance(self, active: Tensor | None = None) -> None:
        """Count one step of the members that are active ([*batch] bool; None means all)."""
        self.count(active)
        self.note_step()
        if active is not None:
            self._in_step = False

    def count(self, active: Tensor | None = None) -> None:
        """Do the part of `advance` that is done on tensors; `note_step` is the host's."""
        held = cast(dict[str, Tensor], self._buffers)  # looking up an attribute costs more than adding
        if active is None:
            held["steps"].add_(1)
            held["since"].add_(held["slow"])
            held["updates"].add_(held["fast"])
        else:
            one = active.to(torch.int64)
            held["steps"].add_(one)
            held["since"].add_(one * held["slow"])
            held["updates"].add_(one * held["fast"])

    def note_step(self) -> None:
        """Do the part of `advance` that the host does."""
        self._bound[:] = [bound + 1 for bound in self._bound]

    @property
    def pending(self) -> bool:
        """Whether a periodic row with a period above 1 may be due for somebody in the next step."""
        return any(
            period is not None and 1 < period <= bound + 1
            for period, bound in zip(self.periods, self._bound, strict=True)
        )

    def due(self, row: int, active: Tensor | None = None) -> Tensor | None:
        """Return who is due in a periodic row, [*batch] bool, or None if nobody can be."""
        period = self.periods[row]
        assert period is not None
        if self._bound[row] < period:
            return None
        self._bound[row] = 0 if self._in_step else period - 1
        due = self.since[row] >= period
        return due if active is None else due & active

    def restart(self, row: int, who: Tensor) -> None:
        """Start a row's period anew for some members ([*batch] bool), out of step with the others."""
        self.since[row] *= (~who).to(torch.int64)
        self._in_step = False

    def fired(self, row: int, due: Tensor) -> None:
        """Note that a row has updated for the members in `due` ([*batch] bool)."""
        self.updates[row].add_(due)
        self.since[row].masked_fill_(due, 0)


def _recount(ticks: Ticks, _: object) -> None:
    """After loading a state, work out anew what the host knows about waiting times."""
    if not ticks.periods:
        return
    rows = ticks.since.reshape(len(ticks.periods), -1)
    ticks._bound = [int(row.max()) for row in rows]
    periodic = [index for index, period in enumerate(ticks.periods) if period is not None]
    ticks._in_step = bool((rows == rows[:, :1])[periodic].all())
