"""Two reward sites that swap every so many episodes: what was learned before comes back into force."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import draw_cells, noisy_model
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

SIZE = 5
START = 22  # bottom row, middle
SITES = (0, 4)  # upper corners


def build_model(period: int, noise: float) -> TabularModel:
    """Return the tables for regimes of `period` episodes and outcomes of +-1 +- `noise`."""
    reward = np.zeros((2, SIZE * SIZE))
    reward[:, SITES] = [[1, -1], [-1, 1]]
    return noisy_model(
        SIZE,
        SIZE,
        reward=reward,
        ends=reward != 0,
        noise=noise,
        catastrophe=reward < 0,
        start=START,
        episodes_per_context=period,
    )


@final
class RecurringRegimesEnv(TabularEnv):
    """A 5x5 grid whose two reward sites swap their signs every 100 episodes.

    ## Description
    From the middle of the bottom row the agent walks to one of the upper corners. One pays +1, the other
    -1, and every `period` episodes they swap. Nothing in the observation tells which regime is in force:
    it must be inferred from what happened. The trade-off: learn fast to follow a swap, and forget what
    will be true again; learn slowly, and be wrong for long. An agent that keeps both lessons and finds
    out which one holds does not pay.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(25)`: row * 5 + column.

    ## Starting State
    Cell 22, the middle of the bottom row.

    ## Rewards
    At the good corner 1, at the bad corner -1, each plus or minus `noise` with equal probability; else 0.

    ## Episode End
    Terminates at a corner; truncated after 50 steps.

    ## Information
    `catastrophe`: whether the step reached the bad corner. For reports, not for agents.

    ## Values
    Undiscounted return of the best policy (knows the regime): 1. Of the uniformly random policy: 0.
    A policy that cannot tell the regimes apart earns 0 on average over both.

    ## Control
    `period=10**9` (no swap within a run): recall must not help here.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/RecurringRegimes-v0", period=100, noise=0.0)
    ```
    `period`: episodes between two swaps, >= 1. `noise`: spread of outcomes, >= 0.

    ## Version History
    - v0: initial version
    """

    def __init__(self, period: int = 100, noise: float = 0.0, render_mode: str | None = None) -> None:
        require_int("period", period, 1)
        require_range("noise", noise, 0, 1e6)
        super().__init__(build_model(period, noise), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with `+` and `-` at the corners as they pay now."""
        good = self.model.context(max(self._episode, 0))
        marks = {SITES[good]: "+", SITES[1 - good]: "-", self._state: "A"}
        return draw_cells(SIZE, SIZE, marks)


@final
class RecurringRegimesVectorEnv(TabularVectorEnv):
    """Many copies of `RecurringRegimesEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 50, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(RecurringRegimesEnv(**kwargs), num_envs, max_episode_steps, device)
