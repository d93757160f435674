"""Jobs side by side, in processes of this machine that can be killed at any time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, final

import torch
from tqdm import tqdm

from emotional_ed.experiments.jobs import Done, Job, Teller, Waiting, run_here, run_job
from emotional_ed.experiments.keeper import Ear

_LOOK = 0.2  # seconds between two looks at the processes
_GRACE = 30  # seconds that a process has to stop in


@final
class Local:
    """Jobs in processes of this machine; with one at a time, in this very process. A `Backend`.

    Ctrl-C, or the end of this process, stops all of them; each keeps its metrics and a checkpoint. If one is
    killed, its job goes on in a new one.

    Args:
        processes: at the same time, >= 1.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._workers: list[_Worker] = []

    def run(self, jobs: Sequence[Job], teller: Teller) -> dict[str, str]:
        """Do jobs; see `Backend`."""
        at_once = min(self.processes, len(jobs))
        if at_once <= 1:
            return run_here(jobs, teller)
        waiting, workers = Waiting(jobs, teller), self._workers
        while waiting or any(one.job is not None for one in workers):
            _hand_out(waiting, workers, at_once)
            for one in _ready(workers):
                if not _listen(one, waiting, teller):
                    workers.remove(one)
            if teller.stopped():
                raise KeyboardInterrupt
        return waiting.failed

    def close(self) -> None:
        """Let all processes stop, and wait for them."""
        for one in self._workers:
            one.end()
        for one in self._workers:
            one.process.join(_GRACE)
        self._workers.clear()


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    job: Job | None = None

    @classmethod
    def start(cls) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in unknown states
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _interrupts_ignored():  # children inherit that: they stop when told, not halfway
            process.start()
        theirs.close()
        return cls(process, pipe)

    def end(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self.pipe.send(None)
        self.pipe.close()


def _hand_out(waiting: Waiting, workers: list[_Worker], processes: int) -> None:
    while True:
        free = next((one for one in workers if one.job is None), None)
        if free is None and len(workers) >= processes:
            return
        job = waiting.next()
        if job is None:
            return
        if free is None:
            free = _Worker.start()
            workers.append(free)
        free.job = job
        with contextlib.suppress(OSError):  # killed while idle: its end is heard below
            free.pipe.send(job)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    heard = wait([one.pipe for one in workers], _LOOK)
    return [one for one in workers if one.pipe in heard]


def _listen(worker: _Worker, waiting: Waiting, teller: Teller) -> bool:
    """Take in what a worker says; return False if it is gone."""
    job = worker.job
    try:
        said = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        worker.pipe.close()
        if job is not None:
            waiting.lost(job, f"its process {_end_of(worker.process.exitcode)}")
        return False
    assert job is not None
    if isinstance(said, Done):
        worker.job = None
        waiting.take(job, said)
    elif isinstance(said, int):
        teller.steps(job, said)
    else:
        teller.note(job, said)
    return True


def _end_of(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _serve(pipe: Connection) -> None:
    """Do the jobs that come through the pipe until it is closed, or None comes."""
    torch.set_num_threads(1)  # as many processes as cores, not threads
    tqdm.set_lock(threading.RLock())  # its own is shared by processes, and a killed one would leave it behind
    parent = os.getppid()

    def stopped() -> bool:  # nothing but the end is said while a job is being done
        return pipe.poll() or os.getppid() != parent

    def say(what: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: `stopped` says so
            pipe.send(what)

    try:
        while (job := pipe.recv()) is not None:
            done = run_job(job, Ear(tell=say, stopped=stopped, note=say))
            say(done)
            if done.outcome == "stopped":
                return
    except (EOFError, OSError):
        return


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
