"""Food in a corner and a predator on the agent's heels, seen by all in the same coarse way."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import draw_cells, neighbours
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

SIZE = 6
CELLS = SIZE * SIZE
CORNERS = (0, SIZE - 1, CELLS - SIZE, CELLS - 1)
NEAR, MID = 2, 4
"""Greatest Manhattan distances that count as near and as mid."""
HEAD_START = 4
"""Least Manhattan distance of the predator at the start."""

Ints = NDArray[np.int64]


def sector(down: Ints, right: Ints) -> Ints:
    """Return the direction of an offset: 0 up, then clockwise by eighths to 7 up left; 0 for no offset."""
    rows = np.where(2 * abs(down) < abs(right), 0, np.sign(down))
    columns = np.where(2 * abs(right) < abs(down), 0, np.sign(right))
    compass = np.array([[7, 0, 1], [6, 0, 2], [5, 4, 3]])
    return np.asarray(compass[rows + 1, columns + 1])


def step_toward(hunter: Ints, prey: Ints) -> Ints:
    """Return where the hunter's next step leads: along the longer axis, up or down where both are equal."""
    down, right = prey // SIZE - hunter // SIZE, prey % SIZE - hunter % SIZE
    upright = abs(down) >= abs(right)
    return np.asarray(hunter + np.where(upright, SIZE * np.sign(down), np.sign(right)))


def observe(agent: Ints, predator: Ints, corner: Ints) -> Ints:
    """Return (sector of the predator * 3 + near, mid or far) * 8 + sector of the food."""
    food = np.array(CORNERS)[corner]
    down, right = predator // SIZE - agent // SIZE, predator % SIZE - agent % SIZE
    distance = abs(down) + abs(right)
    reach = (distance > NEAR).astype(np.int64) + (distance > MID)
    to_food = sector(food // SIZE - agent // SIZE, food % SIZE - agent % SIZE)
    return np.asarray((sector(down, right) * 3 + reach) * 8 + to_food)


def build_model(hunting: float, step_reward: float, leaves: int = 0) -> TabularModel:
    """Return the tables; latent state (agent, predator, corner of food); outcome 1: the predator moves.

    If it ever leaves, it sleeps in context 1, which stays.
    """
    agent, predator, corner = (
        index.ravel() for index in np.meshgrid(range(CELLS), range(CELLS), range(4), indexing="ij")
    )
    food = np.array(CORNERS)[corner]
    beside = neighbours(SIZE, SIZE)
    hunts = np.array([hunting, 0.0] if leaves else [hunting])
    tables = empty_tables(len(hunts), len(agent), 4, 2)
    tables["probability"][:] = np.stack([1 - hunts, hunts], axis=-1)[:, None, None]
    for action in range(4):
        moved = beside[agent, action]
        stepped = np.where(moved == food, predator, step_toward(predator, moved))
        for outcome, after in enumerate((predator, stepped)):
            caught = (after == moved) & (hunts[:, None] > 0)  # [C, Z]
            eaten = (moved == food) & ~caught
            where = (slice(None), slice(None), action, outcome)
            tables["next_state"][where] = (moved * CELLS + after) * 4 + corner
            tables["reward"][where] = step_reward + 1.0 * eaten - 1.0 * caught
            tables["catastrophe"][where] = caught
            tables["terminated"][where] = caught | eaten
    distance = abs(predator // SIZE - agent // SIZE) + abs(predator % SIZE - agent % SIZE)
    start = np.flatnonzero((distance >= HEAD_START) & (agent != food) & (predator != food))
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=observe(agent, predator, corner),
        start=start,
        episodes_per_context=max(leaves, 1),
        repeats=not leaves,
    )


@final
class PredatorEnv(TabularEnv):
    """A 6x6 grid with food in a random corner and a predator that hunts the agent.

    ## Description
    The agent moves, then the predator takes a step toward it with probability `hunting`, else it rests.
    Whoever reaches the food first is safe. All agents see the same: in which direction the predator is and
    whether it is near, and in which direction the food is. The trade-off: the straight
    way to the food often leads past the predator, and each step aside costs a little.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(192)`: (direction of the predator * 3 + distance) * 8 + direction of the food. Directions are
    eighths of a turn, 0 up and on clockwise, 0 also for the own cell. Distance 0 is near (Manhattan distance
    at most 2), 1 mid (at most 4), 2 far. The agent does not see its own cell.

    ## Starting State
    Uniform over all states with the food in a corner, agent and predator at least 4 steps apart and neither
    of them on the food.

    ## Rewards
    Each step -0.01; at the food +1; caught -1.

    ## Episode End
    Terminates at the food and when caught; truncated after 60 steps.

    ## Information
    `catastrophe`: whether the agent was caught. For reports, not for agents.

    ## Values
    Undiscounted return of the best policy that sees all: 0.935, without a catastrophe; an upper bound for
    those who see the observation only. Straight to the food, as if there were no predator: 0.401, with 66.8
    catastrophes per 1000 steps. The uniformly random policy: -0.904, with 114.5.

    ## Control
    `hunting=0.0`: the predator sleeps and does no harm. Fear must not help: the best return is 0.948,
    straight to the food. `leaves=N` is the control of fear that stays: after N episodes the predator sleeps
    for good, and who still shuns it loses time.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/Predator-v0", hunting=0.6, leaves=0)
    ```
    `hunting`: probability that the predator takes a step, in [0, 1]. `step_reward`: as above. `leaves`:
    episodes after which it sleeps for good, >= 0; 0 never.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        hunting: float = 0.6,
        step_reward: float = -0.01,
        leaves: int = 0,
        render_mode: str | None = None,
    ) -> None:
        require_range("hunting", hunting, 0, 1)
        require_range("step_reward", step_reward, -1e6, 1e6)
        require_int("leaves", leaves, 0)
        super().__init__(build_model(hunting, step_reward, leaves), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with the predator `P` and the food `+`; where two meet, the agent is drawn last."""
        place, corner = divmod(self._state, 4)
        return draw_cells(SIZE, SIZE, {CORNERS[corner]: "+", place % CELLS: "P", place // CELLS: "A"})


@final
class PredatorVectorEnv(TabularVectorEnv):
    """Many copies of `PredatorEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 60, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(PredatorEnv(**kwargs), num_envs, max_episode_steps, device)
