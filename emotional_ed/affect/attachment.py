"""Attachment: what things have come to be worth; grief when one is lost, and yearning for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory, share_per_feature
from emotional_ed.nested import Signals

_TINY = 1e-30
_HEED = 1e3  # how much louder a slow memory that is yearned after speaks than the fast one


@dataclass(frozen=True, kw_only=True)
class AttachmentConfig(ChannelConfig):
    """How slowly worth is learned, how loss is mourned, and what both do."""

    step_size: float = 0.02
    """Share of a surprise that the slow memory takes up, in [0, 1]; 0 leaves it at zero."""
    decay: float = 0.05
    """Share by which fast values fall back toward slow ones at an episode's end, in [0, 1]."""
    gate: float = 0.5
    """The decay is multiplied by 1 - gate * mood, in [0, 1]: in a bad mood the fast memory yields more."""
    mourning: float = 0.3
    """Share by which one loss raises grief, in [0, 1]."""
    acceptance: float = 0.005
    """Rate at which grief fades a step, in (0, 1]."""
    yearning: float = 0.0
    """Times the gap of slow and fast values: how often an episode is lived by the slow ones, in [0, 1e6]."""
    prior: float = 0.0
    """How firmly nothing is expected of what was never met, in [0, 1]; at 1 its fast values fade to zero."""

    def __post_init__(self) -> None:
        require_range("AttachmentConfig.step_size", self.step_size, 0, 1)
        require_range("AttachmentConfig.decay", self.decay, 0, 1)
        require_range("AttachmentConfig.gate", self.gate, 0, 1)
        require_range("AttachmentConfig.mourning", self.mourning, 0, 1)
        require_range("AttachmentConfig.acceptance", self.acceptance, 0, 1, low_open=True)
        require_range("AttachmentConfig.yearning", self.yearning, 0, LARGEST_GAIN)
        require_range("AttachmentConfig.prior", self.prior, 0, 1)


