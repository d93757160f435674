"""A study: the same task for every arm, with the same seeds and budget."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tqdm.auto import tqdm

from emotional_ed.affect import AffectConfig
from emotional_ed.analysis import ArmSummary, compare, load_study
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.arms import LADDER
from emotional_ed.experiments.processes import train_side_by_side
from emotional_ed.experiments.run_folder import RunFolder, provenance, write_json
from emotional_ed.experiments.train import TrainSpec, train


@dataclass(frozen=True, kw_only=True)
class Study:
    """Which arms learn what, for how long, and with which seeds.

    Example:
        >>> study = Study(env_id="EmotionalED/JammedDoor-v0", seeds=30, steps=10_000)
        >>> list(study.arms)
        ['level-0', 'level-0+1', 'level-0+1+2']
    """

    env_id: str
    """Gymnasium id."""
    seeds: int = 30
    """Members of each arm; member i of every arm has seed first_seed + i (common random numbers)."""
    steps: int = 10_000
    """Steps of each member."""
    arms: Mapping[str, AffectConfig] = field(default_factory=lambda: dict(LADDER))
    """Name -> levels of affect."""
    first_seed: int = 0
    """Seed of the first member."""
    step_size: float = 0.1
    """Step size of level 0, the same for all arms."""
    discount: float = 0.99
    """Discount, the same for all arms."""
    exploration: float = 0.1
    """Probability of a random action, the same for all arms."""
    settings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Arm -> what it has of its own among step_size, discount and exploration, e.g. from `tune`."""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for `gymnasium.make`."""
    catastrophe_reward: float | None = None
    """A reward at most this counts as a catastrophe in reports."""

    def __post_init__(self) -> None:
        require_int("seeds", self.seeds, 1)
        require_int("steps", self.steps, 1)
        for name in ("arms", "env_kwargs"):  # plain ones, whatever mapping was given
            object.__setattr__(self, name, dict(getattr(self, name)))
        object.__setattr__(self, "settings", {name: dict(own) for name, own in self.settings.items()})
        if not self.arms:
            raise ValueError("arms: got none, expected at least one")
        for name in self.arms:
            if not name or set(name) & set("/\\") or name.startswith("."):
                raise ValueError(f"arms: got the name {name!r}, expected one that can name a folder")

        for name, own in self.settings.items():
            if name not in self.arms or not set(own) <= {"step_size", "discount", "exploration"}:
                raise ValueError(
                    f"settings: got {name!r}: {dict(own)}, expected an arm among {sorted(self.arms)} with "
                    "step_size, discount or exploration"
                )

    def specs(self) -> dict[str, TrainSpec]:
        """Return what each arm's run is."""
        common = {"step_size": self.step_size, "discount": self.discount, "exploration": self.exploration}
        return {
            name: TrainSpec(
                env_id=self.env_id,
                steps=self.steps,
                affect=affect,
                population=self.seeds,
                seed=self.first_seed,
                env_kwargs=dict(self.env_kwargs),
                catastrophe_reward=self.catastrophe_reward,
                **{**common, **self.settings.get(name, {})},  # type: ignore[arg-type]
            )
            for name, affect in self.arms.items()
        }


def run_study(
    study: Study,
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    backend: str = "local",
    progress_bar: bool = False,
) -> list[ArmSummary]:
    """Train every arm into a folder of its own below `out` and return a summary an arm.

    Args:
        study: what to run.
        out: a new or empty folder.
        jobs: arms that train at the same time, each in a process of its own; 1 trains in this one.
        backend: "local".
        progress_bar: show one on standard error.

    Raises:
        ValueError: the folder holds a study or run, the task does not suit the agent, or an
            arm's process died.
    """
    require_int("jobs", jobs, 1)
    require_choice("backend", backend, ("local",))
    specs = study.specs()
    for spec in specs.values():
        dataclasses.replace(spec, population=1).build()  # refuse what cannot work before anything is written
    folder = RunFolder(out)
    facts = {**dataclasses.asdict(study), "arms": {name: one.to_dict() for name, one in study.arms.items()}}
    write_json(folder.path / "study.json", {**facts, **provenance()})
    with tqdm(
        total=study.steps * len(specs),
        desc=f"{study.env_id}, {len(specs)} arms x {study.seeds} seeds",
        unit="step",
        unit_scale=True,
        disable=not progress_bar,
    ) as bar:
        if jobs == 1:
            for name, spec in specs.items():
                train(spec, folder.path / name, progress=bar.update)
        else:
            train_side_by_side(specs, folder.path, jobs, bar.update)
    return compare(load_study(folder.path))
