"""Pits that stay where they are while the goal moves: fear carries over, the way to the goal does not."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import arrival_model, draw_cells, slipping_moves
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

MAP = (
    "G.XGX.G",
    ".......",
    ".X.X.X.",
    "G..G..G",
    ".X.X.X.",
    ".......",
    "..SSS..",
)
SIZE = len(MAP)
STARTS, PITS, _GOALS = ([i for i, cell in enumerate("".join(MAP)) if cell == kind] for kind in "SXG")
SITES = tuple(_GOALS[i] for i in (0, 5, 1, 3, 2, 4))  # the order in which they pay: far apart in turn


def moving_pits() -> NDArray[np.bool_]:
    """Return pits [C, S] drawn anew for each site, always the same draw; it leaves a way to each."""
    rng = np.random.default_rng(0)
    free = [cell for cell in range(SIZE * SIZE) if cell not in (*STARTS, *SITES)]
    pits = np.zeros((len(SITES), SIZE * SIZE), dtype=np.bool_)
    for context in range(len(SITES)):
        pits[context, rng.choice(free, len(PITS), replace=False)] = True
    return pits


def build_model(period: int, sites: int, slip: float, pits_stay: bool) -> TabularModel:
    """Return the tables; in context c the site `SITES[c]` pays."""
    goal = np.arange(SIZE * SIZE) == np.array(SITES[:sites])[:, None]  # [C, S]
    pits = np.isin(np.arange(SIZE * SIZE), PITS) & np.ones_like(goal) if pits_stay else moving_pits()[:sites]
    reached, probability = slipping_moves(SIZE, SIZE, slip)
    return arrival_model(
        reached,
        probability,
        reward=(-0.01 + goal - pits)[..., None],
        terminated=goal | pits,
        catastrophe=pits,
        start=STARTS,
        episodes_per_context=period,
    )


@final
class MovingGoalEnv(TabularEnv):
    """A 7x7 grid with pits that stay, and a goal that moves to another site every 40 episodes.

    ## Description
    The good ways to each of six sites pass beside pits, on ground that slips. One site pays; every `period`
    episodes it is the next one in a fixed order. Nothing in the observation tells which. The trade-off: who
    starts afresh after each move falls into the same pits again; who keeps what is known of the pits searches
    the new goal at less cost, unless fear also keeps it from the ways that pass beside them.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. With probability `slip` the move goes to one of its two
    sides instead, half each. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(49)`: row * 7 + column.

    ## Starting State
    One of the three middle cells of the bottom row, 44 to 46.

    ## Rewards
    Each step -0.01; at the site that pays +1; in a pit -1. The other sites are ordinary cells.

    ## Episode End
    Terminates at the site that pays and in a pit; truncated after 60 steps.

    ## Information
    `catastrophe`: whether the step led into a pit. For reports, not for agents.

    ## Values
    Undiscounted return, mean over the six sites, of the best policy (knows the site): 0.700. Of the uniformly
    random policy: -1.095.

    ## Control
    `pits_stay=False`: the pits move with the goal, eight others for each site, so fear of the old ones must
    not help (best 0.731, random -1.078).

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/MovingGoal-v0", period=40, sites=6, slip=0.1, pits_stay=True)
    ```
    `period`: episodes between two moves, >= 1. `sites`: how many sites pay in turn, in [1, 6]. `slip`:
    probability of a slip, in [0, 1]. `pits_stay`: whether the pits stay when the goal moves.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        period: int = 40,
        sites: int = 6,
        slip: float = 0.1,
        pits_stay: bool = True,
        render_mode: str | None = None,
    ) -> None:
        require_int("period", period, 1)
        require_int("sites", sites, 1, len(SITES))
        require_range("slip", slip, 0, 1)
        super().__init__(build_model(period, sites, slip, pits_stay), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with pits `X`, the site that pays now `G` and the other sites `o`."""
        context = self.model.context(max(self._episode, 0))
        pits = np.unique(self.model.next_state[context][self.model.catastrophe[context]])
        marks = dict.fromkeys(pits.tolist(), "X") | dict.fromkeys(SITES[: self.model.shape[0]], "o")
        return draw_cells(SIZE, SIZE, marks | {SITES[context]: "G", self._state: "A"})


@final
class MovingGoalVectorEnv(TabularVectorEnv):
    """Many copies of `MovingGoalEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 60, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(MovingGoalEnv(**kwargs), num_envs, max_episode_steps, device)
