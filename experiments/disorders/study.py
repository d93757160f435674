"""Disorders as dose-response curves: what each emotion does at doses from none to absurd, as one command."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emotional_ed.analysis import estimate
from emotional_ed.analysis.panels import Line, Panel, draw_panels
from emotional_ed.experiments.arms import require_known
from emotional_ed.experiments.disorders.catalogue import DISORDERS, Disorder
from emotional_ed.experiments.disorders.doses import (
    FIXED,
    ROLES,
    Scope,
    load_curves,
    run_disorders,
    tuned_settings,
)
from emotional_ed.experiments.disorders.verdicts import (
    Verdict,
    dose_text,
    expectations,
    scores_csv,
    statement,
    table,
    too_few,
    verdicts,
)
from emotional_ed.experiments.run_folder import provenance
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

_ABOUT = """\
Each disorder is one number of an emotion, from none to absurd. Everything else is the same for all doses:
{setting}; all other numbers are the defaults or stand in `experiments/disorders/catalogue.py`. {seeds} seeds
from {first_seed}, common to all doses; IQM of the mean return over all episodes of a life, less the price
of catastrophes that the reward leaves out.

Harm is dose 0 less the largest dose, also in % of what there is to learn there: the best dose less an agent
that learns nothing. Significant: sign flips on common seeds, corrected over all doses of all rows (Holm),
and a bootstrap interval without 0. An inverted U has its best dose strictly inside the ladder,
significantly better than both ends.

The expectations stand as they were written before anything was run, but for four: pilots on other seeds
showed that nobody pushes at a door which has never opened, so the controls of rage, anger and hot anger
were replaced, and that slow values to which fast ones fall back hide yearning, so they do not in clinging.
Pilots were run both with an agent's default settings and with those of tuned level 0 (`--tuned`).
"""
_TUNED = """\
step size and exploration are those of tuned level 0 in that place ({configurations} random settings on 4
tuning seeds, the best 4 again on 8 further ones, none of them reported), so the ladder is tuned for dose 0"""
_FIXED_SAID = (
    "step size {step_size:g} and exploration {exploration:g} (an agent's defaults) everywhere, not tuned"
)


def panel_of(disorder: Disorder, name: str, found: Sequence[Verdict]) -> Panel:
    """Return the picture of one disorder: its situation (left axis) and its control (right axis)."""
    lines = []
    for one in found:
        values = [estimate(row) for row in one.curve.score]
        own = one.curve.role == ROLES[0]
        lines.append(
            Line(
                y=[e.value for e in values],
                low=[e.low for e in values],
                high=[e.high for e in values],
                role="felt" if own else "control",
                right=not own,
                dots=True,
            )
        )
    usual = None if disorder.usual is None else float(disorder.doses.index(disorder.usual))
    places = {one.curve.role: f"{one.curve.task}\n({one.shape})" for one in found}
    return Panel(
        title=f"{name}: {disorder.about}",
        across=disorder.unit,
        up=places.get(ROLES[0], ""),
        up_right=places.get(ROLES[1], ""),
        lines=lines,
        ticks=[dose_text(dose) for dose in disorder.doses],
        moment=usual,
    )


def write_disorders(out: Path, scope: Scope) -> Path:
    """Write `disorders.csv`, `disorders.png` and, last, `disorders.md` from the finished pieces."""
    curves = load_curves(out)
    found = verdicts(curves)
    write_atomically(out / "disorders.csv", scores_csv(curves, scope.first_seed).encode())
    panels = [
        panel_of(DISORDERS[name], name, [one for one in found if one.curve.disorder == name])
        for name in dict.fromkeys(curve.disorder for curve in curves)
    ]
    draw_panels(
        panels,
        out / "disorders.png",
        columns=3,
        height=2.6,
        width=12.0,
        title="Return over dose, 95 % interval. Orange, left: where the emotion is meant to help. "
        "Blue, right: a control. Dotted: the default dose.",
    )
    said = _TUNED.format(configurations=scope.configurations) if scope.tuned else _FIXED_SAID.format(**FIXED)
    parts = [
        _ABOUT.format(seeds=scope.seeds, first_seed=scope.first_seed, setting=said),
        table(found),
        statement(found),
        *filter(None, [too_few(found)]),
        "What was expected before any run, and what was found:",
        expectations(found),
        *_tuned_to(out),
        f"Revision `{provenance()['revision']}`.",
    ]
    target = out / "disorders.md"
    write_atomically(target, ("\n\n".join(part.strip() for part in parts) + "\n").encode())
    return target


def _tuned_to(out: Path) -> list[str]:
    settings = tuned_settings(out).items()
    said = ", ".join(f"{place} {one['step_size']:.3g} / {one['exploration']:.3g}" for place, one in settings)
    return [f"Step size / exploration: {said}."] if said else []


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not finished, then write the table, the scores and the picture; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.disorders", description=__doc__)
    parser.add_argument("--out", default="runs/disorders", help="folder; finished pieces in it are kept")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--seeds", type=int, default=Scope.seeds, help="seeds a dose (default 50)")
    parser.add_argument("--first-seed", type=int, default=Scope.first_seed, help="the first (default 50000)")
    parser.add_argument("--steps", type=int, default=None, help="steps of each member; the task's by default")
    parser.add_argument("--tuned", action="store_true", help="with tuned level 0's settings in each place")
    parser.add_argument("--only", nargs="*", default=[], help="disorders; all of them by default")
    arguments = parser.parse_args(argv)
    began, out = time.perf_counter(), Path(arguments.out)

    def work() -> str:
        for name in arguments.only:
            require_known("only", name, DISORDERS)
        scope = Scope(
            seeds=arguments.seeds,
            first_seed=arguments.first_seed,
            steps=arguments.steps,
            tuned=arguments.tuned,
        )
        for line in run_disorders(arguments.only or list(DISORDERS), out, scope, arguments.jobs):
            sys.stderr.write(f"{time.perf_counter() - began:6.0f} s  {line}\n")
        return write_disorders(out, scope).read_text()

    return tell("disorders", work)


if __name__ == "__main__":
    sys.exit(main())
