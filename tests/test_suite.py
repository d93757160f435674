"""The command `emotional-ed suite`: its files, its table, and what it says to bad input."""

import csv
import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.recency import RecencyBonus
from emotional_ed.analysis import estimate, holm, iqm_difference, probability_of_improvement, sign_flip_test
from emotional_ed.experiments import Study, TrainSpec, run_study
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.contests.contest import Budget, Entry, Lives, contest
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, arms_for
from emotional_ed.experiments.contests.suite import COLUMNS, SuiteSpec, table
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.train import train

BRIEF = ["--configurations", "2", "--seeds", "1", "--report", "3", "--seed", "5", "--steps", "80", "--quiet"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    out = tmp_path_factory.mktemp("suite") / "joy"
    return out, main(["suite", "regimes", "joy", "--out", str(out), *BRIEF])


def test_the_command_writes_scores_a_table_and_all_it_takes_to_repeat_it(finished: tuple[Path, int]) -> None:
    out, code = finished
    assert code == 0
    assert sorted(one.name for one in out.iterdir()) == ["scores.csv", "suite.json", "table.md"]
    facts = json.loads((out / "suite.json").read_text())
    assert {"versions", "revision", "command"} <= set(facts)
    assert facts["task"]["name"] == "regimes"
    assert facts["task"]["steps"] == 80
    assert facts["budget"] == {
        "configurations": 2, "seeds": 1, "finalists": 5, "final_seeds": 20, "report": 3, "first_seed": 5,
    }  # fmt: skip
    arms = arms_for("regimes", "joy")
    assert list(facts["arms"]) == list(arms) == [one["arm"] for one in facts["entries"]]
    for name, arm in arms.items():
        assert AffectConfig.from_dict(facts["arms"][name]["affect"]) == arm.affect
        assert LevelZero.from_dict(facts["arms"][name]["level0"]) == arm.level0
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    spec = SuiteSpec(task="regimes", mechanism="joy", steps=80, budget=Budget(**facts["budget"]))
    expected = [
        (one.arm, 5 + i, one.lives.score[i], one.lives.late[i], one.lives.catastrophes[i])
        for one in contest(spec.situation, spec.arms, spec.budget)
        for i in range(3)
    ]
    found = [
        (row["arm"], int(row["seed"]), *(float(row[name]) for name in COLUMNS[4:]))
        for row in rows
        if (row["task"], row["mechanism"]) == ("regimes", "joy")
    ]
    assert found == expected


def test_a_taken_folder_is_refused_and_left_as_it_is(
    finished: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = finished
    before = {one.name: one.read_bytes() for one in out.iterdir()}
    assert main(["suite", "regimes", "joy", "--out", str(out), *BRIEF]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before


def test_suite_json_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emotional_ed.experiments.contests.suite._scores", full)
    assert main(["suite", "regimes", "joy", "--out", str(tmp_path / "a"), *BRIEF]) == 2
    assert not (tmp_path / "a" / "suite.json").exists()


def entry(arm: str, score: Any, falls: float = 0.0) -> Entry:
    scores = np.asarray(score, dtype=float)
    lives = Lives(scores, scores / 2, np.full(len(scores), falls))
    return Entry(arm, {"step_size": 0.123456, "affect.fear.caution": 2.0}, 0.75, lives, [], 1.0)


def test_the_table_says_what_the_statistics_say_and_fits_the_screen() -> None:
    spec = SuiteSpec(task="silent-catastrophe", mechanism="fear", budget=Budget(report=12))
    random = np.random.default_rng(0)
    entries = [entry(name, random.normal(i, 1, 12) * 20 - 100, i) for i, name in enumerate(spec.arms)]
    text = table(spec, entries)
    assert max(map(len, text.splitlines())) <= 110
    rows = {
        cells[1].strip(): [one.strip() for one in cells[2:-1]]
        for cells in (line.split("|") for line in text.split("\n\n")[1].splitlines()[2:])
    }
    own, others = entries[2].lives.score, [one for one in entries if one.arm != "fear"]
    assert list(rows) == list(spec.arms)
    assert rows["fear"] == [f"{estimate(own):.3g}", "", "", ""]
    corrected = holm([sign_flip_test(one.lives.score, own) for one in others])
    for one, p in zip(others, corrected, strict=True):
        assert rows[one.arm] == [
            f"{estimate(one.lives.score):.3g}",
            f"{iqm_difference(one.lives.score, own):.3g}",
            f"{p:.3g}",
            f"{probability_of_improvement(one.lives.score, own):.2f}",
        ]
    assert float(rows["level-0"][1].split()[0]) < 0 < float(rows["intrinsic-fear"][1].split()[0])
    assert "less 0.2 a catastrophe" in " ".join(text.split())
    assert "- fear: step_size 0.123, fear.caution 2" in text
    assert "| 2 [2, 2] " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["regimez", "joy"], "task: got 'regimez', expected one of .*did you mean 'regimes'"),
        (["regimes", "jo"], "mechanism: got 'jo', expected one of .*did you mean 'joy'"),
        (["regimes", "qqqq"], r"mechanism: got 'qqqq', expected one of fear, anger, .*whole$"),
        (["regimes", "joy", "--configurations", "0"], "Budget.configurations: got 0"),
        (["regimes", "joy", "--seed", "-1"], "Budget.first_seed: got -1"),
        (["regimes", "joy", "--steps", "0"], "steps: got 0"),
        (["regimes", "joy", "--jobs", "0"], "jobs: got 0"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "never"
    assert main(["suite", *arguments, "--out", str(out), "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("emotional-ed: ")
    assert re.search(message, lines[0])
    assert not out.exists()


def test_progress_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = [one for one in BRIEF if one != "--quiet"]
    assert main(["suite", "lost-source", "joy", "--out", str(tmp_path / "a"), *noisy]) == 0
    told = capsys.readouterr()
    assert "8/8" in told.err
    assert "joy on lost-source" in told.err
    assert "arm/s" not in told.out
    assert (tmp_path / "a" / "table.md").read_text() in told.out


def test_the_list_names_tasks_and_mechanisms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert set(TASKS) | set(MECHANISMS) <= lines


def test_channels_of_ones_own_survive_the_files_of_runs_and_studies(tmp_path: Path) -> None:
    own = AffectConfig(own=(RecencyBonus.Config(gain=0.03),))
    study = Study(env_id="EmotionalED/JammedDoor-v0", seeds=2, steps=30, arms={"curious": own})
    run_study(study, tmp_path / "study")
    told = json.loads((tmp_path / "study" / "study.json").read_text())
    assert AffectConfig.from_dict(told["arms"]["curious"]) == own
    config = json.loads((tmp_path / "study" / "curious" / "config.json").read_text())
    assert AffectConfig.from_dict(config["affect"]) == own


def test_a_run_says_what_its_level_0_is_made_of_and_whether_it_listens(tmp_path: Path) -> None:
    level0 = LevelZero(reset_episodes=3)
    spec = TrainSpec(env_id="EmotionalED/FullFeedback-v0", steps=40, level0=level0, listens=True)
    config = json.loads((train(spec, tmp_path / "run") / "config.json").read_text())
    assert LevelZero.from_dict(config["level0"]) == level0
    assert config["listens"] is True
    built = spec.build()
    assert built.listens
    assert built.mind.parts == [level0]
    again = {name: value for name, value in config.items() if name in spec.to_dict()}
    assert again == json.loads(json.dumps(spec.to_dict()))
    frozen = MappingProxyType({"level-0": MappingProxyType({"step_size": 0.5})})
    study = Study(
        env_id="EmotionalED/JammedDoor-v0", seeds=2, steps=20, settings=frozen,
        env_kwargs=MappingProxyType({"opens": False}), arms={"level-0": AffectConfig.levels(0)},
    )  # fmt: skip
    run_study(study, tmp_path / "study")
    told = json.loads((tmp_path / "study" / "study.json").read_text())
    assert (told["settings"], told["env_kwargs"]) == ({"level-0": {"step_size": 0.5}}, {"opens": False})
