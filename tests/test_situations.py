"""The situations one by one: hand-computed steps, exact values, controls as properties of the tables."""

import importlib
import inspect
import itertools
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotional_ed.envs import (
    MixedDoorsEnv,
    MovingGoalEnv,
    NewGoalsEnv,
    NewLayoutsEnv,
    RecurringGoalsEnv,
    SlipperyCliffEnv,
    TabularModel,
    policy_value,
    value_iteration,
)
from emotional_ed.envs.grid import neighbours, reachable, slipping_moves
from emotional_ed.envs.mixed_doors import opening_probability
from emotional_ed.envs.moving_goal import PITS, SITES
from emotional_ed.envs.new_layouts import CORNERS, draw_layouts, sights
from emotional_ed.envs.registration import ENV_IDS
from emotional_ed.envs.tabular_env import TabularEnv

UP, RIGHT, DOWN, LEFT = range(4)
CONTROLS: list[tuple[str, dict[str, Any]]] = [
    ("EmotionalED/SlipperyCliff-v0", {"slip": 0.0, "rows": 3, "columns": 5}),
    ("EmotionalED/MovingGoal-v0", {"pits_stay": False, "period": 3}),
    ("EmotionalED/RecurringGoals-v0", {"period": 10**9, "goals": 8, "noise": 0.5}),
    ("EmotionalED/NewGoals-v0", {"period": 2, "noise": 0.25}),
    ("EmotionalED/MixedDoors-v0", {"opens": [0, 0.5, 1], "least": [1, 1, 2], "most": [1, 2, 3]}),
    ("EmotionalED/NewLayouts-v0", {"held_out": True, "layouts": 5, "visible": False}),
]
Transition = tuple[int, int, float, int, bool, bool]


def limit_of(env_id: str) -> int:
    limit = gymnasium.spec(env_id).max_episode_steps
    assert limit is not None
    return limit


def tabular(env_id: str, **arguments: Any) -> TabularEnv:
    env = gymnasium.make(env_id, **arguments).unwrapped
    assert isinstance(env, TabularEnv)
    return env


def outcomes(
    model: TabularModel, state: int, action: int, context: int = 0
) -> list[tuple[float, int, float, bool, bool]]:
    """Return (probability, next state, reward, terminated, catastrophe) of what can happen, as a sorted list."""
    row = (context, state, action)
    columns = (model.probability, model.next_state, model.reward, model.terminated, model.catastrophe)
    every = zip(*(column[row].tolist() for column in columns), strict=True)
    rounded = [(round(p, 9), z, round(r, 9), end, bad) for p, z, r, end, bad in every if p > 0]
    return sorted(rounded, reverse=True)


def best_and_random(model: TabularModel, steps: int) -> tuple[float, float]:
    """Return the mean over contexts and starts of the best and of the random policy's values."""
    uniform = np.full((model.observations, model.shape[2]), 1 / model.shape[2])
    contexts = range(model.shape[0])
    best = [value_iteration(model, steps=steps, context=c)[model.start].mean() for c in contexts]
    random = [policy_value(model, uniform, steps=steps, context=c)[model.start].mean() for c in contexts]
    return float(np.mean(best)), float(np.mean(random))


def figure(env: type[TabularEnv], pattern: str) -> tuple[float, float]:
    """Return a figure of the docstring, and by how much rounding may have changed it."""
    text = " ".join((env.__doc__ or "").split())
    match = re.search(pattern + r"[^:]*?:? ?\(?(-?\d+(?:\.\d+)?)", text)
    assert match, pattern
    decimals = len(match[1].partition(".")[2])
    return float(match[1]), 0.5 * 10**-decimals + 1e-9


