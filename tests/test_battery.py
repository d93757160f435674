"""The battery, and the predator that leaves: against an independent model, exact values, controls."""

import dataclasses
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from test_situations_2 import rate, says, uniform, values, worth

from emotional_ed.envs import BatchedTabularEnv, BatteryEnv, PredatorEnv, TabularModel, value_iteration
from emotional_ed.envs.battery import CHARGER, WORK, BatteryVectorEnv
from emotional_ed.envs.planning import action_values
from emotional_ed.experiments.contests.tasks import TASKS

UP, RIGHT, DOWN, LEFT = range(4)
BATTERY = "EmotionalED/Battery-v0"
Outcome = tuple[float, int, float, bool]


def at(row: int, column: int, charge: int, capacity: int = 14) -> int:
    return (row * 4 + column) * (capacity + 1) + charge


def by_rule(
    state: int, action: int, *, capacity: int, extra: float, pay: float, runs_out: bool
) -> list[Outcome]:
    """What the docstring says happens, in plain words: (probability, next state, reward, whether lost)."""
    place, charge = divmod(state, capacity + 1)
    row, column = divmod(place, 4)
    if action == UP and row > 0:
        row -= 1
    elif action == DOWN and row < 3:
        row += 1
    elif action == RIGHT and column < 3:
        column += 1
    elif action == LEFT and column > 0:
        column -= 1
    arrived, found = row * 4 + column, []
    for units, probability in ((1, 1 - extra), (2, extra)):
        left = charge - units if charge > units else 0
        if arrived == CHARGER:
            left = capacity
        lost = left == 0 and runs_out
        paid = pay if arrived == WORK and place != WORK and not lost else 0.0
        found.append((probability, arrived * (capacity + 1) + left, paid - (1.0 if lost else 0.0), lost))
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {"capacity": 14, "extra": 0.2, "pay": 0.1, "runs_out": True},
        {"capacity": 3, "extra": 0.7, "pay": 2.0, "runs_out": False},
    ],
)
def test_every_entry_of_the_tables_is_what_the_rules_say(arguments: dict[str, Any]) -> None:
    model = BatteryEnv(**arguments).model
    assert model.shape == (1, 16 * (arguments["capacity"] + 1), 4, 2)
    for state in range(model.shape[1]):
        for action in range(4):
            where = (0, state, action)
            tables = (model.probability, model.next_state, model.reward, model.terminated)
            told = list(zip(*(one[where].tolist() for one in tables), strict=True))
            for got, expected in zip(told, by_rule(state, action, **arguments), strict=True):
                assert got == pytest.approx(expected)
    assert np.array_equal(model.catastrophe, model.terminated)
    assert model.observation.tolist() == list(range(model.shape[1]))
    assert model.start.tolist() == [CHARGER * (arguments["capacity"] + 1) + arguments["capacity"]]


def test_steps_by_hand() -> None:
    model = BatteryEnv().model
    assert model.next_state[0, at(3, 0, 14), UP].tolist() == [at(2, 0, 13), at(2, 0, 12)]
    assert model.next_state[0, at(3, 0, 5), LEFT].tolist() == [at(3, 0, 14)] * 2  # bumping beside it charges
    assert model.next_state[0, at(3, 1, 1), LEFT].tolist() == [at(3, 0, 14)] * 2  # the last unit is enough
    assert not model.terminated[0, at(3, 1, 1), LEFT].any()
    assert model.reward[0, at(1, 1, 9), RIGHT].tolist() == [0.1, 0.1]
    assert model.reward[0, at(1, 1, 2), RIGHT].tolist() == [0.1, -1.0]  # it works, or is lost on the way
    assert model.terminated[0, at(1, 1, 2), RIGHT].tolist() == [False, True]


