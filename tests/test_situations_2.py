"""The silent catastrophe, full feedback, the vanishing source, approach and avoidance, the maze, the predator."""

import dataclasses
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from emotional_ed.envs import BatchedTabularEnv, TabularModel, policy_value, value_iteration
from emotional_ed.envs import silent_catastrophe as ice
from emotional_ed.envs import vanishing_source as source
from emotional_ed.envs.approach_avoidance import ApproachAvoidanceEnv, ApproachAvoidanceVectorEnv
from emotional_ed.envs.full_feedback import MEANS, FullFeedbackEnv, FullFeedbackVectorEnv
from emotional_ed.envs.planning import action_values
from emotional_ed.envs.predator import PredatorEnv, PredatorVectorEnv, observe, sector, step_toward
from emotional_ed.envs.silent_catastrophe import SilentCatastropheEnv, SilentCatastropheVectorEnv
from emotional_ed.envs.sparse_maze import MAZE, SparseMazeEnv, SparseMazeVectorEnv
from emotional_ed.envs.vanishing_source import VanishingSourceEnv, VanishingSourceVectorEnv
from emotional_ed.streams import Streams

UP, RIGHT, DOWN, LEFT = range(4)
SITUATIONS: list[tuple[Any, Any, int]] = [
    (SilentCatastropheEnv, SilentCatastropheVectorEnv, 60),
    (FullFeedbackEnv, FullFeedbackVectorEnv, 20),
    (VanishingSourceEnv, VanishingSourceVectorEnv, 40),
    (ApproachAvoidanceEnv, ApproachAvoidanceVectorEnv, 40),
    (SparseMazeEnv, SparseMazeVectorEnv, 200),
    (PredatorEnv, PredatorVectorEnv, 60),
]
KINDS = [kind for kind, _, _ in SITUATIONS]


def uniform(model: TabularModel) -> np.ndarray[Any, Any]:
    return np.full((model.observations, model.shape[2]), 1 / model.shape[2])


def values(model: TabularModel, steps: int, context: int = 0) -> tuple[float, float]:
    best = value_iteration(model, steps=steps, context=context)[model.start].mean()
    random = policy_value(model, uniform(model), steps=steps, context=context)[model.start].mean()
    return float(best), float(random)


def greedy(model: TabularModel, steps: int = 300) -> np.ndarray[Any, Any]:
    q = action_values(model, value_iteration(model, steps=steps), 1.0, 0)
    return np.asarray(np.eye(model.shape[2])[q.argmax(-1)])


def rate(model: TabularModel, policy: np.ndarray[Any, Any], steps: int) -> float:
    """Catastrophes per 1000 steps, exactly: expected number over expected length of an episode."""
    flags = dataclasses.replace(model, reward=model.catastrophe.astype(float))
    ones = dataclasses.replace(model, reward=np.ones_like(model.reward))
    count, length = (policy_value(one, policy, steps=steps)[model.start].mean() for one in (flags, ones))
    return float(1000 * count / length)


def worth(model: TabularModel, policy: np.ndarray[Any, Any], steps: int, context: int = 0) -> float:
    return float(policy_value(model, policy, steps=steps, context=context)[model.start].mean())


