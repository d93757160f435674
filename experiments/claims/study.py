"""Earlier claims, redone fairly: the claim, the test, the result and a verdict by rule, as one command."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import io
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import estimate
from emotional_ed.analysis.table import table_of
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments import evidence
from emotional_ed.experiments.claims.arms import CLAIM_MECHANISMS, CLAIM_TASKS
from emotional_ed.experiments.claims.catalogue import CLAIMS, DEEP, SPEED, Contest, EarlierClaim
from emotional_ed.experiments.claims.speed import load_speed, measure_speed
from emotional_ed.experiments.claims.verdict import (
    RULE,
    Comparisons,
    Measured,
    claim_verdict,
    compare_all,
    contest_verdict,
    control_verdict,
    range_of,
)
from emotional_ed.experiments.contests.contest import Budget
from emotional_ed.experiments.contests.mechanisms import arms_for
from emotional_ed.experiments.contests.outcome import load_suite
from emotional_ed.experiments.contests.rungs import MOODS, PLAIN, UNTAUGHT
from emotional_ed.experiments.contests.suite import COLUMNS, LAST, SuiteSpec
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

BUDGET = dataclasses.replace(evidence.BUDGET, first_seed=40_000)
"""What every arm of every contest that is run here is given; the seeds are fresh."""
NOT_MEASURED = "not measured in this run"
_DEEP_PLAIN, _DEEP_UNTAUGHT = "dqn", "untaught"
_WEAKER = (f"{MOODS} half",)  # controls that are a weaker form of the idea, not all but the idea


@dataclass(frozen=True)
class Sources:
    """Where finished contests lie."""

    out: Path
    """The folder of this study."""
    evidence: Path | None = None
    """That of `emotional_ed.experiments.evidence`; its contests are used and not run again."""
    deep: Path | None = None
    """That of a contest of deep agents on lava fields."""

    def __post_init__(self) -> None:
        for name in ("evidence", "deep"):
            path = getattr(self, name)
            if path is not None and not path.is_dir():
                raise ValueError(f"{name}: got {str(path)!r}, expected the folder of a finished study")

    @property
    def contests(self) -> Path:
        """Where contests are run to."""
        return self.out / "contests"

    def facts(self, contest: Contest) -> Path | None:
        """Return where it is written what came of a contest, None if it is not finished."""
        mechanism, task = contest
        if mechanism == SPEED:
            places = [self.out / "speed" / f"{task}.json"]
        elif mechanism == DEEP:
            places = [] if self.deep is None else [self.deep / LAST]
        else:
            roots = [one for one in (self.evidence, self.contests) if one is not None]
            places = [root / mechanism / task / LAST for root in roots]
        return next((one for one in places if one.is_file()), None)


def contests_of(claims: Iterable[EarlierClaim]) -> list[Contest]:
    """Return what claims are decided by, each once."""
    return list(dict.fromkeys(one for claim in claims for one in (*claim.contests, *claim.controls)))


# ---------------------------------------------------------------- running


def run_contests(
    wanted: Sequence[Contest],
    sources: Sources,
    *,
    jobs: int = 1,
    budget: Budget = BUDGET,
    steps: int | None = None,
) -> None:
    """Run what is not finished: contests, then steps to a threshold. Deep contests are never run here."""
    source = [("whole", task) for mechanism, task in wanted if mechanism == SPEED]
    plain = [one for one in wanted if one[0] not in (SPEED, DEEP)]
    missing = [one for one in dict.fromkeys([*plain, *source]) if sources.facts(one) is None]
    make = functools.partial(SuiteSpec, tasks=CLAIM_TASKS, mechanisms=CLAIM_MECHANISMS)
    evidence.run_claims(missing, sources.contests, jobs, budget, steps, make=make)
    seeds = range(budget.first_seed, budget.first_seed + budget.report)
    for contest in wanted:
        whole = sources.facts(("whole", contest[1]))
        if contest[0] != SPEED or sources.facts(contest) is not None or whole is None:
            continue
        began, task = time.perf_counter(), CLAIM_TASKS[contest[1]]
        if steps is not None:
            task = dataclasses.replace(task, steps=steps)
        target = sources.out / "speed" / f"{contest[1]}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        facts = json.loads(whole.read_text())
        measure_speed(task, contest[1], facts, arms_for(contest[1], "whole"), seeds, target)
        sys.stdout.write(f"{contest[0]} on {contest[1]}: {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()


# ---------------------------------------------------------------- reading


def load(contest: Contest, path: Path) -> Measured:
    """Read what came of a contest."""
    if contest[0] == SPEED:
        return load_speed(path)
    deep = contest[0] == DEEP
    scores, tuned, roles = _deep_scores(path) if deep else _scores(path)
    plain, untaught = (_DEEP_PLAIN, _DEEP_UNTAUGHT) if deep else (PLAIN, UNTAUGHT)
    for name in (plain, untaught):
        if name not in scores:
            raise ValueError(f"{path}: got no arm {name!r}, expected a finished contest with it")

    def best(role: str, *besides: str) -> str | None:
        named = [one for one in tuned if roles[one] == role and one not in besides]
        return max(named, key=tuned.__getitem__, default=None)

    own = best("own")
    if own is None:
        raise ValueError(f"{path}: got no arm of the mechanism, expected a finished contest")
    control = best("control", plain, untaught, *_WEAKER)
    rival, family = best("rival", plain), DEEP if deep else "contests"
    return Measured(*contest, own, plain, rival, control, scores, range_of(scores, untaught), family)


_Read = tuple[dict[str, NDArray[np.float64]], dict[str, float], dict[str, str]]  # scores, when tuned, roles


def _scores(path: Path) -> _Read:
    outcome = load_suite(path.parent)
    assert outcome is not None  # its last file is there
    return outcome.scores, outcome.tuned, outcome.roles


def _deep_scores(path: Path) -> _Read:
    entries = json.loads(path.read_text())["entries"]
    return (
        {one["arm"]: np.array([life["score"] for life in one["lives"]]) for one in entries},
        {one["arm"]: one["tuning_score"] for one in entries},
        {one["arm"]: one["role"] for one in entries},
    )


def _lives(entry: Mapping[str, Any], deep: bool) -> dict[str, list[float]]:
    """Return the lives of an entry as columns."""
    lives = entry["lives"]
    names = ("score", "late", "catastrophes")
    return {name: [one[name] for one in lives] if deep else lives[name] for name in names}


# ---------------------------------------------------------------- writing


@dataclass(frozen=True)
class Row:
    """A claim with what came of it."""

    name: str
    claim: EarlierClaim
    verdict: str
    missing: tuple[Contest, ...]
    """Contests that are not finished."""


def judge(
    found: Mapping[Contest, tuple[Measured, Comparisons]], claims: Mapping[str, EarlierClaim] = CLAIMS
) -> list[Row]:
    """Return the verdict on every claim; none where one of its contests is missing."""
    rows = []
    for name, claim in claims.items():
        missing = tuple(one for one in contests_of([claim]) if one not in found)
        if claim.elsewhere:
            verdict = claim.elsewhere
        elif missing:
            verdict = NOT_MEASURED
        else:
            verdict = claim_verdict(
                [contest_verdict(*found[one]) for one in claim.contests],
                [control_verdict(*found[one]) for one in claim.controls],
            )
        rows.append(Row(name, claim, verdict, missing))
    return rows


def claims_table(rows: Sequence[Row], found: Mapping[Contest, tuple[Measured, Comparisons]]) -> str:
    """Return the table of claims as Markdown."""
    cells = [(one.name, one.claim.said, one.claim.test, _result(one, found), one.verdict) for one in rows]
    return table_of(("situation", "claim", "fair test", "result", "verdict"), cells)


def _result(row: Row, found: Mapping[Contest, tuple[Measured, Comparisons]]) -> str:
    parts = []
    for role, contests in (("", row.claim.contests), ("control ", row.claim.controls)):
        for contest in contests:
            if contest in found:
                parts.append(role + _in_short(*found[contest]))
    parts += [f"{task} ({mechanism}): {NOT_MEASURED}" for mechanism, task in row.missing]
    return "; ".join(parts)


def _in_short(one: Measured, compared: Comparisons) -> str:
    unit = " octaves" if one.mechanism == SPEED else ""
    told = f"{one.task}: {one.own} {compared[one.own, one.plain].gain:+.2g}{unit} over level 0"
    return told if one.rival is None else f"{told}, {compared[one.own, one.rival].gain:+.2g} over {one.rival}"


def contests_table(found: Mapping[Contest, tuple[Measured, Comparisons]]) -> str:
    """Return every contest with all that its verdict rests on, as Markdown."""
    helping = {one for claim in CLAIMS.values() for one in claim.contests}
    rows = []
    for (mechanism, task), (one, compared) in found.items():
        rows.append(
            (
                mechanism,
                task,
                _score(one, one.own),
                _score(one, one.plain),
                str(compared[one.own, one.plain]),
                _beside(one, compared, one.rival),
                _beside(one, compared, one.control),
                "" if one.control is None else str(compared[one.control, one.plain]),
                f"{one.to_learn:.3g}",
                str(len(one.scores[one.own])),
                (contest_verdict if (mechanism, task) in helping else control_verdict)(one, compared),
            )
        )
    head = (
        "mechanism", "task", "own", "level 0", "minus level 0", "minus strongest rival", "minus control",
        "control minus level 0", "to learn", "seeds", "verdict",
    )  # fmt: skip
    return table_of(head, rows)


def _score(one: Measured, arm: str) -> str:
    value = estimate(one.scores[arm]).value
    return f"{arm} {2**-value:.0f} steps" if one.mechanism == SPEED else f"{arm} {value:.3g}"


def _beside(one: Measured, compared: Comparisons, arm: str | None) -> str:
    if arm is None or arm == one.plain:
        return ""
    return f"{compared[one.own, arm]} {_score(one, arm)}"


def scores_of(contest: Contest, path: Path) -> list[tuple[Any, ...]]:
    """Return every score of a contest, in the columns of a suite's `scores.csv`."""
    mechanism, task = contest
    facts = json.loads(path.read_text())
    if mechanism == SPEED:
        measured = load_speed(path)
        return [
            (task, mechanism, arm, seed, f"{2**-score:.5g}", "", "")
            for arm, scores in measured.scores.items()
            for seed, score in zip(facts["seeds"], scores.tolist(), strict=True)
        ]
    rows: list[tuple[Any, ...]] = []
    for entry in facts["entries"]:
        lives = _lives(entry, mechanism == DEEP)
        columns = [lives[name] for name in COLUMNS[4:]]
        for i, numbers in enumerate(zip(*columns, strict=True)):
            seed = facts["budget"]["first_seed"] + i
            rows.append((task, mechanism, entry["arm"], seed, *(f"{one:.5g}" for one in numbers)))
    return rows


