"""The ladder: its arms, its tables by hand on scores that are known, and a brief run of the command."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotional_ed.affect import CuriosityConfig
from emotional_ed.analysis import holm, iqm_difference, sign_flip_test
from emotional_ed.experiments import ladder
from emotional_ed.experiments.contests.arm import Arm
from emotional_ed.experiments.contests.contest import Budget, Lives, live
from emotional_ed.experiments.contests.ladder_tables import (
    about,
    controls_of,
    ladder_tables,
    panels,
    recurring_tasks,
    removals_table,
    rungs_table,
    summary,
)
from emotional_ed.experiments.contests.mechanisms import arms_for
from emotional_ed.experiments.contests.outcome import Outcome
from emotional_ed.experiments.contests.rungs import (
    COMPONENTS,
    CURIOUS,
    EVERYTHING,
    PLAIN,
    RUNGS,
    UNTAUGHT,
    without,
)
from emotional_ed.experiments.contests.suite import COLUMNS
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.contests.verdicts import differences, what_there_is_to_learn

SETTING = {"step_size": 0.3, "exploration": 0.1}
BRIEF = Budget(configurations=2, seeds=1, finalists=1, final_seeds=1, report=8, first_seed=3)


# ---------------------------------------------------------------- arms


@pytest.mark.parametrize("task", list(TASKS))
def test_all_holds_every_emotion_and_each_ablation_lacks_one_at_the_setting_of_all(task: str) -> None:
    arms = arms_for(task, "ladder")
    held = dict(arms[EVERYTHING].affect.parts())
    assert arms[EVERYTHING].level0.sleep is not None
    emotions = {"arousal", "fear", "anger", "joy", "curiosity", "attachment", "mood", "temperament", "recall"}
    assert set(held) - {"surprise", "regret"} == emotions | {"salience", "weights"}
    assert ("regret" in held) == TASKS[task].listens
    listed = [one for one in COMPONENTS if one != "regret" or TASKS[task].listens]
    assert [name for name in arms if name.startswith(f"{EVERYTHING} minus")] == [
        without(one) for one in listed
    ]
    for component in listed:
        arm = arms[without(component)]
        assert (arm.follows, arm.search, arm.role) == (EVERYTHING, {}, "control")
        gone = set(held) - set(arm.affect.parts())
        assert gone == {
            "arousal": set(), "fear": set(), "anger": set(), "mood": {"mood", "temperament", "recall"},
            "sleep": {"salience"},
        }.get(component, {component})  # fmt: skip
        assert (arm.level0.sleep is None) == (component == "sleep")
        assert {name: one for name, one in held.items() if name not in gone} == dict(arm.affect.parts())
    searched = [name for name, arm in arms.items() if not arm.follows]
    assert searched == [PLAIN, UNTAUGHT, EVERYTHING, *(one for one in RUNGS if one != EVERYTHING)]
    assert all(not arm.search for arm in arms.values()), "alike: step size and exploration"


def test_rungs_below_all_are_the_whole_agent_of_the_other_tables() -> None:
    for task in TASKS:
        ours, theirs = arms_for(task, "ladder"), arms_for(task, "whole")
        assert {name: ours[name] for name in RUNGS[:3]} == {name: theirs[name] for name in RUNGS[:3]}


def test_curious_rungs_are_the_same_with_curiosity_and_nothing_else() -> None:
    for task in TASKS:
        arms = arms_for(task, "ladder")
        for rung, curious in CURIOUS.items():
            assert arms[rung].affect.curiosity is None
            assert arms[curious].affect.curiosity == CuriosityConfig()
            less = dataclasses.replace(arms[curious].affect, curiosity=None)
            assert dataclasses.replace(arms[curious], affect=less, note="") == dataclasses.replace(
                arms[rung], note=""
            )


def same(first: Lives, second: Lives) -> bool:
    pairs = zip(dataclasses.astuple(first), dataclasses.astuple(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("task", "component"),
    [("silent-catastrophe", "fear"), ("new-layouts", "arousal"), ("jammed-door", "anger")],
)
def test_what_is_silenced_is_as_if_it_were_not_there_bit_for_bit(task: str, component: str) -> None:
    arms, brief = arms_for(task, "ladder"), dataclasses.replace(TASKS[task], steps=200)
    everything, silent = arms[EVERYTHING], arms[without(component)]
    weights = everything.affect.weights
    assert weights is not None
    others = tuple(name for name in weights.channels if name != component)
    lacking: Mapping[str, object] = {
        component: None,
        "weights": dataclasses.replace(weights, channels=others),
    }
    removed = Arm(
        affect=dataclasses.replace(everything.affect, **lacking),  # type: ignore[arg-type]
        level0=everything.level0,
    )
    found = [
        live(brief, {"a": arm}, {"a": [{**SETTING, **arm.fixed}]}, range(4))["a"][0]
        for arm in (silent, removed, everything)
    ]
    assert same(found[0], found[1])
    assert not same(found[0], found[2]), "the part does something here"


# ---------------------------------------------------------------- tables, by hand

SEEDS = 24
NOISE = np.random.default_rng(0).normal(0, 0.01, SEEDS)
OTHER = np.random.default_rng(1).normal(0, 0.01, SEEDS)


def outcome(task: str, levels: Mapping[str, float], *, parts: tuple[str, ...] = COMPONENTS) -> Outcome:
    """Return a contest whose arms are apart by what `levels` says, 1 for all but the untaught (0)."""
    names = [PLAIN, UNTAUGHT, *RUNGS, *(without(part) for part in parts)]
    level = {UNTAUGHT: 0.0, **levels}
    scores = {name: level.get(name, 1.0) + (NOISE if name != PLAIN else OTHER) for name in names}
    budget = Budget(configurations=16, seeds=5, finalists=1, report=SEEDS, first_seed=120_000)
    return Outcome(task, "ladder", scores, {}, {}, budget, 100, "abc")


def cells(table: str, row: int) -> list[str]:
    return [one.strip() for one in table.splitlines()[2 + row].strip("|").split("|")]


def middle(scores: NDArray[np.float64]) -> float:
    return float(np.mean(np.sort(scores)[6:18]))  # 24 seeds: the middle half


def test_the_ladders_cells_are_what_a_hand_computes() -> None:
    one = outcome("regimes", {PLAIN: 0.5, "level-0+1": 0.25, "all": 2.0})
    tables = ladder_tables([one])
    unit = middle(2 + NOISE) - middle(NOISE)
    assert what_there_is_to_learn(one.scores) == pytest.approx(2)
    assert unit == pytest.approx(2)
    row = cells(rungs_table(tables), 0)
    assert row[:2] == ["regimes", f"{middle(NOISE):.3g}"]
    assert row[2].startswith(f"{middle(0.5 + OTHER):.3g} [")
    for rung, level, cell in zip(RUNGS, (0.25, 1, 1, 1, 1, 1, 1, 2), row[3:11], strict=True):
        gain = iqm_difference(level + NOISE, 0.5 + OTHER)
        share = [100 * end / unit for end in (gain.value, gain.low, gain.high)]
        mark = "▼" if rung == "level-0+1" else "▲"
        assert (
            cell
            == f"{middle(level + NOISE):.3g}: {share[0]:+.0f} % [{share[1]:+.0f}, {share[2]:+.0f}] {mark}"
        )
    assert row[11] == f"gain: {', '.join(RUNGS[1:])}; loss: level-0+1"


def test_p_values_are_corrected_over_a_whole_table_and_not_over_both() -> None:
    rng = np.random.default_rng(2)
    two = [outcome(task, {}) for task in ("regimes", "taxi")]
    for one in two:
        one.scores.update({name: rng.normal(0, 1, SEEDS) for name in one.scores})
        for reference in (PLAIN, EVERYTHING):
            one.scores[reference] = rng.normal(0.8, 1, SEEDS)
    tables = ladder_tables(two)
    pairs = [(one.scores[rung], one.scores[PLAIN]) for one in two for rung in RUNGS]
    lacking = [(one.scores[without(part)], one.scores[EVERYTHING]) for one in two for part in COMPONENTS]
    assert list(tables.rungs) == [(task, rung) for task in ("regimes", "taxi") for rung in RUNGS]
    for found, chosen in ((tables.rungs, pairs), (tables.removals, lacking)):
        alone = [sign_flip_test(*pair) for pair in chosen]
        assert [one.p for one in found.values()] == holm(alone).tolist()
        assert min(alone) * len(alone) < 1, "the correction can be seen"


def test_everything_less_each_part_is_compared_with_everything() -> None:
    levels = {EVERYTHING: 1.0, without("fear"): 0.6, without("joy"): 1.3}
    parts = tuple(part for part in COMPONENTS if part != "regret")
    two = [outcome("regimes", levels), outcome("taxi", levels, parts=parts)]
    tables = ladder_tables(two)
    text = removals_table(tables)
    head = [one.strip() for one in text.splitlines()[0].strip("|").split("|")]
    assert head == ["task", EVERYTHING, *(f"minus {part}" for part in COMPONENTS)]
    for row in (0, 1):
        found = dict(zip(head, cells(text, row), strict=True))
        share = 100 / (1.3 + middle(NOISE) - middle(NOISE))
        assert found["minus fear"].startswith(f"{-0.4 * share:+.0f} % [")
        assert found["minus fear"].endswith("▼")
        assert found["minus joy"].startswith(f"{0.3 * share:+.0f} % [")
        assert found["minus joy"].endswith("▲")
        assert found["minus sleep"] == "+0.00 % [+0.00, +0.00]"
    assert cells(text, 0)[head.index("minus regret")] != ""
    assert cells(text, 1)[head.index("minus regret")] == ""
    left, right = panels(tables)
    assert right.columns == tuple(head[2:])
    assert right.signs[0].tolist() == [0, -1, 0, 1, *[0] * 7]
    assert right.values[0, 1] == pytest.approx(-0.4 * share)
    assert np.isnan(right.values[1, COMPONENTS.index("regret")])
    assert left.columns == RUNGS
    assert left.values.shape == (2, 8)


def test_the_best_arm_is_the_unit_even_if_it_lacks_a_part_and_the_untaught_never_is() -> None:
    assert what_there_is_to_learn(outcome("taxi", {without("anger"): 4.0}).scores) == pytest.approx(4)
    nothing = outcome("taxi", dict.fromkeys([PLAIN, *RUNGS, *map(without, COMPONENTS)], -0.5))
    assert what_there_is_to_learn(nothing.scores) is None
    tables = ladder_tables([nothing])
    assert cells(rungs_table(tables), 0)[3] == f"{middle(-0.5 + NOISE):.3g}: {gap():+.2g}"
    assert np.isnan(panels(tables)[0].values).all()
    assert "nothing is learned anywhere" in summary(tables)
    same_luck = outcome("taxi", dict.fromkeys([PLAIN, *RUNGS, *map(without, COMPONENTS)], 0.0))
    same_luck.scores[PLAIN] = NOISE[::-1] + 1e-4
    assert what_there_is_to_learn(same_luck.scores) is None, "better, but not surely"


def gap() -> object:
    return iqm_difference(-0.5 + NOISE, -0.5 + OTHER)


def test_the_sentences_count_what_the_tables_mark() -> None:
    recurring, controls = recurring_tasks(), controls_of(recurring_tasks())
    assert {"regimes", "noisy-regimes", "recurring-goals", "vanishing-source"} <= set(recurring)
    assert {"constant-regime", "new-goals", "lost-source"} == set(controls)
    three = [
        outcome("regimes", {PLAIN: 0.5, "level-0+1": 0.25, "level-0+1 curious": 1.5, without("fear"): 0.5}),
        outcome("constant-regime", {PLAIN: 1.0, "level-0+1": 1.5, "level-0+1+2 weighed": 0.7}),
        outcome("taxi", {PLAIN: 1.0, "level-0+1": 0.1}),
    ]
    text = " ".join(summary(ladder_tables(three)).split())
    assert (
        "level-0+1 against level 0: gains on 1 of 3 tasks (constant-regime), loses on 2 of 3 tasks "
        "(regimes, taxi); its worst is -90 % " in text
    )
    assert "level-0+1+2 weighed against level 0: gains on 1 of 3 tasks (regimes), loses on 1 of 3" in text
    assert "-20 % " in text
    assert (
        "level-0+1+2 against level-0+1 where situations recur (regimes): gains on 1 of 1 tasks (regimes), loses "
        "on none of 1." in text
    )
    assert (
        "level-0+1+2 curious against level-0+1 curious where situations recur (regimes): gains on none of 1, "
        "loses on 1 of 1 tasks (regimes)." in text
    )
    assert "that (constant-regime): gains on none of 1, loses on 1 of 1 tasks (constant-regime)." in text
    assert "all minus fear against all: worse on 1 of 3 tasks (regimes), better on none of 3." in text
    assert "all minus joy against all: worse on none of 3, better on none of 3." in text


def test_a_worst_that_is_not_sure_is_said_to_be_so() -> None:
    tables = ladder_tables([outcome("taxi", {})])
    worst = (middle(1 + NOISE) - middle(1 + OTHER)) * 100 / (middle(1 + OTHER) - middle(NOISE))
    text = " ".join(summary(tables).split())
    assert worst < 0
    assert f"its worst is {worst:+.2f} %" in text
    assert "on taxi, not significant" in text
    above = " ".join(summary(ladder_tables([outcome("taxi", {PLAIN: 0.5})])).split())
    assert "it is nowhere below level 0" in above


def test_the_head_names_seeds_search_and_revision() -> None:
    text = " ".join(about(ladder_tables([outcome("taxi", {})])).split())
    for said in (
        "1 tasks",
        "24 fresh seeds (from 120000)",
        "revision abc",
        "16 settings",
        "on 5 other seeds",
    ):
        assert said in text


def test_a_difference_is_sure_only_with_both_a_small_p_and_an_interval_without_0() -> None:
    far, near, below = differences([(1 + NOISE, OTHER), (NOISE, NOISE), (NOISE, 1 + OTHER)])
    assert (far.sign, near.sign, below.sign) == (1, 0, -1)
    assert str(near) == "+0 [+0, +0] (p 1)"
    assert dataclasses.replace(far, p=0.05).sign == 0
    assert dataclasses.replace(far, gain=dataclasses.replace(far.gain, low=0.0)).sign == 0


# ---------------------------------------------------------------- the command


def test_finished_contests_are_kept_and_all_files_are_made_of_them(tmp_path: Path) -> None:
    (tmp_path / "ladder" / "full-feedback").mkdir(parents=True)  # what a killed contest left
    (tmp_path / "ladder" / "full-feedback" / "scores.csv").write_text("half")
    ladder.run_ladder(["full-feedback"], tmp_path, 1, BRIEF, steps=25)
    written = (tmp_path / "ladder" / "full-feedback" / "suite.json").stat().st_mtime_ns
    ladder.run_ladder(["full-feedback", "shut-door"], tmp_path, 1, BRIEF, steps=25)
    assert (tmp_path / "ladder" / "full-feedback" / "suite.json").stat().st_mtime_ns == written
    text = ladder.write_ladder(tmp_path).read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "ladder",
        "ladder-less.csv",
        "ladder.csv",
        "ladder.md",
        "ladder.png",
    ]
    assert "| full-feedback |" in text
    assert "| shut-door " in text
    assert "minus regret" in text
    rungs, less = (
        list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        for name in ("ladder.csv", "ladder-less.csv")
    )
    assert {row["arm"] for row in rungs}.isdisjoint(row["arm"] for row in less)
    assert all(row["arm"].startswith("all minus ") for row in less)
    rows = rungs + less
    assert tuple(rows[0]) == COLUMNS
    for task in ("full-feedback", "shut-door"):
        mine = [row for row in rows if row["task"] == task]
        assert {row["arm"] for row in mine} == set(arms_for(task, "ladder"))
        assert {row["seed"] for row in mine} == {str(seed) for seed in range(3, 11)}
        assert len(mine) == 8 * len(arms_for(task, "ladder"))
    assert (tmp_path / "ladder.png").stat().st_size < 200_000
    (read, *_) = ladder.load_ladder(tmp_path)
    assert without("fear") not in read.tuned
    assert EVERYTHING in read.tuned
    other = dataclasses.replace(BRIEF, seeds=2)
    ladder.run_ladder(["jammed-door"], tmp_path, 1, other, steps=25)
    with pytest.raises(ValueError, match=r"out: got a contest on 'full-feedback' with Budget.*'jammed-door'"):
        ladder.write_ladder(tmp_path)


def test_bad_input_is_one_sentence_and_nothing_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(claims: Sequence[object], *_: object) -> None:
        assert not claims

    monkeypatch.setattr(ladder, "run_claims", nothing)
    for arguments, message in (
        (["--tasks", "regimes", "regimez"], "ladder: tasks: got 'regimez', expected one of"),
        (["--tasks", "regimes", "--jobs", "0"], "ladder: jobs: got 0"),
        (["--tasks"], "ladder: out: got .* without a finished contest"),
    ):
        assert ladder.main([*arguments, "--out", str(tmp_path / "x")]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert len(told.err.splitlines()) == 1
        assert re.match(message, told.err)
        assert not (tmp_path / "x").exists()


def test_the_seeds_of_the_ladder_are_its_own() -> None:
    assert (ladder.BUDGET.report, ladder.BUDGET.first_seed) == (50, 140_000)
