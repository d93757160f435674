"""What dose-response curves say: where harm begins, which dose is best, and which are inverted Us."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotional_ed.analysis import Estimate, holm, iqm, iqm_difference, sign_flip_test
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.disorders.catalogue import DISORDERS
from emotional_ed.experiments.disorders.conduct import CONDUCT
from emotional_ed.experiments.disorders.doses import ROLES, Curve

_SIGNIFICANT = 0.05
COLUMNS = ("disorder", "task", "dose", "seed", "score", "conduct")
"""Columns of `disorders.csv`, a row a dose and seed; the dose `untaught` learns nothing."""
SHAPES = ("inverted U", "gain that lasts", "harm", "harm in the middle", "nothing significant")
"""What a curve can be; see `Verdict.shape`."""


@dataclass(frozen=True)
class Verdict:
    """What one curve says. Significant: corrected over all curves (Holm), and an interval without 0."""

    curve: Curve
    worse_from: float | None
    """The smallest dose that is significantly worse than dose 0; None if there is none."""
    best: float
    """The dose with the highest IQM; the smallest at a tie."""
    best_gain: Estimate
    """The best dose less dose 0, in units of the score."""
    harm: Estimate
    """Dose 0 less the largest dose, in % of `unit`; NaN where nothing is learned."""
    unit: float
    """What there is to learn: the best dose less an agent that learns nothing; NaN if that is not > 0."""
    shape: str
    """One of `SHAPES`.

    "inverted U": a dose strictly inside the ladder is best, and significantly better than dose 0 and than the
    largest. "gain that lasts": the best dose is better than dose 0, and the largest is not worse than it.
    "harm": no gain, and the largest dose is worse than dose 0; "in the middle": only doses below it are."""


def verdicts(curves: Sequence[Curve]) -> list[Verdict]:
    """Judge curves; p values are corrected over all doses of all of them (Holm)."""
    pairs = [
        (number, dose, end)
        for number, curve in enumerate(curves)
        for end in (0, len(curve.doses) - 1)
        for dose in range(len(curve.doses))
        if dose != end and (end == 0 or dose != 0)
    ]
    raw = [sign_flip_test(curves[n].score[dose], curves[n].score[end]) for n, dose, end in pairs]
    p_values = dict(zip(pairs, holm(raw), strict=True))
    return [_verdict(curve, number, p_values) for number, curve in enumerate(curves)]


def _verdict(curve: Curve, number: int, p_values: dict[tuple[int, int, int], float]) -> Verdict:
    last = len(curve.doses) - 1
    means = iqm(curve.score)
    best = int(np.argmax(means))

    def sign(dose: int, end: int) -> int:
        """Return 1 if a dose is significantly better than an end of the ladder, -1 if worse, else 0."""
        if dose == end:
            return 0
        key = (number, dose, end) if (number, dose, end) in p_values else (number, end, dose)
        gain = iqm_difference(curve.score[dose], curve.score[end])
        if p_values[key] >= _SIGNIFICANT or gain.low <= 0 <= gain.high:
            return 0
        return 1 if gain.value > 0 else -1

    worse = [dose for dose in range(1, last + 1) if sign(dose, 0) < 0]
    gains, falls = sign(best, 0) > 0, sign(best, last) > 0
    learned = iqm_difference(curve.score[best], curve.untaught)
    unit = learned.value if learned.low > 0 else math.nan
    lost = iqm_difference(curve.score[0], curve.score[last])
    share = 100 / unit
    harm = Estimate(lost.value * share, lost.low * share, lost.high * share, lost.seeds)
    if gains:
        shape = SHAPES[0] if falls and 0 < best < last else SHAPES[1]
    else:
        shape = SHAPES[2] if last in worse else SHAPES[3] if worse else SHAPES[4]
    gain = iqm_difference(curve.score[best], curve.score[0])
    return Verdict(
        curve, curve.doses[worse[0]] if worse else None, curve.doses[best], gain, harm, unit, shape
    )


def dose_text(dose: float) -> str:
    """Return a dose in few letters."""
    if dose >= 1000:
        return f"{dose / 1e6:g}M" if dose >= 1e6 else f"{dose / 1000:g}k"
    return f"{dose:g}".removeprefix("0") if 0 < dose < 1 else f"{dose:g}"


def too_few(found: Sequence[Verdict]) -> str:
    """Return a warning if so few seeds can show nothing among so many comparisons, else an empty text."""
    number = min(one.curve.score.shape[1] for one in found)
    comparisons = sum(2 * len(one.curve.doses) - 3 for one in found)
    least = 2 / 2**number * comparisons
    if least < _SIGNIFICANT:
        return ""
    return (
        f"{number} seeds are too few: no difference can be significant among {comparisons} comparisons, "
        "so the shapes say nothing."
    )


def table(found: Sequence[Verdict]) -> str:
    """Return the verdicts as Markdown, two rows a disorder."""
    rows = []
    for one in found:
        curve, disorder = one.curve, DISORDERS[one.curve.disorder]
        usual = "not on the ladder" if disorder.usual is None else dose_text(disorder.usual)
        rows.append(
            (
                curve.disorder if curve.role == ROLES[0] else "",
                f"{curve.task} ({'meant for' if curve.role == ROLES[0] else 'control'})",
                usual,
                "none" if one.worse_from is None else dose_text(one.worse_from),
                f"{dose_text(one.best)} ({one.best_gain:+.2g})",
                _harm(one),
                _conduct(one),
                one.shape,
            )
        )
    head = (
        "disorder", "task", "default", "worse than dose 0 from", "best dose (minus dose 0)",
        "harm at the largest dose (of what there is to learn)", "conduct: dose 0, best, largest", "shape",
    )  # fmt: skip
    return table_of(head, rows)


def _harm(one: Verdict) -> str:
    lost = iqm_difference(one.curve.score[0], one.curve.score[-1])
    share = "nothing is learned" if math.isnan(one.unit) else f"{one.harm:+.2g} %"
    return f"{lost.value:+.2g} ({share})"


def _conduct(one: Verdict) -> str:
    curve = one.curve
    means = curve.conduct.mean(-1)
    numbers = [means[0], means[curve.doses.index(one.best)], means[-1]]
    return f"{DISORDERS[curve.disorder].behaviour} {', '.join(f'{number:.2g}' for number in numbers)}"


def statement(found: Sequence[Verdict]) -> str:
    """Return in one paragraph which curves are inverted Us, and in which places the largest dose harms."""
    parts = []
    for role, place in zip(ROLES, ("Where the emotion is meant to help", "In the controls"), strict=True):
        here = [one for one in found if one.curve.role == role]
        if not here:
            continue
        said = []
        for shape in SHAPES:
            names = [one.curve.disorder for one in here if one.shape == shape]
            if names:
                said.append(f"{shape} {len(names)} ({', '.join(names)})")
        harmed = sum(iqm_difference(one.curve.score[0], one.curve.score[-1]).low > 0 for one in here)
        said.append(f"the interval of the harm at the largest dose is above 0 in {harmed} of {len(here)}")
        parts.append(f"{place}: {'; '.join(said)}.")
    return " ".join(parts)


def expectations(found: Sequence[Verdict]) -> str:
    """Return what was expected of each disorder before, beside what was found."""
    lines = []
    for name in dict.fromkeys(one.curve.disorder for one in found):
        disorder = DISORDERS[name]
        here = "; ".join(f"{one.curve.task}: {one.shape}" for one in found if one.curve.disorder == name)
        lines.append(
            f"- **{name}**: {disorder.about}. Dose: `{disorder.path}`"
            f"{'' if disorder.number == 'dose' else f' = {disorder.number}'}, {disorder.unit}. "
            f"Conduct: {CONDUCT[disorder.behaviour]}. *Expected*: {disorder.expected} *Found*: {here}."
        )
    return "\n".join(lines)


def scores_csv(curves: Sequence[Curve], first_seed: int) -> str:
    """Return every score and conduct as CSV, with five digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for curve in curves:
        for i, dose in enumerate(curve.doses):
            for j, (score, conduct) in enumerate(zip(curve.score[i], curve.conduct[i], strict=True)):
                row = (f"{dose:g}", first_seed + j, f"{score:.5g}", f"{conduct:.4g}")
                writer.writerow((curve.disorder, curve.task, *row))
        for j, score in enumerate(curve.untaught):
            writer.writerow((curve.disorder, curve.task, "untaught", first_seed + j, f"{score:.5g}", ""))
    return text.getvalue()
