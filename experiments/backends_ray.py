"""Jobs on the machines of a Ray cluster, which must see the study's folder under the same path."""

from __future__ import annotations

import dataclasses
import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch

from emotional_ed.experiments.jobs import Done, Job, Teller, Waiting, run_job
from emotional_ed.experiments.keeper import Ear
from emotional_ed.experiments.run_folder import last_mark

_LOOK = 0.5  # seconds between two looks at the cluster


@final
class RayCluster:
    """Jobs as Ray tasks of one CPU each; a `Backend`.

    A task whose process or machine dies goes on elsewhere from its last checkpoint.

    Args:
        limit: tasks at the same time; None: as many as the cluster has CPUs for.
        address: of the cluster, "auto" for the one that runs here; None starts one on this machine.

    Raises:
        ValueError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, limit: int | None = None, address: str | None = None) -> None:
        self.limit, self.address = limit, address
        self._ray, self._mine = _connect(address)

    def run(self, jobs: Sequence[Job], teller: Teller) -> dict[str, str]:
        """Do jobs; see `Backend`."""
        return _Tasks(self._ray, jobs, teller, self.limit).run()

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        if self._mine:
            self._ray.shutdown()


@final
class _Tasks:
    def __init__(self, ray: Any, jobs: Sequence[Job], teller: Teller, limit: int | None) -> None:
        self.ray, self.teller, self.limit = ray, teller, limit
        whole = [_absolute(job) for job in jobs]
        self.waiting = Waiting(whole, teller)
        self.stop = whole[0].lock.parent / f"stop-{uuid.uuid4().hex}" if whole else Path(os.devnull)
        self.running: dict[Any, Job] = {}
        self.remote = ray.remote(num_cpus=1, max_retries=0)(_do)

    def run(self) -> dict[str, str]:
        try:
            while self.waiting or self.running:
                self._hand_out()
                ready: list[Any] = []
                if self.running:
                    ready, _ = self.ray.wait(list(self.running), timeout=_LOOK)
                for task in ready:
                    self._take(task)
                self._look()
                if self.teller.stopped():
                    raise KeyboardInterrupt
        except BaseException:
            self.stop.touch()
            self.ray.wait(list(self.running), num_returns=len(self.running), timeout=30)
            raise
        finally:
            self.stop.unlink(missing_ok=True)
        return self.waiting.failed

    def _hand_out(self) -> None:
        most = self.limit or max(int(self.ray.cluster_resources().get("CPU", 1)), 1)
        while len(self.running) < most and (job := self.waiting.next()) is not None:
            self.running[self.remote.remote(job, self.stop)] = job

    def _take(self, task: Any) -> None:
        job = self.running.pop(task)
        try:
            done, notes = self.ray.get(task)
        except self.ray.exceptions.RayTaskError as error:  # e.g. this package is not installed there
            done, notes = Done("failed", str(error).strip().splitlines()[-1]), []
        except self.ray.exceptions.RayError as error:
            self.waiting.lost(job, f"its process or machine was lost ({type(error).__name__})")
            return
        for note in notes:
            self.teller.note(job, note)
        if done.outcome == "finished" and not job.is_finished:
            done = Done(
                "failed",
                f"it was finished on another machine, but {job.folder} is not seen here; all machines of the "
                "cluster must see the folder under the same path",
            )
        self.waiting.take(job, done)

    def _look(self) -> None:
        for job in self.running.values():
            mark = last_mark(job.folder)
            if mark is not None:
                self.teller.steps(job, mark.step)


def _do(job: Job, stop: Path) -> tuple[Done, list[str]]:
    torch.set_num_threads(1)
    notes: list[str] = []
    return run_job(job, Ear(stopped=stop.exists, note=notes.append)), notes


def _absolute(job: Job) -> Job:
    return dataclasses.replace(job, folder=job.folder.resolve(), lock=job.lock.resolve())


def _connect(address: str | None) -> tuple[Any, bool]:
    """Return Ray, and whether the connection was made here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what it will be; quiet
    try:
        import ray
    except ImportError:
        raise ValueError(
            "backend: got 'ray', which is not installed, expected: pip install 'emotional-ed[ray]'"
        ) from None
    if ray.is_initialized():  # the user's own connection
        return ray, False
    where: dict[str, Any] = {"address": address}
    if address is None:
        where = {"address": "local", "include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"address: got {address!r}, expected a running Ray cluster ({reason})") from None
    return ray, True
