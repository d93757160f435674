"""Going on from a checkpoint: as if the run had never stopped, also after kill -9, or with a word about it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize
from torch import Tensor, nn

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import CheckpointError, EmotionalDQN
from emotional_ed.agents.deep import Checkpoints
from emotional_ed.agents.deep.arguments import (
    argument_from_json,
    argument_to_json,
    space_from_json,
    space_to_json,
)
from emotional_ed.agents.deep.emotional_agent import EmotionalAgent
from emotional_ed.agents.deep.world_state import decode, encode, put_back, take, unrestorable

SMALL: dict[str, Any] = {
    "learning_starts": 30, "buffer_size": 150, "batch_size": 8, "train_freq": 7, "gradient_steps": 3,
    "target_update_interval": 16, "exploration_fraction": 0.8, "learning_rate": 2e-3, "device": "cpu",
    "policy_kwargs": {"net_arch": [16]}, "tau": 0.9,
}  # fmt: skip
LEVEL1 = AffectConfig.levels(1)


class Stop(BaseCallback):
    """Stops learning after some step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        return self.num_timesteps < self.at


def everything(model: EmotionalAgent) -> dict[str, Tensor]:
    """Return all numbers that a run has come to."""
    assert model.replay_buffer is not None
    found = {f"policy/{name}": one.clone() for name, one in model.policy.state_dict().items()}
    found |= {f"affect/{name}": one.clone() for name, one in model.affect.state_dict().items()}
    for title, optimizer in model._optimizers().items():
        for which, state in optimizer.state_dict()["state"].items():
            found |= {f"{title}/{which}/{name}": torch.as_tensor(one).clone() for name, one in state.items()}
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        found[f"buffer/{name}"] = torch.from_numpy(getattr(model.replay_buffer, name).copy())
    found |= {f"own/{name}": one.clone() for name, one in model._saved_parts().tensors.items()}
    for name in ("_n_calls", "exploration_rate", "log_ent_coef", "_previous"):  # where an agent has it
        if getattr(model, name, None) is not None:
            found[name] = torch.as_tensor(getattr(model, name), dtype=torch.float64).detach().clone()
    found["counts"] = torch.tensor(
        [model.num_timesteps, model._episode_num, model._n_updates, model.replay_buffer.pos]
    )
    returns = [one["r"] for one in model.ep_info_buffer or []]
    found["returns"] = torch.tensor(returns, dtype=torch.float64)
    return found


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name, one in expected.items():
        assert torch.equal(got[name], one), name


def agent(env: Any = "CartPole-v1", affect: AffectConfig = LEVEL1, **kwargs: Any) -> EmotionalDQN:
    return EmotionalDQN("MlpPolicy", env, affect=affect, seed=4, **{**SMALL, **kwargs})


def scramble() -> None:
    """Leave no global generator where it was, as in another process."""
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)


def assert_goes_on(
    make: Callable[[], EmotionalAgent], stop: int, steps: int, file: Path, env: Any = None
) -> Any:
    """Return an agent that went on from the file of one that stopped, equal to one that never stopped."""
    expected = everything(make().learn(steps))
    model = make().learn(steps, callback=Stop(stop))
    model.save(file)
    scramble()
    again = type(model).load(file, env, device="cpu")
    assert_same(everything(again), everything(model))
    assert 0 < again.remaining_timesteps < steps
    again.learn(again.remaining_timesteps, reset_num_timesteps=False)
    assert_same(everything(again), expected)
    return again


ENVS: dict[str, Any] = {
    "cartpole": lambda: "CartPole-v1",
    "several": lambda: make_vec_env("CartPole-v1", 3),
    "mountain car": lambda: "MountainCar-v0",
    "acrobot": lambda: "Acrobot-v1",
    "frozen lake": lambda: "FrozenLake-v1",
    "cliff": lambda: "CliffWalking-v1",
    "normalized": lambda: VecNormalize(make_vec_env("CartPole-v1", 2)),
}


@pytest.mark.parametrize(("name", "stop"), [("cartpole", 20), *((name, 93) for name in ENVS)])
def test_stopping_and_going_on_is_never_having_stopped(name: str, stop: int, tmp_path: Path) -> None:
    env = ENVS[name]() if name == "normalized" else None
    assert_goes_on(lambda: agent(ENVS[name]()), stop, 160, tmp_path / "run", env)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"affect": AffectConfig.levels(0)},
        {"n_steps": 3},
        {"train_freq": (1, "episode"), "gradient_steps": -1},
        {"fear_on": "target", "double": True},
        {
            "policy_kwargs": {
                "net_arch": [8, 8],
                "activation_fn": nn.Tanh,
                "optimizer_class": torch.optim.RMSprop,
            }
        },
        {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
    ],
)
def test_so_it_is_with_other_parts(kwargs: dict[str, Any], tmp_path: Path) -> None:
    if kwargs.get("optimize_memory_usage"):
        model = agent(**kwargs).learn(140, callback=Stop(70))
        model.save(tmp_path / "run")
        expected = model.learn(70, reset_num_timesteps=False)
    else:
        expected = agent(**kwargs).learn(140)
        agent(**kwargs).learn(140, callback=Stop(70)).save(tmp_path / "run")
    scramble()
    again = EmotionalDQN.load(tmp_path / "run", device="cpu")
    again.learn(again.remaining_timesteps, reset_num_timesteps=False)
    for name, one in expected.policy.state_dict().items():
        assert torch.equal(again.policy.state_dict()[name], one), name


