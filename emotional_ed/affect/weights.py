"""Self-modifying weights: how far each emotion is trusted is itself a memory, written by how things went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig, same_for_all
from emotional_ed.checks import require_bool, require_int, require_range
from emotional_ed.nested import Clock, Signals

_FIRST = 1e30  # optimism about a gain that was never tried


@dataclass(frozen=True, kw_only=True)
class WeightsConfig(ChannelConfig):
    """Whose weights are learned, among which values, and how."""

    channels: tuple[str, ...] = ("arousal", "fear", "anger")
    """Channels that are weighed; all must be there; the same for a whole population."""
    gains: tuple[float, ...] = (1.0, 0.0)
    """Weights that are tried, each in [0, 1], in the order of the first trials; a single one is constant."""
    together: bool = True
    """One weight for all channels (insurance against emotion as such), or one for each."""
    episodes: int = 4
    """Episodes that one trial lasts, >= 1."""
    step_size: float = 0.1
    """Share by which one trial moves what is held of a weight, in (0, 1]; the first few count fully."""
    optimism: float = 0.5
    """Width of the upper confidence bound in units of the outcomes' spread, in [0, 1e6]."""
    patience: float = 0.97
    """Discount of how well other weights are known, a trial, in (0, 1]: what is long ago is tried again."""

    def __post_init__(self) -> None:
        names = self.channels
        if not isinstance(names, tuple) or not names or len(set(names)) < len(names):
            raise ValueError(f"WeightsConfig.channels: got {names!r}, expected a tuple of different channels")
        gains = self.gains
        if not isinstance(gains, tuple) or not gains or len(set(gains)) < len(gains):
            raise ValueError(f"WeightsConfig.gains: got {gains!r}, expected a tuple of different weights")
        for gain in self.gains:
            require_range("WeightsConfig.gains", gain, 0, 1)
        require_bool("WeightsConfig.together", self.together)
        require_int("WeightsConfig.episodes", self.episodes, 1)
        require_range("WeightsConfig.step_size", self.step_size, 0, 1, low_open=True)
        require_range("WeightsConfig.optimism", self.optimism, 0, 1e6)
        require_range("WeightsConfig.patience", self.patience, 0, 1, low_open=True)


