"""The deep contest and the study of harm: what they run, what they write, and how they go on."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.episode_log import EpisodeLog
from emotional_ed.agents.deep.rivals import IntrinsicFearBuffer, Resets
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.analysis import estimate, holm, iqm_difference, probability_of_improvement, sign_flip_test
from emotional_ed.experiments.contests.arm import Range
from emotional_ed.experiments.deep import contest as deep_contest
from emotional_ed.experiments.deep import no_harm
from emotional_ed.experiments.deep.arm import (
    COMMON,
    DangerConfig,
    DeepArm,
    PrioritisedConfig,
    ResetsConfig,
    RiskConfig,
)
from emotional_ed.experiments.deep.arms import deep_arms
from emotional_ed.experiments.deep.contest import run_deep_suite
from emotional_ed.experiments.deep.contest_table import COLUMNS, deep_table, over_settings, own_entry
from emotional_ed.experiments.deep.jobs import DeepJob, DeepLife, live_deep, run_jobs
from emotional_ed.experiments.deep.no_harm import NoHarm, NoHarmSpec, no_harm_table, run_no_harm
from emotional_ed.experiments.deep.plan import DeepBudget, DeepEntry, DeepSuiteSpec
from emotional_ed.experiments.deep.task import DEEP_TASKS, DeepTask

POLE = DeepTask(
    env_id="EmotionalED/RecurringCartPole-v0",
    steps=152,
    hidden=(8,),
    settings={"learning_starts": 20, "train_freq": 4, "buffer_size": 100, "batch_size": 8},
    falls=True,
)
SETTING = {"learning_rate": 2e-3, "exploration_final_eps": 0.07, "target_update_interval": 30.0}


# ---------------------------------------------------------------- episodes


class _Watch(BaseCallback):
    """Keeps every reward, end and catastrophe."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[Any, Any, list[bool]]] = []

    def _on_step(self) -> bool:
        bad = [bool(info["catastrophe"]) for info in self.locals["infos"]]
        self.steps.append((self.locals["rewards"].copy(), self.locals["dones"].copy(), bad))
        return True


def test_the_log_holds_every_episode_of_every_environment() -> None:
    env = make_vec_env(POLE.env_id, 3, seed=1, env_kwargs={"period": 30})
    log, watch = EpisodeLog(), _Watch()
    model = EmotionalDQN("MlpPolicy", env, affect=AffectConfig.levels(0), seed=0, device="cpu")
    model.learn(156, callback=[log, watch])
    model.learn(96, callback=[log, watch], reset_num_timesteps=False)
    finished, running = [], []
    for i in range(3):
        gained, length, bad = 0.0, 0, 0
        for at, (rewards, dones, catastrophes) in enumerate(watch.steps):
            gained, length, bad = gained + rewards[i], length + 1, bad + catastrophes[i]
            if dones[i]:
                finished.append((gained, length, bad, 3 * (at + 1)))
                gained, length, bad = 0.0, 0, 0
        if length:
            running.append((gained, length, bad, np.inf))
    assert sorted(log.rows) == sorted(finished)
    rows = zip(log.returns, log.lengths, log.catastrophes, log.ends, strict=True)
    assert sorted(rows) == sorted([*finished, *running])
    assert log.lengths.sum() == model.num_timesteps == 252
    assert len(finished) > 5


# ---------------------------------------------------------------- arms


@pytest.mark.parametrize("task", ["recurring-cartpole", "turned-field", "lava-field", "new-doors"])
def test_what_arms_have_in_common_is_drawn_alike(task: str) -> None:
    arms = deep_arms(DEEP_TASKS[task])
    also = DEEP_TASKS[task].search
    drawn = {name: arm.draw(5, seed=0, also=also) for name, arm in arms.items()}
    for name, settings in drawn.items():
        for mine, other in zip(settings, drawn["dqn"], strict=True):
            shared = set(other) - set(arms[name].fixed)
            assert {path: mine[path] for path in shared} == {path: other[path] for path in shared}
            for path, value in mine.items():
                if path not in arms[name].fixed:
                    low, high, _ = {**COMMON, **also, **arms[name].search}[path]
                    assert low <= value <= high
    assert len({tuple(one.values()) for one in drawn["dqn"]}) == 5
    assert {one["learning_rate"] for one in drawn["untaught"]} == {0.0}


