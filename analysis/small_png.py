"""Pictures of few colours as small files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from emotional_ed.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PALETTE = 256  # colours of the file


def save_small(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Save a figure as a PNG with a palette, at once or not at all; missing folders are made."""
    from PIL import Image  # comes with matplotlib

    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, dpi=100)
    with Image.open(whole) as image:
        few = image.convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE)
        few.save(small, format="PNG", optimize=True)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, small.getvalue())
    return target
