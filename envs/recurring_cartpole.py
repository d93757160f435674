"""A pole on a cart whose physics come and go: what was learned of them before holds again, after a while."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from numpy.typing import NDArray

from emotional_ed.checks import require_choice, require_int
from emotional_ed.envs.grid import draw_cells
from emotional_ed.envs.rendering import Drawn

CHANGES = ("push", "pole", "none")
LONG = 3.0  # times as long as CartPole's pole
COLUMNS = 25
MIDDLE = COLUMNS // 2
_MARGIN = 2.4  # CartPole ends beyond it
_LARGEST = (4.8, 50.0, 0.42, 50.0)  # CartPole's bounds, and speeds that no episode of 200 steps reaches


@final
class RecurringCartPoleEnv(Drawn, gymnasium.Env[NDArray[Any], Any]):
    """CartPole in which left and right change places every so many steps, and back.

    ## Description
    A pole stands on a cart that is pushed to the left or to the right. With the first episode that starts
    after another `period` steps the physics change, in turn: the first kind, the second, the first again.
    The observation does not tell which is in force; that they changed shows in how the pole falls. The
    trade-off: an agent that forgets what stopped working learns the present physics soonest, and has to learn
    them anew whenever they return.

    ## Action Space
    `Discrete(2)`: 0 pushes to the left, 1 to the right; under the second kind of physics the other way round.

    ## Observation Space
    What CartPole-v1 shows, `Box((4,), float32)`: position, speed, angle in radians, angular speed.

    ## Starting State
    Each number uniform in [-0.05, 0.05].

    ## Rewards
    +1 a step, the last one included.

    ## Episode End
    Terminates when the pole leans more than 12 degrees or the cart is more than 2.4 from the middle;
    truncated after 200 steps.

    ## Information
    `catastrophe`: whether the step ended in a fall. `phase`: which physics are in force, 0 or 1. For reports,
    not for agents.

    ## Values
    Undiscounted return of the best policy (knows the physics): 200. Of the best policy for one kind of
    physics under the other: 8.8. Of the uniformly random policy: 22.

    ## Control
    `change="none"`: the physics stay. To remember others must not help, and not harm. `change="pole"`: the
    pole is three times as long in every second phase; the same policy is best for both, and worth 200.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/RecurringCartPole-v0", change="push", period=4000)
    ```
    `change`: "push", "pole" or "none". `period`: steps a phase, >= 1; the episode that runs then is finished.

    ## Version History
    - v0: initial version
    """

    metadata: dict[str, Any] = {**Drawn.metadata, "render_fps": 50}  # noqa: RUF012 (Gymnasium declares it so)

    def __init__(self, change: str = "push", period: int = 4000, render_mode: str | None = None) -> None:
        require_choice("change", change, CHANGES)
        require_int("period", period, 1)
        self.show_as(render_mode)
        self.change, self.period = change, period
        self._world = CartPoleEnv()
        self._lengths = (self._world.length, LONG * self._world.length)
        self._steps = self._phase = 0
        high = np.array(_LARGEST, dtype=np.float32)
        self.observation_space = spaces.Box(-high, high)
        self.action_space = self._world.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start the next episode; a seed starts the world anew at its first phase."""
        super().reset(seed=seed)
        self._steps = 0 if seed is not None else self._steps
        self._phase = 0 if self.change == "none" else self._steps // self.period % 2
        if self.change == "pole":
            self._world.length = self._lengths[self._phase]
            self._world.polemass_length = self._world.masspole * self._world.length
        observation, info = self._world.reset(seed=seed, options=options)
        return observation, {**info, "phase": self._phase}

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Push; `info["catastrophe"]` and `info["phase"]` are for reports."""
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected an integer in [0, 2)")
        swapped = self.change == "push" and self._phase == 1
        observation, reward, fell, truncated, info = self._world.step(  # type: ignore[no-untyped-call]
            1 - action if swapped else action
        )
        self._steps += 1
        told = {**info, "phase": self._phase, "catastrophe": bool(fell)}
        return observation, float(reward), bool(fell), bool(truncated), told

    def layout(self) -> list[str]:
        """Return a drawing: the cart `A` on its way, and above it where the tip of the pole leans, `+`."""
        pole = self._world
        position, angle = (0.0, 0.0) if pole.state is None else (float(pole.state[0]), float(pole.state[2]))
        cart = _column(position / _MARGIN)
        lean = round(6 * angle / pole.theta_threshold_radians)
        tip = min(max(cart + lean, 0), COLUMNS - 1)
        return draw_cells(2, COLUMNS, {tip: "+", COLUMNS: "#", 2 * COLUMNS - 1: "#", COLUMNS + cart: "A"})


def _column(share: float) -> int:
    """Return the column of a place in [-1, 1]."""
    return min(max(MIDDLE + round(MIDDLE * share), 0), COLUMNS - 1)
