"""Tasks that change, tasks that block, declared catastrophes, and the blocked count as an observation."""

import copy
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from worlds import Corridor, register

from emotional_ed.agents import EmotionalQ
from emotional_ed.envs import BatchedEnv, BlockedCount, BlockMoves, ChangeTask, DeclareCatastrophe, as_batched

register()
DOOR = "EmotionalED/JammedDoor-v0"


class Echo(gymnasium.Env[Any, Any]):
    """Observes (steps taken, the action last carried out); pays what `pay` says; never ends."""

    def __init__(self, actions: int = 4, start: int = 0) -> None:
        self.observation_space = spaces.Box(-1, 10**6, (2,))
        self.action_space = spaces.Discrete(actions, start=start)
        self.pay, self.pay_seen_by_reset = 1.0, 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.pay_seen_by_reset = 0, self.pay
        return np.array([0, -1], np.float32), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.array([self.steps, action], np.float32), self.pay, False, False, {"own": True}


def phases(env: Any, episodes: int, seed: int | None = 0) -> list[int]:
    return [env.reset(seed=seed if one == 0 else None)[1]["phase"] for one in range(episodes)]


# ---- ChangeTask


def test_parameters_change_before_the_reset_of_the_first_episode_of_a_phase() -> None:
    env = ChangeTask(Echo(), 2, parameters={"pay": [1.0, 5.0, 7.0]})
    seen = []
    for episode in range(8):
        env.reset(seed=3 if episode == 0 else None)
        assert env.unwrapped.pay_seen_by_reset == env.step(0)[1]
        seen.append(env.step(1)[1])
    assert seen == [1, 1, 5, 5, 7, 7, 1, 1]
    assert env.phases == 3


def test_the_example_with_cartpole_gives_the_derived_values_too() -> None:
    schedules = [
        {"length": [0.5, 1.5], "polemass_length": [0.05, 0.15]},
        {"masspole": [0.1, 0.3], "total_mass": [1.1, 1.3], "polemass_length": [0.05, 0.15]},
    ]
    for parameters in schedules:
        for name, (first, second) in parameters.items():
            assert f'"{name}": [{first}, {second}]' in (ChangeTask.__doc__ or "")
        env = ChangeTask(gymnasium.make("CartPole-v1"), 1, parameters=parameters)
        for phase in (0, 1, 0):
            env.reset()
            pole: Any = env.unwrapped
            for name, values in parameters.items():
                assert getattr(pole, name) == values[phase]
            assert pole.total_mass == pytest.approx(pole.masspole + pole.masscart)
            assert pole.polemass_length == pytest.approx(pole.masspole * pole.length)


def test_the_pole_does_fall_otherwise_in_the_other_phase() -> None:
    env = ChangeTask(gymnasium.make("CartPole-v1"), 1, parameters={"gravity": [9.8, 20.0]})
    plain = gymnasium.make("CartPole-v1")
    for phase in (0, 1):
        state = env.reset(seed=1 if phase == 0 else None)[0]
        plain.reset(seed=1)
        for one in (plain, env):
            pole: Any = one.unwrapped
            pole.state = state.astype(np.float64)
        ours, theirs = ([one.step(a % 2)[0] for a in range(5)] for one in (env, plain))
        assert np.array_equal(ours, theirs) == (phase == 0)


def test_given_permutations_say_what_an_action_is_carried_out_as() -> None:
    env = ChangeTask(Echo(4, start=10), 1, permute_actions=[[0, 1, 2, 3], [1, 2, 3, 0]])
    env.reset(seed=0)
    assert [env.step(10 + a)[0][1] for a in range(4)] == [10, 11, 12, 13]
    env.reset()
    assert [env.step(10 + a)[0][1] for a in range(4)] == [11, 12, 13, 10]
    with pytest.raises(ValueError, match="action: got 3, expected an element of Discrete"):
        env.step(3)


