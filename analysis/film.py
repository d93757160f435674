"""An episode as an animated GIF: the world above, and beneath it what the agent felt, growing over time.

Needs Pillow, which comes with matplotlib (extra `[plots]`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.channels import ChannelScale, channel_scales
from emotional_ed.analysis.screen import did
from emotional_ed.checks import require_int, require_range
from emotional_ed.files import write_atomically

_FINE = 2  # lanes are drawn this much larger and shrunk, for smooth lines
_MARGIN = 14
_LABEL = 96  # room for names, left of the lanes
_VALUE = 50  # room for numbers, right of them
_HEAD = 46
_LANE = 30
_MARKS = 16
_GAP = 4
_AXIS = 20
_TALLEST = 330  # of the picture
_HELD = 2000  # milliseconds that the last frame stays
_EXACT, _MIXED = 120, 100  # colours kept as they are, and colours for all the others; one more is "unchanged"
_GROUND = "#F6F7F8"
_INK, _GREY, _FAINT, _PAPER = "#22262B", "#6B737C", "#D9DDE1", "#FFFFFF"
_FLAGS = (("explored", "explored", "#0072B2"), ("persisted", "pushed again", "#E08A00"))
_BITE = "#C92A2A"


def save_film(
    path: str | os.PathLike[str],
    pictures: Sequence[NDArray[np.uint8]],
    columns: Mapping[str, NDArray[Any]],
    *,
    title: str = "",
    actions: Sequence[str] = (),
    fps: float = 4.0,
    width: int = 480,
    most_frames: int = 300,
) -> Path:
    """Save an episode as a GIF that loops; its last frame stays for two seconds.

    A longer episode than `most_frames` is shown in strides, the last step always; the curves miss nothing.

    Args:
        path: where the file goes; it is replaced as a whole or not at all.
        pictures: [H, W, 3] uint8, before the first step and after each, T + 1 of them; none: curves only.
        columns: name -> value at each step, [T]; see `Trace`.
        title: what the episode is.
        actions: names of actions, from the first.
        fps: frames a second, in [0.1, 50].
        width: of the film in pixels, in [320, 2000].
        most_frames: most steps that get a frame, >= 2.

    Raises:
        ValueError: Pillow is not installed, there is no step, or the pictures are not T + 1 images.
    """
    require_range("fps", fps, 0.1, 50)
    require_int("width", width, 320, 2000)
    require_int("most_frames", most_frames, 2)
    steps = len(columns.get("reward", ()))
    if not steps:
        raise ValueError("columns: got no step, expected at least one")
    for picture in pictures:
        if np.ndim(picture) != 3 or picture.shape[-1] != 3 or picture.dtype != np.uint8:
            raise ValueError(
                f"pictures: got shape {list(np.shape(picture))}, expected [height, width, 3] of uint8"
            )
    if len(pictures) not in (0, steps + 1):
        raise ValueError(f"pictures: got {len(pictures)}, expected {steps + 1}: one more than steps")
    sheet = _Sheet(pictures, columns, title, actions, width)
    frames = [sheet.frame(step) for step in shown_steps(steps, most_frames)]
    write_atomically(Path(path), _gif(frames, round(1000 / fps)))
    return Path(path)


def shown_steps(steps: int, most: int) -> list[int]:
    """Return which moments get a frame: 0 (before the first step) to `steps`, in strides if many."""
    stride = -(-steps // most)
    return [*range(0, steps, stride), steps]


def _gif(frames: Sequence[Any], milliseconds: int) -> bytes:
    """Return the frames in one palette, so that only what changes between two of them is stored."""
    some = sorted({0, len(frames) // 2, len(frames) - 1})
    palette = _palette(np.concatenate([_codes(frames[i]).ravel() for i in some]))
    few = _indexed(frames, palette)
    shown = [milliseconds] * (len(few) - 1) + [max(_HELD, milliseconds)]
    out = io.BytesIO()
    few[0].save(
        out, "GIF", save_all=True, append_images=few[1:], duration=shown, loop=0, optimize=True, disposal=1
    )
    return out.getvalue()


def _palette(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return colours [n, 3]: the most frequent ones as they are, and the best to stand for all the others."""
    from PIL import Image

    known, counts = np.unique(codes, return_counts=True)
    known = known[np.argsort(-counts, kind="stable")]
    exact, others = _colours(known[:_EXACT]), _colours(known[_EXACT:])
    if not len(others):
        return exact
    few = Image.fromarray(others[None]).quantize(_MIXED, method=Image.Quantize.MEDIANCUT)
    return np.concatenate([exact, np.unique(np.asarray(few.convert("RGB"))[0], axis=0)])


