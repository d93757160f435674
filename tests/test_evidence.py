"""The evidence: verdicts by hand on scores that are known, and one contest from the list for real."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from emotional_ed.agents import LevelZero
from emotional_ed.analysis import holm, sign_flip_test
from emotional_ed.experiments import evidence
from emotional_ed.experiments.contests.against_controls import (
    CONTROLS,
    OF_FORMS,
    against_controls,
    controls_text,
)
from emotional_ed.experiments.contests.arm import Arm
from emotional_ed.experiments.contests.contest import Budget, contest
from emotional_ed.experiments.contests.evidence_picture import gains, plot_claims
from emotional_ed.experiments.contests.evidence_tables import (
    Claim,
    against_both,
    evidence_table,
    weights_table,
)
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, arms_for
from emotional_ed.experiments.contests.rungs import CONSTANT, PLAIN, UNTAUGHT, WEIGHED
from emotional_ed.experiments.contests.tasks import TASKS

SEEDS = 24
NOISE = np.random.default_rng(0).normal(0, 0.01, SEEDS)


def claim(
    task: str, weighed: float, plain: float, full: float, tuned: dict[str, float] | None = None
) -> Claim:
    """Return a claim in which every seed has the same luck in all arms, but for a little."""
    levels = {PLAIN: plain, UNTAUGHT: 0.0, WEIGHED: weighed}
    scores = {name: NOISE + levels.get(name, full) for name in (*CONSTANT, UNTAUGHT, WEIGHED)}
    scores[WEIGHED] = scores[WEIGHED] + NOISE[::-1] / 10
    return Claim(
        "whole", task, WEIGHED, PLAIN, scores, tuned or {name: scores[name].mean() for name in scores}
    )


def cells(table: str, row: int) -> list[str]:
    return [one.strip() for one in table.splitlines()[2 + row].strip("|").split("|")]


def test_learned_weights_are_judged_against_none_and_against_the_best_constant_ones() -> None:
    table = weights_table(
        [
            claim("harmed", weighed=0.5, plain=0.8, full=0.2),
            claim("helped", weighed=0.79, plain=0.2, full=0.8),
            claim("slow", weighed=0.7, plain=0.2, full=0.8),
            claim("same", weighed=0.8, plain=0.8, full=0.79),
        ]
    )
    assert [cells(table, row)[-1] for row in range(4)] == [
        "worse than off; below the best constant",
        "better than off",
        "better than off; below the best constant",
        "like off",
    ]
    assert cells(table, 0)[3].startswith(PLAIN), "emotions off is one of the constants"
    assert cells(table, 2)[6].startswith("-12"), "(0.7 - 0.8) / (0.8 - 0)"


def test_where_nothing_is_learned_there_is_no_share_of_it() -> None:
    nothing = weights_table([claim("x", weighed=0.0, plain=0.0, full=0.0)])
    assert cells(nothing, 0)[5:] == ["nothing is learned", "nothing is learned", "like off"]


def test_the_best_constant_is_the_one_that_tuned_best_not_the_one_that_reported_best() -> None:
    one = claim(
        "x", weighed=0.5, plain=0.8, full=0.2, tuned=dict.fromkeys(CONSTANT, 0.0) | {CONSTANT[2]: 1.0}
    )
    assert cells(weights_table([one]), 0)[3] == f"{CONSTANT[2]} 0.199"


def test_a_gain_needs_both_the_level_below_and_the_strongest_rival() -> None:
    table = evidence_table([claim("a", weighed=0.9, plain=0.2, full=0.2), claim("b", 0.2, 0.2, 0.2)])
    assert [cells(table, row)[-1] for row in (0, 1)] == ["gain", "no difference"]
    beaten = dataclasses.replace(fearful("c", shuffled=0.4, unlearned=0.9), rival="fear-unlearned")
    row = cells(evidence_table([beaten]), 0)
    assert row[4].startswith("+0.4 [")
    assert row[5].startswith("-0.1 [")
    assert row[-1] == "gain; loss against the rival"


def fearful(task: str, shuffled: float, unlearned: float, plain: float = 0.4) -> Claim:
    """Return a claim that fear reaches 0.8, with its controls."""
    levels = {
        "fear": 0.8,
        PLAIN: plain,
        UNTAUGHT: 0.0,
        "fear-shuffled": shuffled,
        "fear-unlearned": unlearned,
    }
    scores = {name: level + NOISE[:: 1 if name == "fear" else -1] for name, level in levels.items()}
    return Claim("fear", task, "fear", PLAIN, scores, dict.fromkeys(levels, 0.0))


def test_the_picture_has_the_differences_of_the_table_in_units_of_what_there_is_to_learn(
    tmp_path: Path,
) -> None:
    whole, one = claim("a", 0.9, 0.2, 0.2), fearful("b", shuffled=0.4, unlearned=0.9)
    beaten = dataclasses.replace(one, rival="fear-unlearned")
    nothing = dataclasses.replace(fearful("c", 0.0, 0.0, plain=0.0))
    nothing.scores["fear"] = nothing.scores[PLAIN]
    shown, (plain, rival) = gains([whole, beaten, nothing])
    assert shown == [beaten, nothing]
    assert plain.ends[0, 1] == pytest.approx(100 * (0.8 - 0.4) / 0.9, abs=0.5), "the best arm is the unit"
    assert rival.ends[0, 1] == pytest.approx(100 * (0.8 - 0.9) / 0.9, abs=0.5)
    assert (plain.signs[0], rival.signs[0]) == (1, -1)
    assert np.isnan([plain.ends[1], rival.ends[1]]).all()
    corrected = against_both([whole, beaten, nothing])
    assert [pair[0].sign for pair in corrected[1:]] == list(plain.signs)
    assert plot_claims([whole], tmp_path / "none.png") is None
    assert not list(tmp_path.iterdir())


def test_a_gain_stands_if_its_controls_lack_it() -> None:
    text = controls_text(
        [
            fearful("idea", shuffled=0.4, unlearned=0.5),
            fearful("luck", shuffled=0.8, unlearned=0.9),
            fearful("nothing", shuffled=0.4, unlearned=0.4, plain=0.8),
        ]
    )
    table, said = text.split("\n\n")
    rows = [cells(table, row) for row in range(6)]
    assert len(table.splitlines()) == 8, "no row for what gains nothing"
    assert [row[0] for row in rows] == ["fear on idea"] * 3 + ["fear on luck"] * 3
    assert [row[2].rsplit(" ", 1)[0] for row in rows[:3]] == [UNTAUGHT, "fear-shuffled", "fear-unlearned"]
    assert [row[3] for row in rows[:3]] == list(CONTROLS["fear"].values())
    assert [row[4] for row in rows] == ["nothing", "nothing", "25%", "nothing", "100%", "125%"]
    assert [row[6] for row in rows] == [
        "stands", "stands", "stands", "stands", "not told apart", "the control does better",
    ]  # fmt: skip
    assert rows[2][5].startswith("+0.3 [")
    assert said == (
        "Of 3 claims of single mechanisms 2 gain over tuned level 0, and 1 of these gains stand against every "
        "control of theirs. Some control does as well or better: fear on luck (fear-shuffled, fear-unlearned)."
    )


def test_controls_are_corrected_together_and_only_those_of_gains() -> None:
    rng = np.random.default_rng(3)
    gains = [fearful("a", 0.79, 0.78), fearful("b", 0.8, 0.79)]
    for one in gains:
        one.scores.update({name: one.scores[name] + rng.normal(0, 0.03, SEEDS) for name in one.scores})
    found = against_controls(gains)
    pairs = [(one.own, one.scores[name]) for one in gains for name in CONTROLS["fear"]]
    by_hand = holm([sign_flip_test(*pair) for pair in pairs])
    assert [gap.p for against in found for gap in against.values()] == by_hand.tolist()
    assert np.median(by_hand) > 0.01, "the correction can be seen"
    rows = controls_text([*gains, fearful("nothing", 0.1, 0.1, plain=0.9)]).splitlines()[2:8]
    assert [row.split("(p ")[1].split(")")[0] for row in rows] == [f"{p:.2g}" for p in by_hand]


def test_without_a_gain_there_is_nothing_to_explain() -> None:
    text = controls_text([fearful("nothing", 0.4, 0.4, plain=0.8), claim("whole", 0.9, 0.2, 0.2)])
    assert text == (
        "Of 1 claims of single mechanisms 0 gain over tuned level 0, and 0 of these gains stand against every "
        "control of theirs."
    )


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name not in ("whole", "ladder")])
def test_every_mechanism_has_controls_and_they_are_arms_of_its_contests(mechanism: str) -> None:
    for task in TASKS:
        arms = arms_for(task, mechanism)
        own = [name for name, arm in arms.items() if arm.role == "own"]
        named = {control for form in own for control in {**CONTROLS[mechanism], **OF_FORMS.get(form, {})}}
        assert named <= set(arms)
        assert all(len({**CONTROLS[mechanism], **OF_FORMS.get(form, {})}) >= 2 for form in own)
        controls = {name for name, arm in arms.items() if arm.role == "control"} - {PLAIN}
        assert controls <= named


def explores(arm: Arm) -> tuple[object, ...]:
    """What of an arm has nothing to do with recall: curiosity, channels of one's own, sleep, and its ranges."""
    ranges = {path: one for path, one in arm.search.items() if ".recall." not in path}
    sleep = arm.level0.sleep if isinstance(arm.level0, LevelZero) else None
    return arm.affect.curiosity, arm.affect.own, arm.affect.salience, sleep, ranges


