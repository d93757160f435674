"""The situations for deep agents: the lava field, new doors, and the pole whose physics come and go."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotional_ed.envs import (
    LavaFieldEnv,
    NewDoorsEnv,
    RecurringCartPoleEnv,
    TabularModel,
    policy_value,
    value_iteration,
)
from emotional_ed.envs import new_doors as doors
from emotional_ed.envs.lava_field import APART, CELLS, LIMIT, SIZE, draw_field, field_model, look
from emotional_ed.envs.planning import action_values
from emotional_ed.envs.registration import DEEP_IDS, ENV_IDS

UP, RIGHT, DOWN, LEFT = range(4)


def figure(kind: type[Any], pattern: str) -> tuple[float, float]:
    """Return a figure of the docstring, and by how much rounding may have changed it."""
    text = " ".join((kind.__doc__ or "").split())
    match = re.search(pattern + r"\D*?(-?\d+(?:\.\d+)?)", text)
    assert match, pattern
    return float(match[1]), 0.5 * 10 ** -len(match[1].partition(".")[2]) + 1e-9


# ---------------------------------------------------------------- both


@pytest.mark.parametrize("env_id", DEEP_IDS)
def test_gymnasium_has_nothing_to_say(env_id: str) -> None:
    for mode in ("ansi", "rgb_array"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(gymnasium.make(env_id, render_mode=mode).unwrapped)
    text = gymnasium.make(env_id).unwrapped.__doc__ or ""
    for section in (
        "Description", "Action Space", "Observation Space", "Starting State", "Rewards", "Episode End",
        "Information", "Values", "Control", "Arguments", "Version History",
    ):  # fmt: skip
        assert f"## {section}\n" in text, section
    assert "trade-off" in text
    assert f"truncated after {gymnasium.spec(env_id).max_episode_steps} steps" in text


def test_every_situation_is_in_the_reference() -> None:
    page = (Path(__file__).parents[1] / "docs/api/envs.md").read_text()
    for name in (*ENV_IDS, *DEEP_IDS):
        kind = type(gymnasium.make(name).unwrapped)
        assert f"::: {kind.__module__}.{kind.__name__}\n" in page, name


def test_gymnasium_finds_them_by_module_and_id() -> None:
    code = "import gymnasium; gymnasium.make('emotional_ed.envs:EmotionalED/LavaField-v0');" + "".join(
        f"gymnasium.make({name!r}); gymnasium.make_vec({name!r}, num_envs=2).reset(seed=0);"
        for name in DEEP_IDS
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("env_id", DEEP_IDS)
def test_the_same_seed_gives_the_same_life(env_id: str) -> None:
    def life(seed: int) -> list[Any]:
        env, told = gymnasium.make(env_id), []
        env.action_space.seed(1)
        for episode in range(4):
            observation, _ = env.reset(seed=seed if episode == 0 else None)
            ended = False
            while not ended:
                told.append(observation.tolist())
                observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
                told.append(reward)
                ended = terminated or truncated
        return told

    assert life(3) == life(3)
    assert life(3) != life(4)


@pytest.mark.parametrize("env_id", DEEP_IDS)
def test_maps_are_readable_until_the_episode_ends(env_id: str) -> None:
    env, image = (gymnasium.make(env_id, render_mode=mode) for mode in ("ansi", "rgb_array"))
    env.action_space.seed(0)
    for episode in range(5):
        env.reset(seed=0 if episode == 0 else None)
        ended = False
        while not ended:
            text: Any = env.render()
            rows = text.splitlines()
            assert text.count("A") == 1
            assert len({len(row) for row in rows}) == 1
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            ended = terminated or truncated
        assert env.render()
    image.reset(seed=0)
    drawn: Any = image.render()
    assert drawn.shape == (32 * len(rows), 32 * len(rows[0]), 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) >= 3


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("LavaField", {"lava": 0.41}, "lava: got 0.41"),
        ("LavaField", {"lava": float("nan")}, "lava: got nan"),
        ("LavaField", {"slip": -0.1}, "slip: got -0.1"),
        ("LavaField", {"slip": "often"}, "slip: got 'often'"),
        ("NewDoors", {"walls": 0.5}, "walls: got 0.5"),
        ("NewDoors", {"least": 0}, "least: got 0"),
        ("NewDoors", {"least": 5, "most": 4}, "most: got 4"),
        ("NewDoors", {"most": 21}, "most: got 21"),
        ("NewDoors", {"opens": 1}, "opens: got 1"),
        ("RecurringCartPole", {"change": "wind"}, "change: got 'wind'"),
        ("RecurringCartPole", {"period": 0}, "period: got 0"),
        ("RecurringCartPole", {"period": 1.5}, "period: got 1.5"),
    ],
)
def test_bad_arguments_are_refused_by_name(env_id: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}.*expected"):
        gymnasium.make(f"EmotionalED/{env_id}-v0", **arguments)


@pytest.mark.parametrize("kind", [LavaFieldEnv, NewDoorsEnv, RecurringCartPoleEnv])
def test_bad_actions_and_modes_are_refused(kind: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"render_mode: got 'human', expected 'ansi', 'rgb_array' or None"):
        kind(render_mode="human")
    env = kind()
    env.reset(seed=0)
    for bad in (7, -1, 0.5, None):
        with pytest.raises(ValueError, match=r"action: got .*expected an integer in \[0, [24]\)"):
            env.step(bad)


# ---------------------------------------------------------------- the lava field


@cache
def side_by_side(lava: float, slip: float, count: int = 500) -> TabularModel:
    drawn = [draw_field(np.random.default_rng(seed), lava) for seed in range(count)]
    fields, starts, goals = (np.array(column) for column in zip(*drawn, strict=True))
    return field_model(fields, starts, goals, slip)


def worth(model: TabularModel, policy: NDArray[Any]) -> tuple[float, float]:
    """Return the mean return and the mean number of catastrophes of an episode, exactly."""
    counting = dataclasses.replace(model, reward=model.catastrophe.astype(np.float64))
    found = [policy_value(one, policy, steps=LIMIT)[model.start].mean() for one in (model, counting)]
    return float(found[0]), float(found[1])


def best_policy(model: TabularModel) -> NDArray[Any]:
    q = action_values(model, value_iteration(model, steps=LIMIT), 1.0, 0)
    return np.asarray(np.eye(4)[q.argmax(-1)])


def test_values_in_the_docstring_of_the_lava_field_are_exact() -> None:
    model = side_by_side(0.15, 0.1)
    best = float(value_iteration(model, steps=LIMIT)[model.start].mean())
    told, rounding = figure(LavaFieldEnv, r"best policy \(sees the whole field\):")
    assert best == pytest.approx(told, abs=rounding)
    followed, burnt = worth(model, best_policy(model))
    assert followed == pytest.approx(best, abs=1e-3)  # one policy for all times to go
    told, rounding = figure(LavaFieldEnv, r"best policy \(sees the whole field\): 0.811, with")
    assert burnt == pytest.approx(told, abs=rounding)
    random = worth(model, np.full((model.observations, 4), 0.25))
    for computed, pattern in zip(random, ("random policy:", "random policy: -0.948, with"), strict=True):
        told, rounding = figure(LavaFieldEnv, pattern)
        assert computed == pytest.approx(told, abs=rounding)
    calm = side_by_side(0.0, 0.1)
    told, rounding = figure(LavaFieldEnv, "the best policy is worth")
    assert float(value_iteration(calm, steps=LIMIT)[calm.start].mean()) == pytest.approx(told, abs=rounding)
    assert not calm.catastrophe.any()


def test_the_straight_way_is_not_the_best_way() -> None:
    """Whoever takes lava for mere floor that ends the episode, or never goes near it, gets less."""
    model = side_by_side(0.15, 0.1)
    best, _ = worth(model, best_policy(model))
    sure = np.zeros_like(model.probability)
    sure[..., 0] = 1
    careless = dataclasses.replace(model, probability=sure)  # plans as if nothing slipped
    for computed, pattern in zip(
        worth(model, best_policy(careless)), ("for sure ground:", "for sure ground: 0.699, with"), strict=True
    ):
        told, rounding = figure(LavaFieldEnv, pattern)
        assert computed == pytest.approx(told, abs=rounding)
    beside = (model.catastrophe & (model.probability > 0)).any((2, 3))[0]  # [Z], where a step may end in lava
    afraid = dataclasses.replace(model, reward=model.reward - 10 * beside[model.next_state])
    assert worth(model, best_policy(afraid))[0] < best - 0.1


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.15, 0.4]))
@settings(deadline=None, max_examples=50)
def test_every_field_has_a_way(seed: int, share: float) -> None:
    lava, start, goal = draw_field(np.random.default_rng(seed), share)
    rows = [divmod(cell, SIZE) for cell in (start, goal)]
    assert sum(abs(a - b) for a, b in zip(*rows, strict=True)) >= APART
    reached, edge = {start}, [start]
    while edge:
        row, column = divmod(edge.pop(), SIZE)
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            cell = near[0] * SIZE + near[1]
            if min(near) >= 0 and max(near) < SIZE and not lava[cell] and cell not in reached:
                reached.add(cell)
                edge.append(cell)
    assert goal in reached
    assert share > 0 or not lava.any()


def test_the_share_of_lava_is_as_asked() -> None:
    found = [draw_field(np.random.default_rng(seed), 0.15)[0].mean() for seed in range(2000)]
    assert float(np.mean(found)) == pytest.approx(
        0.15, abs=0.015
    )  # a little less: start, goal and a way are free


def by_hand(lava: NDArray[np.bool_], goal: int, cell: int) -> list[float]:
    seen = []
    for kind in ("border", "lava", "goal"):
        for down in range(-2, 3):
            for right in range(-2, 3):
                row, column = cell // SIZE + down, cell % SIZE + right
                inside = 0 <= row < SIZE and 0 <= column < SIZE
                there = row * SIZE + column
                marks = {
                    "border": not inside,
                    "lava": inside and bool(lava[there]),
                    "goal": inside and there == goal,
                }
                seen.append(float(marks[kind]))
    return [*seen, (goal // SIZE - cell // SIZE) / 6, (goal % SIZE - cell % SIZE) / 6]


@given(st.integers(0, 10_000), st.integers(0, CELLS - 1))
@settings(deadline=None, max_examples=50)
def test_what_is_seen_equals_a_count_by_hand(seed: int, cell: int) -> None:
    lava, _, goal = draw_field(np.random.default_rng(seed), 0.3)
    assert look(lava, goal, cell).tolist() == pytest.approx(by_hand(lava, goal, cell))


def placed(slip: float, cell: int, goal: int, *lava: int) -> LavaFieldEnv:
    env = LavaFieldEnv(slip=slip, render_mode="ansi")
    env.reset(seed=0)
    env._lava = np.isin(np.arange(CELLS), lava)
    env._cell, env._goal = cell, goal
    return env


def test_steps_by_hand() -> None:
    env = placed(0.0, 8, 10, 1, 16)
    assert env.render().splitlines()[:3] == [".X.....", ".A.G...", "..X...."]
    seen, *rest = env.step(RIGHT)
    assert rest == [-0.01, False, False, {"catastrophe": False}]
    assert seen.tolist() == pytest.approx(by_hand(env._lava, 10, 9))
    assert env.step(RIGHT)[1:] == (pytest.approx(0.99), True, False, {"catastrophe": False})
    env = placed(0.0, 8, 10, 1)
    assert env.step(UP)[1:] == (pytest.approx(-1.01), True, False, {"catastrophe": True})
    env = placed(0.0, 0, 10)
    assert env.step(UP)[4] == {"catastrophe": False}
    assert env._cell == 0  # against the border
    assert [env.step(action)[0][-2:].tolist() for action in (DOWN, RIGHT)][1] == pytest.approx([0, 2 / 6])


def test_slips_are_as_often_as_said_and_to_the_sides() -> None:
    env, where = LavaFieldEnv(slip=0.3), []
    env.reset(seed=1)
    for _ in range(6000):
        env._lava, env._cell, env._goal = np.zeros(CELLS, dtype=np.bool_), 24, 0
        env.step(RIGHT)
        where.append(env._cell)
    share = np.bincount(where, minlength=CELLS) / 6000
    assert share[[25, 17, 31]] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    assert share.sum() == pytest.approx(share[[25, 17, 31]].sum())


def test_its_model_is_the_present_field() -> None:
    env = placed(0.2, 8, 10, 1, 16)
    model = env.model()
    assert model.start.tolist() == [8]
    assert model.probability[0, 8, RIGHT].tolist() == pytest.approx([0.8, 0.1, 0.1])
    assert model.next_state[0, 8, RIGHT].tolist() == [9, 1, 15]
    assert model.reward[0, 8, RIGHT].tolist() == pytest.approx([-0.01, -1.01, -0.01])
    assert model.catastrophe[0, 8, RIGHT].tolist() == [False, True, False]


# ---------------------------------------------------------------- new doors


@cache
def rooms(opens: bool, count: int = 500) -> list[TabularModel]:
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        room = doors.draw_room(rng, 0.15)
        found.append(doors.room_model(room, int(rng.integers(2, 9)), opens))
    return found


def test_values_in_the_docstring_of_new_doors_are_exact() -> None:
    best = [value_iteration(one, steps=doors.LIMIT)[one.start].mean() for one in rooms(True)]
    shut = [value_iteration(one, steps=doors.LIMIT)[one.start].mean() for one in rooms(False)]
    even = [np.full((one.observations, 4), 0.25) for one in rooms(True)]
    random = [
        policy_value(one, policy, steps=doors.LIMIT)[one.start].mean()
        for one, policy in zip(rooms(True), even, strict=True)
    ]
    for values, pattern in (
        (best, r"best policy \(sees the whole room, needs no memory\):"),
        (shut, "best policy that takes the exit:"),
        (shut, "persistence must not trap, the best return is"),
        (random, "uniformly random policy:"),
    ):
        told, rounding = figure(NewDoorsEnv, pattern)
        assert float(np.mean(values)) == pytest.approx(told, abs=rounding), pattern


def test_a_room_lives_as_its_tables_say() -> None:
    """Same rewards, cells and ends for random actions; the pushes needed are as often each number."""
    rng, needs = np.random.default_rng(0), []
    for opens in (True, False):
        env = NewDoorsEnv(opens=opens)
        for episode in range(300):
            env.reset(seed=7 if episode == 0 else None)
            needs.append(env._need)
            if episode >= 50:
                continue
            model = env.model()
            state, door = int(model.start[0]), env._room.door
            for _ in range(doors.LIMIT):
                beside = [action for action in range(4) if doors._NEAR[state % CELLS, action] == door]
                pushes = bool(beside) and rng.random() < 0.8
                action = beside[0] if pushes else int(rng.integers(4))
                assert env.model().start.tolist() == [state]
                seen, reward, over, cut, info = env.step(action)
                assert reward == pytest.approx(model.reward[0, state, action, 0])
                assert (over, cut) == (bool(model.terminated[0, state, action, 0]), False)
                assert info == {"catastrophe": False}
                state = int(model.next_state[0, state, action, 0])
                assert env._cell == state % CELLS
                assert np.array_equal(seen, doors.look(env._room, env._cell))
                assert env.observation_space.contains(seen)
                if over:
                    break
    counts = np.bincount(needs, minlength=9)
    assert not counts[:2].any()
    assert counts[2:].min() > 55  # of 600; 86 expected


def test_what_is_seen_of_a_room_by_hand() -> None:
    wall = np.zeros(CELLS, dtype=np.bool_)
    wall[[1, 16]] = True
    room = doors.Room(wall, start=8, door=10, exit=48)
    env = NewDoorsEnv(least=3, most=3, render_mode="ansi")
    env.reset(seed=0)
    env._room, env._cell, env._need = room, 8, 3
    assert env.render().splitlines()[:3] == [".#.....", ".A.D...", "..#...."]
    windows = doors.look(room, 8)[:75].reshape(3, 5, 5)
    border = np.zeros((5, 5))
    border[0], border[:, 0] = 1, 1
    border[1, 2], border[3, 3] = 1, 1  # the two walls
    assert windows[0].tolist() == border.tolist()
    assert np.argwhere(windows[1]).tolist() == [[2, 4]]
    assert not windows[2].any()  # the exit is out of sight, but its direction is known
    assert doors.look(room, 8)[75:].tolist() == pytest.approx([0, 2 / 6, 5 / 6, 5 / 6])
    assert env.step(UP)[1] == -0.01
    assert env._cell == 8  # a wall
    env.step(RIGHT)
    before = doors.look(room, 9)
    for action, pushes in ((RIGHT, 1), (RIGHT, 2), (UP, 0), (DOWN, 0)):
        env.step(action)
        assert env._pushes == pushes
    assert env._cell == 9
    for _ in range(2):
        seen, reward, over, *_ = env.step(RIGHT)
        assert np.array_equal(seen, before)  # the pushes are not seen
        assert (reward, over) == (-0.01, False)
    assert env.step(RIGHT)[1:3] == (pytest.approx(0.99), True)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.15, 0.4]))
@settings(deadline=None, max_examples=50)
def test_every_room_has_a_way_to_the_door_and_one_to_the_exit(seed: int, share: float) -> None:
    room = doors.draw_room(np.random.default_rng(seed), share)
    assert not room.wall[[room.start, room.door, room.exit]].any()
    for aim, other in ((room.door, room.exit), (room.exit, room.door)):
        apart = sum(abs(a - b) for a, b in zip(divmod(room.start, SIZE), divmod(aim, SIZE), strict=True))
        assert apart >= doors.APART
        reached, edge = {room.start}, [room.start]
        while edge:
            for near in doors._NEAR[edge.pop()].tolist():
                if near not in reached and near != other and not room.wall[near]:
                    reached.add(near)
                    edge.append(near)
        assert aim in reached


# ---------------------------------------------------------------- the pole whose physics come and go


def balance(observation: NDArray[Any]) -> int:
    position, speed, angle, turning = observation
    return int(angle + 0.5 * turning + 0.05 * position + 0.1 * speed > 0)


def play(policy: Callable[[Any, int], int], episodes: int, **arguments: Any) -> list[tuple[float, int]]:
    """Return (return, phase) of each episode."""
    env, told = gymnasium.make("EmotionalED/RecurringCartPole-v0", **arguments), []
    for episode in range(episodes):
        observation, info = env.reset(seed=0 if episode == 0 else None)
        phase, total, ended = info["phase"], 0.0, False
        while not ended:
            observation, reward, terminated, truncated, info = env.step(policy(observation, phase))
            assert info == {"phase": phase, "catastrophe": terminated}
            total += float(reward)
            ended = terminated or truncated
        told.append((total, phase))
    return told


def test_who_knows_the_physics_never_falls() -> None:
    lives = play(lambda seen, phase: phase ^ balance(seen), 60)
    assert {total for total, _ in lives} == {200.0}
    assert [phase for _, phase in lives] == [0] * 20 + [1] * 20 + [0] * 20  # 4000 steps a phase
    told, _ = figure(RecurringCartPoleEnv, r"best policy \(knows the physics\):")
    assert told == 200
    assert {total for total, _ in play(lambda seen, _: balance(seen), 40, change="pole")} == {200.0}
    assert {total for total, _ in play(lambda seen, _: balance(seen), 5, change="none")} == {200.0}


def test_who_knows_one_kind_of_physics_falls_under_the_other() -> None:
    lives = play(lambda seen, _: balance(seen), 300, period=2000)
    for phase, pattern in ((0, "best policy \\(knows the physics\\):"), (1, "under the other:")):
        told, _ = figure(RecurringCartPoleEnv, pattern)
        assert np.mean([total for total, which in lives if which == phase]) == pytest.approx(told, abs=0.15)


def test_the_value_of_the_random_policy() -> None:
    random = np.random.default_rng(0)
    totals = [total for total, _ in play(lambda *_: int(random.integers(2)), 1000)]
    told, rounding = figure(RecurringCartPoleEnv, "uniformly random policy:")
    assert np.mean(totals) == pytest.approx(told, abs=rounding + 3 * np.std(totals) / 1000**0.5)


def test_pushes_change_places_and_nothing_else() -> None:
    theirs = gymnasium.make("CartPole-v1")
    random = np.random.default_rng(0)
    ours = RecurringCartPoleEnv(period=1)
    ours.reset(seed=5)
    ours.step(0)
    for swapped in (True, False):
        if not swapped:
            ours = RecurringCartPoleEnv()
        seen, info = ours.reset(seed=7) if not swapped else ours.reset()
        assert info["phase"] == int(swapped)
        theirs.reset(seed=7)
        state: Any = theirs.unwrapped
        state.state = np.array(ours._world.state)
        for _ in range(8):
            action = int(random.integers(2))
            seen, *rest, _ = ours.step(action)
            expected, *others, _ = theirs.step(1 - action if swapped else action)
            assert seen.tolist() == expected.tolist()
            assert rest == others


def test_phases_begin_with_an_episode_and_a_seed_starts_anew() -> None:
    env = RecurringCartPoleEnv(period=10)
    env.reset(seed=0)
    phases: list[int] = []
    for _ in range(6):
        for action in (0, 1) * 3:
            assert env.step(action)[4]["phase"] == (phases or [0])[-1]
        phases.append(env.reset()[1]["phase"])
    assert phases == [0, 1, 1, 0, 1, 1]  # after 6, 12, 18, 24, 30, 36 steps
    assert env.reset(seed=1)[1]["phase"] == 0


def test_the_long_pole_is_three_times_as_long() -> None:
    env = RecurringCartPoleEnv(change="pole", period=5)
    env.reset(seed=0)
    lengths = []
    for _ in range(4):
        lengths.append((env._world.length, env._world.polemass_length))
        for action in (0, 1, 0, 1, 0):
            env.step(action)
        env.reset()
    assert lengths == [pytest.approx(one) for one in [(0.5, 0.05), (1.5, 0.15)] * 2]


def test_the_drawing_follows_cart_and_pole() -> None:
    env = RecurringCartPoleEnv(render_mode="ansi")
    assert env.render().splitlines() == [12 * "." + "+" + 12 * ".", "#" + 11 * "." + "A" + 11 * "." + "#"]
    env.reset(seed=0)
    env._world.state = (1.2, 0.0, -0.5 * env._world.theta_threshold_radians, 0.0)
    assert env.render().splitlines() == [15 * "." + "+" + 9 * ".", "#" + 17 * "." + "A" + 5 * "." + "#"]
