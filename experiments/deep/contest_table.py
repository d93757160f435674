"""What came of a deep contest, as Markdown and as a table of scores."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from emotional_ed.analysis import estimate, probability_of_improvement
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.contests.verdicts import Difference, differences
from emotional_ed.experiments.deep.arms import PLAIN
from emotional_ed.experiments.deep.plan import DeepEntry, DeepSuiteSpec

COLUMNS = ("task", "arm", "seed", "score", "late", "catastrophes", "episodes", "seconds")
"""Columns of `scores.csv`, a row an arm and reported seed; see `DeepLife` for the last five."""
_WIDTH = 110


def own_entry(entries: Sequence[DeepEntry]) -> DeepEntry | None:
    """Return the form of the full agent that tuned best, which the others are compared with."""
    own = [one for one in entries if one.role == "own"]
    return max(own, key=lambda one: one.tuning_score) if own else None


def deep_table(spec: DeepSuiteSpec, entries: Sequence[DeepEntry]) -> str:
    """Return what came of every arm as Markdown that fits 110 columns."""
    situation, budget, own = spec.situation, spec.budget, own_entry(entries)
    about = (
        f"Deep contest on {spec.task} ({situation.env_id}, {situation.steps} steps). Score: mean return "
        f"of all episodes; IQM over {budget.report} fresh seeds with 95 % bootstrap interval. Every arm was "
        f"tuned with {budget.configurations} random settings on other seeds ({budget.seeds} each, the best "
        f"{min(budget.finalists, budget.configurations)} on {budget.final_seeds} more)."
    )
    if own is not None:
        about += (
            f" Differences, p (sign flips on common seeds, corrected by Holm) and P(better) are those of the "
            f"row's arm against {own.arm!r}, the form of the full agent that tuned best."
        )
    if any(one.arm == PLAIN for one in entries):
        about += (
            f" Catastrophes: in 1000 steps. All settings: the mean score of all that were tried, less "
            f"that of {PLAIN!r} with the same, with its standard error."
        )
    settings = [_filled(f"- {one.arm}: {_setting(one)}", subsequent_indent="  ") for one in entries]
    gaps = {} if own is None else _gaps(entries, own)
    parts = [_filled(about), _comparison(entries, own, gaps), _costs(entries)]
    if own is not None and any(one.role == "rival" for one in entries):
        parts.insert(2, _filled(_verdict(entries, own, gaps)))
    return "\n\n".join([*parts, "Settings:", "\n".join(settings)]) + "\n"


def _gaps(entries: Sequence[DeepEntry], own: DeepEntry) -> dict[str, Difference]:
    """Return how every other arm differs from `own`, corrected for their number."""
    others = [one for one in entries if one is not own]
    found = differences([(one.of("score"), own.of("score")) for one in others])
    return {one.arm: gap for one, gap in zip(others, found, strict=True)}


def _verdict(entries: Sequence[DeepEntry], own: DeepEntry, gaps: Mapping[str, Difference]) -> str:
    """Say in a sentence which rivals the full agent beats, and which it loses to."""
    rivals = [one.arm for one in entries if one.role == "rival"]
    said = {-1: "wins over", 1: "loses to", 0: "is not told apart from"}
    groups = {verb: [name for name in rivals if gaps[name].sign == sign] for sign, verb in said.items()}
    told = [f"{verb} {', '.join(names)}" for verb, names in groups.items() if names]
    return f"Against the rivals {own.arm!r} {'; '.join(told)}."


def _comparison(entries: Sequence[DeepEntry], own: DeepEntry | None, gaps: Mapping[str, Difference]) -> str:
    against: dict[str, tuple[str, str, str]] = {}
    if own is not None:
        for one in entries:
            if one is not own:
                gap, better = gaps[one.arm], probability_of_improvement(one.of("score"), own.of("score"))
                against[one.arm] = (f"{gap.gain:.3g}", f"{gap.p:.3g}", f"{better:.2f}")
    rows = [
        (one.arm, one.role, f"{estimate(one.of('score')):.3g}", *against.get(one.arm, ("", "", "")))
        for one in entries
    ]
    minus = "minus own" if own is None else f"minus {own.arm}"
    return table_of(("arm", "role", "score", minus, "p", "P(better)"), rows)


def over_settings(one: DeepEntry, plain: DeepEntry | None) -> str:
    """Return an arm's score less plain DQN's over all settings tried, as "mean (standard error)".

    What all arms search is drawn the same for all of them, so setting i of both differs in the arm alone. It
    tells an arm that is worse from one whose best setting was luck. "" without plain DQN or two settings.
    """
    if plain is None or one is plain or not len(one.trials) == len(plain.trials) > 1:
        return ""
    gaps = np.array([a["score"] - b["score"] for a, b in zip(one.trials, plain.trials, strict=True)])
    return f"{gaps.mean():+.3g} ({gaps.std(ddof=1) / len(gaps) ** 0.5:.2g})"


def _costs(entries: Sequence[DeepEntry]) -> str:
    plain = next((one for one in entries if one.arm == PLAIN), None)
    rows = [
        (
            one.arm,
            f"{estimate(one.of('late')):.3g}",
            f"{estimate(one.of('catastrophes')):.3g}",
            f"{one.tuning_score:.3g}",
            over_settings(one, plain),
            f"{np.median(one.of('seconds')):.0f}",
        )
        for one in entries
    ]
    head = (
        "arm",
        "second half",
        "catastrophes",
        "when tuned",
        "all settings",
        "seconds",
    )
    return table_of(head, rows)


def _filled(text: str, subsequent_indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=subsequent_indent, break_on_hyphens=False)


def _setting(entry: DeepEntry) -> str:
    return ", ".join(f"{path.removeprefix('affect.')} {value:.3g}" for path, value in entry.setting.items())


def scores_csv(spec: DeepSuiteSpec, entries: Sequence[DeepEntry]) -> str:
    """Return `COLUMNS` of every arm and reported seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        for seed, life in zip(spec.budget.reported, one.lives, strict=True):
            writer.writerow((spec.task, one.arm, seed, *(getattr(life, name) for name in COLUMNS[3:])))
    return text.getvalue()