def test_checkpoints_are_written_between_rollouts_and_loaded_as_they_were(tmp_path: Path) -> None:
    expected = everything(agent().learn(300, callback=Checkpoints(tmp_path / "kept", every=100)))
    assert_same(everything(agent().learn(300)), expected)  # writing changes nothing
    model = EmotionalDQN.load(tmp_path / "kept", device="cpu")
    assert model.num_timesteps == 210  # rollouts of 7 steps: saved after 105, and again after 100 more
    assert model.last_checkpoint == tmp_path / "kept.safetensors"
    model.learn(model.remaining_timesteps, reset_num_timesteps=False)
    assert_same(everything(model), expected)


CHILD = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from test_deep_resume import agent
from emotional_ed.agents.deep import Checkpoints
agent().learn(900, callback=Checkpoints({path!r}, every=40))
print("finished", flush=True)
"""


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    code = CHILD.format(tests=str(Path(__file__).parent), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not path.exists() and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.01)
        time.sleep(0.15)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        output, _ = child.communicate()
    assert "finished" not in output
    model = EmotionalDQN.load(path, device="cpu")
    assert 0 < model.num_timesteps < 900
    model.learn(model.remaining_timesteps, reset_num_timesteps=False)
    assert_same(everything(model), everything(agent().learn(900)))


# ---------------------------------------------------------------- environments


class Memorable(gym.Env[Any, np.int64]):
    """An environment of one's own that can be put back."""

    observation_space = spaces.Box(0, 99, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.path = [int(self.np_random.integers(5))]
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.path.append(self.path[-1] + int(action) + int(self.np_random.integers(2)))
        return self._look(), float(action), self.path[-1] > 40, False, {}

    def _look(self) -> Any:
        return np.array([self.path[-1], len(self.path)], dtype=np.float32)


class Restorable(Memorable):
    def get_state(self) -> dict[str, Any]:
        return {"path": self.path}

    def set_state(self, state: dict[str, Any]) -> None:
        self.path = list(state["path"])


def test_environments_of_ones_own_can_take_part(tmp_path: Path) -> None:
    expected = everything(agent(Restorable()).learn(120))
    agent(Restorable()).learn(120, callback=Stop(50)).save(tmp_path / "run")
    scramble()
    model = EmotionalDQN.load(tmp_path / "run", Restorable(), device="cpu")
    model.learn(model.remaining_timesteps, reset_num_timesteps=False)
    assert_same(everything(model), expected)


def test_what_cannot_be_put_back_is_said(tmp_path: Path) -> None:
    agent(Memorable()).learn(120, callback=Stop(50)).save(tmp_path / "run")
    with pytest.warns(UserWarning, match="env: Memorable cannot be restored; running episodes are cut off"):
        model = EmotionalDQN.load(tmp_path / "run", Memorable(), device="cpu")
    model.learn(model.remaining_timesteps, reset_num_timesteps=False)
    assert model.num_timesteps >= 120
    assert unrestorable(VecFrameStack(make_vec_env("CartPole-v1", 1), 2)) == "VecFrameStack"
    other = DummyVecEnv([lambda: gym.wrappers.FlattenObservation(gym.make("MountainCarContinuous-v0"))])
    assert unrestorable(other) is None
    assert unrestorable(DummyVecEnv([Memorable])) == "Memorable"


@pytest.mark.parametrize(
    "name", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "FrozenLake-v1", "Pendulum-v1"]
)
def test_environments_go_on_from_their_state(name: str) -> None:
    one, two = make_vec_env(name, 2, seed=3), make_vec_env(name, 2, seed=8)
    space = one.action_space
    space.seed(0)
    actions = [np.array([space.sample(), space.sample()]) for _ in range(260)]
    one.reset()
    two.reset()
    for action in actions[:45]:
        one.step(action)
    state = take(one)
    assert state is not None
    put_back(two, json.loads(json.dumps(state)))
    for action in actions[45:]:
        first, second = one.step(action), two.step(action)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
        np.testing.assert_array_equal(first[2], second[2])
        ends = [
            [(i["episode"]["r"], i["episode"]["l"]) for i in one[3] if "episode" in i]
            for one in (first, second)
        ]
        assert ends[0] == ends[1]


