"""The ids under which Gymnasium finds our environments."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

NAMESPACE = "EmotionalED"
_MODULES = {
    # id, module, name of the situation's classes, time limit
    "RecurringRegimes-v0": ("emotional_ed.envs.recurring_regimes", "RecurringRegimes", 50),
    "JammedDoor-v0": ("emotional_ed.envs.jammed_door", "JammedDoor", 50),
}
ENV_IDS = tuple(f"{NAMESPACE}/{name}" for name in _MODULES)


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
