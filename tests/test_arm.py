"""An arm: numbers put in their places, and settings drawn alike for all."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotional_ed.affect import (
    AffectConfig,
    AttachmentConfig,
    FearConfig,
    MoodConfig,
    TemperamentConfig,
)
from emotional_ed.agents.critics import IntrinsicFearConfig, QuantileConfig
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import SoftmaxConfig
from emotional_ed.agents.recency import RecencyBonus
from emotional_ed.agents.sleep import SleepConfig
from emotional_ed.experiments.contests.arm import COMMON, Arm, Range

BRAVE = dataclasses.replace(AffectConfig.levels(0), fear=FearConfig(), own=(RecencyBonus.Config(),))
FEARFUL = Arm(
    affect=BRAVE,
    level0=LevelZero(critic=IntrinsicFearConfig(), sleep=SleepConfig()),
    search={
        "affect.fear.caution": Range(0.05, 20.0),
        "affect.own.recency.gain": Range(0.001, 0.1),
        "level0.critic.radius": Range(1, 5, "integer"),
        "level0.sleep.uniform": Range(0.0, 1.0, "linear"),
        "level0.reset_episodes": Range(10, 400, "log-integer"),
    },
)


def test_numbers_get_to_their_places_and_nothing_else_changes() -> None:
    level0, affect = FEARFUL.configured(
        {
            "step_size": 0.3,
            "affect.fear.caution": 7.0,
            "affect.own.recency.gain": 0.05,
            "level0.critic.radius": 4.0,
            "level0.sleep.uniform": 0.25,
            "level0.reset_episodes": 30.0,
        }
    )
    assert level0 == LevelZero(
        critic=IntrinsicFearConfig(radius=4), sleep=SleepConfig(uniform=0.25), reset_episodes=30
    )
    assert isinstance(level0.reset_episodes, int)
    assert affect == dataclasses.replace(
        BRAVE, fear=FearConfig(caution=7.0), own=(RecencyBonus.Config(gain=0.05),)
    )
    assert FEARFUL.affect == BRAVE
    assert FEARFUL.configured({}) == (FEARFUL.level0, BRAVE)


def test_a_real_number_that_was_given_as_a_whole_one_stays_real() -> None:
    lost = dataclasses.replace(AffectConfig.levels(0), attachment=AttachmentConfig(step_size=0))
    arm = Arm(affect=lost, search={"affect.attachment.step_size": Range(0.001, 0.3)})
    assert arm.configured({"affect.attachment.step_size": 0.05})[1].attachment == AttachmentConfig(
        step_size=0.05
    )


def test_what_arms_have_in_common_is_drawn_the_same() -> None:
    plain, other = Arm().draw(20, seed=3), FEARFUL.draw(20, seed=3)
    for name in COMMON:
        assert [one[name] for one in plain] == [one[name] for one in other]
    calm = Arm(affect=BRAVE, search={"affect.fear.caution": Range(0.05, 20.0)}).draw(20, seed=3)
    assert [one["affect.fear.caution"] for one in calm] == [one["affect.fear.caution"] for one in other]
    assert plain[:5] == Arm().draw(5, seed=3)  # a larger budget goes on
    assert plain != Arm().draw(20, seed=4)
    assert len({one["step_size"] for one in plain}) == 20
    assert list(other[0]) == [*COMMON, *FEARFUL.search]
    correlation = np.corrcoef([[one[name] for one in Arm().draw(500, seed=0)] for name in COMMON])[0, 1]
    assert abs(correlation) < 0.1


def test_what_is_fixed_is_not_searched() -> None:
    drawn = Arm(search={}, fixed={"step_size": 0.0}).draw(5, seed=0)
    assert {one["step_size"] for one in drawn} == {0.0}
    assert [one["exploration"] for one in drawn] == [one["exploration"] for one in Arm().draw(5, seed=0)]


@pytest.mark.parametrize("scale", ["integer", "log-integer"])
def test_whole_numbers_include_both_ends_and_nothing_beyond(scale: str) -> None:
    range_ = Range(2, 5, scale)
    found = [range_.at(u) for u in np.linspace(0, 1, 4001)[:-1]]
    assert sorted(set(found)) == [2.0, 3.0, 4.0, 5.0]
    shares = np.bincount(np.array(found, int), minlength=6)[2:] / 4000
    logs = np.log(np.arange(3, 7) / np.arange(2, 6)) / np.log(3)
    assert shares == pytest.approx(np.full(4, 0.25) if scale == "integer" else logs, abs=1e-3)
    assert range_.at(np.nextafter(1.0, 0.0)) == 5.0
    assert Range(-3, -1, "integer").at(0.0) == -3.0


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-6, 1e3), st.floats(1, 1e6))
def test_a_number_lies_within_its_range(u: float, low: float, factor: float) -> None:
    for scale in ("log", "linear"):
        found = Range(low, low * factor, scale).at(u)
        assert low * (1 - 1e-12) <= found <= low * factor * (1 + 1e-12)


def test_scales_by_hand() -> None:
    assert Range(0.01, 1.0).at(0.5) == pytest.approx(0.1)
    assert Range(-1.0, 3.0, "linear").at(0.25) == 0.0
    assert Range(1, 16, "integer").at(0.5) == 9.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"search": {"affect.fear.caution": Range(1, 2)}}, "'affect.fear.caution', expected NoneType to have 'caution'"),
        ({"search": {"fear.caution": Range(1, 2)}}, r"'fear.caution', expected one below \['affect', 'level0'\] or"),
        ({"search": {"affect": Range(1, 2)}}, "'affect', expected one below"),
        ({"search": {"step_size.x": Range(1, 2)}}, "'step_size.x', expected one below"),
        ({"affect": BRAVE, "search": {"affect.fear.courage": Range(1, 2)}}, "expected FearConfig to have 'courage'"),
        ({"search": {"affect.is_plain": Range(1, 2)}}, "expected AffectConfig to have 'is_plain'"),
        ({"affect": BRAVE, "search": {"affect.own.boredom.gain": Range(1, 2)}}, "expected 'boredom' to name one of 1"),
        ({"affect": BRAVE, "search": {"affect.own.recency": Range(1, 2)}}, "expected 'recency' to name one of 1"),
        ({"fixed": {"affect.joy.gain": 1.0}}, "'affect.joy.gain', expected NoneType to have 'gain'"),
        ({"affect": BRAVE, "fixed": {"affect.fear.caution": -1.0}}, "FearConfig.caution: got -1.0"),
        ({"role": "hero"}, "role: got 'hero', expected one of control, own, rival"),
        ({"search": {"step_size": Range(0.0, 1.0)}}, r"search\['step_size'\].low: got 0.0"),
        ({"search": {"step_size": Range(0.5, 0.1)}}, r"search\['step_size'\].high: got 0.1"),
        ({"search": {"step_size": Range(float("nan"), 1.0)}}, r"search\['step_size'\].low: got nan"),
        ({"search": {"step_size": Range(0.1, 0.2, "cubic")}}, r"search\['step_size'\].scale: got 'cubic'"),
        ({"search": {"level0.reset_episodes": Range(1.5, 3, "integer")}}, "got the end 1.5, expected integers"),
        ({"search": {"level0.reset_episodes": Range(10, 400)}}, "for 'level0.reset_episodes', expected an integer"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_when_the_arm_is_made(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Arm(**arguments)


def test_arms_of_one_kind_fit_into_one_population() -> None:
    moody = dataclasses.replace(AffectConfig.levels(0), mood=MoodConfig(), temperament=TemperamentConfig())
    slower = dataclasses.replace(moody, mood=MoodConfig(period=77))
    assert (
        len({Arm().kind, Arm(affect=BRAVE).kind, Arm(affect=moody).kind, Arm(fixed={"step_size": 0.0}).kind})
        == 1
    )
    sleeping = [
        SleepConfig(draw="uniform"),
        SleepConfig(draw="uniform", room=9),
        SleepConfig(draw="backward"),
    ]
    kinds = [
        Arm(),
        Arm(affect=slower),
        Arm(blocked_count=8),
        Arm(level0=LevelZero(policy=SoftmaxConfig())),
        Arm(level0=LevelZero(critic=QuantileConfig(quantiles=5))),
        Arm(level0=LevelZero(critic=QuantileConfig(quantiles=6))),
        *(Arm(level0=LevelZero(sleep=one)) for one in sleeping),
    ]
    assert len({one.kind for one in kinds}) == len(kinds)
    tired = Arm(level0=LevelZero(sleep=SleepConfig(draw="uniform", uniform=0.5, correction=1)))
    assert tired.kind == Arm(level0=LevelZero(sleep=sleeping[0])).kind


def test_an_arm_is_plain_data() -> None:
    data = dataclasses.replace(FEARFUL, note="why", fixed={"exploration": 0.1}).to_dict()
    assert AffectConfig.from_dict(data["affect"]) == BRAVE
    assert LevelZero.from_dict(data["level0"]) == FEARFUL.level0
    assert data["search"]["level0.critic.radius"] == {"low": 1, "high": 5, "scale": "integer"}
    assert (data["fixed"], data["blocked_count"], data["note"]) == ({"exploration": 0.1}, 0, "why")
    assert Arm(follows="all").to_dict()["follows"] == "all"


def test_an_arm_that_follows_another_is_not_searched() -> None:
    with pytest.raises(
        ValueError, match=r"search: got \['affect.fear.caution'\], expected none .* follows 'all'"
    ):
        Arm(affect=BRAVE, follows="all", search={"affect.fear.caution": Range(0.05, 20.0)})
