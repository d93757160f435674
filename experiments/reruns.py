"""Train a finished run again from what its folder says, and see whether the same numbers come out."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotional_ed.analysis import Run, load_run
from emotional_ed.experiments.run_folder import provenance
from emotional_ed.experiments.train import TrainSpec, train
from emotional_ed.experiments.watch import read_spec


@dataclass(frozen=True)
class Rerun:
    """What came of training again."""

    same: bool
    """Whether every episode of every member, and every count, is the same."""
    text: str
    """That in words: what was compared, or the first difference."""
    changed: tuple[str, ...]
    """Versions and revision that are not those of the run, in words."""


def rerun(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, progress_bar: bool = False
) -> Rerun:
    """Train a finished run again with its own configuration and seeds, and compare; the run stays as it is.

    Args:
        folder: of a finished run.
        out: a new folder for the new run; None keeps nothing.
        progress_bar: show one on standard error.

    Raises:
        ValueError: the folder holds no finished run, or it cannot be trained here.
    """
    spec = read_spec(Path(folder))
    before = load_run(folder)
    if out is not None:
        return _compared(spec, before, Path(out), progress_bar)
    with tempfile.TemporaryDirectory() as scratch:
        return _compared(spec, before, Path(scratch) / "run", progress_bar)


def _compared(spec: TrainSpec, before: Run, out: Path, progress_bar: bool) -> Rerun:
    after = load_run(train(spec, out, progress_bar=progress_bar))
    difference = _difference(before, after)
    members = f"{before.population} {'member' if before.population == 1 else 'members'}"
    text = difference or f"{len(before.episodes):,} episodes of {members}, {before.steps:,} steps each"
    return Rerun(not difference, text, tuple(_changes(before.config)))


def _difference(before: Run, after: Run) -> str:
    """Return the first difference between two runs; empty if there is none."""
    both = min(len(before.episodes), len(after.episodes))
    unequal = np.flatnonzero(before.episodes[:both] != after.episodes[:both])
    if len(unequal):
        old, new = (dict(zip(one.dtype.names or (), one.tolist(), strict=True))
                    for one in (before.episodes[unequal[0]], after.episodes[unequal[0]]))  # fmt: skip
        return f"row {unequal[0] + 1} of metrics.csv is {new}, expected {old}"
    if len(before.episodes) != len(after.episodes):
        return f"{len(after.episodes)} episodes, expected {len(before.episodes)}"
    for name in ("steps", "catastrophes", "unfinished_return"):
        was, is_now = before.result.get(name), after.result.get(name)
        if was != is_now:
            return f"{name} of result.json is {is_now}, expected {was}"
    return ""


def _changes(config: dict[str, Any]) -> list[str]:
    """Return in words what is not as it was when the run was made."""
    now = provenance()
    was = config.get("versions")
    versions: dict[str, Any] = was if isinstance(was, dict) else {}
    changed = [
        f"{name} was {versions.get(name, 'unknown')} and is {version}"
        for name, version in now["versions"].items()
        if versions.get(name) != version
    ]
    if config.get("revision") != now["revision"]:
        changed.append(f"the revision was {config.get('revision')} and is {now['revision']}")
    return changed
