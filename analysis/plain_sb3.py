"""Runs of plain Stable-Baselines3, from its Monitor files or its TensorBoard log."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EPISODE_DTYPE
from emotional_ed.analysis.run import Run

_REWARD, _LENGTH = "rollout/ep_rew_mean", "rollout/ep_len_mean"


def monitor_files(folder: Path) -> list[Path]:
    """Return the Monitor files that lie directly in a folder: one an environment of the run."""
    return sorted(folder.glob("*monitor.csv"))


def event_files(folder: Path) -> list[Path]:
    """Return the TensorBoard event files that lie directly in a folder."""
    return sorted(folder.glob("events.out.tfevents.*"))


def load_monitor(files: Sequence[Path], name: str, seed: int | None) -> Run:
    """Read the Monitor files of one run; an episode's step counts the steps of all its environments.

    A last row that was not written to its end is left out.

    Raises:
        ValueError: a file is no Monitor file or damaged, or no episode ended.

    Source:
        Stable-Baselines3, `common.monitor` and `common.results_plotter.ts2xy`.
    """
    parts, env_id, starts = [], None, []
    for file in files:
        header, rows = _read_monitor(file)
        env_id = env_id or header.get("env_id")
        starts.append(float(header.get("t_start", 0.0)))
        rows[:, 2] += starts[-1]
        parts.append(rows)
    rows = np.concatenate(parts)
    if not len(rows):
        raise ValueError("no episode ended")
    rows = rows[np.argsort(rows[:, 2], kind="stable")]
    steps = np.cumsum(rows[:, 1]).astype(np.int64)
    return Run(
        name=name,
        folder=files[0].parent,
        config={"env_id": env_id},
        result={"seconds": float(rows[-1, 2] - min(starts))},
        episodes=_episodes(steps, rows[:, 0], rows[:, 1]),
        member_steps=steps[-1:],
        seeds=None if seed is None else (seed,),
        source="monitor",
    )


def _read_monitor(file: Path) -> tuple[dict[str, Any], NDArray[np.float64]]:
    text = file.read_text()
    lines = text.splitlines()
    if lines and not text.endswith("\n"):
        lines.pop()
    if len(lines) < 2 or not lines[0].startswith("#"):
        raise ValueError(f"{file.name} is no whole Monitor file")
    header = json.loads(lines[0][1:])
    columns = next(csv.reader([lines[1]]))
    if not isinstance(header, dict) or not {"r", "l", "t"} <= set(columns):
        raise ValueError(f"{file.name} lacks the columns r, l and t")
    where = [columns.index(name) for name in ("r", "l", "t")]
    if not lines[2:]:
        return header, np.zeros((0, 3))
    try:
        rows = np.loadtxt(lines[2:], delimiter=",", usecols=where, ndmin=2, quotechar='"')
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    return header, np.asarray(rows, dtype=np.float64)


def load_events(files: Sequence[Path], name: str, seed: int | None) -> Run:
    """Read one run from its TensorBoard log, for want of Monitor files.

    Each point of `rollout/ep_rew_mean` stands for an episode. It is a mean over up to 100 episodes, so
    single bad episodes do not show.

    Raises:
        ValueError: the log holds no such points or cannot be read.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(files[0].parent), size_guidance={"scalars": 0})
    try:
        log.Reload()
    except Exception as error:  # whatever a damaged file does to the reader
        raise ValueError(f"the TensorBoard log cannot be read ({error})") from None
    if _REWARD not in log.Tags()["scalars"]:
        raise ValueError(f"the TensorBoard log has no {_REWARD}")
    rewards = log.Scalars(_REWARD)
    lengths = (
        {one.step: one.value for one in log.Scalars(_LENGTH)} if _LENGTH in log.Tags()["scalars"] else {}
    )
    steps = np.array([one.step for one in rewards], dtype=np.int64)
    values = np.array([one.value for one in rewards], dtype=np.float64)
    return Run(
        name=name,
        folder=files[0].parent,
        config={"env_id": None},
        result={"seconds": rewards[-1].wall_time - log.FirstEventTimestamp()},
        episodes=_episodes(steps, values, np.array([lengths.get(int(step), 0) for step in steps])),
        member_steps=steps[-1:],
        seeds=None if seed is None else (seed,),
        source="tensorboard",
    )


def _episodes(steps: NDArray[np.int64], returns: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(returns).all():
        raise ValueError("a return is not finite")
    rows = np.zeros(len(steps), dtype=EPISODE_DTYPE)
    rows["episode"], rows["step"] = np.arange(len(steps)), steps
    rows["return"], rows["length"] = returns, lengths
    return rows
