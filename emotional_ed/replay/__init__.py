"""Replay by salience: what was surprising or moving comes back more often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotional_ed.replay._mixture import PriorityMixture as PriorityMixture
from emotional_ed.replay._sum_tree import SumTree as SumTree

if TYPE_CHECKING:
    from emotional_ed.agents.salience_buffer import SalienceReplayBuffer as SalienceReplayBuffer

__all__ = ["PriorityMixture", "SalienceReplayBuffer", "SumTree"]


def __getattr__(name: str) -> Any:
    """Import the buffer for Stable-Baselines3 when it is asked for; the rest needs torch and NumPy alone."""
    if name == "SalienceReplayBuffer":
        from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

        return SalienceReplayBuffer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
