"""A goal that moves to a cell where it never was before: nothing that was learned comes back."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import draw_cells, noisy_model
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

SIZE = 7
START = 24  # the middle


def goals_in_order() -> list[int]:
    """Return all cells but the start, shuffled, always the same way."""
    cells = [cell for cell in range(SIZE * SIZE) if cell != START]
    return [int(cell) for cell in np.random.default_rng(0).permutation(cells)]


def build_model(period: int, noise: float) -> TabularModel:
    """Return the tables; context c has its goal at the c-th cell of `goals_in_order`."""
    goal = np.arange(SIZE * SIZE) == np.array(goals_in_order())[:, None]  # [C, S]
    return noisy_model(
        SIZE,
        SIZE,
        reward=goal.astype(np.float64),
        ends=goal,
        noise=noise,
        catastrophe=np.zeros_like(goal),
        start=START,
        episodes_per_context=period,
        repeats=False,
    )


@final
class NewGoalsEnv(TabularEnv):
    """A 7x7 grid whose goal moves every 50 episodes to a cell where it never was before.

    ## Description
    From the middle the agent searches the one cell that pays. Every `period` episodes the goal moves to a new
    cell, and nothing in the observation tells. The trade-off: what was learned must go, and fast; a memory
    that brings old lessons back only leads to where the goal is no more.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(49)`: row * 7 + column.

    ## Starting State
    Cell 24, the middle.

    ## Rewards
    At the goal 1 plus or minus `noise` with equal probability; else 0.

    ## Episode End
    Terminates at the goal; truncated after 50 steps. Former goals are ordinary cells.

    ## Information
    `catastrophe`: always False.

    ## Values
    Undiscounted return, mean over the 48 goals, of the best policy (knows the goal): 1. Of the uniformly
    random policy: 0.390.

    ## Control
    The situation is itself the control for recall: no goal comes back. After 47 moves every cell but the
    start has had its turn, and the last goal stays. `period=10**9`: the goal never moves.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/NewGoals-v0", period=50, noise=0.0)
    ```
    `period`: episodes between two moves, >= 1. `noise`: spread of the outcome, >= 0.

    ## Version History
    - v0: initial version
    """

    def __init__(self, period: int = 50, noise: float = 0.0, render_mode: str | None = None) -> None:
        require_int("period", period, 1)
        require_range("noise", noise, 0, 1e6)
        super().__init__(build_model(period, noise), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with the goal `G`."""
        goal = goals_in_order()[self.model.context(max(self._episode, 0))]
        return draw_cells(SIZE, SIZE, {goal: "G", self._state: "A"})


@final
class NewGoalsVectorEnv(TabularVectorEnv):
    """Many copies of `NewGoalsEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 50, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(NewGoalsEnv(**kwargs), num_envs, max_episode_steps, device)
