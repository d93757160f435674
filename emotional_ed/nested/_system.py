"""Levels running together, each at its own pace, for a whole population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_int
from emotional_ed.nested._level import Level, Signals
from emotional_ed.nested._order import execution_order


@final
class NestedSystem(nn.Module):
    """Runs levels in order of frequency and dependency, with one clock a level and member.

    A level with period n fires for a member exactly when it has seen n steps since it last fired:
    floor(T/n) times in T steps. A level with an event clock fires when the event happens.

    Args:
        levels: in any order; see `execution_order`.
        population: P.
        device: where clocks are kept.

    Shapes:
        since, updates: [L, P], steps since each level's last update, and how often it updated.

    Raises:
        ValueError: duplicate names, unknown or circular dependencies, a population below 1.
    """

    since: Tensor
    updates: Tensor

    def __init__(
        self, levels: Sequence[Level], population: int, *, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        self.population = require_int("population", population, 1)
        self.order = execution_order(levels)
        self.levels = nn.ModuleDict({level.name: level for level in self.order})
        shape = (len(self.order), population)
        self.register_buffer("since", torch.zeros(shape, dtype=torch.int64, device=device))
        self.register_buffer("updates", torch.zeros(shape, dtype=torch.int64, device=device))
        fast = [[level.clock.every_step] for level in self.order]
        self._fast = torch.tensor(fast, dtype=torch.int64, device=device).reshape(-1, 1)  # [L, 1]
        self._bound = [0] * len(self.order)  # no member has waited longer; spares a look at the device
        self._in_step = True  # all members have made the same steps so far
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def step(
        self,
        signals: Signals,
        *,
        events: Mapping[str, Tensor] | None = None,
        active: Tensor | None = None,
    ) -> Signals:
        """Advance every clock by one step and run what is due.

        Args:
            signals: inputs of the step; results are added to it.
            events: [P] bool for each event that a clock listens to.
            active: [P] bool, which members made a step; None means all.

        Returns:
            `signals`, with what the levels added.

        Raises:
            ValueError: a level's event is missing.
        """
        one = 1 if active is None else active.to(torch.int64)
        self._in_step = self._in_step and active is None
        self.since += one
        self.updates += self._fast * one
        for index, level in enumerate(self.order):
            level.observe(signals, active)
            if level.clock.every_step:
                level.update(signals, active)
                continue
            due = self._due(index, level, events or {}, active)
            if due is not None:
                level.update(signals, due)
                self.updates[index] += due
                self.since[index].masked_fill_(due, 0)
        return signals

    def _due(
        self, index: int, level: Level, events: Mapping[str, Tensor], active: Tensor | None
    ) -> Tensor | None:
        if level.clock.event is not None:
            if level.clock.event not in events:
                raise ValueError(
                    f"events: got {sorted(events)}, expected {level.clock.event!r} for level {level.name!r}"
                )
            happened = events[level.clock.event]
            return happened if active is None else happened & active
        self._bound[index] += 1
        if self._bound[index] < level.clock.host_period:
            return None
        self._bound[index] = 0 if self._in_step else int(level.clock.host_period) - 1
        due = self.since[index] >= level.clock.host_period
        return due if active is None else due & active

    def update_counts(self) -> dict[str, Tensor]:
        """Return how often each level really updated, name -> [P]."""
        return {level.name: self.updates[i] for i, level in enumerate(self.order)}


def _recount(system: NestedSystem, _: object) -> None:
    """After loading a state, work out anew what the host knows about waiting times."""
    system._bound = [int(row.max()) for row in system.since]
    system._in_step = bool((system.since == system.since[:, :1]).all())
