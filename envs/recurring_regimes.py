"""Two reward sites that swap every so many episodes: what was learned before comes back into force."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

SIZE = 5
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
START = 22  # bottom row, middle
SITES = (0, 4)  # upper corners


def build_model(period: int, noise: float) -> TabularModel:
    """Return the tables for regimes of `period` episodes and outcomes of +-1 +- `noise`."""
    tables = empty_tables(2, SIZE * SIZE, len(MOVES), 2)
    tables["probability"][:] = 0.5
    for state in range(SIZE * SIZE):
        for action, (down, right) in enumerate(MOVES):
            row = min(max(state // SIZE + down, 0), SIZE - 1)
            column = min(max(state % SIZE + right, 0), SIZE - 1)
            reached = row * SIZE + column
            tables["next_state"][:, state, action] = reached
            for context in range(2):
                if reached in SITES:
                    good = SITES.index(reached) == context
                    sign = 1.0 if good else -1.0
                    tables["reward"][context, state, action] = (sign - noise, sign + noise)
                    tables["terminated"][context, state, action] = True
                    tables["catastrophe"][context, state, action] = not good
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(SIZE * SIZE),
        start=np.array([START]),
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
        marks = ["."] * (SIZE * SIZE)
        context = self.model.context(max(self._episode, 0))
        marks[SITES[context]], marks[SITES[1 - context]] = "+", "-"
        marks[self._state] = "A"
        return ["".join(marks[i : i + SIZE]) for i in range(0, SIZE * SIZE, SIZE)]


@final
class RecurringRegimesVectorEnv(TabularVectorEnv):
    """Many copies of `RecurringRegimesEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 50, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(RecurringRegimesEnv(**kwargs), num_envs, max_episode_steps, device)
