"""An environment of one's own: any Gymnasium task with discrete actions will do.

Run it: python examples/own_environment.py
"""

from __future__ import annotations

from typing import Any

from gymnasium import Env, register, spaces

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ


class Bridge(Env[int, int]):
    """Nine planks to the goal: walk one, or run two and fall into the river with probability 0.1."""

    observation_space, action_space = spaces.Discrete(10), spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        """Begin at the bank."""
        super().reset(seed=seed)
        self.plank = 0
        return self.plank, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk (0) or run (1); `info["catastrophe"]` is for reports, no agent sees it."""
        fell = bool(action == 1 and self.np_random.random() < 0.1)
        self.plank = min(self.plank + 1 + action, 9)
        reward = -1.0 if fell else 1.0 if self.plank == 9 else -0.02
        return self.plank, reward, fell or self.plank == 9, False, {"catastrophe": fell}


if __name__ == "__main__":
    register("Own/Bridge-v0", Bridge, max_episode_steps=50)
    for level in (0, 1):
        agent = EmotionalQ("Own/Bridge-v0", AffectConfig.levels(level), population=8, seed=0).learn(1500)
        late = agent.episodes["return"][agent.episodes["step"] > 750]
        print(f"level {level}: late return {late.mean():.2f}, {agent.catastrophes.mean():.1f} falls an agent")