def _indexed(frames: Sequence[Any], palette: NDArray[np.uint8]) -> list[Any]:
    """Return the frames with each pixel as the number of its nearest colour in the palette."""
    from PIL import Image

    table = np.full(1 << 24, -1, dtype=np.int16)  # colour -> number, filled in as colours turn up
    few = []
    for frame in frames:
        codes = _codes(frame)
        new = np.unique(codes[table[codes] < 0])
        distance = _colours(new).astype(np.int64)[:, None] - palette.astype(np.int64)
        table[new] = (distance**2).sum(-1).argmin(-1)
        one = Image.fromarray(table[codes].astype(np.uint8))
        one.putpalette(palette.tobytes())
        few.append(one)
    return few


def _codes(frame: Any) -> NDArray[np.int64]:
    """Return each pixel's colour as one number, 0xRRGGBB."""
    red, green, blue = np.asarray(frame).astype(np.int64).transpose(2, 0, 1)
    codes: NDArray[np.int64] = red << 16 | green << 8 | blue
    return codes


def _colours(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)


@final
class _Sheet:
    """Lays out and draws the frames of one episode."""

    def __init__(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        columns: Mapping[str, NDArray[Any]],
        title: str,
        actions: Sequence[str],
        width: int,
    ) -> None:
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError:
            raise ValueError("gif: got no Pillow, expected pip install 'emotional-ed[plots]'") from None
        self._image, self._draw, self._font = Image, ImageDraw, ImageFont
        self._fonts: dict[int, Any] = {}
        self.pictures, self.columns, self.title, self.actions = pictures, columns, title, actions
        self.width, self.steps = width, len(columns["reward"])
        self.scales = channel_scales(columns)
        self.returns = np.cumsum(np.asarray(columns["reward"], dtype=np.float64))
        self.flags = [one for one in _FLAGS if one[0] in columns and columns[one[0]].any()]
        if columns["catastrophe"].any():
            self.flags.append(("catastrophe", "catastrophe", _BITE))
        self.size = self._picture_size()
        self.top = _HEAD + (self.size[1] + _MARGIN if pictures else 0)
        self.marks_top = self.top + _LANE * (len(self.scales) + 1) + _GAP
        self.axis_top = self.marks_top + _MARKS * len(self.flags) + (_GAP if self.flags else 0)
        self.height = self.axis_top + _AXIS + _MARGIN // 2
        self.left, self.right = _MARGIN + _LABEL, width - _MARGIN - _VALUE

    def _picture_size(self) -> tuple[int, int]:
        """Return how large the world is shown: as wide as there is room for, in its own proportions."""
        if not self.pictures:
            return 0, 0
        height, width = self.pictures[0].shape[:2]
        scale = min((self.width - 2 * _MARGIN) / width, _TALLEST / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _text(
        self, draw: Any, at: tuple[float, float], text: str, colour: str, size: int, anchor: str
    ) -> None:
        if size not in self._fonts:
            self._fonts[size] = self._font.load_default(size * _FINE)
        draw.text((at[0] * _FINE, at[1] * _FINE), text, fill=colour, font=self._fonts[size], anchor=anchor)

    def _line(self, draw: Any, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        draw.line(fine, fill=colour, width=max(1, round(width * _FINE)), joint="curve")

    def _x(self, step: float) -> float:
        """Return where a moment lies on the time axis: 0 before the first step, T after the last."""
        return self.left + (self.right - self.left) * step / self.steps

    def frame(self, step: int) -> Any:
        """Return the film after `step` steps (0: before the first)."""
        sheet = self._image.new("RGB", (self.width * _FINE, self.height * _FINE), _PAPER)
        draw = self._draw.Draw(sheet)
        self._head(draw, step)
        self._time_axis(draw)
        low, high = min(0.0, float(self.returns.min())), max(0.0, float(self.returns.max()))
        self._lane(draw, 0, "return", _INK, self.returns, (low, high), step, "g")
        for i, scale in enumerate(self.scales):
            self._affect(draw, i + 1, scale, step)
        for i, (name, label, colour) in enumerate(self.flags):
            self._ticks(draw, self.marks_top + i * _MARKS, name, label, colour, step)
        x = self._x(step)
        self._line(draw, [(x, self.top), (x, self.axis_top + 3)], _GREY, 1)
        small = sheet.resize((self.width, self.height), self._image.Resampling.BOX)
        if self.pictures:
            small.paste(self._world(step), ((self.width - self.size[0]) // 2, _HEAD))
        return small

    def _world(self, step: int) -> Any:
        """Return the picture at its size: enlarged with sharp edges, shrunk with smooth ones."""
        picture = self._image.fromarray(self.pictures[step])
        larger = self.size[0] >= 2 * picture.width
        kind = self._image.Resampling.NEAREST if larger else self._image.Resampling.LANCZOS
        return picture.resize(self.size, kind)

    def _head(self, draw: Any, step: int) -> None:
        self._text(draw, (_MARGIN, 16), self.title, _INK, 14, "lm")
        self._text(draw, (self.width - _MARGIN, 16), f"{step} / {self.steps}", _GREY, 12, "rm")
        if not step:
            return
        self._text(draw, (_MARGIN, 34), did(self.columns, step - 1, self.actions), _GREY, 12, "lm")
        bite = bool(self.columns["catastrophe"][step - 1])
        reward = f"reward {self.columns['reward'][step - 1]:g}" + (", catastrophe" if bite else "")
        self._text(draw, (self.width - _MARGIN, 34), reward, _BITE if bite else _GREY, 12, "rm")

    def _affect(self, draw: Any, row: int, scale: ChannelScale, step: int) -> None:
        values = np.asarray(self.columns[scale.name], dtype=np.float64)
        whole = np.issubdtype(self.columns[scale.name].dtype, np.integer)
        ends = (-scale.full if scale.signed else 0.0, scale.full)
        form = "d" if whole else ("+.2f" if scale.signed else ".2f")
        self._lane(draw, row, scale.name, scale.colour, values, ends, step, form)

    def _lane(
        self,
        draw: Any,
        row: int,
        name: str,
        colour: str,
        values: NDArray[np.float64],
        ends: tuple[float, float],
        step: int,
        form: str,
    ) -> None:
        """Draw one signal so far: a curve over a tint, its name to the left, its value to the right."""
        top, bottom = self.top + row * _LANE + 4, self.top + (row + 1) * _LANE - 4
        span = max(ends[1] - ends[0], 1e-12)

        def y(value: float) -> float:
            return bottom - (bottom - top) * (min(max(value, ends[0]), ends[1]) - ends[0]) / span

        corners = [(self.left * _FINE, (top - 2) * _FINE), (self.right * _FINE, (bottom + 2) * _FINE)]
        draw.rectangle(corners, fill=_GROUND)
        self._line(draw, [(self.left, y(0.0)), (self.right, y(0.0))], _FAINT, 1)
        self._text(draw, (self.left - 10, (top + bottom) / 2), name, colour, 12, "rm")
        if not step:
            return
        past = np.nan_to_num(values[:step])
        points = [(self._x(i + 1), y(float(one))) for i, one in enumerate(past)]
        points = [(self._x(0), points[0][1]), *points]
        area = [(points[0][0], y(0.0)), *points, (points[-1][0], y(0.0))]
        draw.polygon([(a * _FINE, b * _FINE) for a, b in area], fill=_tint(colour))
        self._line(draw, points, colour, 1.6)
        last = values[step - 1]
        text = f"{int(last):d}" if form == "d" else f"{last:{form}}"
        self._text(draw, (self.right + 8, (top + bottom) / 2), text, colour, 12, "lm")

    def _ticks(self, draw: Any, top: float, name: str, label: str, colour: str, step: int) -> None:
        """Draw the moments at which something happened."""
        middle = top + _MARKS / 2
        self._text(draw, (self.left - 10, middle), label, colour, 12, "rm")
        for when in np.flatnonzero(self.columns[name][:step]):
            x = self._x(float(when) + 1)
            self._line(draw, [(x, middle - 5), (x, middle + 5)], colour, 2)

    def _time_axis(self, draw: Any) -> None:
        self._line(draw, [(self.left, self.axis_top), (self.right, self.axis_top)], _GREY, 1)
        stride = _nice_stride(self.steps)
        for when in range(0, self.steps + 1, stride):
            x = self._x(when)
            self._line(draw, [(x, self.axis_top), (x, self.axis_top + 3)], _GREY, 1)
            self._text(draw, (x, self.axis_top + 12), str(when), _GREY, 10, "mm")
        self._text(draw, (self.left - 10, self.axis_top + 12), "step", _GREY, 10, "rm")


def _tint(colour: str) -> str:
    """Return a light version of a colour."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * 0.22):02X}" for part in parts)


def _nice_stride(steps: int) -> int:
    """Return a round number of steps that cuts the axis into at most eight pieces."""
    stride, nice = 1, (2, 2.5, 2)
    turn = 0
    while steps > 8 * stride:
        stride = int(stride * nice[turn % 3])
        turn += 1
    return stride
