"""What one member felt during one episode, step by step."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.experiments.train import TrainSpec

_SIGNALS = ("surprise", "arousal", "fear", "anger", "mood", "temperament")


def record_first_episode(spec: TrainSpec, *, limit: int = 3000) -> dict[str, NDArray[Any]]:
    """Train the first member alone (which changes nothing for it) until its first episode ends.

    Args:
        spec: what to train; its population is not used.
        limit: most steps to record.

    Returns:
        Signal -> its value at each step [T], and "reward" and "catastrophe". Signals of parts that the agent
        lacks are left out.
    """
    rows: list[dict[str, float]] = []

    def keep(agent: EmotionalQ) -> bool:
        step = agent.last_step
        assert step is not None
        row = {name: float(agent.signals[name]) for name in _SIGNALS if name in agent.signals}
        row |= {"reward": float(step.reward), "catastrophe": float(step.catastrophe)}
        rows.append(row)
        return not bool(step.terminated | step.truncated)

    dataclasses.replace(spec, population=1).build().learn(limit, callback=keep)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
