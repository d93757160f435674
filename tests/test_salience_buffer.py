"""The salience buffer stores, draws, sums and sweeps as plain loops over the same steps do."""

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy import stats
from stable_baselines3 import DDPG, DQN, SAC, TD3
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from emotional_ed.agents.salience_buffer import SalienceSamples
from emotional_ed.agents.td_priorities import PrioritizeByTDError, td_error
from emotional_ed.replay import PriorityMixture, SalienceReplayBuffer, SumTree

OBSERVATIONS = spaces.Box(-1e6, 1e6, (2,), np.float32)
ACTIONS = spaces.Discrete(3)
Step = dict[str, Any]


def make(size: int = 40, n_envs: int = 1, **arguments: Any) -> SalienceReplayBuffer:
    if arguments.get("optimize_memory_usage"):
        arguments.setdefault("handle_timeout_termination", False)
    settings = {"device": "cpu", "seed": 0, **arguments}
    return SalienceReplayBuffer(size, OBSERVATIONS, ACTIONS, n_envs=n_envs, **settings)


def feed(buffer: ReplayBuffer, steps: int, seed: int = 0, mean_length: float = 5.0) -> list[list[Step]]:
    """Add random episodes, some cut by a time limit and some set anew without an end; return what was added."""
    rng, n = np.random.default_rng(seed), buffer.n_envs
    log: list[list[Step]] = []
    count, obs = 0, np.zeros((n, 2), np.float32)
    for step in range(steps):
        done, cut = rng.random(n) < 1 / mean_length, rng.random(n) < 0.4
        silent = rng.random(n) < 0.05
        following = np.empty_like(obs)
        for e in range(n):
            count += 1
            following[e] = (seed, count)
        reward, action = rng.normal(size=n).astype(np.float32), rng.integers(0, 3, n)
        infos: list[dict[str, Any]] = [
            {"TimeLimit.truncated": bool(d and c)} for d, c in zip(done, cut, strict=True)
        ]
        buffer.add(obs.copy(), following.copy(), action, reward, done, infos)
        row = [
            {"obs": obs[e].tolist(), "next": following[e].tolist(), "action": int(action[e]),
             "reward": float(reward[e]), "done": bool(done[e]), "cut": bool(done[e] and cut[e]),
             "end": bool(done[e] or silent[e])}
            for e in range(n)
        ]  # fmt: skip
        log.append(row)
        obs = following.copy()
        for e in range(n):
            if done[e] or silent[e]:
                obs[e] = (-1 - seed, step * n + e)  # a fresh start
    return log


def stored(buffer: SalienceReplayBuffer, log: list[list[Step]]) -> dict[int, tuple[int, int]]:
    """Where each item of the buffer is in the log: (step, environment)."""
    lost = int(buffer.optimize_memory_usage and len(log) >= buffer.buffer_size)
    steps = range(max(0, len(log) - buffer.buffer_size + lost), len(log))
    return {(t % buffer.buffer_size) * buffer.n_envs + e: (t, e) for t in steps for e in range(buffer.n_envs)}


CASES = [
    (steps, n_envs, n_steps, optimize)
    for steps in (1, 17, 40, 95)
    for n_envs in (1, 3)
    for n_steps in (1, 4)
    for optimize in (False, True)
]


@pytest.mark.parametrize(("steps", "n_envs", "n_steps", "optimize"), CASES)
def test_transitions_and_returns_are_those_of_a_loop_over_the_steps(
    steps: int, n_envs: int, n_steps: int, optimize: bool
) -> None:
    gamma = 0.9
    buffer = make(20 * n_envs, n_envs, n_steps=n_steps, gamma=gamma, optimize_memory_usage=optimize)
    log = feed(buffer, steps)
    places = stored(buffer, log)
    assert len(places) == min(steps, 20 - optimize * (steps >= 20)) * n_envs
    items = list(places)
    got = buffer.get(torch.tensor(items))
    for i, item in enumerate(items):
        t, e = places[item]
        last, value, factor = t, np.float64(0), 1.0
        while True:
            value, factor = value + factor * log[last][e]["reward"], factor * gamma
            if log[last][e]["end"] or last + 1 == len(log) or last + 1 - t == n_steps:
                break
            last += 1
        assert got.observations[i].tolist() == log[t][e]["obs"]
        assert got.actions[i].tolist() == [log[t][e]["action"]]
        assert float(got.rewards[i, 0]) == pytest.approx(value, rel=1e-5, abs=1e-6)
        done = log[last][e]["done"] and (optimize or not log[last][e]["cut"])
        assert got.dones[i].tolist() == [float(done)]
        if not (optimize and log[last][e]["end"]):  # held once, what follows an end is lost
            assert got.next_observations[i].tolist() == log[last][e]["next"]
        if n_steps > 1:
            assert got.discounts is not None
            assert float(got.discounts[i, 0]) == pytest.approx(gamma ** (last + 1 - t))
        else:
            assert got.discounts is None


