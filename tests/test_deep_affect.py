"""Affect in the deep agents: what it appraises, what it bends, and that it bends nothing at zero gains."""

from __future__ import annotations

import copy
import dataclasses
import functools
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecNormalize
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from test_deep_level0 import parameters
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig, Drive
from emotional_ed.affect.attachment import AttachmentConfig
from emotional_ed.affect.curiosity import CuriosityConfig
from emotional_ed.affect.recall import RecallConfig
from emotional_ed.affect.regret import RegretConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.changes import shifted
from emotional_ed.agents.deep.choice import choose
from emotional_ed.agents.deep.feelings import check_affect, flags
from emotional_ed.agents.deep.keys import FeatureKeys
from emotional_ed.agents.deep.replay import Minibatch

LEVEL1 = AffectConfig.levels(1)
assert LEVEL1.fear is not None
assert LEVEL1.anger is not None
assert LEVEL1.arousal is not None


def without_gains() -> AffectConfig:
    """Return every channel that a deep agent serves, feeling all and wanting nothing."""
    full = dataclasses.replace(AffectConfig.levels(2), recall=None)
    assert full.fear is not None
    assert full.anger is not None
    assert full.arousal is not None
    assert full.mood is not None
    return dataclasses.replace(
        full,
        fear=dataclasses.replace(full.fear, caution=0.0, avoidance=0.0, step_gain=0.0),
        anger=dataclasses.replace(full.anger, persistence=0.0, step_gain=0.0),
        arousal=dataclasses.replace(full.arousal, step_gain=0.0, exploration_gain=0.0),
        mood=dataclasses.replace(full.mood, period=5, exploration_gain=0.0),
    )


class Walk(gym.Env[Any, np.int64]):
    """Five places in a row; action 2 in the middle is a disaster, action 1 goes on, action 0 stays."""

    def __init__(self, numbers: bool = False) -> None:
        self.numbers, self.action_space = numbers, spaces.Discrete(3)
        self.observation_space: spaces.Space[Any] = spaces.Discrete(5)
        if not numbers:
            self.observation_space = spaces.Box(0, 1, (5,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(2)), 0
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        if action == 2 and self.place == 2:
            return self._look(), -1.0, True, False, {}
        self.place = min(4, self.place + int(action != 0))
        return self._look(), float(self.place == 4), self.place == 4, self.time >= 12, {}

    def _look(self) -> Any:
        return self.place if self.numbers else np.eye(5, dtype=np.float32)[self.place]


SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 200, "batch_size": 8, "train_freq": 2, "gradient_steps": 1,
    "target_update_interval": 16, "exploration_fraction": 0.5, "learning_rate": 2e-3, "device": "cpu",
    "policy_kwargs": {"net_arch": [16]},
}  # fmt: skip


def walker(affect: AffectConfig, envs: int = 1, seed: int = 3, **kwargs: Any) -> EmotionalDQN:
    env = make_vec_env(Walk, envs)
    return EmotionalDQN("MlpPolicy", env, affect=affect, seed=seed, **{**SMALL, **kwargs})


def actions_of(model: EmotionalDQN) -> Any:
    assert model.replay_buffer is not None
    return model.replay_buffer.actions[: model.replay_buffer.size()]


def rewards_of(model: EmotionalDQN) -> Any:
    assert model.replay_buffer is not None
    return model.replay_buffer.rewards[: model.replay_buffer.size()]


CASES: dict[str, Any] = {
    "one": (lambda: Walk(), "MlpPolicy", {}),
    "three": (lambda: make_vec_env(Walk, 3), "MlpPolicy", {"tau": 0.5, "double": True}),
    "normalized": (lambda: VecNormalize(DummyVecEnv([Walk] * 2)), "MlpPolicy", {}),
    "tanh": (lambda: Walk(True), "MlpPolicy", {"policy_kwargs": {"activation_fn": nn.Tanh}}),
    "cartpole": (lambda: "CartPole-v1", "MlpPolicy", {}),
    "on targets": (lambda: Walk(), "MlpPolicy", {"fear_on": "target"}),
}


