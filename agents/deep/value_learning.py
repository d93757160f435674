"""One gradient step of a Q-network: target, Huber loss, gradient, clipping, optimizer."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.deep.value_network import ValueNetwork


@final
class ValueLearning:
    """Learns a Q-network from minibatches.

    Equation:
        y = r + discount (1 - terminal) max_a' Q_target(s', a')                          (DQN)
        y = r + discount (1 - terminal) Q_target(s', argmax_a' Q(s', a'))                (double DQN)
        L = mean w huber(Q(s, a) - (y - penalty)),   huber(e) = e^2/2 if |e| < 1, else |e| - 1/2

    Args:
        online: the network that learns.
        target: the network that targets are made with.
        optimizer: of the online network.
        max_grad_norm: the gradient is scaled down to this norm.
        double: whether the online network chooses the next action.

    Source: Mnih et al. (2015), Nature 518; van Hasselt, Guez and Silver (2016), arXiv 1509.06461, eq. 4.
    """

    def __init__(
        self,
        online: ValueNetwork,
        target: ValueNetwork,
        optimizer: torch.optim.Optimizer,
        *,
        max_grad_norm: float,
        double: bool,
    ) -> None:
        self.online, self.target, self.optimizer = online, target, optimizer
        self.max_grad_norm, self.double = max_grad_norm, double

    @torch.no_grad()
    def targets(self, batch: Minibatch) -> Tensor:
        """Return y, [B, 1]."""
        following = self.target(batch.next_observations)
        if self.double:
            best = self.online(batch.next_observations).argmax(1, keepdim=True)
            value = following.gather(1, best)
        else:
            value = following.amax(1, keepdim=True)
        return batch.rewards + (1 - batch.terminal) * batch.discounts * value

    def step(
        self, batch: Minibatch, *, weights: Tensor | None = None, penalty: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Make one gradient step.

        Args:
            batch: what to learn from.
            weights: of the samples, >= 0; None means 1 each.
            penalty: taken off the targets, in units of value; None means nothing.

        Shapes:
            weights, penalty: [B, 1]; returns the loss [] and the errors target - value [B, 1].
        """
        target = self.targets(batch)
        if penalty is not None:
            target = target - penalty
        if self.online.mlp is not None and isinstance(self.optimizer, FlatAdam):
            loss, error = self._written_out(batch, target, weights)
        else:
            loss, error = self._by_autograd(batch, target, weights)
        if isinstance(self.optimizer, FlatAdam):
            self.optimizer.clip(self.max_grad_norm)
            self.optimizer.apply()
        else:
            nn.utils.clip_grad_norm_(self.online.network.parameters(), self.max_grad_norm)
            self.optimizer.step()
        return loss, error

    @torch.no_grad()
    def _written_out(self, batch: Minibatch, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        mlp = self.online.mlp
        assert mlp is not None
        inputs = mlp.hidden(self.online.inputs(batch.observations))
        values = mlp.output(inputs[-1])
        chosen = values.gather(1, batch.actions)
        error = target - chosen
        slope = error.clamp(-1, 1).div_(-len(error))  # of the mean Huber loss
        if weights is not None:
            slope.mul_(weights)
        mlp.backward(inputs, torch.zeros_like(values).scatter_(1, batch.actions, slope))
        return _loss(chosen, target, weights), error

    def _by_autograd(self, batch: Minibatch, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        chosen = self.online(batch.observations).gather(1, batch.actions)
        loss = _loss(chosen, target, weights)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), target - chosen.detach()


def _loss(values: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return F.smooth_l1_loss(values, target)
    return (weights * F.smooth_l1_loss(values, target, reduction="none")).mean()