def test_json_keeps_numbers_exactly() -> None:
    rng = np.random.default_rng(0)
    state: dict[str, Any] = {
        "a": rng.normal(size=(2, 3)), "b": rng.normal(size=4).astype(np.float32), "c": (1, None, "x"),
        "d": np.float32(0.1), "e": [True, 2**127, -0.0, float("inf")], "f": np.array([1, 2], np.uint8),
    }  # fmt: skip
    again = decode(json.loads(json.dumps(encode(state))))
    for name in ("a", "b", "f"):
        np.testing.assert_array_equal(again[name], state[name])
        assert again[name].dtype == state[name].dtype
    assert again["c"] == state["c"]
    assert again["e"] == state["e"]
    assert again["d"] == state["d"]
    assert type(again["d"]) is np.float32
    with pytest.raises(ValueError, match="state: got"):
        encode({"a": object()})


# ---------------------------------------------------------------- files


def test_a_file_executes_nothing_and_predicts_without_environment(tmp_path: Path) -> None:
    model = agent(Memorable()).learn(100)
    model.save(tmp_path / "run")
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    again = EmotionalDQN.load(tmp_path / "run", device="cpu")
    assert str(np.random.get_state(legacy=False)) == str(state)  # nobody's random numbers were touched  # noqa: NPY002
    assert again.get_env() is None
    x = np.array([[1.0, 2.0], [30.0, 40.0]], np.float32)
    np.testing.assert_array_equal(
        model.predict(x, deterministic=True)[0], again.predict(x, deterministic=True)[0]
    )
    assert b"pickle" not in (tmp_path / "run.safetensors").read_bytes()
    assert again.affect_config == model.affect_config


def test_sb3s_zip_is_there_for_those_who_name_it(tmp_path: Path) -> None:
    model = agent().learn(100)
    with pytest.warns(UserWarning, match="executes code"):
        model.save(tmp_path / "run.zip")
    with pytest.warns(UserWarning, match="executes code"):
        again = EmotionalDQN.load(tmp_path / "run.zip", make_vec_env("CartPole-v1", 1), device="cpu")
    for name, one in model.policy.state_dict().items():
        assert torch.equal(again.policy.state_dict()[name], one)
    for name, one in model.affect.state_dict().items():
        assert torch.equal(again.affect.state_dict()[name], one)
    again.learn(50)


def linear(left: float) -> float:
    return 1e-3 * left


class Odd(ReplayBuffer):
    """A buffer of one's own."""


def test_bad_files_and_arguments_are_refused(tmp_path: Path) -> None:
    model = agent().learn(60)
    model.save(tmp_path / "run")
    path = tmp_path / "run.safetensors"
    with pytest.raises(CheckpointError, match="expected an existing checkpoint"):
        EmotionalDQN.load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="env: got the observation_space"):
        EmotionalDQN.load(path, "MountainCar-v0")
    with pytest.raises(CheckpointError, match="env: got 2 environments, expected 1"):
        EmotionalDQN.load(path, make_vec_env("CartPole-v1", 2))
    with pytest.raises(CheckpointError, match="expected the same networks"):
        EmotionalDQN.load(path, policy_kwargs={"net_arch": [5]})
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
        EmotionalDQN.load(path)
    path.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
        EmotionalDQN.load(path)

    agent(learning_rate=linear).save(tmp_path / "own")
    with pytest.raises(CheckpointError, match=r"learning_rate: got .*expected load\(path, learning_rate"):
        EmotionalDQN.load(tmp_path / "own")
    assert EmotionalDQN.load(tmp_path / "own", learning_rate=linear).learning_rate is linear
    with pytest.raises(ValueError, match="replay_buffer_class: got Odd"):
        agent(replay_buffer_class=Odd).save(tmp_path / "odd")
    with pytest.raises(ValueError, match="every: got 0"):
        Checkpoints(tmp_path / "x", every=0)


def test_arguments_and_spaces_survive_json() -> None:
    arguments: Any = {
        "net_arch": [8, 4], "activation_fn": nn.Tanh, "optimizer_kwargs": {"betas": (0.8, 0.9)}, "lr": 1e-3,
        "none": None, "buffer": ReplayBuffer,
    }  # fmt: skip
    assert argument_from_json("x", json.loads(json.dumps(argument_to_json(arguments)))) == arguments
    for space in (
        spaces.Box(-np.inf, np.inf, (3, 2), np.float64),
        spaces.Box(np.array([0, 1], np.uint8), np.array([5, 255], np.uint8), dtype=np.uint8),
        spaces.Discrete(4, start=2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(4),
        spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Box(0, 1, (2,))}),
    ):
        assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space
    with pytest.raises(CheckpointError, match=r"expected a class of torch\.nn"):
        argument_from_json("x", {"home": "torch.nn", "class": "functional"})