@pytest.mark.parametrize("case", CASES)
def test_zero_gains_are_plain_dqn_bit_for_bit(case: str) -> None:
    env, policy, kwargs = CASES[case]
    models = [
        EmotionalDQN(policy, env(), affect=affect, seed=5, **{**SMALL, **kwargs}).learn(240)
        for affect in (AffectConfig.levels(0), without_gains())
    ]
    plain, feeling = models
    assert torch.equal(parameters(plain), parameters(feeling))
    np.testing.assert_array_equal(actions_of(plain), actions_of(feeling))
    assert float(feeling.affect.level("surprise").unit.max()) > 0  # it did feel something


def test_gains_change_what_is_done() -> None:
    plain = walker(AffectConfig.levels(0)).learn(240)
    for field, value in (("caution", 5.0), ("avoidance", 1.0), ("step_gain", 50.0)):
        fear = dataclasses.replace(LEVEL1.fear, **{"caution": 0.0, "avoidance": 0.0, field: value})  # type: ignore[type-var]
        model = walker(AffectConfig(fear=fear)).learn(240)
        assert not torch.equal(parameters(plain), parameters(model)), field


# ---------------------------------------------------------------- keys


def test_keys_by_hand() -> None:
    keys = FeatureKeys(2, torch.device("cpu"))
    root, bias = 0.9**0.5, 0.1**0.5
    h = torch.tensor([[3.0, 4.0], [0.0, 0.0], [30.0, 40.0]], requires_grad=True)
    key = keys(h)  # nothing is usual yet
    one = [0.6 * root, 0.8 * root, bias]
    torch.testing.assert_close(key, torch.tensor([one, [0.0, 0.0, bias], one]))
    assert not key.requires_grad
    keys.take_in(torch.tensor([[2.0, 4.0], [4.0, 4.0]]))  # two environments
    torch.testing.assert_close(keys.mean, torch.tensor([3.0, 4.0]))
    torch.testing.assert_close(keys(torch.tensor([[3.0, 9.0]])), torch.tensor([[0.0, root, bias]]))
    torch.testing.assert_close(keys(torch.tensor([[0.0, 4.0]])), torch.tensor([[-root, 0.0, bias]]))


def test_what_is_usual_is_a_mean_that_forgets() -> None:
    generator = np.random.default_rng(0)
    seen = generator.random((1500, 3)).astype(np.float32)
    keys = FeatureKeys(3, torch.device("cpu"))
    mean = np.zeros(3)
    for step, h in enumerate(seen, 1):
        keys.take_in(torch.from_numpy(h[None]))
        mean += max(1 / step, 0.002) * (h - mean)
        if step == 400:
            np.testing.assert_allclose(keys.mean.numpy(), seen[:400].mean(0), rtol=1e-4)
    np.testing.assert_allclose(keys.mean.numpy(), mean, rtol=1e-4)


def test_what_is_written_for_one_state_is_hardly_read_in_others() -> None:
    """Hidden features of a random network and random inputs: the crosstalk is that of the bias."""
    torch.manual_seed(0)
    hidden = torch.nn.Sequential(
        torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()
    )
    with torch.no_grad():
        features = hidden(torch.randn(600, 20))
    keys = FeatureKeys(64, torch.device("cpu"))
    plain = keys(features)
    for h in features:
        keys.take_in(h[None])
    pairs = torch.triu_indices(100, 100, 1)
    overlaps = [(key[:100] @ key[:100].T)[pairs[0], pairs[1]].mean() for key in (plain, keys(features))]
    assert overlaps[0] > 0.6
    assert 0.05 < overlaps[1] < 0.15  # 0.1 on average