def says(kind: Any, *texts: str) -> bool:
    words = " ".join((kind.__doc__ or "").split())
    return all(text in words for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_gymnasium_has_nothing_to_say(kind: Any) -> None:
    for mode in ("ansi", "rgb_array"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(gymnasium.make(f"EmotionalED/{kind.__name__[:-3]}-v0", render_mode=mode).unwrapped)
    for section in (
        "Description", "Action Space", "Observation Space", "Starting State", "Rewards", "Episode End",
        "Information", "Values", "Control", "Arguments", "Version History",
    ):  # fmt: skip
        assert f"## {section}\n" in kind.__doc__, section
    assert "trade-off" in kind.__doc__


def test_maps() -> None:
    def first(env: Any) -> list[str]:
        env.reset(seed=0)
        return str(env.render()).splitlines()

    assert first(SilentCatastropheEnv(render_mode="ansi")) == ["......", *["..~~.."] * 4, "A.~~.G"]
    assert first(FullFeedbackEnv(render_mode="ansi")) == ["A#+-.."]
    assert first(FullFeedbackEnv(equal=True, render_mode="ansi")) == ["A#...."]
    assert first(VanishingSourceEnv(render_mode="ansi")) == ["+.....f", "###.###", "###.###", "###A###"]
    assert first(ApproachAvoidanceEnv(render_mode="ansi")) == ["#" * 9, "#f...Ag+#", "#" * 9]
    assert first(SparseMazeEnv(render_mode="ansi")) == ["A" + MAZE[0][1:], *MAZE[1:8], MAZE[8][:8] + "G"]
    rows = first(PredatorEnv(render_mode="ansi"))
    assert sorted("".join(rows).replace(".", "")) == ["+", "A", "P"]
    image = PredatorEnv(render_mode="rgb_array")
    image.reset(seed=0)
    assert image.render().shape == (192, 192, 3)


def test_the_map_of_the_source_shows_when_it_is_gone() -> None:
    env = VanishingSourceEnv(period=1)
    corners = []
    for episode in range(9):
        env.reset(seed=0 if episode == 0 else None)
        corners.append(env.layout()[0][0])
    assert "".join(corners) == "++o+oo+o+"


def test_values_of_the_silent_catastrophe() -> None:
    model = SilentCatastropheEnv().model
    assert values(model, 60) == pytest.approx((0.925, -0.464), abs=5e-4)
    crossing = greedy(model)
    assert worth(model, crossing, 60) == pytest.approx(0.925, abs=5e-4)
    assert rate(model, crossing, 60) == pytest.approx(138.6, abs=0.05)
    assert rate(model, uniform(model), 60) == pytest.approx(46.5, abs=0.05)
    # By hand: from the start E = 2 + .3 E + .7 (1 + .3 E + .7 2) steps.
    assert values(model, 1000)[0] == pytest.approx(1 - 0.01 * 3.68 / 0.49)
    stepping = np.isin(model.next_state[..., :1], ice.ICE)
    safe = greedy(dataclasses.replace(model, reward=model.reward - 100 * stepping))
    assert worth(model, safe, 60) == pytest.approx(0.85)
    assert rate(model, safe, 60) == 0
    held = SilentCatastropheEnv(crack=0.0).model
    assert (values(held, 60)[0], worth(held, safe, 60)) == pytest.approx((0.95, 0.85))
    assert says(
        SilentCatastropheEnv, "best policy: 0.925, with 138.6 catastrophes per 1000 steps", "ice: 0.85, with none",
        "random policy: -0.464, with 46.5", "best return is 0.95, round the ice 0.85",
    )  # fmt: skip


def test_breaking_through_is_flagged_and_not_paid_for() -> None:
    model = SilentCatastropheEnv().model
    assert np.unique(model.reward).tolist() == [-0.01, 0.99]
    broke = model.catastrophe & (model.probability > 0)
    assert (model.next_state[broke] == ice.START).all()
    assert not model.terminated[broke].any()
    # Into each of ten cells of ice from each of its neighbours: 2 columns of 5 with 5 + 8 + 5 borders, twice
    # within the ice, and from above and from both shores.
    within, outside = 2 * (5 + 2 * 4), 2 + 2 * 5
    assert broke.sum() == within + outside
    env = SilentCatastropheEnv(crack=1.0)
    env.reset(seed=0)
    assert env.step(RIGHT) == (31, -0.01, False, False, {"catastrophe": False, "affect": {"danger": 0.0}})
    assert env.step(RIGHT) == (30, -0.01, False, False, {"catastrophe": True, "affect": {"danger": 1.0}})
    assert not SilentCatastropheEnv(crack=0.0).model.catastrophe.any()


def test_standing_still_on_ice_does_not_break_it() -> None:
    model = SilentCatastropheEnv().model
    lowest = 5 * ice.SIZE + 2
    assert model.probability[0, lowest, DOWN].tolist() == [1, 0]
    assert model.probability[0, lowest, UP].tolist() == pytest.approx([0.7, 0.3])


def test_values_of_full_feedback() -> None:
    for context in range(4):
        assert values(FullFeedbackEnv().model, 20, context) == pytest.approx((16, 10))
        assert values(FullFeedbackEnv(equal=True).model, 20, context) == pytest.approx((10, 10))
    assert says(FullFeedbackEnv, "(knows the means): 16.", "random policy: 10.", "every policy earns 10")


def test_arms_are_independent_and_take_turns() -> None:
    model = FullFeedbackEnv(noise=0.5).model
    for context in range(4):
        mean = (model.probability * model.reward)[context, 0].sum(-1)
        assert mean == pytest.approx(np.roll(MEANS, -context))
        covariance = np.cov(model.reward[context, 0], bias=True)
        assert covariance == pytest.approx(0.25 * np.eye(4))
    assert {int(model.reward[c, 0].mean(-1).argmax()) for c in range(4)} == {0, 1, 2, 3}
    assert not model.terminated.any()


def test_the_forgone_rewards_are_those_of_this_very_step() -> None:
    env = FullFeedbackEnv(period=1)
    env.reset(seed=0)
    told = []
    for action in np.random.default_rng(0).integers(4, size=2000):
        _, reward, _, _, info = env.step(int(action))
        assert info["affect"]["forgone"][action] == reward
        told.append(info["affect"]["forgone"])
    spread = np.array(told) - np.array(MEANS)
    assert abs(spread) == pytest.approx(0.5)
    assert abs(spread.mean(0)).max() < 4 * 0.5 / np.sqrt(2000)
    assert abs(np.corrcoef(spread.T) - np.eye(4)).max() < 4 / np.sqrt(2000)
    envs = FullFeedbackVectorEnv(num_envs=3)
    envs.reset(seed=0)
    for actions in np.random.default_rng(1).integers(4, size=(50, 3)):
        _, rewards, _, _, infos = envs.step(actions)
        forgone = infos["affect"]["forgone"]
        assert forgone.shape == (3, 4)
        assert forgone[range(3), actions].tolist() == rewards.tolist()
        assert infos["_affect"].all()
        assert infos["affect"]["_forgone"].all()


def test_danger_reaches_the_vector_environment() -> None:
    envs = SilentCatastropheVectorEnv(num_envs=2, crack=1.0)
    envs.reset(seed=0)
    envs.step(np.array([RIGHT, UP]))
    infos = envs.step(np.array([RIGHT, RIGHT]))[4]
    assert infos["affect"]["danger"].tolist() == [1.0, 0.0]
    assert infos["catastrophe"].tolist() == [True, False]
    for kind, vector, _ in SITUATIONS[2:]:
        one, many = kind(), vector(num_envs=1)
        one.reset(seed=0)
        many.reset(seed=0)
        assert "affect" not in one.step(0)[4]
        assert "affect" not in many.step(np.array([0]))[4]


def test_values_of_the_vanishing_source() -> None:
    model = VanishingSourceEnv(noise=0.3).model
    there = [values(model, 40, context) for context in range(8)]
    for context, expected in enumerate(source.RETURNING):
        assert there[context] == pytest.approx((1, 0.295) if expected else (0.4, 0.084), abs=5e-4)
    assert np.mean([best for best, _ in there]) == pytest.approx(0.7)
    left = np.zeros((10, 4))
    left[:7, LEFT] = left[7:, UP] = 1
    assert np.mean([worth(model, left, 40, context) for context in range(8)]) == pytest.approx(0.5)
    right = left[:, [0, 3, 2, 1]]
    assert np.mean([worth(model, right, 40, context) for context in range(8)]) == pytest.approx(0.4)
    assert says(
        VanishingSourceEnv, "1 while the rich source is there and 0.4 while it is gone, 0.7 over", "rich source: 0.5",
        "poor one: 0.4", "0.295 while it is there, 0.084 while it is gone",
    )  # fmt: skip


def walk(env: Any, actions: list[int], seed: int | None = None) -> tuple[float, bool]:
    """Return the last reward of an episode and whether it ended."""
    env.reset(seed=seed)
    for action in actions:
        _, reward, ended, _, _ = env.step(action)
    return float(reward), bool(ended)


@pytest.mark.parametrize("returns", [True, False])
def test_the_source_comes_back_or_never_does(returns: bool) -> None:
    env = VanishingSourceEnv(period=2, returns=returns)
    route = [UP] * 3 + [LEFT] * 3
    got = [walk(env, route, seed=0 if episode == 0 else None) for episode in range(40)]
    assert all(ended for _, ended in got)
    pays = [reward for reward, _ in got]
    once = [1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0]
    assert pays == (once + once + once[:8] if returns else [1] * 4 + [0] * 36)
    batched = BatchedTabularEnv(env.model, 1, max_episode_steps=40)
    batched.reset([0])
    steps = [batched.step(torch.tensor([action])) for _ in range(40) for action in route]
    assert [float(step.reward[0]) for step in steps[5::6]] == pays


def test_what_the_sources_pay_is_noisy_if_asked() -> None:
    env = VanishingSourceEnv(noise=0.25)
    got = [walk(env, [UP] * 3 + [RIGHT] * 3, seed=seed) for seed in range(60)]
    assert {round(reward, 9) for reward, _ in got} == {0.15, 0.65}


def test_values_of_approach_and_avoidance() -> None:
    model = ApproachAvoidanceEnv().model
    assert values(model, 40, 0) == pytest.approx((0.25 * -1.01 + 0.75 * 0.98, 0.134), abs=5e-4)
    assert values(model, 40, 1) == pytest.approx((0.16, -0.709), abs=5e-4)
    approach = np.tile([0.0, 1.0], (7, 1))
    assert worth(model, approach, 40, 0) == pytest.approx(0.4825)
    assert worth(model, approach, 40, 1) == pytest.approx(-0.811)
    assert worth(model, approach[:, ::-1], 40, 0) == pytest.approx(0.16)
    assert says(
        ApproachAvoidanceEnv, "0.4825 by approach while the guard is lazy, 0.16 by avoidance", "0.16 and -0.811",
        "random policy: 0.134 and -0.709",
    )  # fmt: skip


def test_the_guard_bites_and_only_the_guard() -> None:
    env = ApproachAvoidanceEnv(bite=1.0)
    env.reset(seed=0)
    assert [env.step(0)[:2], env.step(1)[:2]] == [(3, -0.01), (4, -0.01)]
    assert env.step(1) == (5, -1.01, True, False, {"catastrophe": True})
    env = ApproachAvoidanceEnv(bite=0.0, period=3)
    for episode in range(3):
        reward, ended = walk(env, [1, 1], seed=0 if episode == 0 else None)
        assert (reward, ended) == (0.99, True)
    assert walk(env, [0, 0, 0, 0]) == pytest.approx((0.19, True))
    model = ApproachAvoidanceEnv().model
    bites = model.catastrophe & (model.probability > 0)
    assert (model.next_state[bites] == 5).all()
    assert model.terminated[bites].all()
    assert model.probability[:, 4, 1, 1].tolist() == [0.25, 0.9]
    assert ApproachAvoidanceEnv(period=10**9).model.context(10**9 - 1) == 0


def test_values_of_the_maze() -> None:
    model = SparseMazeEnv(noise=0.1).model
    best, random = values(model, 200)
    assert best == pytest.approx(1)
    assert random == pytest.approx(0.0213, abs=5e-5)
    discounted = value_iteration(model, steps=200, discount=0.97)[0]
    assert discounted == pytest.approx(0.97**21)
    assert discounted == pytest.approx(0.527, abs=5e-4)
    assert values(model, 21)[0] == 0
    assert values(model, 22)[0] == pytest.approx(1)
    near = SparseMazeEnv("near").model
    assert values(near, 1)[0] == 1
    assert 0 < 1 - values(near, 200)[1] < 1e-15 + np.finfo(float).eps
    assert says(
        SparseMazeEnv,
        "shortest path has 22 steps",
        "0.527 with discount 0.97",
        "in 2.13 %",
        "of which 50 cells",
    )
    assert "".join(MAZE).count(".") == 50


def test_walls_of_the_maze_hold_and_noise_is_on_every_step() -> None:
    model = SparseMazeEnv().model
    wall = np.array(list("".join(MAZE))) == "#"
    assert not wall[model.next_state[0, ~wall]].any()
    env = SparseMazeEnv(noise=0.5)
    env.reset(seed=0)
    got = [env.step(DOWN)[:2] for _ in range(50)]  # against the wall below the start
    assert {observation for observation, _ in got} == {0}
    assert {reward for _, reward in got} == {-0.5, 0.5}
    env = SparseMazeEnv(distance="near")
    assert walk(env, [RIGHT], seed=0) == (1.0, True)


def straight_on() -> np.ndarray[Any, Any]:
    """Toward the food, whatever the predator does; diagonally, either of the two ways."""
    toward = [[UP], [UP, RIGHT], [RIGHT], [RIGHT, DOWN], [DOWN], [DOWN, LEFT], [LEFT], [LEFT, UP]]
    policy = np.zeros((192, 4))
    for observation in range(192):
        policy[observation, toward[observation % 8]] = 1
    return np.asarray(policy / policy.sum(-1, keepdims=True))


def test_values_of_the_predator() -> None:
    model = PredatorEnv().model
    assert values(model, 60) == pytest.approx((0.935, -0.904), abs=5e-4)
    assert worth(model, straight_on(), 60) == pytest.approx(0.401, abs=5e-4)
    assert rate(model, straight_on(), 60) == pytest.approx(66.8, abs=0.05)
    assert rate(model, uniform(model), 60) == pytest.approx(114.5, abs=0.05)
    seen = dataclasses.replace(model, observation=np.arange(model.shape[1]))
    assert rate(seen, greedy(model, 60), 60) < 1e-3
    asleep = PredatorEnv(hunting=0.0).model
    assert values(asleep, 60)[0] == pytest.approx(0.948, abs=5e-4)
    assert worth(asleep, straight_on(), 60) == pytest.approx(values(asleep, 60)[0])
    assert not asleep.catastrophe.any()
    assert says(
        PredatorEnv,
        "sees all: 0.935",
        "no predator: 0.401, with 66.8",
        "-0.904, with 114.5",
        "return is 0.948",
    )


def latent(agent: int, predator: int, corner: int) -> int:
    return (agent * 36 + predator) * 4 + corner


def test_the_predator_steps_along_the_longer_axis() -> None:
    hunters, prey = np.array([0, 0, 0, 35, 14]), np.array([3, 19, 14, 33, 14])
    assert step_toward(hunters, prey).tolist() == [1, 6, 6, 34, 14]


def test_moves_of_agent_and_predator_by_hand() -> None:
    model = PredatorEnv(hunting=0.6).model
    state = latent(14, 17, 0)  # agent at (2, 2), predator at (2, 5), food at (0, 0)
    assert model.probability[0, state, RIGHT].tolist() == pytest.approx([0.4, 0.6])
    assert model.next_state[0, state, RIGHT].tolist() == [latent(15, 17, 0), latent(15, 16, 0)]
    assert not model.terminated[0, state].any()
    beside = latent(14, 16, 0)  # predator at (2, 4): a step to the right meets it half-way
    assert model.next_state[0, beside, RIGHT].tolist() == [latent(15, 16, 0), latent(15, 15, 0)]
    assert model.catastrophe[0, beside, RIGHT].tolist() == [False, True]
    assert model.terminated[0, beside, RIGHT].tolist() == [False, True]
    assert model.reward[0, beside, RIGHT] == pytest.approx([-0.01, -1.01])
    into = latent(14, 15, 0)  # right into its mouth
    assert model.catastrophe[0, into, RIGHT].tolist() == [True, True]
    eating = latent(1, 2, 0)  # the food comes first, although the predator is at the agent's heels
    assert model.reward[0, eating, LEFT] == pytest.approx([0.99, 0.99])
    assert model.terminated[0, eating, LEFT].all()
    assert not model.catastrophe[0, eating, LEFT].any()
    assert PredatorEnv(hunting=0.0).model.next_state[0, into, RIGHT, 0] == latent(15, 15, 0)


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_sectors_are_eighths_of_a_turn(down: int, right: int) -> None:
    expected = round(np.degrees(np.arctan2(right, -down)) / 45) % 8 if (down, right) != (0, 0) else 0
    assert int(sector(np.array(down), np.array(right))) == expected


def test_what_is_seen_of_the_predator() -> None:
    def seen(agent: int, predator: int, corner: int) -> tuple[int, int, int]:
        code = int(observe(np.array(agent), np.array(predator), np.array(corner)))
        return code // 24, code // 8 % 3, code % 8

    assert seen(14, 2, 3) == (0, 0, 3)  # two cells above: near; food down right
    assert seen(14, 17, 0) == (2, 1, 7)  # three to the right: mid; food up left
    assert seen(0, 35, 1) == (3, 2, 2)  # far down right; food to the right
    model = PredatorEnv().model
    assert np.unique(model.observation).tolist() == list(range(192))
    for state in model.start:
        (agent, predator), corner = divmod(state // 4, 36), state % 4
        assert abs(agent // 6 - predator // 6) + abs(agent % 6 - predator % 6) >= 4
        assert (0, 5, 30, 35)[corner] not in (agent, predator)


MODELS = [
    SilentCatastropheEnv().model,
    FullFeedbackEnv(period=2).model,
    VanishingSourceEnv(period=2, noise=0.3, returns=False).model,
    ApproachAvoidanceEnv(period=3).model,
    SparseMazeEnv(noise=0.1).model,
    PredatorEnv().model,
]


@pytest.mark.parametrize("model", MODELS)
def test_the_tensor_program_follows_the_tables(model: TabularModel) -> None:
    limit, steps = 12, 150
    for seed in range(3):
        batched = BatchedTabularEnv(model, 2, max_episode_steps=limit)
        batched.reset([seed, 99])  # in company
        draws = Streams([seed], 2, purpose=1)
        state = int(model.start[int(draws.next()[0, 1] * len(model.start))])
        episode = elapsed = 0
        cumulative = model.probability.cumsum(-1).astype(np.float32)[..., :-1]
        for action in np.random.default_rng(seed).integers(model.shape[2], size=steps):
            phase = episode // model.episodes_per_context
            context = phase % len(model.reward) if model.repeats else min(phase, len(model.reward) - 1)
            u = draws.next()[0].numpy()
            outcomes = [int((u[0] >= cumulative[context, state, a]).sum()) for a in range(model.shape[2])]
            pays = [np.float32(model.reward[context, state, a, o]) for a, o in enumerate(outcomes)]
            where = (context, state, action, outcomes[action])
            step = batched.step(torch.tensor([action, 0]))
            elapsed += 1
            ended = bool(model.terminated[where])
            done = ended or elapsed == limit
            assert float(step.reward[0]) == pays[action]
            assert bool(step.catastrophe[0]) == bool(model.catastrophe[where])
            assert (bool(step.terminated[0]), bool(step.truncated[0])) == (ended, done and not ended)
            assert int(step.final_observation[0]) == model.observation[model.next_state[where]]
            if model.full_feedback:
                assert step.forgone is not None
                assert step.forgone[0].tolist() == pays
            else:
                assert step.forgone is None
            state = int(model.next_state[where])
            if done:
                state = int(model.start[int(u[1] * len(model.start))])
                episode, elapsed = episode + 1, 0
            assert int(step.observation[0]) == model.observation[state]


def test_a_lost_source_stays_lost_after_a_checkpoint() -> None:
    model = VanishingSourceEnv(period=1, returns=False).model
    batched = BatchedTabularEnv(model, 2, max_episode_steps=40)
    batched.reset([0, 1])
    for _ in range(100):
        batched.step(torch.tensor([UP, LEFT]))
    other = BatchedTabularEnv(model, 2, max_episode_steps=40)
    assert other.restorable(batched.state())
    observation = other.restore(batched.state(), [0, 1])
    actions = torch.tensor([LEFT, LEFT])
    assert observation.tolist() == other.restore(batched.state(), [0, 1]).tolist()
    for got, expected in zip(other.step(actions), batched.step(actions), strict=True):
        assert (got is None and expected is None) or torch.equal(got, expected)
    returning = BatchedTabularEnv(VanishingSourceEnv(period=1).model, 2, max_episode_steps=40)
    assert not returning.restorable(batched.state())


@pytest.mark.parametrize(("kind", "vector", "limit"), SITUATIONS)
def test_episodes_are_cut_off_at_the_limit(kind: Any, vector: Any, limit: int) -> None:
    envs = vector(num_envs=1)
    assert envs.batched.max_episode_steps == limit
    assert gymnasium.spec(f"EmotionalED/{kind.__name__[:-3]}-v0").max_episode_steps == limit
    envs.reset(seed=0)
    for _ in range(limit - 1):
        _, _, terminated, truncated, _ = envs.step(np.array([0]))
        if terminated.any():
            return  # walking on ends it sooner
        assert not truncated.any()
    assert envs.step(np.array([0]))[3].all()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (SilentCatastropheEnv, {"crack": 1.5}, r"crack: got 1\.5"),
        (SilentCatastropheEnv, {"step_reward": float("nan")}, "step_reward: got nan"),
        (FullFeedbackEnv, {"period": 0}, "period: got 0"),
        (FullFeedbackEnv, {"noise": -1}, "noise: got -1"),
        (VanishingSourceEnv, {"period": 2.5}, r"period: got 2\.5"),
        (VanishingSourceEnv, {"poor": 2.0}, r"poor: got 2\.0"),
        (VanishingSourceEnv, {"rich": -1.0}, r"rich: got -1\.0"),
        (VanishingSourceEnv, {"noise": float("inf")}, "noise: got inf"),
        (ApproachAvoidanceEnv, {"bite": -0.1}, r"bite: got -0\.1"),
        (ApproachAvoidanceEnv, {"period": True}, "period: got True"),
        (ApproachAvoidanceEnv, {"safe_reward": "much"}, "safe_reward: got 'much'"),
        (SparseMazeEnv, {"distance": "nearby"}, "distance: got 'nearby', expected one of far, near"),
        (SparseMazeEnv, {"noise": -0.1}, r"noise: got -0\.1"),
        (PredatorEnv, {"hunting": 2}, "hunting: got 2"),
        (PredatorEnv, {"render_mode": "human"}, "render_mode: got 'human'"),
    ],
)
def test_bad_arguments(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)
