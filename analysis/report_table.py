"""The table of a report: the same cells for a page and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from emotional_ed.analysis.changes import SHARE, WINDOW
from emotional_ed.analysis.claims import Claim
from emotional_ed.analysis.compare import ArmSummary
from emotional_ed.analysis.figures import decimals, show, show_p
from emotional_ed.analysis.findings import Findings, verdict

COLUMNS = (
    "arm",
    "return, second half",
    "difference",
    "p (Holm)",
    "P(improvement)",
    "return, all episodes",
    "worst tenth",
    "catastrophes / 1000 steps",
    "seeds",
    "seconds",
)
RECOVERY_COLUMNS = ("arm", "episodes until back", "never back", "changes")
P_COLUMN = COLUMNS.index("p (Holm)")


@dataclass(frozen=True)
class Row:
    """One arm's row."""

    arm: str
    """The name of the arm."""
    verdict: str
    """"more", "less", "not shown", or empty if nothing is claimed."""
    cells: tuple[str, ...]
    """Text of each of COLUMNS, the arm first."""


def table_rows(findings: Findings, task: str) -> list[Row]:
    """Return a row an arm; each column has as many decimals as its largest number needs."""
    found, made = findings.summaries_of(task), findings.claims_of(task)
    places = {
        "return": decimals(value for one in found for value in (one.final.value, one.overall.value)),
        "cvar": decimals(one.cvar.value for one in found),
        "rate": decimals(one.catastrophes.value for one in found if one.catastrophes is not None),
    }
    return [_row(one, made.get(one.arm), places, findings.baseline) for one in found]


def _row(one: ArmSummary, claim: Claim | None, places: dict[str, int], baseline: str) -> Row:
    beside = ("baseline" if one.arm == baseline else "not compared", "", "")
    if claim is not None:
        beside = (
            show(claim.difference, places["return"], sign=True),
            show_p(claim.p_holm),
            show(claim.improvement, 2),
        )
    cells = (
        one.arm,
        show(one.final, places["return"]),
        *beside,
        show(one.overall, places["return"]),
        show(one.cvar, places["cvar"]),
        show(one.catastrophes, places["rate"]),
        str(one.final.seeds),
        f"{one.seconds:.1f}" if one.seconds == one.seconds else "not known",
    )
    return Row(one.arm, verdict(claim) if claim else "", cells)


def recovery_rows(findings: Findings, task: str) -> list[tuple[str, ...]]:
    """Return a row an arm on how fast it was back after changes; none if the task does not change."""
    found = findings.recoveries_of(task)
    places = min(decimals(one.episodes.value for one in found), 1)
    return [
        (one.arm, show(one.episodes, places), f"{100 * one.never:.0f} %", str(one.changes)) for one in found
    ]


def recovery_words(findings: Findings, task: str) -> str:
    """Return what the table of recovery means, in words."""
    one = findings.recoveries_of(task)[0]
    window = min(WINDOW, max(1, one.period // 4))
    return (
        f"The task changes every {one.period} episodes. Counted are the episodes until the mean of {window} "
        f"is back at {SHARE:.0%} of what it was before the change, both above the {one.floor:.2g} that "
        "beginners earn; a seed that is never back counts with all episodes of the phase."
    )