def test_drawn_permutations_come_from_the_seed_and_come_back() -> None:
    def tables(env: Any, seed: int | None) -> list[tuple[int, ...]]:
        rows = []
        for episode in range(10):
            env.reset(seed=seed if episode == 0 else None)
            rows.append(tuple(int(env.step(a)[0][1]) for a in range(6)))
        return rows

    env = ChangeTask(Echo(6), 1, permute_actions=True, phases=5)
    first = tables(env, 7)
    assert first[:5] == first[5:]
    assert first[0] == tuple(range(6))
    assert all(sorted(row) == list(range(6)) for row in first)
    assert all(one != two for one, two in pairwise(first[:5]))
    assert tables(env, 7) == first
    assert tables(ChangeTask(Echo(6), 1, permute_actions=True, phases=5), 7) == first
    assert tables(env, 8) != first
    assert len(set(tables(ChangeTask(Echo(6), 1, permute_actions=True), None))) == 2


def test_two_drawn_permutations_in_a_row_are_never_the_same() -> None:
    env = ChangeTask(Echo(2), 1, permute_actions=True, phases=8)
    left = [env.reset(seed=3 if e == 0 else None) and env.step(0)[0][1] for e in range(8)]
    assert left == [0, 1] * 4


def test_sign_and_scale_of_the_reward() -> None:
    def pays(**arguments: Any) -> list[float]:
        env = ChangeTask(Echo(), 1, **arguments)
        return [env.reset(seed=0 if e == 0 else None) and env.step(0)[1] for e in range(6)]

    assert pays(flip_reward=True) == [1, -1, 1, -1, 1, -1]
    assert pays(reward_scale=[1, 0.5, 2]) == [1, 0.5, 2, 1, 0.5, 2]
    assert pays(reward_scale=np.array([1, 3]), flip_reward=True) == [1, -3, 1, -3, 1, -3]
    assert pays(flip_reward=True, phases=3) == [1, -1, 1, 1, -1, 1]


def test_order_of_the_phases() -> None:
    env = ChangeTask(Echo(), 2, flip_reward=True, phases=4, order="random")
    got = phases(env, 4000)
    assert got[::2] == got[1::2]
    blocks = got[::2]
    assert blocks[0] == 0
    steps = [(two - one) % 4 for one, two in pairwise(blocks)]
    counts = np.bincount(steps, minlength=4)
    assert counts[0] == 0
    assert abs(counts[1:] - 1999 / 3).max() < 4 * np.sqrt(1999 * 2 / 9)
    assert phases(env, 4000) == got
    assert phases(env, 4000, seed=1) != got
    assert phases(ChangeTask(Echo(), 2, flip_reward=True, phases=4), 10) == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]


