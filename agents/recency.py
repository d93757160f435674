"""A recency bonus: what was not tried here for long is worth a try, because the world may have changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig
from emotional_ed.checks import require_range
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class RecencyBonusConfig(ChannelConfig):
    """How much time makes an action attractive."""

    gain: float = 0.01
    """Bonus after one step without it, in units of value, in [0, 1e6]; it grows with the root of time."""

    def __post_init__(self) -> None:
        require_range("RecencyBonusConfig.gain", self.gain, 0, LARGEST_GAIN)


@final
class RecencyBonus(Channel):
    """Every step: what was not tried here for long is worth more; a rival of recall and curiosity.

    Equation:
        scores Q(s, a) + gain sqrt(tau(s, a)),  tau: steps of the member since a was last tried in s

    Before the first try, tau counts from the member's first step. With several features of a state, tau is
    their mean. It bends the choice only; nothing of it enters values.

    Reference:
        Sutton and Barto, section 8.3 (Dyna-Q+) and exercise 8.4, which puts the bonus into the choice.

    When it does harm: where nothing changes, or there is more to try than time; the bonus never wears off.

    Shapes:
        last: [P, A, K] int64, the step of the last try; steps: [P] int64.
    """

    last: Tensor
    steps: Tensor
    everyone: Tensor
    gain: Tensor

    name = "recency"
    Config = RecencyBonusConfig
    after = ()

    def start(self, configs: Sequence[RecencyBonusConfig]) -> None:
        """Start with nothing tried."""
        population, actions, keys = self.setting.population, self.setting.actions, self.setting.keys
        self.register_buffer("last", torch.zeros(population, actions, keys, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("everyone", torch.arange(population)[:, None], persistent=False)

    def waited(self, key: Tensor) -> Tensor:
        """Return tau in the state with memory key `key` [P] or [P, T], [P, A]."""
        columns = _features(key)
        rows = torch.arange(self.setting.actions, device=key.device)[None, :, None]
        tried = self.last[self.everyone[..., None], rows, columns[:, None, :]].sum(-1)  # [P, A]
        total = self.steps[:, None] * columns.shape[-1] - tried
        return total.to(torch.float32) / columns.shape[-1]

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Note when the action was tried."""
        action = signals["action"]
        waited = self.waited(signals["key"]).gather(-1, action[:, None]).squeeze(-1)
        self.steps += 1 if due is None else due.to(torch.int64)
        columns = _features(signals["key"])
        at = (self.everyone, action[:, None], columns)
        now = self.steps[:, None].expand_as(columns)
        self.last[at] = now if due is None else torch.where(due[:, None], now, self.last[at])
        signals["recency"] = waited

    def modulate(self, key: Tensor) -> Drive:
        """Raise the values of what was not tried for long."""
        return Drive(bias=self.gain[:, None] * self.waited(key).sqrt())


def _features(key: Tensor) -> Tensor:
    """Return the active features [P, T] of a state."""
    if key.is_floating_point():
        raise ValueError("key: got real-valued features, expected indices for a recency bonus")
    return key if key.ndim == 2 else key[:, None]
