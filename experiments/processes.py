"""Arms that train side by side, each in a process of its own that can be stopped at any time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from emotional_ed.experiments.train import TrainSpec, train

_LOOK = 0.2  # seconds between two looks at the processes


def train_side_by_side(
    specs: Mapping[str, TrainSpec], out: Path, jobs: int, progress: Callable[[int], object]
) -> None:
    """Train each arm into `out / name`, at most `jobs` at a time.

    Ctrl-C, or the end of this process, stops all of them; each keeps its metrics and a checkpoint. If one
    process dies, the others still finish.

    Args:
        specs: name -> what to train.
        out: folder of the study.
        jobs: processes at the same time.
        progress: called with the steps made since the last call.

    Raises:
        ValueError: an arm failed, or its process was killed.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in unknown states
    reports, stop = context.Queue(), context.Event()
    waiting = list(specs.items())
    running: dict[str, Any] = {}
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, spec = waiting.pop(0)
                arguments = (name, spec, out / name, reports, stop, os.getpid())
                running[name] = context.Process(target=_work, args=arguments, daemon=True)
                with _interrupts_ignored():  # children inherit that: they stop when told, not halfway
                    running[name].start()
            failed += _drain(reports, progress)
            for name, process in list(running.items()):
                process.join(_LOOK / len(running))
                if process.exitcode is not None:
                    del running[name]
                    if process.exitcode < 0:
                        failed.append(f"{name!r} was killed by signal {-process.exitcode}")
    except BaseException:
        stop.set()
        for process in running.values():
            process.join(30)
        raise
    failed += _drain(reports, progress)
    if failed:
        raise ValueError(
            f"study: got arms that failed: {'; '.join(failed)}; the others are finished in {out}"
        )


def _drain(reports: Any, progress: Callable[[int], object]) -> list[str]:
    failed: list[str] = []
    while True:
        try:
            report = reports.get(timeout=0.01)
        except Empty:
            return failed
        if isinstance(report, int):
            progress(report)
        else:
            failed.append(report)


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


def _work(name: str, spec: TrainSpec, out: Path, reports: Any, stop: Any, parent: int) -> None:
    torch.set_num_threads(1)  # as many processes as cores, not threads

    def report(steps: int) -> None:
        if stop.is_set() or os.getppid() != parent:
            raise KeyboardInterrupt
        reports.put(steps)

    try:
        train(spec, out, progress=report)
    except KeyboardInterrupt:
        reports.cancel_join_thread()  # nobody may be there to read what is left
    except Exception as error:
        reports.put(f"{name!r}: {error}")
