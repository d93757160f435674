"""Which signals of an episode are shown, in which order, colour and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Colours that stay apart for colour-blind eyes (Okabe and Ito), darkened where white is behind them.
_COLOURS = {
    "surprise": "#56606B",
    "arousal": "#D55E00",
    "fear": "#CC2277",
    "anger": "#E08A00",
    "mood": "#0072B2",
    "temperament": "#3FA0DC",
    "displeasure": "#8A5A2B",
    "slot": "#7A5FC7",
}
_OTHERS = ("#009E73", "#A0308A", "#4C7A34", "#B5475D", "#2F8C9E", "#7D7D2A")
_USUAL = {"surprise": 3.0}  # what fills a bar at least; 1 for the others
_SIGNED = ("surprise", "mood", "temperament")
# Bookkeeping of the trace, and what the step itself says; everything else is an affect.
_NO_CHANNELS = frozenset(
    {
        *("member", "episode", "step", "observation", "action", "reward", "terminated", "truncated"),
        *("catastrophe", "greedy", "explored", "persisted", "moved"),
        *("target", "lss", "effective_step_size", "step_factor", "fear_felt"),
    }
)


@dataclass(frozen=True)
class ChannelScale:
    """How one signal is drawn."""

    name: str
    """Name of the signal."""
    colour: str
    """As #RRGGBB."""
    full: float
    """The value that fills a bar, > 0."""
    signed: bool
    """Whether it goes below 0, to -full."""


def channel_scales(columns: Mapping[str, NDArray[Any]]) -> list[ChannelScale]:
    """Return what to show of an episode: the known affects first, then all others in their own order.

    A bar is full at 1 (surprise: at 3), or where the signal is largest in the episode if it goes beyond.
    Signals that are yes or no are left out, and so is all that is no affect.

    Args:
        columns: name -> value at each step, [T]; see `Trace`.
    """
    names = [name for name in _COLOURS if name in columns]
    names += [name for name in columns if name not in _COLOURS and _is_channel(name, columns[name])]
    scales = []
    for i, name in enumerate(names):
        values = np.asarray(columns[name], dtype=np.float64)
        finite = values[np.isfinite(values)]
        largest = float(np.abs(finite).max(initial=_USUAL.get(name, 1.0)))
        signed = name in _SIGNED or (name not in _COLOURS and bool((finite < 0).any()))
        colour = _COLOURS.get(name, _OTHERS[i % len(_OTHERS)])
        scales.append(ChannelScale(name, colour, largest, signed))
    return scales


def _is_channel(name: str, values: NDArray[Any]) -> bool:
    numbers = np.asarray(values)
    return name not in _NO_CHANNELS and not name.startswith("observation_") and numbers.dtype != np.bool_
