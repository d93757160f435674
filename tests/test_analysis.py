"""Runs read from hand-made and real folders; curves, tables and claims against hand-computed values."""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor, load_results
from stable_baselines3.common.results_plotter import ts2xy

from emotional_ed.analysis import (
    claims,
    compare,
    csv_table,
    cvar,
    estimate,
    holm,
    iqm_difference,
    learning_curve,
    load_run,
    load_study,
    markdown_table,
    probability_of_improvement,
    records,
    recoveries,
    sign_flip_test,
)
from emotional_ed.analysis.changes import period_of
from emotional_ed.analysis.compare import final_returns, member_cvar
from emotional_ed.analysis.plots import plot_study

Row = tuple[int, int, int, float, int]
COLUMNS = "member,episode,step,return,length"
ROWS: list[Row] = [(0, 0, 10, 1.0, 10), (1, 0, 20, 2.0, 20), (0, 1, 60, 3.0, 50), (0, 2, 80, 5.0, 20)]


def write_run(
    folder: Path, rows: Sequence[Row], steps: int = 100, population: int = 2, **config: Any
) -> Path:
    folder.mkdir(parents=True)
    facts = {"env_id": "Task-v0", "population": population, "steps": steps, **config}
    (folder / "config.json").write_text(json.dumps(facts))
    lines = [COLUMNS, *(",".join(map(str, row)) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    result = {
        "catastrophes": ([1, 3] * population)[:population],
        "seconds": 1.0,
        "unfinished_return": ([-7.0, -9.0] * population)[:population],
        "episodes": len(rows),
    }
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def change(file: Path, **entries: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


# Tables and curves


def test_compare_by_hand(tmp_path: Path) -> None:
    (row,) = compare([load_run(write_run(tmp_path / "arm", ROWS))])
    assert row.final.value == (4.0 - 9.0) / 2  # member 1 finished nothing in the second half
    assert row.overall.value == (3.0 + 2.0) / 2
    assert row.catastrophes is not None
    assert row.catastrophes.value == 20.0
    assert row.cvar.value == (1.0 + 2.0) / 2  # the worst tenth of so few is the worst one
    assert "| Task-v0 | arm | -2.50 [" in markdown_table([row])


def test_the_second_half_is_that_of_each_member(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 0, 45, 1.0, 45), (0, 1, 55, 2.0, 10), (1, 0, 32, 3.0, 32), (1, 1, 40, 5.0, 8)]
    run = load_run(write_run(tmp_path / "arm", rows, steps=100))
    assert final_returns(run).tolist() == [2.0, -9.0]
    assert final_returns(dataclasses.replace(run, member_steps=np.array([100, 60]))).tolist() == [2.0, 4.0]


def test_tables_escape_what_would_break_them(tmp_path: Path) -> None:
    (row,) = compare([load_run(write_run(tmp_path / "a|b", ROWS))])
    text = markdown_table([row])
    assert "a\\|b" in text
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines()}) == 1


def test_the_cvar_of_members_is_that_of_their_returns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (int(m), e, e + 1, float(x), 1)
        for e, (m, x) in enumerate(zip(rng.integers(0, 3, 200), rng.normal(size=200), strict=True))
    ]
    run = load_run(write_run(tmp_path / "arm", rows, steps=300, population=4))
    for level in (0.05, 0.1, 0.37, 1.0):
        expected = [float(cvar([row[3] for row in rows if row[0] == m], level)) for m in range(3)]
        assert member_cvar(run, level).tolist() == pytest.approx([*expected, -9.0])


def test_learning_curve_by_hand(tmp_path: Path) -> None:
    curve = learning_curve(load_run(write_run(tmp_path / "arm", ROWS)), points=5)
    assert curve.steps.tolist() == [20, 40, 60, 80, 100]
    assert curve.members.tolist() == [[1, 1, 3, 5, 5], [2, 2, 2, 2, 2]]
    assert curve.value.tolist() == [1.5, 1.5, 2.5, 3.5, 3.5]
    assert curve.low.tolist() == [1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match="points: got 0"):
        learning_curve(load_run(tmp_path / "arm"), points=0)


