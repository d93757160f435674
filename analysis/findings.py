"""All that a report tells, computed once and written in several forms."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from emotional_ed.analysis.caveats import caveats
from emotional_ed.analysis.changes import ArmRecovery, recoveries
from emotional_ed.analysis.claims import Claim, claims, find_baseline
from emotional_ed.analysis.compare import ArmSummary, compare
from emotional_ed.analysis.episode import Episode
from emotional_ed.analysis.load import LoadedStudy
from emotional_ed.analysis.run import Run

ALPHA = 0.05
"""A difference counts as shown only if its p value after Holm is below this."""


@dataclass(frozen=True)
class Findings:
    """What a study found."""

    study: LoadedStudy
    """What was read."""
    baseline: str
    """The arm that others are compared with."""
    summaries: list[ArmSummary]
    """One an arm and task, in the order of the study's runs."""
    claims: list[Claim]
    """One an arm and task other than the baseline."""
    caveats: list[str]
    """What a reader must know."""
    recoveries: list[ArmRecovery]
    """One an arm whose task changes."""
    episodes: Sequence[Episode] = ()
    """Affect during chosen episodes."""
    episode_notes: Sequence[str] = ()
    """Which arms have none, and why."""

    @property
    def tasks(self) -> list[str]:
        """The tasks, in order."""
        return list(dict.fromkeys(run.env_id for run in self.study.runs))

    def runs_of(self, task: str) -> list[Run]:
        """Return the arms of a task."""
        return [run for run in self.study.runs if run.env_id == task]

    def summaries_of(self, task: str) -> list[ArmSummary]:
        """Return the summaries of a task, in the order of its arms."""
        return [one for one in self.summaries if one.env_id == task]

    def recoveries_of(self, task: str) -> list[ArmRecovery]:
        """Return how fast the arms of a task were back after its changes; none if it does not change."""
        return [one for one in self.recoveries if one.env_id == task]

    def claims_of(self, task: str) -> dict[str, Claim]:
        """Return the claims about a task, by arm."""
        return {one.arm: one for one in self.claims if one.env_id == task}


def find(
    study: LoadedStudy,
    baseline: str | None = None,
    episodes: Sequence[Episode] = (),
    episode_notes: Sequence[str] = (),
) -> Findings:
    """Compute all that a report tells.

    Raises:
        ValueError: no arm has the baseline's name.
    """
    name = find_baseline(study.runs, baseline)
    made = claims(study.runs, name)
    return Findings(
        study=study,
        baseline=name,
        summaries=compare(study.runs),
        claims=made,
        caveats=caveats(study, name, made),
        recoveries=recoveries(study.runs),
        episodes=episodes,
        episode_notes=episode_notes,
    )


def title(findings: Findings) -> str:
    """Return what was studied."""
    known = [task for task in findings.tasks if task]
    return ", ".join(known) or findings.study.folder.resolve().name


def question(findings: Findings) -> str:
    """Return the question of the study: its own words if it has some."""
    own = findings.study.facts.get("question")
    if isinstance(own, str) and own.strip():
        return own.strip()
    arms = list(dict.fromkeys(run.name for run in findings.study.runs))
    if len(arms) == 1:
        return f"What does {arms[0]} earn on {title(findings)}?"
    others = arms[1] if len(arms) == 2 and arms[0] == findings.baseline else "any other arm"
    return f"Does {others} earn more than {findings.baseline} on {title(findings)}?"


def verdict(claim: Claim) -> str:
    """Return "more" or "less" if p after Holm is below ALPHA and the interval leaves out 0, else "not shown".

    The test is of means and the interval of IQMs: only where both agree, the report says so.
    """
    one = claim.difference
    if claim.p_holm >= ALPHA or one.low <= 0 <= one.high:
        return "not shown"
    return "more" if one.value > 0 else "less"


def answer(findings: Findings) -> list[str]:
    """Return the answer in sentences, up to three a task."""
    said = []
    for task in findings.tasks:
        made = findings.claims_of(task)
        if not made:
            continue
        where = f"{task}: " if len(findings.tasks) > 1 else ""
        for kind, words in _KINDS.items():
            arms = [arm for arm, claim in made.items() if verdict(claim) == kind]
            if arms:
                said.append(where + words.format(arms=_listed(arms), baseline=findings.baseline))
    return said


_KINDS = {
    "more": "{arms} earned more than {baseline}.",
    "less": "{arms} earned less than {baseline}.",
    "not shown": "No difference from {baseline} is shown for {arms} "
    f"(that takes p after Holm below {ALPHA:g} and an interval without 0).",
}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def commands(findings: Findings) -> list[str]:
    """Return the commands that made the runs, each once."""
    given = [findings.study.facts.get("command"), *(run.config.get("command") for run in findings.study.runs)]
    lines = [shlex.join(map(str, one)) for one in given if isinstance(one, list) and one]
    return list(dict.fromkeys(lines))


def versions(findings: Findings) -> dict[str, str]:
    """Return package -> version, and the revision; several if runs differ."""
    seen: dict[str, dict[str, None]] = {}
    for source in (findings.study.facts, *(run.config for run in findings.study.runs)):
        own = source.get("versions")
        named = {**own} if isinstance(own, dict) else {}
        if "revision" in source:
            named["revision"] = source["revision"] or "unknown"
        for name, number in named.items():
            seen.setdefault(str(name), {})[str(number)] = None
    return {name: ", ".join(numbers) for name, numbers in seen.items()}