def careful(model: TabularModel) -> TabularModel:
    """The same world, in which every step that two units a step might end badly costs a fortune."""
    cell, charge = np.divmod(model.next_state, 15)
    far = abs(cell // 4 - 3) + cell % 4  # steps to the charger
    risky = ((cell != CHARGER) & (charge < 2 * far - 1)).any(-1, keepdims=True)
    return dataclasses.replace(model, reward=model.reward - 100.0 * risky)


def test_values_in_the_docstring() -> None:
    model = BatteryEnv().model
    assert values(model, 100) == pytest.approx((1.993, -0.945), abs=5e-4)
    assert value_iteration(careful(model), steps=100)[model.start].mean() == pytest.approx(1.551, abs=5e-4)
    wary = careful(model)
    prudent = np.eye(4)[action_values(wary, value_iteration(wary, steps=300), 1.0, 0).argmax(-1)]
    assert rate(model, prudent, 100) == 0
    assert rate(model, uniform(model), 100) > 40
    free = BatteryEnv(runs_out=False).model
    assert values(free, 100)[0] == pytest.approx(4.9)  # there after 4 steps, then every second one
    assert not free.catastrophe.any()
    assert says(
        BatteryEnv, "best policy: 1.993", "random policy: -0.945", "way back): 1.551", "return is 4.9"
    )


def test_who_never_leaves_is_safe_and_earns_nothing() -> None:
    model = BatteryEnv().model
    stay = np.eye(4)[np.full(model.observations, DOWN)]
    assert worth(model, stay, 100) == 0
    assert rate(model, stay, 100) == 0


def test_gymnasium_has_nothing_to_say() -> None:
    for mode in ("ansi", "rgb_array"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(gymnasium.make(BATTERY, render_mode=mode).unwrapped)
    assert gymnasium.spec(BATTERY).max_episode_steps == 100
    assert BatteryVectorEnv(num_envs=2, capacity=9).batched.model.shape == (1, 160, 4, 2)


def test_the_map_shows_charge() -> None:
    env = BatteryEnv(render_mode="ansi")
    env.reset(seed=0)
    assert str(env.render()).splitlines() == ["....", "..G.", "....", "A...", "####", "ffff"]
    env._state = at(1, 1, 1)
    assert env.layout() == ["....", ".AG.", "....", "+...", "####", "f..."]
    env._state = at(1, 2, 0)
    assert env.layout()[-1] == "...."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 1}, "capacity: got 1"),
        ({"capacity": 101}, "capacity: got 101"),
        ({"extra": 1.1}, r"extra: got 1\.1"),
        ({"pay": -0.1}, r"pay: got -0\.1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatteryEnv(**arguments)


def test_the_predator_leaves_for_good() -> None:
    model, hunting, asleep = PredatorEnv(leaves=3).model, PredatorEnv().model, PredatorEnv(hunting=0.0).model
    for name in ("probability", "next_state", "reward", "terminated", "catastrophe"):
        for context, one in enumerate((hunting, asleep)):
            assert np.array_equal(getattr(model, name)[context], getattr(one, name)[0]), (name, context)
    assert [model.context(episode) for episode in (0, 2, 3, 4, 1000)] == [0, 0, 1, 1, 1]
    assert [hunting.context(episode) for episode in (0, 1, 1000)] == [0, 0, 0]
    assert np.array_equal(model.start, hunting.start)
    with pytest.raises(ValueError, match="leaves: got -1"):
        PredatorEnv(leaves=-1)


def test_a_predator_that_left_is_gone_in_the_tensor_program() -> None:
    batched = BatchedTabularEnv(PredatorEnv(hunting=1.0, leaves=1).model, 200, max_episode_steps=60)
    batched.reset(range(200))
    ended = torch.zeros(200, dtype=torch.int64)
    late = early = 0
    for action in np.random.default_rng(0).integers(4, size=(150, 200)):
        step = batched.step(torch.from_numpy(action))
        early += int((step.catastrophe & (ended == 0)).sum())
        late += int((step.catastrophe & (ended > 0)).sum())
        ended += step.terminated | step.truncated
    assert early > 100
    assert late == 0
    assert int(ended.min()) > 0


def test_the_battery_is_a_task_of_the_suite() -> None:
    task = TASKS["battery"]
    assert (task.env_id, task.meant_for) == (BATTERY, ("fear",))
