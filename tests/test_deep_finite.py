"""Learning stops at the first number that is none, and says where and what to go back to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep import Checkpoints, NotFiniteError

SMALL: dict[str, Any] = {
    "learning_starts": 10, "buffer_size": 200, "batch_size": 8, "train_freq": 5, "device": "cpu", "seed": 0,
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


class Breaks(gym.Env[Any, np.int64]):
    """Gives a bad number at its 73rd step."""

    action_space = spaces.Discrete(2)

    def __init__(self, what: str, bad: float) -> None:
        self.what, self.bad, self.time = what, bad, 0
        box = spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict({"eye": box}) if what == "eye" else box

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._look(0.0), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        now = self.bad if self.time == 73 else 0.5
        reward = now if self.what == "reward" else 0.5
        return self._look(0.5 if self.what == "reward" else now), reward, self.time % 9 == 0, False, {}

    def _look(self, value: float) -> Any:
        seen = np.array([1.0, value, 0.0], np.float32)
        return {"eye": seen} if self.what == "eye" else seen


@pytest.mark.parametrize("affect", [AffectConfig.levels(0), AffectConfig.levels(1)])
@pytest.mark.parametrize(
    ("what", "bad", "message"),
    [
        ("observation", np.nan, "observation: got nan from environment 0 at step 72"),
        ("reward", -np.inf, "reward: got -inf from environment 0 at step 72"),
        ("eye", np.inf, "observation 'eye': got inf from environment 0 at step 72"),
    ],
)
def test_bad_numbers_of_an_environment(
    what: str, bad: float, message: str, affect: AffectConfig, tmp_path: Path
) -> None:
    policy = "MultiInputPolicy" if what == "eye" else "MlpPolicy"
    model = EmotionalDQN(policy, Breaks(what, bad), affect=affect, **SMALL)
    with pytest.raises(NotFiniteError, match=f"{message}, .* the last good checkpoint is .*good.safetensors"):
        model.learn(200, callback=Checkpoints(tmp_path / "good", every=20))
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 72  # the bad step is not in it
    again = EmotionalDQN.load(tmp_path / "good", device="cpu")
    assert again.num_timesteps == 60


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_learning_that_diverges(optimizer: type, tmp_path: Path) -> None:
    kwargs = {**SMALL, "policy_kwargs": {"net_arch": [8], "optimizer_class": optimizer}}
    model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(0), **kwargs).learn(50)
    model.save(tmp_path / "good")
    model.lr_schedule = lambda _: 1e30
    with pytest.raises(
        NotFiniteError, match=r"(loss|q_net\.\S+): got (nan|inf) .*after step .*good.safetensors"
    ):
        model.learn(200, reset_num_timesteps=False)
    before = (tmp_path / "good.safetensors").read_bytes()
    with torch.no_grad():
        next(model.q_net.parameters())[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match=r"policy/q_net\S+: got nan at \[0, 0\]"):
        model.save(tmp_path / "good")
    assert (tmp_path / "good.safetensors").read_bytes() == before


def test_without_a_checkpoint_it_says_so() -> None:
    model = EmotionalDQN("MlpPolicy", Breaks("reward", np.nan), **SMALL)
    with pytest.raises(NotFiniteError, match="no checkpoint was written"):
        model.learn(200)