def test_a_return_of_three_steps_by_hand() -> None:
    buffer = make(10, n_steps=3, gamma=0.5)
    for t, (reward, done) in enumerate([(1, 0), (2, 0), (4, 0), (8, 1), (16, 0)]):
        start = 10.0 if t == 4 else t
        now, following = np.full((1, 2), start, np.float32), np.full((1, 2), start + 1, np.float32)
        buffer.add(now, following, np.zeros(1), np.array([reward]), np.array([done]), [{}])
    got = buffer.get(torch.arange(5))
    assert got.rewards[:, 0].tolist() == [1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8, 16]
    assert got.discounts is not None
    assert got.discounts[:, 0].tolist() == [0.125, 0.125, 0.25, 0.5, 0.5]
    assert got.dones[:, 0].tolist() == [0, 1, 1, 1, 0]
    assert got.next_observations[:, 0].tolist() == [3, 4, 4, 4, 11]


@pytest.mark.parametrize("steps", [13, 50])
def test_the_numbers_are_those_of_stable_baselines(steps: int) -> None:
    common: dict[str, Any] = {"device": "cpu"}
    theirs = NStepReplayBuffer(20, OBSERVATIONS, ACTIONS, n_steps=3, gamma=0.9, **common)
    plain = ReplayBuffer(20, OBSERVATIONS, ACTIONS, **common)
    mine, one = make(20, n_steps=3, gamma=0.9), make(20)
    for buffer in (theirs, plain, mine, one):
        rng = np.random.default_rng(3)
        obs = np.zeros((1, 2), np.float32)
        for t in range(steps):
            following, done = np.full((1, 2), t + 1, np.float32), rng.random(1) < 0.2
            info = {"TimeLimit.truncated": bool(done[0] and rng.random() < 0.5)}
            buffer.add(obs, following, np.array([t % 3]), rng.normal(size=1), done, [info])
            obs = np.full((1, 2), -t, np.float32) if done[0] else following
    rows = np.arange(min(steps, 20))
    for ours, reference in ((mine, theirs), (one, plain)):
        got, expected = ours.get(torch.from_numpy(rows)), reference._get_samples(rows)
        for name in expected._fields:
            a, b = getattr(got, name), getattr(expected, name)
            assert (a is b is None) or (a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-6)), name
        assert got._fields[: len(expected._fields)] == expected._fields


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize(("steps", "n_envs"), [(15, 1), (20, 2), (77, 3)])
def test_a_sweep_goes_back_as_a_loop_does(steps: int, n_envs: int, optimize: bool) -> None:
    buffer = make(20 * n_envs, n_envs, optimize_memory_usage=optimize)
    log = feed(buffer, steps, mean_length=8)
    places = stored(buffer, log)
    oldest = min(t for t, _ in places.values())
    starts = torch.from_numpy(np.random.default_rng(1).choice(list(places), 12))
    expected: list[list[tuple[int, int]]] = []
    alive = [places[int(i)] for i in starts]
    for _ in range(6):
        if alive:
            expected.append(alive)
        alive = [(t - 1, e) for t, e in alive if t > oldest and not log[t - 1][e]["end"]]
    batches = buffer.sweep(starts, 6)
    assert [[places[int(i)] for i in batch.indices] for batch in batches] == expected
    assert len(batches) > 3
    for batch, there in zip(batches, expected, strict=True):
        assert batch.observations.tolist() == [log[t][e]["obs"] for t, e in there]


