"""When a level is due: every n steps, or whenever an event happens."""

from __future__ import annotations

from dataclasses import dataclass

from emotional_ed.checks import require_int


@dataclass(frozen=True)
class Clock:
    """The rhythm of a level, kept for each environment on its own.

    Exactly one of the two is set. A periodic clock never fires before `period` steps were seen.
    """

    period: int | None = None
    """Steps between two updates, >= 1."""
    event: str | None = None
    """Name of the event that triggers an update, e.g. "episode_end"."""

    def __post_init__(self) -> None:
        if (self.period is None) == (self.event is None):
            raise ValueError(
                f"Clock: got period={self.period!r}, event={self.event!r}, expected one of the two"
            )
        if self.period is not None:
            require_int("Clock.period", self.period, 1)

    @property
    def frequency(self) -> float:
        """Declared updates per step; 0 for events, whose rate only running can tell."""
        return 0.0 if self.period is None else 1 / self.period

    @property
    def every_step(self) -> bool:
        """True for the fastest clock."""
        return self.period == 1
