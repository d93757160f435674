"""Say which outcomes of somebody else's environment count as catastrophes in reports."""

from __future__ import annotations

from typing import Any, final

import gymnasium

from emotional_ed.checks import require_range


@final
class DeclareCatastrophe(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Set `info["catastrophe"]` when a step's reward is at most `reward_at_most`; agents do not see it.

    Example:
        >>> import gymnasium
        >>> env = DeclareCatastrophe(gymnasium.make("CliffWalkingSlippery-v1"), reward_at_most=-100)
    """

    def __init__(self, env: gymnasium.Env[Any, Any], reward_at_most: float) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, reward_at_most=reward_at_most)
        gymnasium.Wrapper.__init__(self, env)
        self.reward_at_most = require_range("reward_at_most", reward_at_most)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and mark catastrophes."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = {**info, "catastrophe": bool(float(reward) <= self.reward_at_most)}
        return observation, reward, terminated, truncated, info
