"""Epsilon-greedy choice with Stable-Baselines3's random numbers, as affect bends it.

In NumPy: its small operations take a fraction of the time of torch's, and a GPU is asked once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import Drive

_RARELY = 1e-3  # weight of a random action that fear would exclude altogether

Draw = Callable[[], NDArray[np.int64]]


def choose(
    values: Tensor, drive: Drive, epsilon: float, uniform: float, draw: Draw, second: Callable[[], Tensor]
) -> tuple[Tensor, Tensor]:
    """Choose an action for every environment.

    Equation:
        greedy: the first of argmax_a Q(s, a) + bias(a)
        random where uniform < epsilon * exploration, with weights 1 - avoidance(a)
        where anger persists, its action whatever else

    A drive of Nones, and one of ones and zeros, choose what Stable-Baselines3 chooses: `uniform` is the one
    number that it draws for all environments, and `draw` its random actions. Such an action is taken with
    probability 1 - avoidance, else another is drawn with these weights; together that is a draw with them.

    Args:
        values: Q(s, .).
        drive: what affect wants.
        epsilon: probability of a random action.
        uniform: a random number in [0, 1).
        draw: gives a random action for each environment; called only if one is needed.
        second: gives two random numbers in [0, 1) for each environment, [n, 2]; called only with avoidance.

    Shapes:
        values: [n, A]; returns actions [n] int64, and whether each was expected to be best, [n] bool.
    """
    scores = (values if drive.bias is None else values + drive.bias).numpy(force=True)
    rows = np.arange(len(scores))
    action = scores.argmax(1)
    best = scores[rows, action]
    if drive.exploration is None:
        random = np.full(len(scores), uniform < epsilon)
    else:
        random = uniform < epsilon * drive.exploration.numpy(force=True).astype(np.float64)
    if np.count_nonzero(random):
        drawn = draw()
        if drive.avoidance is not None:
            drawn = _avoid(drawn, drive.avoidance.numpy(force=True), second().numpy(force=True))
        action = np.where(random, drawn, action)
    if drive.persist is not None and drive.action is not None:
        persist = drive.persist.numpy(force=True)
        if np.count_nonzero(persist):
            action = np.where(persist, drive.action.numpy(force=True), action)
    greedy = scores[rows, action] >= best
    return torch.from_numpy(action).to(values.device), torch.from_numpy(greedy).to(values.device)


def _avoid(
    drawn: NDArray[np.int64], avoidance: NDArray[np.float32], uniform: NDArray[np.float32]
) -> NDArray[np.int64]:
    weights = (1 - avoidance).clip(min=_RARELY)  # [n, A]
    refused = uniform[:, 0] >= weights[np.arange(len(drawn)), drawn]
    cumulative = weights.cumsum(1)
    other = (uniform[:, 1:] * cumulative[:, -1:] >= cumulative).sum(1).clip(max=weights.shape[1] - 1)
    return np.where(refused, other, drawn)
