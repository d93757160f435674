"""The ids under which Gymnasium finds our environments."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

NAMESPACE = "EmotionalED"
_MODULES = {
    # id, module, name of the situation's classes, time limit
    "RecurringRegimes-v0": ("emotional_ed.envs.recurring_regimes", "RecurringRegimes", 50),
    "JammedDoor-v0": ("emotional_ed.envs.jammed_door", "JammedDoor", 50),
    "SlipperyCliff-v0": ("emotional_ed.envs.slippery_cliff", "SlipperyCliff", 100),
    "MovingGoal-v0": ("emotional_ed.envs.moving_goal", "MovingGoal", 60),
    "RecurringGoals-v0": ("emotional_ed.envs.recurring_goals", "RecurringGoals", 50),
    "NewGoals-v0": ("emotional_ed.envs.new_goals", "NewGoals", 50),
    "MixedDoors-v0": ("emotional_ed.envs.mixed_doors", "MixedDoors", 60),
    "NewLayouts-v0": ("emotional_ed.envs.new_layouts", "NewLayouts", 60),
    "SilentCatastrophe-v0": ("emotional_ed.envs.silent_catastrophe", "SilentCatastrophe", 60),
    "FullFeedback-v0": ("emotional_ed.envs.full_feedback", "FullFeedback", 20),
    "VanishingSource-v0": ("emotional_ed.envs.vanishing_source", "VanishingSource", 40),
    "ApproachAvoidance-v0": ("emotional_ed.envs.approach_avoidance", "ApproachAvoidance", 40),
    "SparseMaze-v0": ("emotional_ed.envs.sparse_maze", "SparseMaze", 200),
    "Predator-v0": ("emotional_ed.envs.predator", "Predator", 60),
    "Battery-v0": ("emotional_ed.envs.battery", "Battery", 100),
}
ENV_IDS = tuple(f"{NAMESPACE}/{name}" for name in _MODULES)
"""The situations that are tables, with a version that steps many copies in one tensor program."""
_DEEP = {
    "LavaField-v0": ("emotional_ed.envs.lava_field:LavaFieldEnv", 40),
    "NewDoors-v0": ("emotional_ed.envs.new_doors:NewDoorsEnv", 50),
    "RecurringCartPole-v0": ("emotional_ed.envs.recurring_cartpole:RecurringCartPoleEnv", 200),
}
DEEP_IDS = tuple(f"{NAMESPACE}/{name}" for name in _DEEP)
"""The situations for deep agents, whose observations are vectors."""


def register_envs() -> None:
    """Register every environment, once; importing `emotional_ed.envs` calls this."""
    for name, (module, situation, limit) in _MODULES.items():
        if f"{NAMESPACE}/{name}" not in registry:
            register(
                id=f"{NAMESPACE}/{name}",
                entry_point=f"{module}:{situation}Env",
                vector_entry_point=f"{module}:{situation}VectorEnv",
                max_episode_steps=limit,
            )
    for name, (entry_point, limit) in _DEEP.items():
        if f"{NAMESPACE}/{name}" not in registry:
            register(id=f"{NAMESPACE}/{name}", entry_point=entry_point, max_episode_steps=limit)
