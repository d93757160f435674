"""A run as a folder: what was asked, what happened, what came of it."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

import emotional_ed
from emotional_ed.files import write_atomically

COLUMNS = ("member", "episode", "step", "return", "length")
_PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3")


@final
class RunFolder:
    """Writes one run: `config.json` first, `metrics.csv` as it goes, `result.json` last and atomically.

    Args:
        path: a folder that does not hold a run yet.

    Raises:
        ValueError: the folder holds a run, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise ValueError("out: got an empty name, expected a new or empty folder")
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"out: got {str(self.path)!r}, which is a file, expected a folder")
        try:
            held = sorted(entry.name for entry in self.path.iterdir()) if self.path.exists() else []
        except OSError as error:
            raise ValueError(
                f"out: got {str(self.path)!r}, expected a readable folder ({error.strerror})"
            ) from None
        if held:
            what = "a run" if {"config.json", "study.json"} & set(held) else f"files ({held[0]})"
            raise ValueError(
                f"out: got {str(self.path)!r}, which already holds {what}, expected a new or empty folder"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise ValueError(
                f"out: got {str(self.path)!r}, expected a writable folder ({error.strerror})"
            ) from None
        self.episodes = 0
        """Rows written to `metrics.csv`."""

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write what was asked for, with versions, revision and command."""
        write_json(self.path / "config.json", {**config, **provenance()})

    def append_episodes(self, episodes: NDArray[Any]) -> None:
        """Append rows to `metrics.csv`."""
        with (self.path / "metrics.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(COLUMNS)
            writer.writerows(episodes.tolist())
        self.episodes += len(episodes)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write what came of it; a folder with this file is a finished run."""
        write_json(self.path / "result.json", result)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON so that whoever reads sees all of it or nothing."""
    write_atomically(path, (json.dumps(data, indent=2, default=_plain) + "\n").encode())


def _plain(thing: Any) -> Any:
    if isinstance(thing, np.ndarray | np.generic):
        return thing.tolist()
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