@pytest.mark.parametrize(
    ("form", "control"),
    [
        (form, control)
        for form, controls in OF_FORMS.items()
        for control in controls
        if form.startswith("recall")
    ],
)
def test_a_control_of_recall_explores_as_the_form_does_that_it_is_for(form: str, control: str) -> None:
    arms = arms_for("recurring-goals", "recall")
    assert explores(arms[form]) == explores(arms[control])
    recall = arms[control].affect.recall
    assert recall is None or recall.cue == "chance"


@pytest.mark.parametrize(
    ("form", "control"), [("curious-dreams", "dreams"), ("curious-sweeping", "sweeping")]
)
def test_a_control_of_curiosity_lacks_curiosity_alone(form: str, control: str) -> None:
    arms = arms_for("sparse-maze", "curiosity")
    whole = dataclasses.replace(arms[form].affect, curiosity=None)
    assert whole == arms[control].affect
    assert arms[form].level0 == arms[control].level0


@pytest.mark.parametrize(
    ("form", "near"),
    [
        ("curiosity", "curiosity-near"),
        ("curious-dreams", "curious-near-dreams"),
        ("curious-sweeping", "curious-near-sweeping"),
    ],
)
def test_a_control_of_curiosity_has_no_horizon_and_is_the_same_otherwise(form: str, near: str) -> None:
    arms, horizon = arms_for("sparse-maze", "curiosity"), "affect.curiosity.discount"
    assert {**arms[near].search, horizon: arms[form].search[horizon]} == dict(arms[form].search)
    assert horizon not in arms[near].search
    assert arms[near].fixed == {horizon: 0.0}
    alike = dataclasses.replace(arms[near], search=arms[form].search, fixed={}, role="own", note="")
    assert alike == dataclasses.replace(arms[form], note="")