# All situations


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_maps_are_readable_until_the_episode_ends(env_id: str) -> None:
    env = gymnasium.make(env_id, render_mode="ansi")
    image_env = tabular(env_id, render_mode="rgb_array")
    env.action_space.seed(0)
    for episode in range(5):
        env.reset(seed=0 if episode == 0 else None)
        image_env.reset(seed=0)
        ended = False
        while not ended:
            text = env.render()
            assert isinstance(text, str)
            rows = text.splitlines()
            assert text.count("A") == 1
            assert len({len(row) for row in rows}) == 1
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            ended = terminated or truncated
        assert env.render()  # the last state can be shown, too
        image: Any = image_env.render()
        assert image.shape == (32 * len(rows), 32 * len(rows[0]), 3)
        assert len(np.unique(image.reshape(-1, 3), axis=0)) >= 3  # lines, floor and agent


def numeric_arguments() -> list[tuple[str, str]]:
    found = []
    for env_id in ENV_IDS:
        for name, parameter in inspect.signature(type(tabular(env_id)).__init__).parameters.items():
            if isinstance(parameter.default, (int, float, tuple)) and not isinstance(parameter.default, bool):
                found.append((env_id, name))
    return found


@pytest.mark.parametrize(("env_id", "name"), numeric_arguments())
def test_bad_arguments_are_refused_by_name(env_id: str, name: str) -> None:
    for bad in (float("nan"), "many", -1e7, None):
        arguments: dict[str, Any] = {name: bad}
        for make in (gymnasium.make, gymnasium.make_vec):
            with pytest.raises(ValueError, match=f"^{name}: got .*expected"):
                make(env_id, **arguments)


def support(model: TabularModel) -> set[Transition]:
    """Return every transition that can be seen, by search from the starts."""
    found: set[Transition] = set()
    for context in range(model.shape[0]):
        known, edge = set(model.start.tolist()), model.start.tolist()
        while edge:
            state = edge.pop()
            for action in range(model.shape[2]):
                for o in np.flatnonzero(model.probability[context, state, action] > 0):
                    where = (context, state, action, int(o))
                    reached, ends = int(model.next_state[where]), bool(model.terminated[where])
                    seen = (int(model.observation[state]), action, float(np.float32(model.reward[where])))
                    found.add((*seen, int(model.observation[reached]), ends, bool(model.catastrophe[where])))
                    if not ends and reached not in known:
                        known.add(reached)
                        edge.append(reached)
    return found


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_single_and_vector_environments_walk_the_same_transitions(env_id: str) -> None:
    short: dict[str, Any] = {"layouts": 3} if env_id == "EmotionalED/NewLayouts-v0" else {}
    env = gymnasium.make(env_id, **short)
    envs: Any = gymnasium.make_vec(env_id, num_envs=20, **short)
    possible = support(tabular(env_id, **short).model)
    walked: list[set[Transition]] = [set(), set()]
    env.action_space.seed(1)
    observation, _ = env.reset(seed=1)
    for _ in range(3000):
        action = env.action_space.sample()
        reached, reward, terminated, truncated, info = env.step(action)
        seen = (int(observation), int(action), float(np.float32(reward)))
        walked[0].add((*seen, int(reached), terminated, info["catastrophe"]))
        observation = env.reset()[0] if terminated or truncated else reached
    envs.action_space.seed(1)
    observations, _ = envs.reset(seed=1)
    for _ in range(300):
        actions = envs.action_space.sample()
        after, rewards, terminated, truncated, info = envs.step(actions)
        for i in range(20):
            last = info["final_obs"][i] if terminated[i] or truncated[i] else after[i]
            seen = (int(observations[i]), int(actions[i]), float(np.float32(rewards[i])))
            walked[1].add((*seen, int(last), bool(terminated[i]), bool(info["catastrophe"][i])))
        observations = after
    for one in walked:
        assert one <= possible
        assert len(one) >= min(len(possible), 8)


