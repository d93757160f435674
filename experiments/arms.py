"""The arms that studies compare, listed as data."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from emotional_ed.affect import AffectConfig, AngerConfig

LADDER = MappingProxyType(
    {
        "level-0": AffectConfig.levels(0),
        "level-0+1": AffectConfig.levels(1),
        "level-0+1+2": AffectConfig.levels(2),
    }
)
"""Plain Q-learning; with emotions; with emotions, mood and recall."""


MOOD = ("mood", "temperament", "recall")
"""What goes with mood: its anchor, and the recall that it is the cue of."""


def leave_one_out() -> dict[str, AffectConfig]:
    """Return the full agent less each of its parts (mood together with what needs it)."""
    full = AffectConfig.levels(2)
    single = {f"without-{name}": {name: None} for name in ("arousal", "fear", "anger", "recall")}
    removals: dict[str, dict[str, None]] = {**single, "without-mood": dict.fromkeys(MOOD)}
    return {name: dataclasses.replace(full, **removal) for name, removal in removals.items()}  # type: ignore[arg-type]


def controls() -> dict[str, AffectConfig]:
    """Return simple rivals that share all but the idea: what they reach, the idea does not explain.

    "fixed-repeat" pushes a blocked action up to the cap, always: no efficacy is learned, no step size bent.
    """
    first = AffectConfig.levels(1)
    return {"fixed-repeat": dataclasses.replace(first, anger=AngerConfig(step_size=0.0, step_gain=0.0))}