def test_features_have_moved_by_more_than_a_share_of_their_length() -> None:
    before = torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    after = torch.tensor([[3.0, 4.04], [3.0, 4.06], [0.0, 0.0], [0.0, 1e-6]])
    assert shifted(before, after, 0.01).tolist() == [False, True, False, True]


def test_what_is_usual_is_saved(tmp_path: Path) -> None:
    model = walker(LEVEL1).learn(30)
    assert model._feelings is not None
    mean = model._feelings.keys.mean
    assert mean.any()
    model.save(tmp_path / "model")
    loaded = EmotionalDQN.load(tmp_path / "model")
    assert loaded._feelings is not None
    assert torch.equal(loaded._feelings.keys.mean, mean)
    assert float(loaded._feelings.keys.count) == 30
    with pytest.warns(UserWarning, match="zip"):
        model.save(tmp_path / "model.zip")
    with pytest.warns(UserWarning, match="zip"):
        unzipped = EmotionalDQN.load(tmp_path / "model.zip")
    assert unzipped._feelings is not None
    assert torch.equal(unzipped._feelings.keys.mean, mean)


def test_efficacy_starts_at_one_everywhere() -> None:
    model = walker(LEVEL1, envs=2)
    assert model._feelings is not None
    key = model._feelings.keys(torch.rand(2, 16))
    efficacy = model.affect.level("anger").memory.read(key)
    torch.testing.assert_close(efficacy, torch.ones(2, 3))


# ---------------------------------------------------------------- choice


def test_everything_is_new_at_first_and_again_in_a_new_situation() -> None:
    model = walker(dataclasses.replace(LEVEL1, curiosity=CuriosityConfig()), envs=2)
    assert model._feelings is not None
    memory = model.affect.level("curiosity").memory
    keys = model._feelings.keys(torch.rand(2, 16))
    torch.testing.assert_close(memory.read(keys), torch.ones(2, 3))
    model.learn(60)
    worn = memory.read(keys)
    assert (worn < 0.99).any(-1).all()
    model.affect.begin_anew(torch.tensor([False, True]))
    assert torch.equal(memory.read(keys)[0], worn[0])
    torch.testing.assert_close(memory.read(keys)[1], torch.ones(3))


def never(*_: Any) -> Any:
    raise AssertionError("nobody needed this number")


def test_choice_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    action, greedy = choose(values, Drive(), 0.0, 0.0, never, never)
    assert action.tolist() == [1, 1, 0]
    assert greedy.tolist() == [True] * 3
    bias = torch.tensor([[0.0, -1.5, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]])
    drive = Drive(
        exploration=torch.tensor([0.0, 1.0, 2.0]),
        bias=bias,
        persist=torch.tensor([False, True, False]),
        action=torch.tensor([0, 0, 0]),
    )
    action, greedy = choose(values, drive, 0.3, 0.4, lambda: np.array([2, 2, 2]), never)
    assert action.tolist() == [0, 0, 2]  # feared; pushed again; explored, because 0.4 < 2 * 0.3
    assert greedy.tolist() == [True, False, False]


def test_random_actions_are_drawn_with_weights_of_what_is_not_avoided() -> None:
    grid = 240
    u = (torch.arange(grid) + 0.5) / grid
    first, other = torch.cartesian_prod(u, u).T
    avoidance = torch.tensor([0.5, 0.0, 0.9])
    counts = torch.zeros(3)
    for drawn in range(3):  # each as likely as the others
        values = torch.zeros(len(first), 3)
        drive = Drive(avoidance=avoidance.expand(len(first), 3))
        action, _ = choose(
            values,
            drive,
            1.0,
            0.0,
            functools.partial(np.full, len(first), drawn),
            lambda: torch.stack([first, other], 1),
        )
        counts += torch.bincount(action, minlength=3)
    torch.testing.assert_close(counts / counts.sum(), torch.tensor([0.5, 1.0, 0.1]) / 1.6, atol=2e-3, rtol=0)


# ---------------------------------------------------------------- appraisal