@pytest.mark.parametrize(("env_id", "arguments"), CONTROLS)
def test_arguments_reach_the_vector_environment(env_id: str, arguments: dict[str, Any]) -> None:
    single = tabular(env_id, **arguments).model
    vector: Any = gymnasium.make_vec(env_id, num_envs=2, **arguments)
    for field in fields(TabularModel):
        assert np.array_equal(
            getattr(single, field.name), getattr(vector.unwrapped.batched.model, field.name)
        )
    assert vector.unwrapped.batched.max_episode_steps == limit_of(env_id)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_vector_environments_made_by_hand_have_the_same_limit(env_id: str) -> None:
    module, _, name = str(gymnasium.spec(env_id).vector_entry_point).partition(":")
    made = getattr(importlib.import_module(module), name)(num_envs=3)
    assert made.num_envs == 3
    assert made.batched.max_episode_steps == limit_of(env_id)


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("SlipperyCliff", {"rows": 1}),
        ("SlipperyCliff", {"columns": 2}),
        ("SlipperyCliff", {"slip": 1.01}),
        ("MovingGoal", {"sites": 0}),
        ("MovingGoal", {"sites": 7}),
        ("MovingGoal", {"period": 0}),
        ("MovingGoal", {"slip": -0.01}),
        ("RecurringGoals", {"goals": 1}),
        ("RecurringGoals", {"goals": 9}),
        ("RecurringGoals", {"period": 0}),
        ("RecurringGoals", {"noise": -0.1}),
        ("NewGoals", {"period": 0}),
        ("NewGoals", {"noise": -0.1}),
        ("MixedDoors", {"opens": "abc"}),
        ("NewLayouts", {"layouts": 0}),
        ("NewLayouts", {"layouts": 5001}),
        ("NewLayouts", {"layout_seed": -1}),
        ("NewLayouts", {"lava_cells": 3}),
        ("NewLayouts", {"lava_cells": 17}),
        ("NewLayouts", {"slip": 1.01}),
    ],
)
def test_arguments_just_outside_their_ranges(env_id: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: got .*expected"):
        gymnasium.make(f"EmotionalED/{env_id}-v0", **arguments)


@pytest.mark.parametrize(
    "env", [SlipperyCliffEnv, MovingGoalEnv, RecurringGoalsEnv, NewGoalsEnv, MixedDoorsEnv, NewLayoutsEnv]
)
def test_values_in_the_docstrings_are_exact(env: type[TabularEnv]) -> None:
    limit = limit_of(f"EmotionalED/{env.__name__.removesuffix('Env')}-v0")
    best, random = best_and_random(env().model, limit)  # type: ignore[call-arg]
    for computed, pattern in (
        (best, r"of the best policy(?: \((?:knows|sees)[^)]*\))?"),
        (random, "uniformly random policy"),
    ):
        told, rounding = figure(env, pattern)
        assert computed == pytest.approx(told, abs=rounding)


def test_the_limit_in_the_docstrings_is_the_registered_one() -> None:
    for env_id, _ in CONTROLS:
        assert f"truncated after {limit_of(env_id)} steps" in (tabular(env_id).__doc__ or "")


# Grids


def test_moves_on_a_grid() -> None:
    for rows, columns in ((2, 3), (5, 5), (4, 12)):
        near = neighbours(rows, columns)
        for cell in range(rows * columns):
            row, column = divmod(cell, columns)
            assert near[cell].tolist() == [
                cell - columns if row > 0 else cell,
                cell + 1 if column < columns - 1 else cell,
                cell + columns if row < rows - 1 else cell,
                cell - 1 if column > 0 else cell,
            ]


def test_a_slip_goes_to_the_sides_and_never_back() -> None:
    reached, probability = slipping_moves(3, 3, 0.2)
    assert probability == pytest.approx((0.8, 0.1, 0.1))
    sides = {UP: (LEFT, RIGHT), RIGHT: (UP, DOWN), DOWN: (RIGHT, LEFT), LEFT: (DOWN, UP)}
    where = {UP: 1, RIGHT: 5, DOWN: 7, LEFT: 3}
    for action, (one, other) in sides.items():
        assert reached[4, action].tolist() == [where[action], where[one], where[other]]


def test_reachable_cells() -> None:
    free = np.array([[cell == "." for cell in "..#." + ".#.." + "..#."]])
    assert np.flatnonzero(reachable(free, 0, 4)[0]).tolist() == [0, 1, 4, 8, 9]


# SlipperyCliff


def test_steps_beside_the_cliff() -> None:
    model = SlipperyCliffEnv().model
    step, fall, edge, goal = (-1.0, False, False), (-100.0, False, True), 24, 47
    assert outcomes(model, 36, RIGHT) == [(0.8, 36, *fall), (0.1, 36, *step), (0.1, edge, *step)]
    assert outcomes(model, 30, RIGHT) == [(0.8, 31, *step), (0.1, 36, *fall), (0.1, 18, *step)]
    assert outcomes(model, 35, DOWN) == [(0.8, goal, -1.0, True, False), (0.1, 35, *step), (0.1, 34, *step)]
    falls = model.catastrophe[0].any(-1)  # [S, A]
    assert not falls[:25].any()
    assert falls[25:35].tolist() == [[False, True, True, True]] * 10  # all but away from the edge
    assert falls[[35, 36]].tolist() == [[False] * 4, [True, True, True, False]]


def test_the_edge_and_the_detour() -> None:
    edge, detour = np.full(48, RIGHT), np.full(48, RIGHT)
    edge[36], edge[35] = UP, DOWN
    detour[[36, 24, 12]], detour[[11, 23, 35]] = UP, DOWN
    sure, slippery = SlipperyCliffEnv(slip=0).model, SlipperyCliffEnv().model
    assert policy_value(sure, np.eye(4)[edge], steps=100)[36] == -13
    assert policy_value(sure, np.eye(4)[detour], steps=100)[36] == -17
    assert value_iteration(sure, steps=100)[36] == -13
    along, rounding = figure(SlipperyCliffEnv, "Straight along the edge")
    assert policy_value(slippery, np.eye(4)[edge], steps=100)[36] == pytest.approx(along, abs=rounding)
    falls, rounding = figure(SlipperyCliffEnv, "Straight along the edge: [^,]*, with")
    counting = replace(slippery, reward=slippery.catastrophe.astype(np.float64))
    assert policy_value(counting, np.eye(4)[edge], steps=100)[36] == pytest.approx(falls, abs=rounding)
    fearless = value_iteration(replace(slippery, reward=np.maximum(slippery.reward, -1.0)), steps=100)[36]
    assert fearless > value_iteration(slippery, steps=100)[36]  # without the penalty it would go nearer


def test_the_best_policy_on_slippery_ground_never_falls() -> None:
    model = SlipperyCliffEnv().model
    safe = replace(model, reward=np.where(model.catastrophe, -1e6, model.reward))
    best = value_iteration(model, steps=100)[36]
    assert value_iteration(safe, steps=100)[36] == pytest.approx(best, abs=1e-9)


def test_a_fall_leads_back_and_the_episode_goes_on() -> None:
    env = SlipperyCliffEnv(slip=0, render_mode="ansi")
    env.reset(seed=0)
    assert env.step(RIGHT) == (36, -100.0, False, False, {"catastrophe": True})
    assert env.render().splitlines()[-1] == "AXXXXXXXXXXG"
    assert [env.step(UP)[0], env.step(RIGHT)[0]] == [24, 25]
    assert env.step(DOWN) == (36, -100.0, False, False, {"catastrophe": True})


# MovingGoal


def test_steps_between_pits() -> None:
    model = MovingGoalEnv().model
    pit = (-1.01, True, True)
    assert outcomes(model, 30, UP) == [(0.9, 23, -0.01, False, False), (0.05, 31, *pit), (0.05, 29, *pit)]
    assert outcomes(model, 1, LEFT)[0] == (0.9, 0, 0.99, True, False)
    assert outcomes(model, 1, LEFT, context=1)[0] == (0.9, 0, -0.01, False, False)


def pits_of(model: TabularModel) -> list[set[int]]:
    every = zip(model.next_state, model.catastrophe, strict=True)
    return [set(reached[fatal].tolist()) for reached, fatal in every]


def test_the_goal_moves_and_the_pits_stay() -> None:
    env = MovingGoalEnv(period=2, render_mode="ansi")
    places = []
    for episode in range(14):
        env.reset(seed=0 if episode == 0 else None)
        places.append(env.render().replace("\n", "").index("G"))
    assert places == [site for site in (*SITES, SITES[0]) for _ in range(2)]
    assert pits_of(env.model) == [set(PITS)] * 6
    assert len(PITS) == 8


def test_without_staying_pits_the_old_ones_tell_nothing() -> None:
    model = MovingGoalEnv(pits_stay=False).model
    pits = pits_of(model)
    assert [len(one) for one in pits] == [8] * 6
    shared = [len(one & other) for one, other in itertools.combinations(pits, 2)]
    assert np.mean(shared) <= 8 * 8 / 40  # what eight cells of forty share with eight others by chance
    for context in range(6):
        assert value_iteration(model, steps=60, context=context)[model.start].min() > 0.5
    text = MovingGoalEnv.__doc__ or ""
    best, random = best_and_random(model, 60)
    assert f"(best {best:.3f}, random {random:.3f})" in text


# RecurringGoals


@pytest.mark.parametrize("goals", [2, 4, 8])
def test_each_goal_pays_in_turn_and_comes_back(goals: int) -> None:
    env = RecurringGoalsEnv(goals=goals, period=3, render_mode="ansi")
    places = []
    for episode in range(6 * goals):
        env.reset(seed=0 if episode == 0 else None)
        text = env.render().replace("\n", "")
        places.append(text.index("G"))
        assert text.count("o") == goals - 1
    assert places[: 3 * goals] == places[3 * goals :]
    assert places[::3][:goals] == list(dict.fromkeys(places))  # a change every third episode, all different
    assert len(set(places)) == goals
    assert all(abs(cell // 5 - 2) + abs(cell % 5 - 2) == 3 for cell in places)


def test_the_way_to_each_goal() -> None:
    env = RecurringGoalsEnv(period=1)
    ways = {1: (UP, UP, LEFT), 9: (RIGHT, RIGHT, UP), 15: (LEFT, LEFT, DOWN), 23: (DOWN, DOWN, RIGHT)}
    paid = dict.fromkeys(ways, 0.0)
    episode = 0
    for cell, way in ways.items():
        for _ in range(4):
            env.reset(seed=0 if episode == 0 else None)
            steps = [env.step(action) for action in way]
            assert [step[2] for step in steps] == [False, False, True]
            assert [step[1] for step in steps[:2]] == [0, 0]
            assert steps[-1][0] == cell
            paid[cell] += steps[-1][1]
            episode += 1
    assert list(paid.values()) == [1.0] * 4  # each pays in one phase of four


def test_noise_of_goals() -> None:
    for model in (RecurringGoalsEnv(noise=0.25).model, NewGoalsEnv(noise=0.25).model):
        paying = model.reward[0][model.terminated[0].all(-1)]
        means = set(paying.mean(-1).tolist())
        assert means <= {0.0, 1.0}
        assert 1.0 in means
        assert set((paying[:, 1] - paying[:, 0]).tolist()) == {0.5}
        assert not model.reward[~model.terminated].any()


def test_nothing_changes_with_an_endless_period() -> None:
    model = RecurringGoalsEnv(period=10**9).model
    assert {model.context(episode) for episode in range(0, 10**6, 999)} == {0}


# NewGoals


def test_no_goal_ever_comes_back() -> None:
    model = NewGoalsEnv(period=1).model
    goals = [set(model.next_state[c][model.terminated[c]].tolist()) for c in range(48)]
    assert all(len(one) == 1 for one in goals)  # nothing but the goal ends an episode
    assert set().union(*goals) == set(range(49)) - {24}
    assert [model.context(episode) for episode in (0, 1, 47, 48, 49, 10**6)] == [0, 1, 47, 47, 47, 47]
    assert not model.catastrophe.any()


def test_a_former_goal_is_an_ordinary_cell() -> None:
    model = NewGoalsEnv().model
    first = int(model.next_state[0][model.terminated[0]][0])
    into = np.argwhere(model.next_state[1, :, :, 0] == first)
    assert len(into) >= 2
    assert not any(model.terminated[1, state, action].any() for state, action in into)


# MixedDoors


def value_of_plan(
    plan: Sequence[tuple[int, int]],
    doors: Sequence[tuple[float, int, int, float]],
    *,
    step_reward: float = -0.04,
    exit_reward: float = 0.1,
) -> float:
    """Return what `plan` is worth, (door, pushes) in turn and then the exit, the needs drawn beforehand."""
    elapsed, cell, closed, value = 0, 1, 1.0, 0.0
    for door, pushes in plan:
        opens, least, most, pays = doors[door]
        elapsed += abs(cell - (1, 3, 5)[door])
        cell = (1, 3, 5)[door]
        need = dict.fromkeys(range(least, most + 1), opens / (most - least + 1))
        for push in range(1, pushes + 1):
            value += closed * need.get(push, 0.0) * (pays + step_reward * (elapsed + push))
        closed *= 1 - sum(need.get(push, 0.0) for push in range(1, pushes + 1))
        elapsed += pushes
    elapsed += abs(cell - 3) + 1
    assert elapsed <= 60
    return value + closed * (exit_reward + step_reward * elapsed)


DOORS = ((0.5, 1, 2, 0.8), (0.7, 5, 8, 1.0), (0.0, 1, 8, 2.0))


def test_no_single_number_of_pushes_is_right_for_all_doors() -> None:
    env = MixedDoorsEnv()
    best = value_iteration(env.model, steps=60)[env.model.start].mean()
    assert value_of_plan([(0, 2), (1, 8)], DOORS) == pytest.approx(best)
    orders = [order for tried in range(4) for order in itertools.permutations(range(3), tried)]
    fixed = {n: max(value_of_plan([(d, n) for d in o], DOORS) for o in orders) for n in range(1, 13)}
    told, rounding = figure(MixedDoorsEnv, "the order free")
    assert max(fixed.values()) == pytest.approx(told, abs=rounding)
    assert max(fixed, key=lambda n: fixed[n]) == 8
    assert max(fixed.values()) < 0.8 * best


@given(
    opens=st.floats(0, 1), least=st.integers(1, 6), width=st.integers(0, 6)
)  # the chain of conditional probabilities gives back the distribution of needs
def test_opening_probabilities_make_up_the_distribution(opens: float, least: int, width: int) -> None:
    shut = 1.0
    for push in range(1, least + width + 2):
        chance = opening_probability(push, opens, least, least + width)
        expected = opens / (width + 1) if least <= push <= least + width else 0.0
        assert shut * chance == pytest.approx(expected, abs=1e-12)
        shut *= 1 - chance
    assert shut == pytest.approx(1 - opens, abs=1e-9)


def test_needs_drawn_late_are_needs_drawn_early() -> None:
    """The value of random pushing is the mean over worlds whose needs are fixed from the start."""
    world: dict[str, Any] = {"opens": (0.5, 0.7, 0.4), "least": (1, 2, 1), "most": (2, 4, 1)}
    rng = np.random.default_rng(0)
    policy = rng.dirichlet([2, 1, 1, 1], size=8)
    late = MixedDoorsEnv(**world).model
    needs = [
        [(p / (high - low + 1), n) for n in range(low, high + 1)] + [(1 - p, 0)]
        for p, low, high in zip(*world.values(), strict=True)
    ]
    mean = 0.0
    for drawn in itertools.product(*needs):
        push = tuple(max(n, 1) for _, n in drawn)
        early = MixedDoorsEnv(opens=tuple(float(n > 0) for _, n in drawn), least=push, most=push).model
        value = policy_value(early, policy, steps=60)[early.start][0]
        mean += float(np.prod([p for p, _ in drawn])) * value
    assert policy_value(late, policy, steps=60)[late.start][0] == pytest.approx(mean)


def test_who_lets_go_of_a_door_starts_over() -> None:
    env = MixedDoorsEnv(opens=(1, 1, 0), least=(2, 3, 1), most=(2, 3, 1))
    env.reset(seed=0)
    assert env.step(UP)[:3] == (1, -0.04, False)
    env.step(RIGHT)
    env.step(LEFT)
    assert [env.step(UP)[2] for _ in range(2)] == [False, True]
    env.reset(seed=0)
    assert [env.step(RIGHT)[0] for _ in range(2)] == [2, 3]
    assert [env.step(UP)[2] for _ in range(2)] == [False, False]
    env.step(UP + 1)
    env.step(LEFT)
    assert [env.step(UP)[2] for _ in range(2)] == [False, False]
    observation, reward, terminated, _, info = env.step(UP)
    assert (observation, terminated, info) == (7, True, {"catastrophe": False})
    assert reward == pytest.approx(0.96)
    env.reset(seed=0)
    for action in (RIGHT,) * 4 + (UP,) * 20:
        observation, _, terminated, _, _ = env.step(action)
    assert (observation, terminated) == (5, False)
    for action in (LEFT, LEFT, DOWN):
        observation, reward, terminated, _, _ = env.step(action)
    assert (observation, terminated) == (7, True)
    assert reward == pytest.approx(0.06)


def test_controls_of_the_doors() -> None:
    shut = MixedDoorsEnv(opens=(0, 0, 0)).model
    assert best_and_random(shut, 60)[0] == pytest.approx(0.1 - 3 * 0.04)
    assert not (shut.reward[shut.probability > 0] > 0.1).any()
    once = MixedDoorsEnv(least=(1, 1, 1), most=(1, 1, 1)).model
    doors = tuple((opens, 1, 1, pays) for opens, _, _, pays in DOORS)
    orders = [order for tried in range(4) for order in itertools.permutations(range(3), tried)]
    single = max(value_of_plan([(door, 1) for door in order], doors) for order in orders)
    assert best_and_random(once, 60)[0] == pytest.approx(single)


def test_bad_arguments_of_doors() -> None:
    for arguments, message in (
        ({"opens": (0.5, 0.5)}, "opens: got"),
        ({"opens": (0.5, 1.5, 0)}, r"opens\[1\]: got 1.5"),
        ({"least": (1, 9, 1)}, r"most\[1\]: got 8, expected an integer of at least 9"),
        ({"most": (13, 8, 8)}, r"most\[0\]: got 13"),
        ({"pays": (0, 0, float("inf"))}, r"pays\[2\]: got inf"),
    ):
        with pytest.raises(ValueError, match=message):
            MixedDoorsEnv(**arguments)


# NewLayouts


def as_keys(drawn: tuple[NDArray[np.int64], NDArray[np.bool_]]) -> list[tuple[int, bytes]]:
    return [(int(goal), lava.tobytes()) for goal, lava in zip(*drawn, strict=True)]


def test_held_out_layouts_are_others_of_the_same_kind() -> None:
    learn, held = (as_keys(draw_layouts(300, 0, 10, True, out)) for out in (False, True))
    assert len(set(learn)) == len(set(held)) == 300
    assert not set(learn) & set(held)
    assert as_keys(draw_layouts(40, 0, 10, True, False)) == learn[:40]
    few = as_keys(draw_layouts(1000, 0, 10, True, True))
    assert few[:300] == held
    assert not set(few) & set(learn)
    assert set(as_keys(draw_layouts(300, 1, 10, True, False))) != set(learn)
    learn, held = (as_keys(draw_layouts(4000, 0, 4, False, out)) for out in (False, True))
    assert len({*learn, *held}) == 8000  # of so many draws some come twice, and are left out
    told, rounding = figure(NewLayoutsEnv, "over those held out")
    assert best_and_random(NewLayoutsEnv(held_out=True).model, 60)[0] == pytest.approx(told, abs=rounding)


@pytest.mark.parametrize(("lava_cells", "random_goal"), [(10, True), (16, True), (4, False)])
def test_every_layout_has_a_way(lava_cells: int, random_goal: bool) -> None:
    goals, lava = draw_layouts(60, 3, lava_cells, random_goal, False)
    assert set(goals.tolist()) == ({0, 1, 2, 3} if random_goal else {3})
    for goal, cells in zip(goals, lava, strict=True):
        assert cells.sum() == lava_cells
        start, edge = CORNERS[3 - goal], [CORNERS[3 - goal]]
        known = {start}
        while edge:
            row, column = divmod(edge.pop(), 7)
            for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= r < 7 and 0 <= c < 7 and not cells[7 * r + c] and 7 * r + c not in known:
                    known.add(7 * r + c)
                    edge.append(7 * r + c)
        assert CORNERS[goal] in known


def test_sights() -> None:
    lava = np.zeros((1, 49), dtype=np.bool_)
    lava[0, [1, 24]] = True
    seen = sights(np.array([3]), lava, visible=True)[0]
    free, wall, hot = 0, 1, 2
    assert seen[0] == 8 * (wall + 3 * hot + 9 * free + 27 * wall) + 7  # goal: lower right
    assert seen[17] == 8 * (9 * hot) + 7  # lava below
    assert seen[23] == 8 * (3 * hot) + 7
    assert seen[6] == 8 * (wall + 3 * wall) + 6  # goal: straight below
    assert seen[42] == 8 * (9 * wall + 27 * wall) + 4  # goal: to the right
    assert seen[48] == 648
    assert sights(np.array([0]), lava, visible=True)[0, 8] == 8 * hot + 0  # lava above, goal: upper left
    blind = sights(np.array([3]), lava, visible=False)
    assert np.array_equal(blind, sights(np.array([3]), np.zeros_like(lava), visible=True))


def test_steps_beside_lava() -> None:
    env = NewLayoutsEnv(layouts=4, render_mode="ansi")
    for seed in range(8):
        env.reset(seed=seed)
        rows = env.render().splitlines()
        assert "".join(rows).count("X") == 10
    cell = next(
        c for c in range(49) if env._lava[0, c] and c % 7 > 0 and not env._lava[0, c - 1] and c - 1 != 0
    )
    steps = outcomes(env.model, cell - 1, RIGHT)
    assert (0.9, cell, -1.01, True, True) in steps
    assert env.model.start[0] == CORNERS[3 - env._goals[0]]
    goal = CORNERS[env._goals[0]]
    beside = goal + (1 if goal % 7 == 0 else -1)
    towards = outcomes(env.model, beside, LEFT if goal % 7 == 0 else RIGHT)
    assert (0.9, goal, 0.99, True, False) in towards


def test_the_same_sights_recur_over_layouts_and_unseen_lava_has_none() -> None:
    learn, held = NewLayoutsEnv(), NewLayoutsEnv(held_out=True)
    assert learn.observation_space == held.observation_space == gymnasium.spaces.Discrete(649)
    known = set(learn.model.observation.tolist())
    assert np.isin(held.model.observation, list(known)).mean() > 0.99  # what is learned applies
    blind = NewLayoutsEnv(visible=False).model
    digits = blind.observation[blind.observation < 648][:, None] // 8 // 3 ** np.arange(4) % 3
    assert set(np.unique(digits).tolist()) == {0, 1}
    assert np.array_equal(blind.catastrophe, learn.model.catastrophe)
