"""Anger: push again when something that ought to work is blocked, as long as pushing has paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, Prospect, commit
from emotional_ed.affect.drive import EXCLUDED, Drive
from emotional_ed.affect.resignation import COUNTS, Push, Resignation
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_bool, require_int, require_range
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
    """Share by which one success or failure moves the efficacy of that action there, in [0, 1]."""
    helplessness: float = 0.01
    """Share by which it moves the efficacy of pushing at all, in [0, 1]; 0 generalises nothing."""
    resigns: bool = False
    """Whether pushing is weighed against leaving, and what was given up left alone until the episode ends."""
    gain_step_size: float = 0.03
    """Only with resigns: share by which one run of pushes moves what pushing on gains, in [0, 1]."""
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
        require_range("AngerConfig.helplessness", self.helplessness, 0, 1)
        require_bool("AngerConfig.resigns", self.resigns)
        require_range("AngerConfig.gain_step_size", self.gain_step_size, 0, 1)
        require_range("AngerConfig.rate", self.rate, 0, 1, low_open=True)
        require_range("AngerConfig.persistence", self.persistence, 0, 1)
        require_range("AngerConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)


_KNOWN = 3  # steps before which nobody knows what an ordinary surprise is


@final
class Anger(Channel):
    """Every step: blocked means that an action expected to be best left the observation unchanged.

    Equation:
        blocked = greedy and unmoved and z > -pain, the episode goes on, and z is known well enough to tell
        n       = n + 1 if blocked else 0;  limit = persistence cap E(s, a) G
        E(s, a) += step_size ([moved] - E(s, a))    when a blocked action at last moves, or n reaches limit
        G       += helplessness ([moved] - G)       then too
        anger   += rate ([blocked] E(s, a) G - anger)
        push again while blocked and n < limit

    Efficacy E starts at 1 and falls wherever pushing does not help, so a door that never opens is left.
    Efficacy G is that of pushing at all: where walls abound and no door is jammed it falls, slowly. A fall
    that leads back to where it began leaves the observation unchanged too; its surprise tells it apart, once
    enough steps were seen to know what is ordinary.

    With resigns=True, for one-hot keys and where level 0 asks what is foreseen (`EmotionalQ`), pushing on is
    weighed against leaving, and what was given up is left alone:
        L       = max Q(s, b) over the b != a that were not given up
        D(s, a, j) += gain_step_size (G_j - L - D(s, a, j))     for all counts j of a run that ends
        push again while blocked and (n < limit or (n < persistence cap and D(s, a, n) > 0))
        E(s, a) += step_size (0 - E(s, a)); G as above          when it does not push again
        Q(s', a) seen by level 0 = L + max(0, D(s, a, n)) if it pushes again; below all others if given up
    E is hope, which only falls; knowledge D takes over from it. G_j is the return of the run from count j on.
    It ends with level 0's target, when the action at last moves or is given up. D is free of its initial
    bias. An action is given up when a push that anger asked for was blocked and no other is to follow; it is
    not chosen as the best until the episode ends, whatever Q(s, a), which is the value of the first push.

    Source: frustration as invigoration, Amsel (1958); learned helplessness for its decline, Maier and
    Seligman (1976), and G for its generality. D is a Monte Carlo advantage: Sutton and Barto, chapter 5.
    When it does harm: where standing still is what a good action does (waiting), until E has fallen. With
    resigns, also in mazes of many walls, each of which has to be learned by pushing, and where what was given
    up would have worked later in the same episode. A step with resigns takes about twice the time of anger.

    Shapes:
        memory.M: [P, A, K], E; general: [P], G; pushes, level: [P]; action: [P] int64, persist: [P] bool;
        resignation as there, None if no member resigns.
    """

    general: Tensor
    pushes: Tensor
    level: Tensor
    persist: Tensor
    action: Tensor
    pain: Tensor
    cap: Tensor
    step_size: Tensor
    helplessness: Tensor
    resigns: Tensor
    gain_step_size: Tensor
    rate: Tensor
    persistence: Tensor
    step_gain: Tensor
    most: Tensor
    lowest: Tensor
    zero: Tensor
    one: Tensor
    resignation: Resignation | None

    name = "anger"
    Config = AngerConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[AngerConfig]) -> None:
        """Start calm, and sure that pushing helps."""
        population, actions, keys, active, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad", initial=1 / active)
        self.register_buffer("general", torch.ones(population))
        self.remember("pushes", "level")
        self.register_buffer("persist", torch.zeros(population, dtype=torch.bool))
        self.register_buffer("action", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("most", self.persistence * self.cap, persistent=False)
        self.register_buffer("lowest", -self.pain, persistent=False)
        self.register_buffer("zero", torch.zeros(population), persistent=False)
        self.register_buffer("one", torch.ones(population), persistent=False)
        who = (self.resigns > 0) & (self.present > 0)
        weighs = active == 1 and bool(who.any())
        self.resignation = (
            Resignation(population, actions, keys, who, self.gain_step_size) if weighs else None
        )
        self._push: Push | None = None

    @property
    def foresees(self) -> bool:
        """Whether some member resigns, and states can be told apart."""
        return self.resignation is not None

    def foresee(self, prospect: Prospect) -> Tensor | None:
        """Return what is added to the values at the state reached, because of what was blocked there."""
        if self.resignation is None or prospect.key.ndim > 1:
            return None
        push = self._push = self._weigh(prospect, self.resignation)
        held = prospect.values.gather(-1, prospect.action[:, None]).squeeze(-1)
        again = push.persist & self.resignation.who
        stay = torch.where(push.give_up, EXCLUDED, push.leave + push.gain.clamp_min(0) - held)
        here = prospect.chosen & (again | push.give_up)[:, None]
        return torch.where(here, stay[:, None], self.resignation.left(prospect.next_key) * EXCLUDED)

    def _weigh(self, prospect: Prospect, resignation: Resignation) -> Push:
        """Tell whether a step was blocked, and weigh pushing on against leaving, before any surprise."""
        key, action, who = prospect.key, prospect.action, resignation.who
        left = resignation.left(key)  # [P, A]
        was = left.gather(-1, action[:, None]).squeeze(-1)
        others = prospect.values.masked_fill(left | prospect.chosen, EXCLUDED).amax(-1)
        cornered = others <= EXCLUDED
        held = prospect.values.gather(-1, action[:, None]).squeeze(-1)
        efficacy = self.memory.entry(key, action)
        pushing = self.pushes.to(torch.bool) & (action == self.action)
        pushes = torch.where(pushing, self.pushes + self.one, self.one)
        gain, known = resignation.gained(action, key, pushes)
        worth = who & (pushes < self.most) & (gain > 0)
        blocked = ~(prospect.moved | prospect.done) & ((prospect.greedy & ~was) | pushing | (worth & ~was))
        persist = blocked & ((pushes < self.most * (efficacy.held * self.general)) | worth)
        committed = pushing & self.persist & who
        return Push(
            pushing=pushing, committed=committed, blocked=blocked, pushes=pushes, efficacy=efficacy,
            persist=persist, leave=torch.where(cornered, held, others), gain=gain, loses=known & (gain <= 0),
            give_up=committed & blocked & ~persist & ~cornered, discount=prospect.discount,
        )  # fmt: skip

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Notice a block or a breakthrough, learn from it, and decide whether to push again."""
        push = self._push
        if push is not None:
            self._push = None
            self._update_weighed(signals, push, due)
            return
        if due is None and self._is_quiet(signals["moved"]):
            self._calm_down(signals)
            return
        action, moved, zero = signals["action"], signals["moved"], self.zero
        entry = self.memory.entry(signals["key"], action)
        efficacy = entry.held * self.general  # [P]
        pushing = self.pushes.to(torch.bool) & (action == self.action)
        known = cast(Surprise, self.setting.levels["surprise"]).standardiser.count > _KNOWN
        ordinary = known & (signals["surprise"] > self.lowest)
        blocked = (signals["greedy"] | pushing) & ordinary & ~(moved | signals["done"])
        pushes = torch.where(blocked, torch.where(pushing, self.pushes, zero).add_(self.one), zero)
        persist = blocked & (pushes < self.most * efficacy)
        through = pushing & moved
        learned = through | (blocked ^ persist)  # what is pushed again was blocked
        learned = learned if due is None else learned & due
        entry.take_up(through.to(efficacy.dtype), self.step_size, learned)
        self._generalise(through, learned)
        self._remember(signals, torch.where(blocked, efficacy, zero), pushes, persist, due)

    def _update_weighed(self, signals: Signals, push: Push, due: Tensor | None) -> None:
        """Do the same with what was weighed before; a member that does not resign gets the same numbers."""
        resignation = cast(Resignation, self.resignation)
        if due is None and self._is_quiet(signals["moved"]):
            self._calm_down(signals)
            resignation.forget(signals["done"])
            return
        surprise = cast(Surprise, self.setting.levels["surprise"])
        ordinary = signals["surprise"] > self.lowest
        # A later push disappoints level 0, which holds the value of the first.
        ordinary = ordinary | (push.committed & (signals["reward"] > self.lowest * surprise.unit))
        ordinary = ordinary & (surprise.standardiser.count > _KNOWN)
        push = push._replace(
            blocked=push.blocked & ordinary, persist=push.persist & ordinary, give_up=push.give_up & ordinary
        )
        blocked, efficacy = push.blocked, push.efficacy.held * self.general
        through = push.pushing & signals["moved"]
        ended = through | (blocked ^ push.persist)
        ended = ended if due is None else ended & due
        learned = ended & ~(through & resignation.who)  # what resigns remembers that as a gain
        push.efficacy.take_up(through.to(efficacy.dtype), self.step_size, learned)
        self._generalise(through, ended)
        resignation.learn(signals, push, self.pushes, due)
        pushes = torch.where(blocked, push.pushes, self.zero)
        self._remember(signals, torch.where(blocked, efficacy, self.zero), pushes, push.persist, due)

    def _remember(
        self, signals: Signals, anger: Tensor, pushes: Tensor, persist: Tensor, due: Tensor | None
    ) -> None:
        """Move the level toward this step's anger [P], and keep what the next step has to know."""
        level = anger.sub_(self.level).mul_(self.rate).add_(self.level)
        commit(self.level, level, due)
        commit(self.pushes, pushes, due)
        commit(self.action, signals["action"], due)
        commit(self.persist, persist, due)
        signals["anger"] = level

    def _generalise(self, through: Tensor, learned: Tensor) -> None:
        """Learn from a run of pushes that has ended what pushing is worth anywhere."""
        change = self.helplessness * (through.to(self.general.dtype) - self.general)
        self.general.add_(torch.where(learned, change, self.zero))

    def _is_quiet(self, moved: Tensor) -> bool:
        """Return whether nobody is blocked or was pushing; False where nobody is to look."""
        if torch.compiler.is_compiling() or moved.device.type != "cpu":
            return False
        return bool(moved.all()) and not bool(self.pushes.any())

    def _calm_down(self, signals: Signals) -> None:
        """Do what is left to `update` where nobody is blocked or was pushing."""
        self.level.sub_(self.level * self.rate)
        self.action.copy_(signals["action"])
        signals["anger"] = self.level.clone()

    def bend_step(self, signals: Signals) -> Tensor:
        """Learn slower, or faster, while angry."""
        return (self.step_gain * signals["anger"]).add_(self.one)

    def cut_episode(self) -> None:
        """Stop pushing, and forget what was given up."""
        self.pushes.zero_()
        self.persist.fill_(False)
        if self.resignation is not None:
            self.resignation.cut_episode()

    def limit(self, members: Tensor, key: Tensor, action: Tensor) -> Tensor:
        """Return how many pushes [n] members [n] would make in states `key` [n] or [n, T] by `action` [n]."""
        held = self.memory.M[members[:, None], action[:, None], key.reshape(len(key), -1)]  # [n, T]
        most = (self.most * self.present)[members]
        hope = most * (held.sum(-1) * self.general[members])
        if self.resignation is None or key.ndim > 1:
            return hope
        counts = torch.arange(1, COUNTS, device=hope.device)
        pays = self.resignation.pays(members, action, key)  # [n, counts]
        again = ((counts < hope[:, None]) | pays) & (counts < most[:, None])
        unbroken = again.long().cumprod(-1).sum(-1)  # pushes after which it pushes again
        beyond = torch.where(pays[:, -1], most, hope)
        known = torch.where(unbroken == COUNTS - 1, beyond, torch.minimum(unbroken + 1.0, most))
        return torch.where(self.resignation.who[members], known, hope)

    def modulate(self, key: Tensor) -> Drive:
        """Repeat the blocked action while it is worth it, and leave alone what was given up."""
        if self.resignation is None or key.ndim > 1:
            return Drive(persist=self.persist, action=self.action)
        return Drive(persist=self.persist, action=self.action, exclude=self.resignation.left(key))
