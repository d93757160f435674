"""What a run writes while it goes: often enough to lose little, seldom enough to cost little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from numpy.typing import NDArray

from emotional_ed.experiments.run_folder import Mark, RunFolder

CHECKPOINT_SECONDS = 10.0
"""Time between two checkpoints."""
_LOOK_SECONDS = 0.5  # between two rows of metrics.csv, and two questions whether to stop
_MARK_SECONDS = 1.0  # between two rows of progress.csv
_PATIENCE = 100  # a checkpoint that takes a second is written at most every hundred


def _nothing(_: object) -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Ear:
    """Whom a run tells how it is going, and who may stop it."""

    tell: Callable[[int], object] = _nothing
    """Called now and then with the steps that each member has made in all."""
    stopped: Callable[[], bool] = _never
    """Asked now and then; if true, the run writes a checkpoint and stops."""
    note: Callable[[str], object] = _nothing
    """Called with what a person should know."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Time between two checkpoints, in seconds, >= 0."""


@final
class Keeper:
    """Writes metrics, marks and checkpoints of one run when they are due.

    Args:
        folder: where.
        ear: who listens.
        before: the mark of the checkpoint that training goes on from; None at the start.
        exact: whether one can go on from a checkpoint as if training had never stopped.
    """

    def __init__(self, folder: RunFolder, ear: Ear, before: Mark | None, *, exact: bool) -> None:
        self.folder, self.ear, self.exact = folder, ear, exact
        self.stopped = False
        """Whether training is to stop."""
        self._spent = 0.0 if before is None else before.seconds
        self._began = self._looked = self._marked = self._saved = time.perf_counter()
        self._pause = ear.checkpoint_seconds
        self.has_exact = before is not None
        """Whether there is a checkpoint from which one can go on."""

    @property
    def seconds(self) -> float:
        """Time of training so far, with what came before the checkpoint."""
        return self._spent + time.perf_counter() - self._began

    def is_due(self) -> bool:
        """Return whether it is time to look at what there is to write; asked every step."""
        return time.perf_counter() - self._looked >= _LOOK_SECONDS

    def look(self, step: int, episodes: NDArray[Any] | Sequence[tuple[Any, ...]], catastrophes: int) -> bool:
        """Write new episodes, and return whether a checkpoint is due (always when training is to stop)."""
        self.folder.append_episodes(episodes)
        self.ear.tell(step)
        self.stopped = self.stopped or self.ear.stopped()
        self._looked = time.perf_counter()
        if self.stopped or self._looked - self._saved >= self._pause:
            return True
        if self._looked - self._marked >= _MARK_SECONDS:
            self.folder.mark(Mark(step, self.seconds, self.folder.episodes, catastrophes, 0))
            self._marked = self._looked
        return False

    def save(self, step: int, catastrophes: int, write: Callable[[], object]) -> None:
        """Write a checkpoint, after the mark that says what belongs to it."""
        began = time.perf_counter()
        self.folder.mark(Mark(step, self.seconds, self.folder.episodes, catastrophes, int(self.exact)))
        write()
        self.has_exact = self.exact
        self._saved = time.perf_counter()
        self._pause = max(self.ear.checkpoint_seconds, _PATIENCE * (self._saved - began))
