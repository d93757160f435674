"""Situations that call for emotion, each as a Gymnasium environment and as one tensor program.

Importing this package registers the ids with Gymnasium and loads nothing else: what is named below is
imported when it is first asked for. Without an import of your own, Gymnasium does it for you:

    gymnasium.make("emotional_ed.envs:EmotionalED/JammedDoor-v0")

(Gymnasium 1.0 removed the plug-in entry points through which it found the ids of installed packages.)
"""

from importlib import import_module
from typing import Any

from emotional_ed.envs.registration import register_envs as register_envs

_HOME = {
    "ApproachAvoidanceEnv": "emotional_ed.envs.approach_avoidance",
    "BatchedEnv": "emotional_ed.envs.batched",
    "BatchedStep": "emotional_ed.envs.batched",
    "BatchedTabularEnv": "emotional_ed.envs.batched",
    "BatteryEnv": "emotional_ed.envs.battery",
    "BlockMoves": "emotional_ed.envs.block_moves",
    "BlockedCount": "emotional_ed.envs.blocked_count",
    "ChangeTask": "emotional_ed.envs.change_task",
    "DeclareCatastrophe": "emotional_ed.envs.declare_catastrophe",
    "FullFeedbackEnv": "emotional_ed.envs.full_feedback",
    "GymnasiumBatch": "emotional_ed.envs.gymnasium_batch",
    "JammedDoorEnv": "emotional_ed.envs.jammed_door",
    "LavaFieldEnv": "emotional_ed.envs.lava_field",
    "MixedDoorsEnv": "emotional_ed.envs.mixed_doors",
    "MovingGoalEnv": "emotional_ed.envs.moving_goal",
    "NewDoorsEnv": "emotional_ed.envs.new_doors",
    "NewGoalsEnv": "emotional_ed.envs.new_goals",
    "NewLayoutsEnv": "emotional_ed.envs.new_layouts",
    "Observations": "emotional_ed.envs.observations",
    "PredatorEnv": "emotional_ed.envs.predator",
    "RecurringCartPoleEnv": "emotional_ed.envs.recurring_cartpole",
    "RecurringGoalsEnv": "emotional_ed.envs.recurring_goals",
    "RecurringRegimesEnv": "emotional_ed.envs.recurring_regimes",
    "SilentCatastropheEnv": "emotional_ed.envs.silent_catastrophe",
    "SlipperyCliffEnv": "emotional_ed.envs.slippery_cliff",
    "SparseMazeEnv": "emotional_ed.envs.sparse_maze",
    "TabularModel": "emotional_ed.envs.tabular_model",
    "VanishingSourceEnv": "emotional_ed.envs.vanishing_source",
    "as_batched": "emotional_ed.envs.batching",
    "policy_value": "emotional_ed.envs.planning",
    "value_iteration": "emotional_ed.envs.planning",
}
__all__ = sorted([*_HOME, "register_envs"])

register_envs()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
