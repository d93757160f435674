"""The deep ladder: which arms it has, at which settings they run, what it writes, and how it goes on."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from emotional_ed.affect import AffectConfig
from emotional_ed.experiments.contests.rungs import (
    EMOTIONS,
    EVERYTHING,
    MOODS,
    PLAIN,
    REMOVED,
    SILENT,
    SLEEP,
    without,
)
from emotional_ed.experiments.deep import ladder
from emotional_ed.experiments.deep.arm import DeepArm, PrioritisedConfig
from emotional_ed.experiments.deep.jobs import live_deep
from emotional_ed.experiments.deep.ladder import (
    AT_FULL,
    BY_CHANCE,
    deep_ladder_table,
    deep_rungs,
    run_deep_ladder,
    setting_of,
    tuned_settings,
)
from emotional_ed.experiments.deep.task import DEEP_TASKS

COMMON = {"learning_rate": 1e-3, "exploration_final_eps": 0.02, "target_update_interval": 100.0}
FULL = {
    **COMMON,
    "buffer_size": 2000.0,
    "affect.fear.caution": 2.0,
    "affect.fear.avoidance": 0.5,
    "affect.recall.threshold": 7.0,
}


@pytest.fixture
def contest(tmp_path: Path) -> Path:
    """A folder as a finished contest leaves it, with what is read of it."""
    folder = tmp_path / "contest"
    folder.mkdir()
    entries = [
        {"arm": "level-2", "setting": FULL},
        {"arm": "dqn", "setting": {**COMMON, "buffer_size": 1000.0}},
    ]
    facts = {"task": {"name": "recurring-cartpole"}, "entries": entries}
    (folder / "suite.json").write_text(json.dumps(facts))
    return folder


def test_each_removal_takes_one_part_and_no_other() -> None:
    rungs = deep_rungs()
    everything = rungs[EVERYTHING]
    parts = set(everything.affect.parts())
    assert parts == {*SILENT, "joy", "curiosity", "mood", "temperament", "recall", "attachment", "salience",
                     "weights", "surprise"}  # fmt: skip
    for part in SILENT:
        less = rungs[without(part)]
        assert less.affect == everything.affect
        assert set(less.fixed) == set(SILENT[part])
        configured = less.configured(less.fixed)[0].affect
        assert configured != everything.affect
        assert {path.split(".")[1] for path in less.fixed} == {part}
    for part, gone in REMOVED.items():
        if part == "regret":
            assert without(part) not in rungs
            continue
        less = rungs[without(part)]
        assert parts - set(less.affect.parts()) == set(gone)
        assert (less.sleep is None) == (less.replay is None) == (part == "sleep")


def test_an_arm_takes_of_a_setting_what_it_has_a_place_for() -> None:
    rungs = deep_rungs()
    base = {**COMMON, "buffer_size": 2000.0}
    assert setting_of(rungs[MOODS], FULL) == FULL
    assert setting_of(rungs[AT_FULL], FULL) == setting_of(rungs[SLEEP], FULL) == base
    assert setting_of(rungs[EMOTIONS], FULL) == {
        **base,
        "affect.fear.caution": 2.0,
        "affect.fear.avoidance": 0.5,
    }
    assert setting_of(rungs[BY_CHANCE], FULL) == {**FULL, "affect.recall.threshold": 10.0}
    silent = setting_of(rungs[without("fear")], FULL)
    assert silent == {**FULL, "affect.fear.caution": 0.0, "affect.fear.avoidance": 0.0}
    assert "affect.recall.threshold" not in setting_of(rungs[without("mood")], FULL)
    for arm in rungs.values():
        arm.configured(setting_of(arm, FULL))  # every path leads somewhere
        assert pickle.loads(pickle.dumps(arm)) == arm  # it travels to a worker


def test_runs_are_those_of_the_settings_and_are_made_once(contest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = (PLAIN, EMOTIONS)
    told = run_deep_ladder(contest, out, seeds=2, jobs=1, arms=chosen, steps=60)
    _, name, tuned = tuned_settings(contest)
    assert name == "recurring-cartpole"
    task = DEEP_TASKS[name]
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert [(row["arm"], row["seed"]) for row in rows] == [(arm, s) for arm in chosen for s in ("100", "101")]
    rungs = deep_rungs()
    short = type(task)(**{**{f: getattr(task, f) for f in task.__dataclass_fields__}, "steps": 60})
    for row in rows:
        setting = setting_of(rungs[row["arm"]], tuned["dqn" if row["arm"] == PLAIN else "level-2"])
        life = live_deep(short, rungs[row["arm"]], setting, int(row["seed"]))
        assert float(row["score"]) == life.score
    files = {path: path.stat().st_mtime_ns for path in out.rglob("seed*.json")}
    assert len(files) == 4
    again = run_deep_ladder(contest, out, seeds=2, jobs=1, arms=(SLEEP,), steps=60)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert SLEEP not in told
    assert SLEEP in again
    assert PLAIN in again  # arms of earlier calls stay in the table
    with pytest.raises(ValueError, match="of another contest"):
        run_deep_ladder(contest, out, seeds=2, jobs=1, arms=chosen, steps=61)


def test_settings_and_seeds_can_be_those_of_another_arm(contest: Path, tmp_path: Path) -> None:
    facts = json.loads((contest / "suite.json").read_text())
    careful = {**COMMON, "affect.fear.caution": 0.1}
    facts["entries"].append({"arm": "level-1", "setting": careful})
    (contest / "suite.json").write_text(json.dumps(facts))
    out = tmp_path / "out"
    arms = (EMOTIONS, f"{EMOTIONS} less fear")
    kwargs = {"seeds": 2, "jobs": 1, "arms": arms, "steps": 60, "full": "level-1", "first_seed": 200}
    told = run_deep_ladder(contest, out, **kwargs)  # type: ignore[arg-type]
    assert "at that of 'level-1'" in " ".join(told.split())
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert [(row["arm"], row["seed"]) for row in rows] == [(arm, s) for arm in arms for s in ("200", "201")]
    life = json.loads((out / "runs" / EMOTIONS / "seed200.json").read_text())
    assert life["setting"] == careful
    less = json.loads((out / "runs" / f"{EMOTIONS}-less-fear" / "seed201.json").read_text())
    assert less["setting"] == COMMON
    with pytest.raises(ValueError, match="of another contest"):
        run_deep_ladder(contest, out, **{**kwargs, "first_seed": 300})  # type: ignore[arg-type]


def test_emotions_are_taken_away_one_by_one() -> None:
    rungs = deep_rungs()
    for part in ("arousal", "fear", "anger"):
        less = rungs[f"{EMOTIONS} less {part}"].affect
        assert set(rungs[EMOTIONS].affect.parts()) - set(less.parts()) == {part}
    assert rungs[f"{EMOTIONS} shuffled"].affect.shuffled == ("fear", "anger")


def test_the_table_says_gain_and_loss_against_level_0_and_everything() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (4, 12))
    levels = {PLAIN: 30.0, MOODS: 50.0, EVERYTHING: 48.0, without("recall"): 31.0}
    scores = {name: level + noise[i] for i, (name, level) in enumerate(levels.items())}
    text = deep_ladder_table("recurring-cartpole", DEEP_TASKS["recurring-cartpole"], scores)
    row = {
        line.split("|")[1].strip(): line.split("|")[3].strip() for line in text.splitlines() if "|" in line
    }
    assert row[PLAIN] == ""
    assert float(row[MOODS].split()[0]) == pytest.approx(20, abs=1)
    assert row[MOODS].endswith("▲")
    assert float(row[without("recall")].split()[0]) == pytest.approx(-17, abs=1)
    assert row[without("recall")].endswith("▼")


def test_bad_input_is_told_in_a_sentence(
    contest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(*words: str) -> str:
        assert ladder.main([*words, "--out", str(tmp_path / "out")]) == 2
        return capsys.readouterr().err

    assert "expected the folder of a finished" in tell("--contest", str(tmp_path))
    assert "arms: got 'level-9'" in tell("--contest", str(contest), "--arms", "level-9")
    assert "seeds: got 1, expected" in tell("--contest", str(contest), "--seeds", "1")
    facts = json.loads((contest / "suite.json").read_text())
    facts["entries"] = facts["entries"][:1]
    (contest / "suite.json").write_text(json.dumps(facts))
    assert "expected ['dqn'] among them" in tell("--contest", str(contest))
    assert not (tmp_path / "out").exists()


def test_sleep_needs_a_buffer_and_is_named_only_where_it_is() -> None:
    asleep = deep_rungs()[SLEEP]
    assert asleep.to_dict()["sleep"]["draw"] == "salience"
    assert "sleep" not in DeepArm(affect=AffectConfig.levels(1)).to_dict()
    with pytest.raises(ValueError, match="sleep: got DeepSleepConfig"):
        DeepArm(sleep=asleep.sleep)
    model, _ = asleep.build(DEEP_TASKS["recurring-cartpole"], COMMON, seed=0)
    assert model.sleep == asleep.sleep
    assert isinstance(asleep.replay, PrioritisedConfig)
    model.get_env().close()
