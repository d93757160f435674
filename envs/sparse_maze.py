"""A maze with a single distant reward: what is worth going over again once it was found."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_choice, require_range
from emotional_ed.envs.grid import draw_cells, neighbours
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

SIZE = 9
MAZE = (
    "....#....",
    "###.#.##.",
    "....#.#..",
    ".####.#.#",
    "........#",
    ".###.##..",
    "...#.#..#",
    "##.#.#.##",
    "...#.....",
)
START = 0
GOALS = {"far": SIZE * SIZE - 1, "near": 1}


def build_model(distance: str, noise: float) -> TabularModel:
    """Return the tables; cells of wall are states that nothing leads to."""
    goal, walls = GOALS[distance], "".join(MAZE)
    beside = neighbours(SIZE, SIZE).tolist()
    tables = empty_tables(1, SIZE * SIZE, 4, 2)
    tables["probability"][:] = 0.5
    tables["reward"][:] = (-noise, noise)
    for state in range(SIZE * SIZE):
        for action, cell in enumerate(beside[state]):
            reached = state if walls[cell] == "#" else cell
            tables["next_state"][0, state, action] = reached
            if reached == goal:
                tables["reward"][0, state, action] += 1
                tables["terminated"][0, state, action] = True
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(SIZE * SIZE),
        start=np.array([START]),
    )


@final
class SparseMazeEnv(TabularEnv):
    """A fixed 9x9 maze with a single reward at its far end.

    ## Description
    From the upper left corner through the maze to the lower right corner; nothing else pays. A random walk
    rarely arrives, so that what little experience there is of the reward has to be used well: the situation
    for replay during sleep. The trade-off: going over what was found makes the most of it, but with `noise`
    it also goes over what was luck.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against a wall leaves the agent where it is.

    ## Observation Space
    `Discrete(81)`: row * 9 + column, of which 50 cells are no wall.

    ## Starting State
    Cell 0, the upper left corner.

    ## Rewards
    At the goal 1, else 0, each plus or minus `noise` with equal probability.

    ## Episode End
    Terminates at the goal; truncated after 200 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    The shortest path has 22 steps. Return of the best policy: 1 undiscounted, 0.527 with discount 0.97 (0.97
    to the power of 21). The uniformly random policy arrives within 200 steps in 2.13 % of episodes, an
    undiscounted return of 0.0213.

    ## Control
    `distance="near"`: the goal is the cell next to the start. Replay must not matter: the best policy needs
    one step, and the random one arrives in all but one episode in 10^15.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/SparseMaze-v0", distance="far", noise=0.0)
    ```
    `distance`: "far" or "near". `noise`: spread of every step's reward, >= 0.

    ## Version History
    - v0: initial version
    """

    def __init__(self, distance: str = "far", noise: float = 0.0, render_mode: str | None = None) -> None:
        require_choice("distance", distance, GOALS)
        require_range("noise", noise, 0, 1e6)
        super().__init__(build_model(distance, noise), render_mode)
        self._goal = GOALS[distance]

    def layout(self) -> list[str]:
        """Return the maze with the goal `G`."""
        walls = dict(enumerate("".join(MAZE)))
        return draw_cells(SIZE, SIZE, walls | {self._goal: "G", self._state: "A"})


@final
class SparseMazeVectorEnv(TabularVectorEnv):
    """Many copies of `SparseMazeEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 200, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(SparseMazeEnv(**kwargs), num_envs, max_episode_steps, device)
