"""Hazards that keep their look while their places change: what is feared is a sight, not a cell."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import arrival_model, draw_cells, neighbours, reachable, slipping_moves
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel

SIZE = 7
CELLS = SIZE * SIZE
CORNERS = (0, SIZE - 1, CELLS - SIZE, CELLS - 1)
OPPOSITE = np.array(CORNERS[::-1])
AT_GOAL = 3**4 * 8  # the one observation seen only when the episode has ended
CHUNK = 1024  # candidates drawn at a time, so that the first layouts do not depend on how many are asked for


def draw_layouts(
    count: int, seed: int, lava_cells: int, random_goal: bool, held_out: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return goals [L] (which corner) and lava [L, S] of different layouts, each with a way to the goal.

    Of the layouts drawn from a seed, those at even places are for learning and those at odd places are held
    out: the two sets are disjoint, however many of each are asked for.
    """
    rng = np.random.default_rng(seed)
    found: dict[bytes, tuple[int, NDArray[np.bool_]]] = {}
    while len(found) < 2 * count:
        goals = rng.integers(4, size=CHUNK) if random_goal else np.full(CHUNK, 3)
        order = rng.random((CHUNK, CELLS))
        for corners in (np.array(CORNERS)[goals], OPPOSITE[goals]):
            order[np.arange(CHUNK), corners] = 2.0  # never among the lowest
        lava = np.argsort(np.argsort(order, axis=1), axis=1) < lava_cells
        solvable = np.zeros(CHUNK, dtype=np.bool_)
        for corner in np.unique(goals):
            rows = goals == corner
            solvable[rows] = reachable(~lava[rows], OPPOSITE[corner], SIZE)[:, CORNERS[corner]]
        for i in np.flatnonzero(solvable):
            found.setdefault(bytes([goals[i]]) + lava[i].tobytes(), (int(goals[i]), lava[i]))
    chosen = list(found.values())[1 if held_out else 0 : 2 * count : 2]
    return np.array([goal for goal, _ in chosen]), np.array([cells for _, cells in chosen])


def sights(goals: NDArray[np.int64], lava: NDArray[np.bool_], visible: bool) -> NDArray[np.int64]:
    """Return what is seen from each cell [L, S]: four neighbours, 0 free, 1 wall, 2 lava, and a direction."""
    near = neighbours(SIZE, SIZE)
    wall = near == np.arange(CELLS)[:, None]
    kinds = np.where(wall, 1, 2 * lava[:, near] if visible else 0)  # [L, S, A]
    row, column = np.divmod(np.arange(CELLS), SIZE)
    goal = np.array(CORNERS)[goals][:, None]
    compass = 3 * (np.sign(goal // SIZE - row) + 1) + np.sign(goal % SIZE - column) + 1  # 0..8, 4 is here
    sector = compass - (compass > 4)
    return np.where(compass == 4, AT_GOAL, (kinds @ 3 ** np.arange(4)) * 8 + sector)


def build_model(
    goals: NDArray[np.int64], lava: NDArray[np.bool_], slip: float, visible: bool
) -> TabularModel:
    """Return the tables; latent state layout * 49 + cell."""
    goal = np.arange(CELLS) == np.array(CORNERS)[goals][:, None]  # [L, S]
    reached, probability = slipping_moves(SIZE, SIZE, slip)
    apart = arrival_model(
        reached,
        probability,
        reward=(-0.01 + goal - lava)[..., None],
        terminated=goal | lava,
        catastrophe=lava,
        start=[0],
    )  # the layouts as contexts, to be put side by side: an episode draws one
    first = CELLS * np.arange(len(goals))
    shape = (1, len(goals) * CELLS, *apart.shape[2:])
    return TabularModel(
        probability=apart.probability.reshape(shape),
        next_state=(apart.next_state + first[:, None, None, None]).reshape(shape),
        reward=apart.reward.reshape(shape),
        terminated=apart.terminated.reshape(shape),
        catastrophe=apart.catastrophe.reshape(shape),
        observation=sights(goals, lava, visible).reshape(-1),
        start=first + OPPOSITE[goals],
    )


@final
class NewLayoutsEnv(TabularEnv):
    """A 7x7 grid with lava in other places each episode; the agent sees its four neighbours and a direction.

    ## Description
    Each episode draws one of many layouts and a corner for the goal; the agent walks there from the opposite
    corner. It does not know where it is: it sees what is beside it and in which direction the goal lies. The
    trade-off: the straight way leads past lava on ground that slips; who fears the sight of lava is safe in
    layouts never met before, but may be kept from the only way through.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. With probability `slip` the move goes to one of its two
    sides instead, half each. A move against the border leaves the agent where it is.

    ## Observation Space
    `Discrete(649)`: 8 * sight + sector. The sight has four digits to base 3 for up, right, down and left,
    the first counting least: 0 free, 1 wall, 2 lava. The sector counts the directions of the goal from the
    upper left (0), row by row, to the lower right (7). 648 is the goal, seen only when the episode has ended.

    ## Starting State
    The corner opposite the goal, in a layout drawn uniformly.

    ## Rewards
    Each step -0.01; at the goal +1; in lava -1.

    ## Episode End
    Terminates at the goal and in lava; truncated after 60 steps.

    ## Information
    `catastrophe`: whether the step led into lava. For reports, not for agents.

    ## Values
    Undiscounted return, mean over the layouts, of the best policy (sees layout and cell): 0.540; over those
    held out: 0.542. Of the uniformly random policy: -1.100.

    ## Control
    `visible=False`: lava looks like free ground, so that sights tell nothing and fear of them must not help.
    `held_out=True` is not a control but the test: layouts of the same kind that learning has not seen.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/NewLayouts-v0", layouts=300, layout_seed=0, held_out=False)
    ```
    `layouts`: how many, in [1, 5000]. `layout_seed`: from which they are drawn, >= 0. `held_out`: whether to
    use the other set, which shares no layout with the first. `lava_cells`: how many cells are lava, in
    [4, 16]. `random_goal`: whether the corner is random; otherwise it is the lower right. `slip`: probability
    of a slip, in [0, 1]. `visible`: whether lava is seen.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        layouts: int = 300,
        layout_seed: int = 0,
        held_out: bool = False,
        lava_cells: int = 10,
        random_goal: bool = True,
        slip: float = 0.1,
        visible: bool = True,
        render_mode: str | None = None,
    ) -> None:
        require_int("layouts", layouts, 1, 5000)
        require_int("layout_seed", layout_seed, 0)
        require_int("lava_cells", lava_cells, 4, 16)
        require_range("slip", slip, 0, 1)
        self._goals, self._lava = draw_layouts(layouts, layout_seed, lava_cells, random_goal, held_out)
        super().__init__(build_model(self._goals, self._lava, slip, visible), render_mode)

    def layout(self) -> list[str]:
        """Return the grid with lava `X` and the goal `G`."""
        drawn, cell = divmod(self._state, CELLS)
        lava = dict.fromkeys(np.flatnonzero(self._lava[drawn]).tolist(), "X")
        return draw_cells(SIZE, SIZE, lava | {CORNERS[self._goals[drawn]]: "G", cell: "A"})


@final
class NewLayoutsVectorEnv(TabularVectorEnv):
    """Many copies of `NewLayoutsEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 60, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(NewLayoutsEnv(**kwargs), num_envs, max_episode_steps, device)
