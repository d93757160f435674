"""One arm's runs as data: episodes of all its members, whoever wrote them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["emotional_ed", "monitor", "tensorboard"]
"""Who wrote the episodes: this package, Stable-Baselines3's Monitor, or its TensorBoard log."""


@dataclass(frozen=True)
class Run:
    """One finished run: a population trained in one environment with one configuration."""

    name: str
    """Name of the arm."""
    folder: Path
    """Where it lies."""
    config: dict[str, Any]
    """`config.json`; of other sources, what they tell."""
    result: dict[str, Any]
    """`result.json`; of other sources, what they tell."""
    episodes: NDArray[Any]
    """A structured array with fields member, episode, step, return, length."""
    member_steps: NDArray[np.int64]
    """Steps that each member made, [P]."""
    seeds: tuple[int, ...] | None = None
    """Seed of each member, [P]; None if it is not known."""
    source: Source = "emotional_ed"
    """Who wrote the episodes."""
    folders: tuple[Path, ...] = field(default=())
    """The folders of all seeds, if each seed has one."""

    @property
    def env_id(self) -> str:
        """The task; empty if it is not known."""
        return str(self.config.get("env_id") or "")

    @property
    def population(self) -> int:
        """Number of members, each a seed."""
        return len(self.member_steps)

    @property
    def steps(self) -> int:
        """Steps of the member that made most."""
        return int(self.member_steps.max())

    @property
    def seconds(self) -> float:
        """Wall-clock time of training, all members together."""
        return float(self.result.get("seconds", np.nan))

    @property
    def catastrophes(self) -> NDArray[np.float64] | None:
        """Catastrophes of each member, [P]; None if nobody counted them."""
        counted = self.result.get("catastrophes")
        return None if counted is None else np.asarray(counted, dtype=np.float64)

    @property
    def unfinished_return(self) -> NDArray[np.float64]:
        """Return of each member's unfinished episode, [P]; NaN where it is not known."""
        known = self.result.get("unfinished_return")
        return np.full(self.population, np.nan) if known is None else np.asarray(known, dtype=np.float64)


def merge_runs(name: str, runs: Sequence[Run]) -> Run:
    """Return runs of one arm, e.g. a folder a seed, as one run whose members stand behind each other.

    What only some of the runs know, the whole does not know.
    """
    first = runs[0]
    if len(runs) == 1:
        return dataclasses.replace(first, name=name, folders=first.folders or (first.folder,))
    episodes, members = [], 0
    for run in runs:
        shifted = run.episodes.copy()
        shifted["member"] += members
        members += run.population
        episodes.append(shifted)
    seeds: list[int] | None = []
    for run in runs:
        seeds = None if seeds is None or run.seeds is None else [*seeds, *run.seeds]
    result: dict[str, Any] = {"seconds": sum(run.seconds for run in runs)}
    for key in ("catastrophes", "unfinished_return"):
        known = [run.result.get(key) for run in runs]
        if all(value is not None for value in known):
            result[key] = [entry for value in known if value is not None for entry in value]
    return Run(
        name=name,
        folder=first.folder.parent,
        config={**first.config, "population": members},
        result=result,
        episodes=np.concatenate(episodes),
        member_steps=np.concatenate([run.member_steps for run in runs]),
        seeds=None if seeds is None else tuple(seeds),
        source=first.source,
        folders=tuple(run.folder for run in runs),
    )
