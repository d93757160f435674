"""One step of an episode as lines of text: the map, what was done, and a bar for each affect."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.channels import ChannelScale, channel_scales

_EIGHTHS = " ▏▎▍▌▋▊▉"  # blocks that fill none to seven eighths of a character
_COLOURED = re.compile(r"\x1b\[[0-9;]*m(.*?)\x1b\[0m", re.DOTALL)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def bar(value: float, scale: ChannelScale, width: int = 6, *, ascii_only: bool = False) -> str:
    """Return a bar of `width` characters; a signed one grows to either side of a middle line.

    Args:
        value: clipped to the scale; blank if it is not finite.
        scale: what fills the bar.
        width: characters, >= 1.
        ascii_only: with # instead of blocks.
    """
    share = float(np.clip(value / scale.full, -1, 1)) if np.isfinite(value) else 0.0
    empty = "." if ascii_only else "·"
    if not scale.signed:
        return _grown(share, width, ascii_only).ljust(width, empty)
    middle, side = "|" if ascii_only else "│", max(width // 2, 1)
    left, right = "", _grown(share, side, ascii_only)
    if share < 0 and ascii_only:
        left = _grown(-share, side, True)
    elif share < 0:
        full, half = divmod(round(-share * side * 2), 2)  # to the left there are half blocks only
        left = "▐" * half + "█" * full
    return left.rjust(side, empty) + middle + right.ljust(side, empty)


def _grown(share: float, width: int, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * round(max(share, 0) * width)
    full, rest = divmod(round(max(share, 0) * width * 8), 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def channel_lines(
    columns: Mapping[str, NDArray[Any]], step: int, *, width: int = 80, ascii_only: bool = False
) -> list[str]:
    """Return the affects at `step` as bars with numbers, as many a line as fit into `width` characters."""
    cells = [
        f"{scale.name} {bar(float(columns[scale.name][step]), scale, ascii_only=ascii_only)} "
        f"{_number(columns[scale.name][step], scale)}"
        for scale in channel_scales(columns)
    ]
    lines: list[str] = []
    for cell in cells:
        if lines and len(lines[-1]) + 3 + len(cell) <= width:
            lines[-1] += "   " + cell
        else:
            lines.append(cell)
    return lines


def _number(value: Any, scale: ChannelScale) -> str:
    if isinstance(value, int | np.integer):
        return str(value)
    return f"{value:+.2f}" if scale.signed else f"{value:.2f}"


def step_lines(
    columns: Mapping[str, NDArray[Any]],
    step: int,
    *,
    actions: Sequence[str] = (),
    picture: str | None = None,
    width: int = 80,
    ascii_only: bool = False,
) -> list[str]:
    """Return one step of an episode as lines.

    Args:
        columns: name -> value at each step, [T]; see `Trace`.
        step: which one, from 0.
        actions: names of actions, from the first; numbers are shown without them.
        picture: the map that the step led to; without one the observation that was acted on is shown.
        width: characters a line may have.
        ascii_only: without blocks.
    """
    total = float(np.sum(columns["reward"][: step + 1]))
    facts = [f"step {step + 1}", did(columns, step, actions)]
    facts += [f"reward {columns['reward'][step]:g}", f"return {total:g}"]
    facts += [name for name in ("catastrophe", "terminated", "truncated") if columns[name][step]]
    head = "   ".join(facts)
    shown = [f"saw {observed(columns, step)}"] if picture is None else picture.rstrip("\n").split("\n")
    return [head, *shown, *channel_lines(columns, step, width=width, ascii_only=ascii_only)]


def did(columns: Mapping[str, NDArray[Any]], step: int, actions: Sequence[str] = ()) -> str:
    """Return what was done and why: "right (explored)", "right (pushed again)", "right"."""
    number = int(columns["action"][step]) if "action" in columns else -1
    named = actions[number] if 0 <= number < len(actions) else f"action {number if number >= 0 else '?'}"
    for flag, why in (("persisted", "pushed again"), ("explored", "explored")):
        if flag in columns and columns[flag][step]:
            return f"{named} ({why})"
    return named


def observed(columns: Mapping[str, NDArray[Any]], step: int) -> str:
    """Return the observation that was acted on, one number or several."""
    several = [name for name in columns if name.startswith("observation_")]
    numbers = [columns[name][step] for name in (several or ["observation"])]
    return " ".join(f"{number:g}" for number in numbers)


def summary_lines(columns: Mapping[str, NDArray[Any]], actions: Sequence[str] = ()) -> list[str]:
    """Return what came of the episode: return, steps, how it ended, what was felt most and when."""
    steps, reward = len(columns["reward"]), columns["reward"]
    end = next((name for name in ("terminated", "truncated") if columns[name][-1]), "cut off by the limit")
    lines = [f"return {float(reward.sum()):g} in {steps} steps, {end}"]
    bites = int(columns["catastrophe"].sum())
    counted = [f"catastrophes {bites}"]
    for flag, what in (("explored", "explored"), ("persisted", "pushed again")):
        if flag in columns:
            counted.append(f"{what} {int(columns[flag].sum())}")
    lines.append(", ".join(counted))
    if "lss" in columns:
        lines.append(_largest_surprise(columns, actions))
    felt = [
        f"{scale.name} {_number(columns[scale.name][when], scale)} at step {when + 1}"
        for scale in channel_scales(columns)
        if scale.name not in ("surprise", "slot")
        for when in [int(np.abs(columns[scale.name]).argmax())]
        if _number(columns[scale.name][when], scale).strip("+-0.")
    ]
    return [*lines, *(["strongest: " + ", ".join(felt)] if felt else [])]


def _largest_surprise(columns: Mapping[str, NDArray[Any]], actions: Sequence[str]) -> str:
    when = int(np.abs(columns["lss"]).argmax())
    z = f", {columns['surprise'][when]:+.1f} in its own scale" if "surprise" in columns else ""
    return (
        f"largest surprise {columns['lss'][when]:+.3g}{z}, at step {when + 1}: {did(columns, when, actions)} "
        f"in {observed(columns, when)}, reward {columns['reward'][when]:g}"
    )


def without_control_characters(text: str) -> str:
    """Return a map without escape sequences; what was coloured stands in [brackets]."""
    plain = _ESCAPES.sub("", _COLOURED.sub(r"[\1]", text))
    return "".join(one for one in plain if one == "\n" or unicodedata.category(one) != "Cc")
