"""Pictures of recall where situations take turns: what is counted, by hand, and as it was lived."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env

from emotional_ed.affect import AffectConfig, RecallConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.head_log import HeadLog, HeadRow
from emotional_ed.analysis.panels import draw_panels
from emotional_ed.experiments.inner import deep_recall as inner
from emotional_ed.experiments.inner import goals, turns
from emotional_ed.experiments.inner.record import Scope

NAN = float("nan")


def column(*values: float) -> Any:
    return np.array(values, dtype=np.float64)[:, None]


PHASE = column(0, 0, 0, 1, 1, 1, 0, 0, 1, 1, NAN)
HEAD = column(0, 0, 0, 0, 1, 1, 1, 0, 0, 1, NAN)


def test_what_is_known_of_physics_is_by_hand() -> None:
    assert [one.tolist() for one in turns.phases(PHASE[:, 0])] == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    known = turns.answered_then(PHASE, HEAD)
    np.testing.assert_array_equal(known, column(*[NAN] * 6, 0, 0, 1, 1, NAN))
    before = turns.answered_then(PHASE, HEAD, back=1)
    np.testing.assert_array_equal(before, column(*[NAN] * 3, 0, 0, 0, 1, 1, 0, 0, NAN))
    assert turns.late_in(PHASE)[:, 0].nonzero()[0].tolist() == [7, 9]
    when, who = turns.returns(PHASE)
    assert (when.tolist(), who.tolist()) == ([6, 8], [0, 0])


def test_of_three_situations_that_take_turns_the_one_three_phases_ago_counts() -> None:
    phase, memory = column(0, 0, 1, 1, 2, 2, 0, 0, 1), column(4, 5, 6, 6, 7, 7, 5, 7, 6)
    known = turns.answered_then(phase, memory, back=3)
    np.testing.assert_array_equal(known, column(*[NAN] * 6, 5, 5, 6))
    assert turns.late_in(phase, back=3)[:, 0].nonzero()[0].tolist() == [7, 8]
    assert turns.returns(phase, back=3)[0].tolist() == [6, 8]
    assert turns.first_meetings(phase, back=3)[0].tolist() == [2, 4]


def test_a_last_phase_that_broke_off_is_left_out_and_a_whole_one_is_kept() -> None:
    phase = np.concatenate([column(0, 0, 1, 1, 0, NAN), column(0, 0, 1, 1, NAN, NAN)], axis=1)
    expected = np.concatenate([column(0, 0, 1, 1, NAN, NAN), column(0, 0, 1, 1, NAN, NAN)], axis=1)
    np.testing.assert_array_equal(turns.whole_phases(phase, 2), expected)
    assert phase[4, 0] == 0, "the record itself is as it was"


def test_a_goal_pays_for_as_long_as_a_period_and_where_episodes_were_lived() -> None:
    slots = np.zeros((7, 2))
    slots[5:, 1] = NAN
    found = goals.goals_in_force(slots, period=2, goals=3)
    np.testing.assert_array_equal(found[:, 0], [0, 0, 1, 1, 2, 2, 0])
    np.testing.assert_array_equal(found[:, 1], [0, 0, 1, 1, 2, NAN, NAN])


def test_the_head_that_knows_is_back_by_hand() -> None:
    back = turns.is_back(HEAD, turns.answered_then(PHASE, HEAD), *turns.returns(PHASE), before=1, after=1)
    # around bin 6 head 0 is asked for, around bin 8 head 1
    np.testing.assert_array_equal(back, column(*[NAN] * 5, 0, 0, 0, 0, 1, NAN))


def test_episodes_to_a_switch_are_counted_by_hand() -> None:
    phase, head = [0, 0, 1, 1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 0, 2, 2]
    agent: Any = SimpleNamespace(
        rows=[HeadRow(0, 0.0, *pair, np.zeros(0)) for pair in zip(phase, head, strict=True)]
    )
    shorter: Any = SimpleNamespace(rows=agent.rows[:5])
    assert inner.episodes_to_switch([agent, shorter]).tolist() == [2, np.inf, np.inf]


def test_what_a_head_felt_is_found_where_it_was_in_use() -> None:
    felt = np.array([[[0.1, 0.2]], [[0.3, NAN]], [[0.5, 0.6]], [[0.7, 0.8]]])
    lives = inner.Lives(column(1, 1, 1, 1), column(0, 0, 0, 0), column(0, 0, 0, 0), felt)
    found = inner.felt_by(lives, column(1, 1, NAN, 2))
    np.testing.assert_array_equal(found, column(0.2, NAN, NAN, NAN))


def test_bins_hold_the_episode_that_runs_when_they_begin() -> None:
    rows = [HeadRow(3, 3.0, 0, 0, np.array([0.5])), HeadRow(10, 7.0, 1, 1, np.array([0.1, 0.2]))]
    agent: Any = SimpleNamespace(rows=rows)
    lives = inner.Lives.of([agent], bins=4, width=3)  # bins begin at steps 0, 3, 6, 9
    np.testing.assert_array_equal(lives.gained, column(3, 7, 7, 7))
    np.testing.assert_array_equal(lives.head, column(0, 1, 1, 1))
    np.testing.assert_array_equal(lives.felt[:, 0, 1], [NAN, 0.2, 0.2, 0.2])
    assert np.isnan(inner.Lives.of([agent], bins=5, width=3).phase[4, 0]), "no finished episode ran then"


def test_heads_write_down_what_was_lived() -> None:
    affect = dataclasses.replace(AffectConfig.levels(2), recall=RecallConfig(cue="chance", threshold=2.0))
    world = gymnasium.make("emotional_ed.envs:EmotionalED/RecurringCartPole-v0", period=100)
    model = EmotionalDQN("MlpPolicy", world, affect=affect, seed=0, learning_starts=50, device="cpu")
    heads = HeadLog()
    lived: list[int] = []

    def note(*step: Any) -> None:
        feel(*step)
        feelings: Any = model._feelings
        if step[2][0]:
            lived.append(0 if feelings.lived is None else int(feelings.lived[0]))

    feel = model._feel
    model._feel = note  # type: ignore[method-assign]
    model.learn(600, callback=heads)
    ends, gained, phase, head, felt = zip(*heads.rows, strict=True)
    assert np.diff([0, *ends]).tolist() == list(gained), "CartPole pays 1 a step"
    assert list(head) == lived
    assert len(set(head)) > 1
    assert set(phase) == {0, 1}
    assert all((one >= 0).all() for one in felt)
    assert max(len(one) for one in felt) >= max(head) + 1


def test_heads_of_several_environments_are_refused() -> None:
    model = EmotionalDQN("MlpPolicy", make_vec_env("CartPole-v1", 2), seed=0, device="cpu")
    with pytest.raises(ValueError, match="got 2 environments, expected one"):
        model.learn(10, callback=HeadLog())


def test_a_scene_can_be_drawn_of_short_lives(tmp_path: Path) -> None:
    scene = inner.deep_recall(Scope(members=2, first_seed=7_200_000, share=0.03))
    draw_panels(scene.panels, tmp_path / "a.png", columns=scene.columns, title=scene.title)
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert "2 agents, 960 steps" in scene.settings
    assert f"Over {scene.numbers['changes']:.0f} changes" in scene.text