def reached(step: dict[str, Any]) -> tuple[NDArray[np.float32], Tensor]:
    """Return the observations before any reset of a step of a rollout, and which environments terminated."""
    new, dones, infos = np.array(step["new_obs"]), step["dones"], step["infos"]
    for i in np.flatnonzero(dones):
        new[i] = infos[i]["terminal_observation"]
    cut = torch.tensor([info["TimeLimit.truncated"] for info in infos])
    return new, torch.tensor(dones) & ~cut


class Spy(BaseCallback):
    """Recomputes each step's surprise from the networks as they are at that moment."""

    def _on_step(self) -> bool:
        model: Any = self.model
        net, target = model.q_net, model.q_net_target
        new, ended = reached(self.locals)
        with torch.no_grad():
            held = net(torch.tensor(model._last_obs))
            ahead = target(torch.tensor(new)).max(1).values
        y = torch.tensor(self.locals["rewards"]) + model.gamma * ahead * ~ended
        lss = y - held[torch.arange(len(y)), torch.tensor(self.locals["actions"])]
        torch.testing.assert_close(model.affect.signals["lss"], lss)
        torch.testing.assert_close(model.affect.signals["target"], y)
        assert torch.equal(model.affect.signals["terminated"], ended)
        assert model.affect.signals["done"].tolist() == self.locals["dones"].tolist()
        still = torch.tensor((new == model._last_obs).all(1))
        assert torch.equal(model.affect.signals["moved"], ~still)
        self.ends = getattr(self, "ends", 0) + int(ended.sum())
        self.stills = getattr(self, "stills", 0) + int(still.sum())
        return True


def test_surprise_is_level_0s_own_error_of_the_step_just_made() -> None:
    spy = Spy()
    walker(LEVEL1, envs=2).learn(200, callback=spy)
    assert spy.ends > 3
    assert spy.stills > 10


def test_terminated_and_truncated_are_told_apart() -> None:
    infos = [{"TimeLimit.truncated": True}, {"TimeLimit.truncated": False}, {}, {"TimeLimit.truncated": True}]
    terminated, truncated = flags(infos, np.array([True, True, False, False]))
    assert terminated.tolist() == [False, True, False, False]
    assert truncated.tolist() == [True, False, False, False]


def test_each_environment_has_its_own_feelings_and_replay_moves_none() -> None:
    model = walker(LEVEL1, envs=2).learn(120)
    memory = model.affect.level("fear").memory.M
    assert memory.shape[0] == 2
    assert (memory[0] - memory[1]).abs().max() > 1e-3
    before = {name: value.clone() for name, value in model.affect.state_dict().items()}
    model.train(5, 8)
    assert model.env is not None
    first = model.env.reset()
    assert isinstance(first, np.ndarray)
    model.predict(first)
    model.predict(first, deterministic=True)
    evaluate_policy(model, make_vec_env(Walk, 3), n_eval_episodes=3)
    for name, value in model.affect.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_fear_finds_the_disaster_and_keeps_away() -> None:
    """The network learns nothing here, so the disaster stays a bad surprise: what is avoided is fear's doing."""
    fear = dataclasses.replace(LEVEL1.fear, avoidance=1.0, caution=0.0)  # type: ignore[type-var]
    kwargs: dict[str, Any] = {"learning_starts": 10**6, "buffer_size": 1200}
    plain = walker(AffectConfig.levels(0), **kwargs).learn(1200)
    model = walker(AffectConfig(fear=fear), **kwargs).learn(1200)
    assert model._feelings is not None
    key, _ = model._feelings.look(torch.eye(5))
    held = key @ model.affect.level("fear").memory.M[0].T  # [place, action]
    assert held[2].argmax() == 2
    assert held[2, 2] > 0.4
    assert held[2, 2] > 1.2 * held[[0, 1, 3, 4], 2].max()
    disasters = [int((rewards_of(one) < 0).sum()) for one in (model, plain)]
    assert disasters[0] < 0.7 * disasters[1]


