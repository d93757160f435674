"""Finished runs and studies, read from their folders."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

import emotional_ed
from emotional_ed.agents import EPISODE_DTYPE
from emotional_ed.analysis.compare import final_returns
from emotional_ed.analysis.plain_sb3 import event_files, load_events, load_monitor, monitor_files
from emotional_ed.analysis.run import Run, merge_runs

_SEED_ONLY = re.compile(r"(?:seed[-_ ]?)?(\d+)$", re.IGNORECASE)  # arm/3, arm/seed_3
_WITH_SEED = re.compile(r"(.+?)[-_ ]+seed[-_ ]?(\d+)$", re.IGNORECASE)  # arm-seed-3
_NO_ARMS = ("tuning", "trials")  # runs that chose settings, not results
_NUMBERED = re.compile(r"(.+)_\d+$")  # PPO_3, as Stable-Baselines3 numbers its logs


@dataclass(frozen=True)
class Skipped:
    """A folder that holds a run which cannot be counted."""

    folder: Path
    """Where it lies."""
    reason: str
    """What is wrong with it."""


@final
@dataclass(frozen=True)
class LoadedStudy(Sequence[Run]):
    """The finished runs of a study, one an arm, in order; and what could not be read."""

    folder: Path
    """Where it was read from."""
    runs: tuple[Run, ...]
    """One an arm and task."""
    skipped: tuple[Skipped, ...]
    """Runs that are unfinished or damaged."""
    facts: dict[str, Any]
    """`study.json`; empty if there is none."""

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        """Return a run, or several."""
        return self.runs[index]

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.runs)


@dataclass(frozen=True)
class _Found:
    """A run with the names that its folder gives it."""

    run: Run
    arm: str
    home: Path


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read one finished run of this package.

    Raises:
        ValueError: the folder holds no finished run, a file in it is damaged, or another version wrote it
            in a form that this one does not know.
    """
    path = Path(folder)
    if not (path / "result.json").is_file():
        raise ValueError(f"folder: got {str(path)!r}, expected a finished run (with a result.json)")
    config: dict[str, Any] = {}
    try:
        config = _read_object(path / "config.json")
        result = _read_object(path / "result.json")
        return _check(path, config, result, _read_episodes(path / "metrics.csv"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"folder: got {str(path)!r}, expected a whole run; it is not ({reason}{_other_version(config)})"
        ) from None


def _read_object(file: Path) -> dict[str, Any]:
    data = json.loads(file.read_text())
    if not isinstance(data, dict):
        raise ValueError(f"{file.name} holds no object")
    return data


def _read_episodes(file: Path) -> NDArray[Any]:
    names = EPISODE_DTYPE.names or ()
    with file.open() as lines:
        columns = lines.readline().strip().split(",")
        if not set(names) <= set(columns):
            raise ValueError("metrics.csv has other columns")
        rows = lines.readlines()
    if not rows:
        return np.zeros(0, EPISODE_DTYPE)
    where = [columns.index(name) for name in names]
    try:
        return np.loadtxt(rows, delimiter=",", dtype=EPISODE_DTYPE, usecols=where, ndmin=1)
    except ValueError as error:
        raise ValueError(f"metrics.csv: {error}") from None


def _check(path: Path, config: dict[str, Any], result: dict[str, Any], episodes: NDArray[Any]) -> Run:
    population = int(config.get("population", 1))
    steps = np.broadcast_to(np.asarray(result.get("steps", config["steps"]), np.int64), (population,)).copy()
    if len(episodes) != result.get("episodes", len(episodes)):
        raise ValueError(f"metrics.csv has {len(episodes)} of {result['episodes']} episodes")
    if not np.isfinite(episodes["return"]).all():
        raise ValueError("a return is not finite")
    if len(episodes) and not 0 <= episodes["member"].min() <= episodes["member"].max() < population:
        raise ValueError(f"metrics.csv has members beyond the {population} of config.json")
    for key in ("catastrophes", "unfinished_return"):
        numbers = np.asarray(result[key], dtype=np.float64) if result.get(key) is not None else None
        if numbers is not None and (numbers.shape != (population,) or not np.isfinite(numbers).all()):
            raise ValueError(f"result.json has no finite {key} of {population} members")
    if not float(result["seconds"]) >= 0 or population < 1 or steps.min() < 1:
        raise ValueError("seconds, steps or population are not what they must be")
    config = {**config, "env_id": str(config["env_id"])}
    run = Run(path.name, path, config, result, episodes, steps, _seeds(config.get("seed"), population))
    if not np.isfinite(final_returns(run)).all():
        raise ValueError("a member ended no episode in the second half, and its return so far is not known")
    return run


def _seeds(seed: Any, population: int) -> tuple[int, ...] | None:
    """Return each member's seed: as listed, or counted up from the first."""
    if seed is None:
        return None
    seeds = tuple(int(one) for one in np.ravel(seed))
    if len(seeds) == 1:
        return tuple(range(seeds[0], seeds[0] + population))
    if len(seeds) != population:
        raise ValueError(f"config.json has {len(seeds)} seeds for {population} members")
    return seeds


def _other_version(config: dict[str, Any]) -> str:
    versions = config.get("versions")
    wrote = versions.get("emotional_ed") if isinstance(versions, dict) else None
    if wrote in (None, emotional_ed.__version__):
        return ""
    return f"; version {wrote} of emotional_ed wrote it, this is {emotional_ed.__version__}"


def load_study(folder: str | os.PathLike[str]) -> LoadedStudy:
    """Read all finished runs below a folder, in the order of their arms in `study.json` if there is one.

    A folder is a run if it holds a `config.json` (this package), Monitor files, or a TensorBoard log (plain
    Stable-Baselines3, whichever comes first). Its name is the arm's. Folders that differ in the seed alone
    make one arm with a member a folder: `arm/3`, `arm/seed_3`, `arm-seed-3`, and of Stable-Baselines3's
    numbered logs `PPO_3`. Members may have made unequal numbers of steps. Folders named `tuning` or `trials`,
    or with a leading dot or underscore, are not results and are left out.

    Returns:
        The runs; unfinished and damaged ones are listed as `skipped`, with the reason.

    Raises:
        ValueError: there is no finished run.
    """
    root = Path(folder)
    found: list[_Found] = []
    skipped: list[Skipped] = []
    facts: dict[str, Any] = {}
    for path, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if name not in _NO_ARMS and name[0] not in "._")
        here = Path(path)
        try:
            if one := _find(here):
                found.append(one)
                names.clear()  # what lies inside a run belongs to it
        except (OSError, ValueError) as error:
            skipped.append(Skipped(here, str(error)))
            names.clear()
    if not found:
        hint = f"; skipped: {skipped[0].folder.name}: {skipped[0].reason}" if skipped else ""
        raise ValueError(
            f"folder: got {str(root)!r}, expected a study with at least one finished run ({len(skipped)} "
            f"unfinished or damaged{hint})"
        )
    if (root / "study.json").is_file():
        try:
            facts = _read_object(root / "study.json")
        except (OSError, ValueError) as error:
            skipped.append(Skipped(root / "study.json", f"cannot be read ({error})"))
    return LoadedStudy(root, tuple(_in_order(_by_arm(found, root), facts)), tuple(skipped), facts)