@pytest.mark.parametrize("task", ["lava-field", "new-doors"])
def test_how_long_to_explore_is_searched_and_reaches_the_agent(task: str) -> None:
    """DQN gains as much from exploring for a tenth of the steps as emotions gain at three tenths."""
    arms = deep_arms(DEEP_TASKS[task])
    for name in ("dqn", "level-1", "qr-dqn-cvar"):
        setting = arms[name].draw(1, seed=0, also=DEEP_TASKS[task].search)[0]
        model, _ = arms[name].build(DEEP_TASKS[task], setting, seed=0)
        assert model.exploration_fraction == setting["exploration_fraction"] != 0.1


@pytest.mark.parametrize("name", DEEP_TASKS)
def test_the_contest_has_the_full_agent_its_controls_and_the_rivals(name: str) -> None:
    arms = deep_arms(DEEP_TASKS[name])
    assert {"level-1", "level-2", "level-2-salient"} == {one for one in arms if arms[one].role == "own"}
    of_task = {"intrinsic-fear"}  # where a catastrophe is declared
    if DEEP_TASKS[name].blocks:
        of_task = {"ez-greedy", "fixed-repeat"}
    elif name in ("turned-field", "steady-field"):
        of_task = set()
    assert {"dqn", "double-dqn", "prioritised-dqn", "resets", "qr-dqn-cvar", *of_task} == {
        one for one in arms if arms[one].role == "rival"
    }
    rivals = {one: arm for one, arm in arms.items() if arm.role == "rival"}
    assert all(arm.affect.is_plain for one, arm in rivals.items() if one != "fixed-repeat")
    assert "intrinsic-fear" not in deep_arms(dataclasses.replace(POLE, falls=False))
    assert all(json.loads(json.dumps(one.to_dict()))["role"] == one.role for one in arms.values())


def test_a_task_is_written_down_as_before_there_were_blocks_and_changes() -> None:
    lava, doors, turned = (DEEP_TASKS[name] for name in ("lava-field", "new-doors", "turned-field"))
    assert not {"blocks", "change"} & set(lava.to_dict())
    assert doors.to_dict()["blocks"] is True
    for task in (lava, doors, turned):
        assert DeepTask(**task.to_dict()) == task


def test_a_field_is_turned_and_its_control_is_not() -> None:
    turned, steady = DEEP_TASKS["turned-field"], DEEP_TASKS["steady-field"]
    assert turned.to_dict() | {"change": None} == {
        **steady.to_dict(), "change": None, "control_of": "", "search": turned.to_dict()["search"]
    }  # fmt: skip
    for task, moves in ((turned, [2, 3, 0, 1]), (steady, [0, 1, 2, 3])):
        here, there = task.make(), gymnasium.make(task.env_id, lava=0.0, slip=0.0)
        here.unwrapped.slip = 0.0  # type: ignore[attr-defined]
        here.reset(seed=3), there.reset(seed=3)
        for _ in range(200):
            here.reset(), there.reset()
        for action, done in enumerate(moves):
            np.testing.assert_array_equal(here.step(action)[0], there.step(done)[0])


def built(arm: DeepArm, **setting: float) -> tuple[Any, list[Any]]:
    return arm.build(POLE, {**SETTING, **{path.replace("__", "."): v for path, v in setting.items()}}, seed=4)


