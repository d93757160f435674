"""Paths through a ring of stored steps: forward for n-step returns, backward for replay in reverse.

Item i of a ring of R rows and n environments is row i // n of environment i % n.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.int64]


def next_rows(items: Items, n_envs: int, rows: int) -> Items:
    """Return the items one row later."""
    later: Items = (items + n_envs) % (rows * n_envs)
    return later


def forward(items: Items, n_steps: int, newest: int, ends: NDArray[Any]) -> tuple[Items, NDArray[np.bool_]]:
    """Return the items of the next steps and which of them belong to the same episode.

    Args:
        items: first items of the paths.
        n_steps: longest path T.
        newest: row stored last, where every path stops.
        ends: whether a step is its episode's last, [R, n].

    Shapes:
        items: [B]; results: [B, T] both; the first step is always inside.
    """
    rows, n_envs = ends.shape
    path = (items[:, None] + n_envs * np.arange(n_steps)) % (rows * n_envs)  # [B, T]
    stops = ends.reshape(-1).take(path) | (path // n_envs == newest)
    inside = np.ones(path.shape, dtype=np.bool_)
    inside[:, 1:] = ~np.logical_or.accumulate(stops, axis=1)[:, :-1]
    return path, inside


def backward(items: Items, length: int, oldest: int, ends: NDArray[Any]) -> list[Items]:
    """Return the items, then those one step earlier in the same episodes, up to `length` in all.

    Args:
        items: last items of the paths, [B].
        length: longest path.
        oldest: row stored first, beyond which no path goes.
        ends: whether a step is its episode's last, [R, n].
    """
    rows, n_envs = ends.shape
    steps = [items]
    while len(steps) < length:
        here = steps[-1]
        before = (here - n_envs) % (rows * n_envs)
        goes_on = (here // n_envs != oldest) & ~ends.reshape(-1).take(before)
        if not goes_on.any():
            break
        steps.append(before[goes_on])
    return steps


def backward_paths(
    items: Items, length: int, oldest: int, ends: NDArray[Any]
) -> tuple[Items, NDArray[np.bool_]]:
    """Return the items of the steps before, latest first, and which of them belong to the same episode.

    Args:
        items: last items of the paths.
        length: longest path T.
        oldest: row stored first, beyond which no path goes.
        ends: whether a step is its episode's last, [R, n].

    Shapes:
        items: [B]; results: [B, T] both; the first step is always inside.
    """
    rows, n_envs = ends.shape
    path = (items[:, None] - n_envs * np.arange(length)) % (rows * n_envs)  # [B, T]
    stops = (path[:, :-1] // n_envs == oldest) | ends.reshape(-1).take(path[:, 1:])
    inside = np.ones(path.shape, dtype=np.bool_)
    inside[:, 1:] = ~np.logical_or.accumulate(stops, axis=1)
    return path, inside
