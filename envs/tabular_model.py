"""A finite world as tables: the one truth behind its single, batched and planned versions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TabularModel:
    """Dynamics of a finite, partly observed world with contexts that take turns.

    Axes: C contexts, Z latent states, A actions, O outcomes.

    Raises:
        ValueError: shapes differ, or probabilities do not sum to 1.
    """

    probability: NDArray[np.float64]
    """[C, Z, A, O], how likely each outcome is."""
    next_state: NDArray[np.int64]
    """[C, Z, A, O], the latent state it leads to."""
    reward: NDArray[np.float64]
    """[C, Z, A, O]."""
    terminated: NDArray[np.bool_]
    """[C, Z, A, O], whether it ends the episode."""
    catastrophe: NDArray[np.bool_]
    """[C, Z, A, O], whether it counts as a catastrophe in reports; agents do not see it."""
    observation: NDArray[np.int64]
    """[Z], what the agent sees of a latent state."""
    start: NDArray[np.int64]
    """[N], latent states in which episodes start, drawn uniformly."""
    episodes_per_context: int = 1
    """Episodes before the next context takes its turn; of no account with one context."""
    repeats: bool = True
    """Whether the first context follows the last; otherwise the last one stays for ever."""
    full_feedback: bool = False
    """Whether a step also tells what every other action would have paid, under the same draw."""

    def __post_init__(self) -> None:
        for name in ("next_state", "reward", "terminated", "catastrophe"):
            if getattr(self, name).shape != self.probability.shape:
                raise ValueError(
                    f"{name}: got shape {getattr(self, name).shape}, expected {self.probability.shape}"
                )
        if not np.allclose(self.probability.sum(-1), 1):
            raise ValueError(
                "probability: got rows that do not sum to 1, expected distributions over outcomes"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, Z, A, O)."""
        contexts, states, actions, outcomes = self.probability.shape
        return contexts, states, actions, outcomes

    @property
    def observations(self) -> int:
        """Number of different observations."""
        return int(self.observation.max()) + 1

    def context(self, episode: int) -> int:
        """Return the context of an episode, counted from 0."""
        phase = episode // self.episodes_per_context
        return phase % self.shape[0] if self.repeats else min(phase, self.shape[0] - 1)


def empty_tables(contexts: int, states: int, actions: int, outcomes: int) -> dict[str, NDArray[np.generic]]:
    """Return zeroed tables [C, Z, A, O] to fill in, under the names that `TabularModel` takes."""
    shape = (contexts, states, actions, outcomes)
    return {
        "probability": np.zeros(shape),
        "next_state": np.zeros(shape, dtype=np.int64),
        "reward": np.zeros(shape),
        "terminated": np.zeros(shape, dtype=np.bool_),
        "catastrophe": np.zeros(shape, dtype=np.bool_),
    }
