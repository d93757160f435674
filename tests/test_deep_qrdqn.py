"""EmotionalQRDQN: sb3-contrib's numbers at level 0, its loss in less time, and fear as risk."""

from __future__ import annotations

import dataclasses
import time
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
from sb3_contrib.common.utils import quantile_huber_loss
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    EvalCallback,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from test_deep_affect import reached
from test_deep_learning import assert_solves_cartpole
from test_deep_level0 import held, parameters, side_by_side
from test_deep_resume import Stop, assert_goes_on
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig, WeightsConfig
from emotional_ed.agents import CheckpointError, EmotionalQRDQN
from emotional_ed.agents.deep import Checkpoints, NotFiniteError
from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.quantile_learning import QuantileLearning
from emotional_ed.agents.deep.quantile_loss import QuantileLoss
from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.deep.risk import cvar, risk_scores
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

LEVEL0, LEVEL1 = AffectConfig.levels(0), AffectConfig.levels(1)
assert LEVEL1.fear is not None
FEAR = LEVEL1.fear


class Walk(gym.Env[Any, np.int64]):
    """Five places in a row; action 2 in the middle is a disaster half of the time, action 1 goes on."""

    def __init__(self, kind: str = "vector", bad: float | None = None, at: int = 0) -> None:
        self.kind, self.bad, self.at, self.total = kind, bad, at, 0
        self.action_space = spaces.Discrete(3)
        vector = spaces.Box(0, 1, (5,), np.float32)
        self.observation_space: spaces.Space[Any] = {
            "vector": vector,
            "number": spaces.Discrete(5),
            "both": spaces.Dict({"vector": vector, "number": spaces.Discrete(5)}),
        }[kind]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(2)), 0
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time, self.total = self.time + 1, self.total + 1
        if action == 2 and self.place == 2 and self.np_random.random() < 0.5:
            return self._look(), -1.0, True, False, {}
        self.place = min(4, self.place + int(action != 0))
        reward = float(self.place == 4) if self.bad is None or self.total != self.at else self.bad
        return self._look(), reward, self.place == 4, self.time >= 12, {}

    def _look(self) -> Any:
        vector = np.eye(5, dtype=np.float32)[self.place]
        return {"vector": vector, "number": self.place, "both": {"vector": vector, "number": self.place}}[
            self.kind
        ]

    def get_state(self) -> dict[str, Any]:
        return {"place": self.place, "time": self.time, "total": self.total}

    def set_state(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 150, "batch_size": 8, "train_freq": 3, "gradient_steps": 2,
    "target_update_interval": 12, "tau": 0.7, "exploration_fraction": 0.8, "learning_rate": 1e-3,
    "device": "cpu", "policy_kwargs": {"net_arch": [16], "n_quantiles": 7},
}  # fmt: skip


def agent(env: Any = None, affect: AffectConfig | None = LEVEL1, **kwargs: Any) -> EmotionalQRDQN:
    given = {**SMALL, "policy": "MlpPolicy", "seed": 4, **kwargs}
    given["policy_kwargs"] = dict(given["policy_kwargs"])  # QRDQN writes into it
    return EmotionalQRDQN(env=Walk() if env is None else env, affect=affect, **given)


# ---------------------------------------------------------------- the loss


def test_loss_by_hand() -> None:
    theta, y = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 5.0]])
    loss, slope = QuantileLoss(2)(theta, y)
    # 1/4 of 1/2, 1/4 of 9/2, 1/4 of 1/2 (above y) and 3/4 of 5/2, over two targets
    assert float(loss) == pytest.approx((0.125 + 1.125 + 0.125 + 1.875) / 2)
    assert slope.tolist() == [[-0.25, -0.25]]


