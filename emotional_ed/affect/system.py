"""All the affect of a population: one nest of levels that appraises each step and bends the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from emotional_ed.affect.anger import Anger
from emotional_ed.affect.attachment import Attachment
from emotional_ed.affect.channel import Channel, Prospect, Setting
from emotional_ed.affect.config import _PARTS, AffectConfig
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.recall import Recall
from emotional_ed.affect.shuffle import Shuffle
from emotional_ed.affect.weights import Weights
from emotional_ed.memory import QuickModule
from emotional_ed.nested import NestedSystem, Signals


class Experience(NamedTuple):
    """One step of every member, as any Gymnasium agent sees it."""

    key: Tensor
    """Memory key of the state acted in: [P] int64, [P, T] int64 active features, or features [P, K]."""
    next_key: Tensor
    """Memory key of the state reached, before any reset."""
    action: Tensor
    """[P] int64."""
    chosen: Tensor
    """[P, A] bool, one-hot of `action`."""
    greedy: Tensor
    """[P] bool, whether the action was the one expected to be best."""
    moved: Tensor
    """[P] bool, whether the observation changed."""
    terminated: Tensor
    """[P] bool, in Gymnasium's sense."""
    done: Tensor
    """[P] bool, terminated or truncated."""
    target: Tensor
    """[P], what level 0 was to learn."""
    lss: Tensor
    """[P], local surprise: target minus what level 0 held."""
    reward: Tensor
    """[P]."""
    slot_lss: Tensor | None = None
    """[P, H], the surprise that each of the first H value memories would have felt; needed by recall.

    H is at least the number of memories in use; the others are blank, and would have felt the reward."""
    forgone: Tensor | None = None
    """[P, A], rewards of all actions in this step, where the environment tells and the agent may listen."""
    danger: Tensor | None = None
    """[P], a danger in [0, 1] that the environment declares, where the agent may listen."""
    next_values: Tensor | None = None
    """[P, A], what level 0 holds of the state reached; heeded where declared dangers are feared."""


