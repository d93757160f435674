"""Level 0 of the deep agents: Stable-Baselines3's numbers, and the pieces that make it faster."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from test_deep_resume import Stop
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.flat_adam import FlatAdam, is_plain_adam
from emotional_ed.agents.deep.plain_mlp import PlainMLP
from emotional_ed.agents.deep.replay import Minibatch, sample, store
from emotional_ed.agents.deep.stepping import step
from emotional_ed.agents.deep.value_learning import ValueLearning
from emotional_ed.agents.deep.value_network import ValueNetwork


def parameters(model: OffPolicyAlgorithm) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.policy.parameters()])


def held(model: OffPolicyAlgorithm, name: str) -> Any:
    """Return what the replay buffer holds under a name."""
    assert model.replay_buffer is not None
    return getattr(model.replay_buffer, name)


def side_by_side(theirs: type, ours: type, env: Any, steps: int, **kwargs: Any) -> tuple[Any, Any]:
    """Train an agent of SB3's and ours at level 0 with the same arguments; `env` makes a fresh environment."""
    models = []
    for kind, own in ((theirs, {}), (ours, {"affect": AffectConfig.levels(0)})):
        given = {"policy": "MlpPolicy", "seed": 3, "device": "cpu", **kwargs}
        given["policy_kwargs"] = dict(kwargs.get("policy_kwargs", {}))  # QRDQN writes into it
        models.append(kind(env=env(), **given, **own).learn(steps))
    return models[0], models[1]


def position() -> int:
    """Return how far NumPy's global generator is in its block of numbers."""
    return int(np.random.get_state(legacy=False)["state"]["pos"])  # noqa: NPY002


class Looks(gym.Env[Any, np.int64]):
    """Observations of several kinds from one random walk; ends by itself or by the clock."""

    def __init__(self, kind: str) -> None:
        self.kind, self.action_space = kind, spaces.Discrete(3)
        vector = spaces.Box(-9, 9, (3,), np.float64)
        image = spaces.Box(0, 255, (36, 36, 1), np.uint8)
        self.observation_space: spaces.Space[Any] = {
            "vector": vector,
            "number": spaces.Discrete(7),
            "image": image,
            "both": spaces.Dict({"vector": vector, "number": spaces.Discrete(7)}),
        }[kind]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = 3, 0
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = int(np.clip(self.place + action - 1 + self.np_random.integers(-1, 2), 0, 6))
        self.time += 1
        return (
            self._look(),
            float(self.place == 6),
            self.place in (0, 6),
            self.time == 9,
            {"at": [self.place]},
        )

    def _look(self) -> Any:
        vector = np.array([self.place, self.time, self.place % 2], dtype=np.float64)
        if self.kind == "both":
            return {"vector": vector, "number": self.place}
        if self.kind == "image":
            return np.full((36, 36, 1), 30 * self.place, np.uint8)
        return vector if self.kind == "vector" else self.place


def test_same_actions_and_parameters_as_sb3_on_cartpole() -> None:
    theirs, ours = side_by_side(DQN, EmotionalDQN, lambda: "CartPole-v1", 1500)
    assert theirs.replay_buffer is not None
    assert ours.replay_buffer is not None
    for name in ("actions", "observations", "next_observations", "rewards", "dones", "timeouts"):
        np.testing.assert_array_equal(getattr(theirs.replay_buffer, name), getattr(ours.replay_buffer, name))
    gap = (parameters(theirs) - parameters(ours)).abs().max()
    assert 0 < gap < 1e-5  # 0 would mean that the optimizers are the same one
    assert theirs._n_updates == ours._n_updates == 350
    moved = EmotionalDQN("MlpPolicy", "CartPole-v1", seed=3, device="cpu")
    assert (parameters(moved) - parameters(ours)).abs().max() > 1e-3


SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 60, "batch_size": 8, "train_freq": 3, "gradient_steps": 2,
    "target_update_interval": 12, "tau": 0.7, "exploration_fraction": 0.8, "learning_rate": 1e-3,
    "policy_kwargs": {"net_arch": [16]},
}  # fmt: skip
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "several envs": (lambda: make_vec_env(lambda: Looks("vector"), 3), {}),
    "normalized": (lambda: VecNormalize(DummyVecEnv([lambda: Looks("vector")] * 2)), {}),
    "n steps": (lambda: Looks("vector"), {"n_steps": 3}),
    "episodes": (lambda: Looks("vector"), {"train_freq": (1, "episode"), "gradient_steps": -1}),
    "numbers": (lambda: make_vec_env(lambda: Looks("number"), 2), {}),
    "dictionary": (lambda: Looks("both"), {"policy": "MultiInputPolicy"}),
    "images": (lambda: Looks("image"), {"policy": "CnnPolicy", "policy_kwargs": {"net_arch": [8]}}),
    "tanh": (lambda: Looks("vector"), {"policy_kwargs": {"activation_fn": nn.Tanh}}),
    "memory saved": (
        lambda: Looks("vector"),
        {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
    ),
    "another optimizer": (lambda: Looks("vector"), {"policy_kwargs": {"optimizer_class": torch.optim.SGD}}),
    "schedule": (lambda: Looks("vector"), {"learning_rate": lambda left: 1e-3 * left}),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as_sb3_with_other_parts(case: str) -> None:
    env, kwargs = CASES[case]
    theirs, ours = side_by_side(
        DQN, EmotionalDQN, env, 48 if case == "images" else 120, **{**SMALL, **kwargs}
    )
    assert theirs.replay_buffer is not None
    assert ours.replay_buffer is not None
    assert theirs.num_timesteps == ours.num_timesteps
    assert theirs._episode_num == ours._episode_num
    assert type(ours.replay_buffer) is type(theirs.replay_buffer)
    np.testing.assert_array_equal(theirs.replay_buffer.actions, ours.replay_buffer.actions)
    np.testing.assert_array_equal(theirs.replay_buffer.rewards, ours.replay_buffer.rewards)
    np.testing.assert_allclose(parameters(theirs), parameters(ours), atol=1e-5)


def test_sb3_is_what_we_rely_on() -> None:
    """Pins what `EmotionalDQN` takes for granted; if this fails after an upgrade, look at what changed."""
    assert stable_baselines3.__version__.startswith("2.")
    np.random.seed(0)  # noqa: NPY002
    before = position()
    assert not np.random.randint(0, high=1, size=(5,)).any()  # noqa: NPY002
    assert position() == before  # one environment: its index costs no random number

    model = DQN("MlpPolicy", "CartPole-v1", seed=0, device="cpu", learning_starts=2)
    order: list[str] = []

    class Watch(BaseCallback):
        def _on_rollout_start(self) -> None:
            order.append("rollout")

        def _on_step(self) -> bool:
            order.append("step")
            assert {"actions", "new_obs", "rewards", "dones", "infos"} <= set(self.locals)
            stored.append(model.replay_buffer.pos)  # type: ignore[union-attr]
            return True

    stored: list[int] = []
    model.learn(8, callback=Watch())
    assert order == ["rollout", *["step"] * 4] * 2
    assert stored == list(range(8))  # a callback sees the step before it is stored

    state = np.random.get_state()  # noqa: NPY002
    model.exploration_rate = 0.0
    observation = np.array([[0.01, -0.02, 0.03, 0.04]], np.float32)
    action, _ = model.predict(observation, deterministic=False)
    np.random.set_state(state)  # noqa: NPY002
    np.random.rand()  # noqa: NPY002
    again = position()
    np.random.set_state(state)  # noqa: NPY002
    model.predict(observation, deterministic=False)
    assert position() == again  # exactly one number a choice
    values = model.q_net(torch.from_numpy(observation))
    assert action[0] == int(values.argmax())

    group = model.policy.optimizer.param_groups[0]
    assert type(model.policy.optimizer) is torch.optim.Adam
    assert is_plain_adam(model.policy.optimizer)
    assert [p.shape for p in group["params"]] == [p.shape for p in model.q_net.parameters()]
    assert [type(one).__name__ for one in model.q_net.q_net] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]


def test_everything_around_learning_stays(tmp_path: Any) -> None:
    env = make_vec_env("CartPole-v1", 1, seed=5)
    evaluation = EvalCallback(make_vec_env("CartPole-v1", 1, seed=6), eval_freq=50, verbose=0)
    model = EmotionalDQN("MlpPolicy", env, 1e-3, learning_starts=10, seed=0, tensorboard_log=str(tmp_path))
    model.learn(400, callback=CallbackList([evaluation, Stop(90)]))
    assert model.num_timesteps == 90
    assert evaluation.n_calls == 90
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 90
    mean, _ = evaluate_policy(model, env, n_eval_episodes=2)
    assert isinstance(mean, float)
    assert mean >= 8
    assert list((tmp_path / "EmotionalDQN_1").glob("events*"))
    first = env.reset()
    assert isinstance(first, np.ndarray)
    action, _ = model.predict(first, deterministic=True)
    assert action.shape == (1,)