@final
class Weights(Channel):
    """Every episode: a bandit in each emotional context chooses the weight of each channel.

    Equation:
        x = 1 if mood < 0 else 0 (0 without mood)
        outcome o = mean return of the trial's episodes, less fear's price of every declared danger
        all n *= patience;  n(w, x) += 1;  V(w, x) += max(step_size, 1/n) (o - V(w, x))
        spread += step_size (max |o - V(w, x)| - spread), of weights tried before; the first is taken as it is
        next w = argmax_w V(w, x) + optimism spread / sqrt(n(w, x)), those never tried first

    x is the context in which the trial began. With one bandit for each channel they take turns to choose, one
    a trial, so that their outcomes can be told apart. A weight of 0 is the agent without that emotion:
    choosing it is insurance. What scales is everything that the channel bends: the choice of actions, the
    step size, and how far values fall back to what is attached to.

    Source: discounted UCB, Garivier and Moulines (2011); weights as a memory that modifies itself, Behrouz et
    al., arXiv 2512.24695, section 8.
    When it does harm: trials of the worse weight cost what they cost, and in short lives they are many.

    Shapes:
        value, number: [P, B, G, 2], B bandits (one, or one a channel) of G weights in 2 contexts;
        choice: [P, B] int64; turn: [P] int64, the bandit that chooses next.
    """

    value: Tensor
    number: Tensor
    choice: Tensor
    context: Tensor
    turn: Tensor
    total: Tensor
    finished: Tensor
    spread: Tensor
    gain: Tensor
    step_size: Tensor
    optimism: Tensor
    patience: Tensor
    episodes: Tensor
    index: Tensor
    bandit: Tensor

    name = "weights"
    Config = WeightsConfig
    clock = Clock(event="episode_end")
    after = ("surprise", "fear", "mood")

    def start(self, configs: Sequence[WeightsConfig]) -> None:
        """Start with the first weight for all."""
        self.weighed: tuple[str, ...] = same_for_all(configs, "channels")
        gains = same_for_all(configs, "gains")
        population = self.setting.population
        self.bandits = 1 if same_for_all(configs, "together") else len(self.weighed)
        self.register_buffer("gain", torch.tensor(gains, dtype=torch.float32), persistent=False)
        shape = (population, self.bandits, len(gains), 2)
        self.register_buffer("value", torch.zeros(shape))
        self.register_buffer("number", torch.zeros(shape))
        self.register_buffer("choice", torch.zeros(population, self.bandits, dtype=torch.int64))
        self.register_buffer("context", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("turn", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("index", torch.arange(len(gains)), persistent=False)
        self.register_buffer("bandit", torch.arange(self.bandits), persistent=False)
        self.remember("total", "finished", "spread")

    def of(self, name: str) -> Tensor | None:
        """Return the present weight of a channel, [P], 1 where none is learned; None if not weighed."""
        if name not in self.weighed:
            return None
        bandit = 0 if self.bandits == 1 else self.weighed.index(name)
        return torch.where(self.present > 0, self.gain[self.choice[:, bandit]], 1.0)

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Add up what the running trial earns."""
        earned = signals["reward"]
        if "danger_cost" in signals:
            earned = earned - signals["danger_cost"]
        self.total += earned if active is None else earned * active
        for name in self.weighed:
            weight = self.of(name)
            assert weight is not None
            signals[f"weight_{name}"] = weight

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Count an episode; at the end of a trial judge its weights and choose the next."""
        ended = torch.ones_like(self.total, dtype=torch.bool) if due is None else due
        self.finished += ended
        over = ended & (self.finished >= self.episodes)
        outcome = self.total / self.finished.clamp_min(1)
        mood = self.hear(signals, "mood")
        context = torch.zeros_like(self.context) if mood is None else (mood < 0).to(torch.int64)
        self._judge(outcome, over)
        self.context.copy_(torch.where(over, context, self.context))
        self._choose(over)
        self.total.masked_fill_(over, 0)
        self.finished.masked_fill_(over, 0)

    def _judge(self, outcome: Tensor, over: Tensor) -> None:
        tried = (self.index == self.choice[..., None])[..., None]  # [P, B, G, 1]
        here = self.context[:, None] == torch.arange(2, device=self.context.device)  # [P, 2]
        cell = tried & here[:, None, None, :] & over[:, None, None, None]
        kept = torch.where(over, self.patience, 1.0)[:, None, None, None]
        number = self.number * kept + cell
        rate = torch.maximum(self.step_size[:, None, None, None], 1 / number.clamp_min(1))
        miss = outcome[:, None, None, None] - self.value
        known = cell & (self.number > 0)
        worst = torch.where(known, miss.abs(), 0.0).amax((1, 2, 3))
        change = torch.where(self.spread > 0, self.step_size * (worst - self.spread), worst)
        self.spread += torch.where(known.any(-1).any(-1).any(-1), change, 0.0)
        self.value.copy_(torch.where(cell, self.value + rate * miss, self.value))
        self.number.copy_(number)

    def _choose(self, over: Tensor) -> None:
        where = self.context[:, None, None, None].expand(-1, *self.value.shape[1:3], 1)
        value, number = (one.gather(-1, where).squeeze(-1) for one in (self.value, self.number))  # [P, B, G]
        width = (self.optimism * self.spread)[:, None, None]
        bound = torch.where(number > 0, value + width / number.clamp_min(1e-3).sqrt(), _FIRST)
        best = bound == bound.amax(-1, keepdim=True)
        first = torch.where(best, self.index, len(self.gain)).amin(-1)
        chooses = over[:, None] & (self.bandit == self.turn[:, None])  # [P, B]
        self.choice.copy_(torch.where(chooses, first, self.choice))
        self.turn.copy_(torch.where(over, (self.turn + 1) % self.bandits, self.turn))

    def cut_episode(self) -> None:
        """Start the running trial anew."""
        self.total.zero_()
        self.finished.zero_()