def write_claims(sources: Sources) -> Path:
    """Write `claims.md`, `claims.csv` and, last, `claims.json` from what is finished."""
    places = {one: sources.facts(one) for one in contests_of(CLAIMS.values())}
    there = {one: path for one, path in places.items() if path is not None}
    measured = [load(one, path) for one, path in there.items()]
    found = dict(zip(there, zip(measured, compare_all(measured), strict=True), strict=True))
    rows = judge(found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one, path in there.items():
        writer.writerows(scores_of(one, path))
    sources.out.mkdir(parents=True, exist_ok=True)
    write_atomically(sources.out / "claims.csv", text.getvalue().encode())
    target = sources.out / "claims.md"
    write_atomically(target, _page(rows, found, there).encode())
    verdicts = {one.name: one.verdict for one in rows}
    revisions = {" on ".join(one): _revision(path) for one, path in there.items()}
    write_json(sources.out / "claims.json", {"verdicts": verdicts, "revisions": revisions, **provenance()})
    return target


def _revision(path: Path) -> str:
    return str(json.loads(path.read_text()).get("revision"))


def _page(
    rows: Sequence[Row],
    found: Mapping[Contest, tuple[Measured, Comparisons]],
    there: Mapping[Contest, Path],
) -> str:
    about = (
        "Scores are IQMs of the mean return over all episodes, over common seeds that no tuning has seen; "
        "differences with a paired bootstrap 95 % interval; p: sign flips, corrected by Holm over each kind "
        "of contest (tabular, deep, steps to a threshold). An octave is a factor of two in steps; a gain "
        "means fewer. Contests that were run for this table report seeds from 40000; those of the evidence, "
        "its own."
    )
    revisions = ", ".join(sorted({_revision(path) for path in there.values()}))
    parts = [claims_table(rows, found), about, RULE]
    if found:
        parts.append(contests_table(found))
    parts.append(f"Contests at revision {revisions or 'none'}.")
    return "\n\n".join(parts) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not finished, then write the tables; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.claims", description=__doc__)
    parser.add_argument("--out", default="runs/claims", help="folder; finished contests in it are kept")
    parser.add_argument("--evidence", metavar="DIR", help="folder of finished contests of the evidence")
    parser.add_argument("--deep", metavar="DIR", help="folder of the finished deep contest on lava fields")
    parser.add_argument(
        "--claims", nargs="*", default=[], metavar="NAME", help="run these only (default all)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    given = parser.parse_args(argv)

    def work() -> str:
        require_int("jobs", given.jobs, 1)
        names = [require_choice("claims", name, CLAIMS) for name in given.claims] or list(CLAIMS)
        paths = [None if one is None else Path(one) for one in (given.evidence, given.deep)]
        sources = Sources(Path(given.out), *paths)
        run_contests(contests_of(CLAIMS[name] for name in names), sources, jobs=given.jobs)
        return write_claims(sources).read_text()

    return tell("claims", work)


if __name__ == "__main__":
    sys.exit(main())
