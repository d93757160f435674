"""Which levels of affect an agent has; every ablation is a `dataclasses.replace` of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from emotional_ed.affect.anger import AngerConfig
from emotional_ed.affect.arousal import ArousalConfig
from emotional_ed.affect.fear import FearConfig
from emotional_ed.affect.mood import MoodConfig
from emotional_ed.affect.recall import RecallConfig
from emotional_ed.affect.surprise import SurpriseConfig
from emotional_ed.affect.temperament import TemperamentConfig

_PARTS: dict[str, type] = {
    "surprise": SurpriseConfig,
    "arousal": ArousalConfig,
    "fear": FearConfig,
    "anger": AngerConfig,
    "mood": MoodConfig,
    "temperament": TemperamentConfig,
    "recall": RecallConfig,
}


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
    """Level 1: memory of where bad surprises came from."""
    anger: AngerConfig | None = None
    """Level 1: persistence when blocked."""
    mood: MoodConfig | None = None
    """Level 2: how things have been going lately."""
    temperament: TemperamentConfig | None = None
    """Level 2: the anchor of mood; needed by mood."""
    recall: RecallConfig | None = None
    """Level 2: displeasure as the cue that selects a value memory; needs mood."""

    def __post_init__(self) -> None:
        for name, part in _PARTS.items():
            value = getattr(self, name)
            if not isinstance(value, part) and (value is not None or name == "surprise"):
                raise ValueError(f"AffectConfig.{name}: got {value!r}, expected a {part.__name__} or None")
        for name, needed in (("mood", "temperament"), ("recall", "mood")):
            if getattr(self, name) is not None and getattr(self, needed) is None:
                raise ValueError(
                    f"AffectConfig.{needed}: got None, expected a {_PARTS[needed].__name__} "
                    f"because {name} needs it"
                )

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
        return all(getattr(self, name) is None for name in _PARTS if name != "surprise")

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AffectConfig:
        """Build a configuration from what `to_dict` gave.

        Raises:
            ValueError: a part or field is unknown, or a value is out of range.
        """
        unknown = sorted(set(data) - set(_PARTS))
        if unknown:
            raise ValueError(f"AffectConfig: got parts {unknown}, expected among {list(_PARTS)}")
        parts: dict[str, Any] = {}
        for name, values in data.items():
            part = _PARTS[name]
            known = {field.name for field in dataclasses.fields(part)}
            strange = sorted(set(values or {}) - known)
            if strange:
                raise ValueError(f"AffectConfig.{name}: got fields {strange}, expected among {sorted(known)}")
            parts[name] = None if values is None else part(**values)
        return cls(**parts)