@final
class Attachment(Channel):
    """Every step: a slow memory S of values, shielded by grief; the fast one falls back to it.

    Equation:
        loss   = clip((S(s, a) - y)/(limit unit), 0, 1)
        grief += mourning (loss - grief) if loss > grief else -acceptance grief
        S(s, a) += step_size (1 - grief) (y - S(s, a)),  from 0
        B(s, a) += step_size (1 - grief) (1 - B(s, a)),  from prior
        at an episode's end:  Q += decay (1 - gate mood) (S - B Q)    (the agent does this, see `retention`)
        gap = mean over the episode of max(0, max_a S(s, a) - Q(s, a_t)) / (|max_a S| + |Q|)
        longing += yearning gap; at 1 the next episode is lived by S, and longing starts anew

    One bad week does not overwrite what the slow memory knows: grief keeps it. Grief fades; visits to what
    is lost then teach S the loss, and yearning with it. B, the bond, is how far S is known: S/B is the mean
    of the targets met, so fast values fall back to that, and those of what was never met stay as they are.
    Without it they fall back to a mean that still begins at zero, which is a promise where most is bad.

    Source: Bowlby (1980), "Loss"; complementary learning systems, McClelland, McNaughton and O'Reilly (1995);
    the bias of means that begin at zero, Kingma and Ba (2015), section 3.
    When it does harm: where nothing comes back, the slow memory is a wrong anchor, and yearning goes in vain.

    Where recall selects among several value memories, every one has a slow memory and a bond of its own:
    `memory` and `bond` are those of the one in use, the others rest on shelves. Features that are real
    numbers have no bond; deep agents have slow heads (`SlowHeads`), which begin where the fast ones are.

    Shapes:
        memory.M, bond: [P, A, K]; grief, longing: [P]; visiting: [P] bool.
        With recall of S memories, shelf, bonds: [P, S, A, K]; slot: [P] int64.
    """

    bond: Tensor
    everyone: Tensor
    grief: Tensor
    longing: Tensor
    gap: Tensor
    steps: Tensor
    visiting: Tensor
    step_size: Tensor
    decay: Tensor
    gate: Tensor
    mourning: Tensor
    acceptance: Tensor
    yearning: Tensor
    prior: Tensor
    rate: Tensor
    shelf: Tensor
    bonds: Tensor
    slot: Tensor

    name = "attachment"
    Config = AttachmentConfig
    after = ("surprise", "mood")
    needs = ("surprise",)

    def start(self, configs: Sequence[AttachmentConfig]) -> None:
        """Start attached to nothing."""
        population, actions, keys, _, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        first = torch.tensor([config.prior for config in configs])[:, None, None]
        self.register_buffer("bond", first.repeat(1, actions, keys))
        self.register_buffer("everyone", torch.arange(population)[:, None], persistent=False)
        self.remember("grief", "longing", "gap", "steps")
        self.register_buffer("visiting", torch.zeros(population, dtype=torch.bool))
        self.register_buffer("rate", torch.zeros(population), persistent=False)
        self.yearns = any(config.yearning > 0 for config in configs)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Mourn, learn slowly, and long for what was better."""
        key, target, chosen = signals["key"], signals["target"], signals["chosen"]
        held = target - signals["lss"]
        slow = self.memory.read(key)  # [P, A]
        expected = slow.gather(-1, signals["action"][:, None]).squeeze(-1)
        standardiser = cast(Surprise, self.setting.levels["surprise"]).standardiser
        unit = (standardiser.limit * standardiser.unit).clamp_min(_TINY)
        loss = ((expected - target) / unit).clamp(0, 1)
        grief = self.grief + torch.where(
            loss > self.grief, self.mourning * (loss - self.grief), -self.acceptance * self.grief
        )
        commit(self.grief, grief, due)
        mask = chosen if due is None else chosen & due[:, None]
        share = share_per_feature(self.memory.M, self.step_size * (1 - grief), key)
        self.memory.write(key, target[:, None].expand_as(chosen), share, mask)
        self._bind(key, signals["action"], self.step_size * (1 - grief), due)
        if self.yearns:
            self._long(slow.amax(-1), held, signals["done"], due)
        mood = self.hear(signals, "mood")
        rate = self.decay if mood is None else (self.decay * (1 - self.gate * mood)).clamp_max(1)
        ends = signals["done"] if due is None else signals["done"] & due
        self.rate.copy_(rate * self.present * ends)
        signals["attachment"] = expected
        signals["grief"] = grief * self.present

    def _bind(self, key: Tensor, action: Tensor, rate: Tensor, due: Tensor | None) -> None:
        """Know the features of this state, under this action, better by `rate` [P]."""
        if key.is_floating_point():
            return
        at = (self.everyone, action[:, None], key if key.ndim == 2 else key[:, None])  # [P, T]
        held = self.bond[at]
        gained = rate[:, None] * (1 - held)
        self.bond[at] = held + (gained if due is None else gained * due[:, None])

    def _long(self, best: Tensor, held: Tensor, done: Tensor, due: Tensor | None) -> None:
        relative = (best - held).clamp_min(0) / (best.abs() + held.abs()).clamp_min(_TINY)
        gap, steps = self.gap + relative, self.steps + 1
        longing = self.longing + done * self.yearning * gap / steps
        visiting = torch.where(done, longing >= 1, self.visiting)
        commit(self.longing, torch.where(done & visiting, torch.zeros_like(longing), longing), due)
        commit(self.visiting, visiting, due)
        commit(self.gap, gap.masked_fill(done, 0), due)
        commit(self.steps, steps.masked_fill(done, 0), due)

    def retention(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return how far fast values fall back now, [P], 0 within an episode, to what, and how firmly.

        Returns:
            rate [P], slow values S and the bond B, [P, A, K] each: Q += rate (S - B Q).
        """
        return self.rate, self.memory.M, self.bond

    def make_room(self, slots: int) -> None:
        """Keep a slow memory for each of `slots` value memories; called once, before the first step."""
        population = self.setting.population
        self.register_buffer("shelf", torch.zeros(population, slots, *self.memory.M.shape[1:]))
        self.register_buffer("bonds", self.bond[:, None].repeat(1, slots, 1, 1))
        self.register_buffer("slot", torch.zeros(population, dtype=torch.int64))

    def follow(self, slot: Tensor, begun: Tensor | None = None) -> None:
        """Take up the slow memories that belong to the value memories `slot` [P].

        Args:
            slot: which value memory answers from now on, [P] int64.
            begun: value memories that began anew, [P, S] bool; their slow ones, and the bonds, do too.
        """
        changed = slot != self.slot
        who = (changed if begun is None else changed | begun.any(-1)).nonzero().squeeze(-1)
        if not len(who):
            return
        self.shelf[who, self.slot[who]] = self.memory.M[who]
        self.bonds[who, self.slot[who]] = self.bond[who]
        if begun is not None:
            self.shelf[begun] = 0
            self.bonds[begun] = self.prior[begun.nonzero()[:, 0], None, None]
        self.slot.copy_(slot)
        self.memory.M[who] = self.shelf[who, slot[who]]
        self.bond[who] = self.bonds[who, slot[who]]

    def cut_episode(self) -> None:
        """Come home, and let nothing fall back."""
        self.rate.zero_()
        self.gap.zero_()
        self.steps.zero_()
        self.visiting.fill_(False)

    def modulate(self, key: Tensor) -> Drive | None:
        """Live by the slow memory while visiting."""
        if not self.yearns:
            return None
        return Drive(bias=self.memory.read(key) * (_HEED * self.visiting)[:, None])
