"""A job: one run of a study, done by one process at a time, and gone on with after an interruption."""

from __future__ import annotations

import dataclasses
import errno
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, final

from emotional_ed.analysis import load_run
from emotional_ed.experiments.keeper import CHECKPOINT_SECONDS, Ear
from emotional_ed.experiments.lock import FileLock
from emotional_ed.experiments.run_folder import RunFolder, as_json, write_json
from emotional_ed.experiments.study_folder import first_difference, short
from emotional_ed.experiments.train import TrainSpec, fit

Outcome = Literal["finished", "busy", "stopped", "failed", "full"]
"""How an attempt ended; "busy": another process is at it; "full": the folder cannot be written any more."""
RETRIES = 2
"""How often a job goes on in another process after its process was killed."""
_BUSY_SECONDS = 0.5  # between two looks at a job that another caller is at
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be trained in a folder of its own."""

    name: str
    """How people know it: the path of its folder below the study's."""
    folder: Path
    """Where it goes."""
    lock: Path
    """The file that is locked while somebody is at it."""
    spec: TrainSpec
    """What to train."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Versions, revision and command, for its `config.json`."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Time between two checkpoints."""

    @property
    def arm(self) -> str:
        """The arm that it is of."""
        return self.name.removeprefix("tuning/").split("/")[0]

    @property
    def steps(self) -> int:
        """Steps of all its members."""
        return self.spec.steps * self.spec.population

    @property
    def is_finished(self) -> bool:
        """Whether its folder holds a finished run."""
        return (self.folder / "result.json").is_file()


@dataclass(frozen=True)
class Done:
    """What came of an attempt."""

    outcome: Outcome
    """How it ended."""
    reason: str = ""
    """Why, if it failed."""


class Teller(Protocol):
    """Whom a backend tells how jobs are going, and who may stop it."""

    def steps(self, job: Job, steps: int) -> None:
        """Take in how many steps each member has made in all."""
        ...

    def note(self, job: Job, text: str) -> None:
        """Take in what a person should know."""
        ...

    def done(self, job: Job) -> None:
        """Take in that a job is finished."""
        ...

    def stopped(self) -> bool:
        """Return whether to stop."""
        ...


class Backend(Protocol):
    """Where jobs are done."""

    def run(self, jobs: Sequence[Job], teller: Teller) -> dict[str, str]:
        """Do jobs and return those that failed, name -> reason.

        Raises:
            KeyboardInterrupt: the teller asked to stop.
        """
        ...

    def close(self) -> None:
        """Stop what still runs, and wait for it."""
        ...


def run_job(job: Job, ear: Ear) -> Done:
    """Train a job in this process, from where it was interrupted; what goes wrong is returned, not raised."""
    lock = FileLock(job.lock)
    try:
        if not lock.take():
            return Done("busy", lock.holder())
        with lock:
            if job.is_finished:
                return Done("finished")
            ear = dataclasses.replace(ear, checkpoint_seconds=job.checkpoint_seconds)
            return Done("finished" if fit(job.spec, _prepared(job, ear), ear) else "stopped")
    except OSError as error:
        outcome: Outcome = "full" if error.errno in _NO_ROOM else "failed"
        return Done(outcome, f"{error.strerror or error} at {error.filename or job.folder}")
    except Exception as error:
        return Done(
            "failed", str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        )


def _prepared(job: Job, ear: Ear) -> RunFolder:
    """Return the job's folder with its configuration in it, and with nothing of another revision."""
    folder = RunFolder.reopen(job.folder)
    wanted = as_json({**job.spec.to_dict(), **job.provenance})
    try:
        found = json.loads((folder.path / "config.json").read_text())
    except FileNotFoundError:
        found = {}
    except ValueError:
        found = {"config.json": "damaged"}
    if {**found, "command": None} != {**wanted, "command": None}:
        aside = folder.set_aside()
        if aside is not None:
            ear.note(f"starts anew, because {_difference(found, wanted)}; what there was is in {aside}")
        write_json(folder.path / "config.json", wanted)
    return folder


def check_finished(job: Job) -> str:
    """Return what is wrong with a finished run; empty if nothing is.

    Raises:
        ValueError: it is another run.
    """
    try:
        run = load_run(job.folder)
    except ValueError as error:
        return f"is left out and left as it is: {error}"
    wanted = as_json(job.spec.to_dict())
    found = {name: run.config.get(name) for name in wanted}
    if found != wanted:
        raise ValueError(
            f"out: got {str(job.folder)!r}, a finished run that was not of this study "
            f"({_difference(found, wanted)}), expected a folder with the runs of this study alone"
        )
    return ""


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    path, there, here = first_difference({**found, "command": None}, {**wanted, "command": None})
    return f"{path} was {short(there)} in its config.json and is {short(here)}"


def ear_of(job: Job, teller: Teller) -> Ear:
    """Return an ear that passes on to the teller of all jobs."""
    return Ear(
        tell=lambda steps: teller.steps(job, steps),
        stopped=teller.stopped,
        note=lambda text: teller.note(job, text),
    )


@final
class Waiting:
    """Which jobs are still to be done, and what came of those that failed.

    Args:
        jobs: in the order in which they are begun.
        teller: who is told.
    """

    def __init__(self, jobs: Sequence[Job], teller: Teller) -> None:
        self.failed: dict[str, str] = {}
        """Name -> reason."""
        self._teller = teller
        self._jobs = [(0.0, job) for job in jobs]
        self._kills: Counter[str] = Counter()
        self._shared: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def next(self) -> Job | None:
        """Take out the first job whose time has come."""
        for index, (since, job) in enumerate(self._jobs):
            if since <= time.monotonic():
                del self._jobs[index]
                return job
        return None

    def take(self, job: Job, done: Done) -> None:
        """Take in what came of an attempt.

        Raises:
            KeyboardInterrupt: it was stopped.
        """
        if done.outcome == "finished":
            self._teller.done(job)
        elif done.outcome == "busy":  # another caller's: it comes last, and is looked at again
            if job.name not in self._shared:
                self._teller.note(job, f"is being trained by another process ({done.reason})")
            self._shared.add(job.name)
            self._jobs.append((time.monotonic() + _BUSY_SECONDS, job))
        elif done.outcome == "stopped":
            raise KeyboardInterrupt
        else:
            self.failed[job.name] = done.reason
            if done.outcome == "full":  # nor could any other be written
                self._jobs.clear()

    def lost(self, job: Job, reason: str) -> None:
        """Take in that the process of a job ended without a word; the job goes on elsewhere, a few times."""
        self._kills[job.name] += 1
        if self._kills[job.name] > RETRIES:
            self.failed[job.name] = f"{reason}, {self._kills[job.name]} times"
        else:
            self._teller.note(job, f"{reason}; it goes on in another one")
            self._jobs.insert(0, (0.0, job))


def run_here(jobs: Sequence[Job], teller: Teller) -> dict[str, str]:
    """Do jobs one after the other in this process, as a `Backend` does."""
    waiting = Waiting(jobs, teller)
    while waiting:
        job = waiting.next()
        if job is not None:
            waiting.take(job, run_job(job, ear_of(job, teller)))
        elif teller.stopped():
            raise KeyboardInterrupt
        else:
            time.sleep(0.1)
    return waiting.failed
