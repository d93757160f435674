"""What is learned, with thresholds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emotional_ed.affect import AffectConfig, FearConfig
from emotional_ed.agents import EmotionalQ


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_learns_the_short_way_in_cliff_walking(level: int) -> None:
    model = EmotionalQ(
        "CliffWalking-v1", AffectConfig.levels(level), population=4, step_size=0.5, exploration=0.02, seed=0
    ).learn(8000)
    last = model.episodes[model.episodes["step"] > 7000]
    assert np.median(last["return"]) >= -15  # the best is -13


@pytest.mark.slow
def test_recall_follows_recurring_regimes_where_plain_q_learning_does_not() -> None:
    def score(level: int, step_size: float, exploration: float) -> NDArray[np.float64]:
        model = EmotionalQ(
            "EmotionalED/RecurringRegimes-v0", AffectConfig.levels(level), population=30, seed=500,
            step_size=step_size, exploration=exploration, discount=0.97, env_kwargs={"noise": 0.5},
        ).learn(15_000)  # fmt: skip
        rows = model.episodes
        return np.array([rows["return"][rows["member"] == i].mean() for i in range(30)])

    plain = score(0, 0.65, 0.145)  # each with the settings that tuning on other seeds gave it
    full = score(2, 0.065, 0.028)
    assert np.median(full) > 0.85
    assert np.median(plain) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("opens", [True, False])
def test_anger_opens_jammed_doors_and_is_not_trapped_by_closed_ones(opens: bool) -> None:
    model = EmotionalQ(
        "EmotionalED/JammedDoor-v0", AffectConfig.levels(1), population=30, seed=500, step_size=0.3,
        exploration=0.05, discount=0.97, env_kwargs={"opens": opens},
    ).learn(10_000)  # fmt: skip
    last = model.episodes[model.episodes["step"] > 8000]
    assert np.median(last["return"]) > (0.85 if opens else 0.1)  # the best is 0.93, or 0.16


@pytest.mark.slow
def test_fear_is_unlearned_when_the_threat_has_vanished() -> None:
    """The western corner bites for 300 episodes and then pays for good: the agent comes back."""
    model = EmotionalQ(
        "EmotionalED/RecurringRegimes-v0", AffectConfig.levels(1), population=30, seed=500, step_size=0.5,
        exploration=0.2, discount=0.97, env_kwargs={"period": 300},
    )  # fmt: skip
    model.learn(3000)
    assert float(model.affect.level("fear").memory.M.amax()) > 0.3
    model.learn(9000)
    rows = model.episodes
    late = rows[(rows["episode"] >= 500) & (rows["episode"] < 600)]
    assert late["return"].mean() > 0.5


@pytest.mark.slow
def test_fear_keeps_off_thin_ice_and_takes_the_way_round() -> None:
    """The reward says nothing of the ice: all that is known of it is what was declared."""
    fear = FearConfig(declared=True, caution=1.4, step_size=0.33)
    model = EmotionalQ(
        "EmotionalED/SilentCatastrophe-v0", [AffectConfig(), AffectConfig(fear=fear)] * 15, population=30,
        seed=500, step_size=0.44, exploration=0.02, discount=0.97, listens=True,
    ).learn(5000)  # fmt: skip
    before = model.catastrophes.copy()
    model.learn(3000)
    plain, afraid = ((model.catastrophes - before)[i::2].mean() / 3 for i in (0, 1))
    assert plain > 80  # a thousand steps
    assert afraid < 15
    late = model.episodes[(model.episodes["step"] > 5000) & (model.episodes["member"] % 2 == 1)]
    assert np.median(late["return"]) > 0.8  # round the ice 0.85


@pytest.mark.slow
def test_fear_of_the_next_step_outlives_what_values_forget() -> None:
    """The predator is in the reward, but values with a constant step size follow the latest outcomes."""
    model = EmotionalQ(
        "EmotionalED/Predator-v0", [AffectConfig(), AffectConfig(fear=FearConfig(caution=1.0))] * 20,
        population=40, seed=500, step_size=0.2, exploration=0.01, discount=0.97,
    ).learn(12_000)  # fmt: skip
    rows = model.episodes
    plain, afraid = (rows["return"][rows["member"] % 2 == i].mean() for i in (0, 1))
    assert afraid > plain + 0.02
