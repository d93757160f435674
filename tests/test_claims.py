"""Earlier claims: the rule on scores made by hand, the rows, and the command on small contests."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotional_ed.experiments import evidence
from emotional_ed.experiments.claims import study as claims
from emotional_ed.experiments.claims.arms import CLAIM_MECHANISMS, CLAIM_TASKS
from emotional_ed.experiments.claims.catalogue import CLAIMS, DEEP, SPEED, EarlierClaim
from emotional_ed.experiments.claims.speed import half_octaves, late_scores, load_speed, steps_needed
from emotional_ed.experiments.claims.study import Sources, judge, load, run_contests, write_claims
from emotional_ed.experiments.claims.verdict import (
    ARTEFACT,
    HARMFUL,
    HOLDS,
    IN_PART,
    NOT_TOLD_APART,
    Measured,
    claim_verdict,
    compare_all,
    contest_verdict,
    control_verdict,
)
from emotional_ed.experiments.contests.contest import Budget, live
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, arms_for
from emotional_ed.experiments.contests.tasks import TASKS

SEEDS = 24
NOISE = np.random.default_rng(1).normal(0, 0.02, (4, SEEDS))
SMALL = Budget(configurations=1, seeds=1, finalists=1, final_seeds=1, report=6, first_seed=3)


def measured(
    own: float, rival: float | None, control: float | None, spread: float = 1.0, **more: Any
) -> Measured:
    """What a contest might say: level 0 is worth 0, and every arm has a little luck of its own."""
    levels = {"own": own, "level-0": 0.0, "rival": rival, "control": control}
    scores = {
        name: level + spread * NOISE[i] for i, (name, level) in enumerate(levels.items()) if level is not None
    }
    there = {name: name if levels[name] is not None else None for name in ("rival", "control")}
    return Measured(
        "fear",
        "there",
        "own",
        "level-0",
        there["rival"],
        there["control"],
        scores,
        **{"to_learn": 1.0, **more},
    )


def verdict(one: Measured) -> str:
    return contest_verdict(one, compare_all([one])[0])


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (measured(0.5, 0.2, 0.0), HOLDS),
        (measured(0.5, 0.2, None), HOLDS),
        (measured(0.5, None, 0.0), IN_PART),  # there is no rival that it beats
        (measured(0.5, 0.5, 0.0), IN_PART),  # a simple rival does as well
        (measured(0.5, 0.8, 0.0), IN_PART),  # or better
        (measured(0.5, 0.2, 0.5), ARTEFACT),  # and so does a control without the idea
        (measured(0.5, 0.2, 0.7), ARTEFACT),
        (measured(0.5, 0.2, 0.3), HOLDS),  # a control may gain, if it is beaten
        (measured(0.5, 0.8, 0.3), IN_PART),
        (measured(0.0, -0.5, None), ARTEFACT),  # nothing worth the name is left
        (measured(0.0, 0.5, None), ARTEFACT),
        (measured(0.0, 0.0, None, spread=10.0), NOT_TOLD_APART),
        (measured(0.0, 0.0, None, to_learn=0.001), NOT_TOLD_APART),  # next to nothing was to be learned
        (measured(-0.5, -0.8, None), HARMFUL),
        (measured(-0.5, -0.8, -0.6), HARMFUL),
        (measured(-0.06, -0.8, None), HARMFUL),
        (measured(-0.04, -0.8, None), ARTEFACT),  # sure, but next to nothing
        (measured(-0.04, -0.8, None, to_learn=0.5), HARMFUL),
    ],
)
def test_the_rule_on_scores_made_by_hand(one: Measured, expected: str) -> None:
    assert verdict(one) == expected


def test_a_gain_that_the_control_is_too_uncertain_to_share_is_no_artefact() -> None:
    """The control is neither beaten nor better than level 0: the gain may or may not be the idea's."""
    one = measured(0.03, -0.5, 0.02)
    scores = {**one.scores, "control": one.scores["control"] + np.linspace(-0.2, 0.2, SEEDS)}
    assert verdict(dataclasses.replace(one, scores=scores)) == IN_PART


