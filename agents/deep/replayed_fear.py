"""What fear makes of replayed transitions: how they are weighed, and what is taken off their targets."""

from __future__ import annotations

import dataclasses
from typing import final

from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.checks import require_choice


@final
class ReplayedFear:
    """Fear of what was done in a transition, as its memory holds it now.

    Equation:
        weight = max(0, 1 + step_gain H(s, a));   penalty = caution worth H(s, a)  if fear acts on targets

    step_gain and caution count as far as fear is trusted, where weights are learned. H is what the memory of
    the transition's environment holds now, or the mean of all if the buffer does not tell which one that is.
    No affective state changes.

    Args:
        affect: which levels.
        fear_on: "action" (fear bends the choice of actions) or "target" (it lowers targets).

    Raises:
        ValueError: `fear_on` is neither.
    """

    def __init__(self, affect: AffectConfig, fear_on: str) -> None:
        on_target = require_choice("fear_on", fear_on, ("action", "target")) == "target"
        fear = affect.fear
        self._caution = fear.caution if fear is not None and on_target else 0.0
        self._gain = 0.0 if fear is None else fear.step_gain
        if self._caution and fear is not None:  # fear acts once: what the target loses, the choice keeps
            affect = dataclasses.replace(affect, fear=dataclasses.replace(fear, caution=0.0))
        self.rest = affect
        """The affect that is left for the choice of actions."""

    @property
    def counts(self) -> bool:
        """Whether it changes anything."""
        return bool(self._caution or self._gain)

    def of(
        self, system: AffectSystem, key: Tensor, action: Tensor, members: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the weights and the penalty of transitions, [B, 1] each; None if it is 1 or 0 everywhere.

        Shapes:
            key: [B, K]; action: [B], row of the memory; members: [B], environments, or None.
        """
        fear = self._held(system, key, action, members)
        weights = (1 + self._gain * fear).clamp_min(0) if self._gain else None
        if not self._caution:
            return weights, None
        worth = system.level("surprise").worth  # [P], what is at stake
        stake = worth.mean()[None, None] if members is None else worth[members][:, None]
        return weights, self._caution * stake * fear

    def _held(self, system: AffectSystem, key: Tensor, action: Tensor, members: Tensor | None) -> Tensor:
        level = system.level("fear")
        memory, trust = level.memory.M, system.weight(level)  # [P, A, K], [P]
        memory = memory if trust is None else memory * trust[:, None, None]
        rows: Tensor = memory.mean(0)[action] if members is None else memory[members, action]
        return (rows * key).sum(-1, keepdim=True).clamp(0, 1)  # [B, 1]
