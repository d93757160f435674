"""A lock that one process holds at a time, and that the end of the process releases, whatever ended it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import final

if sys.platform != "win32":
    import fcntl


@final
class FileLock:
    """An exclusive lock on a file, which says who holds it; a context manager once it is taken.

    The lock is the operating system's: when the holder is killed, it is free. The file stays.

    Args:
        path: of the file; folders above it are made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self, *, wait: bool = False) -> bool:
        """Take the lock, and return whether it was free (or with `wait`, when it is).

        Raises:
            OSError: the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        if sys.platform != "win32":  # there a folder has no lock, and must have one caller only
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                os.close(file)
                return False
        self._file = file
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(file, 0)
            os.pwrite(file, f"{socket.gethostname()} {os.getpid()}\n".encode(), 0)
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def holder(self) -> str:
        """Return who holds it, or held it last: "host pid"; empty if nobody did."""
        try:
            return self.path.read_text().strip()
        except OSError:
            return ""

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
