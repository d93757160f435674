"""Mood-congruent recall: displeasure that another memory would have spared brings that memory back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import Channel, ChannelConfig
from emotional_ed.affect.members import Members
from emotional_ed.affect.trial import ROUNDED, Ignorance, Trial, Verdict
from emotional_ed.checks import require_bool, require_choice, require_int, require_range
from emotional_ed.nested import Clock, Signals

_TINY = 1e-30
_NEVER = -1e30  # log posterior of a memory that is not there
_ALMOST = 1 - 1e-4  # of the way back to the floor: rounding decides nothing
_SCATTER = 2654435761  # spreads the numbers of episodes over [0, 2^32) (Knuth)


@dataclass(frozen=True, kw_only=True)
class RecallConfig(ChannelConfig):
    """How many value memories there is room for, and how much displeasure switches between them."""

    slots: int = 6
    """Most value memories kept, in [1, 1000]; how many are used is found. 1 switches recall off."""
    threshold: float = 2.0
    """Evidence against the present memory that switches, in nats, > 0."""
    reluctance: float = 0.3
    """A new memory needs 1 + reluctance times the evidence that an old one needs, in [0, 1e6]."""
    mood_gain: float = 0.5
    """The threshold is multiplied by 1 + mood_gain * mood, in [0, 1): a bad mood is quicker to give up."""
    decay: float = 0.05
    """Rate of the running scale of an episode's surprise, in (0, 1]."""
    floor: float = 0.05
    """Surprises below this share of the typical outcome count as small, in [0, 1]."""
    cue: str = "displeasure"
    """What switches: "displeasure", or as a control "chance": a timetable, every `threshold` episodes."""
    limit: float = 3.0
    """Standardised surprise of an episode beyond which evidence grows linearly only, in (0, 1000]."""
    infancy: int = 10
    """Episodes of every new memory from which it is learned what ignorance is worth, in [2, 1e6]."""
    hope: float = 1.0
    """How much worse than in ignorance it must go before all is begun anew, in standard errors, >= 0; with
    patience also how much better it must have gone, if it goes no better any more."""
    per_step: bool = False
    """Whether an episode's surprise is its mean over the steps, not their sum. Then it does not tell how far
    returns are from what is expected, and hope does not ask for it."""
    patience: int = 0
    """Episodes that a memory which was taken up has before it is doubted, in [0, 1e6]. Above 0, with
    `per_step` only, known memories are tried before a new one is begun, see `Trial`."""

    def __post_init__(self) -> None:
        require_int("RecallConfig.slots", self.slots, 1, 1000)
        require_range("RecallConfig.threshold", self.threshold, 0, low_open=True)
        require_range("RecallConfig.reluctance", self.reluctance, 0, 1e6)
        require_range("RecallConfig.mood_gain", self.mood_gain, 0, 1, high_open=True)
        require_range("RecallConfig.decay", self.decay, 0, 1, low_open=True)
        require_range("RecallConfig.floor", self.floor, 0, 1)
        require_choice("RecallConfig.cue", self.cue, ("displeasure", "chance"))
        require_range("RecallConfig.limit", self.limit, 0, 1000, low_open=True)
        require_int("RecallConfig.infancy", self.infancy, 2, 10**6)
        require_range("RecallConfig.hope", self.hope, 0)
        require_bool("RecallConfig.per_step", self.per_step)
        require_int("RecallConfig.patience", self.patience, 0, 10**6)
        if self.patience and not self.per_step:
            raise ValueError(
                f"RecallConfig.patience: got {self.patience} without per_step, expected 0, or per_step=True"
            )


class _Numbers(NamedTuple):
    """What the configuration says, for the members that are judged, [n] each."""

    threshold: Tensor
    mood_gain: Tensor
    decay: Tensor
    floor: Tensor
    limit: Tensor
    infancy: Tensor
    hope: Tensor
    per_step: Tensor
    patience: Tensor
    reluctance: Tensor
    """1 + reluctance."""
    several: Tensor
    """1 where there is room for several memories."""
    chance: Tensor
    """1 where chance is the cue."""


class Episode(NamedTuple):
    """An episode that has ended."""

    who: Members
    """Whose."""
    mood: Tensor
    """[P], of all members."""


