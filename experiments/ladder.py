"""The ladder: every rung and everything less each part, on every task, as one command.

A full run takes about 100 minutes on one core; contests that are finished are kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emotional_ed.analysis.heat_map import plot_heat_maps
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.contests.contest import Budget
from emotional_ed.experiments.contests.ladder_tables import (
    LadderTables,
    about,
    ladder_tables,
    removals_table,
    rungs_table,
    summary,
)
from emotional_ed.experiments.contests.ladder_tables import panels as panels_of
from emotional_ed.experiments.contests.outcome import Outcome, gathered_scores, load_suite
from emotional_ed.experiments.contests.rungs import lacks_a_part
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.evidence import run_claims
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

MECHANISM = "ladder"
BUDGET = Budget(configurations=16, seeds=5, finalists=1, final_seeds=1, report=50, first_seed=140_000)
"""What every rung is given; a smaller search than that of the evidence, as there are more arms and tasks."""


def run_ladder(
    tasks: Sequence[str], out: Path, jobs: int, budget: Budget = BUDGET, steps: int | None = None
) -> None:
    """Run the contests that are not finished yet, each into `out / "ladder" / task`.

    Raises:
        ValueError: a task is unknown or `jobs` is below 1; nothing is run then.
    """
    for task in tasks:
        require_choice("tasks", task, TASKS)
    require_int("jobs", jobs, 1)
    run_claims([(MECHANISM, task) for task in tasks], out, jobs, budget, steps)


def load_ladder(out: Path) -> list[Outcome]:
    """Read every finished contest below `out`, in the order of `TASKS`.

    Raises:
        ValueError: there is none, or they were not given the same budget.
    """
    found = [load_suite(out / MECHANISM / task) for task in TASKS]
    outcomes = [one for one in found if one is not None]
    if not outcomes:
        raise ValueError(f"out: got {str(out)!r} without a finished contest, expected at least one")
    for one in outcomes:
        if one.budget != outcomes[0].budget:
            raise ValueError(
                f"out: got a contest on {one.task!r} with {one.budget}, expected that of "
                f"{outcomes[0].task!r}, {outcomes[0].budget}"
            )
    return outcomes


def write_ladder(out: Path) -> Path:
    """Write tables, picture and scores from the finished contests below `out`, last of all `ladder.md`.

    The scores of everything less each part have a file of their own: together they exceed a megabyte.
    """
    outcomes = load_ladder(out)
    tables = ladder_tables(outcomes)
    folders = [out / MECHANISM / one.task for one in outcomes]
    write_atomically(out / "ladder.csv", gathered_scores(folders, lambda arm: not lacks_a_part(arm)).encode())
    write_atomically(out / "ladder-less.csv", gathered_scores(folders, lacks_a_part).encode())
    plot_heat_maps(
        panels_of(tables),
        [one.task for one in outcomes],
        out / "ladder.png",
        title=f"Gain or loss in per cent of what there is to learn, {outcomes[0].budget.report} seeds",
    )
    target = out / "ladder.md"
    write_atomically(target, _text(tables).encode())
    return target


def _text(tables: LadderTables) -> str:
    parts = [about(tables), rungs_table(tables), summary(tables)]
    parts += ["### everything less each part", removals_table(tables)]
    return "\n\n".join(parts) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not finished, then write the tables and the picture; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.ladder", description=__doc__)
    parser.add_argument("--out", default="runs/ladder", help="folder; finished contests in it are kept")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), metavar="TASK", help="all by default")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    arguments = parser.parse_args(argv)
    out = Path(arguments.out)

    def work() -> str:
        run_ladder(arguments.tasks, out, arguments.jobs)
        return write_ladder(out).read_text()

    return tell("ladder", work)


if __name__ == "__main__":
    sys.exit(main())