def test_a_sweep_stops_where_the_environment_was_set_anew() -> None:
    """learn() called again resets the environment: the last episode has no end in the buffer."""
    buffer = make(10, n_steps=3)
    for value in (0, 1, 2, 50, 51):
        now, following = np.full((1, 2), value, np.float32), np.full((1, 2), value + 1, np.float32)
        buffer.add(now, following, np.zeros(1), np.ones(1), np.zeros(1), [{}])
    assert [batch.indices.tolist() for batch in buffer.sweep(torch.tensor([4, 2]), 9)] == [
        [4, 2],
        [3, 1],
        [0],
    ]
    assert buffer.get(torch.tensor([1, 3])).rewards[:, 0].tolist() == [
        pytest.approx(1.99),
        pytest.approx(1.99),
    ]
    assert buffer.get(torch.tensor([1])).dones.tolist() == [[0.0]]


def exact_probability(
    errors: Any, felt: Any, alpha: float, epsilon: float, uniform: float, share: float
) -> Any:
    by_error = (np.abs(errors) + epsilon) ** alpha
    by_salience = np.where(felt > 0, felt**alpha, 0)
    share = (1 - uniform) * share if felt.any() else 0.0
    salient = by_salience / by_salience.sum() if share else 0.0
    return uniform / len(errors) + share * salient + (1 - uniform - share) * by_error / by_error.sum()


@pytest.mark.parametrize("felt", [False, True])
@pytest.mark.parametrize(("n_envs", "optimize"), [(1, False), (3, True)])
def test_draws_and_weights_follow_the_equations(felt: bool, n_envs: int, optimize: bool) -> None:
    buffer = make(20 * n_envs, n_envs, optimize_memory_usage=optimize, alpha=0.7, beta=0.5, epsilon=0.01)
    places = stored(buffer, feed(buffer, 47))
    items = torch.tensor(list(places))
    rng = np.random.default_rng(5)
    errors = rng.normal(size=len(items)) * 3
    salience = rng.exponential(size=len(items)) * (rng.random(len(items)) < 0.5) * felt
    buffer.update_priorities(items, torch.from_numpy(errors)[:, None])
    buffer.set_salience(items, torch.from_numpy(salience))
    probability = exact_probability(errors, salience.astype(np.float32).astype(float), 0.7, 0.01, 0.1, 0.3)
    assert probability.sum() == pytest.approx(1)
    place = {int(item): i for i, item in enumerate(items)}
    counts = np.zeros(len(items))
    for _ in range(300):
        samples = buffer.sample(100)
        at = [place[int(i)] for i in samples.indices]
        np.add.at(counts, at, 1)
        weights = (len(items) * probability[at]) ** -0.5
        np.testing.assert_allclose(samples.weights[:, 0], weights / weights.max(), rtol=1e-5)
    assert samples.weights.shape == (100, 1)
    assert stats.chisquare(counts, 30_000 * probability).pvalue > 1e-3


