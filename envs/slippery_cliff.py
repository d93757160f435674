"""A short way along the edge of a cliff and a detour, on ground that slips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import arrival_model, draw_cells, slipping_moves
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

FALL = -100.0


def build_model(rows: int, columns: int, slip: float) -> TabularModel:
    """Return the tables; the cells of the cliff are never stood on, a fall leads to the start."""
    cells = rows * columns
    start, goal = cells - columns, cells - 1
    cliff = np.zeros((1, cells), dtype=np.bool_)
    cliff[:, start + 1 : goal] = True
    reached, probability = slipping_moves(rows, columns, slip)
    model = arrival_model(
        reached,
        probability,
        reward=np.where(cliff, FALL, -1.0)[..., None],
        terminated=np.arange(cells)[None] == goal,
        catastrophe=cliff,
        start=[start],
    )
    return replace(model, next_state=np.where(model.catastrophe, start, model.next_state))


@final
class SlipperyCliffEnv(TabularEnv):
    """Sutton and Barto's cliff, with slips: every move may go to one side.

    ## Description
    The agent walks from the lower left to the lower right corner; between them lies a cliff, and who falls
    is back at the start. The short way runs along the edge. The trade-off: each slip and each exploring move
    beside the edge may be a fall, so for as long as these go on, the detour pays, though it is longer.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. With probability `slip` the move goes to one of its two
    sides instead, half each. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(rows * columns)`: row * columns + column. The cells of the cliff are never seen.

    ## Starting State
    The lower left corner, cell 36 of the usual 4 x 12.

    ## Rewards
    Each step -1; a fall -100 in its place.

    ## Episode End
    Terminates in the lower right corner; truncated after 100 steps. A fall does not end the episode.

    ## Information
    `catastrophe`: whether the step was a fall. For reports, not for agents.

    ## Values
    Undiscounted return of the best policy: -29.76 (it never risks a fall: it leaves the start only by a slip
    along the border, and keeps off the row beside the edge). Of the uniformly random policy: -1083.00.
    Straight along the edge: -158.63, with 1.22 falls an episode.

    ## Control
    `slip=0`: nothing happens by accident, the best way runs along the edge (-13), and the detour along the
    upper border returns -17. Fear of the edge must not help a policy that no longer explores.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/SlipperyCliff-v0", rows=4, columns=12, slip=0.2)
    ```
    `rows`, `columns`: size of the grid, [2, 100] and [3, 100]. `slip`: probability of a slip, in [0, 1].

    ## Reference
    Sutton and Barto, example 6.6 (there without slips).

    ## Version History
    - v0: initial version
    """

    def __init__(
        self, rows: int = 4, columns: int = 12, slip: float = 0.2, render_mode: str | None = None
    ) -> None:
        self._rows = require_int("rows", rows, 2, 100)
        self._columns = require_int("columns", columns, 3, 100)
        require_range("slip", slip, 0, 1)
        super().__init__(build_model(rows, columns, slip), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with the cliff `X` and the goal `G`."""
        start, goal = (self._rows - 1) * self._columns, self._rows * self._columns - 1
        cliff = dict.fromkeys(range(start + 1, goal), "X")
        return draw_cells(self._rows, self._columns, cliff | {goal: "G", self._state: "A"})


@final
class SlipperyCliffVectorEnv(TabularVectorEnv):
    """Many copies of `SlipperyCliffEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 100, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(SlipperyCliffEnv(**kwargs), num_envs, max_episode_steps, device)