class Door(gym.Env[Any, np.int64]):
    """A jammed door: action 1 opens it at the fourth push in a row, action 0 starts the count anew."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.pushes = self.time = 0
        return 0, {}

    def step(self, action: np.int64) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.pushes, self.time = (self.pushes + 1) * int(action), self.time + 1
        opened = self.pushes == 4
        return 2 if opened else 0, float(opened), opened, self.time == 30, {}


def test_anger_pushes_on() -> None:
    opened = {}
    for name, affect in (("angry", AffectConfig(anger=LEVEL1.anger)), ("plain", AffectConfig.levels(0))):
        model = EmotionalDQN(
            "MlpPolicy", Door(), affect=affect, seed=0, learning_starts=10**6, device="cpu", buffer_size=1000
        ).learn(1000)  # random actions but for what anger adds
        opened[name] = float(rewards_of(model).sum())
    assert opened["angry"] > 1.3 * opened["plain"] > 0


class Wide(VecEnvWrapper):
    """Rewards in double precision, as other vectors of environments give them."""

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards.astype(np.float64), dones, infos


def test_other_vectors_of_environments_and_the_log() -> None:
    env = Wide(make_vec_env(Walk, 2))
    model = EmotionalDQN("MlpPolicy", env, affect=without_gains(), seed=5, **SMALL)
    logged: dict[str, Any] = {}
    model.set_logger(Logger(None, [Reader(logged)]))
    model.learn(240)
    same = EmotionalDQN("MlpPolicy", make_vec_env(Walk, 2), affect=AffectConfig.levels(0), seed=5, **SMALL)
    assert torch.equal(parameters(model), parameters(same.learn(240)))
    assert {"level1/fear", "level1/anger", "level2/mood", "level0/surprise", "train/loss"} <= set(logged)


class Reader(KVWriter):
    def __init__(self, into: dict[str, Any]) -> None:
        self.into = into

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, Any], step: int = 0) -> None:
        self.into.update(key_values)

    def close(self) -> None:
        pass


# ---------------------------------------------------------------- replay


def test_replay_recalls_fear_as_it_is_now() -> None:
    fear = dataclasses.replace(LEVEL1.fear, step_gain=2.0, caution=3.0)  # type: ignore[type-var]
    model = walker(AffectConfig(fear=fear), envs=2, fear_on="target")
    feelings = model._feelings
    assert feelings is not None
    memory = model.affect.level("fear").memory
    memory.M.zero_()
    memory.M[1, 2, -1] = 10**0.5 / 4  # environment 1 fears action 2 everywhere, by 1/4
    model.affect.level("surprise").unit.copy_(torch.tensor([10.0, 20.0]))
    x = torch.eye(5)[:3]
    batch = Minibatch(
        x,
        x,
        torch.tensor([[2], [2], [1]]),
        torch.zeros(3, 1),
        torch.zeros(3, 1),
        0.9,
        torch.tensor([0, 1, 1]),
    )
    weights, penalty = feelings.recall(batch)
    assert weights is not None
    assert penalty is not None
    torch.testing.assert_close(weights, torch.tensor([[1.0], [1.5], [1.0]]))
    torch.testing.assert_close(penalty, torch.tensor([[0.0], [3.0 * 20 / 4], [0.0]]))
    weights, penalty = feelings.recall(batch._replace(members=None))
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor([[1.25], [1.25], [1.0]]))
    memory.M.zero_()
    assert feelings.recall(batch)[0].eq(1).all()  # type: ignore[union-attr]


def test_fear_acts_once() -> None:
    on_action, on_target = walker(LEVEL1), walker(LEVEL1, fear_on="target")
    for model, bends in ((on_action, True), (on_target, False)):
        feelings = model._feelings
        assert feelings is not None
        memory = model.affect.level("fear").memory
        memory.M.zero_()
        memory.M[0, 2, -1] = 10**0.5
        model.affect.level("surprise").unit.fill_(1.0)
        key, _ = feelings.look(torch.eye(5)[:1])
        bias = feelings.system.modulate(key).bias
        assert bias is not None
        assert bool(bias.any()) == bends
        assert feelings.recalls != bends
    learning_rate = on_action.policy.optimizer.param_groups[0]["lr"]
    on_action.learn(60)
    assert on_action.policy.optimizer.param_groups[0]["lr"] == learning_rate


def test_predict_is_cautious_and_leaves_no_trace() -> None:
    model = walker(LEVEL1, envs=2)
    x = np.eye(5, dtype=np.float32)
    _, values = model._feelings.look(torch.from_numpy(x))  # type: ignore[union-attr]
    best = values.argmax(1).numpy()
    np.testing.assert_array_equal(model.predict(x, deterministic=True)[0], best)
    assert model.predict(x[0], deterministic=True)[0].shape == ()
    memory = model.affect.level("fear").memory
    memory.M.zero_()
    memory.M[:, best[0], -1] = 10**0.5
    model.affect.level("surprise").unit.fill_(100.0)
    assert model.predict(x, deterministic=True)[0][0] != best[0]
    model.exploration_rate = 1.0
    drawn = np.concatenate([model.predict(x, deterministic=False)[0] for _ in range(60)])
    assert (drawn == best[0]).mean() < 0.12  # a third without fear, which avoids it by 0.9
    assert set(drawn) == {0, 1, 2}


# ---------------------------------------------------------------- bad input


class Headless(QNetwork):
    """A Q-network that is not linear in the end."""

    def forward(self, obs: Any) -> Tensor:
        return super().forward(obs).tanh()


class HeadlessPolicy(DQNPolicy):
    def make_q_net(self) -> QNetwork:
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return Headless(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"affect": 1}, "affect: got 1, expected an AffectConfig"),
        ({"affect": dataclasses.replace(LEVEL1, regret=RegretConfig())}, "affect.regret: got .*regret=None"),
        ({"fear_on": "heads"}, "fear_on: got 'heads', expected one of action, target"),
        ({"stillness": float("nan")}, "stillness: got nan"),
        ({"stillness": -1}, "stillness: got -1"),
        ({"env": "Pendulum-v1"}, "env: .*Box"),
        ({"policy": HeadlessPolicy}, "policy: got a Headless whose last layer is not linear"),
    ],
)
def test_what_cannot_be_served_is_said(change: dict[str, Any], message: str) -> None:
    arguments = {"policy": "MlpPolicy", "env": "CartPole-v1", "affect": LEVEL1, "buffer_size": 10, **change}
    with pytest.raises(ValueError, match=message):
        EmotionalDQN(**arguments)


def test_actions_that_do_not_start_at_0_are_refused() -> None:
    env = Walk()
    env.action_space = spaces.Discrete(3, start=1)
    with pytest.raises(ValueError, match="expected Discrete that starts at 0"):
        EmotionalDQN("MlpPolicy", env, buffer_size=10)


def test_what_needs_heads_is_refused_where_there_are_none() -> None:
    for part in ("recall", "attachment"):
        affect = dataclasses.replace(AffectConfig.levels(2), recall=None, attachment=None)
        value: Any = RecallConfig() if part == "recall" else AttachmentConfig()
        affect = dataclasses.replace(affect, **{part: value})
        assert check_affect(affect, heads=True) is affect
        with pytest.raises(ValueError, match=f"affect.{part}: got .*replace.affect, {part}=None"):
            check_affect(affect)
    single = dataclasses.replace(AffectConfig.levels(2), recall=RecallConfig(slots=1))
    assert check_affect(single) is single


def test_a_copy_of_the_policy_is_a_copy() -> None:
    model = walker(LEVEL1).learn(60)
    before = parameters(model)
    twin = copy.deepcopy(model.policy)
    model.learn(60, reset_num_timesteps=False)
    assert torch.equal(torch.cat([p.detach().flatten() for p in twin.parameters()]), before)
