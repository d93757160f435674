"""Statistics against closed forms and simulated coverage; curves and tables against hand-made runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from emotional_ed.analysis import compare, estimate, iqm, learning_curve, load_run, load_study, markdown_table
from emotional_ed.analysis.plots import plot_study


def test_iqm_by_hand() -> None:
    assert iqm([0, 1, 2, 3]) == 1.5
    assert iqm([100, 1, 2, -100]) == 1.5
    assert iqm(np.arange(8).reshape(2, 4)).tolist() == [1.5, 5.5]


def test_the_interval_covers_its_truth() -> None:
    """95 % intervals cover the true IQM (0 for a symmetric law) about as often as they say."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(300):
        one = estimate(rng.normal(size=40), resamples=400, seed=trial)
        hits += one.low <= 0 <= one.high
    assert 0.90 <= hits / 300 <= 0.985  # a percentile bootstrap of 40 values, 300 trials


def test_the_interval_is_near_the_closed_form_of_the_mean_for_normal_data() -> None:
    numbers = np.random.default_rng(1).normal(size=400)
    one = estimate(numbers)
    # The 25 %-trimmed mean of normal data has 1/0.84 the variance of the mean.
    half = stats.norm.ppf(0.975) / np.sqrt(400 * 0.84)
    assert (one.high - one.low) / 2 == pytest.approx(half, rel=0.15)


def test_the_seed_of_the_bootstrap_is_real() -> None:
    numbers = np.random.default_rng(1).normal(size=20)
    assert estimate(numbers, seed=3) == estimate(numbers, seed=3)
    assert estimate(numbers, seed=3) != estimate(numbers, seed=4)
    state = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    estimate(numbers)
    assert np.array_equal(state, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002


def test_degenerate_samples() -> None:
    assert f"{estimate([2.0])}" == "2.00 [2.00, 2.00]"
    assert estimate([1.0, 1.0, 1.0]).high == 1.0
    for bad in ([], [1.0, np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="scores: got"):
            estimate(bad)


def write_run(
    folder: Path, rows: list[tuple[int, int, int, float, int]], steps: int = 100, population: int = 2
) -> Path:
    folder.mkdir(parents=True)
    config = {"env_id": "Task-v0", "population": population, "steps": steps}
    (folder / "config.json").write_text(json.dumps(config))
    lines = ["member,episode,step,return,length", *(",".join(map(str, row)) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    result = {"catastrophes": [1, 3], "seconds": 1.0, "unfinished_return": [-7.0, -9.0]}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


ROWS = [(0, 0, 10, 1.0, 10), (1, 0, 20, 2.0, 20), (0, 1, 60, 3.0, 50), (0, 2, 80, 5.0, 20)]


def test_compare_by_hand(tmp_path: Path) -> None:
    (row,) = compare([load_run(write_run(tmp_path / "arm", ROWS))])
    assert row.final.value == (4.0 - 9.0) / 2  # member 1 finished nothing in the second half
    assert row.overall.value == (3.0 + 2.0) / 2
    assert row.catastrophes.value == 20.0
    assert "| Task-v0 | arm | -2.50 [" in markdown_table([row])


def test_learning_curve_by_hand(tmp_path: Path) -> None:
    curve = learning_curve(load_run(write_run(tmp_path / "arm", ROWS)), points=5)
    assert curve.steps.tolist() == [20, 40, 60, 80, 100]
    assert curve.members.tolist() == [[1, 1, 3, 5, 5], [2, 2, 2, 2, 2]]
    assert curve.value.tolist() == [1.5, 1.5, 2.5, 3.5, 3.5]


def test_a_study_keeps_the_order_of_its_arms_and_skips_unfinished_runs(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path / name, ROWS)
    (tmp_path / "study.json").write_text(json.dumps({"arms": {"c": {}, "a": {}, "b": {}}}))
    (tmp_path / "a" / "result.json").unlink()
    assert [run.name for run in load_study(tmp_path)] == ["c", "b"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder: got .*expected a study with at least one finished run"):
        load_study(tmp_path)
    with pytest.raises(ValueError, match=r"folder: got .*expected a finished run"):
        load_run(tmp_path)
    run = write_run(tmp_path / "arm", ROWS)
    (run / "metrics.csv").write_text("member,episode,step,return,length\n0,1,2\n")
    with pytest.raises(ValueError, match=r"folder: got .*expected a whole run"):
        load_run(run)
    (run / "metrics.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="other columns"):
        load_run(run)


def test_the_picture_is_drawn_even_if_an_arm_finished_nothing(tmp_path: Path) -> None:
    runs = [load_run(write_run(tmp_path / "one", ROWS)), load_run(write_run(tmp_path / "none", []))]
    timeline = {name: np.linspace(-1, 1, 30) for name in ("fear", "anger", "mood", "reward")}
    timeline["catastrophe"] = np.zeros(30)
    path = plot_study({"Task-v0": runs}, timeline, tmp_path / "deep" / "x.png", timeline_title="an episode")
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) > 10_000
