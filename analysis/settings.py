"""In which settings arms differ, and which they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from emotional_ed.analysis.run import Run

_NOT_SETTINGS = ("versions", "revision", "command", "seed", "population", "env_id")
ABSENT = "none"
"""What a setting that an arm lacks is shown as."""


def settings_of(run: Run) -> dict[str, Any]:
    """Return what was set for a run, without what identifies it; nothing if the run does not say."""
    if run.source != "emotional_ed":
        return {}
    return {key: value for key, value in run.config.items() if key not in _NOT_SETTINGS}


def differences_from(run: Run, plain: Run) -> dict[str, str]:
    """Return what a run has other than the baseline: dotted name -> value as text."""
    changed: dict[str, str] = {}
    _collect("", settings_of(run), settings_of(plain), changed)
    return changed


def _collect(name: str, one: Any, other: Any, changed: dict[str, str]) -> None:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            _collect(f"{name}.{key}" if name else str(key), one.get(key), other.get(key), changed)
    elif one != other:
        changed[name] = text_of(one)


def shared_settings(runs: Sequence[Run]) -> dict[str, str]:
    """Return what all runs have alike, by the first level of names, as text."""
    first = settings_of(runs[0])
    return {
        key: text_of(value)
        for key, value in first.items()
        if all(settings_of(run).get(key) == value for run in runs[1:])
    }


def text_of(value: Any) -> str:
    """Return a setting as short text."""
    if value is None:
        return ABSENT
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(entry)}" for key, entry in value.items()) or ABSENT
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)
