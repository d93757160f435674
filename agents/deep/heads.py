"""Value heads on shared features: the network's last layer, and one more for each memory of recall."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.affect.recall import Recall
from emotional_ed.agents.deep.replay import Observations
from emotional_ed.agents.deep.value_network import ValueNetwork


@final
class Heads(nn.Module):
    """Value memories of a deep agent: linear heads j on the features h of one network.

    Equation:
        Q_j(s, a) = W_j[a] . [h(s), 1];   j = 0 is the network's own last layer

    All heads learn with the same features. A head that begins is zero: it expects nothing, as recall takes a
    blank memory to. While one memory is in use, the network is all there is: the
    other heads are neither read nor written.

    Args:
        online: the network that learns.
        target: the network that targets are made with.
        slots: room for how many heads, the network's own among them, >= 1.

    Shapes:
        more: slots - 1 parameters [A, K + 1], the last column the bias; target_more: [slots - 1, A, K + 1].
    """

    target_more: Tensor

    def __init__(self, online: ValueNetwork, target: ValueNetwork, slots: int) -> None:
        super().__init__()
        self.online, self.target, self.slots = online, target, slots
        blank = torch.zeros_like(online.last_layer_matrix())
        self.more = nn.ParameterList([nn.Parameter(blank.clone()) for _ in range(slots - 1)])
        self.register_buffer("target_more", blank.repeat(slots - 1, 1, 1))
        self._recall: tuple[Recall, ...] = ()  # in a tuple: owned by the affect already
        self.optimizer: torch.optim.Optimizer | None = None
        """Of the heads beside the network's own."""
        self._of_network: torch.optim.Optimizer | None = None

    def follow(self, recall: Recall | None) -> None:
        """Let recall say how many heads are in use."""
        self._recall = () if recall is None else (recall,)

    def learn_with(
        self, network: torch.optim.Optimizer, kind: type[torch.optim.Optimizer], arguments: dict[str, Any]
    ) -> None:
        """Make the optimizer of the other heads, of the `kind` and with the `arguments` of the network's."""
        self._of_network = network
        if len(self.more):
            self.optimizer = kind(self.more.parameters(), **arguments)

    @property
    def in_use(self) -> int:
        """How many heads, counted from the first, some environment uses."""
        return self._recall[0].in_use if self._recall else 1

    @property
    def several(self) -> bool:
        """Whether more than the network's own head is in use."""
        return self.in_use > 1

    def learning(self) -> list[nn.Parameter]:
        """Return the other heads that are in use."""
        return [self.more[index] for index in range(self.in_use - 1)]

    # ------------------------------------------------------------------ reading

    def stacked(self) -> Tensor | None:
        """Return the other heads in use, [H - 1, A, K + 1]; None if there are none."""
        others: list[Tensor] = [*self.learning()]
        return torch.stack(others) if others else None

    def target_stacked(self) -> Tensor | None:
        """Return the same of the target network."""
        number = self.in_use - 1
        return self.target_more[:number] if number else None

    def read(self, features: Tensor, more: Tensor | None = None) -> Tensor:
        """Return what every head in use makes of features [B, K]: [B, H, A].

        Args:
            features: of the network that learns.
            more: what `stacked` returned, if that is at hand.
        """
        return _joined(
            self.online.from_features(features), features, self.stacked() if more is None else more
        )

    def read_target(self, features: Tensor, more: Tensor | None = None) -> Tensor:
        """Return the same of the target network and its heads."""
        own = self.target.from_features(features)
        return _joined(own, features, self.target_stacked() if more is None else more)

    def values(self, observations: Observations, slots: Tensor) -> Tensor:
        """Return the values [B, A] of the heads `slots` [B]."""
        return of(self.read(self.online.features(observations)), slots)

    def target_values(self, observations: Observations, slots: Tensor) -> Tensor:
        """Return the values [B, A] of the heads `slots` [B] of the target network."""
        return of(self.read_target(self.target.features(observations)), slots)

    # ------------------------------------------------------------------ writing

    @torch.no_grad()
    def backward(self, features: Tensor, gradient: Tensor) -> Tensor:
        """Write the gradients of the other heads in use, and return what flows into the features.

        Shapes:
            features: [B, K]; gradient: [B, (H - 1) A] of the loss by their values; result: [B, K].
        """
        heads = self.learning()
        inputs = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
        written = gradient.t().mm(inputs).view(len(heads), -1, inputs.shape[1])
        for head, one in zip(heads, written, strict=True):
            head.grad = one.contiguous()
        flat = torch.cat([head.data for head in heads])  # [(H - 1) A, K + 1]
        return gradient.mm(flat[:, :-1])

    @torch.no_grad()
    def begin(self, slot: int) -> None:
        """Let a head begin anew, and its optimizer with it."""
        if slot:
            self.more[slot - 1].zero_()
            self.target_more[slot - 1].zero_()
            if self.optimizer is not None:
                self.optimizer.state.pop(self.more[slot - 1], None)
            return
        for network in (self.online, self.target):
            network.set_last_layer_matrix(torch.zeros_like(network.last_layer_matrix()))
        layer = self.online.last_layer()
        states = {} if self._of_network is None else self._of_network.state
        for p in (layer.weight, layer.bias):
            for name, value in states.get(p, {}).items():
                if name != "step" and isinstance(value, Tensor):
                    value.zero_()

    @torch.no_grad()
    def update_target(self, tau: float) -> None:
        """Move the other heads of the target toward those that learn, by the share `tau`."""
        for index in range(self.in_use - 1):
            self.target_more[index].mul_(1 - tau).add_(self.more[index].data, alpha=tau)

    def matrix(self, slot: int) -> Tensor:
        """Return a head as it is, [A, K + 1]."""
        return self.more[slot - 1].data if slot else self.online.last_layer_matrix()

    @torch.no_grad()
    def set_matrix(self, slot: int, matrix: Tensor) -> None:
        """Let a head be `matrix` [A, K + 1]."""
        if slot:
            self.more[slot - 1].copy_(matrix)
        else:
            self.online.set_last_layer_matrix(matrix)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything there is to the heads, but for their optimizer: the tensors themselves."""
        return {"target_more": self.target_more} | {
            f"more/{index}": head.data for index, head in enumerate(self.more)
        }


def of(values: Tensor, slots: Tensor) -> Tensor:
    """Return the values [B, A] of one head each from those of all [B, H, A]."""
    where = slots[:, None, None].expand(-1, 1, values.shape[-1])
    return values.gather(1, where).squeeze(1)


def _joined(own: Tensor, features: Tensor, more: Tensor | None) -> Tensor:
    own = own[:, None]
    return own if more is None else torch.cat([own, _linear(features, more)], dim=1)


def _linear(features: Tensor, heads: Tensor) -> Tensor:
    flat = heads.flatten(0, 1)  # [(H - 1) A, K + 1]
    values = F.linear(features, flat[:, :-1], flat[:, -1])
    return values.unflatten(1, (len(heads), -1))  # type: ignore[no-untyped-call, no-any-return]
