"""Good food behind a guard that bites, poor food where it is safe: approach or avoid."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

CELLS = 7
SAFE, START, GUARD, RICH = 0, 4, 5, 6
FIERCE = 0.9
"""Probability of a bite in the phases in which avoidance is right."""


def build_model(period: int, bite: float, safe_reward: float, step_reward: float) -> TabularModel:
    """Return the tables; outcome 0: passed unharmed, outcome 1: bitten. Context 1 has the fierce guard."""
    bites = (bite, FIERCE)
    tables = empty_tables(2, CELLS, 2, 2)
    tables["probability"][..., 0] = 1
    tables["reward"][:] = step_reward
    for state in range(CELLS):
        for action, move in enumerate((-1, 1)):
            reached = min(max(state + move, 0), CELLS - 1)
            tables["next_state"][:, state, action] = reached
            if reached == SAFE:
                tables["reward"][:, state, action] = step_reward + safe_reward
            elif reached == RICH:
                tables["reward"][:, state, action] = step_reward + 1
            elif reached == GUARD:
                for context, chance in enumerate(bites):
                    tables["probability"][context, state, action] = (1 - chance, chance)
                tables["reward"][:, state, action, 1] = step_reward - 1
                tables["catastrophe"][:, state, action, 1] = True
            tables["terminated"][:, state, action] = (reached in (SAFE, RICH), reached in (SAFE, GUARD, RICH))
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(CELLS),
        start=np.array([START]),
        episodes_per_context=period,
    )


@final
class ApproachAvoidanceEnv(TabularEnv):
    """A corridor with good food behind a guard at one end and a little safe food at the other.

    ## Description
    The good food pays 1, but the guard before it bites: the episode ends with -1. In turns of `period`
    episodes the guard is lazy (it bites with probability `bite`) and fierce (0.9). Nothing in the
    observation tells which. The trade-off: fear that stays misses the good food when the guard is lazy, and
    boldness is bitten when it is fierce.

    ## Action Space
    `Discrete(2)`: 0 left, 1 right.

    ## Observation Space
    `Discrete(7)`: the cell. 0 the safe food, 5 the guard, 6 the good food.

    ## Starting State
    Cell 4, beside the guard: two steps from the good food, four from the safe one.

    ## Rewards
    Each step -0.01; at the good food +1, at the safe food +0.2, bitten -1.

    ## Episode End
    Terminates at either food and when bitten; truncated after 40 steps.

    ## Information
    `catastrophe`: whether the agent was bitten. For reports, not for agents.

    ## Values
    Undiscounted return of the best policy (knows the phase): 0.4825 by approach while the guard is lazy, 0.16
    by avoidance while it is fierce. The wrong way round: 0.16 and -0.811. The uniformly random policy: 0.134
    and -0.709.

    ## Control
    `period=10**9` (no change within a run): approach is right throughout, lasting fear must not help.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/ApproachAvoidance-v0", period=100, bite=0.25)
    ```
    `period`: episodes between two changes, >= 1. `bite`: probability that the lazy guard bites, in [0, 1].
    `safe_reward`, `step_reward`: as above.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        period: int = 100,
        bite: float = 0.25,
        safe_reward: float = 0.2,
        step_reward: float = -0.01,
        render_mode: str | None = None,
    ) -> None:
        require_int("period", period, 1)
        require_range("bite", bite, 0, 1)
        require_range("safe_reward", safe_reward, -1e6, 1e6)
        require_range("step_reward", step_reward, -1e6, 1e6)
        super().__init__(build_model(period, bite, safe_reward, step_reward), render_mode)

    def layout(self) -> list[str]:
        """Return the corridor: safe food `f`, guard `g`, good food `+`."""
        marks = ["."] * CELLS
        marks[SAFE], marks[GUARD], marks[RICH] = "f", "g", "+"
        marks[self._state] = "A"
        return ["#" * (CELLS + 2), "#" + "".join(marks) + "#", "#" * (CELLS + 2)]


@final
class ApproachAvoidanceVectorEnv(TabularVectorEnv):
    """Many copies of `ApproachAvoidanceEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 40, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(ApproachAvoidanceEnv(**kwargs), num_envs, max_episode_steps, device)
