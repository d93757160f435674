"""A run as a folder: what was asked, what happened, what came of it."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

import emotional_ed
from emotional_ed.files import write_atomically

COLUMNS = ("member", "episode", "step", "return", "length")
"""Columns of `metrics.csv`, a row a finished episode."""
_PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3")
_STEP = COLUMNS.index("step")


class Mark(NamedTuple):
    """A row of `progress.csv`: how far a run had come."""

    step: int
    """Steps of each member."""
    seconds: float
    """Time of training that led there."""
    episodes: int
    """Rows of `metrics.csv`."""
    catastrophes: int
    """Of all members."""
    exact: int
    """1 if training can go on from the checkpoint of this step as if it had never stopped, else 0."""


@final
class RunFolder:
    """Writes one run: `config.json` first, `metrics.csv` as it goes, `result.json` last and atomically.

    Args:
        path: a folder that does not hold a run yet.

    Raises:
        ValueError: the folder holds a run, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._open(path, new=True)

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Return a folder that may hold a run which was interrupted; it must be locked by the caller."""
        folder = cls.__new__(cls)
        folder._open(path, new=False)
        for torn in folder.path.glob("*.part"):  # of writers that were killed
            torn.unlink(missing_ok=True)
        return folder

    def _open(self, path: str | os.PathLike[str], *, new: bool) -> None:
        self.path = check_folder(path) if new else Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.episodes = 0
        """Rows written to `metrics.csv`."""

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write what was asked for, with versions, revision and command."""
        write_json(self.path / "config.json", {**config, **provenance()})

    def append_episodes(self, episodes: NDArray[Any] | Sequence[tuple[Any, ...]]) -> None:
        """Append rows to `metrics.csv`."""
        rows = episodes.tolist() if isinstance(episodes, np.ndarray) else episodes
        _append(self.path / "metrics.csv", COLUMNS, rows)
        self.episodes += len(rows)

    def mark(self, mark: Mark) -> None:
        """Append to `progress.csv`; an exact mark goes to the disk with all that it counts."""
        _append(self.path / "progress.csv", Mark._fields, [mark])
        if mark.exact:
            for name in ("metrics.csv", "progress.csv"):
                with (self.path / name).open("rb") as file:
                    os.fsync(file.fileno())

    def cut_back(self, step: int) -> Mark | None:
        """Drop what was written after a checkpoint, and return its mark; None if one cannot go on from it."""
        marks = [one for one in _marks(self.path / "progress.csv") if one.step <= step]
        at = next((one for one in marks if one.step == step and one.exact), None)
        if at is None:
            return None
        kept = _rows_until(self.path / "metrics.csv", step)
        if len(kept) != at.episodes + 1:
            return None
        write_atomically(self.path / "metrics.csv", "".join(kept).encode())
        write_atomically(self.path / "progress.csv", _lines(Mark._fields, marks).encode())
        self.episodes = at.episodes
        return at

    def set_aside(self) -> Path | None:
        """Move all that lies here into a folder out of the way, and return that; None if there is nothing."""
        held = [one for one in self.path.iterdir() if not one.name.startswith(".")]
        if not held:
            return None
        number = sum(one.name.startswith(".set-aside-") for one in self.path.iterdir()) + 1
        aside = self.path / f".set-aside-{number}"
        aside.mkdir()
        for one in held:
            one.rename(aside / one.name)
        self.episodes = 0
        return aside

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "result.json").is_file()

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write what came of it; a folder with this file is a finished run."""
        write_json(self.path / "result.json", result)


def check_folder(path: str | os.PathLike[str], *, ignored: Sequence[str] = ()) -> Path:
    """Return a folder that is there now, can be written, and holds nothing but `ignored`.

    Raises:
        ValueError: it is no such folder.
    """
    if not os.fspath(path):
        raise ValueError("out: got an empty name, expected a new or empty folder")
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out: got {str(folder)!r}, which is a file, expected a folder")
    try:
        names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise ValueError(f"out: got {str(folder)!r}, expected a readable folder ({error.strerror})") from None
    held = [name for name in names if name not in ignored]
    if held:
        what = "a run" if {"config.json", "study.json"} & set(held) else f"files ({held[0]})"
        raise ValueError(
            f"out: got {str(folder)!r}, which already holds {what}, expected a new or empty folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"out: got {str(folder)!r}, expected a writable folder ({error.strerror})") from None
    return folder


def last_mark(folder: Path, *, exact: bool = False) -> Mark | None:
    """Return how far a run has come, or had come at its last exact mark; None if it has not said so yet."""
    marks = [one for one in _marks(folder / "progress.csv") if one.exact or not exact]
    return marks[-1] if marks else None


def _append(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Append rows, all of them or none."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", newline="") as file:
            file.write(_lines(() if size else columns, rows))
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def _lines(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if columns:
        writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _marks(path: Path) -> list[Mark]:
    """Return the whole rows of a `progress.csv`; those from a damaged one on are left out."""
    marks: list[Mark] = []
    try:
        lines = path.read_text().splitlines(keepends=True)[1:]
        for line in lines:
            step, seconds, episodes, catastrophes, exact = line.split(",")
            if not line.endswith("\n"):
                break
            marks.append(Mark(int(step), float(seconds), int(episodes), int(catastrophes), int(exact)))
    except (OSError, ValueError):
        pass
    return marks


def _rows_until(path: Path, step: int) -> list[str]:
    """Return the head of a `metrics.csv` and its whole rows up to a step; rows are in order of steps."""
    try:
        with path.open(newline="") as file:
            lines = file.readlines()
        kept = lines[:1]
        for line in lines[1:]:
            if not line.endswith("\n") or int(line.split(",")[_STEP]) > step:
                break
            kept.append(line)
    except (OSError, ValueError, IndexError):
        return []
    return kept


def as_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data as it is once it was written and read again."""
    read: dict[str, Any] = json.loads(json.dumps(data, default=_plain))
    return read


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON so that whoever reads sees all of it or nothing."""
    write_atomically(path, (json.dumps(data, indent=2, default=_plain) + "\n").encode())


def _plain(thing: Any) -> Any:
    if isinstance(thing, np.ndarray | np.generic):
        return thing.tolist()
    if isinstance(thing, Mapping):
        return dict(thing)
    raise TypeError(f"cannot write {type(thing).__name__} as JSON")


def provenance() -> dict[str, Any]:
    """Return versions, git revision and command, to repeat a run."""
    return {
        "versions": {
            "emotional_ed": emotional_ed.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "revision": _revision(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


@functools.cache
def _revision() -> str | None:
    """Return the git revision of the source, with `-dirty` if it was changed, or None outside a checkout."""
    home = Path(__file__).resolve().parent.parent
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=home, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return out.stdout.strip() or None
