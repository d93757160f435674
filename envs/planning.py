"""Exact dynamic programming on a tabular world: what the best and any other policy are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_ed.envs.tabular_model import TabularModel

Array = NDArray[np.float64]


def action_values(model: TabularModel, values: Array, discount: float, context: int) -> Array:
    """Return q(z, a) = sum_o p (r + discount (1 - terminated) v(z')).

    Shapes:
        values: [Z]; result: [Z, A].

    Reference:
        Sutton and Barto, eq. 4.2.
    """
    ahead = np.where(model.terminated[context], 0.0, values[model.next_state[context]])
    outcome = model.reward[context] + discount * ahead
    return np.asarray((model.probability[context] * outcome).sum(-1))


def value_iteration(model: TabularModel, *, steps: int, discount: float = 1.0, context: int = 0) -> Array:
    """Return the value [Z] of the best policy that sees the latent state and has `steps` steps left.

    Exact for episodes cut off after `steps`; it bounds from above what any agent can reach.
    """
    values = np.zeros(model.shape[1])
    for _ in range(steps):
        values = action_values(model, values, discount, context).max(-1)
    return values


def policy_value(
    model: TabularModel, policy: Array, *, steps: int, discount: float = 1.0, context: int = 0
) -> Array:
    """Return the value [Z] of a policy [n_observations, A] that sees observations only.

    Reference:
        Sutton and Barto, eq. 4.4, for a finite horizon.
    """
    seen = policy[model.observation]  # [Z, A]
    values = np.zeros(model.shape[1])
    for _ in range(steps):
        values = (seen * action_values(model, values, discount, context)).sum(-1)
    return values
