"""The tasks of the suite, as data: what is learned, for how long, and which mechanism each is meant for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from emotional_ed.checks import require_int, require_range


@dataclass(frozen=True, kw_only=True)
class Task:
    """A situation with everything that all arms share.

    Example:
        >>> TASKS["moving-goal"].env_id
        'EmotionalED/MovingGoal-v0'
    """

    env_id: str
    """Gymnasium id."""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments."""
    steps: int = 8000
    """Steps of each member, >= 1."""
    discount: float = 0.97
    """Of every arm, in [0, 1]."""
    scale: float = 1.0
    """What a good episode is worth, > 0; ranges in units of reward are multiplied by it."""
    price: float = 0.0
    """What a catastrophe that the reward leaves out takes off a member's score, in units of reward, >= 0."""
    catastrophe_reward: float | None = None
    """A reward at most this counts as a catastrophe, where the environment does not say."""
    listens: bool = False
    """Whether all arms may use what the environment says of the situation."""
    meant_for: tuple[str, ...] = ()
    """Mechanisms that ought to help here; empty for controls and for other people's tasks."""
    control_of: str = ""
    """The task whose control this is: there the mechanism must not help, and not harm."""

    def __post_init__(self) -> None:
        require_int("Task.steps", self.steps, 1)
        require_range("Task.discount", self.discount, 0, 1)
        require_range("Task.scale", self.scale, 0, low_open=True)
        require_range("Task.price", self.price, 0)


def _ours(name: str, **rest: Any) -> Task:
    return Task(env_id=f"EmotionalED/{name}-v0", **rest)


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "slippery-cliff": _ours("SlipperyCliff", steps=10_000, scale=100.0, meant_for=("fear",)),
        "moving-goal": _ours("MovingGoal", env_kwargs={"period": 50}, steps=10_000, meant_for=("fear",)),
        "new-layouts": _ours("NewLayouts", steps=10_000, meant_for=("fear",)),
        "silent-catastrophe": _ours("SilentCatastrophe", price=0.2, listens=True, meant_for=("fear",)),
        "predator": _ours("Predator", steps=15_000, meant_for=("fear",)),
        "battery": _ours("Battery", steps=15_000, meant_for=("fear",)),
        "approach-avoidance": _ours("ApproachAvoidance", meant_for=("fear", "recall")),
        "jammed-door": _ours("JammedDoor", meant_for=("anger",)),
        "mixed-doors": _ours("MixedDoors", steps=10_000, meant_for=("anger",)),
        "regimes": _ours("RecurringRegimes", steps=10_000, meant_for=("recall", "attachment")),
        "noisy-regimes": _ours(
            "RecurringRegimes", env_kwargs={"noise": 0.5}, steps=10_000, meant_for=("recall", "attachment")
        ),
        "very-noisy-regimes": _ours(
            "RecurringRegimes", env_kwargs={"noise": 1.0}, steps=10_000, meant_for=("recall", "attachment")
        ),
        "recurring-goals": _ours(
            "RecurringGoals", env_kwargs={"noise": 0.5}, steps=10_000, meant_for=("recall", "attachment")
        ),
        "vanishing-source": _ours("VanishingSource", meant_for=("attachment", "recall")),
        "sparse-maze": _ours("SparseMaze", steps=10_000, meant_for=("sleep", "curiosity")),
        "noisy-maze": _ours(
            "SparseMaze", env_kwargs={"noise": 0.1}, steps=10_000, meant_for=("sleep", "curiosity")
        ),
        "full-feedback": _ours("FullFeedback", steps=6000, scale=1.0, listens=True, meant_for=("regret",)),
        "new-goals": _ours("NewGoals", control_of="recurring-goals"),
        "constant-regime": _ours(
            "RecurringRegimes",
            env_kwargs={"noise": 0.5, "period": 10**9},
            steps=10_000,
            control_of="noisy-regimes",
        ),
        "lost-source": _ours("VanishingSource", env_kwargs={"returns": False}, control_of="vanishing-source"),
        "shut-door": _ours("JammedDoor", env_kwargs={"opens": False}, control_of="jammed-door"),
        "moving-pits": _ours(
            "MovingGoal",
            env_kwargs={"period": 50, "pits_stay": False},
            steps=10_000,
            control_of="moving-goal",
        ),
        "cliff-walking": Task(
            env_id="CliffWalkingSlippery-v1", steps=10_000, scale=100.0, catastrophe_reward=-100
        ),
        "frozen-lake": Task(env_id="FrozenLake-v1", steps=15_000),
        "taxi": Task(env_id="Taxi-v4", steps=15_000, scale=20.0),
    }
)
"""Name -> task."""
