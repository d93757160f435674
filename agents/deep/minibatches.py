"""What affect and a prioritised buffer have to do with a minibatch: before a gradient step, and after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer


class Recalling(Protocol):
    """Feelings that tell what they recall of replayed transitions."""

    def recall(self, batch: Minibatch) -> tuple[Tensor | None, Tensor | None]:
        """Return sample weights and what is taken off targets, [B, 1] each; None for none."""


def weigh(feelings: Recalling | None, batch: Minibatch) -> tuple[Tensor | None, Tensor | None]:
    """Return the weights of a minibatch, with those of its buffer, and what is taken off its targets.

    Shapes:
        each [B, 1], or None if it is 1 or 0 everywhere.
    """
    weights, penalty = (None, None) if feelings is None else feelings.recall(batch)
    if batch.weights is not None:
        weights = batch.weights if weights is None else batch.weights * weights
    return weights, penalty


def prioritise(
    buffer: ReplayBuffer | None, batch: Minibatch, loss: Tensor, error: Tensor, refuse: Callable[[], None]
) -> None:
    """Make the errors of a minibatch its priorities, if its buffer has priorities and takes them from us.

    Args:
        buffer: where the minibatch is from.
        batch: that was learned from.
        loss: its loss, [].
        error: its TD errors, [B] or [B, 1].
        refuse: called before a priority could become NaN; it raises.
    """
    if isinstance(buffer, SalienceReplayBuffer) and batch.indices is not None and buffer.td_error is None:
        if not bool(loss.isfinite()):
            refuse()
        buffer.update_priorities(batch.indices, error)