def _find(folder: Path) -> _Found | None:
    """Return the run that a folder is, or None if it is none."""
    if (folder / "config.json").is_file() or (folder / "result.json").is_file():
        if not (folder / "result.json").is_file():
            raise ValueError("not finished (no result.json)")
        try:
            run = load_run(folder)
        except ValueError as error:
            raise ValueError(str(error).removeprefix(f"folder: got {str(folder)!r}, expected ")) from None
        arm, _, home = _names(folder, numbered=False)
        return _Found(run, arm, home)
    monitors, events = monitor_files(folder), event_files(folder)
    if not monitors and not events:
        return None
    arm, seed, home = _names(folder, numbered=True)
    read = load_monitor(monitors, arm, seed) if monitors else load_events(events, arm, seed)
    if str(read.env_id) and arm == read.env_id.rpartition("/")[2]:
        arm, home = home.name, home.parent  # ppo/CartPole-v1_1: the task names the folder, not the arm
    return _Found(read, arm, home)


def _names(folder: Path, *, numbered: bool) -> tuple[str, int | None, Path]:
    """Return arm, seed if the name tells, and the folder in which the arm lies."""
    path = folder.resolve()
    if one := _SEED_ONLY.match(path.name):
        return path.parent.name, int(one[1]), path.parent.parent
    if one := _WITH_SEED.match(path.name):
        return one[1], int(one[2]), path.parent
    if numbered and (one := _NUMBERED.match(path.name)):
        return one[1], None, path.parent
    return path.name, None, path.parent


def _by_arm(found: Sequence[_Found], root: Path) -> list[Run]:
    groups: dict[tuple[Path, str, str], list[Run]] = {}
    for one in found:
        groups.setdefault((one.home, one.arm, one.run.env_id), []).append(one.run)
    tasks = {task for _, _, task in groups if task}
    labels = [(arm, task) for _, arm, task in groups]
    runs = []
    for (home, arm, task), members in groups.items():
        name = arm
        if labels.count((arm, task)) > 1 and home != root.resolve():
            name = f"{os.path.relpath(home, root.resolve())}/{arm}"
        run = merge_runs(name, members)
        if not task and len(tasks) == 1:  # a TensorBoard log does not name its task
            run = dataclasses.replace(run, config={**run.config, "env_id": next(iter(tasks))})
        runs.append(run)
    return runs


def _in_order(runs: list[Run], facts: dict[str, Any]) -> list[Run]:
    arms = facts.get("arms")
    order = list(arms) if isinstance(arms, dict | list) else []
    return sorted(runs, key=lambda run: order.index(run.name) if run.name in order else len(order))
