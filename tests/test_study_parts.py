"""What a study is made of: arms by name, settings and tuning, blocks of seeds, its table, how it is told."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped]
import pytest

from emotional_ed.affect import AffectConfig
from emotional_ed.analysis import load_run, load_study
from emotional_ed.experiments import (
    LADDER,
    Range,
    Study,
    TrainSpec,
    Tuning,
    arms_named,
    leave_one_out,
    run_study,
)
from emotional_ed.experiments.arms import curious
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.display import Display
from emotional_ed.experiments.jobs import RETRIES, Done, Job, Waiting
from emotional_ed.experiments.tuning import mean_returns_of, trial_runs, with_setting

DOOR = "EmotionalED/JammedDoor-v0"
ZERO = {"level-0": AffectConfig.levels(0)}
DEEP: dict[str, Any] = {
    "learning_starts": 40,
    "buffer_size": 300,
    "batch_size": 8,
    "policy_kwargs": {"net_arch": [16]},
}


# ---------------------------------------------------------------- arms and settings


def test_arms_by_name() -> None:
    assert list(arms_named("ladder", "without-fear", "level-0")) == [*LADDER, "without-fear"]
    assert list(arms_named("all")) == [*LADDER, *curious(), *leave_one_out(), "fixed-repeat"]
    assert list(arms_named("curious")) == list(curious()) == ["level-0+1-curious", "level-0+1+2-curious"]
    with pytest.raises(
        ValueError, match=r"arms: got 'without-angre', expected .*did you mean 'without-anger'"
    ):
        arms_named("without-angre")
    with pytest.raises(
        ValueError, match="settings: got 'levl-0', expected one of level-0; did you mean 'level-0'"
    ):
        Study(env_id=DOOR, arms=ZERO, settings={"levl-0": {"step_size": 0.5}})


@pytest.mark.parametrize(
    "name", ["", "a/b", ".a", "_a", "tuning", "Trials", "7", "seed_3", "fear-seed-2", "a\\b"]
)
def test_names_that_a_folder_of_runs_could_not_hold(name: str) -> None:
    with pytest.raises(ValueError, match="expected one that can name the folder of an arm"):
        Study(env_id=DOOR, arms={name: AffectConfig.levels(0)})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"algorithm": "PPO"}, "algorithm: got 'PPO', expected one of EmotionalDQN, EmotionalQ"),
        ({"settings": {"level-0": {"stepsize": 0.1}}}, "settings: got 'stepsize', expected step_size"),
        ({"settings": {"level-0": {"affect.fear.caution": 1}}}, "got the path 'affect.fear.caution'"),
        ({"hyperparameters": {"learning_rate": 1}}, "hyperparameters: got .* expected none for emotional-q"),
        (
            {"algorithm": "EmotionalDQN", "step_size": 0.2},
            "step_size: got 0.2, expected hyperparameters such as",
        ),
        (
            {"algorithm": "EmotionalDQN", "hyperparameters": {"gamma": 1}},
            "hyperparameters: got 'gamma', which has",
        ),
        ({"algorithm": "EmotionalDQN", "seeds_a_job": 2}, "seeds_a_job: got 2"),
        (
            {"first_seed": 95, "tuning": Tuning(first_seed=100)},
            "100 to 114, of which 15 .e.g. 100. are reported too",
        ),
        ({"tuning": Tuning(own={"level-1": {}})}, "settings: got 'level-1', expected one of level-0"),
    ],
)
def test_bad_studies_are_one_sentence(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Study(**{"env_id": DOOR, "arms": ZERO, "seeds": 30, **more})


def test_bad_input_of_deep_studies(tmp_path: Path) -> None:
    for more, message in (
        ({"hyperparameters": {"learning_rat": 1}}, "cannot be built: .*learning_rat"),
        ({"env_id": "Nowhere-v0"}, "env: got 'Nowhere-v0', expected an id that Gymnasium knows"),
        ({"policy": "CnnPolic"}, "CnnPolic"),
    ):
        fixed: dict[str, Any] = {
            "env_id": "CartPole-v1",
            "algorithm": "EmotionalDQN",
            "seeds": 1,
            "arms": ZERO,
        }
        study = Study(**{**fixed, **more})
        with pytest.raises(ValueError, match=message):
            run_study(study, tmp_path / "s")
        assert not (tmp_path / "s").exists()


def test_settings_reach_their_places() -> None:
    spec = TrainSpec(env_id=DOOR, steps=9, affect=AffectConfig.levels(1))
    tried = with_setting(spec, {"step_size": 0.7, "discount": 0.5, "affect.fear.caution": 2.5})
    assert (tried.step_size, tried.discount) == (0.7, 0.5)
    assert tried.affect.fear is not None
    assert tried.affect.fear.caution == 2.5
    deep = TrainSpec(env_id="CartPole-v1", steps=9, agent="emotional-dqn", affect=AffectConfig.levels(1))
    tried = with_setting(deep, {"learning_rate": 0.02, "affect.fear.caution": 2.5})
    assert tried.hyperparameters == {"learning_rate": 0.02}
    assert tried.affect.fear is not None
    assert tried.affect.fear.caution == 2.5


def test_seeds_in_blocks_give_the_same_arm(tmp_path: Path) -> None:
    one = run_study(Study(env_id=DOOR, arms=ZERO, seeds=5, steps=200, first_seed=8), tmp_path / "one")
    blocks = Study(env_id=DOOR, arms=ZERO, seeds=5, steps=200, first_seed=8, seeds_a_job=2)
    assert {name: run.population for name, run in blocks.runs().items()} == {
        "level-0/seed_8": 2, "level-0/seed_10": 2, "level-0/seed_12": 1,
    }  # fmt: skip
    several = run_study(blocks, tmp_path / "several")
    assert [len(one), len(several)] == [1, 1]
    assert several[0].final.value == pytest.approx(one[0].final.value)
    whole, parts = one.study[0], several.study[0]
    for index, seed in enumerate(whole.seeds or ()):
        there = (parts.seeds or ()).index(seed)
        mine = whole.episodes[whole.episodes["member"] == index]
        theirs = parts.episodes[parts.episodes["member"] == there]
        assert mine["return"].tolist() == theirs["return"].tolist()


def test_a_deep_study_has_a_run_a_seed_and_one_arm_in_the_report(tmp_path: Path) -> None:
    study = Study(
        env_id="CartPole-v1", algorithm="EmotionalDQN", seeds=2, steps=200, hyperparameters=DEEP,
        question="Does emotion balance a pole?", catastrophe_reward=0.0,
    )  # fmt: skip
    assert list(study.arms) == list(LADDER)
    assert all(arm.recall is None for arm in study.arms.values())
    table = run_study(study, tmp_path)
    assert [(row.arm, row.final.seeds) for row in table] == [(arm, 2) for arm in LADDER]
    loaded = load_study(tmp_path)
    assert loaded.facts["question"] == study.question
    assert loaded[0].seeds == (0, 1)
    assert loaded[0].catastrophes is not None
    folder = tmp_path / "level-0+1" / "seed_1"
    config = json.loads((folder / "config.json").read_text())
    assert (config["agent"], config["seed"], config["population"]) == ("emotional-dqn", 1, 1)
    run = load_run(folder)
    assert run.steps >= 200
    assert run.episodes["length"].sum() + (run.unfinished_return[0]) == run.steps  # a reward of 1 a step
    assert run.episodes["step"].tolist() == np.cumsum(run.episodes["length"]).tolist()


def test_pandas_reads_the_table(tmp_path: Path) -> None:
    study = Study(
        env_id=DOOR, arms={name: LADDER[name] for name in ("level-0", "level-0+1")}, seeds=3, steps=300
    )
    table = run_study(study, tmp_path)
    frame = pandas.DataFrame(table.records())
    assert frame["arm"].tolist() == ["level-0", "level-0+1"]
    assert frame["return_second_half"].tolist() == [row.final.value for row in table]
    assert frame["baseline"].tolist()[1] == "level-0"
    assert frame["p_holm"].notna().tolist() == [False, True]


# ---------------------------------------------------------------- tuning


def test_tuning_keeps_all_trials_and_confirms_on_fresh_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuning = Tuning(
        configurations=4, seeds=2, finalists=2, final_seeds=3, first_seed=500,
        own={"level-0+1": {"affect.fear.caution": Range(0.5, 4.0)}},
    )  # fmt: skip
    arms = {name: LADDER[name] for name in ("level-0", "level-0+1")}
    study = Study(env_id=DOOR, arms=arms, seeds=3, steps=120, tuning=tuning)
    table = run_study(study, tmp_path)
    assert [row.arm for row in table] == ["level-0", "level-0+1"]  # and no trial
    with (tmp_path / "tuning" / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert [(one["arm"], one["trial"]) for one in trials] == [(arm, str(i)) for arm in arms for i in range(4)]
    facts = json.loads((tmp_path / "study.json").read_text())
    assert (facts["tuning"]["first_seed"], facts["tuning"]["seeds"]) == (500, 5)
    for arm, spec in study.specs().items():
        mine = [one for one in trials if one["arm"] == arm]
        settings = tuning.settings(arm, spec)
        scores: dict[int, list[float]] = {}
        for number, setting in enumerate(settings):  # by hand, each trial and seed alone
            for seed in range(500, 505):
                model = with_setting(spec, setting)
                alone = TrainSpec(**{**vars(model), "population": 1, "seed": seed}).build().learn(120)
                returns = [*alone.episodes["return"], *alone.unfinished_returns[alone.unfinished_lengths > 0]]
                scores.setdefault(number, []).append(float(np.mean(returns)))
        assert [float(one["score"]) for one in mine] == pytest.approx(
            [np.mean(s[:2]) for s in scores.values()]
        )
        best = sorted(scores, key=lambda number: -np.mean(scores[number][:2]))[:2]
        assert {int(one["trial"]) for one in mine if one["confirmed"]} == set(best)
        for number in best:
            assert float(mine[number]["confirmed"]) == pytest.approx(np.mean(scores[number][2:]))
        winner = max(sorted(best), key=lambda number: np.mean(scores[number]))
        assert [one["chosen"] for one in mine].index("1") == winner
        assert facts["settings"][arm] == facts["tuning"]["arms"][arm]["setting"] == settings[winner]
        assert facts["tuning"]["arms"][arm]["budget"] == 4
        config = json.loads((tmp_path / arm / "config.json").read_text())
        assert config["step_size"] == settings[winner]["step_size"]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("metrics.csv")}
    run_study(study, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("metrics.csv")} == before
    assert main(["report", str(tmp_path), "--relive", "0"]) == 0
    assert "Untuned baseline" not in (tmp_path / "report.md").read_text()
    assert "Overlapping" not in (tmp_path / "report.md").read_text()


def test_what_arms_have_in_common_is_drawn_alike_and_a_larger_budget_goes_on() -> None:
    spec = TrainSpec(env_id=DOOR, steps=9, affect=AffectConfig.levels(1))
    small = Tuning(configurations=3, own={"b": {"affect.fear.caution": Range(1, 2)}})
    large = Tuning(configurations=9, own=small.own)
    a, b = small.settings("a", spec), small.settings("b", spec)
    assert [
        {**one, "affect.fear.caution": two["affect.fear.caution"]} for one, two in zip(a, b, strict=True)
    ] == b
    assert large.settings("b", spec)[:3] == b
    assert Tuning(configurations=3, draw=1).settings("a", spec) != a
    assert all(0.02 <= one["step_size"] <= 1 for one in large.settings("a", spec))


def test_a_large_search_is_cut_into_populations_that_fit() -> None:
    spec = TrainSpec(env_id=DOOR, steps=9, affect=AffectConfig.levels(0))
    settings = dict(enumerate(Tuning(configurations=400).settings("a", spec)))
    runs = trial_runs(spec, settings, range(7, 12))
    assert [one.population for one, _ in runs.values()] == [1500, 500]
    assert [pair for _, members in runs.values() for pair in members] == [
        (n, s) for n in range(400) for s in range(7, 12)
    ]
    deep = TrainSpec(env_id="CartPole-v1", steps=9, agent="emotional-dqn", affect=AffectConfig.levels(0))
    runs = trial_runs(deep, {4: {"learning_rate": 0.1}}, range(7, 9))
    assert list(runs) == ["trial_0004/seed_7", "trial_0004/seed_8"]
    assert runs["trial_0004/seed_8"][0].seed == 8


def test_running_episodes_count_in_a_score(tmp_path: Path) -> None:
    study = Study(env_id=DOOR, arms=ZERO, seeds=4, steps=170)
    run = run_study(study, tmp_path).study[0]
    model = study.specs()["level-0"].build().learn(170)
    rows = model.episodes
    for member, score in enumerate(mean_returns_of(run)):
        returns = [*rows["return"][rows["member"] == member]]
        returns += [model.unfinished_returns[member]] if model.unfinished_lengths[member] else []
        assert score == pytest.approx(np.mean(returns))


# ---------------------------------------------------------------- how it is told, and what is retried


def jobs(folder: Path, *names: str) -> list[Job]:
    spec = TrainSpec(env_id=DOOR, steps=100, population=5)
    return [Job(name=name, folder=folder / name, lock=folder / "lock", spec=spec) for name in names]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_plain_log_and_the_live_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = jobs(tmp_path, "a/seed_0", "a/seed_5", "b")
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        display = Display("Door", [one, two, three], lambda: False, shown=True, log=tmp_path / "log")
        clock[0] += 5
        display.steps(one, 0)
        clock[0] += 20
        display.steps(one, 50)
        assert display.line() == "Door: arms 0/2, seeds 0/15, 17%, 12 steps/s, 1 min 40 s left"
        display.done(one)
        display.done(two)
        assert display.line().startswith("Door: arms 1/2, seeds 10/15, 67%, 50 steps/s, 10 s left")
        display.note(three, "is strange")
        display.close()
        text = stream.getvalue()
        assert "arms 1/2, seeds 10/15" in text
        assert "b: is strange" in text
        assert ("steps/s, 1 min 40 s left" in text) is not stream.isatty()
        assert ("left" in text and "|" in text) is stream.isatty() or not stream.isatty()
    assert "b: is strange" in (tmp_path / "log").read_text()
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    Display("Door", [one], lambda: False, shown=False, log=tmp_path / "log").note(one, "x")
    assert quiet.getvalue() == ""


class Silent:
    """Hears, and says nothing."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def steps(self, job: Job, steps: int) -> None:
        return None

    def note(self, job: Job, text: str) -> None:
        self.heard.append(f"{job.name}: {text}")

    def done(self, job: Job) -> None:
        self.heard.append(job.name)

    def stopped(self) -> bool:
        return False


def test_what_is_retried_waited_for_and_given_up(tmp_path: Path) -> None:
    teller = Silent()
    waiting = Waiting(jobs(tmp_path, "a", "b", "c", "d"), teller)
    first, second, third = (waiting.next() for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    waiting.take(first, Done("busy", "host 7"))
    for _ in range(RETRIES):
        waiting.lost(second, "its process was killed by signal 9")
        assert waiting.next() is second  # before all others
    waiting.lost(second, "its process was killed by signal 9")
    assert waiting.failed == {"b": f"its process was killed by signal 9, {RETRIES + 1} times"}
    waiting.take(third, Done("failed", "bad luck"))
    fourth = waiting.next()
    assert fourth is not None
    assert fourth.name == "d"
    assert waiting.next() is None  # "a" is another caller's, and not looked at again at once
    assert waiting
    waiting.take(fourth, Done("full", "No space left on device"))
    assert not waiting
    assert waiting.failed.keys() == {"b", "c", "d"}
    assert teller.heard[0] == "a: is being trained by another process (host 7)"
    with pytest.raises(KeyboardInterrupt):
        waiting.take(first, Done("stopped"))
