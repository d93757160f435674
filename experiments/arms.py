"""The arms that studies compare, listed as data."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from emotional_ed.affect import AffectConfig, AngerConfig, CuriosityConfig

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


def curious() -> dict[str, AffectConfig]:
    """Return the emotional levels with curiosity, which finds rewards that are rare.

    Example:
        >>> list(curious())
        ['level-0+1-curious', 'level-0+1+2-curious']
    """
    emotional = {name: arm for name, arm in LADDER.items() if not arm.is_plain}
    more = CuriosityConfig()
    return {f"{name}-curious": dataclasses.replace(arm, curiosity=more) for name, arm in emotional.items()}


GROUPS = ("ladder", "curious", "leave-one-out", "controls", "all")
"""Names that stand for several arms."""


def arms_named(*names: str) -> dict[str, AffectConfig]:
    """Return arms by their names, or by the names of groups of them, each once.

    Example:
        >>> list(arms_named("ladder", "without-fear"))
        ['level-0', 'level-0+1', 'level-0+1+2', 'without-fear']

    Raises:
        ValueError: a name is unknown; the nearest ones are told.
    """
    groups: dict[str, Mapping[str, AffectConfig]] = {
        "ladder": LADDER,
        "curious": curious(),
        "leave-one-out": leave_one_out(),
        "controls": controls(),
    }
    known = {name: arm for group in groups.values() for name, arm in group.items()}
    groups["all"] = known
    found: dict[str, AffectConfig] = {}
    for name in names:
        require_known("arms", name, (*GROUPS, *known))
        found |= groups[name] if name in groups else {name: known[name]}
    return found


def without_recall(arms: Mapping[str, AffectConfig]) -> dict[str, AffectConfig]:
    """Return arms as deep agents can have them: with one memory of values there is nothing to recall from.

    Arms that lacked nothing but recall are left out, because they would be the full agent again.
    """
    found: dict[str, AffectConfig] = {}
    for name, arm in arms.items():
        if arm.recall is not None or name != "without-recall":
            found[name] = dataclasses.replace(arm, recall=None)
    return found


def require_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise `ValueError` with the nearest names unless a name is known."""
    names = list(dict.fromkeys(known))
    if name in names:
        return
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"{what}: got {name!r}, expected one of {', '.join(names)}{meant}")
