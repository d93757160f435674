"""Say which outcomes of somebody else's environment count as catastrophes in reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import gymnasium

from emotional_ed.checks import require_bool, require_range


@final
class DeclareCatastrophe(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Set `info["catastrophe"]` in steps that any of the declarations names; agents do not see it.

    Args:
        env: any Gymnasium environment.
        reward_at_most: a step whose reward is at most this is a catastrophe.
        terminated: every termination is one, such as the fall of CartPole's pole. A truncation is none.
        when: a function of (observation, reward, terminated, truncated, info) that says whether the step is.

    Raises:
        ValueError: nothing is declared, or an argument is of the wrong kind.

    Example:
        >>> import gymnasium
        >>> cliff = DeclareCatastrophe(gymnasium.make("CliffWalkingSlippery-v1"), reward_at_most=-100)
        >>> pole = DeclareCatastrophe(gymnasium.make("CartPole-v1"), terminated=True)
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        reward_at_most: float | None = None,
        *,
        terminated: bool = False,
        when: Callable[[Any, Any, bool, bool, dict[str, Any]], bool] | None = None,
    ) -> None:
        if reward_at_most is not None:
            reward_at_most = require_range("reward_at_most", reward_at_most)
        require_bool("terminated", terminated)
        if when is not None and not callable(when):
            raise ValueError(f"when: got {when!r}, expected a function")
        if reward_at_most is None and not terminated and when is None:
            raise ValueError("reward_at_most: got None, expected it, terminated=True or when=..., or several")
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, reward_at_most=reward_at_most, terminated=terminated, when=when
        )
        gymnasium.Wrapper.__init__(self, env)
        self.reward_at_most, self.terminated, self.when = reward_at_most, terminated, when

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and mark catastrophes."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        declared = self.reward_at_most is not None and float(reward) <= self.reward_at_most
        declared = declared or (self.terminated and bool(terminated))
        if self.when is not None and not declared:
            declared = bool(self.when(observation, reward, terminated, truncated, info))
        return observation, reward, terminated, truncated, {**info, "catastrophe": declared}
