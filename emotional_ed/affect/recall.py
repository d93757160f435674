"""Mood-congruent recall: sustained displeasure brings back another memory of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, commit, stack
from emotional_ed.affect.surprise import Standardiser, SurpriseConfig
from emotional_ed.checks import require_int, require_range
from emotional_ed.nested import Clock, Signals


@dataclass(frozen=True, kw_only=True)
class RecallConfig:
    """How many value memories there are, and how much displeasure switches between them."""

    slots: int = 2
    """Number of value memories, in [1, 1000]; 1 switches recall off."""
    allowance: float = 0.5
    """Mean displeasure an episode that is put up with, in standard units, >= 0."""
    threshold: float = 4.0
    """Displeasure beyond the allowance, summed over episodes, that switches, > 0."""
    mood_gain: float = 0.5
    """The threshold is multiplied by 1 + mood_gain * mood, in [0, 1]: a bad mood is quicker to give up."""
    decay: float = 0.05
    """Rate of the running scale of an episode's surprise, in (0, 1]."""

    def __post_init__(self) -> None:
        require_int("RecallConfig.slots", self.slots, 1, 1000)
        require_range("RecallConfig.allowance", self.allowance, 0)
        require_range("RecallConfig.threshold", self.threshold, 0, low_open=True)
        require_range("RecallConfig.mood_gain", self.mood_gain, 0, 1)
        require_range("RecallConfig.decay", self.decay, 0, 1, low_open=True)


@final
class Recall(Channel):
    """Every episode: a one-sided CUSUM on the episode's surprise chooses which value memory answers.

    Equation:
        e = sum of lss over the episode;  z = e in units of its own running scale
        displeasure = max(0, displeasure - z - allowance)
        if displeasure > threshold (1 + mood_gain mood):  slot = (slot + 1) mod slots,  displeasure = 0

    Source: mood-congruent recall, Bower (1981), "Mood and memory".
    When it does harm: where nothing recurs, the other memory is of no use and has to be relearned.

    Shapes:
        total, displeasure: [P]; slot: [P] int64.
    """

    total: Tensor
    displeasure: Tensor
    slot: Tensor
    slots: Tensor
    allowance: Tensor
    threshold: Tensor
    mood_gain: Tensor

    def __init__(self, configs: Sequence[RecallConfig]) -> None:
        super().__init__("recall", Clock(event="episode_end"), after=("mood",))
        population = len(configs)
        self.standardiser = Standardiser([SurpriseConfig(decay=config.decay) for config in configs])
        self.register_buffer("total", torch.zeros(population))
        self.register_buffer("size", torch.zeros(population))
        self.register_buffer("displeasure", torch.zeros(population))
        self.register_buffer("slot", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("slots", stack(configs, "slots").to(torch.int64), persistent=False)
        for name in ("allowance", "threshold", "mood_gain"):
            self.register_buffer(name, stack(configs, name), persistent=False)

    size: Tensor

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Add up the episode's surprise and note how large its targets are."""
        lss, size = signals["lss"], signals["target"].abs()
        self.total += lss if active is None else lss * active
        self.size = torch.maximum(self.size, size if active is None else size * active)
        signals["displeasure"] = self.displeasure.clone()

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Judge the episode, and recall another memory if this has gone on for too long."""
        z = self.standardiser.standardise(self.total, self.size, due)
        displeasure = (self.displeasure - z - self.allowance).clamp_min(0)
        threshold = self.threshold * (1 + self.mood_gain * signals["mood"])
        switch = (displeasure > threshold) & (self.slots > 1)
        commit(self.displeasure, displeasure.masked_fill(switch, 0), due)
        commit(self.slot, torch.where(switch, (self.slot + 1) % self.slots, self.slot), due)
        nothing = torch.zeros_like(self.total)
        commit(self.total, nothing, due)
        commit(self.size, nothing, due)

    def cut_episode(self) -> None:
        """Drop what the running episode has added up."""
        self.total.zero_()
        self.size.zero_()
