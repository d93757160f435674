"""Aversion: one contact is enough, and it is kept until harmless contacts have worn it away, or for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect import Drive, FearConfig
from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Signals

SENSE = FearConfig(step_size=1.0, caution=0.0, avoidance=0.0)
"""The fear that an aversion listens to: it says how bad this step was, and does nothing."""


@dataclass(frozen=True, kw_only=True)
class AversionConfig(ChannelConfig):
    """How an aversion fades, and what it does."""

    forgetting: float = 0.0
    """Share by which a harmless contact lessens it, in [0, 1]; 0 never does, 1 remembers the last contact."""
    caution: float = 0.3
    """Values are lowered by caution * aversion * what is at stake before the greedy choice, in [0, 1e6]."""
    avoidance: float = 0.9
    """Random actions are drawn with weight 1 - avoidance * aversion, in [0, 1]."""

    def __post_init__(self) -> None:
        require_range("AversionConfig.forgetting", self.forgetting, 0, 1)
        require_range("AversionConfig.caution", self.caution, 0, LARGEST_GAIN)
        require_range("AversionConfig.avoidance", self.avoidance, 0, 1)


@final
class Aversion(Channel):
    """Every step: A(s, a) in [0, 1], the worst harm met there, less what harmless contacts took off.

    Equation:
        A(s, a) = max(c, (1 - forgetting) A(s, a)),  c the harm of this step as `SENSE` feels it
        score Q(s, a) - price A(s, a);  price = caution max(unit of surprise, typical |target|)

    With `forgetting` = 0 it is disgust: contamination that no clean contact takes back. Fear is a mean
    instead: quick at first, outweighed by as many harmless steps. With `forgetting` in between it is a fear
    that is quick every time and re-appraised at each contact. An action never taken again is never
    re-appraised, so that what keeps it tried is exploration.

    Source: Rozin and Fallon (1987), "A perspective on disgust"; Gross (1998) for reappraisal.
    When it does harm: where harm is luck, or where it has moved elsewhere.

    Shapes:
        memory.M: [P, A, K].
    """

    forgetting: Tensor
    caution: Tensor
    avoidance: Tensor
    whole: Tensor

    name = "aversion"
    Config = AversionConfig
    after = ("surprise", "fear")
    needs = ("surprise", "fear")

    def start(self, configs: Sequence[AversionConfig]) -> None:
        """Start without any."""
        population, actions, keys, _, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        self.register_buffer("whole", torch.ones(population), persistent=False)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Take this contact in."""
        harm = self.hear(signals, "fear")
        assert harm is not None  # it needs fear
        here = self.memory.entry(signals["key"], signals["action"])
        kept = torch.maximum(harm, (1 - self.forgetting) * here.held)
        here.take_up(kept, self.whole, due)
        signals["aversion"] = kept

    def begin_anew(self, who: Tensor) -> None:
        """Meet a new situation without aversions."""
        self.memory.M.masked_fill_(who[:, None, None], 0)

    def modulate(self, key: Tensor) -> Drive:
        """Lower the values of what is averse and draw it less often at random."""
        aversion = self.memory.read(key).clamp(0, 1)  # [P, A]
        price = self.caution * cast(Surprise, self.setting.levels["surprise"]).worth
        return Drive(bias=-(price[:, None] * aversion), avoidance=self.avoidance[:, None] * aversion)
