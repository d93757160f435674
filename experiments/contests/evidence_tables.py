"""The tables of the evidence: what a mechanism gains over level 0, over its rivals, and what weights cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import Estimate, estimate, iqm_difference, probability_of_improvement
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.contests.outcome import Outcome
from emotional_ed.experiments.contests.rungs import CONSTANT, PLAIN, UNTAUGHT, WEIGHED
from emotional_ed.experiments.contests.verdicts import WORDS, Difference, differences, scaled

_MARGIN = 0.05


@dataclass(frozen=True)
class Claim:
    """What one contest says of its mechanism."""

    mechanism: str
    task: str
    arm: str
    """The mechanism's form that tuned best."""
    rival: str
    """The simple rival or control that tuned best."""
    scores: dict[str, NDArray[np.float64]]
    """Arm -> [S] on the reported seeds."""
    tuned: dict[str, float]
    """Arm -> score of its best setting on the tuning seeds."""

    @classmethod
    def of(cls, outcome: Outcome) -> Claim:
        """Choose the form and the rival that tuned best, on other seeds than those that are reported."""
        tuned, roles = outcome.tuned, outcome.roles
        own = [name for name in tuned if roles[name] == "own"]
        others = [name for name in tuned if roles[name] == "rival"] or [PLAIN]
        arm, rival = max(own, key=tuned.__getitem__), max(others, key=tuned.__getitem__)
        return cls(outcome.mechanism, outcome.task, arm, rival, outcome.scores, tuned)

    @property
    def own(self) -> NDArray[np.float64]:
        """[S]."""
        return self.scores[self.arm]


def evidence_table(claims: Sequence[Claim]) -> str:
    """Return the claims as Markdown: against tuned level 0 and against the strongest simple rival.

    The strongest rival is the one that tuned best, on other seeds; p values are corrected together (Holm).
    """
    rows = []
    for one, (plain, rival) in zip(claims, against_both(claims), strict=True):
        better = probability_of_improvement(one.own, one.scores[PLAIN])
        rows.append(
            (
                one.task,
                f"{one.arm} {estimate(one.own).value:.3g}",
                f"{estimate(one.scores[PLAIN]).value:.3g}",
                f"{one.rival} {estimate(one.scores[one.rival]).value:.3g}",
                str(plain),
                str(rival),
                f"{better:.2f}",
                _verdict(plain, rival),
            )
        )
    head = (
        "task", "mechanism", "level 0", "strongest rival", "minus level 0", "minus rival",
        "P(better than level 0)", "verdict",
    )  # fmt: skip
    return table_of(head, rows)


def against_both(claims: Sequence[Claim]) -> list[tuple[Difference, Difference]]:
    """Return each claim's differences from level 0 and from its rival, corrected over all of them."""
    found = differences([(one.own, one.scores[other]) for one in claims for other in (PLAIN, one.rival)])
    return list(zip(found[::2], found[1::2], strict=True))


def _verdict(plain: Difference, rival: Difference) -> str:
    first, second = WORDS[plain.sign], WORDS[rival.sign]
    return first if first == second else f"{first}; {second} against the rival"


def overall(claims: Sequence[Claim], mechanism: str = "whole") -> str:
    """Return how probably the mechanism's best form beats tuned level 0 over all its tasks."""
    chosen = [one for one in claims if one.mechanism == mechanism]
    own = np.concatenate([one.own for one in chosen])
    plain = np.concatenate([one.scores[PLAIN] for one in chosen])
    tasks = np.repeat(np.arange(len(chosen)), [len(one.own) for one in chosen])
    return f"{probability_of_improvement(own, plain, strata=(tasks, tasks)):.2f}"


def weights_table(claims: Sequence[Claim]) -> str:
    """Return as Markdown whether learned weights cost anything: against none, and the best constant ones.

    The best constant weights are those that tuned best, on other seeds. Losses are in per cent of what there
    is to learn: the best constant weights' score less that of an agent that learns nothing. p values are
    corrected over the tasks (Holm).
    """
    chosen = [one for one in claims if WEIGHED in one.scores]
    rows = []
    against_off = differences([(one.scores[WEIGHED], one.scores[PLAIN]) for one in chosen])
    for one, off in zip(chosen, against_off, strict=True):
        weighed, plain = one.scores[WEIGHED], one.scores[PLAIN]
        best = max(CONSTANT, key=one.tuned.__getitem__)
        to_learn = abs(estimate(one.scores[best]).value - estimate(one.scores[UNTAUGHT]).value)
        constant = iqm_difference(weighed, one.scores[best])
        rows.append(
            (
                one.task,
                f"{estimate(weighed).value:.3g}",
                f"{estimate(plain).value:.3g}",
                f"{best} {estimate(one.scores[best]).value:.3g}",
                str(off),
                _per_cent(off.gain, to_learn),
                _per_cent(constant, to_learn),
                _insured(off, constant, to_learn),
            )
        )
    head = (
        "task", "learned weights", "emotions off", "best constant weights", "minus off", "in %",
        "minus best constant, in %", "verdict",
    )  # fmt: skip
    return table_of(head, rows)


def _per_cent(gain: Estimate, unit: float) -> str:
    return f"{scaled(gain, 100 / unit):+.2g}" if unit else "nothing is learned"


def _insured(off: Difference, constant: Estimate, to_learn: float) -> str:
    said = {1: "better than off", 0: "like off", -1: "worse than off"}[off.sign]
    return said if constant.value >= -_MARGIN * to_learn else f"{said}; below the best constant"
