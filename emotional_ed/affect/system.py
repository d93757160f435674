"""All the affect of a population: one nest of levels that appraises each step and bends the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from emotional_ed.affect.anger import Anger, AngerConfig
from emotional_ed.affect.arousal import Arousal, ArousalConfig
from emotional_ed.affect.channel import Channel, Drive
from emotional_ed.affect.config import AffectConfig
from emotional_ed.affect.fear import Fear, FearConfig
from emotional_ed.affect.mood import Mood, MoodConfig
from emotional_ed.affect.recall import Recall, RecallConfig
from emotional_ed.affect.surprise import Surprise
from emotional_ed.affect.temperament import Temperament, TemperamentConfig
from emotional_ed.nested import NestedSystem, Signals

# What a member without a part gets when another member has it: the same part with nothing to say.
_OFF: dict[str, Any] = {
    "arousal": ArousalConfig(step_gain=0.0, exploration_gain=0.0),
    "fear": FearConfig(step_size=0.0, caution=0.0, avoidance=0.0, step_gain=0.0),
    "anger": AngerConfig(persistence=0.0, step_gain=0.0),
    "mood": MoodConfig(exploration_gain=0.0),
    "temperament": TemperamentConfig(step_size=0.0),
    "recall": RecallConfig(slots=1),
}


class Experience(NamedTuple):
    """One step of every member, as any Gymnasium agent sees it."""

    key: Tensor
    """Memory key of the state acted in: [P] int64, or features [P, K]."""
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


@final
class AffectSystem(nn.Module):
    """Affective memories of a population, with their clocks.

    `modulate` asks how affect bends the choice of an action and changes nothing; `appraise` takes in what
    came of it, moves every level that is due, and returns the factor on level 0's step size.

    Args:
        configs: one configuration for all, or one a member.
        population: P.
        actions: A.
        keys: number of one-hot keys, or of features.
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
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        given = [configs] * population if isinstance(configs, AffectConfig) else configs
        members = list(given) if isinstance(given, Sequence) else []
        if len(members) != population or not all(isinstance(one, AffectConfig) for one in members):
            raise ValueError(f"affect: got {configs!r}, expected an AffectConfig or a list of {population}")
        self.configs = tuple(members)
        self.population = population
        self.nest = NestedSystem(_build(members, actions, keys), population)
        self.channels = [level for level in self.nest.order if isinstance(level, Channel)]
        self._recall = (next((one for one in self.channels if isinstance(one, Recall)), None),)
        self._anger = (next((one for one in self.channels if isinstance(one, Anger)), None),)
        self.slots = max([1, *(one.recall.slots for one in members if one.recall is not None)])
        self.signals: Signals = {}
        self.is_plain = all(one.is_plain for one in members)
        """True if no member has anything but level 0."""
        self.to(device)

    @property
    def slot(self) -> Tensor | None:
        """Which value memory answers, [P] int64; None if there is one for all."""
        return None if self._recall[0] is None else self._recall[0].slot

    def cut_episode(self) -> None:
        """Forget what belongs to running episodes, because they were cut off and will not end."""
        for channel in self.channels:
            channel.cut_episode()

    def level(self, name: str) -> Any:
        """Return the level of that name, e.g. to look at its memory.

        Raises:
            ValueError: no member has it.
        """
        if name not in self.nest.levels:
            raise ValueError(f"name: got {name!r}, expected one of {list(self.nest.levels)}")
        return self.nest.levels[name]

    @property
    def anger(self) -> Anger | None:
        """The channel of anger, whose persistence an agent asks for outside learning."""
        return self._anger[0]

    def modulate(self, key: Tensor) -> Drive:
        """Return how affect bends the choice of an action in the state with `key`; changes no state."""
        drive = Drive()
        for channel in self.channels:
            channel.modulate(drive, key)
        return drive

    @torch.no_grad()
    def appraise(self, experience: Experience) -> Tensor | None:
        """Take in one step of every member.

        Returns:
            The factor on level 0's step size, [P] >= 0, or None if nothing bends it.
        """
        if self.is_plain:
            return None
        signals: Signals = experience._asdict()
        signals["step_factor"] = torch.ones_like(experience.lss)
        self.signals = self.nest.step(signals, events={"episode_end": experience.done})
        return signals["step_factor"]


def _build(members: Sequence[AffectConfig], actions: int, keys: int) -> list[Channel]:
    def of(name: str) -> list[Any] | None:
        parts = [getattr(one, name) for one in members]
        if all(part is None for part in parts):
            return None
        off = _OFF[name]
        if name == "mood":
            off = dataclasses.replace(off, period=next(p.period for p in parts if p is not None))
        return [off if part is None else part for part in parts]

    if all(one.is_plain for one in members):
        return []
    surprise = Surprise([one.surprise for one in members])
    channels: list[Channel] = [surprise]
    if (arousal := of("arousal")) is not None:
        channels.append(Arousal(arousal))
    if (fear := of("fear")) is not None:
        channels.append(Fear(fear, surprise, actions, keys))
    if (anger := of("anger")) is not None:
        channels.append(Anger(anger, surprise, actions, keys))
    if (temperaments := of("temperament")) is not None:
        temperament = Temperament(temperaments)
        if (mood := of("mood")) is not None:
            channels += [Mood(mood, temperament), temperament]
    if (recall := of("recall")) is not None:
        channels.append(Recall(recall))
    return channels
