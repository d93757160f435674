"""What learning one task after another does to the others: forgetting and transfer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Task = TypeVar("Task")


def transfer_matrix(
    tasks: Sequence[Task], learn: Callable[[Task], object], score: Callable[[Task], ArrayLike]
) -> tuple[Array, Array]:
    """Learn tasks one after another, and after each of them score all.

    Args:
        tasks: what is learned, in order, at least two.
        learn: trains the agent on a task; it keeps what it has learned before.
        score: of the agent as it is now on a task, one number or one a seed, [...]; it must not teach.

    Returns:
        R[i, j], the score on task j after learning tasks 1 to i, [..., T, T], and b, the scores before
        learning, [..., T]: what `forgetting`, `backward_transfer` and `forward_transfer` ask for.

    Raises:
        ValueError: there are fewer than two tasks, or a score is not finite.

    Source:
        Lopez-Paz and Ranzato (2017), section 2.
    """

    def scores() -> Array:
        return np.stack([np.asarray(score(task), dtype=np.float64) for task in tasks], axis=-1)

    if len(tasks) < 2:
        raise ValueError(f"tasks: got {len(tasks)}, expected at least two")
    untrained, rows = scores(), []
    for task in tasks:
        learn(task)
        rows.append(scores())
    matrix = _matrix(np.stack(rows, axis=-2))
    if not np.isfinite(untrained).all():
        raise ValueError(f"score: got {untrained!r} before learning, expected finite numbers")
    return matrix, untrained


def backward_transfer(matrix: ArrayLike) -> Array:
    """Return how much later tasks changed earlier ones; below 0 means that they were partly forgotten.

    Equation:
        BWT = 1 / (T - 1) sum_{i < T} (R[T, i] - R[i, i]).

    Args:
        matrix: R[i, j], the score on task j after learning tasks 1 to i, [..., T, T].

    Raises:
        ValueError: the matrix is not square, has fewer than two tasks, or holds what is not finite.

    Source:
        Lopez-Paz and Ranzato (2017), "Gradient episodic memory for continual learning", equation 3.
    """
    scores = _matrix(matrix)
    own = np.diagonal(scores, axis1=-2, axis2=-1)
    return np.asarray((scores[..., -1, :-1] - own[..., :-1]).mean(axis=-1))


def forward_transfer(matrix: ArrayLike, untrained: ArrayLike) -> Array:
    """Return how much earlier tasks helped with tasks that were not learned yet.

    Equation:
        FWT = 1 / (T - 1) sum_{i > 1} (R[i - 1, i] - b[i]).

    Args:
        matrix: R[i, j], the score on task j after learning tasks 1 to i, [..., T, T].
        untrained: b, the score of an untrained agent on each task, [..., T].

    Raises:
        ValueError: the matrix is not square, has fewer than two tasks, or the shapes do not fit.

    Source:
        Lopez-Paz and Ranzato (2017), equation 4.
    """
    scores, start = _matrix(matrix), np.asarray(untrained, dtype=np.float64)
    if start.ndim < 1 or start.shape[-1] != scores.shape[-1] or not np.isfinite(start).all():
        raise ValueError(f"untrained: got shape {start.shape}, expected {scores.shape[-1]} finite scores")
    ahead = np.diagonal(scores, offset=1, axis1=-2, axis2=-1)
    return np.asarray((ahead - start[..., 1:]).mean(axis=-1))


def forgetting(matrix: ArrayLike) -> Array:
    """Return how far each earlier task fell, in the end, below the best it ever reached; less is better.

    Equation:
        F = 1 / (T - 1) sum_{j < T} (max_{i < T} R[i, j] - R[T, j]).

    Args:
        matrix: R[i, j], the score on task j after learning tasks 1 to i, [..., T, T].

    Raises:
        ValueError: the matrix is not square, has fewer than two tasks, or holds what is not finite.

    Source:
        Chaudhry et al. (2018), "Riemannian walk for incremental learning", average forgetting.
    """
    scores = _matrix(matrix)
    best = scores[..., :-1, :-1].max(axis=-2)
    return np.asarray((best - scores[..., -1, :-1]).mean(axis=-1))


def _matrix(matrix: ArrayLike) -> Array:
    scores = np.asarray(matrix, dtype=np.float64)
    shape = scores.shape
    if scores.ndim < 2 or shape[-1] != shape[-2] or shape[-1] < 2 or not np.isfinite(scores).all():
        raise ValueError(f"matrix: got shape {shape}, expected finite scores, [..., T, T] with T >= 2")
    return scores
