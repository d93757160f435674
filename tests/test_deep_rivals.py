"""The deep agents' rivals: intrinsic fear as a replay buffer, resets as a callback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv
from test_deep_level0 import parameters
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.rivals import (
    CVaRPolicy,
    EZGreedyDQN,
    IntrinsicFearBuffer,
    Resets,
    careful_qrdqn,
)
from emotional_ed.agents.deep.rivals.fresh import make_fresh

LINE = spaces.Box(-1, 1000, (1,), np.float32)
TWO = spaces.Discrete(2)
SMALL: dict[str, Any] = {
    "learning_starts": 50, "buffer_size": 2000, "batch_size": 16, "train_freq": 2, "learning_rate": 3e-3,
    "target_update_interval": 50, "exploration_fraction": 0.5, "exploration_final_eps": 0.1, "gamma": 0.9,
    "policy_kwargs": {"net_arch": [16]}, "device": "cpu", "seed": 3,
}  # fmt: skip


def plain(env: Any, **kwargs: Any) -> EmotionalDQN:
    return EmotionalDQN("MlpPolicy", env, affect=AffectConfig.levels(0), **{**SMALL, **kwargs})


class Fork(gym.Env[Any, Any]):
    """From cell 2 left to 1, which pays and from which all fall into 0; or right over 3 to the exit at 4."""

    observation_space = spaces.Box(0, 1, (5,), np.float32)
    action_space: Any = TWO

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cell = 2
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.cell += -1 if self.cell == 1 else 2 * int(action) - 1
        reward = {0: -0.1, 1: 0.6, 4: 0.2}.get(self.cell, 0.0)
        return self._look(), reward, self.cell in (0, 4), False, {}

    def _look(self) -> Any:
        return np.eye(5, dtype=np.float32)[self.cell]


# ---------------------------------------------------------------- intrinsic fear: what is judged how


def walk(buffer: IntrinsicFearBuffer, which: int, episodes: list[tuple[int, str]]) -> None:
    """Let environment `which` live episodes (steps, how it ends) in observations 0, 1, 2, ..."""
    place = 0
    for steps, end in episodes:
        for step in range(steps):
            last = step == steps - 1 and end != "open"
            shape = (buffer.n_envs, 1)
            info: dict[str, Any] = {"TimeLimit.truncated": last and end == "cut"}
            here = np.full(shape, place + step, np.float32)
            reward = -1.0 if last and end == "bad" else 0.0
            rewards, dones = np.zeros(buffer.n_envs), np.zeros(buffer.n_envs)
            rewards[which], dones[which] = reward, last
            infos = [info if i == which else {} for i in range(buffer.n_envs)]
            buffer.add(here, here + 1, np.zeros(shape), rewards, dones, infos)
        place += steps + 1


def judged(episodes: list[tuple[int, str]], radius: int) -> tuple[set[float], set[float]]:
    """Say state by state, from the whole story, which were dangerous and which safe."""
    dangerous: set[float] = set()
    safe: set[float] = set()
    place = 0
    for steps, end in episodes:
        for state in range(steps + 1):
            left = steps - state
            if end == "bad":
                (dangerous if left <= radius else safe).add(float(place + state))
            elif end == "end" or left >= radius:
                safe.add(float(place + state))
        place += steps + 1
    return dangerous, safe


ENDS = st.sampled_from(["bad", "end", "cut"])


@given(st.lists(st.tuples(st.integers(1, 7), ENDS), max_size=6), st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_states_are_judged_as_the_whole_story_says(episodes: list[tuple[int, str]], radius: int) -> None:
    buffer = IntrinsicFearBuffer(200, LINE, TWO, "cpu", radius=radius, bad_reward=-1, seed=0)
    walk(buffer, 0, episodes)
    found = [[float(one[0]) for one in states] for states in (buffer.dangerous, buffer.safe)]
    assert (set(found[0]), set(found[1])) == judged(episodes, radius)
    assert len(found[0]) + len(found[1]) == len(set(found[0]) | set(found[1]))  # none twice


def test_judged_by_hand() -> None:
    buffer = IntrinsicFearBuffer(200, LINE, TWO, "cpu", radius=2, bad_reward=-1, seed=0, n_envs=2)
    walk(buffer, 1, [(5, "open")])
    assert sorted(float(one[0]) for one in buffer.safe) == [0, 0, 1, 1, 2, 2, 3, 3]  # of either environment
    assert not buffer.dangerous
    walk(buffer, 1, [(1, "bad")])  # observations go back to 0: what waits are 4, 5 and then 1
    assert [one[0] for one in buffer.dangerous] == [4, 5, 1]
    kept = IntrinsicFearBuffer(200, LINE, TWO, "cpu", radius=2, bad_reward=-1, seed=0, memory=4)
    walk(kept, 0, [(9, "end")])
    assert [one[0] for one in kept.safe] == [6, 7, 8, 9]


def test_every_fall_is_a_catastrophe_if_it_is_declared_so() -> None:
    buffer = IntrinsicFearBuffer(200, LINE, TWO, "cpu", radius=1, falls=True, seed=0)
    walk(buffer, 0, [(3, "end"), (3, "cut")])
    assert [one[0] for one in buffer.dangerous] == [2, 3]
    assert [one[0] for one in buffer.safe] == [0, 1, 4, 5, 6]


# ---------------------------------------------------------------- intrinsic fear: what is sampled


def filled(**kwargs: Any) -> IntrinsicFearBuffer:
    options = {"radius": 2, "bad_reward": -1.0, "seed": 5, "phase_in": 100, "penalty": 0.7, **kwargs}
    buffer = IntrinsicFearBuffer(40, LINE, TWO, "cpu", **options)
    walk(buffer, 0, [(6, "bad"), (8, "end"), (5, "bad")])
    return buffer


def test_rewards_are_lowered_by_the_fear_of_the_next_state() -> None:
    buffer, other = filled(), ReplayBuffer(40, LINE, TWO, "cpu")
    assert buffer.stored == 19
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        setattr(other, name, getattr(buffer, name))
    other.pos, other.full = buffer.pos, buffer.full
    np.random.seed(1)  # noqa: NPY002
    got = buffer.sample(32)
    np.random.seed(1)  # noqa: NPY002
    expected = other.sample(32)
    one, _, two, _, three = list(buffer.network)
    with torch.no_grad():
        hidden = (expected.next_observations @ one.weight.T + one.bias).clamp_min(0)  # type: ignore[operator]
        raw = (hidden @ two.weight.T + two.bias).clamp_min(0) @ three.weight.T + three.bias  # type: ignore[operator]
    fear = 1 / (1 + (-raw).exp())
    torch.testing.assert_close(got.rewards, expected.rewards - 0.7 * 0.19 * fear)
    for name in ("observations", "next_observations", "actions", "dones"):
        assert torch.equal(getattr(got, name), getattr(expected, name))
    assert fear.std() > 0
    assert filled(phase_in=10).penalty_now == filled(phase_in=0).penalty_now == 0.7


def test_the_danger_network_makes_one_step_of_adam_on_the_cross_entropy() -> None:
    buffer = filled()
    network, numbers = copy.deepcopy(buffer.network), np.random.default_rng(5)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    rows = [
        np.stack([states[i] for i in numbers.integers(len(states), size=4)])
        for states in (buffer.dangerous, buffer.safe)
    ]
    dangerous, safe = (1 / (1 + (-network(torch.from_numpy(row))).exp()) for row in rows)
    loss = -dangerous.log().mean() / 2 - (1 - safe).log().mean() / 2
    loss.backward()
    optimizer.step()
    buffer.sample(8)
    for mine, theirs in zip(network.parameters(), buffer.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-7, rtol=1e-5)


def test_without_a_catastrophe_nothing_is_feared_and_nothing_learned() -> None:
    buffer = IntrinsicFearBuffer(40, LINE, TWO, "cpu", bad_reward=-1, seed=0)
    walk(buffer, 0, [(9, "end")])
    before = copy.deepcopy(buffer.network.state_dict())
    assert not buffer.sample(16).rewards.any()
    assert all(torch.equal(before[name], value) for name, value in buffer.network.state_dict().items())


def test_a_penalty_of_zero_is_the_plain_agent() -> None:
    fearless = plain(
        Fork(), replay_buffer_class=IntrinsicFearBuffer,
        replay_buffer_kwargs={"falls": True, "penalty": 0.0, "seed": 1},
    ).learn(300)  # fmt: skip
    other = plain(Fork()).learn(300)
    assert isinstance(fearless.replay_buffer, IntrinsicFearBuffer)
    assert fearless.replay_buffer.dangerous
    torch.testing.assert_close(parameters(fearless), parameters(other), atol=1e-6, rtol=1e-5)
    assert other.replay_buffer is not None
    np.testing.assert_array_equal(fearless.replay_buffer.actions, other.replay_buffer.actions)


@pytest.mark.parametrize(("penalty", "first"), [(0.0, 0), (2.0, 1)])
@pytest.mark.parametrize("kind", ["ours", pytest.param("theirs", marks=pytest.mark.slow)])
def test_fear_turns_the_agent_away_from_what_pays_best(penalty: float, first: int, kind: str) -> None:
    given = {
        **SMALL,
        "replay_buffer_class": IntrinsicFearBuffer,
        "replay_buffer_kwargs": {"bad_reward": -0.1, "penalty": penalty, "radius": 1, "phase_in": 100},
    }
    model = plain(Fork(), **given) if kind == "ours" else DQN("MlpPolicy", Fork(), **given)
    model.learn(900)
    buffer: Any = model.replay_buffer
    assert model.predict(np.eye(5, dtype=np.float32)[2], deterministic=True)[0] == first
    feared = buffer.fear(torch.eye(5)).squeeze(1)
    assert feared[:2].min() > 0.8
    assert feared[3:].max() < 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "bad_reward: got None, expected it or falls=True"),
        ({"bad_reward": float("nan")}, "bad_reward: got nan"),
        ({"falls": True, "penalty": -1}, "penalty: got -1"),
        ({"falls": True, "radius": 0}, "radius: got 0"),
        ({"falls": True, "phase_in": -1}, "phase_in: got -1"),
        ({"falls": True, "hidden": 0}, "hidden: got 0"),
        ({"falls": True, "learning_rate": 0}, "learning_rate: got 0"),
        ({"falls": True, "memory": 0}, "memory: got 0"),
        ({"falls": True, "seed": -1}, "seed: got -1"),
    ],
)
def test_bad_arguments_of_the_fear(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        IntrinsicFearBuffer(10, LINE, TWO, "cpu", **arguments)


def test_other_observations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"observation_space: got Discrete\(4\), expected a Box"):
        IntrinsicFearBuffer(10, spaces.Discrete(4), TWO, "cpu", falls=True)


# ---------------------------------------------------------------- resets


def test_fresh_layers_are_drawn_as_torch_draws_them() -> None:
    state = torch.get_rng_state()
    layers = [nn.Linear(25, 400), nn.Linear(25, 400)]
    torch.set_rng_state(state)
    make_fresh(layers, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    for layer in layers:
        for values in (layer.weight, layer.bias):
            assert float(values.detach().abs().max()) <= 0.2
            assert float(values.detach().abs().max()) > 0.19
        assert float(layer.weight.detach().var()) == pytest.approx(0.04 / 3, rel=0.05)
        assert abs(float(layer.weight.detach().mean())) < 0.005
    assert not torch.equal(layers[0].weight, layers[1].weight)


def weights(model: DQN, name: str) -> list[Tensor]:
    return [
        one.weight.detach().clone() for one in getattr(model, name).modules() if isinstance(one, nn.Linear)
    ]


@pytest.mark.parametrize("kind", ["ours", "theirs"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_reset_forgets_the_last_layers_and_nothing_else(kind: str, layers: int) -> None:
    given = {**SMALL, "policy_kwargs": {"net_arch": [16, 16]}}
    model = plain(Fork(), **given) if kind == "ours" else DQN("MlpPolicy", Fork(), **given)
    resets = Resets(every=10_000, layers=layers)
    model.learn(400, callback=resets)
    assert resets.count == 0
    assert model.replay_buffer is not None
    online, target, held = weights(model, "q_net"), weights(model, "q_net_target"), model.replay_buffer.size()
    state = torch.get_rng_state()
    resets.reset()
    assert torch.equal(torch.get_rng_state(), state)
    for old, now, kept in zip(
        (online, target), (weights(model, "q_net"), weights(model, "q_net_target")), (3 - layers, 3 - layers),
        strict=True,
    ):  # fmt: skip
        assert all(torch.equal(a, b) for a, b in zip(old[:kept], now[:kept], strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(old[kept:], now[kept:], strict=True))
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            weights(model, "q_net")[-layers:], weights(model, "q_net_target")[-layers:], strict=True
        )
    )
    assert model.replay_buffer.size() == held
    before = parameters(model)
    model.learn(20, reset_num_timesteps=False)
    assert (parameters(model) - before).abs().max() > 1e-4  # it goes on learning
    counts = {float(one["step"]) for one in model.policy.optimizer.state.values()}
    assert counts == {10.0}  # gradient steps since then, not since the beginning


def test_resets_come_when_they_are_due_and_are_the_same_for_the_same_seed() -> None:
    runs = []
    for seed in (4, 4, 5):
        resets = Resets(every=100, seed=seed)
        model = plain(Fork()).learn(451, callback=resets)
        assert resets.count == 4
        runs.append(parameters(model))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert not torch.equal(runs[0], parameters(plain(Fork()).learn(451)))


def test_what_was_forgotten_is_learned_again_from_replay() -> None:
    resets = Resets(every=700)
    model = plain(Fork()).learn(1300, callback=resets)
    assert resets.count == 1
    assert model.predict(np.eye(5, dtype=np.float32)[2], deterministic=True)[0] == 0
    value = float(model.q_net(torch.eye(5)[2:3]).detach().max())
    assert value == pytest.approx(0.6 - 0.9 * 0.1, abs=0.1)
    resets.reset()
    assert abs(float(model.q_net(torch.eye(5)[2:3]).detach()[0, 0]) - 0.51) > 0.1


def test_bad_arguments_of_resets() -> None:
    with pytest.raises(ValueError, match="every: got 0"):
        Resets(every=0)
    with pytest.raises(ValueError, match="layers: got 0"):
        Resets(every=5, layers=0)
    with pytest.raises(ValueError, match="seed: got -1"):
        Resets(every=5, seed=-1)
    with pytest.raises(ValueError, match="layers: got 3, expected at most 2, as q_net has"):
        plain(Fork()).learn(60, callback=Resets(every=5, layers=3))


# ---------------------------------------------------------------- CVaR on quantiles


class Gamble(gym.Env[Any, Any]):
    """One step: action 0 pays 0.4 for sure, action 1 pays 1.5 or -0.5, half each."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)
    action_space: Any = TWO

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.ones(2, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        lucky = self.np_random.random() < 0.5
        return np.ones(2, dtype=np.float32), (1.5 if lucky else -0.5) if action else 0.4, True, False, {}


CAREFUL = {one: value for one, value in SMALL.items() if one != "policy_kwargs"}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_choice_is_by_the_mean_of_the_worst_quantiles(share: float) -> None:
    model = careful_qrdqn(Fork(), share=share, quantiles=20, hidden=[16], **CAREFUL)
    seen = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32) * 3
    with torch.no_grad():
        quantiles = model.policy.quantile_net(torch.from_numpy(seen)).numpy()  # [n, N, A]
    worst = np.sort(quantiles, axis=1)[:, : round(20 * share)].mean(1)
    assert model.predict(seen, deterministic=True)[0].tolist() == worst.argmax(1).tolist()
    assert worst.argmax(1).tolist() != quantiles.mean(1).argmax(1).tolist()