def test_every_mechanism_is_tried_on_what_it_is_meant_for_and_the_whole_agent_on_everything() -> None:
    assert len(set(evidence.CLAIMS)) == len(evidence.CLAIMS)
    assert {task for mechanism, task in evidence.CLAIMS if mechanism == "whole"} == set(TASKS)
    for mechanism in ("fear", "anger", "regret", "sleep", "curiosity"):
        meant = {name for name, task in TASKS.items() if mechanism in task.meant_for}
        assert meant <= {task for one, task in evidence.CLAIMS if one in (mechanism, "recall", "whole")}


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name not in ("whole", "ladder")])
def test_all_arms_of_a_contest_can_live_together(mechanism: str) -> None:
    task = next(one for name, one in evidence.CLAIMS if name == mechanism)
    arms = arms_for(task, mechanism)
    budget = Budget(configurations=1, seeds=1, finalists=1, final_seeds=1, report=2)
    entries = contest(dataclasses.replace(TASKS[task], steps=3), arms, budget)
    assert [one.arm for one in entries] == list(arms)
    assert all(np.isfinite(one.lives.score).all() for one in entries)


def test_finished_contests_are_kept_and_the_tables_are_made_from_them(tmp_path: Path) -> None:
    budget = Budget(configurations=1, seeds=1, finalists=1, final_seeds=1, report=8, first_seed=3)
    left = tmp_path / "regret" / "full-feedback"  # by a contest that was killed while it wrote
    left.mkdir(parents=True)
    for name in ("scores.csv", "table.md", "suite.json.x.part"):
        (left / name).write_text("torn")
    evidence.run_claims([("regret", "full-feedback")], tmp_path, jobs=1, budget=budget, steps=60)
    written = (tmp_path / "regret" / "full-feedback" / "suite.json").stat().st_mtime_ns
    evidence.run_claims([("regret", "full-feedback")], tmp_path, jobs=1, budget=budget, steps=60)
    assert (tmp_path / "regret" / "full-feedback" / "suite.json").stat().st_mtime_ns == written
    other = dataclasses.replace(budget, first_seed=4)
    with pytest.raises(ValueError, match=r"first_seed=3\) is finished, expected another folder for .*seed=4"):
        evidence.run_claims([("regret", "full-feedback")], tmp_path, jobs=1, budget=other, steps=60)
    text = evidence.write_evidence(tmp_path).read_text()
    assert text.startswith("### regret")
    assert "| full-feedback |" in text
    assert "learned weights" not in text
    assert "### controls\n\n" in text
    assert (tmp_path / "contests.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "scores" / "regret.csv").read_text().splitlines()))
    assert {row["arm"] for row in rows} >= {"regret", PLAIN, "full-feedback"}
    assert {row["seed"] for row in rows} == {str(seed) for seed in range(3, 11)}


def test_what_no_contest_has_written_is_never_removed(tmp_path: Path) -> None:
    folder = tmp_path / "regret" / "full-feedback"
    (folder / "mine").mkdir(parents=True)
    (folder / "table.md").write_text("torn")
    budget = Budget(configurations=1, seeds=1, finalists=1, final_seeds=1, report=8)
    with pytest.raises(ValueError, match="mine', which no contest has written, expected a folder of its own"):
        evidence.run_claims([("regret", "full-feedback")], tmp_path, jobs=1, budget=budget, steps=60)
    assert sorted(one.name for one in folder.iterdir()) == ["mine", "table.md"]


def test_the_command_says_what_is_wrong_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evidence.main(["--out", str(tmp_path / "never"), "--only", "feer"]) == 2
    assert capsys.readouterr().err.startswith("evidence: only: got 'feer'")
    assert not (tmp_path / "never").exists()
    file = tmp_path / "file"
    file.touch()
    assert evidence.main(["--out", str(file / "below"), "--only", "fear"]) == 2
    assert "evidence: " in capsys.readouterr().err
