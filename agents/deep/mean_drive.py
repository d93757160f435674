"""What affect wants on average over environments, of states that none of them is in."""

from __future__ import annotations

import torch
from torch import Tensor

from emotional_ed.affect import AffectSystem, Drive


@torch.inference_mode()
def mean_drive(system: AffectSystem, keys: Tensor) -> Drive:
    """Return the mean over environments of what affect wants, for keys [n, K] of any number of states.

    Persistence belongs to a running episode and is left out.
    """
    drives = [system.modulate(key.expand(system.population, -1)) for key in keys]

    def mean(name: str) -> Tensor | None:
        wishes = [getattr(drive, name) for drive in drives]
        return None if wishes[0] is None else torch.stack([wish.mean(0) for wish in wishes])

    return Drive(exploration=mean("exploration"), bias=mean("bias"), avoidance=mean("avoidance"))
