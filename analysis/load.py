"""Finished runs and studies, read from their folders."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EPISODE_DTYPE


@dataclass(frozen=True)
class Run:
    """One finished run: a population trained in one environment with one configuration."""

    name: str
    """Name of its folder, the arm."""
    folder: Path
    """Where it lies."""
    config: dict[str, Any]
    """`config.json`."""
    result: dict[str, Any]
    """`result.json`."""
    episodes: NDArray[Any]
    """`metrics.csv`, a structured array with fields member, episode, step, return, length."""

    @property
    def population(self) -> int:
        """Number of members, each a seed."""
        return int(self.config["population"])

    @property
    def steps(self) -> int:
        """Steps of each member."""
        return int(self.config["steps"])


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read one finished run.

    Raises:
        ValueError: the folder holds no finished run, or a file in it is damaged.
    """
    path = Path(folder)
    if not (path / "result.json").is_file():
        raise ValueError(f"folder: got {str(path)!r}, expected a finished run (with a result.json)")
    try:
        config = json.loads((path / "config.json").read_text())
        result = json.loads((path / "result.json").read_text())
        with (path / "metrics.csv").open() as file:
            if file.readline().strip() != ",".join(EPISODE_DTYPE.names or ()):
                raise ValueError("metrics.csv has other columns")
            rows = file.readlines()
        episodes = np.zeros(0, EPISODE_DTYPE)
        if rows:
            episodes = np.loadtxt(rows, delimiter=",", dtype=EPISODE_DTYPE, ndmin=1)
    except (OSError, ValueError) as error:
        raise ValueError(f"folder: got {str(path)!r}, expected a whole run; it is not ({error})") from None
    return Run(path.name, path, config, result, episodes)


def load_study(folder: str | os.PathLike[str]) -> list[Run]:
    """Read all finished runs below a folder, in the order of their arms in `study.json` if there is one.

    Raises:
        ValueError: there is no finished run.
    """
    root = Path(folder)
    runs = [load_run(result.parent) for result in sorted(root.glob("*/result.json"))]
    if not runs:
        raise ValueError(f"folder: got {str(root)!r}, expected a study with at least one finished run")
    if (root / "study.json").is_file():
        order = list(json.loads((root / "study.json").read_text())["arms"])
        runs.sort(key=lambda run: order.index(run.name) if run.name in order else len(order))
    return runs
