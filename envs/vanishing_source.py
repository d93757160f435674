"""A rich reward source that vanishes and may return, beside a steady poor one."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import MOVES
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

MAP = ("R.....p", "###.###", "###.###", "###S###")
CELLS = tuple((row, column) for row in range(4) for column in range(7) if MAP[row][column] != "#")
RICH, POOR, START = (CELLS.index(where) for where in ((0, 0), (0, 6), (3, 3)))
RETURNING = (True, True, False, True, False, False, True, False)
LOST = (True, True, False)  # and gone for ever


def build_model(period: int, rich: float, poor: float, noise: float, returns: bool) -> TabularModel:
    """Return the tables: a context is a phase of `period` episodes, in which the rich source is or is not."""
    pattern = RETURNING if returns else LOST
    tables = empty_tables(len(pattern), len(CELLS), len(MOVES), 2)
    tables["probability"][:] = 0.5
    for state, (row, column) in enumerate(CELLS):
        for action, (down, right) in enumerate(MOVES):
            beside = (row + down, column + right)
            reached = CELLS.index(beside) if beside in CELLS else state
            tables["next_state"][:, state, action] = reached
            if reached not in (RICH, POOR):
                continue
            tables["terminated"][:, state, action] = True
            for context, there in enumerate(pattern):
                pays = poor if reached == POOR else rich if there else 0.0
                tables["reward"][context, state, action] = (pays - noise, pays + noise)
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(len(CELLS)),
        start=np.array([START]),
        episodes_per_context=period,
        repeats=returns,
    )


@final
class VanishingSourceEnv(TabularEnv):
    """A T-shaped corridor with a rich source on the left that comes and goes, and a poor one on the right.

    ## Description
    The rich source pays 1, the poor one 0.4. In some phases of `period` episodes the rich source is gone and
    pays 0: there, there, gone, there, gone, gone, there, gone, and so on from the beginning. Only a visit
    tells. The trade-off: who clings to the lost source starves, who forgets it at once misses its return,
    and looking whether it is back costs 0.4 a time.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against a wall leaves the agent where it is.

    ## Observation Space
    `Discrete(10)`: 0 to 6 the cells of the bar from the rich to the poor source, 7 to 9 the stem downwards.

    ## Starting State
    Cell 9, the foot of the stem; six steps from either source.

    ## Rewards
    At the rich source 1 while it is there and 0 while it is gone, at the poor source 0.4, each plus or minus
    `noise` with equal probability; else 0.

    ## Episode End
    Terminates at either source; truncated after 40 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    Undiscounted return of the best policy (knows the phase): 1 while the rich source is there and 0.4 while
    it is gone, 0.7 over the whole pattern. Always to the rich source: 0.5; always to the poor one: 0.4. The
    uniformly random policy: 0.295 while it is there, 0.084 while it is gone.

    ## Control
    `returns=False`: there for two phases, then gone for ever. Waiting for it must not help: the poor source
    is best from then on.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/VanishingSource-v0", period=100, noise=0.0)
    ```
    `period`: episodes a phase, >= 1. `rich`, `poor`: what the sources pay, poor between 0 and rich. `noise`:
    spread of outcomes, >= 0. `returns`: whether the rich source ever comes back.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        period: int = 100,
        rich: float = 1.0,
        poor: float = 0.4,
        noise: float = 0.0,
        returns: bool = True,
        render_mode: str | None = None,
    ) -> None:
        require_int("period", period, 1)
        require_range("rich", rich, 0, 1e6)
        require_range("poor", poor, 0, rich)
        require_range("noise", noise, 0, 1e6)
        super().__init__(build_model(period, rich, poor, noise, returns), render_mode)
        self._pattern = RETURNING if returns else LOST

    def layout(self) -> list[str]:
        """Return the corridor: the rich source `+`, or `o` while it is gone, and the poor one `f`."""
        there = self._pattern[self.model.context(max(self._episode, 0))]
        rows = [list(row.replace("R", "+" if there else "o").replace("p", "f")) for row in MAP]
        rows[3][3] = "."
        row, column = CELLS[self._state]
        rows[row][column] = "A"
        return ["".join(row) for row in rows]


@final
class VanishingSourceVectorEnv(TabularVectorEnv):
    """Many copies of `VanishingSourceEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 40, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(VanishingSourceEnv(**kwargs), num_envs, max_episode_steps, device)
