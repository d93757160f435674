"""Maps of grid worlds as text and as images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOURS = {
    "#": (52, 58, 64),  # wall
    ".": (241, 243, 245),  # floor
    "A": (34, 139, 230),  # agent
    "+": (64, 192, 87),  # good
    "-": (224, 49, 49),  # bad
    "D": (230, 119, 0),  # door
    "e": (150, 242, 215),  # side exit
    "~": (165, 216, 255),  # thin ice
    "G": (64, 192, 87),  # goal
    "P": (134, 46, 156),  # predator
    "f": (192, 235, 117),  # a little food
    "g": (224, 49, 49),  # guard
    "o": (173, 181, 189),  # a source that is gone, a goal that does not pay now
    "X": (201, 42, 42),  # cliff, pit, lava
}


def write_grid(rows: Sequence[str]) -> str:
    """Return the map as text, one line a row."""
    return "\n".join(rows) + "\n"


def draw_grid(rows: Sequence[str], cell: int = 32) -> NDArray[np.uint8]:
    """Return the map as an image [H, W, 3], one coloured square of `cell` pixels a character."""
    image = np.array([[_COLOURS[mark] for mark in row] for row in rows], dtype=np.uint8)
    image = image.repeat(cell, axis=0).repeat(cell, axis=1)
    image[::cell] = image[:, ::cell] = 206  # thin lines between cells
    return image


class Drawn(ABC):
    """Part of a Gymnasium environment that shows itself as a map, in text or as an image."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium declares it so)
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
    }
    render_mode: str | None

    def show_as(self, mode: str | None) -> None:
        """Set the render mode.

        Raises:
            ValueError: it is none of `metadata`.
        """
        if mode is not None and mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode: got {mode!r}, expected 'ansi', 'rgb_array' or None")
        self.render_mode = mode

    @abstractmethod
    def layout(self) -> list[str]:
        """Return the map as rows of characters, with the agent as `A`."""

    def render(self) -> Any:
        """Return the map as text or as an image [H, W, 3] uint8."""
        if self.render_mode == "ansi":
            return write_grid(self.layout())
        if self.render_mode == "rgb_array":
            return draw_grid(self.layout())
        return None
