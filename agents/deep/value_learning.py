"""One gradient step of a Q-network: target, Huber loss, gradient, clipping, optimizer."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.following import Following
from emotional_ed.agents.deep.heads import Heads
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
        heads: value heads beside the networks' own; Q is that of the head that a transition was lived with.

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
        heads: Heads | None = None,
    ) -> None:
        self.online, self.target, self.optimizer = online, target, optimizer
        self.max_grad_norm, self.double, self.heads = max_grad_norm, double, heads
        self._follow = Following(online.network, target.network, lambda: self.optimizer)

    @torch.no_grad()
    def targets(self, batch: Minibatch) -> Tensor:
        """Return y, [B, 1]."""
        following = self.following(batch)
        value = following.gather(1, self.best(batch)) if self.double else following.amax(1, keepdim=True)
        return batch.rewards + (1 - batch.terminal) * batch.discounts * value

    @torch.no_grad()
    def following(self, batch: Minibatch) -> Tensor:
        """Return Q_target(s', .), [B, A]."""
        if batch.slots is None:
            return self.target(batch.next_observations)
        assert self.heads is not None
        return self.heads.target_values(batch.next_observations, batch.slots)

    @torch.no_grad()
    def best(self, batch: Minibatch) -> Tensor:
        """Return argmax_a' Q(s', a'), [B, 1] int64."""
        if batch.slots is None:
            return self.online(batch.next_observations).argmax(1, keepdim=True)
        assert self.heads is not None
        return self.heads.values(batch.next_observations, batch.slots).argmax(1, keepdim=True)

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
        return self.fit(batch, target, weights)

    def fit(self, batch: Minibatch, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Make one gradient step toward given targets [B, 1]; see `step`."""
        if self.online.mlp is not None and isinstance(self.optimizer, FlatAdam):
            loss, error = self._written_out(batch, target, weights)
        else:
            loss, error = self._by_autograd(batch, target, weights)
        heads = [] if batch.slots is None or self.heads is None else self.heads.learning()
        if isinstance(self.optimizer, FlatAdam):
            self.optimizer.clip(self.max_grad_norm, *(one.grad for one in heads if one.grad is not None))
            self.optimizer.apply()
        else:
            nn.utils.clip_grad_norm_([*self.online.network.parameters(), *heads], self.max_grad_norm)
            self.optimizer.step()
        if heads and self.heads is not None and self.heads.optimizer is not None:
            self.heads.optimizer.step()
        return loss, error

    def update_target(self, tau: float) -> None:
        """Move the target network toward the one that learns, by the share `tau`."""
        self._follow.update(tau)
        if self.heads is not None:
            self.heads.update_target(tau)

    @torch.no_grad()
    def _written_out(self, batch: Minibatch, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        mlp = self.online.mlp
        assert mlp is not None
        inputs = mlp.hidden(self.online.inputs(batch.observations))
        if batch.slots is None:
            values, index = mlp.output(inputs[-1]), batch.actions
        else:
            values, index = self._of_all_heads(inputs[-1], batch)
        chosen = values.gather(1, index)
        error = target - chosen
        slope = error.clamp(-1, 1).div_(-len(error))  # of the mean Huber loss
        if weights is not None:
            slope.mul_(weights)
        gradient = torch.zeros_like(values).scatter_(1, index, slope)
        if batch.slots is None or self.heads is None:
            mlp.backward(inputs, gradient)
        else:
            own = mlp.width
            mlp.backward(inputs, gradient[:, :own], self.heads.backward(inputs[-1], gradient[:, own:]))
        return _loss(chosen, target, weights), error

    def _by_autograd(self, batch: Minibatch, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        if batch.slots is None:
            values, index = self.online(batch.observations), batch.actions
        else:
            values, index = self._of_all_heads(self.online.features(batch.observations), batch)
        chosen = values.gather(1, index)
        loss = _loss(chosen, target, weights)
        self.optimizer.zero_grad()
        if self.heads is not None and self.heads.optimizer is not None:
            self.heads.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), target - chosen.detach()

    def _of_all_heads(self, features: Tensor, batch: Minibatch) -> tuple[Tensor, Tensor]:
        """Return the values of all heads in a row, [B, H A], and where those of the batch are, [B, 1]."""
        assert self.heads is not None
        assert batch.slots is not None
        values = self.heads.read(features)  # [B, H, A]
        return values.flatten(1), batch.slots[:, None] * values.shape[2] + batch.actions


def _loss(values: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return F.smooth_l1_loss(values, target)
    return (weights * F.smooth_l1_loss(values, target, reduction="none")).mean()
