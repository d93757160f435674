"""How affect bends the choice of the next action, and how several wishes become one."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

EXCLUDED = -1e9
"""Added to the value of an excluded action, so that any other comes before it."""


@dataclass
class Drive:
    """What affect wants of the next choice; None means that nobody wants anything.

    A drive of Nones, and a drive of ones and zeros, both leave the plain greedy choice as it is.
    """

    exploration: Tensor | None = None
    """[P], factor on the probability of a random action, >= 0."""
    bias: Tensor | None = None
    """[P, A], in units of value, added to the values before the greedy choice."""
    avoidance: Tensor | None = None
    """[P, A] in [0, 1], how much less often a random action is drawn."""
    persist: Tensor | None = None
    """[P] bool, members that repeat `action` whatever else they would do."""
    action: Tensor | None = None
    """[P] int64, the action to repeat."""
    exclude: Tensor | None = None
    """[P, A] bool, actions not to be chosen as best; never all of a state."""

    def clone(self) -> Drive:
        """Return a copy that no later step changes."""
        copies = {one.name: getattr(self, one.name) for one in fields(self)}
        return Drive(**{name: None if one is None else one.clone() for name, one in copies.items()})

    def join(self, other: Drive, weight: Tensor | None = None) -> None:
        """Add another wish, at its `weight` [P] in [0, 1] (None: in full; a weight of 0 adds nothing).

        Equation:
            exploration *= w f + (1 - w);  bias += w b;  avoidance += w a (1 - avoidance)
            persist and exclude if w >= 1/2
        """
        w = weight
        if other.exploration is not None:
            factor = other.exploration if w is None else w * other.exploration + (1 - w)
            self.exploration = factor if self.exploration is None else self.exploration * factor
        if other.bias is not None:
            bias = other.bias if w is None else w[:, None] * other.bias
            self.bias = bias if self.bias is None else self.bias + bias
        if other.avoidance is not None:
            much = other.avoidance if w is None else w[:, None] * other.avoidance
            self.avoidance = much if self.avoidance is None else self.avoidance + much * (1 - self.avoidance)
        if other.persist is not None and other.action is not None:
            persist = other.persist if w is None else other.persist & (w >= 0.5)
            if self.persist is None or self.action is None:
                self.persist, self.action = persist, other.action
            else:
                self.action = torch.where(persist, other.action, self.action)
                self.persist = self.persist | persist
        if other.exclude is not None:
            exclude = other.exclude if w is None else other.exclude & (w >= 0.5)[:, None]
            self.exclude = exclude if self.exclude is None else self.exclude | exclude
