"""The recency bonus: against a plain loop, by hand, and in a whole agent."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotional_ed.affect import AffectConfig
from emotional_ed.affect.channel import Setting
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.recency import RecencyBonus, RecencyBonusConfig

REGIMES = "EmotionalED/RecurringRegimes-v0"
WORLD = {"step_size": 0.3, "discount": 0.95, "exploration": 0.1}


def bonus(population: int = 1, keys: int = 5, active: int = 1, gain: float = 1.0) -> RecencyBonus:
    configs = [RecencyBonusConfig(gain=gain)] * population
    return RecencyBonus(configs, Setting(population, 3, keys, active, {}), [True] * population)


def tell(channel: RecencyBonus, key: Any, action: Any, due: Any = None) -> None:
    given_key = torch.tensor(key)
    channel.update(
        {"key": given_key, "action": torch.tensor(action)}, None if due is None else torch.tensor(due)
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=30), st.integers(0, 4))
def test_it_is_the_root_of_the_time_since_the_last_try(tries: list[tuple[int, int]], here: int) -> None:
    channel = bonus(gain=0.5)
    for key, action in tries:
        tell(channel, [key], [action])
    expected = []
    for action in range(3):
        since = next((ago for ago, did in enumerate(reversed(tries)) if did == (here, action)), len(tries))
        expected.append(0.5 * math.sqrt(since))
    wish = channel.modulate(torch.tensor([here]))
    assert wish.bias is not None
    assert wish.bias[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_several_features_count_their_mean() -> None:
    channel = bonus(active=2)
    for key in ([0, 3], [0, 4], [1, 4]):
        tell(channel, [key], [2])
    # After 3 steps, action 2: feature 0 waits for 1 step, feature 3 for 2; actions 0 and 1 for 3.
    assert channel.waited(torch.tensor([[0, 3]]))[0].tolist() == [3, 3, 1.5]


def test_members_that_are_not_due_stay_as_they_are() -> None:
    channel = bonus(population=2)
    tell(channel, [0, 0], [1, 1])
    tell(channel, [0, 0], [2, 2], [True, False])
    assert channel.steps.tolist() == [2, 1]
    assert channel.waited(torch.tensor([0, 0])).tolist() == [[2, 1, 0], [1, 0, 1]]


def test_the_signal_is_how_long_the_action_had_waited() -> None:
    channel = bonus()
    told = []
    for key, action in ((0, 1), (1, 1), (0, 1)):
        signals = {"key": torch.tensor([key]), "action": torch.tensor([action])}
        channel.update(signals, None)
        told.append(float(signals["recency"]))
    assert told == [0, 1, 1]


def test_real_valued_features_are_refused() -> None:
    with pytest.raises(ValueError, match="key: got real-valued features, expected indices"):
        bonus().modulate(torch.zeros(1, 5))


@pytest.mark.parametrize("gain", [-0.1, math.nan, 1e7, "much"])
def test_a_gain_out_of_range_is_refused(gain: Any) -> None:
    with pytest.raises(ValueError, match=r"RecencyBonusConfig.gain: got .*, expected"):
        RecencyBonusConfig(gain=gain)


def agent(affect: Any, population: int = 1, seed: int = 0) -> EmotionalQ:
    return EmotionalQ(REGIMES, affect, population=population, seed=seed, **WORLD)  # type: ignore[arg-type]


def test_a_gain_of_zero_is_plain_q_learning_bit_for_bit() -> None:
    plain = agent(AffectConfig.levels(0)).learn(300)
    quiet = agent(AffectConfig(own=(RecencyBonusConfig(gain=0.0),))).learn(300)
    loud = agent(AffectConfig(own=(RecencyBonusConfig(gain=0.1),))).learn(300)
    assert plain.value.M.abs().sum() > 0
    assert torch.equal(plain.value.M, quiet.value.M)
    assert not torch.equal(plain.value.M, loud.value.M)


def test_a_population_is_single_runs_and_a_file_goes_on(tmp_path: Any) -> None:
    affect = [AffectConfig(own=(RecencyBonusConfig(gain=gain),)) for gain in (0.0, 0.02, 0.5)]
    together = agent(affect, population=3, seed=4).learn(150)
    for member in range(3):
        alone = agent(affect[member], seed=4 + member).learn(150)
        assert torch.equal(alone.value.M[0], together.value.M[member])
    together.save(tmp_path / "half")
    again = EmotionalQ.load(tmp_path / "half").learn(50)
    assert torch.equal(again.value.M, together.learn(50).value.M)


@pytest.mark.parametrize(("gain", "least", "most"), [(0.0, 0.5, 0.5), (0.05, 0.85, 0.999)])
def test_it_finds_what_has_become_better_where_greed_does_not(gain: float, least: float, most: float) -> None:
    """Of three arms the first gives 0.5; the last gives 1, but only after 100 steps. Nobody explores."""
    channel, values, gained = bonus(gain=gain), torch.tensor([0.5, 0.0, 0.0]), []
    for step in range(300):
        wish = channel.modulate(torch.tensor([0])).bias
        assert wish is not None
        action = int((values + wish[0]).argmax())
        reward = 0.5 if action == 0 else float(action == 2 and step >= 100)
        values[action] += 0.5 * (reward - values[action])
        tell(channel, [0], [action])
        gained.append(reward)
    assert least <= np.mean(gained[200:]) <= most
