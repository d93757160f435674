"""Situations that call for emotion, each as a Gymnasium environment and as one tensor program.

Nothing is imported until it is asked for, because Gymnasium loads this package when it starts.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "BatchedEnv": "emotional_ed.envs.batched",
    "BatchedStep": "emotional_ed.envs.batched",
    "BatchedTabularEnv": "emotional_ed.envs.batched",
    "DeclareCatastrophe": "emotional_ed.envs.declare_catastrophe",
    "GymnasiumBatch": "emotional_ed.envs.gymnasium_batch",
    "JammedDoorEnv": "emotional_ed.envs.jammed_door",
    "RecurringRegimesEnv": "emotional_ed.envs.recurring_regimes",
    "TabularModel": "emotional_ed.envs.tabular_model",
    "as_batched": "emotional_ed.envs.batching",
    "register_envs": "emotional_ed.envs.registration",
    "policy_value": "emotional_ed.envs.planning",
    "value_iteration": "emotional_ed.envs.planning",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
