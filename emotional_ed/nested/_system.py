"""Levels running together, each at its own pace, for a whole population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_int
from emotional_ed.memory import QuickModule
from emotional_ed.nested._level import Level, Signals
from emotional_ed.nested._order import execution_order, rank
from emotional_ed.ticks import Ticks


class _Turn(NamedTuple):
    """What there is to do for a level in every step, looked up once."""

    row: int
    level: Level
    observes: bool
    every_step: bool
    event: str | None


@final
class NestedSystem(QuickModule):
    """Runs levels in order of frequency and dependency, with one clock a level and member.

    A level with period n fires for a member exactly when it has seen n steps since it last fired:
    floor(T/n) times in T steps. A level with an event clock fires when the event happens.

    Args:
        levels: in any order; see `execution_order`.
        population: P.
        device: where clocks are kept.

    Raises:
        ValueError: duplicate names, unknown or circular dependencies, a population below 1.
    """

    def __init__(
        self, levels: Sequence[Level], population: int, *, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        self.population = require_int("population", population, 1)
        self.order = execution_order(levels)
        self.levels = nn.ModuleDict({level.name: level for level in self.order})
        self._needed = [(one.clock.event, one.name) for one in self.order if one.clock.event is not None]
        self._turns = [
            _Turn(row, one, _observes(one), one.clock.every_step, one.clock.event)
            for row, one in enumerate(self.order)
        ]
        self._slow = [turn for turn in self._turns if _is_slow(turn)]
        self.splits = _splits(self._turns)
        """Whether slow levels can all run after the fast ones, to the same effect."""
        self.ticks = Ticks([level.clock.period for level in self.order], (population,), device=device)

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
            ValueError: a level's event is missing, or a mask is not [P] bool.
        """
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.step(signals, events=events, active=active)
        events = self._checked(events or {}, active)
        ticks, idle = self.ticks, _idle(events) if self._needed else set()
        ticks.advance(active)
        for row, level, observes, every_step, event in self._turns:
            if observes:
                level.observe(signals, active)
            if every_step:
                level.update(signals, active)
                continue
            if event in idle and level.idles:
                continue
            due = ticks.due(row, active) if event is None else _happened(events[event], active)
            if due is not None:
                level.update(signals, due)
                if event not in idle:
                    ticks.fired(row, due)
        return signals

    @property
    def is_quiet(self) -> bool:
        """Whether no slow level can be due in the next step, if no event happens."""
        return not self.ticks.pending

    def step_fast(self, signals: Signals, events: Mapping[str, Tensor]) -> Signals:
        """Do the part of `step` that comes in every step, looking at nothing; `step_slow` does the rest.

        A straight line of tensor operations, made to be compiled. The two together are `step` where the nest
        `splits`, or where it `is_quiet` and no event happens.

        Args:
            signals: inputs of the step; results are added to it.
            events: [P] bool for each event that a clock listens to.

        Returns:
            `signals`, with what the levels added.
        """
        self.ticks.count()
        for _, level, observes, every_step, event in self._turns:
            if observes:
                level.observe(signals, None)
            if every_step:
                level.update(signals, None)
            elif event is not None and not level.idles:
                level.update(signals, events[event])
        return signals

    def step_slow(self, signals: Signals, events: Mapping[str, Tensor]) -> None:
        """Do the rest of a step after `step_fast`: count on the host, and run slow levels that are due."""
        idle, ticks = _idle(events), self.ticks
        ticks.note_step()
        for row, level, _, _, event in self._slow:
            due = ticks.due(row) if event is None else None if event in idle else events[event]
            if due is not None:
                level.update(signals, due)
                ticks.fired(row, due)

    def _checked(self, events: Mapping[str, Tensor], active: Tensor | None) -> Mapping[str, Tensor]:
        """Refuse a missing event, and masks that are not [P] bool, before anything has moved."""
        for event, level in self._needed:
            if event not in events:
                raise ValueError(f"events: got {sorted(events)}, expected {event!r} for level {level!r}")
        for name, mask in (*events.items(), ("active", active)):
            if mask is not None and (mask.dtype != torch.bool or mask.shape != (self.population,)):
                raise ValueError(
                    f"{name}: got {mask.dtype} {list(mask.shape)}, expected torch.bool [{self.population}]"
                )
        return events

    def update_counts(self) -> dict[str, Tensor]:
        """Return how often each level really updated, name -> [P]."""
        return {level.name: self.ticks.updates[i].clone() for i, level in enumerate(self.order)}

    def frequencies(self) -> dict[str, float]:
        """Return measured updates per step, name -> updates of all members over their steps.

        Nothing declared enters.

        Raises:
            ValueError: no step was made yet.
        """
        steps = int(self.ticks.steps.sum())
        if not steps:
            raise ValueError("frequencies: got no step yet, expected at least one to measure")
        return {name: int(count.sum()) / steps for name, count in self.update_counts().items()}

    def ranking(self) -> list[list[str]]:
        """Return the levels as measured, fastest first; see `rank`."""
        return rank(self.frequencies(), {level.name: level.after for level in self.order})


def _observes(level: Level) -> bool:
    """Tell levels that take in every step from those that wait for their clock."""
    return type(level).observe is not Level.observe


def _is_slow(turn: _Turn) -> bool:
    """Tell levels that have nothing to update in most steps."""
    return not turn.every_step and (turn.event is None or turn.level.idles)


def _splits(turns: Sequence[_Turn]) -> bool:
    slow = [_is_slow(turn) for turn in turns]
    first = slow.index(True) if any(slow) else len(slow)
    fast, rest = turns[:first], turns[first:]
    alone = all(not turn.observes or turn.level.observes_alone for turn in rest[1:])
    return all(slow[first:]) and alone and all(turn.every_step for turn in fast)


def _happened(event: Tensor, active: Tensor | None) -> Tensor:
    return event if active is None else event & active


def _idle(events: Mapping[str, Tensor]) -> set[str | None]:
    """Return the events that happen to nobody; none on a GPU, which looking would make wait."""
    return {name for name, event in events.items() if event.device.type == "cpu" and not event.any()}