@pytest.mark.parametrize(
    ("contests", "controls", "expected"),
    [
        ([HOLDS], [], HOLDS),
        ([HOLDS, HOLDS], ["no loss", "gain"], HOLDS),
        ([HOLDS], [HARMFUL], IN_PART),
        ([HOLDS, ARTEFACT], [], IN_PART),
        ([HARMFUL, IN_PART], [], IN_PART),
        ([IN_PART], ["no loss"], IN_PART),
        ([ARTEFACT, HARMFUL], [], HARMFUL),
        ([NOT_TOLD_APART], [HARMFUL], HARMFUL),
        ([NOT_TOLD_APART, ARTEFACT], ["no loss"], NOT_TOLD_APART),
        ([ARTEFACT, ARTEFACT], ["gain"], ARTEFACT),
    ],
)
def test_claims_are_judged_by_all_their_contests(
    contests: list[str], controls: list[str], expected: str
) -> None:
    assert claim_verdict(contests, controls) == expected


def test_no_contest_no_verdict() -> None:
    with pytest.raises(ValueError, match="contests: got none"):
        claim_verdict([])


def test_a_control_may_gain_and_must_not_lose() -> None:
    every = [measured(own, None, None) for own in (0.5, 0.0, -0.04, -0.5)]
    assert [control_verdict(*pair) for pair in zip(every, compare_all(every), strict=True)] == [
        "gain",
        "no loss",
        "small loss",
        HARMFUL,
    ]


def test_p_values_are_corrected_over_a_family_and_not_over_another() -> None:
    one = measured(0.017, None, None)
    alone = compare_all([one])[0]["own", "level-0"].p
    assert 0 < alone < 0.05
    assert compare_all([one] * 20)[0]["own", "level-0"].p == pytest.approx(min(20 * alone, 1))
    others = [dataclasses.replace(one, family="deep")] * 19
    assert compare_all([one, *others])[0]["own", "level-0"].p == alone


# ---------------------------------------------------------------- rows


def test_every_claim_has_a_row() -> None:
    listed = (
        "threat avoidance, blocked goals, counterfactual choice, loss, conflict, reappraisal, "
        "phasic and tonic affect, disgust, wanting and liking, transfer, reward shaping, curiosity, "
        "failure modes, sample efficiency, slippery cliff, seasons, jammed door, visual hazards, predator, battery"
    )
    assert list(CLAIMS) == listed.split(", ")
    rows = judge({})
    assert [one.name for one in rows] == list(CLAIMS)
    for row in rows:
        told = row.claim.elsewhere or claims.NOT_MEASURED
        assert row.verdict == told
        assert bool(row.claim.contests) != bool(row.claim.elsewhere)
        for mechanism, task in (*row.claim.contests, *row.claim.controls):
            assert mechanism in {*CLAIM_MECHANISMS, SPEED, DEEP}
            assert task in CLAIM_TASKS or mechanism == DEEP


def test_a_claim_with_a_contest_missing_is_not_judged() -> None:
    claim = EarlierClaim(
        said="x", test="y", contests=(("fear", "a"), ("fear", "b")), controls=(("fear", "c"),)
    )
    good, bad = measured(0.5, 0.2, None), measured(-0.5, None, None)
    both = {("fear", "a"): (good, compare_all([good])[0]), ("fear", "b"): (good, compare_all([good])[0])}
    (row,) = judge(both, {"z": claim})
    assert (row.verdict, row.missing) == (claims.NOT_MEASURED, (("fear", "c"),))
    (row,) = judge({**both, ("fear", "c"): (good, compare_all([good])[0])}, {"z": claim})
    assert (row.verdict, row.missing) == (HOLDS, ())
    (row,) = judge({**both, ("fear", "c"): (bad, compare_all([bad])[0])}, {"z": claim})
    assert row.verdict == IN_PART


OWN = ("reappraisal", "disgust", "wanting", "transfer", "shaping")
CONTESTS = [one for claim in CLAIMS.values() for one in (*claim.contests, *claim.controls) if one[0] in OWN]


@pytest.mark.parametrize(("mechanism", "task"), CONTESTS)
def test_the_arms_of_a_claim_live(mechanism: str, task: str) -> None:
    arms = arms_for(task, mechanism, tasks=CLAIM_TASKS, mechanisms=CLAIM_MECHANISMS)
    assert list(arms)[:2] == ["level-0", "level-0 untaught"]
    roles = [one.role for one in arms.values()]
    assert roles[2] == "own"
    assert {"rival", "control"} <= set(roles[3:])
    short = dataclasses.replace(CLAIM_TASKS[task], steps=60)
    different = {name: arm for name, arm in arms.items() if name not in ("level-0", "level-0 untaught")}
    lives = {
        name: live(short, {name: arm}, {name: arm.draw(1, seed=0)}, [1_000_000, 1_000_001])[name][0].score
        for name, arm in different.items()
    }
    assert all(np.isfinite(one).all() for one in lives.values())


