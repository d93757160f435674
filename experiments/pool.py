"""Pieces of work one after the other, or side by side in processes of one thread each."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

_T = TypeVar("_T")


def each(works: Sequence[Callable[[], _T]], processes: int, preload: Sequence[str] = ()) -> Iterator[_T]:
    """Yield what came of each piece of work as soon as it is known; with several processes in any order.

    The first failure, Ctrl-C, and the end of this process, however it comes, end all that is running.

    Args:
        works: that can be pickled if there is more than one process.
        processes: at the same time, >= 1; with 1, all is done in this very process.
        preload: modules that are imported once, and not by each process; the first call decides.
    """
    if processes == 1 or not works:
        yield from (work() for work in works)
        return
    context = multiprocessing.get_context("forkserver")
    if preload:
        context.set_forkserver_preload(list(preload))
    others = set(multiprocessing.active_children())
    with concurrent.futures.ProcessPoolExecutor(
        min(processes, len(works)), mp_context=context, initializer=_be_a_worker
    ) as pool:
        running = [pool.submit(work) for work in works]
        try:
            yield from (one.result() for one in concurrent.futures.as_completed(running))
        except BaseException:
            for one in running:
                one.cancel()
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _be_a_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Wait until the parent is gone, killed perhaps, and leave: nobody waits for the result any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
