"""Pictures of inner signals: events aligned by hand, records as lived, and what a scene says comes from its runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.affect import AffectConfig, AngerConfig, FearConfig, SalienceConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.sleep import Replay, SleepConfig
from emotional_ed.analysis.events import around, begins, cut_out, mean_interval
from emotional_ed.analysis.panels import Bars, Line, Panel, _draw, draw_panels
from emotional_ed.envs import SilentCatastropheEnv
from emotional_ed.envs.full_feedback import build_model
from emotional_ed.envs.mixed_doors import DOORS, UP
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner import anger as inner_anger
from emotional_ed.experiments.inner import grief as inner_grief
from emotional_ed.experiments.inner import others as inner_others
from emotional_ed.experiments.inner import recall as inner_recall
from emotional_ed.experiments.inner import study as inner
from emotional_ed.experiments.inner import weights as inner_weights
from emotional_ed.experiments.inner.fear import hazard_of, look, turned
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene, share
from emotional_ed.experiments.inner.sleep import chances, first_finds, steps_to_goal

NAN = float("nan")


def record(**columns: Any) -> Record:
    """Return a record made by hand; columns are [T, P]."""
    return Record({name: np.array(one) for name, one in columns.items()})


def same(found: Any, expected: Any) -> bool:
    return bool(np.array_equal(np.asarray(found, float), np.asarray(expected, float), equal_nan=True))


# ---------------------------------------------------------------- alignment


def test_events_are_cut_out_by_hand() -> None:
    values = np.array([[0, 10], [1, 11], [2, 12], [3, 13]])
    cut = cut_out(values, [0, 2, 3], [0, 1, 0], 1, 2)
    assert same(cut, [[NAN, 0, 1, 2], [11, 12, 13, NAN], [2, 3, NAN, NAN]])


def test_events_are_averaged_within_members_first() -> None:
    values = np.array([[0.0, 9.0], [2.0, 9.0], [4.0, 9.0], [6.0, 1.0]])
    found = around(values, [0, 1, 2, 3], [0, 0, 0, 1], 0, 1)
    assert same(found.members, [[2, 4], [1, NAN]])
    assert same(found.mean, [1.5, 4]), "three events of one member weigh as much as one of another"
    assert found.x.tolist() == [0, 1]
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()
    assert found.events == 4


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(0, 4))
def test_a_pulse_at_each_event_stands_where_the_event_is(seed: int, before: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    flags = rng.random((30, 3)) < 0.1
    flags[7, 1] = True
    when, who = flags.nonzero()
    cut = cut_out(flags, when, who, before, after)
    assert (cut[:, before] == 1).all()
    for row, t, p in zip(cut, when, who, strict=True):
        for j, t2 in enumerate(range(t - before, t + after + 1)):
            assert same(row[j], flags[t2, p] if 0 <= t2 < 30 else NAN)


@pytest.mark.parametrize(
    ("when", "who", "said"),
    [([4], [0], "when"), ([-1], [0], "when"), ([0], [2], "who"), ([0, 1], [0], "values")],
)
def test_events_outside_the_record_are_refused(when: list[int], who: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cut_out(np.zeros((4, 2)), when, who, 1, 1)


def test_no_event_and_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="no events"):
        around(np.zeros((4, 2)), [], [], 1, 1)
    with pytest.raises(ValueError, match="no finite number"):
        mean_interval([NAN])


def test_an_interval_of_the_mean_covers_it_as_often_as_it_should() -> None:
    rng = np.random.default_rng(1)
    ends = [mean_interval(rng.normal(0, 1, 12))[1:] for _ in range(60)]
    assert 51 <= sum(low <= 0 <= high for low, high in ends) <= 60


def test_a_flag_begins_where_it_goes_up() -> None:
    assert begins([[True], [True], [False], [True]])[:, 0].tolist() == [True, False, False, True]


def test_a_share_is_of_each_member_where_it_is_asked() -> None:
    found = share([[1, 0, 1], [0, 1, 1]], [[True, True, False], [True, False, False]])
    assert same(found, [0.5, 0, NAN])


# ---------------------------------------------------------------- records


def test_numbers_of_an_episode_by_hand() -> None:
    made = record(
        x=[[1, 5], [2, 6], [3, 7], [4, 8]],
        done=[[False, False], [True, False], [False, True], [True, False]],
        episode=[[0, 0], [0, 0], [1, 0], [1, 1]],
        reward=np.zeros((4, 2)),
    )
    assert same(made.by_episode("x"), [[2, 7], [4, NAN]])
    assert same(made.by_episode("x", "first"), [[1, 5], [3, NAN]])
    assert same(made.by_episode("x", "sum"), [[3, 18], [7, NAN]])
    assert same(made.by_episode("x", "mean"), [[1.5, 6], [3.5, NAN]])
    with pytest.raises(ValueError, match="how"):
        made.by_episode("x", "median")


def _fearful(steps: int, look: Any = None) -> Life:
    task = dataclasses.replace(TASKS["predator"], steps=steps)
    affect = dataclasses.replace(AffectConfig.levels(0), fear=FearConfig())
    return Life(task=task, affect=affect, look=look, signals=("fear",))


def test_a_record_is_the_life_that_the_agent_lives_and_looking_changes_nothing() -> None:
    scope = Scope(members=3, first_seed=1_000_000)
    seen, blind = _fearful(500, look).record(scope), _fearful(500).record(scope)
    assert np.array_equal(seen["action"], blind["action"])
    assert np.array_equal(seen["fear"], blind["fear"])
    model = EmotionalQ(
        "EmotionalED/Predator-v0", _fearful(1).affect, population=3, step_size=0.1, exploration=0.05,
        discount=0.97, seed=1_000_000,
    ).learn(500)  # fmt: skip
    returns = seen.by_episode("reward", "sum")
    for row in model.episodes:
        assert returns[row["episode"], row["member"]] == pytest.approx(row["return"], abs=1e-5)
    assert np.isfinite(returns).sum() == len(model.episodes)


def test_what_is_looked_at_is_what_was_there_before_the_step() -> None:
    task = dataclasses.replace(TASKS["jammed-door"], steps=60)
    affect = dataclasses.replace(AffectConfig.levels(0), anger=AngerConfig())

    def level(model: EmotionalQ) -> Mapping[str, Tensor]:
        return {"before": model.affect.level("anger").level}

    made = Life(task=task, affect=affect, look=level, signals=("anger",)).record(Scope(members=2))
    assert same(made["before"][0], [0, 0])
    assert same(made["before"][1:], made["anger"][:-1])
    assert made["anger"].max() > 0


# ---------------------------------------------------------------- what scenes count


def test_turned_steps_by_hand() -> None:
    made = Record(
        {
            "values": np.array([[[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.5]], [[1.0, 0.0, 0.0]]]),
            "fears": np.array([[[0.2, 0.4, 0.0]], [[0.9, 0.1, 0.3]], [[0.5, 0.0, 0.0]]]),
            "hazards": np.array([[[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.5]], [[0.5, 0.0, 0.0]]]),
            "action": np.array([[1], [2], [1]]),
            "explored": np.array([[False], [False], [True]]),
        }
    )
    found = turned(made)
    assert found["turned"][:, 0].tolist() == [False, True, False], "a tie is wanted, chance turns nothing"
    assert found["fear_wanted"][:, 0] == pytest.approx([0.3, 0.9, 0.5])
    assert found["fear_done"][:, 0] == pytest.approx([0.4, 0.3, 0.0])
    assert found["hazard_wanted"][:, 0] == pytest.approx([0.5, 1.0, 0.5])
    assert found["hazard_done"][:, 0] == pytest.approx([1.0, 0.5, 0.0])


def test_the_hazard_is_that_of_the_world() -> None:
    model = EmotionalQ("EmotionalED/SilentCatastrophe-v0", AffectConfig.levels(0), population=2, seed=0)
    world = SilentCatastropheEnv().model
    for _ in range(40):
        model.learn(1)
        state = model.require_env().state()
        assert state is not None
        for member, found in enumerate(hazard_of(model)):
            here = int(state["state"][member])
            for action in range(4):
                bites = world.catastrophe[0, here, action]
                assert found[action] == pytest.approx(world.probability[0, here, action][bites].sum())


def test_first_blocks_by_hand() -> None:
    made = record(
        greedy=[[True], [True], [True], [True], [False], [True]],
        moved=[[True], [False], [False], [False], [False], [False]],
        done=[[False], [False], [False], [True], [False], [False]],
        episode=[[0], [0], [0], [0], [1], [1]],
        reward=np.zeros((6, 1)),
    )
    assert inner_anger.first_blocks(made)[:, 0].tolist() == [False, True, False, False, False, True]


def test_pushes_an_episode_by_hand() -> None:
    first, late = DOORS[0], DOORS[1]
    made = record(
        observation=[[first], [first], [late], [late]],
        action=[[UP], [UP], [UP], [1]],
        done=[[False], [True], [False], [True]],
        reward=np.zeros((4, 1)),
    )
    assert same(inner_anger.pushes_an_episode(made, 2), [[2, 0], [0, 1], [0, 0]])


def test_gains_are_shown_where_enough_know() -> None:
    gains = np.full((4, 3, 2), NAN)
    gains[0, 0, 0], gains[1, 0, 0], gains[2, 1, 1] = 1.0, 3.0, 5.0
    found = inner_anger.gains_known(gains, least=0.5)
    assert found[0, 0] == 2
    assert np.isnan(found[1, 1])


def test_switches_changes_and_delays_by_hand() -> None:
    slots = np.array([[0.0, 0], [0, 0], [1, 0], [1, 1], [0, NAN], [0, NAN]])
    switched = inner_recall.switches(slots)
    assert same(switched, [[0, 0], [0, 0], [1, 0], [0, 1], [1, NAN], [0, NAN]])
    when, who = inner_recall.changes(slots, period=1, after=2)
    assert list(zip(when.tolist(), who.tolist(), strict=True)) == [(2, 0), (3, 0)], "from the third regime on"
    waits = inner_recall.delays(switched, np.array([1, 3, 5]), np.array([0, 0, 0]), period=2)
    assert waits.tolist() == [1, 1, np.inf]


def test_losses_and_returns_by_hand() -> None:
    lived = np.zeros((600, 1), dtype=bool)
    lived[:450] = True  # phases there, there, gone, there, and half of a gone one
    made = record(done=lived, reward=np.zeros((600, 1)))
    assert [one.tolist() for one in inner_grief.phases(made, there=False)] == [[200], [0]]
    assert [one.tolist() for one in inner_grief.phases(made, there=True)] == [[300], [0]]


def test_only_losses_of_the_attached_are_kept() -> None:
    rich = np.zeros((60, 2))
    rich[5:30, 0] = 1
    when, who = inner_grief.attached(rich, np.array([25, 45, 25]), np.array([0, 0, 1]))
    assert list(zip(when.tolist(), who.tolist(), strict=True)) == [(25, 0)]
    with pytest.raises(ValueError, match="nobody attached"):
        inner_grief.attached(rich, np.array([25]), np.array([1]))


def test_steps_to_the_goal_are_those_of_the_shortest_path() -> None:
    model = EmotionalQ("EmotionalED/SparseMaze-v0", AffectConfig.levels(0), seed=0)
    tables = model.require_env().model
    distance = steps_to_goal(tables)
    assert distance[tables.start[0]] == 22, "as the environment says"
    ends = tables.terminated[0].any(-1)  # [Z, A]
    for state in np.flatnonzero(distance > 0):
        ahead = [0 if ends[state, a] else distance[tables.next_state[0, state, a, 0]] for a in range(4)]
        assert distance[state] == 1 + min(one for one in ahead if one >= 0)


def test_chances_are_those_by_which_sleep_draws() -> None:
    affect = dataclasses.replace(AffectConfig.levels(0), salience=SalienceConfig())
    level0 = LevelZero(sleep=SleepConfig(draw="salience", period=10**6, room=6))
    model = EmotionalQ("EmotionalED/RecurringRegimes-v0", affect, level0=level0, seed=3).learn(200)
    sleep = model.mind.sleep
    assert isinstance(sleep, Replay)
    sleep.salience[:] = torch.tensor([[4.0, 0.0, 1.0, 0.0, 3.0, 2.0]])
    found = chances(sleep)[0]
    assert found == pytest.approx((0.8 * np.array([0.4, 0, 0.1, 0, 0.3, 0.2]) + 0.2 / 6).tolist())
    drawn = [int(sleep._start(6)[0][0]) for _ in range(3000)]
    assert np.bincount(drawn, minlength=6) / 3000 == pytest.approx(found.numpy(), abs=0.03)
    sleep.needs_salience = False
    assert chances(sleep)[0].tolist() == pytest.approx([1 / 6] * 6)


def test_first_finds_by_hand() -> None:
    made = record(
        done=[[True, False], [True, False], [False, False], [False, True]],
        reward=[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
    )
    when, who = first_finds(made, after=1)
    assert (when.tolist(), who.tolist()) == ([1], [0]), "the other one came too late to be followed"


def test_weights_and_returns_over_life_by_hand() -> None:
    assert same(inner_weights.over_life(np.array([[0.0], [1], [1], [1]]), 2), [[0.5], [1]])
    made = record(reward=[[1.0], [2], [3], [4]], done=[[True], [True], [False], [False]])
    assert same(inner_weights.earned_over_life(made, 2), [[1.5], [NAN]])


def test_the_best_arm_is_the_one_whose_mean_is_best() -> None:
    means = build_model(50, 0.5, False).reward[:, 0].mean(-1)  # [C, A]
    episodes = np.arange(0, 400, 25)[:, None]
    best = means[(episodes[:, 0] // 50) % len(means)].argmax(-1)[:, None]
    assert inner_others.best_arm(record(episode=episodes, action=best)).all()
    assert not inner_others.best_arm(record(episode=episodes, action=(best + 1) % 4)).any()


def test_different_things_done_by_hand() -> None:
    made = record(
        observation=[[0, 0], [0, 1], [1, 1], [0, 1]], action=[[0, 1], [0, 1], [0, 0], [1, 1]],
        reward=np.zeros((4, 2)),
    )  # fmt: skip
    assert same(inner_others.tried_so_far(made), [[1, 1], [1, 2], [2, 3], [3, 3]])


# ---------------------------------------------------------------- drawing


def test_a_picture_has_the_size_that_was_asked_for_and_is_small(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    noisy = rng.random(400)
    panels = [
        Panel(title="lines", lines=[Line(y=noisy, low=noisy - 0.1, high=noisy + 0.1, label="a")], moment=3.0),
        Panel(
            title="bars", bars=[Bars(heights=[1, 2], low=[0, 1], high=[2, 3], label="b")], ticks=["x", "y"]
        ),
        Panel(title="grid", grid=rng.random((4, 4)), arrows=[(0, 0, 0.5, 0, 1.0)], marks=[(1, 1, "S")]),
    ]
    target = draw_panels(
        panels, tmp_path / "deep" / "one.png", columns=2, title="three", height=2.0, width=8.0
    )
    with image.open(target) as drawn:
        assert drawn.size == (800, 440)
    assert target.stat().st_size < 100_000
    assert [one.name for one in target.parent.iterdir()] == ["one.png"], "nothing torn is left"
    with pytest.raises(ValueError, match="panels"):
        draw_panels([], tmp_path / "none.png")


def test_what_is_beyond_the_axis_is_told_and_a_second_axis_has_its_colour() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axis = figure.subplots()
    lines = [
        Line(y=[0.5, 7.0, -300.0], label="a"),
        Line(y=[1, 2, 300], role="control", right=True, label="b"),
    ]
    _draw(axis, Panel(title="t", lines=lines, limits=(0.0, 1.0), up_right="right"), "best")
    assert [one.get_text() for one in axis.texts] == ["-300"], "the right axis has no ends"
    beside = figure.axes[1]
    assert beside.get_ylabel() == "right"
    assert beside.yaxis.label.get_color() == "#0072B2"
    assert [one.get_text() for one in beside.get_legend().get_texts()] == ["a", "b"]


# ---------------------------------------------------------------- the command


def test_pictures_are_made_once_and_say_what_they_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = Scope(members=3, first_seed=1_000_000, share=0.05)
    text = inner.make_scenes(["anger"], tmp_path, scope).read_text()
    held = json.loads((tmp_path / "anger.json").read_text())
    assert held["text"] in text
    assert f"{held['numbers']['pushes']:.0f} %" in held["text"]
    assert held["numbers"]["pushes"] > held["numbers"]["pushes_shuffled"], "timing is what matters"
    assert (tmp_path / "anger.png").stat().st_size < 200_000
    stamp = (tmp_path / "anger.png").stat().st_mtime_ns
    assert inner.make_scenes(["anger"], tmp_path, scope).read_text() == text
    assert (tmp_path / "anger.png").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="expected one of"):
        inner.make_scenes(["anger"], tmp_path, Scope(members=4))
    assert inner.main(["--out", str(tmp_path), "--only", "angr"]) == 2
    assert "did you mean 'anger'" in capsys.readouterr().err


def test_numbers_stand_in_the_sentence() -> None:
    scene = Scene(title="t", panels=(), numbers={"a": 0.256}, says="{a:.1f} of all", settings="")
    assert scene.text == "0.3 of all"


@pytest.mark.parametrize("bad", [{"members": 1}, {"first_seed": -1}, {"share": 0.0}, {"share": NAN}])
def test_a_bad_scope_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Scope\."):
        Scope(**bad)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in inner.SCENES if name != "anger"])
def test_every_scene_is_made_and_all_its_numbers_are_known(name: str, tmp_path: Path) -> None:
    scope = Scope(members=2 if name == "deep-recall" else 16, first_seed=1_000_000)
    inner.make_scenes([name], tmp_path, scope)
    held = json.loads((tmp_path / f"{name}.json").read_text())
    assert np.isfinite(list(held["numbers"].values())).all()
    assert (tmp_path / f"{name}.png").stat().st_size < 200_000


def test_a_world_without_tables_has_no_hazard() -> None:
    model = SimpleNamespace(require_env=lambda: object())
    with pytest.raises(ValueError, match="world of tables"):
        hazard_of(model)  # type: ignore[arg-type]
