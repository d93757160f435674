"""Anger: push again when something that ought to work is blocked, as long as pushing has paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_int, require_range
from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Signals


@dataclass(frozen=True, kw_only=True)
class AngerConfig(ChannelConfig):
    """How long to push, how fast to learn whether pushing pays, and what anger does meanwhile."""

    pain: float = 2.5
    """A step with a worse standardised surprise than -pain is a punishment, not a block, >= 0."""
    cap: int = 10
    """Most pushes in a row that anger asks for, >= 1."""
    step_size: float = 0.3
    """Share by which one success or failure moves the efficacy, in [0, 1]."""
    rate: float = 0.3
    """How fast anger rises while blocked and calms down afterwards, in (0, 1]."""
    persistence: float = 1.0
    """Scales the number of pushes, in [0, 1]; 0 never repeats."""
    step_gain: float = -0.5
    """Step size is multiplied by 1 + step_gain * anger; in [-1, 1e6].

    Below 0, a jam is not held against the aim."""

    def __post_init__(self) -> None:
        require_range("AngerConfig.pain", self.pain, 0)
        require_int("AngerConfig.cap", self.cap, 1)
        require_range("AngerConfig.step_size", self.step_size, 0, 1)
        require_range("AngerConfig.rate", self.rate, 0, 1, low_open=True)
        require_range("AngerConfig.persistence", self.persistence, 0, 1)
        require_range("AngerConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)


_KNOWN = 3  # steps before which nobody knows what an ordinary surprise is


@final
class Anger(Channel):
    """Every step: blocked means that an action expected to be best left the observation unchanged.

    Equation:
        blocked = greedy and unmoved and z > -pain, the episode goes on, and z is known well enough to tell
        n       = n + 1 if blocked else 0;  limit = persistence cap E(s, a)
        E(s, a) += step_size ([moved] - E(s, a))    when a blocked action at last moves, or n reaches limit
        anger   += rate ([blocked] E(s, a) - anger)
        push again while blocked and n < limit

    Efficacy E starts at 1 and falls wherever pushing does not help, so a door that never opens is left. A
    fall that leads back to where it began leaves the observation unchanged too; its surprise tells it apart,
    once enough steps were seen to know what is ordinary.

    Source: frustration as invigoration, Amsel (1958); learned helplessness for its decline, Maier and
    Seligman (1976).
    When it does harm: where standing still is what a good action does (waiting), until E has fallen.

    Shapes:
        memory.M: [P, A, K]; pushes, level: [P]; action: [P] int64, persist: [P] bool.
    """

    pushes: Tensor
    level: Tensor
    persist: Tensor
    action: Tensor
    pain: Tensor
    cap: Tensor
    step_size: Tensor
    rate: Tensor
    persistence: Tensor
    step_gain: Tensor
    most: Tensor
    lowest: Tensor
    zero: Tensor
    one: Tensor

    name = "anger"
    Config = AngerConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[AngerConfig]) -> None:
        """Start calm, and sure that pushing helps."""
        population, actions, keys, active, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad", initial=1 / active)
        self.remember("pushes", "level")
        self.register_buffer("persist", torch.zeros(population, dtype=torch.bool))
        self.register_buffer("action", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("most", self.persistence * self.cap, persistent=False)
        self.register_buffer("lowest", -self.pain, persistent=False)
        self.register_buffer("zero", torch.zeros(population), persistent=False)
        self.register_buffer("one", torch.ones(population), persistent=False)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Notice a block or a breakthrough, learn from it, and decide whether to push again."""
        if due is None and self._is_quiet(signals["moved"]):
            self._calm_down(signals)
            return
        action, moved, zero = signals["action"], signals["moved"], self.zero
        entry = self.memory.entry(signals["key"], action)
        efficacy = entry.held  # [P]
        pushing = self.pushes.to(torch.bool) & (action == self.action)
        known = cast(Surprise, self.setting.levels["surprise"]).standardiser.count > _KNOWN
        ordinary = known & (signals["surprise"] > self.lowest)
        blocked = (signals["greedy"] | pushing) & ordinary & ~(moved | signals["done"])
        pushes = torch.where(blocked, torch.where(pushing, self.pushes, zero).add_(self.one), zero)
        persist = blocked & (pushes < self.most * efficacy)
        through = pushing & moved
        learned = through | (blocked ^ persist)  # what is pushed again was blocked
        entry.take_up(through.to(efficacy.dtype), self.step_size, learned if due is None else learned & due)
        level = torch.where(blocked, efficacy, zero).sub_(self.level).mul_(self.rate).add_(self.level)
        commit(self.level, level, due)
        commit(self.pushes, pushes, due)
        commit(self.action, action, due)
        commit(self.persist, persist, due)
        signals["anger"] = level

    def _is_quiet(self, moved: Tensor) -> bool:
        """Return whether nobody is blocked or was pushing; False on a GPU, which looking would make wait."""
        return moved.device.type == "cpu" and bool(moved.all()) and not bool(self.pushes.any())

    def _calm_down(self, signals: Signals) -> None:
        """Do what is left to `update` where nobody is blocked or was pushing."""
        self.level.sub_(self.level * self.rate)
        self.action.copy_(signals["action"])
        signals["anger"] = self.level.clone()

    def bend_step(self, signals: Signals) -> Tensor:
        """Learn slower, or faster, while angry."""
        return (self.step_gain * signals["anger"]).add_(self.one)

    def cut_episode(self) -> None:
        """Stop pushing."""
        self.pushes.zero_()
        self.persist.fill_(False)

    def limit(self, members: Tensor, key: Tensor, action: Tensor) -> Tensor:
        """Return how many pushes [n] members [n] would make in states `key` [n] or [n, T] by `action` [n]."""
        held = self.memory.M[members[:, None], action[:, None], key.reshape(len(key), -1)]  # [n, T]
        return (self.most * self.present)[members] * held.sum(-1)

    def modulate(self, key: Tensor) -> Drive:
        """Repeat the blocked action while it is worth it."""
        return Drive(persist=self.persist, action=self.action)
