"""Run a study: every job that is not finished yet, anywhere, and then the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final, overload

from emotional_ed.analysis import ArmSummary, LoadedStudy, claims, compare, load_study, records
from emotional_ed.analysis.claims import find_baseline
from emotional_ed.analysis.records import Record
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.experiments.display import Display
from emotional_ed.experiments.jobs import Backend, Job, check_finished
from emotional_ed.experiments.keeper import CHECKPOINT_SECONDS
from emotional_ed.experiments.study_folder import StudyFolder
from emotional_ed.experiments.train import TrainSpec, gentle_interrupts
from emotional_ed.experiments.tuning import search

if TYPE_CHECKING:
    from emotional_ed.experiments.study import Study

BACKENDS = ("local", "ray")
"""Where jobs can be done."""


@final
@dataclass(frozen=True)
class StudyTable(Sequence[ArmSummary]):
    """What came of a study: a row an arm.

    `pandas.DataFrame(table.records())` reads it.
    """

    study: LoadedStudy
    """The runs, and what had to be left out."""
    rows: tuple[ArmSummary, ...]
    """One an arm."""
    notes: tuple[str, ...]
    """What happened on the way that a person should know."""

    @overload
    def __getitem__(self, index: int) -> ArmSummary: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ArmSummary]: ...
    def __getitem__(self, index: int | slice) -> ArmSummary | Sequence[ArmSummary]:
        """Return an arm's row, or several."""
        return self.rows[index]

    def __len__(self) -> int:
        """Return the number of arms."""
        return len(self.rows)

    def __iter__(self) -> Iterator[ArmSummary]:
        """Go through the rows."""
        return iter(self.rows)

    def records(self, baseline: str | None = None) -> list[Record]:
        """Return flat rows with returns, intervals, and differences from a baseline with p values.

        Args:
            baseline: what the others are compared with; level-0, or the first.
        """
        return records(self.rows, claims(self.study.runs, find_baseline(self.study.runs, baseline)))


def run_study(
    study: Study,
    out: str | os.PathLike[str],
    *,
    jobs: int | None = 1,
    backend: str = "local",
    address: str | None = None,
    progress_bar: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> StudyTable:
    """Tune if the study says so, train every arm into a folder of its own below `out`, and return the table.

    A folder that holds the same study is gone on with: finished runs stay as they are, unfinished ones go on
    from their last checkpoint, and the result is that of a call without interruption. Several callers may
    share a folder; each job is done by one of them.

    Args:
        study: what to run.
        out: a folder that is new, empty, or holds this study.
        jobs: how many at the same time, each in a process of its own; 1 trains in this one, None on every
            core (or CPU of the cluster).
        backend: "local" or "ray".
        address: of the Ray cluster; None starts one on this machine.
        progress_bar: show how it is going on standard error.
        checkpoint_seconds: time between two checkpoints of a run; more if they take long to write.

    Raises:
        ValueError: the folder holds something else, the task does not suit the agent, or jobs failed; what
            was finished stays.
        KeyboardInterrupt: after Ctrl-C; every run has written a checkpoint.
    """
    require_choice("backend", backend, BACKENDS)
    if jobs is not None:
        require_int("jobs", jobs, 1)
    if address is not None and backend != "ray":
        raise ValueError(f"address: got {address!r} with backend {backend!r}, expected it with ray only")
    require_range("checkpoint_seconds", checkpoint_seconds, 0)
    for spec in study.specs().values():
        spec.check()  # refuse what cannot work before anything is written
    folder = StudyFolder(out, study.to_dict())
    where = partial(_backend, backend, jobs, address)
    with gentle_interrupts() as interrupted:
        return _Runner(study, folder, where, interrupted, progress_bar, checkpoint_seconds).run()


def _backend(name: str, jobs: int | None, address: str | None) -> Backend:
    if name == "ray":
        from emotional_ed.experiments.backends_ray import RayCluster

        return RayCluster(jobs, address)
    from emotional_ed.experiments.processes import Local

    return Local(cores() if jobs is None else jobs)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@final
class _Runner:
    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        backend: Callable[[], Backend],
        interrupted: Callable[[], bool],
        shown: bool,
        checkpoint_seconds: float,
    ) -> None:
        self.study, self.folder, self.interrupted = study, folder, interrupted
        self.connect, self.shown, self.checkpoint_seconds = backend, shown, checkpoint_seconds
        self.backend: Backend | None = None
        self.notes = list(folder.notes)

    def run(self) -> StudyTable:
        try:
            found = self._tune() if self.study.tuning is not None else {}
            self._do(self.study.env_id, self.study.runs(found))
        finally:
            if self.backend is not None:
                self.backend.close()
        loaded = load_study(self.folder.path)
        return StudyTable(loaded, tuple(compare(loaded)), tuple(self.notes))

    def _tune(self) -> dict[str, dict[str, float]]:
        tuning = self.study.tuning
        assert tuning is not None
        do = partial(self._do, f"{self.study.env_id}, tuning")
        trials = search(self.study.specs(), tuning, self.folder.path, do)
        chosen = {one.arm: one for one in trials if one.chosen}
        self.folder.write_tuning(
            {
                arm: {
                    "budget": tuning.configurations,
                    "setting": dict(one.setting),
                    "score": one.score,
                    "confirmed": one.confirmed,
                }
                for arm, one in chosen.items()
            }
        )
        return {arm: dict(one.setting) for arm, one in chosen.items()}

    def _do(self, title: str, runs: Mapping[str, TrainSpec]) -> None:
        jobs = [self._job(name, spec) for name, spec in runs.items()]
        display = Display(title, jobs, self.interrupted, shown=self.shown, log=self.folder.path / "study.log")
        todo = []
        for job in jobs:
            if not job.is_finished:
                todo.append(job)
            elif fault := check_finished(job):
                display.note(job, fault)
        try:
            failed = self._done(todo, display) if todo else {}
        finally:
            display.close()
            self.notes += display.notes
        if failed:
            listed = "; ".join(f"{name!r}: {reason}" for name, reason in failed.items())
            raise ValueError(
                f"study: got jobs that failed: {listed}; the others are finished in {self.folder.path}, and "
                "the same call goes on"
            )

    def _done(self, todo: Sequence[Job], display: Display) -> dict[str, str]:
        if self.backend is None:
            self.backend = self.connect()
        return self.backend.run(todo, display)

    def _job(self, name: str, spec: TrainSpec) -> Job:
        return Job(
            name=name,
            folder=self.folder.path / name,
            lock=self.folder.lock_of(name),
            spec=spec,
            provenance=self.folder.provenance,
            checkpoint_seconds=self.checkpoint_seconds,
        )