def test_every_new_mechanism_is_decided_on_and_the_tasks_of_the_suite_are_kept() -> None:
    assert {one for one, _ in CONTESTS} == set(OWN) == set(CLAIM_MECHANISMS) - set(MECHANISMS)
    assert all(CLAIM_TASKS[name] == task for name, task in TASKS.items())
    (new,) = set(CLAIM_TASKS) - set(TASKS)
    assert CLAIM_TASKS[new] == dataclasses.replace(
        TASKS["predator"], env_kwargs={"leaves": 500}, meant_for=(), control_of="predator"
    )


# ---------------------------------------------------------------- steps to a threshold


def test_half_octaves() -> None:
    assert half_octaves(1600) == (100, 141, 200, 283, 400, 566, 800, 1131, 1600)
    assert half_octaves(120) == (120,)
    assert half_octaves(50) == (50,)


def test_steps_needed_by_hand() -> None:
    grid = (100, 200, 400)
    late = np.array([[1, 0, 1, 0, 1.0], [1, 0, 0, 1, 1], [1, 0, 1, 1, 0.5]])
    assert steps_needed(late, grid, 1.0).tolist() == [100, 400 * 2**0.5, 400, 200, 400 * 2**0.5]
    assert steps_needed(late, grid, 0.5).tolist() == [100, 400 * 2**0.5, 400, 200, 100]


def test_a_short_life_is_the_beginning_of_a_long_one() -> None:
    task, arm = TASKS["silent-catastrophe"], arms_for("silent-catastrophe", "fear")["level-0"]
    setting = {"step_size": 0.3, "exploration": 0.1}
    late = late_scores(task, arm, setting, [5, 6], (100, 300))
    for row, steps in zip(late, (100, 300), strict=True):
        one = live(dataclasses.replace(task, steps=steps), {"x": arm}, {"x": [setting]}, [5, 6])["x"][0]
        assert row.tolist() == one.late.tolist()
    assert late.shape == (2, 2)


# ---------------------------------------------------------------- the command


def test_finished_contests_are_kept_and_the_table_is_made_from_them(tmp_path: Path) -> None:
    elsewhere, out = Sources(tmp_path / "evidence"), tmp_path / "claims"
    run_contests([("regret", "full-feedback")], elsewhere, budget=SMALL, steps=60)
    (tmp_path / "evidence" / "contests").rename(tmp_path / "kept")
    sources = Sources(out, evidence=tmp_path / "kept")
    wanted = [
        ("regret", "full-feedback"),
        ("wanting", "lost-source"),
        (SPEED, "jammed-door"),
        (DEEP, "lava-field"),
    ]
    run_contests(wanted, sources, budget=SMALL, steps=120)
    assert not (out / "contests" / "regret").exists(), "it was finished elsewhere"
    written = {one: one.stat().st_mtime_ns for one in out.rglob("*.json")}
    assert {one.parent.name for one in written} == {"lost-source", "jammed-door", "speed"}
    run_contests(wanted, sources, budget=SMALL, steps=120)
    assert {one: one.stat().st_mtime_ns for one in out.rglob("*.json")} == written
    text = write_claims(sources).read_text()
    told = {
        line.split("|")[1].strip(): line.split("|")[-2].strip() for line in text.split("\n\n")[0].splitlines()
    }
    assert set(CLAIMS) <= set(told)
    assert told["counterfactual choice"] != claims.NOT_MEASURED
    assert told["wanting and liking"] == claims.NOT_MEASURED, "half of it is missing"
    assert told["visual hazards"] == claims.NOT_MEASURED
    facts = json.loads((out / "claims.json").read_text())
    assert facts["verdicts"] == {name: told[name] for name in CLAIMS}
    assert {"revision", "versions", "command"} <= set(facts)
    assert "regret on full-feedback" in facts["revisions"]
    rows = list(csv.DictReader((out / "claims.csv").read_text().splitlines()))
    contests = {(row["mechanism"], row["task"]) for row in rows}
    assert contests == {*wanted[:3]}
    chosen = [row for row in rows if row["mechanism"] == "regret" and row["arm"] == "regret"]
    assert [int(row["seed"]) for row in chosen] == list(range(3, 9))
    path = tmp_path / "kept" / "regret" / "full-feedback" / "suite.json"
    expected = load(("regret", "full-feedback"), path).scores["regret"]
    assert [float(row["score"]) for row in chosen] == pytest.approx(expected.tolist(), rel=1e-4)
    speed = load_speed(out / "speed" / "jammed-door.json")
    assert {row["arm"] for row in rows if row["mechanism"] == SPEED} == set(speed.scores)