def test_a_curve_ends_where_its_shortest_member_ends(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "arm", ROWS))
    curve = learning_curve(dataclasses.replace(run, member_steps=np.array([100, 50])), points=5)
    assert np.isnan(curve.members[1]).tolist() == [False, False, False, True, True]
    assert np.isnan(curve.value).tolist() == [False, False, False, True, True]
    assert curve.members[0].tolist() == [1, 1, 3, 5, 5]


def test_the_interval_of_a_curve_is_that_of_its_scores(tmp_path: Path) -> None:
    returns = np.random.default_rng(0).normal(size=12)
    rows = [(m, 0, 10, float(x), 10) for m, x in enumerate(returns)]
    curve = learning_curve(load_run(write_run(tmp_path / "arm", rows, population=12)), points=1)
    one = estimate(returns, resamples=500)
    assert (curve.value[0], curve.low[0], curve.high[0]) == pytest.approx((one.value, one.low, one.high))
    alone = learning_curve(load_run(write_run(tmp_path / "one", rows[:1], population=1)), points=1)
    assert np.isnan(alone.low).all()
    assert alone.value[0] == pytest.approx(returns[0])


# Claims


def study_of(folder: Path, arms: dict[str, Sequence[float]], seeds: dict[str, int] | None = None) -> None:
    for name, returns in arms.items():
        rows = [(m, 0, 90, float(x), 90) for m, x in enumerate(returns)]
        write_run(folder / name, rows, population=len(returns), seed=(seeds or {}).get(name, 0))


def test_claims_are_paired_by_seed(tmp_path: Path) -> None:
    x, y, z = np.random.default_rng(0).normal(size=(3, 8))
    study_of(tmp_path, {"level-0": x, "b": y, "a": z}, {"b": 3})
    a, b = claims(load_study(tmp_path))
    assert (a.arm, b.arm, a.baseline, a.paired, b.paired) == ("a", "b", "level-0", True, True)
    assert a.difference == iqm_difference(z, x)
    assert b.difference == iqm_difference(y[:5], x[3:])  # seeds 3 to 7 are common
    assert a.improvement == probability_of_improvement(z, x)
    assert (a.p, b.p) == (sign_flip_test(z, x), sign_flip_test(y[:5], x[3:]))
    assert [a.p_holm, b.p_holm] == holm([a.p, b.p]).tolist()


def test_claims_without_common_seeds_are_unpaired(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 8))
    study_of(tmp_path, {"level-0": x, "b": y + 5}, {"b": 100})
    (b,) = claims(load_study(tmp_path))
    assert not b.paired
    assert b.difference == iqm_difference(y + 5, x, paired=False)
    assert b.p < 0.01
    (other,) = claims(load_study(tmp_path), "b")
    assert other.arm == "level-0"
    assert other.difference.value == pytest.approx(-b.difference.value)
    with pytest.raises(ValueError, match=r"baseline: got 'c', expected one of b, level-0"):
        claims(load_study(tmp_path), "c")


def test_records_are_rows_for_pandas(tmp_path: Path) -> None:
    study_of(tmp_path, {"level-0": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 5.0]})
    study = load_study(tmp_path)
    plain, b = sorted(records(compare(study), claims(study)), key=lambda row: str(row["arm"]), reverse=True)
    assert plain["difference"] is None
    assert plain["return_second_half"] == 2.0
    assert b["difference"] == pytest.approx(4 / 3)
    assert (b["baseline"], b["seeds"], b["paired"]) == ("level-0", 3, True)
    assert isinstance(b["difference_low"], float)
    text = csv_table([plain, b]).splitlines()
    assert text[0].startswith("task,arm,seeds,return_second_half,")
    assert len(text) == 3
    assert csv_table([]) == "\n"


# Studies of this package


def test_a_study_keeps_the_order_of_its_arms_and_names_unfinished_runs(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path / name, ROWS)
    (tmp_path / "study.json").write_text(json.dumps({"arms": {"c": {}, "a": {}, "b": {}}}))
    (tmp_path / "a" / "result.json").unlink()
    study = load_study(tmp_path)
    assert [run.name for run in study] == ["c", "b"]
    assert len(study) == 2
    assert [run.name for run in study[:1]] == ["c"]
    assert [(one.folder.name, one.reason) for one in study.skipped] == [
        ("a", "not finished (no result.json)")
    ]


