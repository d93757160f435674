"""What level 0 is made of: a critic, a policy, and whether it sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from emotional_ed.agents.critics import Critic, QLearningConfig
from emotional_ed.agents.policies import EpsilonGreedyConfig, Policy
from emotional_ed.agents.rules import RuleConfig, rule_from_dict, rule_to_dict
from emotional_ed.agents.sleep import Sleep
from emotional_ed.checks import require_int


@dataclass(frozen=True, kw_only=True)
class LevelZero:
    """The parts of level 0; the defaults are plain epsilon-greedy Q-learning without sleep.

    Example:
        >>> from emotional_ed.agents.sleep import SleepConfig
        >>> dreamer = LevelZero(sleep=SleepConfig(draw="backward"))
    """

    critic: RuleConfig = field(default_factory=QLearningConfig)
    """How actions are valued; see `emotional_ed.agents.critics`."""
    policy: RuleConfig = field(default_factory=EpsilonGreedyConfig)
    """How actions are chosen; see `emotional_ed.agents.policies`."""
    sleep: RuleConfig | None = None
    """How the past is replayed; see `emotional_ed.agents.sleep`. None replays nothing."""
    reset_episodes: int = 0
    """Values begin anew every so many episodes, >= 0; 0 never does (a rival for recall)."""

    def __post_init__(self) -> None:
        for name, kind in (("critic", Critic), ("policy", Policy), ("sleep", Sleep)):
            given = getattr(self, name)
            if given is None and name == "sleep":
                continue
            rule = getattr(type(given), "rule", None)
            if not isinstance(given, RuleConfig) or rule is None or not issubclass(rule, kind):
                raise ValueError(
                    f"LevelZero.{name}: got {given!r}, expected the configuration of a {kind.__name__}"
                )
        require_int("LevelZero.reset_episodes", self.reset_episodes, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        sleep = None if self.sleep is None else rule_to_dict(self.sleep)
        return {
            "critic": rule_to_dict(self.critic),
            "policy": rule_to_dict(self.policy),
            "sleep": sleep,
            "reset_episodes": self.reset_episodes,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LevelZero:
        """Build it from what `to_dict` gave.

        Raises:
            ValueError: a rule or field is unknown, or a value is out of range.
        """
        strange = sorted(set(data) - {one.name for one in fields(cls)})
        if strange:
            raise ValueError(
                f"LevelZero: got parts {strange}, expected among {[one.name for one in fields(cls)]}"
            )
        parts = {name: rule_from_dict(one) if isinstance(one, dict) else one for name, one in data.items()}
        return cls(**parts)
