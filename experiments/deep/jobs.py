"""Runs of deep agents side by side, each into a file of its own: what is finished is never done twice."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotional_ed.agents.deep.episode_log import EpisodeLog
from emotional_ed.checks import require_int
from emotional_ed.experiments.contests.arm import Setting
from emotional_ed.experiments.deep.arm import DeepArm
from emotional_ed.experiments.deep.task import DeepTask
from emotional_ed.experiments.pool import each
from emotional_ed.experiments.run_folder import write_json


@dataclass(frozen=True)
class DeepJob:
    """One run: one arm with one setting and one seed on one task."""

    task: DeepTask
    arm: DeepArm
    setting: Setting
    seed: int
    path: Path
    """The file that it is written to."""


@dataclass(frozen=True)
class DeepLife:
    """What became of one run."""

    score: float
    """Mean return over all episodes, the unfinished one included."""
    late: float
    """The same over the episodes that ended in the second half of the steps."""
    catastrophes: float
    """Catastrophes per 1000 steps."""
    episodes: int
    """How many there were."""
    seconds: float
    """How long it took."""


def live_deep(task: DeepTask, arm: DeepArm, setting: Setting, seed: int) -> DeepLife:
    """Train one agent for the task's steps and return what became of it."""
    began = time.perf_counter()
    model, callbacks = arm.build(task, setting, seed)
    log = EpisodeLog()
    try:
        model.learn(task.steps, callback=[log, *callbacks], log_interval=None)
    finally:
        model.get_env().close()
    late = log.returns[log.ends > task.steps / 2]
    return DeepLife(
        score=float(log.returns.mean()),
        late=float(late.mean()),
        catastrophes=1000 * float(log.catastrophes.sum()) / model.num_timesteps,
        episodes=len(log.returns),
        seconds=time.perf_counter() - began,
    )


def run_jobs(
    jobs: Sequence[DeepJob], processes: int, progress: Callable[[int], object] = lambda _: None
) -> list[DeepLife]:
    """Run what is not finished yet, and return what became of all, in their order.

    Args:
        jobs: with different paths.
        processes: at the same time, of one thread each; results do not depend on it.
        progress: called with the number of runs that were finished since the last call.

    Raises:
        ValueError: a run failed, or its file holds another run; the finished ones stay.
    """
    require_int("jobs", processes, 1)
    open_jobs = [job for job in jobs if not job.path.exists()]
    progress(len(jobs) - len(open_jobs))
    for _ in each([partial(_work, job) for job in open_jobs], processes, preload=[__name__]):
        progress(1)
    return [read_life(job) for job in jobs]


def _work(job: DeepJob) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        life = live_deep(job.task, job.arm, job.setting, job.seed)
    finally:
        torch.set_num_threads(threads)
    write_json(job.path, {"setting": dict(job.setting), "seed": job.seed, **dataclasses.asdict(life)})


def read_life(job: DeepJob) -> DeepLife:
    """Read the file of a finished run.

    Raises:
        ValueError: it holds a run with another setting or seed, or no run.
    """
    try:
        held: Mapping[str, Any] = json.loads(job.path.read_text())
        setting, seed = held["setting"], held["seed"]
        life = DeepLife(**{one.name: held[one.name] for one in dataclasses.fields(DeepLife)})
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"out: got {str(job.path)!r}, which holds no run, expected one; remove it") from None
    if seed != job.seed or setting != dict(job.setting):
        raise ValueError(
            f"out: got {str(job.path)!r}, the run of another setting, expected that of seed {job.seed}"
        )
    if not np.isfinite(life.score):
        raise ValueError(f"out: got the score {life.score} in {str(job.path)!r}, expected a number")
    return life
