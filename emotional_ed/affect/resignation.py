"""What pushing on has gained over leaving, and what was given up until the episode ends."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import commit
from emotional_ed.memory import Entry, QuickModule
from emotional_ed.nested import Signals

COUNTS = 16
"""Counts of pushes that are told apart; the last stands for all beyond."""
_TINY = 1e-30


class Push(NamedTuple):
    """What anger makes of a step before it has its standardised surprise, [P] each."""

    pushing: Tensor
    """The action is the one that was blocked before."""
    committed: Tensor
    """And anger asked for it, in a member that resigns."""
    blocked: Tensor
    pushes: Tensor
    """Blocked pushes in a row, this one too, if it is one."""
    efficacy: Entry
    """E(s, a), to be read and then written."""
    persist: Tensor
    """It is to be pushed again."""
    leave: Tensor
    """L, the best of the other actions."""
    gain: Tensor
    """D, what pushing on at this count has gained over leaving."""
    loses: Tensor
    """And it is known to have gained nothing."""
    give_up: Tensor
    discount: Tensor


@final
class Resignation(QuickModule):
    """Anger's knowledge of what pushing on gains; the equations are those of `Anger` with resigns=True.

    Args:
        population: P.
        actions: A.
        keys: K, number of one-hot keys.
        who: [P] bool, members that resign; of the others nothing is ever written.
        step_size: [P] in [0, 1], share by which one run moves a gain.

    Shapes:
        gain, known: [P, A, K, 16], a running sum and its weight, D is their ratio; given_up: [P, A, K] bool;
        returns, ahead: [P, 16], return of the running run from each count on, and discount of its next
        reward, 0 where no run goes on.
    """

    who: Tensor
    step_size: Tensor
    gain: Tensor
    known: Tensor
    given_up: Tensor
    returns: Tensor
    ahead: Tensor
    _members: Tensor

    def __init__(self, population: int, actions: int, keys: int, who: Tensor, step_size: Tensor) -> None:
        super().__init__()
        self.register_buffer("who", who, persistent=False)
        self.register_buffer("step_size", step_size, persistent=False)
        self.register_buffer("gain", torch.zeros(population, actions, keys, COUNTS))
        self.register_buffer("known", torch.zeros(population, actions, keys, COUNTS))
        self.register_buffer("given_up", torch.zeros(population, actions, keys, dtype=torch.bool))
        self.register_buffer("returns", torch.zeros(population, COUNTS))
        self.register_buffer("ahead", torch.zeros(population, COUNTS))
        self.register_buffer("_members", torch.arange(population), persistent=False)

    def left(self, key: Tensor) -> Tensor:
        """Return which actions were given up in states [P] in this episode, [P, A] bool."""
        return self.given_up.gather(-1, key[:, None, None].expand(-1, self.given_up.shape[1], 1)).squeeze(-1)

    def gained(self, action: Tensor, key: Tensor, pushes: Tensor) -> tuple[Tensor, Tensor]:
        """Return D at that many pushes, [P], and whether anything is known of it, [P] bool."""
        at = (self._members, action, key, pushes.clamp_max(COUNTS - 1).long())
        known = self.known[at]
        return self.gain[at] / known.clamp_min(_TINY), known > 0

    def pays(self, members: Tensor, action: Tensor, key: Tensor) -> Tensor:
        """Return after which counts, from 1 on, pushing on is known to gain, [n, 15] bool."""
        return (self.gain[members, action, key][:, 1:] > 0) & self.who[members][:, None]

    def learn(self, signals: Signals, push: Push, before: Tensor, due: Tensor | None) -> None:
        """Add this push to the returns of its run, and learn from them if the run ends here.

        Args:
            signals: of the step.
            push: what became of it.
            before: [P], pushes before this step.
            due: [P] bool, members that learn; None for all.
        """
        committed = push.committed
        ends = committed & (signals["moved"] | push.give_up | (push.persist & push.loses))
        count = before.clamp(0, COUNTS - 1).long()[:, None]
        ahead = self.ahead * committed[:, None]
        begun = ahead.gather(-1, count)
        ahead.scatter_(-1, count, torch.where(committed[:, None] & (begun == 0), 1.0, begun))
        came = torch.where(ends, signals["target"], signals["reward"])
        returns = self.returns * (self.ahead > 0) + ahead * came[:, None]
        goes_on = push.discount * (committed & push.persist & ~ends)
        given_up = push.give_up
        if due is not None:
            ends, given_up = ends & due, given_up & due
        self._write(signals, push.leave, ends, returns, (ahead > 0).to(ahead.dtype))
        who = given_up.nonzero().squeeze(-1)
        self.given_up[who, signals["action"][who], signals["key"][who]] = True
        self.forget(signals["done"])
        commit(self.returns, returns * (goes_on > 0)[:, None], due)
        commit(self.ahead, ahead * goes_on[:, None], due)

    def _write(self, signals: Signals, leave: Tensor, ends: Tensor, returns: Tensor, begun: Tensor) -> None:
        """Write what the runs that end gained over leaving, for every count they went through."""
        who = ends.nonzero().squeeze(-1)
        at = (who, signals["action"][who], signals["key"][who])
        share = self.step_size[who][:, None] * begun[who]  # [n, counts]
        gained = returns[who] - leave[who][:, None]
        for memory, value in ((self.gain, gained), (self.known, 1.0)):
            held = memory[at]
            memory[at] = held + share * (value - held)

    def forget(self, done: Tensor) -> None:
        """Forget what was given up in episodes that are over, [P] bool."""
        self.given_up[done.nonzero().squeeze(-1)] = False

    def cut_episode(self) -> None:
        """Forget what was given up, and the running run."""
        self.given_up.fill_(False)
        self.ahead.zero_()