def deep_suite(folder: Path) -> None:
    """A finished deep contest, as its `suite.json` has it."""
    levels = {
        "level-1": 0.1,
        "level-2": 0.4,
        "untaught": -1.0,
        "wide-dqn": -0.2,
        "shuffled": 0.0,
        "dqn": 0.0,
        "resets": -0.1,
    }
    roles = {"level-1": "own", "level-2": "own", "dqn": "rival", "resets": "rival"}
    entries = [
        {
            "arm": name, "role": roles.get(name, "control"), "tuning_score": level,
            "lives": [
                {"score": level + float(noise), "late": 0.0, "catastrophes": 1.0, "episodes": 3, "seconds": 1.0}
                for noise in NOISE[0][:10]
            ],
        }
        for name, level in levels.items()
    ]  # fmt: skip
    arms = {name: {"role": roles.get(name, "control")} for name in levels}
    folder.mkdir()
    facts = {"entries": entries, "arms": arms, "budget": {"first_seed": 7}, "revision": "abc"}
    (folder / "suite.json").write_text(json.dumps(facts))


def test_a_deep_contest_is_read_and_judged_against_plain_dqn(tmp_path: Path) -> None:
    deep_suite(tmp_path / "lava")
    one = load((DEEP, "lava-field"), tmp_path / "lava" / "suite.json")
    assert (one.own, one.plain, one.rival, one.control) == ("level-2", "dqn", "resets", "shuffled")
    assert one.to_learn == pytest.approx(1.4)
    assert one.family == DEEP
    sources = Sources(tmp_path / "out", deep=tmp_path / "lava")
    write_claims(sources)
    assert json.loads((tmp_path / "out" / "claims.json").read_text())["verdicts"]["visual hazards"] == HOLDS
    rows = list(csv.DictReader((tmp_path / "out" / "claims.csv").read_text().splitlines()))
    assert len(rows) == 70
    assert {row["seed"] for row in rows} == {str(seed) for seed in range(7, 17)}


def test_a_weaker_form_and_an_arm_that_was_not_searched_are_no_controls(tmp_path: Path) -> None:
    lives = {name: [0.0, 1.0] for name in ("score", "late", "catastrophes")}
    levels: dict[str, tuple[str, float | None]] = {
        "level-0": ("control", 9.0), "level-0 untaught": ("control", 9.0), "all": ("own", 1.0),
        "other": ("own", 2.0), "level-0+1+2 half": ("control", 9.0), "minus": ("control", None),
    }  # fmt: skip
    entries = [{"arm": name, "tuning_score": level, "lives": lives} for name, (_, level) in levels.items()]
    facts = {
        "entries": entries, "arms": {name: {"role": role} for name, (role, _) in levels.items()}, "mechanism": "whole",
        "task": {"name": "taxi", "steps": 9}, "budget": {},
    }  # fmt: skip
    (tmp_path / "suite.json").write_text(json.dumps(facts))
    one = load(("whole", "taxi"), tmp_path / "suite.json")
    assert (one.own, one.rival, one.control) == ("other", None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--claims", "spite"], "claims: got 'spite', expected one of battery, "),
        (["--evidence", "nowhere"], "evidence: got 'nowhere', expected the folder of a finished study"),
        (["--deep", "nowhere"], "deep: got 'nowhere', expected the folder"),
        (["--jobs", "0"], "jobs: got 0"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "run_contests", lambda *_, **__: pytest.fail("it ran"))
    assert claims.main(["--out", str(tmp_path / "never"), *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert told[0].startswith(f"claims: {message}")
    assert not (tmp_path / "never").exists()


def test_the_command_runs_what_is_asked_for_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(claims, "run_contests", lambda wanted, sources, jobs: asked.append((wanted, jobs)))
    assert claims.main(["--out", str(tmp_path), "--claims", "battery", "predator", "--jobs", "1"]) == 0
    assert asked == [([("fear", "battery"), ("fear", "predator")], 1)]
    assert "| battery" in capsys.readouterr().out


def test_reported_seeds_are_fresh() -> None:
    assert (claims.BUDGET.first_seed, claims.BUDGET.report) == (40_000, 50)
    assert dataclasses.replace(claims.BUDGET, first_seed=evidence.BUDGET.first_seed) == evidence.BUDGET