def test_half_written_files_are_named_and_skipped(tmp_path: Path) -> None:
    write_run(tmp_path / "good", ROWS)
    for name in ("cut", "torn", "result", "nan", "members", "columns", "counts", "object", "silent"):
        write_run(tmp_path / name, ROWS)
    (tmp_path / "cut/metrics.csv").write_text(f"{COLUMNS}\n0,0,10,1.0,10\n")
    (tmp_path / "torn/metrics.csv").write_text(f"{COLUMNS}\n0,0,10,1.0,10\n1,0,2")
    (tmp_path / "result/result.json").write_text('{"catastrophes": [1')
    (tmp_path / "nan/metrics.csv").write_text(f"{COLUMNS}\n" + "0,0,10,nan,10\n" * 4)
    (tmp_path / "members/metrics.csv").write_text(f"{COLUMNS}\n" + "2,0,10,1.0,10\n" * 4)
    (tmp_path / "columns/metrics.csv").write_text("a,b\n")
    change(tmp_path / "counts/result.json", catastrophes=[1, 2, 3])
    (tmp_path / "object/config.json").write_text("[]")
    change(tmp_path / "silent/result.json", unfinished_return=None)
    study = load_study(tmp_path)
    assert [run.name for run in study] == ["good"]
    reasons = {one.folder.name: one.reason for one in study.skipped}
    assert len(reasons) == 9
    for name, said in (
        ("cut", "metrics.csv has 1 of 4 episodes"),
        ("torn", "metrics.csv: "),
        ("result", "Expecting"),
        ("nan", "a return is not finite"),
        ("members", "members beyond the 2"),
        ("columns", "metrics.csv has other columns"),
        ("counts", "no finite catastrophes of 2 members"),
        ("object", "config.json holds no object"),
        ("silent", "a member ended no episode in the second half, and its return so far is not known"),
    ):
        assert said in reasons[name]
        with pytest.raises(ValueError, match=r"folder: got .*expected a whole run"):
            load_run(tmp_path / name)


def test_a_folder_of_another_version_is_read_or_named(tmp_path: Path) -> None:
    write_run(tmp_path / "later", ROWS, versions={"emotional_ed": "99.0"})
    text = "\n".join(f"{row[3]},{row[0]},{row[1]},{row[2]},{row[4]},0.5" for row in ROWS)
    (tmp_path / "later/metrics.csv").write_text(f"return,member,episode,step,length,mood\n{text}\n")
    assert load_run(tmp_path / "later").episodes.tolist() == ROWS
    (tmp_path / "later/metrics.csv").write_text("who,what\n1,2\n")
    with pytest.raises(ValueError, match=r"other columns; version 99.0 of emotional_ed wrote it, this is 0"):
        load_run(tmp_path / "later")
    write_run(tmp_path / "keys", ROWS)
    (tmp_path / "keys/config.json").write_text(json.dumps({"versions": {"emotional_ed": "99.0"}}))
    with pytest.raises(ValueError, match=r"'steps' is missing; version 99.0"):
        load_run(tmp_path / "keys")


def test_no_finished_run_at_all_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"folder: got .*expected a study with at least one finished run \(0 "
    ):
        load_study(tmp_path)
    with pytest.raises(ValueError, match="at least one finished run"):
        load_study(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"folder: got .*expected a finished run"):
        load_run(tmp_path)
    write_run(tmp_path / "arm", ROWS)
    (tmp_path / "arm/result.json").unlink()
    with pytest.raises(ValueError, match=r"\(1 unfinished or damaged; skipped: arm: not finished"):
        load_study(tmp_path)


