"""One gradient step of a quantile network: target, quantile Huber loss, gradient, clipping, optimizer."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.following import Following
from emotional_ed.agents.deep.quantile_loss import QuantileLoss
from emotional_ed.agents.deep.quantile_network import QuantileValues
from emotional_ed.agents.deep.replay import Minibatch


@final
class QuantileLearning:
    """Learns a quantile network from minibatches.

    Equation:
        a* = argmax_a' mean_j theta'_j(s', a');   y_j = r + discount (1 - terminal) theta'_j(s', a*) - penalty
        L = `QuantileLoss` of theta(s, a) and y

    The backup is greedy for the mean. Choosing a* by a risk measure here would not make the quantiles those
    of any return, so risk belongs to the choice of actions.

    Args:
        online: the network that learns.
        target: the network that targets are made with.
        optimizer: of the online network.
        max_grad_norm: the gradient is scaled down to this norm; None leaves it as it is.

    Source: Dabney, Rowland, Bellemare and Munos (2018), arXiv 1710.10044, algorithm 1.
    """

    def __init__(
        self,
        online: QuantileValues,
        target: QuantileValues,
        optimizer: torch.optim.Optimizer,
        *,
        max_grad_norm: float | None,
    ) -> None:
        self.online, self.target, self.optimizer = online, target, optimizer
        self.max_grad_norm = max_grad_norm
        device = next(online.network.parameters()).device
        self.loss = QuantileLoss(online.network.n_quantiles, device)
        self._follow = Following(online.network, target.network, lambda: self.optimizer)

    @torch.no_grad()
    def targets(self, batch: Minibatch) -> Tensor:
        """Return y, [B, N]."""
        following = self.target.quantiles(batch.next_observations)  # [B, N, A]
        best = following.mean(1, keepdim=True).argmax(2, keepdim=True)
        chosen = following.gather(2, best.expand(-1, following.shape[1], 1)).squeeze(2)
        return batch.rewards + (1 - batch.terminal) * batch.discounts * chosen

    def step(
        self, batch: Minibatch, *, weights: Tensor | None = None, penalty: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Make one gradient step.

        Args:
            batch: what to learn from.
            weights: of the samples, >= 0; None means 1 each.
            penalty: taken off the targets, in units of value; None means nothing.

        Shapes:
            weights, penalty: [B, 1]; returns the loss [] and the mean errors target - value [B, 1].
        """
        target = self.targets(batch)
        if penalty is not None:
            target = target - penalty
        action = batch.actions[:, None].expand(-1, target.shape[1], 1)  # [B, N, 1]
        if self.online.mlp is not None and isinstance(self.optimizer, FlatAdam):
            loss, held = self._written_out(self.online.mlp, batch, action, target, weights)
        else:
            loss, held = self._by_autograd(batch, action, target, weights)
        if isinstance(self.optimizer, FlatAdam):
            if self.max_grad_norm is not None:
                self.optimizer.clip(self.max_grad_norm)
            self.optimizer.apply()
        else:
            if self.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(self.online.network.parameters(), self.max_grad_norm)
            self.optimizer.step()
        return loss, target.mean(1, keepdim=True) - held.mean(1, keepdim=True)

    def update_target(self, tau: float) -> None:
        """Move the target network toward the one that learns, by the share `tau`."""
        self._follow.update(tau)

    @torch.no_grad()
    def _written_out(
        self, mlp: Any, batch: Minibatch, action: Tensor, target: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        inputs = mlp.hidden(self.online.inputs(batch.observations))
        outputs = mlp.output(inputs[-1])
        quantiles = self.online.shaped(outputs)
        held = quantiles.gather(2, action).squeeze(2)
        loss, slope = self.loss(held, target, weights)
        whole = torch.zeros_like(quantiles).scatter_(2, action, slope[..., None])
        mlp.backward(inputs, whole.view_as(outputs))
        return loss, held

    def _by_autograd(
        self, batch: Minibatch, action: Tensor, target: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        held = self.online.quantiles(batch.observations).gather(2, action).squeeze(2)
        loss, slope = self.loss(held.detach(), target, weights)
        self.optimizer.zero_grad()
        held.backward(slope)  # type: ignore[no-untyped-call]
        return loss, held.detach()
