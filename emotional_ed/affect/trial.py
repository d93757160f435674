"""Known memories are tried before a new one is begun, and what an accident says of them is bounded."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol, final

import torch
from torch import Tensor

from emotional_ed.affect.members import Members
from emotional_ed.memory import QuickModule

ROUNDED: Final = 1e-5
"""Share by which means of equal numbers may differ."""
_TEMPER: Final = 0.25  # what a step counts: the steps of an episode are not independent
_MOST: Final = 2.0  # thresholds that one episode can speak for a blank memory
_RATE: Final = 1 / 500  # of the running size of a step's surprise, once that many steps were seen
_SMALLEST: Final = 1e-12
_LARGEST: Final = 1e15  # whose square is a number


class _Numbers(Protocol):
    """What the configuration says, for the members that are judged, [n] each."""

    @property
    def threshold(self) -> Tensor: ...
    @property
    def patience(self) -> Tensor: ...
    @property
    def chance(self) -> Tensor: ...
    @property
    def decay(self) -> Tensor: ...
    @property
    def hope(self) -> Tensor: ...


class Ignorance(NamedTuple):
    """What an episode returned while nothing was known yet, [n] each."""

    mean: Tensor
    variance: Tensor
    """Infinite for a single episode."""
    number: Tensor
    """Of episodes, >= 1."""


class Verdict(NamedTuple):
    """What an episode says of the memories of the members that are judged."""

    cost: Tensor
    """[n, S + 1], in nats."""
    apart: Tensor
    """[n, S + 1], by how much each fits worse than the present one, in nats."""
    confirmed: Tensor
    """[n] bool, the present one fits better than a blank one."""
    patient: Tensor
    """[n] bool, the present one was taken up too recently to be doubted."""
    doubted: Tensor
    """[n] bool, by all that was lived with it a blank one is as likely as the best that is known."""


@final
class Trial(QuickModule):
    """Which memory is right shows best in what comes of using it.

    Equation:
        fit_j = 1/4 sum over the steps of log(1 + (d_j/sigma)^2),  d_j what memory j would have felt
        sigma: running mean of the present memory's |d|, each clipped to limit sigma, at rate max(1/n, 1/500),
               at least floor times the mean reward of a step
        known: c_j = c_p + max(fit_j - fit_p, -threshold),  p the present one, c_p its cost in `Recall`
        blank: c_b = c_p - min(c_p - c_b, 2 threshold, fit_p - fit_b + threshold)
        doubt: a blank one is as likely as the best known, and `patience` episodes were lived with the present
        then:  the likeliest known memory that was not tried since some episode confirmed the present one
               (c_p < c_b), and of which fit_j - fit_p < threshold; if there is none, a blank one, with hope
        hope:  as in `Recall`, and also where for `patience` episodes of doubt it has gone no better than in
               ignorance on average, though w_p is better than that by `hope` standard errors
        w_p += max(1/n, decay) (return - w_p)       after the n-th episode with the present one without doubts

    A fall surprises every memory, and least the one that hopes for least; so large surprises count by their
    logarithm (the likelihood of Cauchy's distribution), and no single episode decides. When nothing works any
    more, all that is known is surprised alike: then it is tried. A memory that was not used for long has to
    be given time, because the features that it stands on have moved. Where nothing is worse than ignorance
    (an episode in which nothing is reached), what once was better and no longer is gives hope as well.

    When it does harm: a wrong memory that is tried costs `patience` episodes.

    Args:
        population: P.
        room: S.

    Shapes:
        fit: [P, S + 1]; size, count, since: [P]; tried: [P, S] bool; worth, sure: [P, S], w and n.

    Source: the likelihood, Lange, Little and Taylor (1989), JASA 84; acting to find out which of several
    models holds, the dual control of Feldbaum (1960).
    """

    fit: Tensor
    size: Tensor
    count: Tensor
    since: Tensor
    tried: Tensor
    worth: Tensor
    sure: Tensor

    def __init__(self, population: int, room: int) -> None:
        super().__init__()
        self.register_buffer("fit", torch.zeros(population, room + 1))
        for name in ("size", "count", "since"):
            self.register_buffer(name, torch.zeros(population))
        self.register_buffer("tried", torch.zeros(population, room, dtype=torch.bool))
        for name in ("worth", "sure"):
            self.register_buffer(name, torch.zeros(population, room))

    def observe(
        self, felt: Tensor, slot: Tensor, least: Tensor, limit: Tensor, active: Tensor | None
    ) -> None:
        """Add up how well every memory fits a step.

        Shapes, units and ranges:
            felt: [P, S + 1], surprises in units of value; slot: [P] int64, the present memory; least: [P],
            the smallest size that counts; limit: [P], sizes beyond which a surprise is clipped; active: [P]
            bool, who made a step, None for all.
        """
        own = felt.gather(-1, slot.unsqueeze(-1)).squeeze(-1).abs_()
        bounded = torch.where(self.size > 0, torch.minimum(own, limit * self.size), own)
        self.count.add_(1 if active is None else active)
        rate = self.count.clamp_min(1).reciprocal_().clamp_min_(_RATE)
        change = (bounded - self.size).mul_(rate)
        self.size.add_(change if active is None else change * active)
        sigma = torch.maximum(self.size, least).clamp_min_(_SMALLEST).unsqueeze(-1)
        fit = (felt / sigma).clamp_(-_LARGEST, _LARGEST).square_().log1p_().mul_(_TEMPER)
        self.fit.add_(fit if active is None else fit * active.unsqueeze(-1))

    def judge(self, who: Members, numbers: _Numbers, present: Tensor, cost: Tensor) -> Verdict:
        """Return what an episode says; members without patience keep their costs.

        Shapes:
            present: [n, 1] int64; cost: [n, S + 1].
        """
        fit, threshold = who.of(self.fit), numbers.threshold.unsqueeze(-1)
        apart = fit - fit.gather(-1, present)
        own, blank = cost.gather(-1, present), cost[:, -1:]
        gain = torch.minimum(torch.minimum(own - blank, _MOST * threshold), threshold - apart[:, -1:])
        judged = own + torch.maximum(apart, -threshold)
        judged = torch.cat([judged[:, :-1], own - gain], dim=-1)
        tries = _tries(numbers)
        return Verdict(
            cost=torch.where(tries.unsqueeze(-1), judged, cost),
            apart=apart,
            confirmed=(gain < 0).squeeze(-1),
            patient=tries & (who.of(self.since) + 1 < numbers.patience),
            doubted=torch.zeros_like(tries),
        )

    def has_fallen(
        self,
        who: Members,
        numbers: _Numbers,
        here: Tensor,
        certain: Tensor,
        outcome: Tensor,
        doubt: Tensor,
        ignorance: Ignorance,
    ) -> Tensor:
        """Return whether it goes no better than in ignorance, and for long, with a memory that was better.

        Shapes:
            here: [n, S] bool, the present memory; certain: [n, S] bool, the same without any doubt; outcome:
            [n], return of the episode; doubt: [n, 2], sum and number of returns since the doubts began.
        """
        worth, number = who.of(self.worth), who.of(self.sure) + certain
        rate = torch.maximum(numbers.decay.unsqueeze(-1), number.clamp_min(1).reciprocal())
        worth = torch.where(certain, worth + rate * (outcome.unsqueeze(-1) - worth), worth)
        who.put(self.worth, worth)
        who.put(self.sure, number)
        held, times = (worth * here).sum(-1), (number * here).sum(-1)
        counted = torch.minimum(times, numbers.decay.reciprocal()).clamp_min(1)
        error = (ignorance.variance * (counted.reciprocal() + ignorance.number.reciprocal())).sqrt()
        better = (times > 0) & (held > ignorance.mean + numbers.hope * error)
        least = ignorance.mean + ROUNDED * ignorance.mean.abs()
        tries = _tries(numbers)
        no_better = (doubt[:, 1] >= numbers.patience) & (doubt[:, 0] <= least * doubt[:, 1])
        return tries & better & no_better

    def forget(self, begun: Tensor) -> None:
        """Memories that began anew, [P, S] bool, have not been worth anything yet."""
        self.worth.masked_fill_(begun, 0)
        self.sure.masked_fill_(begun, 0)

    def propose(
        self,
        who: Members,
        numbers: _Numbers,
        verdict: Verdict,
        present: Tensor,
        known: Tensor,
        posterior: Tensor,
        behind: Tensor,
    ) -> Tensor:
        """Return the posterior [n, S + 1], in which a memory that is to be tried is the likeliest.

        Shapes:
            present: [n, 1]; known: [n, S] bool; posterior: [n, S + 1]; behind: [n, S + 1], how far back a
            memory can fall.
        """
        tries = _tries(numbers)
        tried = who.of(self.tried) & ~verdict.confirmed.unsqueeze(-1)
        here = torch.zeros_like(posterior, dtype=torch.bool).scatter(1, present, True)
        fits = verdict.apart[:, :-1] < numbers.threshold.unsqueeze(-1)
        left = known & fits & ~tried & ~here[:, :-1]
        goes = tries & verdict.doubted & ~verdict.patient & left.any(-1)
        likely = torch.where(left, posterior[:, :-1], -torch.inf)
        best = left & (likely == likely.amax(-1, keepdim=True)) & goes.unsqueeze(-1)
        first = best & (best.cumsum(-1) == 1)
        chosen = torch.nn.functional.pad(first, (0, 1))
        who.put(self.tried, tried | first)
        back = goes.unsqueeze(-1) & here
        back[:, -1] = goes
        return torch.where(chosen, 0.0, torch.where(back, -behind, posterior))

    def settle(self, who: Members, left: Tensor) -> None:
        """Begin the next episode; `left` [n] bool, who goes on to another memory."""
        who.put(self.since, torch.where(left, 0, who.of(self.since) + 1))
        who.clear(self.fit)

    def cut_episode(self) -> None:
        """Drop what the running episode has added up."""
        self.fit.zero_()


def _tries(numbers: _Numbers) -> Tensor:
    """Return who tries memories at all, [n] bool."""
    return (numbers.patience > 0) & (numbers.chance == 0)
