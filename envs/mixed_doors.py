"""Three doors that need different persistence: one opens soon or never, one late, one not at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

CELLS = 7
START = 1
DOORS = (1, 3, 5)  # the cells below the doors
EXIT = 3
UP, RIGHT, DOWN, LEFT = range(4)


def opening_probability(push: int, opens: float, least: int, most: int) -> float:
    """Return how likely the `push`-th push in a row opens a door that resisted one push fewer before."""
    if not least <= push <= most:
        return 0.0
    each = opens / (most - least + 1)
    return min(each / (1 - each * (push - least)), 1.0) if each > 0 else 0.0


def latent_states(caps: Sequence[int]) -> dict[tuple[tuple[int, ...], int, int], int]:
    """Number the states (longest run of pushes each door resisted, up to its cap; cell; pushes so far)."""
    index: dict[tuple[tuple[int, ...], int, int], int] = {}
    for resisted in product(*(range(cap + 1) for cap in caps)):
        for cell in range(CELLS):
            runs = caps[DOORS.index(cell)] + 1 if cell in DOORS else 1
            for pushes in range(runs):
                index[resisted, cell, pushes] = len(index)
    return index


def build_model(
    opens: Sequence[float],
    least: Sequence[int],
    most: Sequence[int],
    pays: Sequence[float],
    step_reward: float,
    exit_reward: float,
) -> TabularModel:
    """Return the tables over `latent_states`.

    What a door needs is drawn as it resists, not when the episode starts. To the agent that is the same, and
    the latent state is just what it can remember: the best value over these tables is within its reach.
    """
    caps = [most[door] if opens[door] > 0 else 0 for door in range(len(DOORS))]
    index = latent_states(caps)
    outside = len(index)
    tables = empty_tables(1, outside + 1, 4, 2)
    tables["probability"][..., 0] = 1
    tables["reward"][:] = step_reward
    tables["next_state"][0, outside] = outside
    for (resisted, cell, pushes), state in index.items():
        for action, beside in ((UP, cell), (RIGHT, min(cell + 1, CELLS - 1)), (LEFT, max(cell - 1, 0))):
            tables["next_state"][0, state, action] = index[resisted, beside, 0]
        tables["next_state"][0, state, DOWN] = outside if cell == EXIT else index[resisted, cell, 0]
        tables["reward"][0, state, DOWN] += exit_reward if cell == EXIT else 0.0
        if cell not in DOORS:
            continue
        door = DOORS.index(cell)
        push = min(pushes + 1, caps[door])
        after = tuple(max(n, push) if i == door else n for i, n in enumerate(resisted))
        if push > resisted[door]:  # a run this long has not been tried yet
            chance = opening_probability(push, opens[door], least[door], most[door])
            tables["probability"][0, state, UP] = (1 - chance, chance)
        tables["next_state"][0, state, UP] = (index[after, cell, push], outside)
        tables["reward"][0, state, UP, 1] += pays[door]
    tables["terminated"][:] = tables["next_state"] == outside
    observation = np.array([cell for _, cell, _ in index] + [CELLS], dtype=np.int64)
    start = np.array([index[(0,) * len(DOORS), START, 0]], dtype=np.int64)
    return TabularModel(**tables, observation=observation, start=start)  # type: ignore[arg-type]


def _one_a_door(name: str, values: Any) -> Sequence[Any]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != len(DOORS):
        raise ValueError(f"{name}: got {values!r}, expected a sequence of {len(DOORS)} numbers, one a door")
    return values


@final
class MixedDoorsEnv(TabularEnv):
    """A hall with a door that opens soon or never, one that opens late, one that never does, and an exit.

    ## Description
    In each episode the first door opens after 1 or 2 pushes in a row, or, half the time, not at all; the
    second after 5 to 8, or, three times in ten, not at all; the third would pay most and never opens. Whoever
    lets go starts the count over. The open exit pays little. The trade-off: the pushes that the second door
    is worth are wasted at the first and at the third; no single persistence is right for all.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. Up in cells 1, 3 and 5 pushes the first, second and third
    door; down in cell 3 takes the exit; all else against a wall does nothing but let go.

    ## Observation Space
    `Discrete(8)`: the cell, 0 to 6; 7 is outside, seen only when the episode has ended.

    ## Starting State
    Cell 1, below the first door. Door i can open with probability `opens[i]`; the pushes it then needs are
    uniform in [least[i], most[i]].

    ## Rewards
    Each step -0.04; through the doors +0.8, +1 and +2; through the exit +0.1.

    ## Episode End
    Terminates outside; truncated after 60 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    Undiscounted return of the best policy: 0.510 (2 pushes at the first door, then 8 at the second, then the
    exit; it must count, which the cell does not tell). Of the best one with the same number of pushes at all
    doors it tries, the order free: 0.390 (8 pushes). Of the uniformly random policy: -0.799.

    ## Control
    `opens=(0, 0, 0)`: no door opens; persistence must not trap, the best return is -0.02. `most=(1, 1, 1)`
    with `least=(1, 1, 1)`: one push tells all; no more persistence must help.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/MixedDoors-v0", opens=(0.5, 0.7, 0.0), least=(1, 5, 1), most=(2, 8, 8))
    ```
    `opens`: probability that each door can open, in [0, 1]. `least`, `most`: bounds on the pushes needed,
    1 <= least <= most <= 12. `pays`: rewards through the doors. `step_reward`, `exit_reward`: as above.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        opens: Sequence[float] = (0.5, 0.7, 0.0),
        least: Sequence[int] = (1, 5, 1),
        most: Sequence[int] = (2, 8, 8),
        pays: Sequence[float] = (0.8, 1.0, 2.0),
        step_reward: float = -0.04,
        exit_reward: float = 0.1,
        render_mode: str | None = None,
    ) -> None:
        for door, probability in enumerate(_one_a_door("opens", opens)):
            require_range(f"opens[{door}]", probability, 0, 1)
        for door, pushes in enumerate(_one_a_door("least", least)):
            require_int(f"least[{door}]", pushes, 1, 12)
        for door, pushes in enumerate(_one_a_door("most", most)):
            require_int(f"most[{door}]", pushes, least[door], 12)
        for door, reward in enumerate(_one_a_door("pays", pays)):
            require_range(f"pays[{door}]", reward, -1e6, 1e6)
        require_range("step_reward", step_reward, -1e6, 1e6)
        require_range("exit_reward", exit_reward, -1e6, 1e6)
        super().__init__(build_model(opens, least, most, pays, step_reward, exit_reward), render_mode)

    def layout(self) -> list[str]:
        """Return the hall below its doors `D`, with the exit `e` below."""
        cell = int(self.model.observation[self._state])
        hall = "".join("A" if i == cell else "." for i in range(CELLS))
        doors = "".join("D" if i in DOORS else "#" for i in range(CELLS))
        below = "".join("e" if i == EXIT else "#" for i in range(CELLS))
        return [f"#{row}#" for row in (doors, hall, below)]


@final
class MixedDoorsVectorEnv(TabularVectorEnv):
    """Many copies of `MixedDoorsEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 60, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(MixedDoorsEnv(**kwargs), num_envs, max_episode_steps, device)
