"""A door that opens only to those who keep pushing, beside one that never opens."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

CELLS = 7
START = 4
EXIT = 1
UP, RIGHT, DOWN, LEFT = range(4)


def build_model(least: int, most: int, step_reward: float, exit_reward: float, opens: bool) -> TabularModel:
    """Return the tables; latent state (need, cell, pushes so far), of which the agent sees the cell."""
    needs = range(least, most + 1)
    # The pushes so far matter only in the last cell: cells 0..5, then the last cell with 0..need-1 pushes.
    index: dict[tuple[int, int, int], int] = {}
    for need in needs:
        for cell in range(CELLS - 1):
            index[need, cell, 0] = len(index)
        for pushes in range(need):
            index[need, CELLS - 1, pushes] = len(index)
    outside = len(index)  # where doors and exits lead; the episode is over there
    tables = empty_tables(1, outside + 1, 4, 1)
    tables["probability"][:] = 1
    tables["reward"][:] = step_reward
    tables["next_state"][0, outside] = outside
    for (need, cell, pushes), state in index.items():
        for action in range(4):
            reward, reached = step_reward, index[need, cell, 0]
            if action == LEFT and cell > 0:
                reached = index[need, cell - 1, 0]
            elif action == RIGHT and cell < CELLS - 1:
                reached = index[need, cell + 1, 0]
            elif action == RIGHT and opens and pushes + 1 == need:
                reward, reached = step_reward + 1.0, outside
            elif action == RIGHT and opens:
                reached = index[need, cell, pushes + 1]
            elif action == DOWN and cell == EXIT:
                reward, reached = step_reward + exit_reward, outside
            tables["reward"][0, state, action] = reward
            tables["next_state"][0, state, action] = reached
            tables["terminated"][0, state, action] = reached == outside
    observation = np.array([cell for _, cell, _ in index] + [CELLS], dtype=np.int64)
    start = np.array([index[need, START, 0] for need in needs], dtype=np.int64)
    return TabularModel(**tables, observation=observation, start=start)  # type: ignore[arg-type]


@final
class JammedDoorEnv(TabularEnv):
    """A corridor with a jammed door at its east end, a door that never opens at its west end, and an exit.

    ## Description
    The east door pays 1, but opens only after several pushes in a row; how many is drawn anew each episode
    and cannot be seen. Whoever lets go starts over. The west door never opens, however long one pushes.
    The side exit near the west end is open and pays little. The trade-off: who gives up early takes the side
    exit for ever, who never gives up starves at the west door.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. Right in the last cell pushes the east door, left in the
    first cell the west door, down in cell 1 takes the side exit; all else against a wall does nothing.

    ## Observation Space
    `Discrete(8)`: the cell, 0 to 6; 7 is outside, seen only when the episode has ended.

    ## Starting State
    Cell 4; the number of pushes needed is uniform in [least, most].

    ## Rewards
    Each step -0.01; through the east door +1; through the side exit +0.2.

    ## Episode End
    Terminates outside; truncated after 50 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    Undiscounted return of the best policy: 0.93 (walk east and keep pushing; it needs no memory). Taking
    the side exit: 0.16. The uniformly random policy: -0.23.

    ## Control
    `opens=False`: the east door never opens either; persistence must not trap, the best return is 0.16.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/JammedDoor-v0", least=2, most=8)
    ```
    `least`, `most`: bounds on the pushes needed, 1 <= least <= most. `step_reward`, `exit_reward`: as above.
    `opens`: whether the east door opens at all.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        least: int = 2,
        most: int = 8,
        step_reward: float = -0.01,
        exit_reward: float = 0.2,
        opens: bool = True,
        render_mode: str | None = None,
    ) -> None:
        require_int("least", least, 1, 1000)
        require_int("most", most, least, 1000)
        require_range("step_reward", step_reward, -1e6, 1e6)
        require_range("exit_reward", exit_reward, -1e6, 1e6)
        super().__init__(build_model(least, most, step_reward, exit_reward, opens), render_mode)

    def layout(self) -> list[str]:
        """Return the corridor between its two doors `D`, with the side exit `e` below."""
        cell = int(self.model.observation[self._state])
        corridor = ["."] * CELLS
        if cell < CELLS:
            corridor[cell] = "A"
        exits = ["#"] * (CELLS + 2)
        exits[EXIT + 1] = "e"
        return ["#" * (CELLS + 2), "D" + "".join(corridor) + "D", "".join(exits)]


@final
class JammedDoorVectorEnv(TabularVectorEnv):
    """Many copies of `JammedDoorEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 50, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(JammedDoorEnv(**kwargs), num_envs, max_episode_steps, device)
