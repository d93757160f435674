"""What counts as a danger to a critic, and the greedy target that a fear of it lowers."""

from __future__ import annotations

from torch import Tensor

from emotional_ed.agents.rules import Moment
from emotional_ed.memory import AssociativeMemory

NEVER = -1e30
"""A reward that no environment gives: with it, only a declared danger is one."""


def greedy_target(memory: AssociativeMemory, moment: Moment) -> Tensor:
    """Return the reward and the discounted best of what follows, [P] (Sutton and Barto, eq. 6.8)."""
    best = moment.bent(memory.read(moment.next_key)).amax(-1)
    return moment.reward + moment.discount * best.masked_fill(moment.terminated, 0)


def danger_of(moment: Moment, bad_reward: Tensor) -> Tensor:
    """Return the danger of a transition, [P] in [0, 1]: as declared, else whether the reward is that bad."""
    if moment.danger is not None:
        return moment.danger.to(moment.reward.dtype)
    return (moment.reward <= bad_reward).to(moment.reward.dtype)
