"""One component of the nest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from emotional_ed.memory import QuickModule
from emotional_ed.nested._clock import Clock

Signals = dict[str, Tensor]
"""What levels tell each other during one step: name -> tensor with leading population axis [P, ...]."""


class Level(QuickModule, ABC):
    """A component with a state of its own, a rule that changes it, and a clock that says when.

    Subclasses keep all state in buffers with leading dimension P, so that a `state_dict` in the middle of
    a period is complete.

    Args:
        name: unique in its system.
        clock: when `update` is due.
        after: names of levels whose results of the same step this one needs.

    Class attributes:
        idles: whether `update` with nobody due changes nothing and says nothing, so that it may be left out.
        observes_alone: whether `observe` uses nothing that a slow level's `update` changes in the same step.

    Raises:
        ValueError: the name is empty or holds a dot.
    """

    idles: ClassVar[bool] = False
    observes_alone: ClassVar[bool] = False

    def __init__(self, name: str, clock: Clock, *, after: Sequence[str] = ()) -> None:
        super().__init__()
        if not name or "." in name:
            raise ValueError(f"name: got {name!r}, expected one without dots")
        self.name = name
        self.clock = clock
        self.after = tuple(after)

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Take in one step while waiting for the clock (slow levels accumulate here).

        Args:
            signals: what faster levels and the agent said in this step.
            active: [P] bool, which members made a step; None means all.
        """

    @abstractmethod
    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Change the state of the members that are due, and add results to `signals`.

        Args:
            signals: what faster levels and the agent said in this step.
            due: [P] bool; None means all. Rows where it is False must stay as they are.
        """
