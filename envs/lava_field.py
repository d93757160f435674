"""A field of lava, new in every episode and seen through a small window: for agents that generalise."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from emotional_ed.checks import require_range
from emotional_ed.envs.grid import (
    arrival_model,
    draw_cells,
    neighbours,
    reachable,
    slipping_moves,
    ways,
    window,
)
from emotional_ed.envs.rendering import Drawn
from emotional_ed.envs.tabular_model import TabularModel

SIZE = 7
CELLS = SIZE * SIZE
REACH = 2  # cells seen to each side
WINDOW = 2 * REACH + 1
FEATURES = 3 * WINDOW**2 + 2
APART = 4  # least number of moves from start to goal
LIMIT = 40
STEP_REWARD = -0.01

_NEAR = neighbours(SIZE, SIZE)
_REACHED, _ = slipping_moves(SIZE, SIZE, 0.0)


def draw_field(rng: np.random.Generator, lava_share: float) -> tuple[NDArray[np.bool_], int, int]:
    """Return lava [S], the start and the goal of a field with a way from the one to the other."""
    while True:
        lava = rng.random(CELLS) < lava_share
        start, goal = (int(cell) for cell in rng.integers(CELLS, size=2))
        lava[[start, goal]] = False
        rows, columns = np.divmod([start, goal], SIZE)
        if abs(np.diff(rows)) + abs(np.diff(columns)) < APART:
            continue
        if reachable(~lava[None], start, SIZE)[0, goal]:
            return lava, start, goal


def look(lava: NDArray[np.bool_], goal: int, cell: int) -> NDArray[np.float32]:
    """Return what is seen from a cell [77]: border, lava and goal in the window, and the direction."""
    layers = np.stack([np.zeros_like(lava), lava, np.arange(CELLS) == goal])
    return np.append(window(layers, (1, 0, 0), SIZE, cell, REACH), ways(cell, [goal], SIZE) / (SIZE - 1))


def field_model(
    lava: NDArray[np.bool_], starts: NDArray[np.int64], goals: NDArray[np.int64], slip: float
) -> TabularModel:
    """Return the tables of fields side by side, for planning: state field * 49 + cell, seen as it is.

    Shapes:
        lava: [L, S]; starts, goals: [L].
    """
    at_goal = np.arange(CELLS) == goals[:, None]  # [L, S]
    reached, probability = slipping_moves(SIZE, SIZE, slip)
    apart = arrival_model(
        reached,
        probability,
        reward=(STEP_REWARD + at_goal - lava)[..., None],
        terminated=at_goal | lava,
        catastrophe=lava,
        start=[0],
    )
    first = CELLS * np.arange(len(goals))
    shape = (1, len(goals) * CELLS, *apart.shape[2:])
    return TabularModel(
        probability=apart.probability.reshape(shape),
        next_state=(apart.next_state + first[:, None, None, None]).reshape(shape),
        reward=apart.reward.reshape(shape),
        terminated=apart.terminated.reshape(shape),
        catastrophe=apart.catastrophe.reshape(shape),
        observation=np.arange(len(goals) * CELLS),
        start=first + starts,
    )


@final
class LavaFieldEnv(Drawn, gymnasium.Env[NDArray[np.float32], int]):
    """A 7x7 field with new lava in each episode; the agent sees a 5x5 window and where the goal lies.

    ## Description
    Each episode draws lava, a start and a goal at least four moves apart, with a way between them. The agent
    walks on ground that slips. No field comes twice, so that nothing is gained by knowing a cell: what has
    to be learned is how lava looks. The trade-off: the straight way leads past lava, where a slip is the
    end; who fears the sight of lava takes the longer way round, or never arrives.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. With probability `slip` the move goes to one of its two
    sides instead, half each. A move against the border leaves the agent where it is.

    ## Observation Space
    `Box(-1, 1, (77,), float32)`: three channels of the 5x5 window around the agent, row by row, 1 where a
    cell is beyond the border, lava, the goal; then how far the goal lies below and to the right, in sixths.

    ## Starting State
    A free cell, in a field drawn anew.

    ## Rewards
    Each step -0.01; at the goal +1; in lava -1.

    ## Episode End
    Terminates at the goal and in lava; truncated after 40 steps.

    ## Information
    `catastrophe`: whether the step led into lava. For reports, not for agents.

    ## Values
    Mean over 500 fields of the undiscounted return of the best policy (sees the whole field): 0.811, with
    0.054 catastrophes an episode. Of the best policy for sure ground: 0.699, with 0.117. Of the uniformly
    random policy: -0.948, with 0.870.

    ## Control
    `lava=0.0`: there is nothing to fear. Fear must not help, and not harm: the best policy is worth 0.934.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/LavaField-v0", lava=0.15, slip=0.1)
    ```
    `lava`: probability that a cell is lava, in [0, 0.4]. `slip`: probability of a slip, in [0, 1].

    ## Version History
    - v0: initial version
    """

    def __init__(self, lava: float = 0.15, slip: float = 0.1, render_mode: str | None = None) -> None:
        self.lava_share = require_range("lava", lava, 0, 0.4)
        self.slip = require_range("slip", slip, 0, 1)
        self.show_as(render_mode)
        self.observation_space = spaces.Box(-1, 1, (FEATURES,), np.float32)
        self.action_space = spaces.Discrete(4)  # type: ignore[assignment]  # Gymnasium's integers are NumPy's
        self._lava, self._cell, self._goal = np.zeros(CELLS, dtype=np.bool_), 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw another field."""
        super().reset(seed=seed)
        self._lava, self._cell, self._goal = draw_field(self.np_random, self.lava_share)
        return look(self._lava, self._goal, self._cell), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one action; `info["catastrophe"]` is for reports."""
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected an integer in [0, 4)")
        uniform = self.np_random.random()
        outcome = int(uniform >= 1 - self.slip) + int(uniform >= 1 - self.slip / 2)
        self._cell = int(_REACHED[self._cell, int(action), outcome])
        burnt, arrived = bool(self._lava[self._cell]), self._cell == self._goal
        reward = STEP_REWARD + arrived - burnt
        seen = look(self._lava, self._goal, self._cell)
        return seen, reward, burnt or arrived, False, {"catastrophe": burnt}

    def model(self) -> TabularModel:
        """Return the tables of the present field, for planning; state 49 cells, row by row."""
        return field_model(self._lava[None], np.array([self._cell]), np.array([self._goal]), self.slip)

    def layout(self) -> list[str]:
        """Return the field with lava `X`, the goal `G` and the agent `A`."""
        lava = dict.fromkeys(np.flatnonzero(self._lava).tolist(), "X")
        return draw_cells(SIZE, SIZE, lava | {self._goal: "G", self._cell: "A"})
