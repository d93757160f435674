"""Mechanism, not luck: every gain beside the controls that would have shown it to be something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from emotional_ed.analysis import estimate
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.contests.evidence_tables import Claim, against_both
from emotional_ed.experiments.contests.rungs import PLAIN, UNTAUGHT
from emotional_ed.experiments.contests.verdicts import Difference, differences

_SCRIPT = {UNTAUGHT: "no values are learned"}
_BEST_CONSTANT = {PLAIN: "exploration is constant, and tuned"}
_SLEEP = {
    **_SCRIPT,
    "uniform": "as many updates, of any moments",
    "backward": "as many updates, of the latest moments",
}
CONTROLS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "fear": {
            **_SCRIPT,
            "fear-shuffled": "the same fear at wrong times",
            "fear-unlearned": "fear has step size 0",
        },
        "anger": {
            **_SCRIPT,
            "anger-shuffled": "the same anger at wrong times",
            "fixed-repeat": "a constant number of pushes",
            "blocked-count": "the same information, no emotion",
        },
        "recall": _SCRIPT,
        "attachment": {
            **_SCRIPT,
            "griefless": "loss does not shield",
            "decay-only": "attachment has step size 0: values fade to nothing",
        },
        "sleep": _SLEEP,
        "short-sleep": _SLEEP,
        "regret": {**_SCRIPT, "full-feedback": "the same information, no emotion"},
        "curiosity": _SCRIPT,
        "spectrum": {**_SCRIPT, **_BEST_CONSTANT, "two-clocks": "mood and temperament alone"},
        "joy": {**_SCRIPT, **_BEST_CONSTANT},
    }
)
"""Mechanism -> arm of its contests -> what is missing from it, or wrong with it, in all of its forms.

The whole agent's controls are in the ladder, where each of its parts is taken away."""
_NEAR = "only what is new here and now attracts"
_TIMETABLE = "as many memories, switched on a fixed timetable"
OF_FORMS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "recall": {"recall-by-chance": _TIMETABLE},
        "mood-recall": {"recall-by-chance": _TIMETABLE},
        "recall-per-step": {"recall-by-chance": _TIMETABLE},
        "recall-curious": {
            "curious-by-chance": f"{_TIMETABLE}; what is new attracts",
            "curiosity": "nothing is recalled; what is new attracts",
        },
        "recall-recency": {
            "recency-by-chance": f"{_TIMETABLE}; explores alike",
            "recency-bonus": "nothing is recalled; explores alike",
        },
        "curiosity": {**_BEST_CONSTANT, "curiosity-near": _NEAR},
        "curious-dreams": {
            "dreams": "nothing attracts; the same updates offline",
            "curious-near-dreams": _NEAR,
        },
        "curious-sweeping": {
            "sweeping": "nothing attracts; the same updates offline",
            "curious-near-sweeping": _NEAR,
        },
    }
)
"""Form of a mechanism -> arm of its contests -> the one thing that is missing from it, or wrong with it."""
_VERDICTS = {1: "stands", 0: "not told apart", -1: "the control does better"}


def controls_of(claim: Claim) -> Mapping[str, str]:
    """Return the controls of a claim's form, each with what is missing from it or wrong with it."""
    return {**CONTROLS[claim.mechanism], **OF_FORMS.get(claim.arm, {})}


def controls_text(claims: Sequence[Claim]) -> str:
    """Return every gain against each of its controls, and which gains stand, as Markdown.

    A gain is one over tuned level 0 in the evidence's own table; p values of this table are corrected over
    all of its rows (Holm).
    """
    known = [one for one in claims if one.mechanism in CONTROLS]
    gains = [
        one
        for one, (plain, _) in zip(claims, against_both(claims), strict=True)
        if plain.sign > 0 and one.mechanism in CONTROLS
    ]
    found = against_controls(gains)
    parts = [_table(gains, found)] if gains else []
    return "\n\n".join([*parts, _summary(len(known), gains, found)])


def against_controls(gains: Sequence[Claim]) -> list[dict[str, Difference]]:
    """Return each mechanism less each of its controls, corrected over all of them."""
    named = [list(controls_of(one)) for one in gains]
    pairs = [(one.own, one.scores[name]) for one, names in zip(gains, named, strict=True) for name in names]
    found = iter(differences(pairs))
    return [{name: next(found) for name in names} for names in named]


def _table(gains: Sequence[Claim], found: Sequence[Mapping[str, Difference]]) -> str:
    rows = [
        (
            f"{one.mechanism} on {one.task}",
            f"{one.arm} {estimate(one.own).value:.3g}",
            f"{name} {estimate(one.scores[name]).value:.3g}",
            controls_of(one)[name],
            _share_of_gain(one, name),
            str(difference),
            _VERDICTS[difference.sign],
        )
        for one, against in zip(gains, found, strict=True)
        for name, difference in against.items()
    ]
    head = ("claim", "mechanism", "control", "in which", "has of the gain", "minus control", "the gain")
    return table_of(head, rows)


def _share_of_gain(one: Claim, control: str) -> str:
    plain = estimate(one.scores[PLAIN]).value
    share = (estimate(one.scores[control]).value - plain) / (estimate(one.own).value - plain)
    return f"{share:.0%}" if share > 0 else "nothing"


def _summary(claims: int, gains: Sequence[Claim], found: Sequence[Mapping[str, Difference]]) -> str:
    shaken = [
        f"{one.mechanism} on {one.task} ({', '.join(name for name, gap in against.items() if gap.sign <= 0)})"
        for one, against in zip(gains, found, strict=True)
        if any(gap.sign <= 0 for gap in against.values())
    ]
    said = (
        f"Of {claims} claims of single mechanisms {len(gains)} gain over tuned level 0, and "
        f"{len(gains) - len(shaken)} of these gains stand against every control of theirs."
    )
    return f"{said} Some control does as well or better: {'; '.join(shaken)}." if shaken else said
