"""How a study is going: a live line in a terminal, a plain log elsewhere, and the notes in a file."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from tqdm import tqdm

from emotional_ed.experiments.jobs import Job
from emotional_ed.experiments.run_folder import last_mark

_LOG_SECONDS = 10.0  # between two lines of the plain log
_LINE = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} steps, {rate_fmt}, {remaining} left"


@final
class Display:
    """Shows arms, seeds, steps a second and the time left; a `Teller`.

    Args:
        title: what is being done.
        jobs: all of them, the finished ones too.
        stopped: whether somebody asked to stop.
        shown: whether to write to standard error.
        log: a file to which notes are appended.
    """

    def __init__(
        self, title: str, jobs: Sequence[Job], stopped: Callable[[], bool], *, shown: bool, log: Path
    ) -> None:
        self.stopped = stopped
        """Whether to stop."""
        self.notes: list[str] = []
        """What a person should know."""
        self._title, self._log, self._shown = title, log, shown
        self._jobs = {job.name: job for job in jobs}
        self._made = {job.name: _made(job) for job in jobs}
        self._done = {job.name for job in jobs if job.is_finished}
        self._total = sum(job.steps for job in jobs)
        self._logged = time.monotonic()
        self._began: float | None = None
        self._first = self._sum()
        self._bar: Any = None
        if shown and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._total, initial=self._first, desc=self._head(), bar_format=_LINE,
                unit=" steps", unit_scale=True, leave=True,
            )  # fmt: skip
        if len(self._done) < len(jobs):
            self._say(f"{self._title}: begins with {self._counts()}")

    def steps(self, job: Job, steps: int) -> None:
        """Take in how many steps each member of a job has made in all."""
        self._made[job.name] = min(steps, job.spec.steps) * job.spec.population
        if self._began is None:  # processes have started
            self._began, self._first = time.monotonic(), self._sum()
        if self._bar is not None:
            self._bar.update(self._sum() - self._bar.n)
        elif self._shown and time.monotonic() - self._logged >= _LOG_SECONDS:
            self._print(self.line())

    def done(self, job: Job) -> None:
        """Take in that a job is finished."""
        self._done.add(job.name)
        self.steps(job, job.spec.steps)
        if self._bar is not None:
            self._bar.set_description(self._head())
        self._say(f"{job.name}: finished; {self._counts()}")

    def note(self, job: Job, text: str) -> None:
        """Take in what a person should know."""
        self.notes.append(f"{job.name}: {text}")
        if self._bar is not None:
            self._bar.write(self.notes[-1], file=sys.stderr)
        self._say(self.notes[-1])

    def line(self) -> str:
        """Return one line on how it is going."""
        made, began = self._sum(), self._began
        rate = 0.0 if began is None else (made - self._first) / max(time.monotonic() - began, 1e-9)
        left = f"{_duration((self._total - made) / rate)} left" if rate > 0 else "time left unknown"
        share = made / self._total if self._total else 1.0
        return f"{self._title}: {self._counts()}, {share:.0%}, {rate:,.0f} steps/s, {left}"

    def close(self) -> None:
        """Leave the last line as it is."""
        if self._bar is not None:
            self._bar.close()

    def _sum(self) -> int:
        return sum(self._made.values())

    def _head(self) -> str:
        return f"{self._title}: {self._counts()}"

    def _counts(self) -> str:
        arms: dict[str, bool] = {}
        for name, job in self._jobs.items():
            arms[job.arm] = arms.get(job.arm, True) and name in self._done
        seeds = {name: job.spec.population for name, job in self._jobs.items()}
        ended = sum(seeds[name] for name in self._done)
        return f"arms {sum(arms.values())}/{len(arms)}, seeds {ended}/{sum(seeds.values())}"

    def _say(self, text: str) -> None:
        """Write to the file, and to the plain log."""
        with contextlib.suppress(OSError), self._log.open("a") as file:  # a full disk is told by the jobs
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        if self._shown and self._bar is None:
            self._print(text)

    def _print(self, text: str) -> None:
        self._logged = time.monotonic()
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()


def _made(job: Job) -> int:
    """Return how many steps of a job need not be made again."""
    if job.is_finished:
        return job.steps
    mark = last_mark(job.folder, exact=True)
    return 0 if mark is None else mark.step * job.spec.population


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
