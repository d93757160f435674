"""What the networks of a deep agent make of observations: features, keys of memories, and values."""

from __future__ import annotations

from typing import NamedTuple, final

from torch import Tensor

from emotional_ed.agents.deep.heads import Heads, of
from emotional_ed.agents.deep.keys import FeatureKeys
from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.replay import Observations


class Seen(NamedTuple):
    """What the network makes of observations that are acted on."""

    features: Tensor
    """[P, K - 1], of the hidden layer."""
    key: Tensor
    """[P, K]."""
    values: Tensor
    """[P, A], of the head in use."""
    every: Tensor | None
    """[P, H, A], of all heads in use; None if there is one."""


class Reached(NamedTuple):
    """What the networks make of observations that were reached."""

    features: Tensor
    """[P, K - 1], of the hidden layer."""
    values: Tensor
    """[P, A], of the head in use."""
    every: Tensor | None
    """[P, H, A], of all heads in use; None if there is one."""
    following: Tensor
    """[P, A], by the target network; [P, H, A] if there are several heads."""


class InUse(NamedTuple):
    """Which heads there are; all None while the network's own is the only one."""

    slots: Tensor | None = None
    """[P] int64, which head every environment uses."""
    more: Tensor | None = None
    """[H - 1, A, K], the heads beside the network's own."""
    target_more: Tensor | None = None
    """[H - 1, A, K], those of the target network."""


@final
class Sight:
    """Networks and heads as one view.

    It says nothing about what changes while it looks: which heads there are is handed over, so that looking
    can be part of a compiled program.

    Args:
        online: the network that learns.
        target: the network that targets are made with.
        heads: value heads beside the networks' own, or None.
        keys: of memories, made of the hidden features.
    """

    def __init__(
        self, online: LinearValues, target: LinearValues, heads: Heads | None, keys: FeatureKeys
    ) -> None:
        self.online, self.target, self.heads, self.keys = online, target, heads, keys

    @property
    def is_plain(self) -> bool:
        """Whether the networks are plain perceptrons on flat observations, which any program can hold."""
        return self.online.mlp is not None and self.target.mlp is not None and self.online.is_vector

    def in_use(self, slots: Tensor | None) -> InUse:
        """Return the heads in use, where environments use those of `slots` [P]; None if there is one."""
        if slots is None or self.heads is None:
            return InUse()
        return InUse(slots, self.heads.stacked(), self.heads.target_stacked())

    def see(self, observations: Observations, heads: InUse) -> Seen:
        """Return what the online network makes of observations [P, ...]."""
        features = self.online.features(observations)
        return Seen(features, self.keys(features), *self._values(features, heads))

    def reach(self, observations: Observations, heads: InUse) -> Reached:
        """Return what both networks make of observations [P, ...]."""
        features = self.online.features(observations)
        if heads.target_more is None or self.heads is None:
            following = self.target(observations)
        else:
            following = self.heads.read_target(self.target.features(observations), heads.target_more)
        return Reached(features, *self._values(features, heads), following)

    def _values(self, features: Tensor, heads: InUse) -> tuple[Tensor, Tensor | None]:
        """Return the values [P, A] of the head in use, and those of all heads if there are several."""
        if heads.slots is None or self.heads is None:
            return self.online.from_features(features), None
        every = self.heads.read(features, heads.more)
        return of(every, heads.slots), every
