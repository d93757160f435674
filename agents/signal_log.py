"""Means of affective signals between two points in a log, under the tags that TensorBoard shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

TAGS = {
    "effective_step_size": "level0/effective_step_size",
    "surprise": "level0/surprise",
    "explored": "level0/explored",
    "persisted": "level0/persisted",
    "arousal": "level1/arousal",
    "fear": "level1/fear",
    "anger": "level1/anger",
    "regret": "level1/regret",
    "joy": "level1/joy",
    "curiosity": "level1/curiosity",
    "salience": "level1/salience",
    "attachment": "level2/attachment",
    "grief": "level2/grief",
    "mood": "level2/mood",
    "temperament": "level2/temperament",
    "displeasure": "level2/displeasure",
    "slot": "level2/memory_in_use",
}
"""Signal -> tag, for all agents; spectra, weights and channels of one's own go by their own names."""
_NOT_SHOWN = {"lss", "target", "reward", "danger", "step_factor", "fear_felt", "spectrum", "greedy", "moved"}


def _tag(name: str) -> str:
    if name.startswith("weight_"):
        return f"weights/{name.removeprefix('weight_')}"
    if name.startswith("spectrum_"):
        return f"level2/{name}"
    return TAGS.get(name, f"own/{name}")


def tags_of(signals: Mapping[str, Tensor]) -> dict[str, float]:
    """Return tag -> mean over members of one step's signals, [P] each, under the tags of all agents."""
    named = {_tag(name): value for name, value in signals.items() if _shown(name, value)}
    if "lss" in signals:
        named["level0/absolute_surprise"] = signals["lss"].abs()
    return {tag: float(value.double().mean()) for tag, value in named.items()}


def _shown(name: str, value: Tensor) -> bool:
    floating = value.is_floating_point() or name in ("explored", "persisted")
    return value.ndim == 1 and floating and name not in _NOT_SHOWN


@final
class SignalLog:
    """Adds up signals on the device and looks at them only at a point in the log."""

    def __init__(self) -> None:
        self.episodes = 0  # already shown
        self._names: tuple[str, ...] = ()
        self._total: Tensor | None = None
        self._steps = 0

    def add(self, signals: Mapping[str, Tensor]) -> None:
        """Take in one step's signals, [P] each."""
        if self._total is None:
            self._names = tuple(name for name, value in signals.items() if _shown(name, value))
            self._total = torch.zeros(
                len(self._names) + 1, *signals["lss"].shape, device=signals["lss"].device
            )
        self._total += torch.stack([signals["lss"].abs(), *(signals[name] for name in self._names)])
        self._steps += 1

    def means(self) -> dict[str, float]:
        """Return tag -> mean over members and steps since the last call, and start anew."""
        if self._total is None or not self._steps:
            return {}
        raw, *means = (self._total.double().mean(-1) / self._steps).tolist()
        self._total.zero_()
        self._steps = 0
        tagged = {_tag(name): mean for name, mean in zip(self._names, means, strict=True)}
        return {"level0/absolute_surprise": raw, **tagged}