@given(
    errors=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    uniform=st.floats(0, 1), share=st.floats(0, 1), n=st.integers(1, 50), alpha=st.floats(0, 1),
)  # fmt: skip
def test_a_batch_holds_the_expected_number_of_each_kind(
    errors: list[float], uniform: float, share: float, n: int, alpha: float
) -> None:
    size = len(errors)
    mixture = PriorityMixture(2 * size, alpha=alpha, epsilon=1e-3, uniform=uniform, salience_share=share)
    items = (torch.arange(size) + size + size // 2) % (2 * size)
    felt = torch.zeros(size)
    felt[0] = 2.0
    mixture.insert(items, felt)
    mixture.update(items, torch.tensor(errors, dtype=torch.float64))
    drawn, probability = mixture.draw(n, int(items[0]), size, torch.Generator().manual_seed(n))
    assert drawn.shape == probability.shape == (n,)
    assert set(drawn.tolist()) <= set(items.tolist())
    exact = exact_probability(np.array(errors), felt.numpy().astype(float), alpha, 1e-3, uniform, share)
    position = {int(item): i for i, item in enumerate(items)}
    np.testing.assert_allclose(probability, [exact[position[int(i)]] for i in drawn], rtol=1e-9)
    if share * (1 - uniform) > 0:
        assert (drawn == items[0]).sum() >= int(n * share * (1 - uniform)) - 1


def test_a_mixture_refuses_before_anything_changes() -> None:
    mixture = PriorityMixture(8, alpha=0.5, epsilon=1e-3, uniform=0.1, salience_share=0.3)
    with pytest.raises(ValueError, match="without a positive priority"):
        mixture.draw(4, 0, 1, torch.Generator())
    mixture.insert(torch.arange(4), torch.ones(4))
    before = mixture.state_dict()
    refused: list[tuple[str, list[int], list[float]]] = [
        ("salience: got a negative number, NaN", [0, 1], [1.0, -1.0]),
        ("salience: got a negative number, NaN", [0, 1], [float("nan"), 1.0]),
        ("salience: got a negative number, NaN", [0, 1], [float("inf"), 1.0]),
        ("salience: got 1 numbers, expected 2", [0, 1], [1.0]),
        ("index: got 0 to 8, expected integers in", [0, 8], [1.0, 1.0]),
    ]
    for message, items, salience in refused:
        with pytest.raises(ValueError, match=message):
            mixture.insert(torch.tensor(items), torch.tensor(salience))
    torch.testing.assert_close(mixture.state_dict(), before, rtol=0, atol=0)
    mixture.insert(torch.arange(0), torch.zeros(0))


@pytest.mark.parametrize("seed", range(5))
def test_draws_are_those_of_the_three_kinds_one_after_the_other(seed: int) -> None:
    """From the same random numbers: evenly, by salience and by error, each in strata of its own."""
    rng = np.random.default_rng(seed)
    size, n, start, count = 5000, 64, 700, 4000
    mixture = PriorityMixture(size, alpha=0.6, epsilon=1e-3, uniform=0.1, salience_share=0.3)
    items = torch.from_numpy((start + np.arange(count)) % size)
    mixture.insert(items, torch.from_numpy(rng.exponential(size=count)))
    mixture.update(items, torch.from_numpy(rng.normal(size=count)))
    drawn, _ = mixture.draw(n, start, count, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    turn = torch.rand(1, generator=generator, dtype=torch.float64).item()
    evenly, either = int(n * 0.1 + turn), int(n * (0.1 + 0.9 * 0.3) + turn)
    strata = (torch.rand(evenly, generator=generator, dtype=torch.float64) + torch.arange(evenly)) / evenly
    expected = [(start + (strata * count).long()) % size]
    expected += [
        tree.sample(k, generator=generator)[0]
        for tree, k in ((mixture.salience_tree, either - evenly), (mixture.error_tree, n - either))
    ]
    assert drawn.tolist() == torch.cat(expected).tolist()


def test_new_transitions_start_at_the_highest_priority_and_old_ones_go() -> None:
    buffer = make(8, alpha=1.0, uniform=0.0, epsilon=1e-6)
    feed(buffer, 8)
    buffer.update_priorities(torch.arange(8), torch.tensor([5.0] + [0.0] * 7))
    feed(buffer, 2, seed=1)  # overwrites 0, which had the highest, and 1
    tree = buffer.priorities.error_tree
    buffer.sample(1)
    assert tree.priority(range(8)).tolist() == pytest.approx([5.0, 5.0] + [1e-6] * 6, rel=1e-6)
    buffer.set_salience(torch.tensor([4]), torch.tensor([2.0]))
    feed(buffer, 3, seed=2)  # up to and with 4
    buffer.sample(1)
    assert buffer.priorities.salience_tree.total == 0.0
    assert buffer.last_indices.tolist() == [4]


def test_salience_comes_with_a_step_too() -> None:
    buffer = make(8, salience_share=1.0, uniform=0.1, alpha=0.5)
    obs = np.zeros((1, 2), np.float32)
    for t in range(8):
        info = {"salience": 4.0} if t == 5 else {}
        buffer.add(obs, obs, np.zeros(1), np.zeros(1), np.zeros(1), [info])
    drawn = buffer.sample(1000).indices
    assert 900 <= int((drawn == 5).sum()) <= 920
    assert buffer.priorities.salience_tree.total == 2.0
    with pytest.raises(ValueError, match="salience: got nan"):
        buffer.add(obs, obs, np.zeros(1), np.zeros(1), np.zeros(1), [{"salience": float("nan")}])
    assert buffer.pos == 0


def test_beta_rises_to_one() -> None:
    buffer = make(8, beta=0.4, beta_steps=4)
    feed(buffer, 8)
    seen = []
    for _ in range(6):
        seen.append(buffer.beta)
        buffer.sample(2)
    assert seen == pytest.approx([0.4, 0.55, 0.7, 0.85, 1.0, 1.0])


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("steps", [7, 60])
def test_a_restored_buffer_goes_on_exactly(steps: int, optimize: bool, tmp_path: Path) -> None:
    first = make(40, 2, n_steps=2, optimize_memory_usage=optimize, beta_steps=50)
    feed(first, steps, seed=1)
    for _ in range(5):
        drawn = first.sample(10)
        first.update_priorities(drawn.indices, drawn.rewards)
        first.set_salience(drawn.indices[:2], torch.tensor([1.0, 2.0]))
    save_file(first.state(), tmp_path / "buffer.safetensors")
    other = make(40, 2, n_steps=2, optimize_memory_usage=optimize, beta_steps=50, seed=99)
    feed(other, 33, seed=5)
    other.restore(load_file(tmp_path / "buffer.safetensors"))
    for step in range(30):
        for buffer in (first, other):
            feed(buffer, 3, seed=step)
        a, b = first.sample(16), other.sample(16)
        for name in a._fields:
            assert torch.equal(getattr(a, name), getattr(b, name)), name
        for buffer in (first, other):
            buffer.update_priorities(a.indices, a.rewards)
    assert [s.indices.tolist() for s in first.sweep(a.indices, 5)] == [
        s.indices.tolist() for s in other.sweep(a.indices, 5)
    ]


SPOILED: list[Callable[[dict[str, Any]], object]] = [
    lambda s: s.pop("actions"),
    lambda s: s.update(extra=torch.zeros(1)),
    lambda s: s.update(pos=torch.tensor(40)),
    lambda s: s.update(pos=torch.tensor([1, 2])),
    lambda s: s.update(rewards=s["rewards"][:-1]),
    lambda s: s.update(rewards=s["rewards"].double()),
    lambda s: s.update(generator=torch.zeros(3, dtype=torch.uint8)),
    lambda s: s.update(error_priority=torch.full_like(s["error_priority"], torch.nan)),
    lambda s: s.update(salience_priority=-torch.ones_like(s["salience_priority"])),
    lambda s: s.update(highest_priority=torch.tensor(0.0)),
]


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_spoiled_state_changes_nothing(spoil: Callable[[dict[str, Any]], object]) -> None:
    source, buffer = make(40), make(40)
    feed(source, 50)
    feed(buffer, 9, seed=4)
    before, spoiled = buffer.state(), source.state()
    spoil(spoiled)
    with pytest.raises(ValueError, match="got"):
        buffer.restore(spoiled)
    for name, value in buffer.state().items():
        assert torch.equal(value, before[name]), name


def test_bad_input_is_refused_and_changes_nothing() -> None:
    buffer = make(40, 2)
    feed(buffer, 5)
    buffer.set_salience(torch.tensor([0]), torch.tensor([1.0]))
    before = buffer.state()
    index, nan = torch.tensor([0, 1]), torch.tensor([0.0, torch.nan])
    attempts: list[Callable[[], object]] = [
        lambda: buffer.update_priorities(index, nan),
        lambda: buffer.update_priorities(index, torch.tensor([torch.inf, 0.0])),
        lambda: buffer.update_priorities(index, torch.zeros(3)),
        lambda: buffer.update_priorities(torch.tensor([0, 10]), torch.zeros(2)),  # not stored yet
        lambda: buffer.update_priorities(torch.tensor([-1]), torch.zeros(1)),
        lambda: buffer.update_priorities(torch.tensor([0.0]), torch.zeros(1)),
        lambda: buffer.set_salience(index, nan),
        lambda: buffer.set_salience(index, torch.tensor([1.0, -1.0])),
        lambda: buffer.set_salience(index, torch.ones(1)),
        lambda: buffer.get(torch.tensor([40])),
        lambda: buffer.sweep(index, 0),
        lambda: buffer.sample(0),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="got"):
            attempt()
    with pytest.raises(ValueError, match="td_error: got nan"):
        buffer.update_priorities(index, nan)
    for name, value in buffer.state().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(
    "arguments",
    [{"alpha": 1.5}, {"beta": -0.1}, {"beta_steps": -1}, {"epsilon": 0.0}, {"uniform": 1.1}, {"n_steps": 0},
     {"salience_share": 1.5}, {"gamma": float("nan")}, {"seed": -1}],
    ids=str,
)  # fmt: skip
def test_bad_arguments_are_named(arguments: dict[str, Any]) -> None:
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"{name}: got"):
        make(**arguments)
    space = spaces.Dict({"a": OBSERVATIONS})
    with pytest.raises(ValueError, match="observation_space: got a Dict"):
        SalienceReplayBuffer(10, space, ACTIONS)


def test_an_empty_or_emptied_buffer_is_not_drawn_from() -> None:
    buffer = make(8)
    for _ in range(2):
        for act in (
            lambda: buffer.sample(1),
            lambda: buffer.last_indices,
            lambda: buffer.get(torch.tensor([0])),
        ):
            with pytest.raises(ValueError, match="got"):
                act()
        feed(buffer, 11)
        assert buffer.sample(4).indices.max() < 8
        buffer.reset()
    assert buffer.priorities.error_tree.total == 0.0


def test_normalization_is_that_of_the_environment() -> None:
    env = VecNormalize(DummyVecEnv([lambda: IdentityEnvBox()]))
    seen: Any = env.obs_rms
    seen.mean, seen.var, env.ret_rms.var = np.array([2.0]), np.array([4.0]), np.array(9.0)
    buffer = SalienceReplayBuffer(
        10, env.observation_space, env.action_space, device="cpu", n_steps=2, gamma=1.0, seed=0
    )
    for t in range(3):
        obs = np.full((1, 1), t, np.float32)
        buffer.add(obs, obs + 1, np.zeros((1, 1)), np.array([3.0]), np.array([False]), [{}])
    got = buffer.sweep(torch.tensor([1]), 1, env)[0]
    assert got.observations.item() == pytest.approx((1 - 2) / 2, abs=1e-4)
    assert got.next_observations.item() == pytest.approx((3 - 2) / 2, abs=1e-4)
    assert got.rewards.item() == pytest.approx(2 * 3 / 3, abs=1e-4)


# ---------------------------------------------------------------------- with Stable-Baselines3


def build(algorithm: Any, env: Any = None, **arguments: Any) -> Any:
    discrete = algorithm is DQN
    kwargs: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, "learning_starts": 20, "buffer_size": 200,
                              "seed": 0, "device": "cpu", **arguments}  # fmt: skip
    return algorithm(
        "MlpPolicy", env or (IdentityEnv(2) if discrete else IdentityEnvBox()),
        replay_buffer_class=SalienceReplayBuffer, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("algorithm", [DQN, SAC, TD3, DDPG])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_algorithms_of_stable_baselines_run_unchanged(algorithm: Any, n_steps: int) -> None:
    box = algorithm is not DQN
    env = DummyVecEnv([(lambda: IdentityEnvBox()) if box else (lambda: IdentityEnv(2))] * 2)
    model = build(algorithm, env, train_freq=1, replay_buffer_kwargs={"n_steps": n_steps, "gamma": 0.99})
    model.learn(60)
    buffer = model.replay_buffer
    tree = buffer.priorities.error_tree
    assert tree.min == tree.max == 1.0  # nothing tells the buffer of errors
    model.learn(100, callback=PrioritizeByTDError(), reset_num_timesteps=False)
    assert tree.min < tree.max
    assert buffer.td_error is None
    assert buffer.draws > 50


def expected_error(model: Any, s: SalienceSamples) -> Any:
    """By hand, with autograd on and in one line each, as the losses of Stable-Baselines3 are written."""
    if isinstance(model, DQN):
        target = (
            s.rewards
            + (1 - s.dones) * model.gamma * model.q_net_target(s.next_observations).max(1)[0][:, None]
        )
        return (target - model.q_net(s.observations).gather(1, s.actions)).abs()[:, 0]
    if isinstance(model, SAC):
        action, log_prob = model.actor.action_log_prob(s.next_observations)
        assert model.log_ent_coef is not None
        bonus: Any = -torch.exp(model.log_ent_coef) * log_prob[:, None]
    else:
        action, bonus = model.actor_target(s.next_observations), 0.0
    both = model.critic_target(s.next_observations, action)
    lowest = both[0] if len(both) == 1 else torch.minimum(*both)
    target = s.rewards + (1 - s.dones) * model.gamma * (lowest + bonus)
    return sum((target - q).abs() for q in model.critic(s.observations, s.actions))[:, 0] / len(both)


@pytest.mark.parametrize("algorithm", [DQN, SAC, TD3, DDPG])
def test_the_errors_are_those_of_the_loss_and_leave_no_trace(algorithm: Any) -> None:
    model = build(algorithm)
    model.learn(80)
    samples = model.replay_buffer.sample(32)
    model.policy.set_training_mode(True)
    before = torch.get_rng_state()
    errors = td_error(model, samples)
    assert torch.equal(before, torch.get_rng_state())
    assert model.policy.training
    assert not errors.requires_grad
    torch.testing.assert_close(errors, expected_error(model, samples).detach())


@pytest.mark.slow
def test_dqn_learns_with_prioritised_replay() -> None:
    model = build(DQN, IdentityEnv(4), learning_rate=5e-3, gamma=0.0, exploration_fraction=0.5, train_freq=1,
                  target_update_interval=50, buffer_size=1000)  # fmt: skip
    model.learn(1200, callback=PrioritizeByTDError())
    reward: Any = evaluate_policy(model, model.get_env(), n_eval_episodes=5, warn=False)[0]
    assert reward >= 95  # of 100


def test_the_seed_of_the_algorithm_decides_the_draws() -> None:
    def learned(seed: int) -> Any:
        model = build(DQN, seed=seed, train_freq=1)
        model.learn(60, callback=PrioritizeByTDError())
        return model.replay_buffer.state()

    a, b, c = learned(1), learned(1), learned(2)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["generator"], c["generator"])


