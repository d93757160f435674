"""EmotionalSAC: Stable-Baselines3's numbers at level 0, and affect on actions that are vectors."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.sac.policies import SACPolicy
from test_deep_affect import Reader, never, reached
from test_deep_level0 import held, parameters, side_by_side
from test_deep_resume import Stop, assert_goes_on
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig, CuriosityConfig, SalienceConfig, WeightsConfig
from emotional_ed.agents import CheckpointError, EmotionalSAC
from emotional_ed.agents.deep import Checkpoints, NotFiniteError
from emotional_ed.agents.deep.flat_adam import FlatAdam
from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.deep.soft_choice import choose_among, likeliest, normals, wanted
from emotional_ed.agents.deep.soft_networks import Normal, critic_loss
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.streams import Streams

LEVEL0, LEVEL1 = AffectConfig.levels(0), AffectConfig.levels(1)
assert LEVEL1.fear is not None
assert LEVEL1.anger is not None
assert LEVEL1.arousal is not None
FEAR = LEVEL1.fear


class Slope(gym.Env[Any, Any]):
    """A point on a line is pushed by the first number; beyond 0.3 by the second one it may fall off."""

    def __init__(self, kind: str = "vector", bad: float | None = None, at: int = 0) -> None:
        self.kind, self.bad, self.at, self.total = kind, bad, at, 0
        self.action_space = spaces.Box(np.array([-1, -3], np.float32), np.array([1, 5], np.float32))
        vector = spaces.Box(-9, 9, (2,), np.float32)
        self.observation_space: spaces.Space[Any] = vector
        if kind == "both":
            self.observation_space = spaces.Dict({"vector": vector, "number": spaces.Discrete(3)})

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = float(self.np_random.uniform(-0.5, 0.5)), 0
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time, self.total = self.time + 1, self.total + 1
        self.place = float(np.clip(self.place + 0.2 * action[0], -1, 1))
        fell = bool(action[1] > 3 and self.np_random.random() < 0.8)
        reward = -3.0 if fell else 0.1 * self.place
        reward = reward if self.bad is None or self.total != self.at else self.bad
        return self._look(), reward, fell, self.time >= 12, {}

    def _look(self) -> Any:
        vector = np.array([self.place, self.time / 12], np.float32)
        return vector if self.kind == "vector" else {"vector": vector, "number": self.time % 3}

    def get_state(self) -> dict[str, Any]:
        return {"place": self.place, "time": self.time, "total": self.total}

    def set_state(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Edge(Slope):
    """Beyond 4 by the second number it always falls."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, _, truncated, info = super().step(np.array([action[0], 0.0]))
        fell = bool(action[1] > 4)
        return observation, -3.0 if fell else reward, fell, truncated, info


SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 150, "batch_size": 8, "train_freq": 3, "gradient_steps": 2,
    "learning_rate": 1e-3, "device": "cpu", "policy_kwargs": {"net_arch": [16]}, "tau": 0.1,
}  # fmt: skip


def agent(env: Any = None, affect: AffectConfig | None = LEVEL1, **kwargs: Any) -> EmotionalSAC:
    given = {**SMALL, "policy": "MlpPolicy", "seed": 4, **kwargs}
    given["policy_kwargs"] = dict(given["policy_kwargs"])
    return EmotionalSAC(env=Slope() if env is None else env, affect=affect, **given)


# ---------------------------------------------------------------- level 0


