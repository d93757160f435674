"""Gradient steps on minibatches, with what affect and a prioritised buffer have to do before and after."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer


class Recalling(Protocol):
    """Feelings that tell what they recall of replayed transitions."""

    def recall(self, batch: Minibatch) -> tuple[Tensor | None, Tensor | None]:
        """Return sample weights and what is taken off targets, [B, 1] each; None for none."""


class Learning(Protocol):
    """Makes gradient steps of a network of values."""

    def step(
        self, batch: Minibatch, *, weights: Tensor | None = None, penalty: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Make one, and return its loss [] and the TD errors [B, 1]."""


def study(
    steps: int,
    draw: Callable[[], Minibatch],
    learning: Learning,
    feelings: Recalling | None,
    buffer: ReplayBuffer,
    check: Callable[[Tensor], Any],
) -> list[Tensor]:
    """Make gradient steps on minibatches, and return their losses.

    Args:
        steps: how many.
        draw: returns the next minibatch.
        learning: makes a step.
        feelings: what is recalled of a transition; None at level 0.
        buffer: where minibatches are from.
        check: is called with all losses if one of them is no number, before errors become priorities.
    """
    losses: list[Tensor] = []
    for _ in range(steps):
        batch = draw()
        weights, penalty = weigh(feelings, batch)
        loss, error = learning.step(batch, weights=weights, penalty=penalty)
        losses.append(loss)
        prioritise(buffer, batch, loss, error, lambda: check(torch.stack(losses)))
    return losses


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
    buffer: ReplayBuffer | None, batch: Minibatch, loss: Tensor, error: Tensor, refuse: Callable[[], Any]
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
        if not math.isfinite(loss.item()):
            refuse()
        buffer.update_priorities(batch.indices, error)
