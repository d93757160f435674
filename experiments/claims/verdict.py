"""The verdict on an earlier claim: a rule that reads the scores of fair contests, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import estimate
from emotional_ed.experiments.contests.verdicts import SIGNIFICANT, Difference, differences

HOLDS = "holds"
IN_PART = "holds in part"
ARTEFACT = "an artefact"
HARMFUL = "harmful"
NOT_TOLD_APART = "not told apart"
VERDICTS = (HOLDS, IN_PART, ARTEFACT, HARMFUL, NOT_TOLD_APART)
"""What can be said of a claim that was measured."""
MARGIN = 0.05
"""A gain, or a loss, below this share of what there is to learn is none worth the name."""
RULE = f"""\
The rule, for one contest, in this order; "gain" and "loss" need p < {SIGNIFICANT} after Holm and an interval
without 0:

1. *harmful*: a loss against tuned level 0 of more than {MARGIN:.0%} of what there is to learn (the best arm's
   score less that of an agent that learns nothing).
2. No gain over level 0: *an artefact* if the interval leaves out a gain of {MARGIN:.0%} of what there is to
   learn, else *not told apart*.
3. A gain over level 0 that a control without the idea shows as well (it gains over level 0 too, and is not
   beaten): *an artefact*.
4. A gain over level 0, over the strongest simple rival (there must be one) and over that control: *holds*.
   Else *holds in part*.

For a claim: *holds* if all its contests do and no situation in which it must not harm is *harmful*; *holds
in part* if any of its contests holds, in part or in full; else *harmful* if any contest or control is; else
*not told apart* if any contest is; else *an artefact*."""


@dataclass(frozen=True)
class Measured:
    """What became of a mechanism, and of what it is compared with, on common seeds."""

    mechanism: str
    task: str
    own: str
    """The mechanism's form that tuned best."""
    plain: str
    """Tuned level 0."""
    rival: str | None
    """The simple rival that tuned best; None if there is none but level 0."""
    control: str | None
    """The control that has all but the idea, the one that tuned best; None if there is none."""
    scores: Mapping[str, NDArray[np.float64]]
    """Arm -> [S]; higher is better."""
    to_learn: float
    """What there is to learn, in units of score, >= 0."""
    family: str = "contests"
    """Measured things of one family are corrected together."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What is compared: the first less the second."""
        own, plain = self.own, self.plain
        found = [(own, plain)]
        if self.rival not in (None, plain):
            found.append((own, str(self.rival)))
        if self.control is not None:
            found += [(own, self.control), (self.control, plain)]
        return tuple(found)


Comparisons = dict[tuple[str, str], Difference]
"""(arm, other arm) -> the first less the second."""


def compare_all(measured: Sequence[Measured]) -> list[Comparisons]:
    """Return the comparisons of each, with p values corrected by Holm over each family."""
    found: list[Comparisons] = [{} for _ in measured]
    for family in dict.fromkeys(one.family for one in measured):
        every = [(i, pair) for i, one in enumerate(measured) if one.family == family for pair in one.pairs]
        scores = [(measured[i].scores[one], measured[i].scores[other]) for i, (one, other) in every]
        for (i, pair), difference in zip(every, differences(scores), strict=True):
            found[i][pair] = difference
    return found


def contest_verdict(one: Measured, compared: Comparisons) -> str:
    """Return what `RULE` says of one contest."""
    gain = compared[one.own, one.plain]
    if _harms(one, gain):
        return HARMFUL
    if gain.sign <= 0:
        return ARTEFACT if gain.gain.high < MARGIN * one.to_learn else NOT_TOLD_APART
    beats = [compared[pair].sign > 0 for pair in one.pairs if pair[0] == one.own]
    if one.control is not None:
        idle = compared[one.own, one.control].sign <= 0
        if idle and compared[one.control, one.plain].sign > 0:
            return ARTEFACT
    return HOLDS if all(beats) and one.rival is not None else IN_PART


def control_verdict(one: Measured, compared: Comparisons) -> str:
    """Return whether the mechanism harms where it need not help."""
    gain = compared[one.own, one.plain]
    return HARMFUL if _harms(one, gain) else {1: "gain", 0: "no loss", -1: "small loss"}[gain.sign]


def _harms(one: Measured, gain: Difference) -> bool:
    return gain.sign < 0 and -gain.gain.value > MARGIN * one.to_learn


def claim_verdict(contests: Sequence[str], controls: Sequence[str] = ()) -> str:
    """Return what `RULE` says of a claim.

    Args:
        contests: verdicts on the contests in which it should help, at least one.
        controls: verdicts on those in which it must not harm.

    Example:
        >>> claim_verdict(["holds", "an artefact"])
        'holds in part'
    """
    if not contests:
        raise ValueError("contests: got none, expected at least one verdict")
    if any(one in (HOLDS, IN_PART) for one in contests):
        clean = all(one == HOLDS for one in contests) and HARMFUL not in controls
        return HOLDS if clean else IN_PART
    if HARMFUL in (*contests, *controls):
        return HARMFUL
    return NOT_TOLD_APART if NOT_TOLD_APART in contests else ARTEFACT


def range_of(scores: Mapping[str, NDArray[np.float64]], untaught: str) -> float:
    """Return what there is to learn: the best arm's IQM less that of the arm that learns nothing."""
    middles = {name: estimate(one).value for name, one in scores.items()}
    return max(middles.values()) - middles[untaught]