def test_numbers_reach_the_agent() -> None:
    arm = DeepArm(affect=AffectConfig.levels(1), width=3, double=True, fear_on="target")
    model, callbacks = built(arm, buffer_size=70.0, affect__fear__caution=2.5)
    assert callbacks == []
    assert (model.learning_rate, model.exploration_final_eps) == (2e-3, 0.07)
    assert (model.target_update_interval, model.buffer_size, model.batch_size) == (30, 70, 8)
    assert (model.gamma, model.seed, model.double, model.fear_on) == (0.99, 4, True, "target")
    assert model.affect_config.fear.caution == 2.5
    assert [one.out_features for one in model.q_net.q_net if hasattr(one, "out_features")] == [24, 2]
    feared, _ = built(DeepArm(danger=DangerConfig()), danger__penalty=4.0, danger__radius=2.0)
    buffer = feared.replay_buffer
    assert isinstance(buffer, IntrinsicFearBuffer)
    assert (buffer.penalty, buffer.radius, buffer.falls, buffer.bad_reward) == (4.0, 2, True, None)
    _, (resets,) = built(DeepArm(resets=ResetsConfig()), resets__every=60.0, resets__layers=2.0)
    assert isinstance(resets, Resets)
    assert (resets.every, resets.layers) == (60, 2)
    ranked, _ = built(DeepArm(replay=PrioritisedConfig(uniform=0.2)), replay__salience_share=0.25)
    buffer = ranked.replay_buffer
    assert isinstance(buffer, SalienceReplayBuffer)
    assert (buffer.priorities.uniform, buffer.priorities.salience_share) == (0.2, 0.25)
    assert buffer._beta_steps == 152 // 4
    careful, _ = built(DeepArm(risk=RiskConfig(quantiles=7)), risk__share=0.4)
    assert (careful.policy.share, careful.policy.quantile_net.n_quantiles) == (0.4, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"role": "hero"}, "role: got 'hero'"),
        ({"width": 0}, "width: got 0"),
        ({"fear_on": "knees"}, "fear_on: got 'knees'"),
        ({"danger": DangerConfig(), "replay": PrioritisedConfig()}, "danger: got it together with replay"),
        ({"risk": RiskConfig(), "double": True}, "risk: got it with affect, double or replay"),
        ({"risk": RiskConfig(), "affect": AffectConfig.levels(1)}, "risk: got it with affect"),
        ({"search": {"resets.every": Range(1, 2)}}, "search: got the path 'resets.every', expected one into"),
        (
            {"resets": ResetsConfig(), "search": {"resets.never": Range(1, 2)}},
            "search: got the path 'resets.never'",
        ),
        ({"search": {"luck": Range(1, 2)}}, "search: got the path 'luck'"),
        ({"search": {"learning_rate": Range(2, 1)}}, r"search\['learning_rate'\].high"),
        ({"fixed": {"resets.every": 3}}, "search: got the path 'resets.every'"),
    ],
)
def test_bad_arms(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        DeepArm(**arguments)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (PrioritisedConfig, {"alpha": 1.1}),
        (PrioritisedConfig, {"uniform": -0.1}),
        (DangerConfig, {"penalty": -1}),
        (DangerConfig, {"radius": 0}),
        (DangerConfig, {"phase_in": -1}),
        (ResetsConfig, {"every": 0}),
        (ResetsConfig, {"layers": 0}),
        (RiskConfig, {"share": 0}),
        (RiskConfig, {"quantiles": 0}),
        (DeepBudget, {"configurations": 0}),
        (DeepBudget, {"first_seed": -1}),
        (NoHarmSpec, {"seeds": 1}),
        (NoHarmSpec, {"steps": 0}),
    ],
)
def test_bad_numbers(kind: Any, arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^({kind.__name__}.)?{name}: got {arguments[name]}.*expected"):
        kind(**arguments)


# ---------------------------------------------------------------- lives


def test_a_life_is_what_the_agent_lived() -> None:
    life = live_deep(POLE, DeepArm(), SETTING, seed=4)
    watch = _Watch()
    model = EmotionalDQN(
        "MlpPolicy", gymnasium.make(POLE.env_id), affect=AffectConfig.levels(0), gamma=0.99, seed=4, device="cpu",
        policy_kwargs={"net_arch": [8]}, learning_rate=2e-3, exploration_final_eps=0.07, target_update_interval=30,
        **POLE.settings,
    )  # fmt: skip
    model.learn(152, callback=watch)
    ends = [at + 1 for at, (_, dones, _) in enumerate(watch.steps) if dones[0]]
    lengths = np.diff([0, *ends]).tolist() + ([152 - ends[-1]] if ends[-1] < 152 else [])  # each step pays 1
    assert life.score == pytest.approx(np.mean(lengths))
    late = [length for length, end in zip(lengths, [*ends, np.inf], strict=False) if end > 76]
    assert life.late == pytest.approx(np.mean(late))
    assert life.episodes == len(lengths)
    assert life.catastrophes == pytest.approx(1000 * sum(one[2][0] for one in watch.steps) / 152)
    assert life.catastrophes > 10


def jobs_in(folder: Path, seeds: Sequence[int]) -> list[DeepJob]:
    return [DeepJob(POLE, DeepArm(), SETTING, seed, folder / f"{seed}.json") for seed in seeds]


def test_finished_runs_are_read_and_not_run_again(tmp_path: Path) -> None:
    first = run_jobs(jobs_in(tmp_path, [1, 2]), processes=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    counted: list[int] = []
    again = run_jobs(jobs_in(tmp_path, [1, 2, 3]), processes=2, progress=counted.append)
    assert again[:2] == first
    assert counted == [2, 1]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    expected = live_deep(POLE, DeepArm(), SETTING, seed=3)
    assert dataclasses.replace(again[2], seconds=0) == dataclasses.replace(expected, seconds=0)


def test_a_file_of_another_run_is_refused(tmp_path: Path) -> None:
    (job,) = jobs_in(tmp_path, [1])
    run_jobs([job], processes=1)
    for change, message in (
        (
            {"setting": {**SETTING, "learning_rate": 1e-4}},
            "the run of another setting, expected that of seed 1",
        ),
        ({"seed": 2}, "the run of another setting, expected that of seed 2"),
    ):
        with pytest.raises(ValueError, match=message):
            run_jobs([dataclasses.replace(job, **change)], processes=1)
    job.path.write_text('{"setting": {}')
    with pytest.raises(ValueError, match="which holds no run, expected one; remove it"):
        run_jobs([job], processes=1)


def test_what_fails_is_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    good, other = jobs_in(tmp_path, [1, 2])
    bad = dataclasses.replace(other, task=dataclasses.replace(POLE, env_kwargs={"change": "wind"}))
    with pytest.raises(ValueError, match="change: got 'wind'"):
        run_jobs([good, bad], processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["1.json"]


# ---------------------------------------------------------------- the contest


TINY = DeepBudget(configurations=3, seeds=1, finalists=2, final_seeds=1, report=2, first_seed=3)


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DeepSuiteSpec, list[DeepEntry]]:
    out = tmp_path_factory.mktemp("deep") / "lava"
    spec = DeepSuiteSpec(task="lava-field", arms=("level-1", "dqn"), budget=TINY, steps=60)
    return out, spec, run_deep_suite(spec, out)


def test_the_contest_tunes_on_other_seeds_and_judges_the_best(
    contest: tuple[Path, DeepSuiteSpec, list[DeepEntry]],
) -> None:
    out, spec, entries = contest
    assert [one.arm for one in entries] == ["level-1", "dqn"]
    for one in entries:
        arm = spec.chosen[one.arm]
        settings = arm.draw(3, seed=0, also=spec.situation.search)
        found = [live_deep(spec.situation, arm, setting, seed=1_000_000).score for setting in settings]
        assert [trial["score"] for trial in one.trials] == found
        finalists = sorted(range(3), key=lambda i: -found[i])[:2]
        again = {i: live_deep(spec.situation, arm, settings[i], seed=1_000_001).score for i in finalists}
        best = max(finalists, key=lambda i: found[i] + again[i])
        assert one.setting == settings[best]
        assert one.tuning_score == pytest.approx((found[best] + again[best]) / 2)
        for seed, life in zip((3, 4), one.lives, strict=True):
            expected = live_deep(spec.situation, arm, settings[best], seed)
            assert dataclasses.replace(life, seconds=0) == dataclasses.replace(expected, seconds=0)
        assert {path.name for path in (out / "runs" / one.arm).iterdir()} == {
            "arm.json",
            *(f"setting{i:02d}-seed1000000.json" for i in range(3)),
            *(f"setting{i:02d}-seed1000001.json" for i in finalists),
            *(f"setting{best:02d}-seed{seed}.json" for seed in (3, 4)),
        }


def test_the_contest_writes_scores_a_table_and_all_it_takes_to_repeat_it(
    contest: tuple[Path, DeepSuiteSpec, list[DeepEntry]],
) -> None:
    out, spec, entries = contest
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["arm"], int(row["seed"]), float(row["score"])) for row in rows] == [
        (one.arm, seed, life.score) for one in entries for seed, life in zip((3, 4), one.lives, strict=True)
    ]
    facts = json.loads((out / "suite.json").read_text())
    assert {"versions", "revision", "command"} <= set(facts)
    assert facts["task"]["name"] == "lava-field"
    assert facts["task"]["steps"] == 60
    assert facts["budget"] == dataclasses.asdict(TINY)
    assert AffectConfig.from_dict(facts["arms"]["level-1"]["affect"]) == spec.chosen["level-1"].affect
    assert [one["arm"] for one in facts["entries"]] == ["level-1", "dqn"]
    assert (out / "table.md").read_text() == deep_table(spec, entries)


