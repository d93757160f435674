"""The figures in the tables of README and docs are those of the scores that are kept beside them."""

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emotional_ed.analysis.statistics import iqm
from emotional_ed.experiments.evidence import CLAIMS

ROOT = Path(__file__).resolve().parent.parent
CONTESTS = (ROOT / "docs" / "contests.md").read_text()
SECTIONS = dict(re.findall(r"^## ([\w -]+)\n(.*?)(?=^## |\Z)", CONTESTS, re.MULTILINE | re.DOTALL))
MECHANISMS = list(dict.fromkeys(mechanism for mechanism, _ in CLAIMS))
ARM = re.compile(r"^(.+?) (-?[\d.]+(?:e[+-]?\d+)?)$")


@cache
def scores(name: str) -> dict[tuple[str, str], list[float]]:
    """(task, arm) -> scores, a seed each, of a file below docs/evidence."""
    found: dict[tuple[str, str], list[float]] = {}
    with (ROOT / "docs" / "evidence" / f"{name}.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault((row["task"], row["arm"]), []).append(float(row["score"]))
    return found


def middle_half(values: list[float]) -> float:
    """Mean without a quarter of the values at either end, which is what IQM means."""
    ordered = np.sort(values)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def rows(text: str) -> Iterator[list[str]]:
    """Cells of the rows of the tables in `text`, without their heads."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        if set(line) - set("|- :"):
            yield cells


def agrees(shown: str, exact: float) -> bool:
    """Whether a figure is `exact` to the digits that are shown, give or take one in the last of them."""
    digits = shown.lstrip("-+").split("e")[0]
    unit = float(10.0 ** -len(digits.partition(".")[2]))
    power = float(shown.partition("e")[2] or 0)
    return abs(float(shown) - exact) <= unit * float(10.0**power) + 1e-12


def test_the_middle_half_is_what_the_library_calls_iqm() -> None:
    values = np.random.default_rng(0).normal(size=48)
    assert middle_half(list(values)) == pytest.approx(float(iqm(values)), rel=1e-12)


def test_a_figure_is_held_to_the_digits_that_are_shown() -> None:
    assert all(agrees(*one) for one in (("0.97", 0.9731), ("-66.4", -66.41), ("1e-05", 1.2e-5)))
    assert not any(agrees(*one) for one in (("0.97", 0.95), ("0.970", 0.9731), ("81", 79.5)))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_tables_of_the_contests_are_those_of_the_kept_scores(mechanism: str) -> None:
    kept, checked = scores(mechanism), 0
    for task, own, plain, rival, *_ in (row for row in rows(SECTIONS[mechanism]) if len(row) == 8):
        if task == "task":
            continue
        for cell in (own, f"level-0 {plain}", rival):
            match = ARM.match(cell)
            assert match, cell
            arm, shown = match.groups()
            exact = middle_half(kept[task, arm])
            assert agrees(shown, exact), f"{mechanism} on {task}: {cell}, but its scores say {exact:.4g}"
            checked += 1
    assert checked >= 3


def test_the_ladder_is_that_of_the_kept_scores() -> None:
    kept, checked = scores("ladder"), 0
    rungs = re.split(r"^## ", (ROOT / "docs" / "ladder.md").read_text(), flags=re.MULTILINE)[1]
    head, *table = (row for row in rows(rungs) if row[0])
    assert head[:2] == ["task", "untaught"]
    for task, *cells in table:
        for arm, cell in zip(("level-0 untaught", *head[2:-1]), cells[:-1], strict=True):
            shown, exact = re.split("[: ]", cell)[0], middle_half(kept[task, arm])
            assert agrees(shown, exact), f"{arm} on {task}: {cell}, but its scores say {exact:.4g}"
            checked += 1
    assert checked == 25 * 10


SITUATIONS = {
    "regimes that recur": ("recall", "regimes", "recall-curious", "level-0", "small-buffer"),
    "... with noise": ("recall", "noisy-regimes", "recall-curious", "level-0", "resets-recency"),
    "goals that recur": ("recall", "recurring-goals", "recall-recency", "level-0", "optimistic-resets"),
    "a predator": ("fear", "predator", "fear", "level-0", "near-greedy"),
    "doors of mixed need": ("anger", "mixed-doors", "anger-resigning", "level-0", "blocked-count"),
    "a pole whose physics recur": (
        "recurring-cartpole-searched",
        "recurring-cartpole",
        "level-2",
        "dqn",
        "prioritised-dqn",
    ),
    "a field that is turned round": ("turned-field", "turned-field", "level-2", "dqn", "prioritised-dqn"),
    "... regimes with much noise": (
        "recall",
        "very-noisy-regimes",
        "mood-recall",
        "level-0",
        "resets-recency",
    ),
    "a jammed door": ("anger", "jammed-door", "anger", "level-0", "fixed-repeat"),
    "new layouts": ("fear", "new-layouts", "fear", "level-0", "near-greedy"),
    "a sparse maze": ("curiosity", "sparse-maze", "curious-sweeping", "level-0", "optimistic-sweeping"),
    "jammed doors in new rooms": ("new-doors", "new-doors", "level-1", "dqn", "fixed-repeat"),
    "silent catastrophes": ("fear", "silent-catastrophe", "fear", "level-0", "danger-penalty"),
    "a noisy maze": ("curiosity", "noisy-maze", "curious-sweeping", "level-0", "optimistic-sweeping"),
    "FrozenLake": ("curiosity", "frozen-lake", "curiosity", "level-0", "optimistic"),
    "rewards of other actions": ("regret", "full-feedback", "regret", "level-0", "full-feedback"),
    "regimes with noise": ("joy", "noisy-regimes", "joy", "level-0", "optimistic-resets"),
    "a field of lava": ("lava-field", "lava-field", "level-2", "dqn", "prioritised-dqn"),
    "pits stay, the goal moves": ("fear", "moving-goal", "fear", "level-0", "expected-sarsa"),
    "a guard, lazy and fierce": (
        "recall",
        "approach-avoidance",
        "recall-per-step",
        "level-0",
        "decay-only",
    ),
    "a source that vanishes": ("attachment", "vanishing-source", "attachment", "level-0", "recency-bonus"),
    "a source lost for good": ("attachment", "lost-source", "attachment", "level-0", "optimistic-resets"),
}
"""What the README calls a situation -> file of its scores, task, own arm, plain agent, strongest rival."""


def mark(difference: str) -> str:
    """What `+0.2 [+0.1, +0.3] (p 0.01)` is: a gain ▲, a loss ▼, or = none."""
    low, high, p = (float(part) for part in re.findall(r"[-+]?[\d.]+(?:e-?\d+)?", difference)[1:])
    return "=" if p >= 0.05 or low <= 0 <= high else "▲" if low > 0 else "▼"


def test_a_mark_needs_a_small_p_and_an_interval_without_nothing() -> None:
    shown = (
        "+0.2 [+0.1, +0.3] (p 0.01)",
        "-2 [-3, -1] (p 1e-05)",
        "+2 [+1, +3] (p 0.05)",
        "+2 [-1, +3] (p 0)",
    )
    assert [mark(one) for one in shown] == ["▲", "▼", "=", "="]


def test_the_readme_tells_the_figures_of_the_contests() -> None:
    section = (ROOT / "README.md").read_text().split("## What is gained")[1].split("\n## ")[0]
    told = {row[0]: row[1:] for row in rows(section) if row[0] in SITUATIONS}
    assert list(told) == list(SITUATIONS)
    for situation, (file, task, own, plain, rival) in SITUATIONS.items():
        _, shown, *against = told[situation]
        figures, marks = [shown], []
        for cell in against:
            *_, figure, sign = cell.split(" ")
            figures.append(figure)
            marks.append(sign)
        for figure, arm in zip(figures, (own, plain, rival), strict=True):
            exact = middle_half(scores(file)[task, arm])
            assert agrees(figure, exact), f"{situation}, {arm}: {figure}, but its scores say {exact:.4g}"
        if file in MECHANISMS:
            (row,) = (row for row in rows(SECTIONS[file]) if row[0] == task and len(row) == 8)
            assert (row[1].split(" ")[0], row[3].split(" ")[0]) == (own, rival), situation
            assert marks == [mark(row[4]), mark(row[5])], situation


DEEP = {
    "Recurring physics": "recurring-cartpole-searched",
    "The deep ladder": "deep-ladder-trials",
    "A field that is turned round": "turned-field",
    "Lava": "lava-field",
    "New doors": "new-doors",
}
"""Section of docs/deep-contests.md -> file of the scores of its first table."""
ARMS = {
    "level 2": "level-2",
    "level 1": "level-1",
    "DQN": "dqn",
    "DQN with prioritised replay": "prioritised-dqn",
    "DQN with intrinsic fear": "intrinsic-fear",
    "DQN with resets": "resets",
    "QR-DQN with CVaR": "qr-dqn-cvar",
    "learns nothing": "untaught",
    "a fixed number of pushes": "fixed-repeat",
    "ez-greedy DQN": "ez-greedy",
}


@pytest.mark.parametrize("section", DEEP)
def test_the_tables_of_deep_contests_are_those_of_the_kept_scores(section: str) -> None:
    text = (ROOT / "docs" / "deep-contests.md").read_text().split(f"\n## {section}\n")[1]
    table = re.search(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert table
    kept = {arm: values for (_, arm), values in scores(DEEP[section]).items()}
    head, *told = rows(table[0])
    assert head[0] == "arm"
    for label, cell, *_ in told:
        arm, shown = ARMS.get(re.sub(r" \(.*\)", "", label), label), cell.split(" ")[0]
        exact = middle_half(kept[arm])
        assert agrees(shown, exact), f"{section}, {arm}: {cell}, but its scores say {exact:.4g}"
    assert len(told) >= 5