@final
class AffectSystem(QuickModule):
    """Affective memories of a population, with their clocks.

    `modulate` asks how affect bends the choice of an action and changes nothing; `appraise` takes in what
    came of it, moves every level that is due, and returns the factor on level 0's step size.

    What a channel wants counts with its weight: 0 for members that lack it, what `Weights` has learned for
    the others, 1 without that. Weight 0 is that member without the channel, bit for bit. What a member lacks,
    its channels do not hear (`Channel.hear`), and wishes are joined in an order that no company changes.

    Args:
        configs: one configuration for all, or one a member.
        population: P.
        actions: A.
        keys: number of one-hot keys, or of features.
        active: how many features are 1 at a time; 1 for one-hot keys and for real-valued features.
        device: where the memories live.

    Raises:
        ValueError: the number of configurations is neither 1 nor P, or they disagree on a clock.
    """

    def __init__(
        self,
        configs: AffectConfig | Sequence[AffectConfig],
        population: int,
        *,
        actions: int,
        keys: int,
        active: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        given = [configs] * population if isinstance(configs, AffectConfig) else configs
        members = list(given) if isinstance(given, Sequence) else []
        if len(members) != population or not all(isinstance(one, AffectConfig) for one in members):
            raise ValueError(f"affect: got {configs!r}, expected an AffectConfig or a list of {population}")
        self.configs = tuple(members)
        self.population = population
        self.is_plain = all(one.is_plain for one in members)
        """True if no member has anything but level 0."""
        built = {} if self.is_plain else _build(members, Setting(population, actions, keys, active, {}))
        self.nest = NestedSystem(list(built.values()), population)
        self.channels = [level for level in self.nest.order if isinstance(level, Channel)]
        self._lacking = [level for level in self.channels if not level.everywhere]
        self.shuffles = nn.ModuleDict(_shuffles(members))
        self._by_name = (built,)  # in a tuple: owned by the nest already
        self._choosing = [one for one in built.values() if type(one).modulate is not Channel.modulate]
        self._foreseeing = [one for one in built.values() if one.foresees]
        self._learning = [one for one in built.values() if type(one).bend_step is not Channel.bend_step]
        self._wishes: dict[str, Drive | None] = {}
        recall = self.recall
        self.slots = 1 if recall is None else recall.room
        if self.attachment is not None and self.slots > 1:
            self.attachment.make_room(self.slots)
        self.signals: Signals = {}
        self.to(device)

    @property
    def recall(self) -> Recall | None:
        """The channel that selects value memories."""
        return self._by_name[0].get("recall")  # type: ignore[return-value]

    @property
    def anger(self) -> Anger | None:
        """The channel of anger, whose persistence an agent asks for outside learning."""
        return self._by_name[0].get("anger")  # type: ignore[return-value]

    @property
    def attachment(self) -> Attachment | None:
        """The channel of slow values, to which fast ones fall back."""
        return self._by_name[0].get("attachment")  # type: ignore[return-value]

    @property
    def looks_ahead(self) -> bool:
        """Whether `Experience.next_values` are heeded: some member fears dangers that are declared."""
        fear = self._by_name[0].get("fear")
        return fear is not None and bool(fear.listens)

    @property
    def slot(self) -> Tensor | None:
        """Which value memory answers, [P] int64; None if there is one for all."""
        recall = self.recall
        return None if recall is None else recall.slot

    def cut_episode(self) -> None:
        """Forget what belongs to running episodes, because they were cut off and will not end."""
        for channel in self.channels:
            channel.cut_episode()

    def begin_anew(self, who: Tensor) -> None:
        """Forget what belongs to the situation that was: recall begins another for `who` [P] bool."""
        for channel in self.channels:
            channel.begin_anew(who)

    def level(self, name: str) -> Any:
        """Return the level of that name, e.g. to look at its memory.

        Raises:
            ValueError: no member has it.
        """
        if name not in self.nest.levels:
            raise ValueError(f"name: got {name!r}, expected one of {list(self.nest.levels)}")
        return self.nest.levels[name]

    def weight(self, channel: Channel) -> Tensor | None:
        """Return how far a channel is trusted now, [P] in [0, 1]; None where that is 1 for all."""
        weights: Weights | None = self._by_name[0].get("weights")  # type: ignore[assignment]
        return _at_most(None if weights is None else weights.of(channel.name), channel)

    def modulate(self, key: Tensor) -> Drive:
        """Return how affect bends the choice of an action in the state with `key`; changes no state."""
        drive, shuffled = Drive(), len(self.shuffles) > 0
        if shuffled:
            self._wishes = {}
        for channel in self._choosing:
            wish = channel.modulate(key)
            if shuffled and channel.name in self.shuffles:
                self._wishes[channel.name] = None if wish is None else wish.clone()
                wish = self.shuffles[channel.name].drive(wish)  # type: ignore[operator]
            if wish is not None:
                drive.join(wish, self.weight(channel))
        return drive

    @property
    def foresees(self) -> bool:
        """Whether some channel has something to say before level 0's target is made."""
        return bool(self._foreseeing)

    @torch.no_grad()
    def foresee(self, prospect: Prospect) -> Tensor | None:
        """Return what affect adds to level 0's values of the state reached, [P, A]; None adds nothing.

        It counts where the channel is trusted by half or more, and not where its trace is shuffled.
        """
        bias: Tensor | None = None
        for channel in self._foreseeing:
            wish = channel.foresee(prospect)
            if wish is None:
                continue
            weight = self.weight(channel)
            if weight is not None:
                wish = torch.where(weight[:, None] >= 0.5, wish, -0.0)  # adding -0 changes no bit
            if channel.name in self.shuffles:
                wish = torch.where(self.shuffles[channel.name].who[:, None], -0.0, wish)  # type: ignore[index]
            bias = wish if bias is None else bias + wish
        return bias

    def appraise(self, experience: Experience, *, bends_step: bool = True) -> Tensor | None:
        """Take in one step of every member.

        Args:
            experience: what happened.
            bends_step: False where nobody will ask for the factor on level 0's step size.

        Returns:
            The factor on level 0's step size, [P] >= 0, or None if nothing bends it.

        Raises:
            ValueError: recall has several memories, and `slot_lss` does not say what each would have felt.
        """
        if self.is_plain:
            return None
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.appraise(experience, bends_step=bends_step)
        experience = self._complete(experience)
        self.signals = signals = _told(experience)
        self._trust(self.nest.step(signals, events={"episode_end": experience.done}))
        self._mute(signals)
        factor = self._step_factor(signals) if bends_step or len(self.shuffles) else None
        if factor is not None:
            signals["step_factor"] = factor
        return factor

    def steps_apart(self, ended: bool) -> bool:
        """Return whether the next step can be made in two parts; `ended`: whether some episode ends in it."""
        nest = self.nest
        return (nest.splits or (not ended and nest.is_quiet)) and not len(self.shuffles)

    def appraise_fast(self, experience: Experience) -> Signals:
        """Do the part of `appraise` that comes in every step, where the step `steps_apart`.

        Looks at nothing, so that it can be compiled. Nothing is said about level 0's step size. What is left
        does `appraise_slow`.

        Args:
            experience: what happened, with `slot_lss` if there is recall.

        Returns:
            The signals of the step.
        """
        signals = _told(experience)
        self._trust(self.nest.step_fast(signals, {"episode_end": experience.done}))
        return signals

    def appraise_slow(self, signals: Signals) -> None:
        """Do the rest of `appraise` after `appraise_fast`, whose signals these are."""
        self.nest.step_slow(signals, {"episode_end": signals["done"]})
        self._mute(signals)
        self.signals = signals

    def _trust(self, signals: Signals) -> None:
        """Let attachment be as strong as it is trusted."""
        if self.attachment is not None and "weight_attachment" in signals:
            self.attachment.rate.mul_(signals["weight_attachment"])

    def _mute(self, signals: Signals) -> None:
        """Do not hear what a member lacks."""
        for channel in self._lacking:
            if channel.name in signals:
                signals[channel.name] = torch.where(channel.present > 0, signals[channel.name], 0.0)

    def _complete(self, experience: Experience) -> Experience:
        """Make sure that recall knows what its memories would have felt; a single one has felt it."""
        recall, felt = self.recall, experience.slot_lss
        if recall is None:
            return experience
        if felt is None and self.slots == 1:
            return experience._replace(slot_lss=experience.lss.unsqueeze(-1))
        least, shape = min(recall.in_use, self.slots), None if felt is None else tuple(felt.shape)
        if shape not in {(self.population, number) for number in range(least, self.slots + 1)}:
            got = None if shape is None else list(shape)
            raise ValueError(
                f"slot_lss: got {got}, expected [{self.population}, {self.slots}] for recall, or the first "
                f"{least} to {self.slots - 1} of these columns"
            )
        return experience

    def _step_factor(self, signals: Signals) -> Tensor | None:
        product: Tensor | None = None
        meant: dict[str, Tensor | None] = {}
        for channel in self._learning:
            factor = meant[channel.name] = channel.bend_step(signals)
            if channel.name in self.shuffles:
                factor = self.shuffles[channel.name].step_factor(factor)  # type: ignore[operator]
            if factor is None:
                continue
            then = signals.get(f"weight_{channel.name}")  # in this step; it may have changed since
            weight = _at_most(then, channel)
            if weight is not None:
                factor = weight * factor + (1 - weight)
            product = factor if product is None else product * factor
        for name, shuffle in self.shuffles.items():
            shuffle.remember(self._wishes.get(name), meant.get(name))  # type: ignore[operator]
        return product


def _told(experience: Experience) -> Signals:
    """Return what a step tells, by name."""
    given = zip(Experience._fields, experience, strict=True)
    return {name: value for name, value in given if value is not None}


def _at_most(learned: Tensor | None, channel: Channel) -> Tensor | None:
    """Return a learned weight, 0 for members without the channel; None where it is 1 for all."""
    if channel.everywhere:
        return learned
    return channel.present if learned is None else learned * channel.present


def _build(members: Sequence[AffectConfig], setting: Setting) -> dict[str, Channel]:
    """Build every channel that some member has, and return them in an order that no company changes."""
    parts = [one.parts() for one in members]
    names = {name for one in parts for name in one}
    order = [name for name in _PARTS if name in names] + sorted(names - set(_PARTS))
    taken = sorted(names & {*Experience._fields, "step_factor"})
    if taken:
        raise ValueError(f"affect: got channels named {taken}, expected names that no signal has")
    built: dict[str, Channel] = {}

    def build(name: str, waiting: tuple[str, ...] = ()) -> None:
        if name in built:
            return
        if name in waiting:
            raise ValueError(f"affect: got channels {list(waiting)} that need each other, expected no circle")
        some = next(one[name] for one in parts if name in one)
        for needed in some.channel.needs:
            build(needed, (*waiting, name))
        configs = [one.get(name, some) for one in parts]
        kinds = {type(config) for config in configs}
        if len(kinds) > 1:
            raise ValueError(f"affect: got different channels under the name {name!r}, expected one")
        needs = {needed: built[needed] for needed in some.channel.needs}
        built[name] = some.channel(configs, setting._replace(levels=needs), [name in one for one in parts])

    for name in order:
        build(name)
    for name, channel in built.items():
        unknown = sorted(set(channel.after) - set(Channel.registry))
        if unknown:
            raise ValueError(f"{name}.after: got {unknown}, expected among {sorted(Channel.registry)}")
        channel.after = tuple(one for one in channel.after if one in built)
        heard = {one: built[one] for one in channel.after}
        channel.setting = setting._replace(levels={**channel.setting.levels, **heard})
    return {name: built[name] for name in order}


def _shuffles(members: Sequence[AffectConfig]) -> dict[str, Shuffle]:
    names = dict.fromkeys(name for one in members for name in one.shuffled)
    return {name: Shuffle(torch.tensor([name in one.shuffled for one in members])) for name in names}