def test_the_contest_goes_on_where_it_stopped_and_takes_further_arms(
    contest: tuple[Path, DeepSuiteSpec, list[DeepEntry]],
) -> None:
    out, spec, _ = contest
    runs = {path: path.read_bytes() for path in (out / "runs").rglob("*seed*.json")}
    lost = next(path for path in runs if "seed4" in path.name)
    lost.unlink()
    (out / "suite.json").unlink()
    (out / "table.md").unlink()
    more = dataclasses.replace(spec, arms=("dqn", "resets", "level-1"))
    found = run_deep_suite(more, out, jobs=1)
    assert [one.arm for one in found] == ["level-1", "dqn", "resets"]
    kept = {path: content for path, content in runs.items() if path != lost}
    assert {path: path.read_bytes() for path in kept} == kept
    told = json.loads(lost.read_text())
    assert {**told, "seconds": 0} == {**json.loads(runs[lost]), "seconds": 0}
    assert (out / "suite.json").exists()
    text = (out / "table.md").read_text()
    assert all(name in text for name in ("level-1", "dqn", "resets"))


def test_another_contest_is_refused_and_nothing_is_touched(
    contest: tuple[Path, DeepSuiteSpec, list[DeepEntry]], tmp_path: Path
) -> None:
    out, spec, _ = contest
    before = {path: path.read_bytes() for path in out.rglob("*.json")}
    for other, differs in (
        (dataclasses.replace(spec, steps=61), "task"),
        (dataclasses.replace(spec, budget=DeepBudget()), "budget"),
        (dataclasses.replace(spec, task="no-lava"), "task"),
    ):
        with pytest.raises(ValueError, match=rf"plan.json' of another contest \(it differs in {differs}\)"):
            run_deep_suite(other, out)
    (tmp_path / "photo.txt").write_text("mine")
    with pytest.raises(ValueError, match="which holds something else, expected a new folder"):
        run_deep_suite(spec, tmp_path)
    assert {path: path.read_bytes() for path in out.rglob("*.json")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["photo.txt"]


def test_over_all_settings_an_arm_is_compared_setting_by_setting() -> None:
    """Gaps 1, 2, 6: mean 3, standard error sqrt(7/3) = 1.53. By hand."""
    plain, other = entry("dqn", "rival", [0.0], 0.0), entry("level-1", "own", [0.0], 0.0)
    plain.trials.extend({"score": score} for score in (1.0, 10.0, 100.0))
    other.trials.extend({"score": score} for score in (2.0, 12.0, 106.0))
    assert over_settings(other, plain) == "+3 (1.5)"
    assert over_settings(plain, plain) == over_settings(other, None) == ""
    other.trials.pop()
    assert over_settings(other, plain) == ""


def entry(arm: str, role: str, scores: Any, tuned: float) -> DeepEntry:
    lives = [DeepLife(float(one), float(one) / 2, 5.0, 10, 60.0) for one in scores]
    return DeepEntry(arm, role, {"learning_rate": 0.00123456, "affect.fear.caution": 2.0}, tuned, lives, [])


def test_the_table_says_what_the_statistics_say_and_fits_the_screen() -> None:
    spec = DeepSuiteSpec(task="lava-field")
    random = np.random.default_rng(0)
    entries = [
        entry(name, arm.role, random.normal(2 if arm.role == "own" else 0, 1, 10), 0.1 * i)
        for i, (name, arm) in enumerate(spec.chosen.items())
    ]
    own = own_entry(entries)
    assert own is not None
    assert own.arm == "level-2-salient"  # tuned best of the own ones, though others tuned better
    text = deep_table(spec, entries)
    assert max(map(len, text.splitlines())) <= 110
    rows = {
        cells[1].strip(): [one.strip() for one in cells[2:-1]]
        for cells in (line.split("|") for line in text.split("\n\n")[1].splitlines()[2:])
    }
    mine, others = own.of("score"), [one for one in entries if one is not own]
    corrected = holm([sign_flip_test(one.of("score"), mine) for one in others])
    for one, p in zip(others, corrected, strict=True):
        score = one.of("score")
        assert rows[one.arm] == [
            one.role,
            f"{estimate(score):.3g}",
            f"{iqm_difference(score, mine):.3g}",
            f"{p:.3g}",
            f"{probability_of_improvement(score, mine):.2f}",
        ]
    won = [one.arm for one, p in zip(others, corrected, strict=True) if p < 0.05]
    assert won
    assert (
        f"Against the rivals 'level-2-salient' wins over {', '.join(n for n in won if n in RIVALS)}"
        in " ".join(text.split())
    )
    assert "- dqn: learning_rate 0.00123, fear.caution 2" in text
    assert own_entry([one for one in entries if one.role == "rival"]) is None
    assert "minus own" in deep_table(spec, [one for one in entries if one.role == "rival"])


RIVALS = [name for name, arm in deep_arms(DEEP_TASKS["lava-field"]).items() if arm.role == "rival"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "lava"], "task: got 'lava', expected one of constant-cartpole, lava-field"),
        (["--task", "lava-field", "--arms", "hero"], "arms: got 'hero', expected one of"),
        (["--task", "lava-field", "--report", "0"], "DeepBudget.report: got 0"),
        (["--task", "lava-field", "--steps", "0"], "steps: got 0"),
        (["--task", "lava-field", "--jobs", "0"], "jobs: got 0"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "never"
    assert deep_contest.main([*arguments, "--out", str(out), "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.strip().splitlines()
    assert line.startswith(f"deep-suite: {message}")
    assert not out.exists()


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "--task",
        "no-lava",
        "--out",
        str(tmp_path / "a"),
        "--arms",
        "dqn",
        "--steps",
        "50",
        "--jobs",
        "1",
    ]
    assert (
        deep_contest.main(
            [*given, "--configurations", "1", "--seeds", "1", "--final-seeds", "2", "--report", "2"]
        )
        == 0
    )
    told = capsys.readouterr()
    assert told.out == (tmp_path / "a" / "table.md").read_text()
    assert "5/5" in told.err  # a setting on a seed, again on two, and two to report
    assert "| dqn | rival |" in re.sub(" +", " ", told.out)


# ---------------------------------------------------------------- no harm


def lives(values: Any) -> list[DeepLife]:
    return [DeepLife(0.0, float(one), 0.0, 5, 2.0) for one in values]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("gain", "spread", "verdict"),
    [
        (0.0, 0.01, "not inferior"),
        (0.2, 0.01, "better"),
        (-0.2, 0.01, "inferior"),
        (0.0, 1.0, "undecided"),
        (-0.05, 0.05, "undecided"),
    ],
)
def test_verdicts(sign: int, gain: float, spread: float, verdict: str) -> None:
    """Also where returns are negative: the margin is a share of the size of plain DQN's return."""
    random = np.random.default_rng(0)
    plain = 100.0 * sign + random.normal(0, 5, 10)
    full = plain + 100 * gain + 100 * spread * random.normal(0, 1, 10)
    found = NoHarm("task", {"dqn": lives(plain), "full": lives(full)})
    assert found.verdict == verdict
    difference = iqm_difference(full, plain)
    size = abs(estimate(plain).value)
    assert found.relative.value == pytest.approx(difference.value / size)
    assert found.relative.low == pytest.approx(difference.low / size)
    few = NoHarm("task", {arm: lives[:4] for arm, lives in found.lives.items()})
    assert few.verdict == "too few seeds"
    text = no_harm_table([found], {})
    assert verdict in text
    assert f"{found.relative:+.1%}" in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_study_runs_both_arms_on_the_same_seeds_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = dataclasses.replace(POLE, env_id="Lost-v0")
    tasks = {"pole": POLE, "other": dataclasses.replace(POLE, discount=0.9), "lost": lost}
    monkeypatch.setattr(no_harm, "TASKS", tasks)
    spec = NoHarmSpec(tasks=("pole", "lost"), seeds=2, steps=100)
    (found,) = run_no_harm(spec, tmp_path / "a")
    assert found.task == "pole"
    for arm, level in (("dqn", 0), ("full", 2)):
        affect = AffectConfig.levels(level)
        for seed, life in enumerate(found.lives[arm]):
            expected = live_deep(spec.task("pole"), DeepArm(affect=affect), {}, seed)
            assert dataclasses.replace(life, seconds=0) == dataclasses.replace(expected, seconds=0)
    text = (tmp_path / "a" / "table.md").read_text()
    assert "Left out: lost." in text
    assert "`Lost` doesn't exist" in text
    runs = {path: path.read_bytes() for path in (tmp_path / "a" / "runs").rglob("*.json")}
    both = run_no_harm(dataclasses.replace(spec, tasks=("other",)), tmp_path / "a", jobs=1)
    assert [one.task for one in both] == ["pole", "other"]
    assert {path: path.read_bytes() for path in runs} == runs
    rows = list(csv.DictReader((tmp_path / "a" / "scores.csv").read_text().splitlines()))
    assert tuple(rows[0]) == no_harm.COLUMNS
    assert len(rows) == 8
    facts = json.loads((tmp_path / "a" / "no_harm.json").read_text())
    assert facts["margin"] == 0.05
    assert [one["verdict"] for one in facts["results"]] == [one.verdict for one in both]
    with pytest.raises(ValueError, match=r"of another contest \(it differs in seeds\)"):
        run_no_harm(dataclasses.replace(spec, seeds=3), tmp_path / "a")


def test_the_study_is_on_gymnasiums_own_tasks_at_the_same_settings() -> None:
    assert list(no_harm.TASKS) == ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "LunarLander-v3"]
    assert no_harm.ARMS["dqn"].affect == AffectConfig.levels(0)
    assert no_harm.ARMS["full"].affect == AffectConfig.levels(2)
    plain, full = (
        dataclasses.replace(one, affect=AffectConfig(), role="own", note="") for one in no_harm.ARMS.values()
    )
    assert plain == full
    for task in no_harm.TASKS.values():
        assert {"learning_rate", "target_update_interval", "exploration_final_eps"} <= set(task.settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "Chess-v0"], "tasks: got 'Chess-v0'"),
        (["--seeds", "1"], "seeds: got 1"),
        (["--jobs", "0"], "jobs: got 0"),
    ],
)
def test_bad_input_of_the_study(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "never"
    assert no_harm.main([*arguments, "--out", str(out), "--quiet"]) == 2
    assert capsys.readouterr().err.startswith(f"no-harm: {message}")
    assert not out.exists()


EVIDENCE = Path(__file__).parents[1] / "docs/evidence/recurring-cartpole.csv"


def test_a_gain_needs_an_interval_without_zero() -> None:
    """The first contest on the pole: intrinsic fear is behind with p = .045, and an interval from -2.2."""
    rows = list(csv.DictReader(EVIDENCE.read_text().splitlines()))
    numbers = ("score", "late", "catastrophes", "seconds")
    entries = [
        DeepEntry(
            arm,
            "own" if arm == "level-2" else "rival",
            {},
            0.0,
            [
                DeepLife(episodes=int(row["episodes"]), **{name: float(row[name]) for name in numbers})
                for row in rows
                if row["arm"] == arm
            ],
            [],
        )
        for arm in dict.fromkeys(row["arm"] for row in rows)
    ]
    spec = DeepSuiteSpec(task="recurring-cartpole", budget=DeepBudget(report=10))
    table = " ".join(deep_table(spec, entries).split())
    assert "0.0449" in table
    assert "is not told apart from intrinsic-fear." in table


def test_arms_with_recall_replay_all_their_life_where_replay_is_searched() -> None:
    task = DEEP_TASKS["recurring-cartpole"]
    arms = deep_arms(task)
    for name, arm in arms.items():
        drawn = arm.draw(4, seed=0, also=task.search)
        sizes = {one["buffer_size"] for one in drawn}
        recalls = name in ("level-2", "level-2-salient", "level-2-shuffled", "level-2-by-chance")
        assert (sizes == {32_000.0}) == recalls, name
        rates = [one["exploration_final_eps"] for one in drawn]  # the rest is searched as for all
        plain = arms["dqn"].draw(4, seed=0, also=task.search)
        assert rates == [one["exploration_final_eps"] for one in plain]
    assert all("buffer_size" not in arm.fixed for arm in deep_arms(DEEP_TASKS["lava-field"]).values())
