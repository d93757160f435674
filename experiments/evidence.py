"""The evidence: every mechanism on every task that it is meant for, and on controls, as one command."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from emotional_ed.checks import require_choice
from emotional_ed.experiments.contests.against_controls import controls_text
from emotional_ed.experiments.contests.contest import Budget
from emotional_ed.experiments.contests.evidence_picture import plot_claims
from emotional_ed.experiments.contests.evidence_tables import Claim, evidence_table, overall, weights_table
from emotional_ed.experiments.contests.outcome import gathered_scores, load_suite
from emotional_ed.experiments.contests.suite import SuiteSpec, run_suite
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

CLAIMS: Sequence[tuple[str, str]] = (
    ("fear", "moving-goal"),
    ("fear", "silent-catastrophe"),
    ("fear", "new-layouts"),
    ("fear", "predator"),
    ("fear", "slippery-cliff"),
    ("fear", "moving-pits"),
    ("anger", "jammed-door"),
    ("anger", "mixed-doors"),
    ("anger", "shut-door"),
    ("recall", "regimes"),
    ("recall", "noisy-regimes"),
    ("recall", "very-noisy-regimes"),
    ("recall", "recurring-goals"),
    ("recall", "approach-avoidance"),
    ("recall", "new-goals"),
    ("recall", "constant-regime"),
    ("attachment", "vanishing-source"),
    ("attachment", "noisy-regimes"),
    ("attachment", "lost-source"),
    ("sleep", "sparse-maze"),
    ("short-sleep", "sparse-maze"),
    ("sleep", "noisy-maze"),
    ("regret", "full-feedback"),
    ("curiosity", "sparse-maze"),
    ("curiosity", "noisy-maze"),
    ("curiosity", "frozen-lake"),
    ("spectrum", "noisy-regimes"),
    ("joy", "noisy-regimes"),
    *(("whole", task) for task in TASKS),
)  # fmt: skip
"""(mechanism, task) in the order in which they are run."""

BUDGET = Budget(configurations=20, seeds=4, finalists=4, final_seeds=8, report=50, first_seed=30_000)
"""What every arm of every claim is given."""


def run_claims(
    claims: Sequence[tuple[str, str]],
    out: Path,
    jobs: int,
    budget: Budget = BUDGET,
    steps: int | None = None,
    make: Callable[..., SuiteSpec] = SuiteSpec,
) -> None:
    """Run the contests that are not finished yet, each into `out / mechanism / task`.

    `make` builds the contest of a mechanism and a task; other studies have tasks of their own.

    Raises:
        ValueError: a folder holds something that no contest has written, or a contest of another budget, or
            a contest cannot be run.
    """
    for mechanism, task in claims:
        folder = out / mechanism / task
        finished = load_suite(folder)
        if finished is not None:
            if finished.budget != budget:
                raise ValueError(
                    f"out: got {str(folder)!r}, where a contest with {finished.budget} is finished, expected "
                    f"another folder for {budget}"
                )
            continue
        _clear(folder)
        began = time.perf_counter()
        run_suite(make(task=task, mechanism=mechanism, budget=budget, steps=steps), folder, jobs=jobs)
        print(f"{mechanism} on {task}: {time.perf_counter() - began:.0f} s", flush=True)


def _clear(folder: Path) -> None:
    """Remove what a contest that was interrupted while it wrote has left, and nothing else."""
    for left in folder.glob("*"):
        if left.name not in ("scores.csv", "table.md") and left.suffix != ".part":
            raise ValueError(
                f"out: got {str(left)!r}, which no contest has written, expected a folder of its own; move it"
            )
    for left in folder.glob("*"):
        left.unlink()


def load_claims(out: Path) -> list[Claim]:
    """Read every finished contest below `out`, in the order of `CLAIMS`."""
    outcomes = [load_suite(out / mechanism / task) for mechanism, task in CLAIMS]
    return [Claim.of(one) for one in outcomes if one is not None]


def write_evidence(out: Path) -> Path:
    """Write tables, picture and `scores/MECHANISM.csv` from the finished contests; return `evidence.md`."""
    claims = load_claims(out)
    whole = evidence_table(claims)
    parts = []
    for mechanism in dict.fromkeys(one.mechanism for one in claims):
        parts.append(f"### {mechanism}\n\n{_only(whole, claims, mechanism)}")
    if any(one.mechanism == "whole" for one in claims):
        parts.append(f"P(whole agent beats tuned level 0), all tasks alike: {overall(claims)}.")
        about = "Percentages are of what the best constant weights gain over an agent that learns nothing."
        parts.append(f"### learned weights\n\n{about}\n\n{weights_table(claims)}")
    parts.append(f"### controls\n\n{controls_text(claims)}")
    (out / "scores").mkdir(exist_ok=True)
    target = out / "evidence.md"
    write_atomically(target, ("\n\n".join(parts) + "\n").encode())
    for mechanism in dict.fromkeys(one.mechanism for one in claims):
        tasks = [one.task for one in claims if one.mechanism == mechanism]
        scores = gathered_scores(out / mechanism / task for task in tasks)
        write_atomically(out / "scores" / f"{mechanism}.csv", scores.encode())
    plot_claims(claims, out / "contests.png")
    return target


def _only(table: str, claims: Sequence[Claim], mechanism: str) -> str:
    """Keep one mechanism's rows of the table, whose p values were corrected over all of it."""
    head, line, *rows = table.splitlines()
    kept = [row for row, one in zip(rows, claims, strict=True) if one.mechanism == mechanism]
    return "\n".join([head, line, *kept])


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not finished, then write the tables; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.evidence", description=__doc__)
    parser.add_argument("--out", default="runs/evidence", help="folder; finished contests in it are kept")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--only", nargs="*", default=[], help="mechanisms; all of them by default")
    parser.add_argument(
        "--first-seed",
        type=int,
        default=BUDGET.first_seed,
        help=f"first of the seeds that are reported (default {BUDGET.first_seed})",
    )
    arguments = parser.parse_args(argv)
    out = Path(arguments.out)

    def work() -> str:
        wanted = [require_choice("only", name, dict(CLAIMS)) for name in arguments.only] or dict(CLAIMS)
        budget = dataclasses.replace(BUDGET, first_seed=arguments.first_seed)
        run_claims([claim for claim in CLAIMS if claim[0] in wanted], out, arguments.jobs, budget)
        return write_evidence(out).read_text()

    return tell("evidence", work)


if __name__ == "__main__":
    sys.exit(main())
