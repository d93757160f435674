"""A jammed door in a room that is new in every episode, seen through a small window: for deep agents."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from emotional_ed.checks import require_bool, require_int, require_range
from emotional_ed.envs.grid import draw_cells, neighbours, reachable, ways, window
from emotional_ed.envs.rendering import Drawn
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

SIZE = 7
CELLS = SIZE * SIZE
REACH = 2  # cells seen to each side
WINDOW = 2 * REACH + 1
FEATURES = 3 * WINDOW**2 + 4
APART = 3  # least number of moves from the start to the door, and to the exit
LIMIT = 50
STEP_REWARD, EXIT_REWARD = -0.01, 0.2

_NEAR = neighbours(SIZE, SIZE)


class Room(NamedTuple):
    """What an episode draws."""

    wall: NDArray[np.bool_]
    """[S], row by row."""
    start: int
    door: int
    exit: int


def draw_room(rng: np.random.Generator, wall_share: float) -> Room:
    """Return a room with a way from the start to the door and, past the door, one to the exit."""
    while True:
        wall = rng.random(CELLS) < wall_share
        start, door, out = (int(cell) for cell in rng.integers(CELLS, size=3))
        wall[[start, door, out]] = False
        rows, columns = np.divmod([start, door, out], SIZE)
        apart = np.abs(rows - rows[0]) + np.abs(columns - columns[0])
        if door == out or apart[1:].min() < APART:
            continue
        free = np.stack([~wall, ~wall])
        free[[0, 1], [door, out]] = False  # each way leads past the other
        to_exit, to_door = reachable(free, start, SIZE)
        if to_exit[out] and to_door[door]:
            return Room(wall, start, door, out)


def look(room: Room, cell: int) -> NDArray[np.float32]:
    """Return what is seen from a cell [79]: walls, door and exit in the window, and both directions."""
    cells = np.arange(CELLS)
    layers = np.stack([room.wall, cells == room.door, cells == room.exit])
    directions = ways(cell, [room.door, room.exit], SIZE) / (SIZE - 1)
    return np.append(window(layers, (1, 0, 0), SIZE, cell, REACH), directions)


def room_model(room: Room, need: int, opens: bool) -> TabularModel:
    """Return the tables of a room, for planning: state pushes so far * 49 + cell.

    The door opens with the push number `need` in a row. The pushes so far are not seen.
    """
    pushes = need if opens else 1
    tables = empty_tables(1, pushes * CELLS, 4, 1)
    tables["probability"][:] = 1
    tables["reward"][:] = STEP_REWARD
    for state in range(pushes * CELLS):
        run, cell = divmod(state, CELLS)
        for action in range(4):
            reached = int(_NEAR[cell, action])
            if reached == room.door and cell != room.door:
                through = opens and run + 1 == need
                after = (run + 1) * CELLS + cell if opens and not through else cell
                tables["next_state"][0, state, action] = room.door if through else after
                tables["reward"][0, state, action] += float(through)
                tables["terminated"][0, state, action] = through
                continue
            out = reached == room.exit
            tables["next_state"][0, state, action] = cell if room.wall[reached] else reached
            tables["reward"][0, state, action] += EXIT_REWARD * out
            tables["terminated"][0, state, action] = out
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(pushes * CELLS) % CELLS,
        start=np.array([room.start]),
    )


@final
class NewDoorsEnv(Drawn, gymnasium.Env[NDArray[np.float32], int]):
    """A 7x7 room with a jammed door, new in each episode; the agent sees a 5x5 window and both ways out.

    ## Description
    Each episode draws walls, a start, a door and an open exit. The door pays 1, but opens only after several
    pushes in a row; how many is drawn anew and cannot be seen. Whoever lets go starts over. No room comes
    twice, so what has to be learned is what a door looks like, and that it is worth pushing. The trade-off:
    who gives up early takes the exit for ever, which is open and pays little; who pushes at everything that
    resists is held up by every wall.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A move into the door pushes it. A move against the border or
    into a wall leaves the agent where it is, and lets go of the door.

    ## Observation Space
    `Box(-1, 1, (79,), float32)`: three channels of the 5x5 window around the agent, row by row, 1 where a
    cell is a wall or beyond the border, the door, the exit; then how far the door and the exit lie below and
    to the right, in sixths.

    ## Starting State
    A free cell of a room drawn anew, at least three moves from the door and the exit, with a way to each that
    does not lead through the other; the number of pushes needed is uniform in [least, most].

    ## Rewards
    Each step -0.01; through the door +1; through the exit +0.2.

    ## Episode End
    Terminates outside; truncated after 50 steps.

    ## Information
    `catastrophe`: always False.

    ## Values
    Mean over 500 rooms of the undiscounted return of the best policy (sees the whole room, needs no memory):
    0.902. Of the best policy that takes the exit: 0.1415. Of the uniformly random policy: -0.367.

    ## Control
    `opens=False`: the door never opens; persistence must not trap, the best return is 0.1415.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/NewDoors-v0", walls=0.15, least=2, most=8, opens=True)
    ```
    `walls`: probability that a cell is a wall, in [0, 0.4]. `least`, `most`: bounds on the pushes needed,
    1 <= least <= most <= 20. `opens`: whether the door opens at all.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        walls: float = 0.15,
        least: int = 2,
        most: int = 8,
        opens: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self.wall_share = require_range("walls", walls, 0, 0.4)
        self.least = require_int("least", least, 1, 20)
        self.most = require_int("most", most, self.least, 20)
        require_bool("opens", opens)
        self.opens = opens
        self.show_as(render_mode)
        self.observation_space = spaces.Box(-1, 1, (FEATURES,), np.float32)
        self.action_space = spaces.Discrete(4)  # type: ignore[assignment]  # Gymnasium's integers are NumPy's
        self._room = Room(np.zeros(CELLS, dtype=np.bool_), 0, CELLS - 1, SIZE)
        self._cell, self._need, self._pushes = 0, self.least, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw another room."""
        super().reset(seed=seed)
        self._room = draw_room(self.np_random, self.wall_share)
        self._need = int(self.np_random.integers(self.least, self.most + 1))
        self._cell, self._pushes = self._room.start, 0
        return look(self._room, self._cell), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one action."""
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected an integer in [0, 4)")
        room, reached = self._room, int(_NEAR[self._cell, int(action)])
        pushed = reached == room.door and self._cell != room.door
        self._pushes = self._pushes + 1 if pushed else 0
        through = pushed and self.opens and self._pushes >= self._need
        if through or not (pushed or room.wall[reached]):
            self._cell = reached
        out = self._cell == room.exit
        reward = STEP_REWARD + through + EXIT_REWARD * out
        return look(room, self._cell), reward, through or out, False, {"catastrophe": False}

    def model(self) -> TabularModel:
        """Return the tables of the present room from the present state on, for planning; see `room_model`."""
        model = room_model(self._room, self._need, self.opens)
        done = self._pushes if self.opens else 0  # in vain they change nothing
        return dataclasses.replace(model, start=np.array([done * CELLS + self._cell]))

    def layout(self) -> list[str]:
        """Return the room with walls `#`, the door `D`, the exit `e` and the agent `A`."""
        walls = dict.fromkeys(np.flatnonzero(self._room.wall).tolist(), "#")
        marks = walls | {self._room.door: "D", self._room.exit: "e", self._cell: "A"}
        return draw_cells(SIZE, SIZE, marks)