@settings(max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 9), st.integers(1, 9),
    st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.integers(0, 2**31), st.booleans(),
)  # fmt: skip
def test_both_ways_to_the_loss_are_sb3_contribs(
    batch: int, number: int, targets: int, scale: float, seed: int, ties: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    theta = scale * torch.randn(batch, number, generator=generator)
    y = scale * torch.randn(batch, targets, generator=generator)
    if ties:  # on the corners of the loss too
        theta, y = theta.round(), y.round()
    theta.requires_grad_()
    expected = quantile_huber_loss(theta, y)
    expected.backward()  # type: ignore[no-untyped-call]
    assert theta.grad is not None
    loss = QuantileLoss(number)
    for way in (loss._by_pairs, loss._by_sorting):
        with torch.no_grad():
            found, slope = way(theta, y)
        scaled = found.sum() / (batch * targets)
        torch.testing.assert_close(scaled.float(), expected.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(-slope.float() / (batch * targets), theta.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("number", [6, 70])
def test_loss_weighs_samples(number: int) -> None:
    """6 quantiles are compared in pairs, 70 are sorted."""
    torch.manual_seed(0)
    theta, y, w = torch.randn(5, number, requires_grad=True), 2 * torch.randn(5, number), torch.rand(5, 1)
    each = torch.stack([quantile_huber_loss(theta[i : i + 1], y[i : i + 1]) for i in range(5)])
    expected = (each * w[:, 0]).mean()
    expected.backward()  # type: ignore[no-untyped-call]
    loss, slope = QuantileLoss(number)(theta.detach(), y, w)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(slope, theta.grad)


# ---------------------------------------------------------------- risk


def test_cvar_by_hand() -> None:
    quantiles = torch.tensor([[4.0, 1.0, 3.0, 2.0]]).mT[None].squeeze(0).reshape(1, 4, 1)
    for level, expected in ((1.0, 2.5), (0.5, 1.5), (0.25, 1.0), (0.01, 1.0), (0.375, (1 + 0.5 * 2) / 1.5)):
        assert float(cvar(quantiles, torch.tensor([level]))) == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=12), st.floats(0.01, 1), st.floats(0.01, 1))
def test_cvar_is_the_integral_of_the_quantile_function(values: list[float], one: float, two: float) -> None:
    steps = np.sort(np.array(values))
    number = len(steps)

    def oracle(level: float) -> float:
        level = max(level, 1 / number)
        edges = np.arange(number + 1) / number
        width = np.clip(np.minimum(edges[1:], level) - edges[:-1], 0, None)
        return float((width * steps).sum() / level)

    quantiles = torch.tensor(values)[None, :, None]
    found = [float(cvar(quantiles, torch.tensor([level]))) for level in (one, two)]
    np.testing.assert_allclose(found, [oracle(one), oracle(two)], atol=2e-4)
    if one < two:
        assert found[0] <= found[1] + 2e-4
    mean = risk_scores(quantiles, torch.tensor([1.0]))
    assert torch.equal(mean, quantiles.mean(1))


def certain_and_risky(model: EmotionalQRDQN, spread: float) -> None:
    """Let action 0 bring 1.0 on average with some spread, action 1 surely 0.8, action 2 surely 0.7."""
    layers = [one for one in model.quantile_net.quantile_net if isinstance(one, nn.Linear)]
    quantiles = torch.tensor([[1.0, 0.8, 0.7]]).repeat(7, 1)
    quantiles[:, 0] += spread * torch.linspace(-3, 3, 7)
    with torch.no_grad():
        layers[-1].weight.zero_()
        layers[-1].bias.copy_(quantiles.flatten())
    model.quantile_net_target.load_state_dict(model.quantile_net.state_dict())


def fear_all(model: EmotionalQRDQN, felt: list[float]) -> None:
    memory = model.affect.level("fear").memory.M
    memory.zero_()
    memory[:, :, -1] = torch.tensor(felt) * 10**0.5


@pytest.mark.parametrize(
    ("spread", "felt", "risk", "expected"),
    [
        (1.0, [0.0, 0.0, 0.0], 0.9, 0),  # nothing is feared
        (1.0, [1.0, 0.0, 0.0], 0.9, 1),  # the worst of action 0 is bad
        (1.0, [0.0, 1.0, 1.0], 0.9, 0),  # what it is about to do is not feared
        (0.0, [1.0, 0.0, 0.0], 0.9, 0),  # feared, but nothing can go wrong
        (1.0, [1.0, 0.0, 0.0], 0.0, 0),  # risk is not looked at
        (0.05, [0.5, 0.0, 0.0], 0.9, 0),  # worst 55 %: 0.92, above 0.8
        (0.2, [0.5, 0.0, 0.0], 0.9, 1),  # worst 55 %: 0.69
    ],
)
def test_fear_lowers_the_quantile_that_is_acted_on(
    spread: float, felt: list[float], risk: float, expected: int
) -> None:
    model = agent(affect=AffectConfig(fear=FEAR), risk=risk)
    certain_and_risky(model, spread)
    fear_all(model, felt)
    model.affect.level("surprise").standardiser.size.fill_(10.0)  # what is at stake; caution would count it
    x = np.eye(5, dtype=np.float32)
    assert model.predict(x, deterministic=True)[0].tolist() == [expected] * 5
    assert model._feelings is not None
    model._last_obs = x[:1]
    assert model._choose(model._feelings, 0.0, 1.0, 1).tolist() == [expected]


def test_every_environment_acts_on_its_own_fear_and_predict_on_the_mean() -> None:
    model = agent(make_vec_env(Walk, 2), affect=AffectConfig(fear=FEAR))
    certain_and_risky(model, 0.2)
    fear_all(model, [0.0, 0.0, 0.0])
    model.affect.level("fear").memory.M[0, 0, -1] = 0.8 * 10**0.5
    assert model._feelings is not None
    x = np.eye(5, dtype=np.float32)
    model._last_obs = x[:2]
    assert model._choose(model._feelings, 0.0, 1.0, 2).tolist() == [1, 0]
    assert model.predict(x, deterministic=True)[0].tolist() == [1] * 5  # 0.4: worst 64 %: 0.75
    model.affect.level("fear").memory.M[0, 0, -1] = 0.5 * 10**0.5
    assert model._choose(model._feelings, 0.0, 1.0, 2).tolist() == [1, 0]  # 0.5: worst 55 %: 0.69
    assert model.predict(x, deterministic=True)[0].tolist() == [0] * 5  # 0.25: worst 77.5 %: 0.85


def test_fear_counts_as_far_as_it_is_trusted() -> None:
    model = agent(
        make_vec_env(Walk, 2),
        AffectConfig(fear=FEAR, weights=WeightsConfig(channels=("fear",), gains=(1.0, 0.5))),
    )
    fear_all(model, [1.0, 0.5, 0.0])
    model.affect.level("weights").choice.copy_(torch.tensor([[0], [1]]))  # environment 1 trusts by half
    key = torch.eye(model.affect.level("fear").memory.M.shape[-1])[-1:] / 10**0.5
    torch.testing.assert_close(model._fear(key[None])[:, 0], torch.tensor([[1, 0.5, 0], [0.5, 0.25, 0]]))


def test_a_bit_of_fear_looks_at_most_of_the_distribution() -> None:
    model = agent(affect=AffectConfig(fear=FEAR), risk=1.0)
    certain_and_risky(model, 1.0)
    values = torch.tensor([[1.0, 0.8, 0.7]])
    fear = torch.tensor([[3 / 7, 0.0, 0.0]])
    scores = model._scores(torch.eye(5)[:1], values, fear)
    torch.testing.assert_close(scores, torch.tensor([[1 - 1.5, 0.8, 0.7]]))  # mean of the worst 4 of 7


def test_backups_are_greedy_for_the_mean_whatever_is_feared() -> None:
    model = agent(affect=AffectConfig(fear=FEAR))
    certain_and_risky(model, 1.0)
    fear_all(model, [1.0, 1.0, 1.0])
    x = torch.eye(5)[:2]
    batch = Minibatch(
        x, x, torch.tensor([[1], [1]]), torch.ones(2, 1), torch.tensor([[0.0], [1.0]]), 0.5, None
    )
    y = model._learning.targets(batch)
    torch.testing.assert_close(y[0], 1 + 0.5 * (1 + torch.linspace(-3, 3, 7)))
    assert y[1].tolist() == [1.0] * 7
    assert model._feelings is not None
    assert not model._feelings.recalls


def test_fear_on_targets_and_on_scores_is_there_too() -> None:
    model = agent(affect=AffectConfig(fear=FEAR), fear_on="target")
    fear_all(model, [1.0, 1.0, 1.0])
    model.affect.level("surprise").unit.fill_(2.0)
    x = torch.eye(5)[:2]
    batch = Minibatch(
        x, x, torch.tensor([[1], [2]]), torch.ones(2, 1), torch.zeros(2, 1), 0.5, torch.tensor([0, 0])
    )
    assert model._feelings is not None
    _, penalty = model._feelings.recall(batch)
    torch.testing.assert_close(penalty, torch.full((2, 1), FEAR.caution * 2.0))
    certain_and_risky(model, 1.0)
    assert model.predict(np.eye(5, dtype=np.float32)[0], deterministic=True)[0] == 0
    scores = agent(affect=AffectConfig(fear=FEAR), fear_on="action")
    certain_and_risky(scores, 0.0)
    fear_all(scores, [1.0, 0.0, 0.0])
    scores.affect.level("surprise").standardiser.size.fill_(10.0)
    assert scores.predict(np.eye(5, dtype=np.float32)[0], deterministic=True)[0] == 1


def test_fear_keeps_away_from_a_gamble() -> None:
    """No learning here: quantiles that know the gamble, and fear that is learned from it."""
    deaths = {}
    for risk in (0.9, 0.0):
        fear = dataclasses.replace(FEAR, avoidance=0.0)
        model = agent(affect=AffectConfig(fear=fear), risk=risk, learning_starts=0, buffer_size=500,
                      gradient_steps=0, exploration_initial_eps=0.2, exploration_final_eps=0.2)  # fmt: skip
        layers = [one for one in model.quantile_net.quantile_net if isinstance(one, nn.Linear)]
        with torch.no_grad():
            layers[-1].weight.zero_()
            wanted = torch.tensor([[0.0, 0.8, 0.9]]).repeat(7, 1)
            wanted[:, 2] += torch.linspace(-1, 1, 7)
            layers[-1].bias.copy_(wanted.flatten())
        model.quantile_net_target.load_state_dict(model.quantile_net.state_dict())
        rewards = held(model.learn(500), "rewards")
        deaths[risk] = int((rewards < 0).sum())
    assert deaths[0.9] < 0.6 * deaths[0.0]


# ---------------------------------------------------------------- level 0


@pytest.mark.parametrize("quantiles", [10, 70])
def test_same_actions_and_parameters_as_sb3_contrib_on_cartpole(quantiles: int) -> None:
    """800 steps, 175 gradient steps; 10 quantiles are compared in pairs, 70 are sorted."""
    theirs, ours = side_by_side(QRDQN, EmotionalQRDQN,
        lambda: "CartPole-v1", 800, buffer_size=1000, learning_rate=1e-3, exploration_fraction=0.3,
        target_update_interval=200, policy_kwargs={"n_quantiles": quantiles},
    )  # fmt: skip
    for name in ("actions", "observations", "next_observations", "rewards", "dones", "timeouts"):
        np.testing.assert_array_equal(held(theirs, name), held(ours, name))
    assert isinstance(ours.policy.optimizer, FlatAdam)
    gap = (parameters(theirs) - parameters(ours)).abs().max()
    assert 0 < gap < 1e-5
    assert theirs._n_updates == ours._n_updates == 175
    moved = agent("CartPole-v1", LEVEL1, seed=3, policy_kwargs={"n_quantiles": quantiles})
    assert (parameters(moved) - parameters(ours)).abs().max() > 1e-3


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "several envs": (lambda: make_vec_env(Walk, 3), {}),
    "normalized": (lambda: VecNormalize(DummyVecEnv([Walk] * 2)), {}),
    "n steps": (Walk, {"n_steps": 3}),
    "episodes": (Walk, {"train_freq": (1, "episode"), "gradient_steps": -1}),
    "numbers": (lambda: Walk("number"), {}),
    "dictionary": (lambda: Walk("both"), {"policy": "MultiInputPolicy"}),
    "clipped": (Walk, {"max_grad_norm": 0.05}),
    "tanh": (Walk, {"policy_kwargs": {"activation_fn": nn.Tanh, "n_quantiles": 5}, "max_grad_norm": 0.05}),
    "another optimizer": (
        Walk, {"policy_kwargs": {"optimizer_class": torch.optim.SGD, "n_quantiles": 5}, "max_grad_norm": 0.05}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_same_as_sb3_contrib_with_other_parts(case: str) -> None:
    env, kwargs = CASES[case]
    theirs, ours = side_by_side(QRDQN, EmotionalQRDQN, env, 120, **{**SMALL, **kwargs})
    assert theirs.num_timesteps == ours.num_timesteps
    assert type(ours.replay_buffer) is type(theirs.replay_buffer)
    np.testing.assert_array_equal(held(theirs, "actions"), held(ours, "actions"))
    np.testing.assert_array_equal(held(theirs, "rewards"), held(ours, "rewards"))
    np.testing.assert_allclose(parameters(theirs), parameters(ours), atol=1e-5)


def test_the_two_ways_to_the_gradient_agree() -> None:
    torch.manual_seed(0)
    models = [agent(max_grad_norm=0.1), agent(max_grad_norm=0.1)]
    models[1].online.mlp = None
    models[1]._learning = QuantileLearning(
        models[1].online, models[1].target, models[1].policy.optimizer, max_grad_norm=0.1
    )
    batch = Minibatch(
        torch.randn(9, 5), torch.randn(9, 5), torch.randint(3, (9, 1)), 3 * torch.randn(9, 1),
        torch.zeros(9, 1), 0.9, None,
    )  # fmt: skip
    weights, penalty = torch.rand(9, 1), torch.rand(9, 1)
    start = parameters(models[0])
    (loss, error), (again, other) = (
        one._learning.step(batch, weights=weights, penalty=penalty) for one in models
    )
    torch.testing.assert_close(loss, again)
    torch.testing.assert_close(error, other)
    assert (parameters(models[0]) - start).abs().max() > 1e-4
    torch.testing.assert_close(parameters(models[0]), parameters(models[1]), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("fast", [True, False])
def test_penalties_and_weights_reach_the_gradient(fast: bool) -> None:
    """A penalty is a lower reward; a sample of weight 0 teaches nothing."""
    batch = Minibatch(
        torch.randn(4, 5), torch.randn(4, 5), torch.randint(3, (4, 1)), torch.randn(4, 1),
        torch.zeros(4, 1), 0.9, None,
    )  # fmt: skip
    penalty, weights = torch.rand(4, 1) + 0.5, torch.tensor([[1.0], [2.0], [0.0], [1.0]])
    changed = batch.rewards.clone()
    changed[2] += 7
    results = []
    for rewards, taken in ((batch.rewards, penalty), (changed - penalty, None), (batch.rewards, None)):
        model = agent()
        if not fast:
            model.online.mlp = None
        model._learning.step(batch._replace(rewards=rewards), weights=weights, penalty=taken)
        results.append(parameters(model))
    torch.testing.assert_close(results[0], results[1])
    assert (results[0] - results[2]).abs().max() > 1e-4


def test_zero_gains_are_level_0_bit_for_bit() -> None:
    full = dataclasses.replace(AffectConfig.levels(2), recall=None)
    assert full.anger is not None
    assert full.arousal is not None
    assert full.mood is not None
    quiet = dataclasses.replace(
        full,
        fear=dataclasses.replace(FEAR, caution=0.0, avoidance=0.0),
        anger=dataclasses.replace(full.anger, persistence=0.0),
        mood=dataclasses.replace(full.mood, exploration_gain=0.0),
    )
    plain, feeling = (agent(make_vec_env(Walk, 2), affect, risk=0.0).learn(240) for affect in (LEVEL0, quiet))
    assert torch.equal(parameters(plain), parameters(feeling))
    np.testing.assert_array_equal(held(plain, "actions"), held(feeling, "actions"))
    assert float(feeling.affect.level("fear").memory.M.abs().max()) > 0
    assert not torch.equal(parameters(plain), parameters(agent(make_vec_env(Walk, 2), risk=1.0).learn(240)))


# ---------------------------------------------------------------- affect, replay, verbs


class Spy(BaseCallback):
    """Recomputes each step's surprise from the networks as they are at that moment."""

    def _on_step(self) -> bool:
        model: Any = self.model
        new, ended = reached(self.locals)
        with torch.no_grad():
            now = model.quantile_net(torch.tensor(model._last_obs)).mean(1)
            ahead = model.quantile_net_target(torch.tensor(new)).mean(1).max(1).values
        y = torch.tensor(self.locals["rewards"]) + model.gamma * ahead * ~ended
        lss = y - now[torch.arange(len(y)), torch.tensor(self.locals["actions"])]
        torch.testing.assert_close(model.affect.signals["lss"], lss)
        assert self.locals["self"] is model
        self.ends = getattr(self, "ends", 0) + int(ended.sum())
        return True


def test_surprise_is_level_0s_own_error() -> None:
    spy = Spy()
    agent(make_vec_env(Walk, 2)).learn(200, callback=spy)
    assert spy.ends > 3


def test_everything_around_learning_stays(tmp_path: Path) -> None:
    evaluation = EvalCallback(make_vec_env(Walk, 1, seed=6), eval_freq=40, verbose=0)
    model = agent(make_vec_env(Walk, 2), tensorboard_log=str(tmp_path))
    model.learn(400, callback=CallbackList([evaluation, Stop(90)]), log_interval=1)
    assert model.num_timesteps == 90
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 45
    assert list((tmp_path / "EmotionalQRDQN_1").glob("events*"))
    before = {name: value.clone() for name, value in model.affect.state_dict().items()}
    mean, _ = evaluate_policy(model, make_vec_env(Walk, 2), n_eval_episodes=3)
    assert isinstance(mean, float)
    model.train(2, 8)
    model.predict(np.eye(5, dtype=np.float32))
    for name, value in model.affect.state_dict().items():
        assert torch.equal(value, before[name]), name
    with pytest.raises(ValueError, match="expected a number of steps with several envs"):
        agent(make_vec_env(Walk, 2), train_freq=(1, "episode")).learn(20)


def test_salience_replay_gets_errors_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = agent(make_vec_env(Walk, 2), replay_buffer_class=SalienceReplayBuffer).learn(100)
    buffer = model.replay_buffer
    assert isinstance(buffer, SalienceReplayBuffer)
    assert float(np.ptp(buffer.salience[:50])) > 0.2
    step, seen = model._learning.step, []

    def watch(batch: Any, **kwargs: Any) -> Any:
        assert kwargs["weights"] is batch.weights
        with torch.no_grad():
            target = model._learning.targets(batch).mean(1)
            value = model.online(batch.observations).gather(1, batch.actions).squeeze(1)
        seen.append((batch.indices, target - value))
        return step(batch, **kwargs)

    told: list[tuple[Tensor, Tensor]] = []
    monkeypatch.setattr(model._learning, "step", watch)
    monkeypatch.setattr(buffer, "update_priorities", lambda *pair: told.append(pair))
    model.train(3, 8)
    assert len(told) == 3
    for (indices, error), (expected, difference) in zip(told, seen, strict=True):
        assert torch.equal(indices, expected)
        torch.testing.assert_close(error.squeeze(1), difference, atol=1e-6, rtol=1e-5)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("env", "stop", "kwargs"),
    [
        (Walk, 15, {}),
        (lambda: "CartPole-v1", 71, {"affect": LEVEL0}),
        (lambda: make_vec_env("CartPole-v1", 2), 71, {"fear_on": "target"}),
        (lambda: VecNormalize(make_vec_env(Walk, 2)), 71, {"risk": 0.5}),
        (Walk, 71, {"replay_buffer_class": SalienceReplayBuffer}),
        (
            Walk,
            71,
            {
                "policy_kwargs": {
                    "activation_fn": nn.Tanh,
                    "optimizer_class": torch.optim.RMSprop,
                    "n_quantiles": 5,
                }
            },
        ),
    ],
)
def test_stopping_and_going_on_is_never_having_stopped(
    env: Any, stop: int, kwargs: dict[str, Any], tmp_path: Path
) -> None:
    other = None if isinstance(env(), str) else env()
    assert_goes_on(lambda: agent(env(), **kwargs), stop, 100, tmp_path / "run", other)


def test_files_execute_nothing_and_bad_ones_are_refused(tmp_path: Path) -> None:
    model = agent().learn(60)
    model.save(tmp_path / "run")
    assert b"pickle" not in (tmp_path / "run.safetensors").read_bytes()
    again = EmotionalQRDQN.load(tmp_path / "run", device="cpu")
    assert again.get_env() is None
    assert (again.risk, again.fear_on, again.affect_config) == (0.9, "quantile", LEVEL1)
    x = np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(
        model.predict(x, deterministic=True)[0], again.predict(x, deterministic=True)[0]
    )
    from emotional_ed.agents import EmotionalDQN

    with pytest.raises(
        CheckpointError, match=r"got a checkpoint of 'EmotionalQRDQN'.* expected EmotionalDQN"
    ):
        EmotionalDQN.load(tmp_path / "run")
    with pytest.raises(CheckpointError, match="env: got the observation_space"):
        EmotionalQRDQN.load(tmp_path / "run", "CartPole-v1")
    with pytest.raises(CheckpointError, match="expected the same networks"):
        EmotionalQRDQN.load(tmp_path / "run", policy_kwargs={"net_arch": [5]})
    with pytest.warns(UserWarning, match="executes code"):
        model.save(tmp_path / "run.zip")
    with pytest.warns(UserWarning, match="executes code"):
        other = EmotionalQRDQN.load(tmp_path / "run.zip", Walk(), device="cpu")
    assert torch.equal(parameters(other), parameters(model))
    other.learn(40)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("affect", [LEVEL0, LEVEL1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_stop_it(affect: AffectConfig, bad: float, tmp_path: Path) -> None:
    model = agent(Walk(bad=bad, at=73), affect)
    message = f"reward: got {bad} from environment 0 at step 72, .*last good checkpoint is .*good.safetensors"
    with pytest.raises(NotFiniteError, match=message):
        model.learn(200, callback=Checkpoints(tmp_path / "good", every=20))
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 72
    assert EmotionalQRDQN.load(tmp_path / "good", device="cpu").num_timesteps == 63


def test_learning_that_diverges_is_stopped() -> None:
    model = agent(affect=LEVEL0).learn(50)
    model.lr_schedule = lambda _: 1e30
    with pytest.raises(NotFiniteError, match=r"(loss|quantile_net\.\S+): got (nan|-?inf)"):
        model.learn(200, reset_num_timesteps=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"affect": 1}, "affect: got 1, expected an AffectConfig"),
        ({"affect": AffectConfig.levels(2)}, "affect.recall: got RecallConfig.* expected None for this agent"),
        ({"affect": dataclasses.replace(LEVEL1, shuffled=("fear",))}, "affect.shuffled: got 'fear' with fear_on"),
        ({"fear_on": "mean"}, "fear_on: got 'mean', expected one of action, quantile, target"),
        ({"risk": float("nan")}, "risk: got nan"),
        ({"risk": 1.5}, "risk: got 1.5"),
        ({"stillness": -1}, "stillness: got -1"),
        ({"env": "Pendulum-v1"}, "env: .*Box"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said(change: dict[str, Any], message: str) -> None:
    arguments = {"policy": "MlpPolicy", "env": "CartPole-v1", "affect": LEVEL1, "buffer_size": 10, **change}
    with pytest.raises(ValueError, match=message):
        EmotionalQRDQN(**arguments)


# ---------------------------------------------------------------- minutes

TUNED: dict[str, Any] = {  # of rl-baselines3-zoo, for CartPole-v1
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256], "n_quantiles": 10},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1])
def test_cartpole_is_solved(level: int) -> None:
    kwargs = {**TUNED, "policy_kwargs": dict(TUNED["policy_kwargs"])}
    model = EmotionalQRDQN(
        "MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(level), seed=0, device="cpu", **kwargs
    )
    assert_solves_cartpole(model)


@pytest.mark.slow
@pytest.mark.parametrize("quantiles", [50, 200])
def test_it_takes_less_than_half_of_sb3_contribs_time(quantiles: int) -> None:
    """Time of the processor, the best of five turns each, one after the other in one process."""
    best: dict[str, float] = {}
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("theirs", QRDQN, {}),
        ("ours", EmotionalQRDQN, {"affect": LEVEL0}),
    ]
    for turn in range(5):
        for name, kind, own in kinds:
            kwargs: dict[str, Any] = {
                "policy_kwargs": {"n_quantiles": quantiles},
                "seed": turn,
                "device": "cpu",
            }
            model: Any = kind("MlpPolicy", "CartPole-v1", buffer_size=5000, **kwargs, **own)
            model.learn(300)
            began = time.process_time()
            model.learn(800, reset_num_timesteps=False)
            best[name] = min(best.get(name, np.inf), time.process_time() - began)
    assert best["ours"] < best["theirs"] / 2
