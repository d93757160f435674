"""The tasks of deep agents, as data: what is learned, for how long, and what all arms share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import gymnasium

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs import ChangeTask
from emotional_ed.experiments.contests.arm import Range


@dataclass(frozen=True, kw_only=True)
class DeepTask:
    """A Gymnasium task with everything that all arms share.

    Example:
        >>> DEEP_TASKS["lava-field"].env_id
        'EmotionalED/LavaField-v0'
    """

    env_id: str
    """Gymnasium id; observations are a Box, actions Discrete."""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments."""
    change: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `ChangeTask`, if it changes as one of these."""
    steps: int
    """Steps of a run, >= 1."""
    discount: float = 0.99
    """Of every arm, in [0, 1]."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of the Q-network's hidden layers."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `EmotionalDQN` that all arms share and none searches."""
    search: Mapping[str, Range] = field(default_factory=dict)
    """Numbers that every arm searches here beside the usual ones, e.g. {"buffer_size": Range(...)}."""
    bad_reward: float | None = None
    """A step with at most this reward is a catastrophe, for arms that have to be told."""
    blocks: bool = False
    """Whether ways are blocked: own arms and controls are searched over anger instead of fear, and two rivals
    persist."""
    falls: bool = False
    """Whether every termination is a catastrophe, for arms that have to be told."""
    control_of: str = ""
    """The task whose control this is: there the mechanisms must not help, and not harm."""

    def __post_init__(self) -> None:
        require_int("DeepTask.steps", self.steps, 1)
        require_range("DeepTask.discount", self.discount, 0, 1)
        for width in self.hidden:
            require_int("DeepTask.hidden", width, 1)
        for path, one in self.search.items():
            one.check(f"DeepTask.search[{path!r}]")

    def make(self) -> gymnasium.Env[Any, Any]:
        """Return the environment."""
        world: gymnasium.Env[Any, Any] = gymnasium.make(self.env_id, **self.env_kwargs)
        return ChangeTask(world, **self.change) if self.change else world

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON.

        `blocks` and `change` only where they are set: folders from before they were go on.
        """
        plain = dataclasses.asdict(self)
        for name in ("blocks", "change"):
            if not plain[name]:
                del plain[name]
        return plain


_SMALL = MappingProxyType(
    {"learning_starts": 500, "batch_size": 64, "train_freq": 2, "gradient_steps": 1}
)  # a gradient step every second step: a run takes about a minute
_LAVA: Mapping[str, Any] = {
    "env_id": "EmotionalED/LavaField-v0",
    "steps": 20_000,
    "discount": 0.9,
    "settings": {**_SMALL, "buffer_size": 20_000},
    "search": {"exploration_fraction": Range(0.03, 0.5)},
    "bad_reward": -0.5,
}
_POLE: Mapping[str, Any] = {
    "env_id": "EmotionalED/RecurringCartPole-v0",
    "steps": 32_000,
    "discount": 0.98,
    "settings": dict(_SMALL),
    "search": {
        "buffer_size": Range(1000, 32_000, "log-integer"),
        "exploration_fraction": Range(0.03, 0.5),
    },
    "falls": True,
}
_FIELD: Mapping[str, Any] = {
    **_LAVA,
    "env_kwargs": {"lava": 0.0},
    "settings": dict(_SMALL),
    "search": {
        "buffer_size": Range(1000, 20_000, "log-integer"),
        "exploration_fraction": Range(0.03, 0.5),
    },
    "bad_reward": None,
}
_TURNED = {"period": 200, "permute_actions": [[0, 1, 2, 3], [2, 3, 0, 1]]}  # up is down, left is right
_DOORS: Mapping[str, Any] = {
    "env_id": "EmotionalED/NewDoors-v0",
    "steps": 20_000,
    "discount": 0.95,
    "settings": {**_SMALL, "buffer_size": 20_000},
    "search": {"exploration_fraction": Range(0.03, 0.5)},
    "blocks": True,
}
DEEP_TASKS: Mapping[str, DeepTask] = MappingProxyType(
    {
        "lava-field": DeepTask(**_LAVA),
        "recurring-cartpole": DeepTask(**_POLE),
        "turned-field": DeepTask(**_FIELD, change=_TURNED),
        "new-doors": DeepTask(**_DOORS),
        "no-lava": DeepTask(**_LAVA, env_kwargs={"lava": 0.0}, control_of="lava-field"),
        "shut-doors": DeepTask(**_DOORS, env_kwargs={"opens": False}, control_of="new-doors"),
        "steady-field": DeepTask(**_FIELD, control_of="turned-field"),
        "constant-cartpole": DeepTask(
            **_POLE, env_kwargs={"change": "none"}, control_of="recurring-cartpole"
        ),
    }
)
"""Name -> task of the deep contest."""
