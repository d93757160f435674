"""Rectangular grids: where moves lead, with or without slipping, and worlds that pay for the cell reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.envs.tabular_model import TabularModel, empty_tables

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


def neighbours(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the cell [S, A] that each move leads to; a move against the border stays."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    down, right = np.array(MOVES).T
    below = np.clip(row[:, None] + down, 0, rows - 1)
    return np.asarray(below * columns + np.clip(column[:, None] + right, 0, columns - 1))


def slipping_moves(
    rows: int, columns: int, slip: float
) -> tuple[NDArray[np.int64], tuple[float, float, float]]:
    """Return the cells reached [S, A, 3] and their probabilities: as meant, to its left, to its right."""
    meant = neighbours(rows, columns)
    reached = np.stack([meant, np.roll(meant, 1, axis=1), np.roll(meant, -1, axis=1)], axis=-1)
    return reached, (1 - slip, slip / 2, slip / 2)


def reachable(free: NDArray[np.bool_], start: int, columns: int) -> NDArray[np.bool_]:
    """Return which cells [B, S] can be reached from `start` over the free cells [B, S] of B grids."""
    near = neighbours(free.shape[1] // columns, columns)
    reached = np.zeros_like(free)
    reached[:, start] = True
    while True:
        wider = reached | (reached[:, near].any(-1) & free)
        if np.array_equal(wider, reached):
            return reached
        reached = wider


def arrival_model(
    reached: NDArray[np.int64],
    probability: ArrayLike,
    *,
    reward: NDArray[np.float64],
    terminated: NDArray[np.bool_],
    catastrophe: NDArray[np.bool_],
    start: ArrayLike,
    episodes_per_context: int = 1,
    repeats: bool = True,
) -> TabularModel:
    """Return the tables of a fully seen grid in which all depends on the cell reached.

    Shapes:
        reached: [S, A, O]; probability: [O]; reward: [C, S, O] or [C, S, 1], of reaching a cell;
        terminated, catastrophe: [C, S].
    """
    states, actions, outcomes = reached.shape
    tables = empty_tables(len(reward), states, actions, outcomes)
    tables["probability"][:] = probability
    tables["next_state"][:] = reached
    per_outcome = np.broadcast_to(reward, (*terminated.shape, outcomes))
    tables["reward"][:] = per_outcome[:, reached, np.arange(outcomes)]
    tables["terminated"][:] = terminated[:, reached]
    tables["catastrophe"][:] = catastrophe[:, reached]
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.arange(states),
        start=np.asarray(start, dtype=np.int64),
        episodes_per_context=episodes_per_context,
        repeats=repeats,
    )


def noisy_model(
    rows: int,
    columns: int,
    *,
    reward: NDArray[np.float64],
    ends: NDArray[np.bool_],
    noise: float,
    catastrophe: NDArray[np.bool_],
    start: int,
    episodes_per_context: int,
    repeats: bool = True,
) -> TabularModel:
    """Return a grid with sure moves and final rewards `reward` [C, S] plus or minus `noise`, half each."""
    meant = neighbours(rows, columns)
    return arrival_model(
        np.stack([meant, meant], axis=-1),
        (0.5, 0.5),
        reward=reward[..., None] + np.array([-noise, noise]) * ends[..., None],
        terminated=ends,
        catastrophe=catastrophe,
        start=[start],
        episodes_per_context=episodes_per_context,
        repeats=repeats,
    )


def window(
    layers: NDArray[np.bool_], beyond: Sequence[float], columns: int, cell: int, reach: int
) -> NDArray[np.float32]:
    """Return what is seen around a cell, layer by layer and row by row, [C * (2 reach + 1)^2] of 0s and 1s.

    Shapes:
        layers: [C, S], what lies in which cell; beyond: [C], what lies outside of the grid.
    """
    rows = layers.shape[1] // columns
    wide = np.empty((len(layers), rows + 2 * reach, columns + 2 * reach), dtype=np.float32)
    wide[:] = np.asarray(beyond, dtype=np.float32)[:, None, None]
    wide[:, reach : reach + rows, reach : reach + columns] = layers.reshape(-1, rows, columns)
    row, column = divmod(cell, columns)
    return wide[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1].reshape(-1)


def ways(cell: int, aims: Sequence[int], columns: int) -> NDArray[np.float32]:
    """Return how many cells each aim lies below and to the right of a cell, [2 * aims]."""
    row, column = divmod(cell, columns)
    found = [(aim // columns - row, aim % columns - column) for aim in aims]
    return np.array(found, dtype=np.float32).reshape(-1)


def draw_cells(rows: int, columns: int, marks: Mapping[int, str]) -> list[str]:
    """Return the map with a mark at each cell named and `.` elsewhere."""
    cells = [marks.get(cell, ".") for cell in range(rows * columns)]
    return ["".join(cells[i : i + columns]) for i in range(0, rows * columns, columns)]