def test_same_actions_and_parameters_as_sb3_on_pendulum() -> None:
    """200 steps, 150 gradient steps."""
    theirs, ours = side_by_side(SAC, EmotionalSAC,
        lambda: "Pendulum-v1", 200, learning_starts=50, buffer_size=200, batch_size=32,
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    for name in ("actions", "observations", "next_observations", "rewards", "dones", "timeouts"):
        np.testing.assert_allclose(held(theirs, name), held(ours, name), atol=2e-5)
    assert all(
        isinstance(one, FlatAdam)
        for one in (ours.actor.optimizer, ours.critic.optimizer, ours.ent_coef_optimizer)
    )
    assert (parameters(theirs) - parameters(ours)).abs().max() < 1e-5
    assert theirs.log_ent_coef is not None
    assert ours.log_ent_coef is not None
    torch.testing.assert_close(theirs.log_ent_coef, ours.log_ent_coef, atol=1e-6, rtol=0)
    assert theirs._n_updates == ours._n_updates == 150
    moved = agent("Pendulum-v1", seed=3, policy_kwargs={"net_arch": [64, 64]})
    assert (parameters(moved) - parameters(ours)).abs().max() > 1e-3


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "several envs": (lambda: make_vec_env(Slope, 3), {}),
    "normalized": (lambda: VecNormalize(DummyVecEnv([Slope] * 2)), {}),
    "n steps": (Slope, {"n_steps": 3}),
    "episodes": (Slope, {"train_freq": (1, "episode"), "gradient_steps": -1}),
    "dictionary": (lambda: Slope("both"), {"policy": "MultiInputPolicy"}),
    "fixed temperature": (Slope, {"ent_coef": 0.2, "target_update_interval": 2, "gradient_steps": 3}),
    "start temperature": (Slope, {"ent_coef": "auto_0.3", "target_entropy": -0.5}),
    "shared features": (Slope, {"policy_kwargs": {"net_arch": [16], "share_features_extractor": True}}),
    "three critics": (
        Slope,
        {"policy_kwargs": {"net_arch": [8, 8], "n_critics": 3, "activation_fn": nn.Tanh}},
    ),
    "another optimizer": (Slope, {"policy_kwargs": {"net_arch": [8], "optimizer_class": torch.optim.SGD}}),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as_sb3_with_other_parts(case: str) -> None:
    env, kwargs = CASES[case]
    theirs, ours = side_by_side(SAC, EmotionalSAC, env, 90, **{**SMALL, **kwargs})
    assert theirs.num_timesteps == ours.num_timesteps
    assert type(ours.replay_buffer) is type(theirs.replay_buffer)
    np.testing.assert_allclose(held(theirs, "actions"), held(ours, "actions"), atol=1e-5)
    np.testing.assert_allclose(held(theirs, "rewards"), held(ours, "rewards"), atol=1e-5)
    np.testing.assert_allclose(parameters(theirs), parameters(ours), atol=1e-5)
    assert (parameters(theirs) - parameters(EmotionalSAC(
        env=env(), affect=LEVEL0, **{"policy": "MlpPolicy", "seed": 3, **SMALL, **kwargs}
    ))).abs().max() > 1e-3  # fmt: skip


def quiet() -> AffectConfig:
    """Return every channel that is served, feeling all and wanting nothing."""
    full = dataclasses.replace(AffectConfig.levels(2), recall=None)
    assert full.anger is not None
    assert full.arousal is not None
    assert full.mood is not None
    return dataclasses.replace(
        full,
        fear=dataclasses.replace(FEAR, caution=0.0, avoidance=0.0),
        anger=dataclasses.replace(full.anger, persistence=0.0),
        arousal=dataclasses.replace(full.arousal, exploration_gain=0.0),
        mood=dataclasses.replace(full.mood, period=5, exploration_gain=0.0),
    )


@pytest.mark.parametrize("kwargs", [{}, {"fear_on": "target"}, {"proposals": 1}])
def test_zero_gains_are_level_0_bit_for_bit(kwargs: dict[str, Any]) -> None:
    plain, feeling = (agent(make_vec_env(Slope, 2), one, **kwargs).learn(160) for one in (LEVEL0, quiet()))
    np.testing.assert_array_equal(held(plain, "actions"), held(feeling, "actions"))
    assert torch.equal(parameters(plain), parameters(feeling))
    assert float(feeling.affect.level("fear").memory.M.abs().max()) > 0  # it did feel something
    x = np.array([[0.1, 0.2], [0.3, 0.9]], np.float32)
    for deterministic in (True, False):
        torch.manual_seed(0)
        expected = plain.predict(x, deterministic=deterministic)[0]
        torch.manual_seed(0)
        np.testing.assert_array_equal(feeling.predict(x, deterministic=deterministic)[0], expected)
    assert feeling.predict(x[0])[0].shape == (2,)


def test_gains_change_what_is_done() -> None:
    kwargs = {"ent_coef": 0.01, "stillness": 0.1}
    plain = agent(Edge(), LEVEL0, **kwargs).learn(90)
    assert LEVEL1.arousal is not None
    changes: list[AffectConfig] = [
        AffectConfig(fear=dataclasses.replace(FEAR, **{"caution": 0.0, "avoidance": 0.0, name: value}))  # type: ignore[arg-type]
        for name, value in (("caution", 5.0), ("avoidance", 1.0), ("step_gain", 50.0))
    ]
    arousal = dataclasses.replace(LEVEL1.arousal, exploration_gain=3.0, threshold=0.5)
    for affect in (*changes, AffectConfig(arousal=arousal)):
        assert not torch.equal(parameters(plain), parameters(agent(Edge(), affect, **kwargs).learn(90))), (
            affect
        )


# ---------------------------------------------------------------- the pieces


def test_distribution_is_sb3s() -> None:
    model = agent("Pendulum-v1", LEVEL0)
    x = torch.randn(50, 3)
    policy = model.networks.actions(x)
    torch.manual_seed(1)
    action, log_density = model.actor.action_log_prob(x)
    torch.manual_seed(1)
    normal = torch.normal(torch.zeros(50, 1), torch.ones(50, 1))
    assert torch.equal(policy.action(normal), action)
    torch.testing.assert_close(policy.log_density(normal, action), log_density, atol=1e-4, rtol=1e-4)


def test_density_sums_to_one_and_heat_widens_it() -> None:
    policy = Normal(torch.full((4001, 1), 0.3), torch.full((4001, 1), 0.7))
    normal = torch.linspace(-7, 7, 4001)[:, None]
    action = policy.action(normal)
    area = torch.trapezoid(policy.log_density(normal, action).exp(), action[:, 0])
    assert float(area) == pytest.approx(1, abs=2e-3)
    hot = policy.action(normal, torch.full((4001,), 4.0))
    torch.testing.assert_close(hot, (0.3 + normal * 1.4).tanh())


def test_uniform_numbers_become_normal() -> None:
    u = torch.rand(40000, 2, generator=torch.Generator().manual_seed(0))
    z = normals(u)[:, 0]
    for power, expected in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert float(z.pow(power).mean()) == pytest.approx(expected, abs=0.12)
    assert normals(torch.zeros(1, 2)).isfinite().all()
    assert normals(torch.full((1, 4), 1 - 2**-24)).isfinite().all()


def test_weights_make_the_policy_of_bent_values() -> None:
    """On a grid of actions: exp(Q/alpha) w is exp((Q + bias)/alpha), up to what is avoided."""
    q, bias, avoidance = torch.randn(9), -torch.rand(9), torch.rand(9)
    alpha = torch.tensor(0.3)
    weights = wanted(avoidance, bias, alpha)
    assert weights is not None
    expected = ((q + bias) / alpha).exp() * (1 - avoidance)
    torch.testing.assert_close((q / alpha).exp() * weights, expected)
    assert wanted(None, None, alpha) is None
    above = wanted(None, torch.tensor([3.0]), alpha)
    assert above is not None
    assert above.tolist() == [1.0]


def test_proposals_are_turned_down_by_hand() -> None:
    first = torch.tensor([[0.0], [1.0], [2.0]])
    assert torch.equal(choose_among(first, never, lambda _: None, never, 5), first)
    assert torch.equal(choose_among(first, never, lambda one: torch.ones(len(one)), never, 5), first)
    weights = {0.0: 1.0, 1.0: 0.5, 2.0: 0.1, 3.0: 0.3, 4.0: 0.2}
    rows = iter([[0.9, 0.4, 0.2], [0.9, 0.9, 0.25], [0.9, 0.9, 0.9]])

    def weigh(action: Tensor) -> Tensor:
        return torch.tensor([weights[float(one)] for one in action])

    def draw() -> Tensor:
        return torch.tensor([[u, 0.0, 0.0] for u in next(rows)])

    chosen = choose_among(first, lambda _: torch.full((3, 1), 3.0), weigh, draw, 3)
    assert chosen.flatten().tolist() == [0.0, 1.0, 3.0]  # kept, kept, and the second proposal
    proposals = iter([3.0, 4.0])
    chosen = choose_among(
        torch.tensor([[2.0]]),
        lambda _: torch.full((1, 1), next(proposals)),
        weigh,
        lambda: torch.tensor([[0.99, 0.0, 0.0]]),
        3,
    )
    assert chosen.tolist() == [[3.0]]  # all turned down: what weighs most


def test_what_is_drawn_has_the_weighed_density() -> None:
    generator = torch.Generator().manual_seed(0)
    number = 20000

    def draw() -> Tensor:
        return torch.rand(number, 3, generator=generator)

    first = torch.rand(number, 1, generator=generator)
    drawn = choose_among(first, lambda u: u[:, :1], lambda a: 1 - 0.9 * (a[:, 0] > 0.5).float(), draw, 30)
    share = float((drawn > 0.5).float().mean())
    assert share == pytest.approx(0.1 / 1.1, abs=0.008)


def test_critic_loss_is_sb3s_and_weighs_samples() -> None:
    values, y, w = (torch.randn(6, 1), torch.randn(6, 1)), torch.randn(6, 1), torch.rand(6, 1)
    expected = 0.5 * sum(nn.functional.mse_loss(one, y) for one in values)
    torch.testing.assert_close(critic_loss(values, y, None), expected)
    by_hand = 0.5 * sum((w * (one - y) ** 2).sum() / 6 for one in values)
    torch.testing.assert_close(critic_loss(values, y, w), by_hand)


# ---------------------------------------------------------------- appraisal


class Spy(BaseCallback):
    """Recomputes each step's surprise from the networks as they are at that moment."""

    ends = stills = 0

    def _on_step(self) -> bool:
        model: Any = self.model
        new, ended = reached(self.locals)
        twin = Streams(model._streams.seeds, model._streams.width, purpose=3)
        twin.position = model._streams.position - 1
        z = normals(twin.next()[:, 1:])
        action = torch.tensor(self.locals["buffer_actions"], dtype=torch.float32)
        with torch.no_grad():
            mean, log_std, _ = model.actor.get_action_dist_params(torch.tensor(new))
            raw = mean + log_std.exp() * z
            pi = torch.distributions.Normal(mean, log_std.exp()).log_prob(raw).sum(1)  # type: ignore[no-untyped-call]
            pi = pi - torch.log(1 - raw.tanh() ** 2 + 1e-6).sum(1)
            ahead = torch.cat(model.critic_target(torch.tensor(new), raw.tanh()), 1).amin(1)
            now = torch.cat(model.critic(torch.tensor(model._last_obs), action), 1).amin(1)
            alpha = model.log_ent_coef.exp()
        y = torch.tensor(self.locals["rewards"]) + model.gamma * (ahead - alpha * pi) * ~ended
        torch.testing.assert_close(model.affect.signals["target"], y, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(model.affect.signals["lss"], y - now, atol=1e-4, rtol=1e-4)
        assert torch.equal(model.affect.signals["terminated"], ended)
        assert model.affect.signals["done"].tolist() == self.locals["dones"].tolist()
        self.ends += int(ended.sum())
        return True


def test_surprise_is_level_0s_own_error_of_the_step_just_made() -> None:
    spy = Spy()
    agent(make_vec_env(Slope, 2)).learn(160, callback=spy)
    assert spy.ends > 3


def test_each_environment_has_its_own_feelings_and_replay_moves_none() -> None:
    model = agent(make_vec_env(Slope, 2)).learn(120)
    memory = model.affect.level("fear").memory.M
    assert memory.shape[:2] == (2, 1)
    assert (memory[0] - memory[1]).abs().max() > 1e-3
    before = {name: value.clone() for name, value in model.affect.state_dict().items()}
    model.train(3, 8)
    model.predict(np.zeros((3, 2), np.float32))
    model.predict(np.zeros((3, 2), np.float32), deterministic=True)
    evaluate_policy(model, make_vec_env(Slope, 3), n_eval_episodes=3)
    for name, value in model.affect.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_fear_finds_the_bad_actions_and_keeps_away() -> None:
    """The networks learn nothing here and actions are random: what is avoided is fear's doing."""
    fear = dataclasses.replace(FEAR, step_size=0.2, caution=0.0, avoidance=1.0, discount=0.0)
    kwargs: dict[str, Any] = {
        "learning_starts": 10**6, "buffer_size": 600, "ent_coef": 0.01, "policy_kwargs": {"net_arch": [64, 64]},
    }  # fmt: skip
    plain = agent(Edge(), LEVEL0, **kwargs).learn(600)
    model = agent(Edge(), AffectConfig(fear=fear), **kwargs).learn(600)
    falls = [int((held(one, "rewards") < -2).sum()) for one in (model, plain)]
    assert falls[0] < 0.75 * falls[1]
    action = torch.tensor([[0.0, -0.8], [0.0, 0.0], [0.0, 0.9]])
    key = model._feelings.key(torch.zeros(3, 2), action)  # type: ignore[union-attr]
    safe, middle, bad = (key @ model.affect.level("fear").memory.M[0, 0]).tolist()
    assert bad > 0.4
    assert bad > 2 * max(safe, middle)


class Jam(gym.Env[Any, Any]):
    """A jammed door: it opens at the seventh push beyond -0.6 in a row."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.pushes = self.time = 0
        return 0, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.pushes, self.time = (self.pushes + 1 if action[0] > -0.6 else 0), self.time + 1
        opened = self.pushes == 7
        return 2 if opened else 0, float(opened), opened, self.time == 30, {}

    def get_state(self) -> dict[str, Any]:
        return {"pushes": self.pushes, "time": self.time}

    def set_state(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def test_anger_repeats_the_action_before() -> None:
    opened = {}
    for name, affect in (("angry", AffectConfig(anger=LEVEL1.anger)), ("plain", LEVEL0)):
        model = agent(Jam(), affect, learning_starts=10**6, buffer_size=500, ent_coef=0.01).learn(500)
        opened[name] = float(held(model, "rewards").sum())
        actions = held(model, "actions")[:, 0, 0]
        again = float((actions[1:] == actions[:-1]).mean())
        assert again > 0.4 if name == "angry" else again == 0
    assert opened["angry"] > 1.3 * opened["plain"] > 0


def test_best_means_as_good_as_the_policys_own_choice() -> None:
    model = agent(ent_coef=0.01)
    assert model._feelings is not None
    x = torch.zeros(1, 2)
    policy = model.networks.actions(x)
    grid = torch.rand(200, 2) * 2 - 1
    with torch.no_grad():
        many = Normal(policy.mean.expand(200, 2), policy.std.expand(200, 2))
        best = model._feelings.is_best(x.expand(200, 2), grid, many)
        value = torch.cat(model.critic(x.expand(200, 2), grid), 1).amin(1)
        own = torch.cat(model.critic(x, policy.mean.tanh()), 1).amin(1)
    assert torch.equal(best, value >= own - 2 * 0.01)
    assert 0 < int(best.sum()) < 200


def test_moved_is_told_by_the_actors_features() -> None:
    model = agent(stillness=0.05)
    assert model._feelings is not None
    before = torch.tensor([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]])
    after = torch.tensor([[0.1, 0.2], [0.1, 0.2001], [-0.9, 0.9]])
    assert model._feelings._moved(before, after).tolist() == [False, False, True]


def test_everything_around_learning_stays(tmp_path: Path) -> None:
    logged: dict[str, Any] = {}
    model = agent(make_vec_env(Slope, 2))
    model.set_logger(Logger(None, [Reader(logged)]))
    evaluation = EvalCallback(make_vec_env(Slope, 1, seed=6), eval_freq=40, verbose=0)
    model.learn(400, callback=CallbackList([evaluation, Stop(90)]), log_interval=1)
    assert model.num_timesteps == 90
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 45
    names = {"level1/fear", "level1/anger", "train/actor_loss", "train/critic_loss", "train/ent_coef"}
    assert names | {"train/ent_coef_loss", "level0/surprise"} <= set(logged)
    model = agent(tensorboard_log=str(tmp_path)).learn(60, log_interval=1)
    assert list((tmp_path / "EmotionalSAC_1").glob("events*"))
    mean, _ = evaluate_policy(model, make_vec_env(Slope, 2), n_eval_episodes=3)
    assert isinstance(mean, float)


# ---------------------------------------------------------------- fear in predict and replay


def fear_beyond(model: EmotionalSAC, size: float) -> None:
    """Make the agent fear what the first feature of the critic tells; `size` is felt where it is largest."""
    memory = model.affect.level("fear").memory.M
    memory.zero_()
    memory[:, 0, -1] = size * 10**0.5


def test_deterministic_prediction_leaves_a_feared_mode() -> None:
    model = agent(affect=AffectConfig(fear=dataclasses.replace(FEAR, avoidance=1.0, caution=0.0)))
    assert model._feelings is not None
    x = np.zeros((1, 2), np.float32)
    mode = SAC.predict(agent(affect=LEVEL0), x, deterministic=True)[0]
    np.testing.assert_array_equal(model.predict(x, deterministic=True)[0], mode)
    with torch.no_grad():
        policy = model.networks.actions(torch.zeros(1, 2))
        feared = model._feelings.key(torch.zeros(1, 2), policy.mean.tanh())[0]
        away = model._feelings.key(torch.zeros(1, 2), policy.mean.tanh() + torch.tensor([[0.9, -0.9]]))[0]
    memory = model.affect.level("fear").memory.M
    direction = feared - away * (feared @ away) / (away @ away)
    memory[:, 0] = 0.999 * direction / (feared @ direction)  # 0.999 at the mode, 0 far away
    moved = model.predict(x, deterministic=True)[0]
    assert np.abs(moved - mode).max() > 0.05
    np.testing.assert_array_equal(model.predict(x, deterministic=True)[0], moved)  # deterministic it is
    with torch.no_grad():
        stored = torch.tensor(model.policy.scale_action(moved))
        felt = model._feelings.key(torch.zeros(1, 2), stored)[0] @ memory[0, 0]
    assert float(felt) < 0.95


def test_the_likeliest_proposal_by_hand() -> None:
    """log w - z^2/2: -2.30 for the mode, -2.00 at z = 2, -1.19 at 1, -2.02 at 0.5."""
    policy = Normal(torch.zeros(1, 1), torch.ones(1, 1))
    weights = {0.0: 0.1, 2.0: 1.0, 1.0: 0.5, 0.5: 0.15}

    def weigh(action: Tensor) -> Tensor:
        return torch.tensor([weights[round(float(action.atanh()), 2)]])

    chosen = likeliest(policy, weigh, torch.tensor([[2.0], [1.0], [0.5]]))
    torch.testing.assert_close(chosen, torch.tensor([[1.0]]).tanh())


def test_replay_recalls_fear_as_it_is_now() -> None:
    fear = dataclasses.replace(FEAR, step_gain=2.0, caution=3.0)
    model = agent(make_vec_env(Slope, 2), AffectConfig(fear=fear), fear_on="target")
    feelings = model._feelings
    assert feelings is not None
    memory = model.affect.level("fear").memory.M
    memory.zero_()
    memory[1, 0, -1] = 10**0.5 / 4  # environment 1 fears everything, by 1/4
    memory[0, 0, -1] = -1.0  # what features extrapolate below 0 is no fear
    model.affect.level("surprise").unit.copy_(torch.tensor([10.0, 10.0]))
    model.affect.level("surprise").standardiser.size.copy_(torch.tensor([10.0, 20.0]))  # at stake
    x, action = torch.randn(2, 2), torch.rand(2, 2)
    batch = Minibatch(x, x, action, torch.zeros(2, 1), torch.zeros(2, 1), 0.9, torch.tensor([0, 1]))
    weights, penalty = feelings.recall(batch)
    assert weights is not None
    assert penalty is not None
    torch.testing.assert_close(weights, torch.tensor([[1.0], [1.5]]))
    torch.testing.assert_close(penalty, torch.tensor([[0.0], [3.0 * 20 / 4]]))
    memory[0].zero_()
    weights, penalty = feelings.recall(batch._replace(members=None))
    torch.testing.assert_close(weights, torch.full((2, 1), 1.25))
    bias = feelings.drive(x, action).bias
    assert bias is not None
    assert not bias.any()  # fear acts once
    assert not agent(affect=LEVEL1)._feelings.recalls  # type: ignore[union-attr]


def test_penalties_and_weights_reach_the_targets() -> None:
    """The same minibatch and random numbers: the critics' gradient with a penalty is that of lower rewards."""
    x, action = torch.randn(8, 2), torch.rand(8, 2)
    batch = Minibatch(x, x, action, torch.randn(8, 1), torch.zeros(8, 1), 0.9, None)
    penalty, weights = torch.rand(8, 1), torch.rand(8, 1)
    results = []
    for reward, taken, w in (
        (batch.rewards, penalty, weights),
        (batch.rewards - penalty, None, weights),
        (batch.rewards, None, None),
    ):
        model = agent(affect=LEVEL0)
        torch.manual_seed(5)
        model._learning.step(batch._replace(rewards=reward), weights=w, penalty=taken)
        results.append(parameters(model))
    torch.testing.assert_close(results[0], results[1])
    assert (results[0] - results[2]).abs().max() > 1e-4


def test_salience_replay_gets_errors_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = agent(make_vec_env(Slope, 2), replay_buffer_class=SalienceReplayBuffer).learn(100)
    buffer = model.replay_buffer
    assert isinstance(buffer, SalienceReplayBuffer)
    assert float(np.ptp(buffer.salience[:50])) > 0.2
    step, batches, told = model._learning.step, [], []

    def watch(batch: Any, **kwargs: Any) -> Any:
        assert kwargs["weights"] is batch.weights
        losses, error = step(batch, **kwargs)
        batches.append((batch.indices, error))
        return losses, error

    monkeypatch.setattr(model._learning, "step", watch)
    monkeypatch.setattr(buffer, "update_priorities", lambda *pair: told.append(pair))
    model.train(3, 8)
    assert len(told) == len(batches) == 3
    for (indices, error), (expected, difference) in zip(told, batches, strict=True):
        assert torch.equal(indices, expected)
        assert torch.equal(error, difference)
        assert error.shape == (8,)
        assert float(error.min()) >= 0


# ---------------------------------------------------------------- files


ANGRY = dataclasses.replace(LEVEL1, anger=dataclasses.replace(LEVEL1.anger, pain=100.0))


@pytest.mark.parametrize(
    ("env", "stop", "kwargs"),
    [
        (Slope, 13, {}),
        (lambda: "Pendulum-v1", 50, {"affect": LEVEL0, "ent_coef": 0.1}),
        (lambda: make_vec_env("MountainCarContinuous-v0", 2), 50, {"affect": ANGRY, "stillness": 0.3}),
        (lambda: VecNormalize(make_vec_env(Slope, 2)), 50, {"fear_on": "target"}),
        (Slope, 50, {"replay_buffer_class": SalienceReplayBuffer, "policy_kwargs": {"net_arch": [8], "n_critics": 1}}),
        (Slope, 50, {"policy_kwargs": {"net_arch": [8], "optimizer_class": torch.optim.RMSprop}}),
    ],
)  # fmt: skip
def test_stopping_and_going_on_is_never_having_stopped(
    env: Any, stop: int, kwargs: dict[str, Any], tmp_path: Path
) -> None:
    other = None if isinstance(env(), str) else env()
    assert_goes_on(lambda: agent(env(), **kwargs), stop, 90, tmp_path / "run", other)


def test_it_goes_on_pushing_as_it_did(tmp_path: Path) -> None:
    def pushing(local: dict[str, Any], _: dict[str, Any]) -> bool:
        model = local["self"]
        return bool(model.num_timesteps < 40 or not model.affect.level("anger").persist.all())

    kwargs: dict[str, Any] = {"learning_starts": 10**6, "ent_coef": 0.01}
    expected = agent(Jam(), **kwargs).learn(90)
    model = agent(Jam(), **kwargs).learn(90, callback=pushing)
    assert 40 <= model.num_timesteps < 90
    model.save(tmp_path / "run")
    again = EmotionalSAC.load(tmp_path / "run", Jam(), device="cpu")
    again.learn(again.remaining_timesteps, reset_num_timesteps=False)
    np.testing.assert_array_equal(held(again, "actions"), held(expected, "actions"))


def test_files_execute_nothing_and_bad_ones_are_refused(tmp_path: Path) -> None:
    model = agent().learn(60)
    model.save(tmp_path / "run")
    assert b"pickle" not in (tmp_path / "run.safetensors").read_bytes()
    again = EmotionalSAC.load(tmp_path / "run", device="cpu")
    assert again.get_env() is None
    assert (again.proposals, again.fear_on, again.affect_config) == (8, "action", LEVEL1)
    x = np.zeros((2, 2), np.float32)
    np.testing.assert_array_equal(
        model.predict(x, deterministic=True)[0], again.predict(x, deterministic=True)[0]
    )
    with pytest.raises(CheckpointError, match="env: got the observation_space"):
        EmotionalSAC.load(tmp_path / "run", "Pendulum-v1")
    with pytest.raises(CheckpointError, match="expected the same networks"):
        EmotionalSAC.load(tmp_path / "run", policy_kwargs={"net_arch": [5]})
    with pytest.warns(UserWarning, match="executes code"):
        model.save(tmp_path / "run.zip")
    with pytest.warns(UserWarning, match="executes code"):
        other = EmotionalSAC.load(tmp_path / "run.zip", Slope(), device="cpu")
    assert torch.equal(parameters(other), parameters(model))
    for name, one in model.affect.state_dict().items():
        assert torch.equal(other.affect.state_dict()[name], one)
    other.learn(60)


@pytest.mark.parametrize("name", ["dqn", "qrdqn", "sac"])
def test_the_example_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[1] / "examples" / "deep_agents.py"
    spec = importlib.util.spec_from_file_location("deep_agents", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(name, tmp_path)
    said = capsys.readouterr().out
    assert f"{name}: stopped after 300 steps, went on to 600" in said
    assert "fear" in said
    assert (tmp_path / "kept.safetensors").is_file()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("affect", [LEVEL0, LEVEL1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_stop_it(affect: AffectConfig, bad: float, tmp_path: Path) -> None:
    model = agent(Slope(bad=bad, at=53), affect)
    message = f"reward: got {bad} from environment 0 at step 52, .*last good checkpoint is .*good.safetensors"
    with pytest.raises(NotFiniteError, match=message):
        model.learn(200, callback=Checkpoints(tmp_path / "good", every=20))
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 52
    assert EmotionalSAC.load(tmp_path / "good", device="cpu").num_timesteps == 42


@pytest.mark.parametrize("replay", [None, SalienceReplayBuffer])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_learning_that_diverges_is_stopped(optimizer: type, replay: Any) -> None:
    kwargs = {"policy_kwargs": {"net_arch": [8], "optimizer_class": optimizer}, "replay_buffer_class": replay}
    model = agent(affect=LEVEL0, **kwargs).learn(50)
    with torch.no_grad():
        next(model.critic.parameters()).fill_(torch.inf)
    with pytest.raises(NotFiniteError, match=r"loss: got (nan|-?inf) in gradient step 0 after step 51"):
        model.train(2, 8)


class Headless(SACPolicy):
    """Critics that are not linear in the end."""

    def make_critic(self, features_extractor: Any = None) -> Any:
        critic = super().make_critic(features_extractor)
        for net in critic.q_networks:
            assert isinstance(net, nn.Sequential)
            net.append(nn.Tanh())
        return critic


class Endless(Slope):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"affect": 1}, "affect: got 1, expected an AffectConfig"),
        ({"affect": AffectConfig.levels(2)}, "affect.recall: got RecallConfig.* expected None for this agent"),
        ({"affect": AffectConfig(curiosity=CuriosityConfig())}, "affect.curiosity: got CuriosityConfig"),
        ({"fear_on": "mean"}, "fear_on: got 'mean', expected one of action, target"),
        ({"proposals": 0}, "proposals: got 0"),
        ({"stillness": float("nan")}, "stillness: got nan"),
        ({"env": "CartPole-v1"}, "env: .*Discrete"),
        ({"env": Endless()}, "env: Continuous action space must have a finite"),
        ({"use_sde": True}, "use_sde: got True, expected False, because"),
        ({"action_noise": NormalActionNoise(np.zeros(1), np.ones(1))}, "action_noise: got Normal.*expected None"),
        ({"policy": Headless}, "policy: got a ContinuousCritic whose last layer is not linear"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said(change: dict[str, Any], message: str) -> None:
    arguments = {"policy": "MlpPolicy", "env": "Pendulum-v1", "affect": LEVEL1, "buffer_size": 10, **change}
    with pytest.raises(ValueError, match=message):
        EmotionalSAC(**arguments)


@pytest.mark.parametrize("env", [Slope, lambda: make_vec_env(Slope, 2)])
def test_learned_weights_and_salience_are_served(env: Any, tmp_path: Path) -> None:
    affect = dataclasses.replace(LEVEL1, weights=WeightsConfig(), salience=SalienceConfig())
    with pytest.raises(ValueError, match=r"affect.salience: got .* expected None or replay_buffer_class"):
        agent(env(), affect)
    model = agent(env(), affect, replay_buffer_class=SalienceReplayBuffer).learn(60)
    model.save(tmp_path / "run")
    model.learn(60, reset_num_timesteps=False)
    again = EmotionalSAC.load(tmp_path / "run", env(), device="cpu").learn(60, reset_num_timesteps=False)
    assert torch.equal(parameters(again), parameters(model))
    assert "weight_fear" in model.affect.signals
    np.testing.assert_allclose(
        held(model, "salience")[: model.replay_buffer.size()][-1],  # type: ignore[union-attr]
        model.affect.signals["salience"],
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", ["attachment", "regret"])
def test_parts_that_need_more_are_refused(name: str) -> None:
    from emotional_ed.affect.channel import Channel

    part: Any = Channel.registry[name].Config()
    with pytest.raises(
        ValueError, match=f"affect.{name}: got .* expected None for this agent, because it needs"
    ):
        agent(affect=dataclasses.replace(LEVEL1, **{name: part}))


# ---------------------------------------------------------------- minutes


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1])
def test_pendulum_is_learned(level: int) -> None:
    """Mean return above -200 over 20 episodes."""
    model = EmotionalSAC(
        "MlpPolicy", "Pendulum-v1", affect=AffectConfig.levels(level), seed=0, device="cpu",
        learning_rate=1e-3, buffer_size=10_000, policy_kwargs={"net_arch": [64, 64]}, batch_size=128,
    ).learn(8000)  # fmt: skip
    mean, _ = evaluate_policy(model, make_vec_env("Pendulum-v1", 1, seed=2000), n_eval_episodes=20)
    assert isinstance(mean, float)
    assert mean > -200
