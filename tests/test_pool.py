"""Pieces of work side by side: the same results as one after the other, and an end when one fails."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from emotional_ed.experiments.pool import each

FEW = 4


def square(number: int) -> int:
    return number * number


def where(_: int) -> tuple[int, int]:
    return os.getpid(), torch.get_num_threads()


def late(path: Path, seconds: float) -> None:
    time.sleep(seconds)
    path.touch()


def fail() -> None:
    raise ValueError("work: got none, expected some")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_piece_of_work_is_done_once(processes: int) -> None:
    found = list(each([partial(square, i) for i in range(FEW)], processes))
    assert sorted(found) == [0, 1, 4, 9]
    assert found == sorted(found) or processes > 1


def test_one_process_is_this_one_and_several_have_one_thread_each() -> None:
    works = [partial(where, i) for i in range(FEW)]
    assert list(each(works, 1)) == [where(0)] * FEW
    assert list(each(works[:1], 2)) != [where(0)]
    found = list(each(works, 2))
    assert os.getpid() not in {pid for pid, _ in found}
    assert {threads for _, threads in found} == {1}
    nothing: list[Callable[[], int]] = []
    assert list(each(nothing, 2)) == []


def note(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(60.0)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from functools import partial; from pathlib import Path\n"
        "from test_pool import note; from emotional_ed.experiments.pool import each\n"
        "if __name__ == '__main__': list(each([partial(note, Path(sys.argv[2]) / name) for name in 'ab'], 2))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script), str(Path(__file__).parent), str(tmp_path)])
    files = [tmp_path / "a", tmp_path / "b"]
    assert happens(lambda: all(file.exists() and file.read_text() for file in files))
    workers = [int(file.read_text()) for file in files]
    assert all(is_alive(worker) for worker in workers)
    parent.kill()
    parent.wait()
    assert happens(lambda: not any(is_alive(worker) for worker in workers))


def happens(what: Callable[[], bool], within: float = 30.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_failure_ends_no_process_of_others() -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60.0,), daemon=True)
    other.start()
    try:
        works: list[Callable[[], None]] = [fail, fail]
        with pytest.raises(ValueError, match="expected some"):
            list(each(works, 2))
        assert other.is_alive()
    finally:
        other.terminate()
        other.join()


def test_a_failure_ends_what_is_running(tmp_path: Path) -> None:
    began, never = time.monotonic(), tmp_path / "never"
    works: list[Callable[[], None]] = [fail, *[partial(late, never, 60.0)] * 2]
    with pytest.raises(ValueError, match="expected some"):
        list(each(works, 2))
    assert time.monotonic() - began < 30
    assert not never.exists()