class Judged(NamedTuple):
    """What an episode says of the memories of n members."""

    posterior: Tensor
    """[n, S + 1]."""
    stay: Tensor
    """[n] bool, who goes on with the present memory."""
    behind: Tensor
    """[n, S + 1], how far behind the present memory another can fall."""


@final
class Recall(Channel):
    """Every episode: which memory of values would have been surprised least by what happened?

    Equation:
        e_j = sum over the episode of the surprise that memory j would have felt; a blank memory, which
              expects nothing, would have felt the return. Each is divided by the number of steps if per_step
        z_j = e_j / unit;  unit = running mean of the present memory's own |e|, each clipped to limit units,
              and at least floor times that of |return|
        c_j = z_j^2/2, beyond |z_j| = limit linear (Huber's loss); for a blank memory at least that of the
              present one, unless the present one's surprise was displeasure (z < 0)
        L_j = max(L_j - c_j - max_i (L_i - c_i), -threshold_j (1 + mood_gain mood)); a blank memory is at most
              as likely as the best that is known, unless there is hope:
        hope:  mean return since a blank one became likelier than its floor, plus hope standard errors,
              is below the mean return of the first `infancy` episodes of all memories so far; the error is
              s sqrt(1/n + 1/m) after n such episodes, where s is the standard deviation of the m returns in
              ignorance; unless per_step at least u/sqrt(n), u: that running mean of |e|, this episode too
        slot = argmax L, the present one at a tie; a blank one takes an unused slot, or that of
              the memory that has not answered for longest

    L is the log posterior of a hidden Markov model whose states are the memories: a memory that was not
    right yesterday is not ruled out today, it is only `threshold` behind. So the number of memories is
    found: a new one is made when what happens would have surprised a blank memory less than all that are
    known, and when it goes worse than it did in ignorance. The second is what makes it safe: where success is
    rare, or where ignorance bites, bad luck is no reason to forget.

    Source: mood-congruent recall, Bower (1981); the inference is that of multiple-model learning, Doya,
    Samejima, Katagiri and Kawato (2002).
    When it does harm: where outcomes are so noisy that memories cannot be told apart; with per_step also
    where ignorance always returns the same, because then a single worse episode is hope enough.

    Shapes:
        posterior: [P, S + 1], the last for a blank memory; total: [P, S + 1]; used: [P, S] bool;
        slot: [P], age: [P, S], int64; fresh: [P] bool, slots that were taken as blank in this step;
        lived: [P, S], episodes with each memory; ignorance, doubt: [P, 2], sum of returns and number of
        episodes with young memories, and since a blank one became likelier than its floor; scatter: [P], sum
        of squared deviations of the former from their mean; steps: [P], of the running episode.
    """

    posterior: Tensor
    total: Tensor
    used: Tensor
    slot: Tensor
    age: Tensor
    fresh: Tensor
    lived: Tensor
    ignorance: Tensor
    doubt: Tensor
    steps: Tensor
    scatter: Tensor
    scale: Tensor
    outcome: Tensor
    episodes: Tensor
    displeasure: Tensor
    threshold: Tensor
    reluctance: Tensor
    mood_gain: Tensor
    decay: Tensor
    floor: Tensor
    limit: Tensor
    infancy: Tensor
    hope: Tensor
    per_step: Tensor
    patience: Tensor

    name = "recall"
    Config = RecallConfig
    clock = Clock(event="episode_end")
    after = ("mood",)
    needs = ("mood",)
    idles = True
    observes_alone = True

    def start(self, configs: Sequence[RecallConfig]) -> None:
        """Start with one memory in use."""
        population, room = self.setting.population, max(config.slots for config in configs)
        self.room = room
        self._in_use: int | None = None  # what the host knows about `used`
        self.register_load_state_dict_post_hook(_forget_count)  # type: ignore[no-untyped-call]
        self.register_buffer("posterior", torch.full((population, room + 1), _NEVER))
        self.posterior[:, 0] = 0
        self.register_buffer("total", torch.zeros(population, room + 1))
        self.register_buffer("used", torch.zeros(population, room, dtype=torch.bool))
        self.used[:, 0] = True
        self.register_buffer("age", torch.zeros(population, room, dtype=torch.int64))
        self.register_buffer("slot", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("fresh", torch.zeros(population, dtype=torch.bool))
        self.register_buffer("lived", torch.zeros(population, room))
        self.register_buffer("ignorance", torch.zeros(population, 2))
        self.register_buffer("doubt", torch.zeros(population, 2))
        self.remember("scale", "outcome", "episodes", "displeasure", "steps", "scatter")
        self.quick_judge: Callable[[Episode], Judged] | None = None
        """`judge` in less time, asked where it is everybody whose episode has ended."""
        tries = any(config.patience for config in configs)
        self.trial = Trial(population, room) if tries else None
        number = torch.tensor([config.slots for config in configs]) * self.present.to(torch.int64)
        self.register_buffer("allowed", torch.arange(room) < number[:, None], persistent=False)
        self.register_buffer("index", torch.arange(room + 1), persistent=False)
        self.register_buffer("is_blank", self.index == room, persistent=False)
        chance = torch.tensor([float(config.cue == "chance") for config in configs])
        self.any_chance = bool(chance.any())
        several = (number > 1).float()
        self.all_several = bool(several.all())
        named = {name: getattr(self, name) for name in _Numbers._fields[:-3]}
        numbers = _Numbers(**named, reluctance=1 + self.reluctance, several=several, chance=chance)
        self.register_buffer("numbers", torch.stack(numbers), persistent=False)  # in one, to be taken at once

    allowed: Tensor
    index: Tensor
    is_blank: Tensor
    numbers: Tensor

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of, which has no programs."""
        return {**self.__dict__, "quick_judge": None}

    @property
    def in_use(self) -> int:
        """How many of the slots, counted from the first, some member uses; the others hold nothing."""
        if self._in_use is None:
            self._in_use = int((self.used.any(0) * self.index[1:]).amax())
        return self._in_use

    @property
    def memories(self) -> Tensor:
        """How many memories each member has found so far, [P] int64."""
        return self.used.sum(-1)

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        """Add up what each memory would have felt in this episode."""
        known, reward = signals["slot_lss"], signals["reward"].unsqueeze(-1)
        blank = reward.expand(-1, self.room + 1 - known.shape[-1])  # expects nothing: it feels the reward
        felt = torch.cat([known, blank], dim=-1)  # [P, S + 1]
        self.total.add_(felt if active is None else felt * active[:, None])
        if self.trial is not None:
            self.trial.observe(felt, self.slot, self.floor * self.outcome, self.limit, active)
        self.steps.add_(1 if active is None else active.to(felt.dtype))
        self.fresh.zero_()
        signals["displeasure"] = self.displeasure * self.present
        signals["slot"] = self.slot.to(felt.dtype)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Judge the episode, and recall another memory, or begin a new one, if that explains it better."""
        who = Members(due)
        if who.nobody:
            return
        judge = self.quick_judge if who.everybody and self.quick_judge is not None else self.judge
        judged = judge(Episode(who, signals["mood"]))
        slot, posterior, stay = who.of(self.slot), judged.posterior, judged.stay
        goes = ~stay
        if bool(goes.any()):  # somebody goes on to another memory, which is rare
            slot, posterior = self._go(who, slot, judged)
        here = self.index == slot.unsqueeze(-1)  # [n, S + 1]
        nearness = (1 + posterior / judged.behind).masked_fill_(here, 0).amax(-1).clamp_min_(0)
        who.put(self.displeasure, nearness * stay)
        who.put(self.posterior, posterior)
        who.put(self.age, (who.of(self.age) + 1).masked_fill_(here[:, : self.room], 0))
        if self.trial is not None:
            self.trial.settle(who, goes)
            if bool(self.fresh.any()):
                self.trial.forget(self.begun())
        who.clear(self.total)
        who.clear(self.steps)

    def judge(self, step: Episode) -> Judged:
        """Return what an episode says of the memories; looks at nothing, so that it can be compiled."""
        who = step.who
        numbers = _Numbers(*who.of(self.numbers, 1).unbind(0))
        total, slot = who.of(self.total), who.of(self.slot)
        present = slot.unsqueeze(-1)
        steps = torch.where(numbers.per_step > 0, who.of(self.steps), 1)
        felt = total / steps.unsqueeze(-1)
        z = self._standardise(who, numbers, felt, felt.gather(-1, present).squeeze(-1))
        size = z.abs()
        bounded = torch.minimum(size, numbers.limit.unsqueeze(-1))
        cost = bounded * (size - bounded / 2)
        own = cost.gather(-1, present)
        pleased = (z.gather(-1, present) >= 0) & self.is_blank
        cost = torch.where(pleased, torch.maximum(cost, own), cost)
        verdict: Verdict | None = None
        if self.trial is not None:
            verdict = self.trial.judge(who, numbers, present, cost)
            cost = verdict.cost
        known = who.of(self.used) & who.of(self.allowed)
        possible = torch.nn.functional.pad(known, (0, 1), value=True)  # a blank one always is
        score = torch.where(possible, who.of(self.posterior) - cost, _NEVER)
        behind = self._behind(numbers, who.of(step.mood))
        best = score[:, : self.room].amax(-1)
        above = score[:, -1] - best
        doubts, certain = above > -behind[:, -1], above <= -_ALMOST * behind[:, -1]
        hopeful = self._hope(who, numbers, slot, total[:, -1], doubts, certain)
        if verdict is not None:
            hopeful = hopeful & ~verdict.patient
            verdict = verdict._replace(doubted=score[:, -1] >= best)
        score[:, -1] = torch.where(hopeful, score[:, -1], torch.minimum(score[:, -1], best))
        score = score - score.amax(-1, keepdim=True)
        posterior = torch.where(possible, torch.maximum(score, -behind), _NEVER)
        if self.trial is not None and verdict is not None:
            posterior = self.trial.propose(who, numbers, verdict, present, known, posterior, behind)
        return self._choose(who, numbers, slot, posterior, behind)

    def _standardise(self, who: Members, numbers: _Numbers, total: Tensor, own: Tensor) -> Tensor:
        scale, usual, episodes = who.of(self.scale), who.of(self.outcome), who.of(self.episodes)
        own, outcome = own.abs(), total[:, -1].abs()
        unit = torch.maximum(scale, numbers.floor * usual)
        unit = torch.where(unit > 0, unit, own)  # nothing has ever surprised: this sets the scale
        size = torch.minimum(own, numbers.limit * unit)
        number = episodes + 1
        rate = torch.maximum(numbers.decay, number.reciprocal())
        who.put(self.scale, scale + rate * (size - scale))
        who.put(self.outcome, usual + rate * (outcome - usual))
        who.put(self.episodes, number)
        return total / unit.clamp_min(_TINY).unsqueeze(-1)

    def _hope(
        self,
        who: Members,
        numbers: _Numbers,
        slot: Tensor,
        outcome: Tensor,
        doubts: Tensor,
        certain: Tensor,
    ) -> Tensor:
        """Return whether it goes worse, since there are doubts, than it did in ignorance, [n] bool.

        Where memories are tried, also whether what was better for certain is no more; see `Trial`.
        """
        present = self.index[: self.room] == slot.unsqueeze(-1)
        lived = who.of(self.lived)
        young = (lived * present).sum(-1) < numbers.infancy
        episode = torch.stack([outcome, torch.ones_like(outcome)], dim=-1)  # [n, 2]
        before = who.of(self.ignorance)
        ignorance = before + episode * young.unsqueeze(-1)
        doubt = (who.of(self.doubt) + episode) * doubts.unsqueeze(-1)
        known, expected = ignorance[:, 1], _mean(ignorance)  # the first memory has been young: known >= 1
        apart = (outcome - _mean(before)) * (outcome - expected)  # Welford (1962); 0 for the first
        scatter = who.of(self.scatter) + apart * (young & (known > 1))
        who.put(self.lived, lived + present)
        who.put(self.ignorance, ignorance)
        who.put(self.doubt, doubt)
        who.put(self.scatter, scatter)
        number = doubt[:, 1].clamp_min(1)
        variance = torch.where(known > 1, scatter / (known - 1).clamp_min(1), torch.inf)  # one says nothing
        error = (variance * (number.reciprocal() + known.reciprocal())).sqrt()
        unit = who.of(self.scale).masked_fill(numbers.per_step > 0, 0)  # the mean of a step is no episode's
        error = torch.maximum(error, unit / number.sqrt())
        worse = _mean(doubt) + numbers.hope * error < expected - ROUNDED * expected.abs()
        if self.trial is None:
            return worse
        young_ones = Ignorance(expected, variance, known)
        lived_well = present & certain.unsqueeze(-1)
        return worse | self.trial.has_fallen(who, numbers, present, lived_well, outcome, doubt, young_ones)

    def _behind(self, numbers: _Numbers, mood: Tensor) -> Tensor:
        """Return how far behind the present memory another can fall at most, [n, S + 1]."""
        behind = (numbers.threshold * (1 + numbers.mood_gain * mood)).unsqueeze(-1)
        blank = behind * numbers.reluctance.unsqueeze(-1)
        return torch.cat([behind.expand(-1, self.room), blank], dim=-1)

    def _choose(
        self, who: Members, numbers: _Numbers, slot: Tensor, posterior: Tensor, behind: Tensor
    ) -> Judged:
        best = posterior.amax(-1, keepdim=True)
        stay = (posterior.gather(-1, slot.unsqueeze(-1)) >= best).squeeze(-1)
        if self.any_chance:
            posterior, stay = self._by_chance(who, numbers, slot, posterior, stay)
        if not self.all_several:
            stay = stay | (numbers.several == 0)
        return Judged(posterior, stay, behind)

    def _go(self, who: Members, slot: Tensor, judged: Judged) -> tuple[Tensor, Tensor]:
        """Take up the best memory where the present one is not; return the slots and the posterior left."""
        posterior, stay, behind = judged
        best = posterior.amax(-1, keepdim=True)
        if self.trial is not None:  # whatever is taken up is not in doubt
            left = (~stay & (who.of(self.patience) > 0)).unsqueeze(-1) & self.is_blank
            posterior = torch.where(left & (posterior < best), -behind, posterior)
        first = torch.where(posterior == best, self.index, self.room).amin(-1)  # [n], room stands for blank
        known = torch.nn.functional.pad(who.of(self.used), (0, 1)).gather(-1, first[:, None]).squeeze(-1)
        blank = ~stay & ~known  # chance names a slot that nobody used
        slot = torch.where(stay, slot, torch.where(first == self.room, self._free(who), first))
        here = self.index == slot.unsqueeze(-1)
        who.put(self.slot, slot)
        who.put(self.fresh, blank)
        who.put(self.used, who.of(self.used) | here[:, : self.room])
        who.put(self.lived, who.of(self.lived).masked_fill(here[:, : self.room] & blank.unsqueeze(-1), 0))
        self._in_use = None
        begun = torch.where(here, best, torch.where(self.is_blank, -behind, posterior))
        return slot, torch.where(blank[:, None], begun, posterior)

    def _by_chance(
        self, who: Members, numbers: _Numbers, slot: Tensor, posterior: Tensor, stay: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Go on to the next memory now and then, whatever happened: the control.

        When is decided by the number of the episode, alike for all members, so that a run repeats itself.
        """
        episodes = who.of(self.episodes).to(torch.int64)
        lot = (episodes * _SCATTER % 2**32).double() / 2**32  # evenly spread
        following = (slot + 1) % who.of(self.allowed).sum(-1).clamp_min(1)
        certain = torch.where(self.index == following[:, None], 0.0, -1.0)
        by_chance = numbers.chance > 0
        posterior = torch.where(by_chance[:, None], certain, posterior)
        return posterior, torch.where(by_chance, lot >= 1 / numbers.threshold, stay)

    def _free(self, who: Members) -> Tensor:
        """Return the slot that a new memory takes: an unused one, or the one unused for longest."""
        waiting = torch.where(who.of(self.used), who.of(self.age), 2**40)
        waiting = torch.where(who.of(self.allowed), waiting, -1)
        longest = waiting == waiting.amax(-1, keepdim=True)
        return torch.where(longest, self.index[: self.room], self.room - 1).amin(-1)

    def begun(self) -> Tensor:
        """Return the memories that were taken as blank in this step, [P, S] bool."""
        return (self.index[: self.room] == self.slot[:, None]) & self.fresh[:, None]

    def cut_episode(self) -> None:
        """Drop what the running episode has added up."""
        self.total.zero_()
        self.steps.zero_()
        if self.trial is not None:
            self.trial.cut_episode()


def _mean(summed: Tensor) -> Tensor:
    """Return the means of [n, 2], sums and numbers; 0 of nothing."""
    return summed[:, 0] / summed[:, 1].clamp_min(1)


def _forget_count(recall: Recall, _: object) -> None:
    """After loading a state, count anew."""
    recall._in_use = None