def test_a_folder_a_seed_makes_one_arm(tmp_path: Path) -> None:
    for seed, steps in ((3, 100), (4, 60)):
        write_run(tmp_path / f"arm/seed-{seed}", ROWS[:1], population=1, seed=seed, steps=steps)
        write_run(tmp_path / f"other-seed-{seed}", ROWS[:1], population=1, seed=seed)
    arm, other = load_study(tmp_path)
    assert (arm.name, arm.seeds, arm.population, arm.member_steps.tolist()) == ("arm", (3, 4), 2, [100, 60])
    assert arm.episodes["member"].tolist() == [0, 1]
    assert (arm.seconds, arm.steps) == (2.0, 100)
    assert arm.catastrophes is not None
    assert arm.catastrophes.tolist() == [1, 1]
    assert (other.name, other.seeds) == ("other", (3, 4))
    assert final_returns(arm).tolist() == [-7.0, -7.0]
    # The baseline is the first arm if none is called level-0; seeds 3 and 4 are common.
    (claim,) = claims([arm, other])
    assert claim.paired


def test_names_of_levels_are_not_taken_for_seeds_and_tuning_runs_are_left_out(tmp_path: Path) -> None:
    for name in ("level-0", "level-1", "arm_2", "tuning/trial", ".hidden/arm", "level-0/inner"):
        write_run(tmp_path / name, ROWS)
    assert [run.name for run in load_study(tmp_path)] == ["arm_2", "level-0", "level-1"]


def test_a_folder_of_studies_keeps_their_tasks_apart(tmp_path: Path) -> None:
    for task in ("cliff", "door"):
        for arm in ("level-0", "b"):
            write_run(tmp_path / task / arm, ROWS, env_id=task, seed=0)
    study = load_study(tmp_path)
    assert [(run.env_id, run.name) for run in study] == [
        ("cliff", "b"), ("cliff", "level-0"), ("door", "b"), ("door", "level-0"),
    ]  # fmt: skip
    assert [(one.env_id, one.arm) for one in claims(study)] == [("cliff", "b"), ("door", "b")]
    for file in tmp_path.glob("*/*/config.json"):
        change(file, env_id="cliff")
    assert [run.name for run in load_study(tmp_path)] == [
        "cliff/b",
        "cliff/level-0",
        "door/b",
        "door/level-0",
    ]


def test_a_single_run_is_a_study_of_one_arm(tmp_path: Path) -> None:
    write_run(tmp_path / "arm", ROWS)
    assert [run.name for run in load_study(tmp_path / "arm")] == ["arm"]


def test_seeds_are_those_of_the_configuration(tmp_path: Path) -> None:
    assert load_run(write_run(tmp_path / "a", ROWS, seed=7)).seeds == (7, 8)
    assert load_run(write_run(tmp_path / "b", ROWS, seed=[7, 3])).seeds == (7, 3)
    assert load_run(write_run(tmp_path / "c", ROWS)).seeds is None
    with pytest.raises(ValueError, match="3 seeds for 2 members"):
        load_run(write_run(tmp_path / "d", ROWS, seed=[7, 3, 4]))