# ---------------------------------------------------------------- the pieces


def test_plain_mlp_is_autograd() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3))
    x, direction = torch.randn(11, 5), torch.randn(11, 3)
    expected = torch.autograd.grad((net(x) * direction).sum(), list(net.parameters()))
    for p in net.parameters():
        p.grad = torch.full_like(p, 9.0)
    mlp = PlainMLP.of(net)
    assert mlp is not None
    with torch.no_grad():
        inputs = mlp.hidden(x)
        torch.testing.assert_close(mlp.output(inputs[-1]), net(x))
        mlp.backward(inputs, direction)
    for p, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)),
        nn.Sequential(nn.Linear(2, 3, bias=False)),
        nn.Sequential(nn.Linear(2, 3), nn.ReLU()),
        nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1)),
        nn.Linear(2, 3),
    ],
)
def test_other_networks_are_left_to_autograd(net: nn.Module) -> None:
    assert PlainMLP.of(net) is None


def test_flat_adam_is_torchs_adam_and_reads_its_state() -> None:
    torch.manual_seed(1)
    one = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    two = copy.deepcopy(one)
    plain = torch.optim.Adam(one.parameters(), lr=0.01, weight_decay=0.1)
    flat = FlatAdam.like(torch.optim.Adam(two.parameters(), lr=0.01, weight_decay=0.1))

    def steps(count: int) -> None:
        for _ in range(count):
            x = torch.randn(6, 4)
            for net, optimizer in ((one, plain), (two, flat)):
                optimizer.zero_grad()
                net(x).pow(2).mean().mul(100).backward()
                if isinstance(optimizer, FlatAdam):
                    optimizer.clip(2.0)
                else:
                    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
                optimizer.step()

    def assert_same() -> None:
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            torch.testing.assert_close(p, q, atol=1e-6, rtol=1e-5)

    start = [p.clone() for p in one.parameters()]
    steps(20)
    assert_same()
    assert all((p - q).abs().max() > 0.01 for p, q in zip(one.parameters(), start, strict=True))
    theirs, ours = copy.deepcopy(plain.state_dict()), copy.deepcopy(flat.state_dict())
    assert theirs["state"].keys() == ours["state"].keys()
    plain.load_state_dict(ours)
    plain.param_groups[0]["fused"] = False
    flat.load_state_dict(theirs)
    steps(20)
    assert_same()
    two.load_state_dict({name: value.clone() for name, value in one.state_dict().items()})
    for p in two.parameters():  # somebody moves the parameters elsewhere
        p.data = p.data.clone()
    steps(3)
    assert_same()


def buffer(envs: int, size: int = 10) -> ReplayBuffer:
    return ReplayBuffer(size, spaces.Box(-1, 1, (2,)), spaces.Discrete(3), device="cpu", n_envs=envs)


@pytest.mark.parametrize("envs", [1, 3])
def test_store_and_sample_are_the_buffers_own(envs: int) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = buffer(envs, 15), buffer(envs, 15)
    for _ in range(22):
        row = (
            rng.uniform(-1, 1, (envs, 2)).astype(np.float32),
            rng.uniform(-1, 1, (envs, 2)).astype(np.float32),
            rng.integers(3, size=envs),
            rng.normal(size=envs).astype(np.float32),
            rng.random(envs) < 0.4,
            [{"TimeLimit.truncated": bool(rng.random() < 0.5)} for _ in range(envs)],
        )
        store(ours, *row)
        theirs.add(*row)
        np.random.seed(7)  # noqa: NPY002
        got = sample(ours, 8, None, 0.9)
        np.random.seed(7)  # noqa: NPY002
        expected = theirs.sample(8)
        torch.testing.assert_close(got.observations, expected.observations)
        torch.testing.assert_close(got.next_observations, expected.next_observations)
        assert torch.equal(got.actions, expected.actions)
        assert torch.equal(got.rewards, expected.rewards)
        assert torch.equal(got.terminal, expected.dones)
        assert got.discounts == 0.9
        assert got.members is not None
        assert int(got.members.max()) < envs
    assert (ours.pos, ours.full) == (theirs.pos, theirs.full)
    assert isinstance(got.observations, Tensor)
    stored = torch.from_numpy(ours.observations)
    rows = [int(torch.eq(stored, one).all(-1).nonzero()[0, 1]) for one in got.observations]
    assert got.members is not None
    assert got.members.tolist() == rows  # each transition is of the environment that it names


