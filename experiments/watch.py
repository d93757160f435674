"""Look at a run: one episode of one member as text in the terminal, as a GIF, or as a table."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EPISODE_DTYPE, EmotionalQ
from emotional_ed.agents.member import load_member
from emotional_ed.agents.trace import write_columns
from emotional_ed.analysis.film import save_film
from emotional_ed.analysis.screen import step_lines, summary_lines, without_control_characters
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.envs import BatchedTabularEnv
from emotional_ed.envs.camera import Camera, FilmedEnv, TabularCamera
from emotional_ed.experiments.timeline import Timeline, record_episode, record_greedy_episode
from emotional_ed.experiments.train import TrainSpec

_COMPASS = ("up", "right", "down", "left")
_GRIDS = (
    "RecurringRegimes", "JammedDoor", "SlipperyCliff", "MovingGoal", "RecurringGoals", "NewGoals",
    "MixedDoors", "NewLayouts", "SilentCatastrophe", "VanishingSource", "SparseMaze", "Predator",
    "Battery",
)  # fmt: skip
_ACTIONS = {
    **{f"EmotionalED/{name}": _COMPASS for name in _GRIDS},
    "EmotionalED/ApproachAvoidance": ("left", "right"),
    "CliffWalking": _COMPASS,
    "CliffWalkingSlippery": _COMPASS,
    "FrozenLake": ("left", "down", "right", "up"),
    "FrozenLake8x8": ("left", "down", "right", "up"),
    "Taxi": ("down", "up", "right", "left", "pick up", "drop off"),
    "CartPole": ("left", "right"),
    "MountainCar": ("left", "wait", "right"),
    "Acrobot": ("left", "wait", "right"),
    "LunarLander": ("wait", "left", "main", "right"),
}


@dataclass(frozen=True, kw_only=True)
class WatchSpec:
    """What to look at and how."""

    member: int = 0
    """Which member of the run, from 0."""
    episode: str = "next"
    """"next": as saved, it lives one more episode in a fresh copy of its world; "first", "last" or a number
    from 0: it lives again from its seed up to that episode, which is the one of the run."""
    greedy: bool = False
    """Act as `predict` does: nothing is learned or felt. With "next" only."""
    limit: int = 1000
    """Most steps to show, >= 1."""
    seed: int | None = None
    """Of the fresh copy of the world; by default one that the member has not lived in."""
    gif: str | None = None
    """Where a film goes; none if None."""
    csv: str | None = None
    """Where a table goes; none if None."""
    fps: float = 4.0
    """Steps a second, in the terminal and in the film, in [0.1, 50]."""
    ascii_only: bool = False
    """Without characters beyond ASCII."""

    def __post_init__(self) -> None:
        require_int("member", self.member, 0)
        require_int("limit", self.limit, 1)
        require_range("fps", self.fps, 0.1, 50)
        if self.seed is not None:
            require_int("seed", self.seed, 0)
        if self.episode not in ("next", "first", "last") and not self.episode.isdecimal():
            raise ValueError(f"episode: got {self.episode!r}, expected next, first, last or a number from 0")
        for name, given in (("greedy", self.greedy), ("seed", self.seed is not None)):
            if given and self.episode != "next":
                raise ValueError(f"{name}: got it with episode {self.episode}, expected it with next only")


@dataclass(frozen=True)
class Watched:
    """An episode, and what is to be said about it."""

    timeline: Timeline
    """What happened."""
    title: str
    """Environment, member and episode, in a line."""
    note: str
    """How it came about, in a sentence."""
    actions: tuple[str, ...]
    """Names of actions, from number 0; none if unknown."""


def watch(run: str | os.PathLike[str], spec: WatchSpec, out: TextIO | None = None) -> Watched:
    """Show an episode of a finished or running run; the run's folder stays as it is.

    Args:
        run: a run's folder.
        spec: what to look at and how.
        out: where text goes; standard output by default. In a terminal it is redrawn in place.

    Raises:
        ValueError: the folder holds no run, the run has no such member or episode yet, or its world cannot be
            made or drawn here.
    """
    out = sys.stdout if out is None else out
    folder = Path(run)
    for name, target in (("gif", spec.gif), ("csv", spec.csv)):
        if target is not None and folder.resolve() in Path(target).resolve().parents:
            raise ValueError(f"{name}: got {target!r}, expected a file outside the run, which is not changed")
    watched = relive(folder, spec)
    show(watched, spec, out)
    columns = watched.timeline.columns
    if spec.csv is not None:
        print(f"table:    {write_columns(columns, spec.csv)}", file=out)
    if spec.gif is not None:
        pictures = [view.image for view in watched.timeline.views if view.image is not None]
        film = save_film(
            spec.gif, pictures, columns, title=watched.title, actions=watched.actions, fps=spec.fps
        )
        print(f"film:     {film} ({film.stat().st_size / 1000:.0f} kB)", file=out)
    return watched


# ---------------------------------------------------------------- the run


def relive(folder: Path, spec: WatchSpec) -> Watched:
    """Let the member live the episode that was asked for, and return what happened."""
    trained = read_spec(folder)
    require_choice("agent", trained.agent, ("emotional-q",))  # whose members can be taken out and traced
    if spec.member >= trained.population:
        raise ValueError(f"member: got {spec.member}, expected an integer in [0, {trained.population})")
    modes = ("ansi", *(("rgb_array",) if spec.gif is not None else ()))
    rows = _episodes(folder, spec.member)
    if spec.episode == "next":
        model = load_member(_checkpoint(folder), spec.member, device="cpu")
        camera = _filmed(model, modes)
        if isinstance(camera, TabularCamera):
            model.set_env(model.require_env())  # drops the episode that was running
        if spec.seed is not None:
            model.observation = model.require_env().reset([spec.seed])
        record = record_greedy_episode if spec.greedy else record_episode
        timeline = record(model, limit=spec.limit, camera=_ready(camera, modes, model))
        note, which = _what_next_is(model, timeline, spec), "greedy" if spec.greedy else "one more episode"
    else:
        number = _number(spec.episode, rows, folder)
        before = int(rows["step"][number - 1]) if number else 0
        model = dataclasses.replace(
            trained, population=1, seed=trained.seed + spec.member, device="cpu"
        ).build()
        camera = _filmed(model, modes)
        model.learn(before)
        timeline = record_episode(model, limit=spec.limit, camera=_ready(camera, modes, model))
        note, which = _compared(timeline, rows, number), f"episode {number}"
    title = f"{trained.env_id.split('/')[-1]}, member {spec.member}, {which}"
    return Watched(timeline, title, note, _action_names(trained.env_id, model))


def read_spec(folder: Path) -> TrainSpec:
    """Return what a run's `config.json` asks for.

    Raises:
        ValueError: the folder is no run, or the file is damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        runs = sorted(one.parent.name for one in folder.glob("*/config.json"))
        if runs:
            raise ValueError(
                f"run: got {str(folder)!r}, a study, expected one of its runs: {', '.join(runs)}"
            )
        raise ValueError(f"run: got {str(folder)!r}, expected the folder of a run (with a config.json)")
    try:
        config = json.loads(path.read_text())
        return TrainSpec(**{one.name: _read(one, config[one.name]) for one in _fields(config)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"run: got {str(folder)!r}, expected a whole config.json of a run; it is not ({error})"
        ) from None


def _fields(config: dict[str, Any]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(TrainSpec) if field.name in config]


def _read(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a field of a `TrainSpec` as it was before it became JSON."""
    default: Any = None if field.default_factory is dataclasses.MISSING else field.default_factory()
    if not isinstance(value, dict) or not hasattr(default, "from_dict"):
        return value
    if value.get("own") == []:  # no channels of one's own, in files that list them
        value = {**value, "own": {}}
    return default.from_dict(value)


def _checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        raise ValueError(
            f"run: got {str(folder)!r}, expected one with a checkpoint; it has not saved any yet "
            "(--episode first needs none)"
        )
    return path


def _episodes(folder: Path, member: int) -> NDArray[Any]:
    """Return the member's finished episodes as in `metrics.csv`, without a row that is being written."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return np.zeros(0, EPISODE_DTYPE)
    text = path.read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()[1:]
    try:
        rows = np.zeros(0, EPISODE_DTYPE)
        if lines:
            rows = np.loadtxt(lines, delimiter=",", dtype=EPISODE_DTYPE, ndmin=1)
    except ValueError as error:
        raise ValueError(
            f"run: got {str(folder)!r}, expected a whole metrics.csv; it is not ({error})"
        ) from None
    mine: NDArray[Any] = rows[rows["member"] == member]
    return mine


def _number(episode: str, rows: NDArray[Any], folder: Path) -> int:
    if episode == "first":
        return 0
    number = len(rows) - 1 if episode == "last" else int(episode)
    if not 0 <= number < len(rows):
        finished = f"{len(rows)} in {str(folder)!r}, numbered from 0" if len(rows) else "none yet"
        raise ValueError(f"episode: got {episode}, expected one that this member has finished ({finished})")
    return number


def _filmed(model: EmotionalQ, modes: tuple[str, ...]) -> TabularCamera | FilmedEnv:
    """Return a camera for the model's world; a world that is no tensor program is put in its place."""
    world = model.require_env()
    if isinstance(world, BatchedTabularEnv):
        return TabularCamera(world, modes)
    film = FilmedEnv(world.env_id, _plain_kwargs(world.env_kwargs), modes)
    model.set_env(film)
    return film


def _plain_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "render_mode"}


def _ready(camera: TabularCamera | FilmedEnv, modes: tuple[str, ...], model: EmotionalQ) -> Camera | None:
    """Return the camera, or None if there is nothing to see and nobody asked for pictures."""
    if isinstance(camera, TabularCamera):
        return camera
    if "rgb_array" in modes and "rgb_array" not in camera.can_show:
        raise ValueError(
            f"gif: got {model.env_id!r}, which draws no images, expected one that renders rgb_array"
        )
    return camera if camera.can_show else None


def _what_next_is(model: EmotionalQ, timeline: Timeline, spec: WatchSpec) -> str:
    made = model.num_timesteps - (0 if spec.greedy else timeline.steps)
    what = "goes on learning and feeling"
    if spec.greedy:
        what = "acts as it predicts (it learns and feels nothing)"
    return f"as saved after {made} steps, it {what}, in a fresh copy of its world; nothing is written back"


def _compared(timeline: Timeline, rows: NDArray[Any], number: int) -> str:
    """Return whether the relived episode is the one in `metrics.csv`."""
    lived = f"relived from its seed to episode {number}"
    if number >= len(rows):
        return f"{lived}, which the run has not finished"
    if not timeline.ended:
        return f"{lived}; cut off by the limit"
    total, length = float(timeline.columns["reward"].sum()), int(rows["length"][number])
    if timeline.steps == length and abs(total - rows["return"][number]) <= 1e-6 * max(1.0, abs(total)):
        return f"{lived}: the same length and return as in metrics.csv"
    return (
        f"{lived}: NOT as in metrics.csv, which has return {rows['return'][number]:g} in {length} steps "
        "(the run was made with other versions, or was not made in one go)"
    )


def _action_names(env_id: str, model: EmotionalQ) -> tuple[str, ...]:
    names = _ACTIONS.get(env_id.rpartition("-v")[0] or env_id, ())
    return names if len(names) == model.actions and model.action_start == 0 else ()


# ---------------------------------------------------------------- the text


def show(watched: Watched, spec: WatchSpec, out: TextIO) -> None:
    """Print the episode: redrawn in place in a terminal, one step below the other elsewhere."""
    live = out.isatty()
    plain = spec.ascii_only or (out.encoding or "ascii").lower().replace("-", "") != "utf8"
    size = shutil.get_terminal_size((100, 24))
    print(f"{watched.title}\n{watched.note}", file=out)
    columns, views = watched.timeline.columns, watched.timeline.views
    frames = []
    for step in range(watched.timeline.steps):
        picture = views[step + 1].text if views else None
        if picture is not None and (not live or plain):
            picture = without_control_characters(picture)
        frames.append(
            step_lines(
                columns, step, actions=watched.actions, picture=picture,
                width=size.columns - 1 if live else 100, ascii_only=plain,
            )
        )  # fmt: skip
    fits = max(map(len, frames)) + 3 < size.lines
    with _hidden_cursor(out) if live and fits else contextlib.nullcontext():
        _play(frames, out, live=live, in_place=live and fits, pause=1 / spec.fps)
    print("\n" + "\n".join(summary_lines(columns, watched.actions)), file=out)


def _play(frames: Sequence[list[str]], out: TextIO, *, live: bool, in_place: bool, pause: float) -> None:
    above = 0
    for lines in frames:
        text = "\n".join(lines) + "\n"
        if in_place:
            back = f"\x1b[{above}A" if above else ""
            text = f"{back}\x1b[J\n{text}"
        else:
            text = "\n" + text
        out.write(text)
        out.flush()
        above = len(lines) + 1
        if live:
            time.sleep(pause)


@contextlib.contextmanager
def _hidden_cursor(out: TextIO) -> Iterator[None]:
    out.write("\x1b[?25l")
    try:
        yield
    finally:
        out.write("\x1b[?25h")
        out.flush()
