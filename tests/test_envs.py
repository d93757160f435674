"""The situations: Gymnasium's own checks, exact values, and three views of one model."""

import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import VectorEnv

from emotional_ed.envs import (
    BatchedTabularEnv,
    DeclareCatastrophe,
    JammedDoorEnv,
    RecurringRegimesEnv,
    TabularModel,
    as_batched,
    policy_value,
    value_iteration,
)
from emotional_ed.envs.registration import ENV_IDS
from emotional_ed.streams import Streams

LIMIT = 50


def test_gymnasium_finds_the_environments_by_module_and_id() -> None:
    code = f"import gymnasium; gymnasium.make('emotional_ed.envs:{ENV_IDS[0]}');" + "".join(
        f"gymnasium.make({name!r}); gymnasium.make_vec({name!r}, num_envs=2);" for name in ENV_IDS
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_registering_is_cheap() -> None:
    code = "import sys, emotional_ed.envs; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_check_env_has_nothing_to_say(env_id: str) -> None:
    for mode in ("ansi", "rgb_array"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(gymnasium.make(env_id, render_mode=mode).unwrapped)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_docstring_has_gymnasiums_sections(env_id: str) -> None:
    text = gymnasium.make(env_id).unwrapped.__doc__ or ""
    for section in (
        "Description", "Action Space", "Observation Space", "Starting State", "Rewards", "Episode End",
        "Information", "Values", "Control", "Arguments", "Version History",
    ):  # fmt: skip
        assert f"## {section}" in text, section


def values(model: TabularModel, context: int = 0) -> tuple[float, float]:
    uniform = np.full((model.observations, model.shape[2]), 1 / model.shape[2])
    best = value_iteration(model, steps=LIMIT, context=context)[model.start].mean()
    random = policy_value(model, uniform, steps=LIMIT, context=context)[model.start].mean()
    return float(best), float(random)


def test_values_in_the_docstrings_are_exact() -> None:
    assert values(JammedDoorEnv().model) == pytest.approx((0.93, -0.23), abs=5e-4)
    assert "best policy: 0.93" in (JammedDoorEnv.__doc__ or "")
    assert "random policy: -0.23" in (JammedDoorEnv.__doc__ or "")
    assert values(JammedDoorEnv(opens=False).model) == pytest.approx((0.16, -0.293), abs=5e-4)
    for context in (0, 1):
        assert values(RecurringRegimesEnv(noise=0.5).model, context) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_the_best_policy_at_the_door_needs_no_memory() -> None:
    model = JammedDoorEnv().model
    east = np.zeros((model.observations, 4))
    east[:, 1] = 1
    assert policy_value(model, east, steps=LIMIT)[model.start].mean() == pytest.approx(0.93)


def test_the_door_opens_after_its_pushes_and_not_before() -> None:
    env = JammedDoorEnv(least=3, most=3)
    env.reset(seed=0)
    for _ in range(2):
        assert env.step(1)[0] in (5, 6)
    assert [env.step(1)[:3] for _ in range(2)] == [(6, -0.01, False)] * 2
    assert env.step(0)[0] == 6  # lets go: starts over
    assert [env.step(1)[2] for _ in range(3)] == [False, False, True]
    env.reset(seed=0)
    for _ in range(45):
        observation, reward, terminated, _, _ = env.step(3)
    assert (observation, reward, terminated) == (0, -0.01, False)


def test_regimes_swap_after_their_period() -> None:
    env = RecurringRegimesEnv(period=2)
    pays = []
    for episode in range(6):
        env.reset(seed=0 if episode == 0 else None)
        outcomes = [env.step(action) for action in (3, 3, 0, 0, 0, 0)]
        assert outcomes[-1][2]
        pays.append(outcomes[-1][1])
    assert pays == [1, 1, -1, -1, 1, 1]


@pytest.mark.parametrize("single", [RecurringRegimesEnv(noise=0.3, period=3), JammedDoorEnv()])
def test_the_tensor_program_follows_the_tables(single: Any) -> None:
    model, copies, steps = single.model, 5, 400
    batched = BatchedTabularEnv(model, copies, max_episode_steps=20)
    observation = batched.reset(range(copies))
    rng = np.random.default_rng(0)
    actions = rng.integers(model.shape[2], size=(steps, copies))
    for copy in range(copies):
        draws = Streams([copy], 2, purpose=1)
        start = model.start[int(draws.next()[0, 1] * len(model.start))]
        assert model.observation[start] == observation[copy]
    state = [
        int(model.start[int(Streams([c], 2, purpose=1).next()[0, 1] * len(model.start))])
        for c in range(copies)
    ]
    draws = Streams(range(copies), 2, purpose=1)
    draws.next()
    episode, elapsed = [0] * copies, [0] * copies
    cumulative = model.probability.cumsum(-1).astype(np.float32)[..., :-1]
    for t in range(steps):
        u = draws.next().numpy()
        step = batched.step(torch.from_numpy(actions[t]))
        for c in range(copies):
            row = (model.context(episode[c]), state[c], actions[t, c])
            where = (*row, int((u[c, 0] >= cumulative[row]).sum()))
            elapsed[c] += 1
            ended = bool(model.terminated[where])
            cut = elapsed[c] == 20 and not ended
            assert float(step.reward[c]) == np.float32(model.reward[where])
            assert bool(step.terminated[c]) == ended
            assert bool(step.truncated[c]) == cut
            assert bool(step.catastrophe[c]) == bool(model.catastrophe[where])
            assert int(step.final_observation[c]) == model.observation[model.next_state[where]]
            state[c] = int(model.next_state[where])
            if ended or cut:
                state[c] = int(model.start[int(u[c, 1] * len(model.start))])
                episode[c], elapsed[c] = episode[c] + 1, 0
            assert int(step.observation[c]) == model.observation[state[c]]


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_single_and_batched_versions_have_the_same_statistics(env_id: str) -> None:
    """A random policy earns the same in Gymnasium's single environment as in the tensor program."""
    rng = np.random.default_rng(0)
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    env.reset(seed=0)
    returns: list[float] = []
    total = 0.0
    while len(returns) < 400:
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        total += float(reward)
        if terminated or truncated:
            returns.append(total)
            total = 0.0
            env.reset(seed=len(returns))  # first episodes on both sides: later ones may be of another context
    batched = as_batched(env_id, 400)
    batched.reset(range(400))
    sums, first = torch.zeros(400), torch.ones(400, dtype=torch.bool)
    for _ in range(gymnasium.spec(env_id).max_episode_steps or 0):
        step = batched.step(torch.from_numpy(rng.integers(batched.actions, size=400)))
        sums += step.reward * first
        first &= ~(step.terminated | step.truncated)
    error = np.sqrt(np.var(returns) / 400 + float(sums.var()) / 400)
    assert abs(np.mean(returns) - float(sums.mean())) < 4 * error


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_vector_environment(env_id: str) -> None:
    envs: VectorEnv[Any, Any, Any] = gymnasium.make_vec(env_id, num_envs=4)
    observation, _ = envs.reset(seed=3)
    assert envs.observation_space.contains(observation)
    again, _ = gymnasium.make_vec(env_id, num_envs=4).reset(seed=[3, 4, 5, 6])  # type: ignore[arg-type]
    assert np.array_equal(observation, again)
    envs.action_space.seed(0)
    ended = 0
    for _ in range(2 * (gymnasium.spec(env_id).max_episode_steps or 0) + 20):
        observation, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(observation)
        assert reward.dtype == np.float64
        done = terminated | truncated
        ended += int(done.sum())
        assert ("final_obs" in info) == bool(done.any())
        if done.any():
            assert [final is not None for final in info["final_obs"]] == done.tolist()
    assert ended >= 8
    with pytest.raises(ValueError, match="actions: got"):
        envs.step(np.array([0, 1, 2, 9]))
    with pytest.raises(ValueError, match="got 2 seeds, expected 4"):
        envs.reset(seed=[1, 2])  # type: ignore[arg-type]


def test_rendering() -> None:
    env = JammedDoorEnv(render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "#########\nD....A..D\n##e######\n"
    env = JammedDoorEnv(render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (96, 288, 3)
    regimes = RecurringRegimesEnv(render_mode="ansi")
    regimes.reset(seed=0)
    assert regimes.render().splitlines()[0] == "+...-"
    assert regimes.render().splitlines()[4] == "..A.."
    with pytest.raises(ValueError, match="render_mode: got 'human'"):
        JammedDoorEnv(render_mode="human")


def test_bad_arguments() -> None:
    for arguments in ({"least": 0}, {"least": 5, "most": 4}, {"step_reward": float("nan")}):
        with pytest.raises(ValueError, match="got"):
            JammedDoorEnv(**arguments)
    with pytest.raises(ValueError, match="period: got 0"):
        RecurringRegimesEnv(period=0)
    with pytest.raises(ValueError, match=r"action: got 7, expected an integer in \[0, 4\)"):
        RecurringRegimesEnv().step(7)


def test_declared_catastrophes_reach_the_batch_even_at_the_end_of_an_episode() -> None:
    env = DeclareCatastrophe(gymnasium.make("CliffWalking-v1"), reward_at_most=-100)
    env.reset(seed=0)
    assert env.step(1)[4]["catastrophe"] is True  # straight off the cliff
    batched = as_batched("CliffWalking-v1", 3, catastrophe_reward=-100)
    batched.reset(range(3))
    assert batched.step(torch.tensor([1, 0, 1])).catastrophe.tolist() == [True, False, True]
    ending = as_batched("FrozenLake-v1", 2, catastrophe_reward=0.0, env_kwargs={"is_slippery": False})
    ending.reset([0, 1])
    ending.step(torch.tensor([2, 2]))
    step = ending.step(torch.tensor([1, 1]))  # into the hole
    assert step.terminated.tolist() == [True, True]
    assert step.catastrophe.tolist() == [True, True]
