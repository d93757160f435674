"""Epsilon-greedy choice, as affect bends it."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.affect import Drive

_RARELY = 1e-3  # weight of a random action that fear would exclude altogether


def select_action(values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Choose an action for every member; ties are broken at random.

    Equation:
        greedy:  argmax_a Q(s, a) - aversion(a)
        random with probability epsilon * exploration, drawn with weights 1 - avoidance(a)
        a member that persists repeats its action whatever else it would do

    A drive of Nones gives plain epsilon-greedy; a drive of ones and zeros gives the same bit for bit.

    Args:
        values: Q(s, .).
        drive: what affect wants.
        epsilon: probability of a random action.
        uniform: random numbers in [0, 1): whether, which, and one a tie.

    Shapes:
        values: [P, A]; epsilon: [P]; uniform: [P, 2 + A]; returns action [P] int64, greedy [P] bool.
    """
    scores = values if drive.aversion is None else values - drive.aversion
    best = scores == scores.amax(-1, keepdim=True)
    action = torch.where(best, uniform[:, 2:], -1.0).argmax(-1)
    chance = epsilon if drive.exploration is None else epsilon * drive.exploration
    action = torch.where(uniform[:, 0] < chance, _random_action(drive.avoidance, uniform), action)
    if drive.persist is not None and drive.action is not None:
        action = torch.where(drive.persist, drive.action, action)
    return action, best.gather(-1, action[:, None]).squeeze(-1)


def _random_action(avoidance: Tensor | None, uniform: Tensor) -> Tensor:
    actions = uniform.shape[-1] - 2
    if avoidance is None:
        return (uniform[:, 1] * actions).to(torch.int64)
    cumulative = (1 - avoidance).clamp_min(_RARELY).cumsum(-1)  # [P, A]
    drawn = (uniform[:, 1:2] * cumulative[:, -1:] >= cumulative).sum(-1)
    return drawn.clamp_max(actions - 1)
