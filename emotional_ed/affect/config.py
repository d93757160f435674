"""Which levels of affect an agent has; every ablation is a `dataclasses.replace` of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from emotional_ed.affect.anger import AngerConfig
from emotional_ed.affect.arousal import ArousalConfig
from emotional_ed.affect.attachment import AttachmentConfig
from emotional_ed.affect.channel import Channel, ChannelConfig
from emotional_ed.affect.curiosity import CuriosityConfig
from emotional_ed.affect.fear import FearConfig
from emotional_ed.affect.joy import JoyConfig
from emotional_ed.affect.mood import MoodConfig
from emotional_ed.affect.recall import RecallConfig
from emotional_ed.affect.regret import RegretConfig
from emotional_ed.affect.salience import SalienceConfig
from emotional_ed.affect.spectrum import SpectrumConfig
from emotional_ed.affect.surprise import SurpriseConfig
from emotional_ed.affect.temperament import TemperamentConfig
from emotional_ed.affect.weights import WeightsConfig

_PARTS = (
    "surprise", "arousal", "fear", "anger", "regret", "joy", "curiosity", "attachment", "mood", "temperament",
    "spectrum", "recall", "salience", "weights",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AffectConfig:
    """The affect of one agent: a configuration for each part it has, None for each it lacks.

    Example:
        >>> import dataclasses
        >>> full = AffectConfig.levels(2)
        >>> fearless = dataclasses.replace(full, fear=None)
    """

    surprise: SurpriseConfig = field(default_factory=SurpriseConfig)
    """Level 0: how the agent's own prediction errors are standardised."""
    arousal: ArousalConfig | None = None
    """Level 1: evidence that the world has changed."""
    fear: FearConfig | None = None
    """Level 1: memory of the harm behind each action."""
    anger: AngerConfig | None = None
    """Level 1: persistence when blocked."""
    regret: RegretConfig | None = None
    """Level 1: what the action not taken would have brought."""
    joy: JoyConfig | None = None
    """Level 1: exploitation while things go well."""
    curiosity: CuriosityConfig | None = None
    """Level 1: attraction of what was not tried."""
    attachment: AttachmentConfig | None = None
    """Level 2: slow values, grief and yearning."""
    mood: MoodConfig | None = None
    """Level 2: how things have been going lately."""
    temperament: TemperamentConfig | None = None
    """Level 2: the anchor of mood; needed by mood."""
    spectrum: SpectrumConfig | None = None
    """Level 2: moods on many clocks."""
    recall: RecallConfig | None = None
    """Level 2: displeasure as the cue that selects a value memory; needs mood."""
    salience: SalienceConfig | None = None
    """What of all this is worth replaying in sleep."""
    weights: WeightsConfig | None = None
    """How far each channel is trusted, learned."""
    own: tuple[ChannelConfig, ...] = ()
    """Channels of one's own, at most one of a kind."""
    shuffled: tuple[str, ...] = ()
    """A control: channels whose wishes are taken from other moments of the same life."""

    def __post_init__(self) -> None:
        for name in _PARTS:
            value, kind = getattr(self, name), Channel.registry[name].Config
            if not isinstance(value, kind) and (value is not None or name == "surprise"):
                raise ValueError(f"AffectConfig.{name}: got {value!r}, expected a {kind.__name__} or None")
        self._check_own()
        parts = self.parts()
        for name, part in parts.items():
            for needed in part.channel.needs:
                if needed not in parts:
                    channel = Channel.registry.get(needed)
                    title = "channel that is defined" if channel is None else channel.Config.__name__
                    raise ValueError(
                        f"AffectConfig.{needed}: got None, expected a {title} because {name} needs it"
                    )
        if not isinstance(self.shuffled, tuple):
            raise ValueError(f"AffectConfig.shuffled: got {self.shuffled!r}, expected a tuple of names")
        weighed = () if self.weights is None else self.weights.channels
        bending = sorted(name for name, part in parts.items() if _bends(part.channel))
        for title, names in (("weights.channels", weighed), ("shuffled", self.shuffled)):
            strange = sorted({str(name) for name in names} - set(bending))
            if strange:
                raise ValueError(
                    f"AffectConfig.{title}: got {strange}, expected some that bend, among {bending}"
                )

    def _check_own(self) -> None:
        if not isinstance(self.own, tuple) or not all(isinstance(one, ChannelConfig) for one in self.own):
            raise ValueError(f"AffectConfig.own: got {self.own!r}, expected a tuple of ChannelConfigs")
        for one in self.own:
            if not hasattr(one, "channel"):
                raise ValueError(f"AffectConfig.own: got {one!r}, expected the Config of a Channel")
            try:
                hash(one)
            except TypeError:
                raise ValueError(f"AffectConfig.own: got {one!r}, expected tuples instead of lists") from None
        names = [one.channel.name for one in self.own]
        if len(set(names)) < len(names) or set(names) & set(_PARTS):
            raise ValueError(
                f"AffectConfig.own: got {names}, expected different names, none of {list(_PARTS)}"
            )

    def parts(self) -> dict[str, ChannelConfig]:
        """Return the configurations of the channels that are there, by name."""
        given = {name: getattr(self, name) for name in _PARTS}
        present = {name: one for name, one in given.items() if one is not None}
        return {**present, **{one.channel.name: one for one in self.own}}

    @classmethod
    def levels(cls, highest: int) -> AffectConfig:
        """Return the ladder: 0 is plain Q-learning, 1 adds the emotions, 2 adds mood and recall.

        Raises:
            ValueError: `highest` is not 0, 1 or 2.
        """
        if highest not in (0, 1, 2) or isinstance(highest, bool):
            raise ValueError(f"levels: got {highest!r}, expected 0, 1 or 2")
        first = {"arousal": ArousalConfig(), "fear": FearConfig(), "anger": AngerConfig()}
        second = {"mood": MoodConfig(), "temperament": TemperamentConfig(), "recall": RecallConfig()}
        parts: dict[str, Any] = {**(first if highest > 0 else {}), **(second if highest > 1 else {})}
        return cls(**parts)

    @property
    def is_plain(self) -> bool:
        """True if nothing but level 0 is there."""
        return set(self.parts()) == {"surprise"}

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        data: dict[str, Any] = {
            name: None if one is None else dataclasses.asdict(one) for name, one in self._named()
        }
        data["own"] = {one.channel.name: dataclasses.asdict(one) for one in self.own}
        data["shuffled"] = list(self.shuffled)
        return data

    def _named(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in _PARTS]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AffectConfig:
        """Build a configuration from what `to_dict` gave; a channel of one's own must be imported before.

        Raises:
            ValueError: a part or field is unknown, or a value is out of range.
        """
        if not isinstance(data, dict) or not isinstance(data.get("own", {}), dict):
            raise ValueError(f"AffectConfig: got {data!r}, expected nested dictionaries as `to_dict` gives")
        unknown = sorted(set(data) - {*_PARTS, "own", "shuffled"})
        if unknown:
            raise ValueError(f"AffectConfig: got parts {unknown}, expected among {list(_PARTS)}")
        parts = {name: _part(name, data[name]) for name in _PARTS if name in data}
        own = tuple(_part(name, values) for name, values in data.get("own", {}).items())
        return cls(**parts, own=own, shuffled=tuple(data.get("shuffled", ())))


def _bends(channel: type[Channel]) -> bool:
    """Tell channels that bend choice or step size from those that only others listen to."""
    return channel.modulate is not Channel.modulate or channel.bend_step is not Channel.bend_step


def _part(name: str, values: dict[str, Any] | None) -> Any:
    if values is None:
        return None
    if name not in Channel.registry:
        raise ValueError(
            f"AffectConfig.own: got {name!r}, expected a channel that is defined; import its module first"
        )
    if not isinstance(values, dict):
        raise ValueError(f"AffectConfig.{name}: got {values!r}, expected a dictionary of fields")
    kind = Channel.registry[name].Config
    known = {one.name for one in dataclasses.fields(kind)}
    strange = sorted(set(values) - known)
    if strange:
        raise ValueError(f"AffectConfig.{name}: got fields {strange}, expected among {sorted(known)}")
    return kind(**{key: _tuples(one) for key, one in values.items()})


def _tuples(value: Any) -> Any:
    """Give back the tuples that JSON has made lists of."""
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value
