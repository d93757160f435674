"""Affect over one episode as lanes above one ruler, one a signal, like the paper of a polygraph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import charts
from emotional_ed.analysis.channels import ChannelScale, channel_scales
from emotional_ed.analysis.charts import Scale
from emotional_ed.analysis.episode import Columns, Episode
from emotional_ed.analysis.figures import show_tick
from emotional_ed.analysis.markup import Markup, element, together

_FINEST = 500  # points that a lane has at most
_TICKS = {"explored": "explored", "persisted": "pushed again"}  # yes or no: marks instead of a height
_LABELS = {"slot": "memory in use"}


@dataclass(frozen=True)
class _Scene:
    """What all lanes of an episode share."""

    across: Scale
    """Steps."""
    mine: NDArray[np.bool_]
    """Steps of the episode itself, [T]."""
    over: Markup
    """Drawn over every lane: catastrophes, and a veil on other episodes."""


def episode_card(episode: Episode) -> Markup:
    """Return the lanes of an episode: rewards, each affect that moved, what was explored, catastrophes."""
    columns = _with_surprise(episode.columns)
    count = max((len(values) for values in columns.values()), default=0)
    across = Scale(0.0, float(max(count, 1)))
    first = float(np.asarray(columns["step"])[0] - 1) if "step" in columns and count else 0.0
    bites = _steps(columns, "catastrophe")
    mine = _mine(episode, count)
    scene = _Scene(
        across, mine, together(_aside(episode, mine, across), charts.ticked(bites + 0.5, across, "bite"))
    )
    scales = channel_scales(columns)
    moved = [one for one in scales if np.abs(_numbers(columns, one.name)).max(initial=0.0) > 1e-9]
    silent = [_label(one.name) for one in scales if one not in moved]
    rows = [_reward(columns, scene)] if "reward" in columns else []
    rows += [_lane(one, _numbers(columns, one.name), scene) for one in moved]
    rows += [_ticks(name, steps, scene) for name in _TICKS if len(steps := _steps(columns, name))]
    below = (
        charts.ruler(Scale(first, first + across.high)),
        element("span", "step of its life", class_="unit"),
    )
    lanes = element("div", *rows, *below, class_="lanes", role="img", aria_label=f"Affect: {episode.title}")
    return element(
        "div",
        element("h3", episode.title),
        element("p", " ".join(_notes(episode, bites, silent)), class_="soft"),
        lanes,
        class_="card",
    )


def _with_surprise(columns: Columns) -> Columns:
    """Return columns in which an agent without a scale of surprise shows its errors as they are."""
    if "surprise" in columns or "lss" not in columns:
        return columns
    return {"surprise": columns["lss"], **columns}


def _mine(episode: Episode, count: int) -> NDArray[np.bool_]:
    numbers = episode.columns.get("episode")
    return np.ones(count, np.bool_) if numbers is None else np.asarray(numbers == episode.number, np.bool_)


def _aside(episode: Episode, mine: NDArray[np.bool_], across: Scale) -> Markup | None:
    """Return a veil over the steps of other episodes, and lines where episodes begin."""
    if mine.all() or not mine.any():
        return None
    one, unit = np.ones(2), Scale(0.0, 1.0)
    steps = np.flatnonzero(mine)
    first, last, count = float(steps[0]), float(steps[-1] + 1), float(len(mine))
    veils = [
        charts.band([left, right], 0 * one, one, across, unit, "veil")
        for left, right in ((0.0, first), (last, count))
        if right > left
    ]
    begins = np.flatnonzero(np.diff(episode.columns["episode"])) + 1
    return together(*veils, charts.ticked(begins, across, "begin"))


def _notes(episode: Episode, bites: NDArray[np.intp], silent: list[str]) -> list[str]:
    said = [episode.note] if episode.note else []
    if len(set(np.asarray(episode.columns.get("episode", ())).tolist())) > 1:
        said.append("The episodes around it are veiled.")
    if len(bites):
        said.append("Red lines: catastrophes.")
    if silent:
        said.append(f"Silent throughout: {', '.join(silent)}.")
    return said


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _numbers(columns: Columns, name: str) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(columns[name], dtype=np.float64))


def _steps(columns: Columns, name: str) -> NDArray[np.intp]:
    return np.flatnonzero(np.asarray(columns.get(name, np.zeros(0)), dtype=bool))


def _thinned(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return left ends and values of spans of steps, the most extreme value of each span."""
    wide = max(math.ceil(len(values) / _FINEST), 1)
    starts = np.arange(0, len(values), wide)
    spans = [values[start : start + wide] for start in starts]
    return starts.astype(np.float64), np.array([span[np.abs(span).argmax()] for span in spans])


def _lane(scale: ChannelScale, values: NDArray[np.float64], scene: _Scene) -> Markup:
    up = Scale(-1.05 * scale.full if scale.signed else 0.0, 1.05 * scale.full)
    starts, heights = _thinned(values)
    edges = np.repeat(np.append(starts, len(values)), 2)[1:-1]
    steps = np.repeat(heights, 2)
    x = np.concatenate([[edges[0]], edges, [edges[-1]]])
    y = np.concatenate([[0.0], steps, [0.0]])
    zero = charts.line([0, len(values)], [0, 0], scene.across, up, "zero")
    parts = [zero, charts.line(x, y, scene.across, up, "felt")]
    own = values[scene.mine] if scene.mine.any() else values
    low, high = (show_tick(round(float(end), 2)) for end in (own.min(), own.max()))
    figure = f"{low} to {high}" if scale.signed else f"to {high}"
    colour = None if scale.name == "surprise" else scale.colour  # grey: that of the page, light or dark
    return _row(_label(scale.name), parts, scene, figure, colour)


def _reward(columns: Columns, scene: _Scene) -> Markup:
    values = _numbers(columns, "reward")
    full = float(np.abs(values).max(initial=0.0)) or 1.0
    up = Scale(-1.1 * full, 1.1 * full)
    starts, heights = _thinned(values)
    x = np.repeat(starts + 0.5, 3)
    y = np.stack([np.zeros_like(heights), heights, np.full_like(heights, np.nan)], axis=1).ravel()
    parts = [charts.line([0, len(values)], [0, 0], scene.across, up, "zero")]
    parts.append(charts.line(x, y, scene.across, up, "reward"))
    total = f"{show_tick(round(float(values[scene.mine].sum()), 2))} in all"
    return _row("reward", parts, scene, total, None)


def _ticks(name: str, steps: NDArray[np.intp], scene: _Scene) -> Markup:
    marks = charts.ticked(steps + 0.5, scene.across, "mark")
    return _row(_TICKS[name], [marks], scene, f"{int(scene.mine[steps].sum())} x", None, flat=True)


def _row(
    label: str,
    parts: list[Markup],
    scene: _Scene,
    figure: str,
    colour: str | None,
    *,
    flat: bool = False,
) -> Markup:
    strip = element("div", charts.drawing(*parts, scene.over), class_="strip flat" if flat else "strip")
    style = f"--c:{colour}" if colour else None
    return element("div", element("b", label), strip, element("span", figure), class_="row", style=style)