def test_a_share_of_one_is_the_plain_quantile_agent() -> None:
    ours = careful_qrdqn(Fork(), share=1.0, quantiles=10, hidden=[16], **CAREFUL).learn(200)
    theirs = QRDQN(
        "MlpPolicy", Fork(), policy_kwargs={"net_arch": [16], "n_quantiles": 10}, **CAREFUL
    ).learn(200)  # fmt: skip
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize(("share", "choice"), [(1.0, 1), (0.3, 0)])
def test_the_careful_agent_does_not_gamble(share: float, choice: int) -> None:
    model = careful_qrdqn(Gamble(), share=share, quantiles=20, hidden=[16], **CAREFUL).learn(700)
    assert model.predict(np.ones(2, dtype=np.float32), deterministic=True)[0] == choice


def test_bad_shares_are_refused_and_good_ones_kept() -> None:
    for bad in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"^share: got .*expected a number in"):
            careful_qrdqn(Fork(), share=bad)
    policy = careful_qrdqn(Fork(), share=0.4).policy
    assert isinstance(policy, CVaRPolicy)
    assert policy._get_constructor_parameters()["share"] == 0.4


# ---------------------------------------------------------------- ez-greedy


class Corridor(gym.Env[Any, Any]):
    """Ends after so many steps; four actions that do nothing."""

    observation_space = LINE
    action_space: Any = spaces.Discrete(4)

    def __init__(self, length: int) -> None:
        self.length = length

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 0
        return np.array([0.0], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 1
        return np.array([self.place], np.float32), 0.0, self.place >= self.length, False, {}


class Actions(BaseCallback):
    """Keeps what was done, and where episodes ended."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[list[int], list[bool]]] = []

    def _on_step(self) -> bool:
        self.done.append((self.locals["actions"].tolist(), self.locals["dones"].tolist()))
        return True


def ez_greedy(length: int = 10**6, envs: int = 1, epsilon: float = 1.0, **held: Any) -> EZGreedyDQN:
    """Return an agent in corridors whose best action is always 0."""
    world: Any = DummyVecEnv([lambda: Corridor(length)] * envs)
    model = EZGreedyDQN(
        "MlpPolicy", world, learning_starts=0, train_freq=1000, gradient_steps=0, buffer_size=10, seed=1,
        exploration_initial_eps=epsilon, exploration_final_eps=epsilon, device="cpu", **held,
    )  # fmt: skip
    with torch.no_grad():
        last: Any = model.q_net.q_net[-1]
        last.bias.copy_(torch.tensor([1e6, 0.0, 0.0, 0.0]))
    return model


def explored(model: EZGreedyDQN, steps: int, **how: Any) -> list[tuple[list[int], list[bool]]]:
    """Return actions and ends of a life; epsilon is 0 in the very first step, and that is left out."""
    watch = Actions()
    model.learn(steps, callback=watch, **how)
    return watch.done[1:]


def test_random_actions_are_held_as_long_as_the_zeta_distribution_says() -> None:
    exponent, cap = 1.5, 6
    done = [actions[0] for actions, _ in explored(ez_greedy(exponent=exponent, cap=cap), 20_000)]
    expected = np.arange(1, cap + 1) ** -exponent
    mean = float((expected * np.arange(1, cap + 1)).sum() / expected.sum())
    changes = np.mean(np.diff(done) != 0)  # a new draw is another action three times of four
    assert changes == pytest.approx(0.75 / mean, abs=0.01)
    assert np.bincount(done, minlength=4) / len(done) == pytest.approx([0.25] * 4, abs=0.02)
    brief = [actions[0] for actions, _ in explored(ez_greedy(cap=1), 5000)]
    assert np.mean(np.diff(brief) != 0) == pytest.approx(0.75, abs=0.02)


def test_between_what_is_held_the_best_action_is_done() -> None:
    epsilon, cap, exponent = 0.2, 5, 1.0
    model = ez_greedy(epsilon=epsilon, exponent=exponent, cap=cap)
    done = [actions[0] for actions, _ in explored(model, 20_000)]
    weights = np.arange(1, cap + 1) ** -exponent
    held = epsilon * float((weights * np.arange(1, cap + 1)).sum() / weights.sum())
    share = held / (1 - epsilon + held)  # of steps; a quarter of the held ones do the best action too
    assert np.mean(np.array(done) != 0) == pytest.approx(0.75 * share, abs=0.015)
    assert not any(actions[0] for actions, _ in explored(ez_greedy(epsilon=0.0), 200))


def test_holding_ends_with_the_episode_of_that_environment() -> None:
    model = ez_greedy(length=5, envs=3, exponent=0.0, cap=10_000)
    done = explored(model, 3000)
    actions, ends = (np.array(column)[4:] for column in zip(*done, strict=True))
    assert ends[4::5].all()
    after = actions[1:] != actions[:-1]
    assert not after[~ends[:-1]].any()  # held for ages, but for
    assert after[ends[:-1]].mean() == pytest.approx(0.75, abs=0.05)  # the ends of episodes
    assert (actions[:, 0] != actions[:, 1]).any()
    explored(model, 8, reset_num_timesteps=False)
    model._left[:] = 1000
    explored(model, 4)  # in new episodes
    assert model._left.max() != 1000 - 4


def test_what_is_held_goes_on_from_a_file(tmp_path: Path) -> None:
    def life(stop: bool) -> list[Any]:
        watch = Actions()
        world = gym.make("MountainCar-v0")  # one that can be restored, and whose episodes are long
        model: Any = EZGreedyDQN(
            "MlpPolicy",
            world,
            exponent=0.5,
            cap=40,
            seed=2,
            device="cpu",
            learning_starts=10,
            buffer_size=500,
        )
        if stop:
            model.learn(150, callback=watch)
            assert model._left[0] > 0
            model.save(tmp_path / "held")
            model = EZGreedyDQN.load(tmp_path / "held")
            assert (model.exponent, model.cap) == (0.5, 40)
            model.learn(150, callback=watch, reset_num_timesteps=False)
        else:
            model.learn(150, callback=watch)
            model.learn(150, callback=watch, reset_num_timesteps=False)
        return watch.done

    assert life(stop=True) == life(stop=False)


def test_ez_greedy_says_what_it_cannot_do() -> None:
    for bad, message in (({"exponent": -1}, "exponent: got -1"), ({"cap": 0}, "cap: got 0")):
        with pytest.raises(ValueError, match=message):
            EZGreedyDQN("MlpPolicy", "CartPole-v1", **bad)
    with pytest.raises(ValueError, match=r"affect: got .* expected AffectConfig.levels\(0\)"):
        EZGreedyDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(1))
