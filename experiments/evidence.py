"""The evidence: every mechanism on every task that it is meant for, and on controls, as one command."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis import (
    Estimate,
    estimate,
    holm,
    iqm_difference,
    probability_of_improvement,
    sign_flip_test,
)
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.contest import Budget
from emotional_ed.experiments.mechanisms import CONSTANT, PLAIN, UNTAUGHT, WEIGHED
from emotional_ed.experiments.suite import COLUMNS, SuiteSpec, run_suite
from emotional_ed.experiments.tasks import TASKS
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
    ("spectrum", "noisy-regimes"),
    ("joy", "noisy-regimes"),
    *(("whole", task) for task in TASKS),
)  # fmt: skip
"""(mechanism, task) in the order in which they are run."""

BUDGET = Budget(configurations=20, seeds=4, finalists=4, final_seeds=8, report=50, first_seed=30_000)
"""What every arm of every claim is given."""
_SIGNIFICANT = 0.05
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

    @property
    def own(self) -> NDArray[np.float64]:
        """[S]."""
        return self.scores[self.arm]


def run_claims(
    claims: Sequence[tuple[str, str]], out: Path, jobs: int, budget: Budget = BUDGET, steps: int | None = None
) -> None:
    """Run the contests that are not finished yet, each into `out / mechanism / task`."""
    for mechanism, task in claims:
        folder = out / mechanism / task
        if (folder / "suite.json").is_file():
            continue
        if folder.exists():
            shutil.rmtree(folder)  # what an interrupted contest left
        began = time.perf_counter()
        run_suite(SuiteSpec(task=task, mechanism=mechanism, budget=budget, steps=steps), folder, jobs=jobs)
        print(f"{mechanism} on {task}: {time.perf_counter() - began:.0f} s", flush=True)


def load_claims(out: Path) -> list[Claim]:
    """Read every finished contest below `out`, in the order of `CLAIMS`."""
    return [
        _load(mechanism, task, out / mechanism / task)
        for mechanism, task in CLAIMS
        if (out / mechanism / task / "suite.json").is_file()
    ]


def _load(mechanism: str, task: str, folder: Path) -> Claim:
    facts = json.loads((folder / "suite.json").read_text())
    scores = {one["arm"]: np.array(one["lives"]["score"]) for one in facts["entries"]}
    tuned = {one["arm"]: one["tuning_score"] for one in facts["entries"]}
    roles = {name: arm["role"] for name, arm in facts["arms"].items()}
    own = [name for name in scores if roles[name] == "own"]
    others = [name for name in scores if roles[name] == "rival"] or [PLAIN]
    arm, rival = max(own, key=tuned.__getitem__), max(others, key=tuned.__getitem__)
    return Claim(mechanism, task, arm, rival, scores, tuned)


def evidence_table(claims: Sequence[Claim]) -> str:
    """Return the claims as Markdown: against tuned level 0 and against the strongest simple rival.

    The strongest rival is the one that tuned best, on other seeds; p values are corrected together (Holm).
    """
    against = [(one, other) for one in claims for other in (PLAIN, one.rival)]
    adjusted = holm([sign_flip_test(one.own, one.scores[other]) for one, other in against])
    p_values = {(id(one), other): p for (one, other), p in zip(against, adjusted, strict=True)}
    rows = []
    for one in claims:
        gains = [iqm_difference(one.own, one.scores[other]) for other in (PLAIN, one.rival)]
        ps = [p_values[id(one), other] for other in (PLAIN, one.rival)]
        better = probability_of_improvement(one.own, one.scores[PLAIN])
        rows.append(
            (
                one.task,
                f"{one.arm} {estimate(one.own).value:.3g}",
                f"{estimate(one.scores[PLAIN]).value:.3g}",
                f"{one.rival} {estimate(one.scores[one.rival]).value:.3g}",
                f"{gains[0]:+.2g} (p {ps[0]:.2g})",
                f"{gains[1]:+.2g} (p {ps[1]:.2g})",
                f"{better:.2f}",
                _verdict(gains, ps),
            )
        )
    head = (
        "task", "mechanism", "level 0", "strongest rival", "minus level 0", "minus rival",
        "P(better than level 0)", "verdict",
    )  # fmt: skip
    return table_of(head, rows)


def _verdict(gains: Sequence[Estimate], ps: Sequence[float]) -> str:
    signs = [
        0 if p >= _SIGNIFICANT or gain.low <= 0 <= gain.high else (1 if gain.value > 0 else -1)
        for gain, p in zip(gains, ps, strict=True)
    ]
    words = {1: "gain", 0: "no difference", -1: "loss"}
    return (
        words[signs[0]] if signs[0] == signs[1] else f"{words[signs[0]]}; {words[signs[1]]} against the rival"
    )


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
    adjusted = holm([sign_flip_test(one.scores[WEIGHED], one.scores[PLAIN]) for one in chosen])
    rows = []
    for one, p in zip(chosen, adjusted, strict=True):
        weighed, plain = one.scores[WEIGHED], one.scores[PLAIN]
        best = max(CONSTANT, key=one.tuned.__getitem__)
        to_learn = abs(estimate(one.scores[best]).value - estimate(one.scores[UNTAUGHT]).value)
        off, constant = iqm_difference(weighed, plain), iqm_difference(weighed, one.scores[best])
        rows.append(
            (
                one.task,
                f"{estimate(weighed).value:.3g}",
                f"{estimate(plain).value:.3g}",
                f"{best} {estimate(one.scores[best]).value:.3g}",
                f"{off:+.2g} (p {p:.2g})",
                _per_cent(off, to_learn),
                _per_cent(constant, to_learn),
                _insured(off, p, constant, to_learn),
            )
        )
    head = (
        "task", "learned weights", "emotions off", "best constant weights", "minus off", "in %",
        "minus best constant, in %", "verdict",
    )  # fmt: skip
    return table_of(head, rows)


def _per_cent(gain: Estimate, unit: float) -> str:
    if unit == 0:
        return "nothing is learned"
    share = 100 / unit
    return f"{Estimate(gain.value * share, gain.low * share, gain.high * share, gain.seeds):+.2g}"


def _insured(off: Estimate, p: float, constant: Estimate, to_learn: float) -> str:
    worse = p < _SIGNIFICANT and off.high < 0
    said = (
        "worse than off" if worse else "better than off" if p < _SIGNIFICANT and off.low > 0 else "like off"
    )
    return said if constant.value >= -_MARGIN * to_learn else f"{said}; below the best constant"


def write_evidence(out: Path) -> Path:
    """Write `evidence.md` and `scores/MECHANISM.csv` from the finished contests below `out`."""
    claims = load_claims(out)
    whole = evidence_table(claims)
    parts = []
    for mechanism in dict.fromkeys(one.mechanism for one in claims):
        parts.append(f"### {mechanism}\n\n{_only(whole, claims, mechanism)}")
    if any(one.mechanism == "whole" for one in claims):
        parts.append(f"P(whole agent beats tuned level 0), all tasks alike: {overall(claims)}.")
        parts.append(f"### learned weights\n\n{weights_table(claims)}")
    (out / "scores").mkdir(exist_ok=True)
    target = out / "evidence.md"
    write_atomically(target, ("\n\n".join(parts) + "\n").encode())
    for mechanism in dict.fromkeys(one.mechanism for one in claims):
        tasks = [one.task for one in claims if one.mechanism == mechanism]
        write_atomically(out / "scores" / f"{mechanism}.csv", _scores(out / mechanism, tasks).encode())
    return target


def _scores(folder: Path, tasks: Sequence[str]) -> str:
    """Return the scores of every arm and seed in one mechanism's contests, with five digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task in tasks:
        with (folder / task / "scores.csv").open(newline="") as scores:
            rows = list(csv.reader(scores))[1:]
        writer.writerows((*row[:4], *(f"{float(number):.5g}" for number in row[4:])) for row in rows)
    return text.getvalue()


def _only(table: str, claims: Sequence[Claim], mechanism: str) -> str:
    """Keep one mechanism's rows of the table, whose p values were corrected over all of it."""
    head, line, *rows = table.splitlines()
    kept = [row for row, one in zip(rows, claims, strict=True) if one.mechanism == mechanism]
    return "\n".join([head, line, *kept])


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not finished, then write the tables."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.evidence", description=__doc__)
    parser.add_argument("--out", default="runs/evidence", help="folder; finished contests in it are kept")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--only", nargs="*", default=[], help="mechanisms; all of them by default")
    arguments = parser.parse_args(argv)
    out = Path(arguments.out)
    wanted = [claim for claim in CLAIMS if not arguments.only or claim[0] in arguments.only]
    run_claims(wanted, out, arguments.jobs)
    print(write_evidence(out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
