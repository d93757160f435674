"""A robot that works at one place and recharges at another, and sees how much charge is left."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.grid import draw_cells, neighbours
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

SIZE = 4
CELLS = SIZE * SIZE
CHARGER, WORK = 12, 6
"""The lower left corner, and a cell four steps away."""


def build_model(capacity: int, extra: float, pay: float, runs_out: bool) -> TabularModel:
    """Return the tables; latent state (cell, charge); outcome 0: the step takes one unit, outcome 1: two."""
    cell, charge = (index.ravel() for index in np.meshgrid(range(CELLS), range(capacity + 1), indexing="ij"))
    tables = empty_tables(1, len(cell), 4, 2)
    tables["probability"][:] = (1 - extra, extra)
    for action in range(4):
        reached = neighbours(SIZE, SIZE)[cell, action]
        for outcome in range(2):
            left = np.where(reached == CHARGER, capacity, np.maximum(charge - 1 - outcome, 0))
            empty = (left == 0) & runs_out
            worked = (reached == WORK) & ~empty  # no border beside it: to be there is to have entered
            where = (0, slice(None), action, outcome)
            tables["next_state"][where] = reached * (capacity + 1) + left
            tables["reward"][where] = pay * worked - 1.0 * empty
            tables["catastrophe"][where] = empty
            tables["terminated"][where] = empty
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(len(cell)),
        start=np.array([CHARGER * (capacity + 1) + capacity]),
    )


@final
class BatteryEnv(TabularEnv):
    """A 4x4 floor with a place of work and a charger four steps apart, and a battery that runs down.

    ## Description
    The robot is paid each time it enters the place of work. Every step takes a unit of charge, now and then
    two; at the charger the battery is full again. A robot that runs out elsewhere is lost. It sees its
    charge, and so do all agents that are compared. The trade-off: each further stint at work pays before the
    way back, and the way back takes more charge on some days than on others; who never leaves the charger is
    safe and earns nothing.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move against the border leaves the robot where it is, and
    takes charge all the same.

    ## Observation Space
    `Discrete(16 * (capacity + 1))`: (row * 4 + column) * (capacity + 1) + charge. Cell 12 is the charger,
    cell 6 the place of work.

    ## Starting State
    At the charger, with a full battery.

    ## Rewards
    Entering the place of work +0.1 (`pay`); running out -1; else 0.

    ## Episode End
    Terminates when the battery runs out; truncated after 100 steps. It is enough to reach the charger with
    the last unit.

    ## Information
    `catastrophe`: whether the battery ran out. For reports, not for agents.

    ## Values
    Undiscounted return of the best policy: 1.993. Of the uniformly random policy: -0.945. Of the best policy
    that takes no risk (always keeps two units for each step of the way back): 1.551, and it never runs out.

    ## Control
    `runs_out=False`: the charge is shown and falls as before, but a robot without any goes on. Anxiety about
    the charge must not help: the best return is 4.9, by never going back.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/Battery-v0", capacity=14, extra=0.2, pay=0.1)
    ```
    `capacity`: units of a full battery, in [2, 100]. `extra`: probability that a step takes two, in [0, 1].
    `pay`: as above, in [0, 1e6]. `runs_out`: whether an empty battery does any harm.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        capacity: int = 14,
        extra: float = 0.2,
        pay: float = 0.1,
        runs_out: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self._capacity = require_int("capacity", capacity, 2, 100)
        require_range("extra", extra, 0, 1)
        require_range("pay", pay, 0, 1e6)
        super().__init__(build_model(capacity, extra, pay, runs_out), render_mode)

    def layout(self) -> list[str]:
        """Return the floor with the charger `+` and the place of work `G`; below it, what charge is left."""
        cell, charge = divmod(self._state, self._capacity + 1)
        bar = -(-SIZE * charge // self._capacity)  # rounded up: empty is empty
        return [
            *draw_cells(SIZE, SIZE, {CHARGER: "+", WORK: "G", cell: "A"}),
            "#" * SIZE,
            "f" * bar + "." * (SIZE - bar),
        ]


@final
class BatteryVectorEnv(TabularVectorEnv):
    """Many copies of `BatteryEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 100, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(BatteryEnv(**kwargs), num_envs, max_episode_steps, device)