def test_stable_baselines_saves_and_loads_it(tmp_path: Path) -> None:
    model = build(DQN)
    model.learn(60, callback=PrioritizeByTDError())
    model.replay_buffer.td_error = lambda samples: samples.rewards  # not to be saved
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    other = build(DQN, seed=5)
    other.load_replay_buffer(tmp_path / "buffer.pkl")
    model.replay_buffer.td_error = None
    a, b = model.replay_buffer, other.replay_buffer
    assert b.td_error is None
    for _ in range(3):
        assert torch.equal(a.sample(20).indices, b.sample(20).indices)
    a.update_priorities(torch.tensor([0]), torch.tensor([1e6]))
    assert b.priorities.error_tree.total < 1e3  # its own trees
    assert copy.deepcopy(a).priorities.error_tree.total == a.priorities.error_tree.total


def test_the_callback_names_what_it_cannot_serve() -> None:
    plain = DQN("MlpPolicy", IdentityEnv(2), policy_kwargs={"net_arch": [4]}, device="cpu")
    with pytest.raises(ValueError, match="replay_buffer: got ReplayBuffer"):
        plain.learn(1, callback=PrioritizeByTDError())
    model = build(DQN)
    callback: Any = PrioritizeByTDError()
    callback.model = SimpleNamespace(replay_buffer=model.replay_buffer)
    with pytest.raises(ValueError, match="model: got SimpleNamespace"):
        callback._on_training_start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(40, callback=PrioritizeByTDError(lambda samples: samples.rewards + 7))
    assert model.replay_buffer.priorities.error_tree.max >= 7**0.6


def test_the_core_stays_without_stable_baselines() -> None:
    code = (
        "import sys; from emotional_ed.replay import SumTree;"
        "assert 'stable_baselines3' not in sys.modules and 'gymnasium' not in sys.modules;"
        "from emotional_ed.replay import SalienceReplayBuffer; assert 'stable_baselines3' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert SumTree.__module__.startswith("emotional_ed.replay")