def test_the_world_itself_draws_as_it_would_without_the_wrapper() -> None:
    plain = gymnasium.make("CartPole-v1")
    env = ChangeTask(gymnasium.make("CartPole-v1"), 1, flip_reward=True, phases=5, order="random")
    for seed in (4, None, None):
        assert np.array_equal(plain.reset(seed=seed)[0], env.reset(seed=seed)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": 0, "flip_reward": True}, "period: got 0"),
        ({"period": 1}, "parameters: got none, expected parameters, permute_actions, flip_reward or"),
        ({"period": 1, "parameters": {"pai": [1, 2]}}, "parameters: got 'pai', expected an attribute of"),
        ({"period": 1, "parameters": {"pay": [1]}}, r"number of entries of parameters\['pay'\]: got 1"),
        (
            {"period": 1, "parameters": {"pay": [1, 2]}, "phases": 3},
            r"parameters\['pay'\]: got 2 entries, ex",
        ),
        (
            {"period": 1, "parameters": {"pay": [1, 2]}, "reward_scale": [1, 2, 3]},
            "reward_scale: got 3 entries",
        ),
        (
            {"period": 1, "permute_actions": [[0, 1, 2, 3], [0, 1, 2, 2]]},
            "permute_actions: got .*expected an",
        ),
        ({"period": 1, "permute_actions": [[0, 1, 2, 3]]}, "number of entries of permute_actions: got 1"),
        ({"period": 1, "reward_scale": [1, float("nan")]}, "reward_scale: got nan"),
        ({"period": 1, "flip_reward": True, "order": "backward"}, "order: got 'backward'"),
        ({"period": 1, "flip_reward": True, "phases": 1}, "phases: got 1"),
    ],
)
def test_bad_arguments_of_change_task(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChangeTask(Echo(), **arguments)


def test_only_discrete_actions_are_permuted() -> None:
    with pytest.raises(ValueError, match=r"permute_actions: got Box.*expected Discrete"):
        ChangeTask(gymnasium.make("Pendulum-v1"), 1, permute_actions=True)


# ---- copies from specs, populations, agents


def wrapped() -> list[Any]:
    return [
        ChangeTask(
            gymnasium.make("FrozenLake-v1"), 2, permute_actions=True, flip_reward=True, order="random"
        ),
        BlockMoves(gymnasium.make(DOOR), 0.3, least=2, most=3, openable=0.5, reward=-0.1),
        DeclareCatastrophe(gymnasium.make("CliffWalking-v1"), -100, terminated=True),
        BlockMoves(ChangeTask(gymnasium.make("Taxi-v4"), 1, reward_scale=[1, 2, 3]), openable=1.0),
    ]


@pytest.mark.parametrize("env", wrapped())
def test_copies_from_the_spec_behave_the_same(env: Any) -> None:
    copied: Any = gymnasium.make(copy.deepcopy(env.spec))
    assert type(copied) is type(env)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=400)
    trails = []
    for one in (env, copied):
        trail: list[Any] = [one.reset(seed=5)]
        for action in actions:
            trail.append(one.step(int(action)))
            if trail[-1][2] or trail[-1][3]:
                trail.append(one.reset())
        trails.append(trail)
    assert repr(trails[0]) == repr(trails[1])


@pytest.mark.parametrize("env", wrapped())
def test_a_population_learns_on_a_wrapped_task(env: Any) -> None:
    population = EmotionalQ(env, population=3, seed=1)
    population.learn(300)
    assert population.num_timesteps == 300
    assert np.isfinite(population.value.M.numpy()).all()


# ---- DeclareCatastrophe


def flags(env: Any, actions: list[int]) -> list[bool]:
    env.reset(seed=0)
    return [env.step(action)[4]["catastrophe"] for action in actions]


def test_every_fall_of_the_pole_is_a_catastrophe_and_a_truncation_is_none() -> None:
    env = DeclareCatastrophe(gymnasium.make("CartPole-v1"), terminated=True)
    env.reset(seed=0)
    for _ in range(20):
        _, _, terminated, _, info = env.step(1)
        assert info["catastrophe"] is terminated
        if terminated:
            break
    assert terminated
    short = DeclareCatastrophe(gymnasium.make("CartPole-v1", max_episode_steps=2), terminated=True)
    short.reset(seed=0)
    short.step(0)
    _, _, terminated, truncated, info = short.step(1)
    assert (terminated, truncated, info["catastrophe"]) == (False, True, False)


