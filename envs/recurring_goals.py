"""Several goal cells that pay in turn, again and again: each lesson comes back into force."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import draw_cells, noisy_model
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

SIZE = 5
START = 12  # the middle
SITES = (1, 23, 9, 15, 3, 21, 19, 5)  # a knight's move from the middle: three steps each


def paying_order(goals: int) -> list[int]:
    """Return the goal cells in the order in which they pay: shuffled, always the same way."""
    order = np.random.default_rng(goals).permutation(goals)
    return [SITES[i] for i in order]


def build_model(goals: int, period: int, noise: float) -> TabularModel:
    """Return the tables; in context c the c-th cell of `paying_order` pays."""
    cells = np.arange(SIZE * SIZE)
    order = np.array(paying_order(goals))
    pays = cells == order[:, None]  # [C, S]
    return noisy_model(
        SIZE,
        SIZE,
        reward=pays.astype(np.float64),
        ends=np.isin(cells, order) & np.ones_like(pays),
        noise=noise,
        catastrophe=np.zeros_like(pays),
        start=START,
        episodes_per_context=period,
    )


@final
class RecurringGoalsEnv(TabularEnv):
    """A 5x5 grid with four goal cells, of which another one pays every 50 episodes, in a fixed cycle.

    ## Description
    From the middle the agent walks to a goal cell, three steps off each. One pays 1, the others nothing, and
    every `period` episodes the next one in a shuffled but fixed cycle pays. Nothing in the observation tells
    which. The trade-off: with more goals each is learned more rarely, and longer ago; who forgets learns it
    anew each time, who remembers all must still find out which lesson holds.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(25)`: row * 5 + column.

    ## Starting State
    Cell 12, the middle.

    ## Rewards
    At the goal cell that pays 1, at the others 0, each plus or minus `noise` with equal probability; else 0.

    ## Episode End
    Terminates at every goal cell; truncated after 50 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    Undiscounted return of the best policy (knows which cell pays): 1. Of the uniformly random policy: 0.250.
    A policy that always goes to the same cell earns 0.25 on average over the cycle.

    ## Control
    `period=10**9` (the same cell pays throughout a run): recall must not help here.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/RecurringGoals-v0", goals=4, period=50, noise=0.0)
    ```
    `goals`: number of goal cells, in [2, 8]. `period`: episodes between two changes, >= 1. `noise`: spread of
    outcomes, >= 0.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self, goals: int = 4, period: int = 50, noise: float = 0.0, render_mode: str | None = None
    ) -> None:
        require_int("goals", goals, 2, len(SITES))
        require_int("period", period, 1)
        require_range("noise", noise, 0, 1e6)
        self._order = paying_order(goals)
        super().__init__(build_model(goals, period, noise), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with the cell that pays now `G` and the other goal cells `o`."""
        paying = self._order[self.model.context(max(self._episode, 0))]
        return draw_cells(SIZE, SIZE, dict.fromkeys(self._order, "o") | {paying: "G", self._state: "A"})


@final
class RecurringGoalsVectorEnv(TabularVectorEnv):
    """Many copies of `RecurringGoalsEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 50, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(RecurringGoalsEnv(**kwargs), num_envs, max_episode_steps, device)