@pytest.mark.parametrize("folders", [8, 400])
def test_four_hundred_runs_load_and_compare_in_seconds(tmp_path: Path, folders: int) -> None:
    members, episodes = 400 // folders, 1000
    returns = np.random.default_rng(0).normal(size=(episodes, members)).tolist()
    rows = [(m, e, 20 * e + 20, returns[e][m], 20) for e in range(episodes) for m in range(members)]
    text = "\n".join([COLUMNS, *(f"{m},{e},{step},{x},{n}" for m, e, step, x, n in rows)]) + "\n"
    for i in range(folders):
        arm = f"arm-{i}" if folders == 8 else f"arm-{i % 8}/seed-{i // 8}"
        folder = write_run(tmp_path / arm, [], steps=20_000, population=members, seed=i // 8)
        (folder / "metrics.csv").write_text(text)
        change(folder / "result.json", episodes=len(rows))
    began = time.process_time()  # the clock would tell what else the machine is doing
    study = load_study(tmp_path)
    summaries, made = compare(study), claims(study)
    took = time.process_time() - began
    assert sum(run.population for run in study) == 400
    assert len(summaries) == len(made) + 1 == 8
    assert took < 5


# Studies of plain Stable-Baselines3


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two PPO runs on two environments with Monitor files, and one with a TensorBoard log alone."""
    root = tmp_path_factory.mktemp("plain")
    for seed in range(2):
        venv = make_vec_env("CartPole-v1", 2, seed=seed, monitor_dir=str(root / f"both/ppo/seed_{seed}"))
        model = PPO("MlpPolicy", venv, seed=seed, n_steps=64, n_epochs=1, device="cpu")
        model.learn(256)
        venv.close()
    logged = PPO(
        "MlpPolicy", Monitor(gymnasium.make("CartPole-v1")), seed=0, n_steps=64, n_epochs=1, device="cpu",
        tensorboard_log=str(root / "board"),
    )  # fmt: skip
    logged.learn(256, tb_log_name="PPO")
    logged.logger.close()
    return root


def test_monitor_files_are_read_as_stable_baselines3_does(plain: Path) -> None:
    (run,) = load_study(plain / "both")
    assert (run.name, run.env_id, run.seeds, run.source) == ("ppo", "CartPole-v1", (0, 1), "monitor")
    for seed in range(2):
        steps, returns = ts2xy(load_results(str(plain / f"both/ppo/seed_{seed}")), "timesteps")
        rows = run.episodes[run.episodes["member"] == seed]
        assert rows["step"].tolist() == steps.tolist()
        assert rows["return"].tolist() == pytest.approx(returns.tolist())
        assert run.member_steps[seed] == steps[-1] <= 256
    (row,) = compare([run])
    assert row.catastrophes is None
    assert "not counted" in markdown_table([row])
    assert run.seconds > 0


def test_a_tensorboard_log_is_read_for_want_of_monitor_files(plain: Path) -> None:
    (run,) = load_study(plain / "board")
    assert (run.name, run.env_id, run.seeds, run.source) == ("PPO", "", None, "tensorboard")
    assert run.episodes["step"].tolist() == [64, 128, 192, 256]
    assert (run.episodes["return"] >= 8).all()
    assert run.episodes["return"].tolist() == pytest.approx(
        run.episodes["length"], abs=1
    )  # CartPole pays 1 a step
    assert run.steps == 256
    both = load_study(plain)
    assert [(one.name, one.env_id) for one in both] == [("PPO", "CartPole-v1"), ("ppo", "CartPole-v1")]


def monitor(folder: Path, text: str, name: str = "monitor.csv") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


HEAD = '#{"t_start": 100.0, "env_id": "A-v0"}\nr,l,t\n'


def test_monitor_files_by_hand(tmp_path: Path) -> None:
    monitor(tmp_path / "arm_1", HEAD + "1.0,10,1.0\n2.0,10,3.0\n", "0.monitor.csv")
    monitor(
        tmp_path / "arm_1",
        '#{"t_start": 101.0, "env_id": "A-v0"}\nl,r,t,"x"\n5,9.0,1.0,"a,b"\n',
        "1.monitor.csv",
    )
    monitor(tmp_path / "arm_2", HEAD + "4.0,7,1.0\n5.0,")  # the last row was not written to its end
    (run,) = load_study(tmp_path)
    assert (run.name, run.seeds) == ("arm", None)
    assert run.episodes["return"].tolist() == [1, 9, 2, 4]
    assert run.episodes["step"].tolist() == [10, 15, 25, 7]
    assert run.member_steps.tolist() == [25, 7]
    assert run.seconds == 3.0 + 1.0


def test_damaged_logs_are_named_and_skipped(tmp_path: Path) -> None:
    monitor(tmp_path / "good", HEAD + "1.0,10,1.0\n")
    monitor(tmp_path / "empty", "")
    monitor(tmp_path / "silent", HEAD)
    monitor(tmp_path / "columns", '#{"t_start": 1}\na,b\n1,2\n')
    monitor(tmp_path / "torn", HEAD + "1.0,10,1.0\n1.0\n2.0,3,4\n")
    monitor(tmp_path / "nan", HEAD + "nan,10,1.0\n")
    (tmp_path / "events").mkdir()
    (tmp_path / "events/events.out.tfevents.1.x").write_bytes(b"no events")
    study = load_study(tmp_path)
    assert [run.name for run in study] == ["good"]
    reasons = {one.folder.name: one.reason for one in study.skipped}
    assert set(reasons) == {"empty", "silent", "columns", "torn", "nan", "events"}
    assert reasons["empty"] == "monitor.csv is no whole Monitor file"
    assert reasons["silent"] == "no episode ended"
    assert reasons["columns"] == "monitor.csv lacks the columns r, l and t"
    assert "TensorBoard" in reasons["events"]


def test_the_task_may_name_the_folder(tmp_path: Path) -> None:
    for number in (1, 2):
        monitor(tmp_path / f"ppo/A-v0_{number}", HEAD + "1.0,10,1.0\n")
    assert [(run.name, run.population) for run in load_study(tmp_path)] == [("ppo", 2)]


# The picture


def test_the_picture_is_drawn_even_if_an_arm_finished_nothing(tmp_path: Path) -> None:
    runs = [load_run(write_run(tmp_path / "one", ROWS)), load_run(write_run(tmp_path / "none", []))]
    timeline = {name: np.linspace(-1, 1, 30) for name in ("fear", "anger", "mood", "reward")}
    timeline["catastrophe"] = np.zeros(30)
    path = plot_study({"Task-v0": runs}, timeline, tmp_path / "deep" / "x.png", timeline_title="an episode")
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) > 10_000


def test_without_matplotlib_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        ValueError, match=r"plots: got no matplotlib, expected pip install 'emotional-ed\[plots\]'"
    ):
        plot_study({}, {}, tmp_path / "x.png")


# Recovery after changes


def changing(folder: Path, lives: list[list[float]], **config: Any) -> None:
    """Write a run whose task changes every 10 episodes; one life a member."""
    rows = [(m, e, 5 * e + 5, x, 5) for m, life in enumerate(lives) for e, x in enumerate(life)]
    write_run(
        folder, rows, env_id="A-v0", env_kwargs={"period": 10}, population=len(lives), steps=500, **config
    )


def test_recovery_after_every_change_by_hand(tmp_path: Path) -> None:
    fast = [0.0] * 2 + [1.0] * 8 + [0.0] * 2 + [1.0] * 8 + [1.0] * 10
    slow = [0.0] * 2 + [1.0] * 8 + [0.0] * 6 + [1.0] * 4 + [0.0] * 10
    lost = (
        [0.0] * 2 + [1.0] * 8 + [0.0] * 10 + [1.0] * 10
    )  # back only after the next change: that is too late
    changing(tmp_path / "study/arm", [fast, slow, lost])
    (one,) = recoveries(load_study(tmp_path / "study"))
    assert (one.arm, one.period, one.floor, one.changes) == ("arm", 10, 0.0, 6)
    assert one.never == 0.5  # the slow one after its second change, the lost one after both
    # A window of 2 that is 1 again: after 2 and 0 episodes; after 6, and never: all 10 of the phase.
    assert one.episodes.value == pytest.approx(((2 + 0) / 2 + (6 + 10) / 2 + 10) / 3)
    rows = {row["arm"]: row for row in records(compare(load_study(tmp_path / "study")), (), [one])}
    assert (rows["arm"]["episodes_until_back"], rows["arm"]["never_back"]) == (one.episodes.value, 0.5)


def test_no_recovery_where_nothing_changed(tmp_path: Path) -> None:
    changing(tmp_path / "short/arm", [[1.0] * 19])  # no whole phase after a change
    assert recoveries(load_study(tmp_path / "short")) == []
    write_run(tmp_path / "plain/arm", ROWS)
    assert recoveries(load_study(tmp_path / "plain")) == []
    assert "episodes_until_back" in records(compare(load_study(tmp_path / "plain")))[0]


@pytest.mark.parametrize(
    ("env_id", "kwargs", "period"),
    [
        ("EmotionalED/RecurringRegimes-v0", {}, 100),
        ("EmotionalED/RecurringRegimes-v0", {"period": 30}, 30),
        ("EmotionalED/JammedDoor-v0", {}, None),
        ("CartPole-v1", {}, None),
        ("Nowhere-v7", {}, None),
        ("Nowhere-v7", {"period": "often"}, None),
        ("", {"period": 1}, None),
    ],
)
def test_the_period_is_what_the_environment_was_made_with(
    tmp_path: Path, env_id: str, kwargs: dict[str, Any], period: int | None
) -> None:
    run = load_run(write_run(tmp_path / "arm", ROWS))
    asked = dataclasses.replace(run, config={**run.config, "env_id": env_id, "env_kwargs": kwargs})
    assert period_of(asked) == period