def test_a_function_may_say_what_is_a_catastrophe() -> None:
    def second(
        observation: Any, reward: float, terminated: bool, truncated: bool, info: dict[str, Any]
    ) -> bool:
        return bool(observation[0] == 2 and reward == 1 and info["own"] and not terminated and not truncated)

    assert flags(DeclareCatastrophe(Echo(), when=second), [0, 0, 0]) == [False, True, False]
    either = DeclareCatastrophe(Corridor(), 0.0, terminated=True)
    assert flags(either, [1, 1, 1, 1]) == [True, True, True, True]
    assert flags(DeclareCatastrophe(Corridor(), terminated=True), [1, 1, 1, 1]) == [False, False, False, True]
    assert flags(DeclareCatastrophe(Corridor(), reward_at_most=0), [1, 1, 1, 1]) == [True, True, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "reward_at_most: got None, expected it, terminated=True or when"),
        ({"reward_at_most": float("nan")}, "reward_at_most: got nan"),
        ({"terminated": 1}, "terminated: got 1, expected True or False"),
        ({"when": "fall"}, "when: got 'fall', expected a function"),
    ],
)
def test_bad_declarations(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeclareCatastrophe(Echo(), **arguments)


# ---- BlockMoves


def blocked(env: Any, actions: list[int]) -> str:
    """Return `x` for each blocked step and `.` for each that was carried out, checking what a block is."""
    trail, before = "", None
    for action in actions:
        observation, reward, terminated, _, info = env.step(action)
        if info["blocked"]:
            assert (reward, terminated) == (env.reward, False)
            if before is not None:
                assert np.array_equal(observation, before)
        trail += "x" if info["blocked"] else "."
        before = observation
    return trail


def test_a_jam_opens_after_its_tries() -> None:
    env = BlockMoves(Echo(), 1.0, least=3, most=3, openable=1.0, reward=-0.5)
    start, info = env.reset(seed=0)
    assert info == {"blocked": False}
    for _ in range(2):
        observation, reward, terminated, truncated, info = env.step(2)
        assert np.array_equal(observation, start)
        assert (reward, terminated, truncated, info) == (-0.5, False, False, {"blocked": True})
    observation, reward, _, _, info = env.step(2)
    assert observation.tolist() == [1, 2]
    assert (reward, info) == (1.0, {"own": True, "blocked": False})


def test_who_lets_go_of_a_jam_that_opens_has_to_start_over() -> None:
    env = BlockMoves(Echo(), 1.0, least=4, most=4, openable=1.0)
    env.reset(seed=0)
    assert blocked(env, [0, 0, 0, 1, 2, 0, 0, 1, 0, 0, 0, 0]) == "xxx..xx.xxx."
    assert env.unwrapped.steps == 4
    env.reset()  # clears the jam
    assert blocked(env, [1, 1, 1, 1]) == "xxx."


def test_a_jam_that_never_opens_is_gone_with_the_next_action() -> None:
    env = BlockMoves(Echo(), 1.0, openable=0.0)
    env.reset(seed=0)
    assert blocked(env, [0] * 300) == "x" * 300
    assert blocked(env, [1, 0]) == "xx"  # with probability 1 the other one jams at once
    rare = BlockMoves(Echo(), 0.5, openable=0.0)
    rare.reset(seed=0)
    trail = blocked(rare, [0, 1] * 200)
    assert 0.4 < trail.count("x") / 400 < 0.6  # drawn anew in each step


def test_how_often_and_how_long_moves_are_blocked() -> None:
    env = BlockMoves(Echo(), 0.2, least=2, most=5, openable=0.75)
    env.reset(seed=3)
    lengths, starts, free = [], 0, 0
    for _ in range(6000):  # persist, but let go after ten
        length = 0
        while env.step(0)[4]["blocked"] and length < 10:
            length += 1
        if length == 0:
            free += 1
            continue
        starts += 1
        lengths.append(length)
        if length == 10:
            env._clear()
    assert starts / (starts + free) == pytest.approx(0.2, abs=0.02)
    share = np.bincount(lengths, minlength=11) / starts
    assert share[1:5] == pytest.approx(0.75 / 4, abs=0.04)
    assert share[10] == pytest.approx(0.25, abs=0.04)
    assert share[5:10].sum() == 0


def test_never_blocked_is_the_plain_task() -> None:
    plain, env = gymnasium.make("FrozenLake-v1"), BlockMoves(gymnasium.make("FrozenLake-v1"), 0.0)
    plain.reset(seed=1), env.reset(seed=1)
    for action in np.random.default_rng(0).integers(4, size=200):
        theirs, ours = plain.step(int(action)), env.step(int(action))
        assert ours[:4] == theirs[:4]
        if ours[2] or ours[3]:
            plain.reset(), env.reset()


def test_blocked_steps_count_toward_the_limit_either_way_round() -> None:
    def lengths(env: Any, episodes: int = 2) -> set[int]:
        found = set()
        for episode in range(episodes):
            env.reset(seed=0 if episode == 0 else None)
            steps, truncated = 0, False
            while not truncated and steps < 1000:
                _, _, terminated, truncated, _ = env.step(0)
                assert not terminated
                steps += 1
            found.add(steps)
        return found

    def stuck(env: Any) -> Any:
        return BlockMoves(env, 1.0, openable=0.0)

    assert lengths(stuck(gymnasium.wrappers.TimeLimit(Echo(), 13))) == {13}
    assert lengths(gymnasium.wrappers.TimeLimit(stuck(Echo()), 13)) == {13}
    assert lengths(stuck(gymnasium.make(DOOR))) == {50}
    half = BlockMoves(gymnasium.wrappers.TimeLimit(Echo(), 30), 0.5, openable=1.0, least=2, most=2)
    assert lengths(half, 20) == {30}  # the last step blocked in some, carried out in others
    with pytest.raises(gymnasium.error.ResetNeeded):
        stuck(Echo()).step(0)


def test_jams_come_from_the_seed() -> None:
    def trail(seed: int) -> str:
        env = BlockMoves(Echo(), 0.3)
        env.reset(seed=seed)
        return blocked(env, np.random.default_rng(0).integers(2, size=300).tolist())

    assert trail(1) == trail(1)
    assert trail(1) != trail(2)


def test_actions_of_any_kind_can_jam() -> None:
    env = BlockMoves(gymnasium.make("Pendulum-v1"), 1.0, least=2, most=2, openable=1.0)
    env.reset(seed=0)
    one, other = np.array([0.5], np.float32), np.array([-0.5], np.float32)
    assert blocked(env, [one, one.copy(), one, other, one]) == "x.x.x"  # type: ignore[list-item]


def test_a_learner_cannot_change_the_world_through_a_blocked_observation() -> None:
    env = BlockMoves(Echo(), 1.0, least=3, most=3, openable=1.0)
    env.reset(seed=0)
    env.step(0)[0][:] = 99
    assert env.step(0)[0].tolist() == [0, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probability": 1.1}, r"probability: got 1\.1"),
        ({"least": 1}, "least: got 1"),
        ({"least": 5, "most": 4}, "most: got 4"),
        ({"openable": -1}, "openable: got -1"),
        ({"reward": float("inf")}, "reward: got inf"),
    ],
)
def test_bad_arguments_of_block_moves(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlockMoves(Echo(), **arguments)


# ---- BlockedCount


def counts_by_loop(steps: list[Any], first: torch.Tensor, cap: int) -> list[tuple[list[int], list[int]]]:
    """Return the codes of every step, one copy and one number at a time."""
    last, count, codes = first.tolist(), [0] * len(first), []
    for step in steps:
        now, final = [], []
        for p in range(len(last)):
            reached = int(step.final_observation[p])
            count[p] = min(count[p] + 1, cap) if reached == last[p] else 0
            final.append(reached * (cap + 1) + count[p])
            if step.terminated[p] or step.truncated[p]:
                count[p] = 0
            last[p] = int(step.observation[p])
            now.append(last[p] * (cap + 1) + count[p])
        codes.append((now, final))
    return codes


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_the_count_is_that_of_a_loop(cap: int, copies: int, seed: int) -> None:
    plain = as_batched(DOOR, copies)
    env: BatchedEnv = BlockedCount(as_batched(DOOR, copies), cap)
    assert isinstance(env, BatchedEnv)
    seeds = list(range(seed, seed + copies))
    first = plain.reset(seeds)
    assert env.reset(seeds).tolist() == (first * (cap + 1)).tolist()
    actions = torch.from_numpy(np.random.default_rng(seed).choice(4, (130, copies), p=[0.1, 0.6, 0.1, 0.2]))
    theirs, ours = ([one.step(action) for action in actions] for one in (plain, env))
    expected = counts_by_loop(theirs, first, cap)
    assert [(one.observation.tolist(), one.final_observation.tolist()) for one in ours] == expected
    for one, two in zip(ours, theirs, strict=True):
        for name in ("reward", "terminated", "truncated", "catastrophe"):
            assert torch.equal(getattr(one, name), getattr(two, name))
        assert one.observation.dtype == torch.int64
        assert env.observation_space.contains(int(one.observation[0]))


def test_pushes_at_the_door_are_counted_by_hand() -> None:
    env = BlockedCount(as_batched(DOOR, 1, env_kwargs={"least": 5, "most": 5}), cap=3)
    env.reset([0])
    codes = [int(env.step(torch.tensor([1])).final_observation[0]) for _ in range(7)]
    assert [divmod(code, 4) for code in codes] == [(5, 0), (6, 0), (6, 1), (6, 2), (6, 3), (6, 3), (7, 0)]
    assert env.observation_space == spaces.Discrete(32)
    assert env.step(torch.tensor([0])).final_observation.tolist() == [4 * 4 + 1]


def test_the_count_starts_anew_with_each_episode() -> None:
    env = BlockedCount(as_batched("EmotionalED/FullFeedback-v0", 1), cap=30)
    env.reset([0])
    steps = [env.step(torch.tensor([0])) for _ in range(40)]
    assert [int(one.final_observation[0]) for one in steps] == [*range(1, 21), *range(1, 21)]
    assert [int(one.observation[0]) for one in steps] == [*range(1, 20), 0, *range(1, 20), 0]
    assert steps[0].forgone is not None
    assert steps[0].forgone.shape == (1, 4)


def test_the_count_goes_on_exactly_after_a_checkpoint() -> None:
    env = BlockedCount(as_batched(DOOR, 3), cap=4)
    env.reset([1, 2, 3])
    actions = torch.from_numpy(np.random.default_rng(0).integers(0, 2, size=(90, 3)))
    for action in actions[:45]:
        step = env.step(action)
    saved = {name: one.clone() for name, one in (env.state() or {}).items()}
    fresh = BlockedCount(as_batched(DOOR, 3), cap=4)
    assert fresh.restorable(saved)
    assert torch.equal(fresh.restore(saved, [1, 2, 3]), step.observation)
    for action in actions[45:]:
        one, two = env.step(action), fresh.step(action)
        assert torch.equal(one.observation, two.observation)
        assert torch.equal(one.final_observation, two.final_observation)
        assert torch.equal(one.reward, two.reward)
    assert not BlockedCount(as_batched(DOOR, 3), cap=5).restorable(saved)
    assert not fresh.restorable(as_batched(DOOR, 3).state() or {})
    assert not BlockedCount(as_batched(DOOR, 3, env_kwargs={"most": 9}), cap=4).restorable(saved)


def test_other_peoples_environments_are_counted_but_not_restored() -> None:
    env = BlockedCount(as_batched("Corridor-v0", 2, env_kwargs={"start": 3}), cap=2)
    env.reset([0, 1])
    assert [env.step(torch.tensor([0, 1])).observation.tolist() for _ in range(2)] == [[1, 3], [2, 6]]
    assert env.observation_space == spaces.Discrete(15, start=9)
    assert (env.actions, env.action_start, env.num_envs) == (2, 3, 2)
    assert env.state() is None
    assert not env.restorable({})
    closed = SyncVectorEnv([Corridor], autoreset_mode=AutoresetMode.SAME_STEP)
    BlockedCount(as_batched(closed, 1)).close()
    assert closed.closed


def test_a_population_can_learn_on_the_count_and_be_saved(tmp_path: Any) -> None:
    def world() -> BlockedCount:
        return BlockedCount(as_batched(DOOR, 2), cap=4)

    population = EmotionalQ(world(), population=2, seed=0)
    population.learn(200)
    population.save(tmp_path / "model")
    loaded = EmotionalQ.load(tmp_path / "model", env=world())
    for one in (population, loaded):
        one.learn(100, reset_num_timesteps=False)
    assert torch.equal(population.value.M, loaded.value.M)


def test_bad_arguments_of_blocked_count() -> None:
    with pytest.raises(ValueError, match="cap: got 0"):
        BlockedCount(as_batched(DOOR, 1), cap=0)
    with pytest.raises(ValueError, match=r"observation_space: got Box.*expected Discrete"):
        BlockedCount(as_batched("CartPole-v1", 1))