def test_samples_are_copies() -> None:
    one = buffer(1)
    store(one, np.ones((1, 2)), np.ones((1, 2)), np.array([1]), np.array([1.0]), np.array([False]), [{}])
    batch = sample(one, 4, None, 0.9)
    assert isinstance(batch.observations, Tensor)
    batch.observations.zero_()
    assert one.observations[0, 0, 0] == 1


def test_step_is_the_vec_envs_step() -> None:
    def make() -> DummyVecEnv:
        return DummyVecEnv([lambda: Looks("both"), lambda: Looks("both")])

    ours, theirs = make(), make()
    for env in (ours, theirs):
        env.seed(4)
        env.reset()
    for t in range(40):
        actions = np.array([t % 3, (t + 1) % 3])
        got, expected = step(ours, actions), theirs.step(actions)
        np.testing.assert_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
        np.testing.assert_array_equal(got[2], expected[2])
        np.testing.assert_equal(got[3], expected[3])
        got[1][:], got[2][:] = 5, True  # what comes out is nobody's buffer
        got[3][0]["at"].append(1)
        assert ours.buf_rews.max() < 5
        assert len(ours.buf_infos[0]["at"]) == 1


def network(weights: list[list[float]]) -> ValueNetwork:
    model = DQN("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": []}, device="cpu", buffer_size=1)
    first = next(one for one in model.q_net.modules() if isinstance(one, nn.Linear))
    with torch.no_grad():
        first.weight.copy_(torch.tensor(weights))
        first.bias.zero_()
    return ValueNetwork(model.q_net)


@pytest.mark.parametrize(("double", "expected"), [(False, 1 + 0.5 * 3), (True, 1 + 0.5 * 2)])
def test_targets_by_hand(double: bool, expected: float) -> None:
    online = network([[1.0, 0, 0, 0], [0, 0, 0, 0]])  # prefers action 0 at x = 1
    target = network([[2.0, 0, 0, 0], [3, 0, 0, 0]])  # worth 2 and 3
    optimizer = torch.optim.SGD(online.network.parameters(), lr=1.0)
    learning = ValueLearning(online, target, optimizer, max_grad_norm=10, double=double)
    x = torch.tensor([[1.0, 0, 0, 0]] * 2)
    batch = Minibatch(
        x, x, torch.tensor([[1], [1]]), torch.ones(2, 1), torch.tensor([[0.0], [1.0]]), 0.5, None
    )
    assert learning.targets(batch).flatten().tolist() == [expected, 1.0]
    loss, error = learning.step(
        batch, weights=torch.tensor([[1.0], [0.0]]), penalty=torch.tensor([[0.5], [0.0]])
    )
    assert error.flatten().tolist() == [expected - 0.5, 1.0]  # Q(s, 1) is 0
    assert float(loss) == pytest.approx((expected - 0.5 - 0.5) / 2)  # one of two samples weighs nothing
    # Slope 1 where the error is above 1, halved by the mean; one SGD step at rate 1.
    assert next(online.network.parameters()).tolist()[1][0] == pytest.approx(0.5)


@pytest.mark.parametrize("flat", [True, False])
def test_the_two_ways_to_the_gradient_agree(flat: bool) -> None:
    torch.manual_seed(0)
    model = EmotionalDQN("MlpPolicy", "CartPole-v1", seed=0, device="cpu", buffer_size=1, double=True)
    batch = Minibatch(
        torch.randn(9, 4), torch.randn(9, 4), torch.randint(2, (9, 1)), 3 * torch.randn(9, 1),
        torch.zeros(9, 1), 0.9, None,
    )  # fmt: skip
    weights, penalty = torch.rand(9, 1), torch.rand(9, 1)
    if not flat:
        model.online.mlp = None
    loss, _ = model._learning.step(batch, weights=weights, penalty=penalty)
    values = parameters(model)
    other = EmotionalDQN("MlpPolicy", "CartPole-v1", seed=0, device="cpu", buffer_size=1, double=True)
    assert other.online.mlp is not None
    expected, _ = other._learning.step(batch, weights=weights, penalty=penalty)
    assert float(loss) == pytest.approx(float(expected))
    torch.testing.assert_close(values, parameters(other), atol=1e-6, rtol=1e-6)
