"""Salience: which moments are worth living again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature
from emotional_ed.nested import Signals

_EMOTIONS = ("fear", "anger", "arousal")


@dataclass(frozen=True, kw_only=True)
class SalienceConfig(ChannelConfig):
    """What makes a moment salient."""

    epistemic: float = 1.0
    """How much surprise that repeats counts over surprise that averages out, in [0, 1]."""
    step_size: float = 0.2
    """Share by which one surprise moves what is usual here, in (0, 1]; the first few count fully."""
    feeling: float = 0.0
    """Emotion adds feeling * (fear + anger + arousal), in [0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("SalienceConfig.epistemic", self.epistemic, 0, 1)
        require_range("SalienceConfig.step_size", self.step_size, 0, 1, low_open=True)
        require_range("SalienceConfig.feeling", self.feeling, 0, LARGEST_GAIN)


@final
class Salience(Channel):
    """Every step: how much there is to learn from this moment, in standard units.

    Equation:
        n(s, a) += 1;  m(s, a) += max(step_size, 1/n) (z - m(s, a))
        salience = (1 - epistemic) |z| + epistemic |m(s, a)| + feeling (fear + anger + arousal)

    Noise averages out of m, what can be learned does not: |m| is the part of surprise that learning reduces.

    Source: prioritised replay, Schaul et al. (2016); the reducible part of loss, Mindermann et al. (2022).
    When it does harm: it needs several visits to tell noise from news; the first surprise counts fully.

    Shapes:
        usual.M, visits.M: [P, A, K].
    """

    epistemic: Tensor
    step_size: Tensor
    feeling: Tensor

    name = "salience"
    Config = SalienceConfig
    after = ("surprise", *_EMOTIONS)

    def start(self, configs: Sequence[SalienceConfig]) -> None:
        """Start with nothing usual."""
        population, actions, keys, _, _ = self.setting
        self.usual = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        self.visits = AssociativeMemory(actions, keys, batch=(population,), solver="grad")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Judge this moment."""
        key, chosen, action = signals["key"], signals["chosen"], signals["action"][:, None]
        z = signals["surprise"]
        mask = chosen if due is None else chosen & due[:, None]
        visits = self.visits.read(key) + 1  # [P, A]
        one = share_per_feature(self.visits.M, torch.ones_like(z), key)
        self.visits.write(key, visits, one, mask)
        share = torch.maximum(self.step_size, 1 / visits.gather(-1, action).squeeze(-1))
        lss = self.usual.write(
            key, z[:, None].expand_as(chosen), share_per_feature(self.usual.M, share, key), mask
        )
        usual = z + (share - 1) * lss.gather(-1, action).squeeze(-1)
        felt = torch.zeros_like(z)
        for name in _EMOTIONS:
            emotion = self.hear(signals, name)
            if emotion is not None:
                felt = felt + emotion
        salience = (1 - self.epistemic) * z.abs() + self.epistemic * usual.abs()
        signals["salience"] = salience + self.feeling * felt
