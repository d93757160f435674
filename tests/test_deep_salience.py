"""The deep agent on salience replay: importance weights, priorities by error, salience by surprise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep import NotFiniteError
from emotional_ed.agents.deep.replay import sample
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

SMALL: dict[str, Any] = {
    "learning_starts": 30, "buffer_size": 200, "batch_size": 8, "train_freq": 5, "gradient_steps": 2,
    "learning_rate": 2e-3, "device": "cpu", "policy_kwargs": {"net_arch": [16]}, "seed": 1,
    "target_update_interval": 20, "replay_buffer_class": SalienceReplayBuffer,
}  # fmt: skip


def agent(envs: int = 1, level: int = 1, **kwargs: Any) -> EmotionalDQN:
    env = make_vec_env("CartPole-v1", envs)
    return EmotionalDQN("MlpPolicy", env, affect=AffectConfig.levels(level), **{**SMALL, **kwargs})


def held(model: EmotionalDQN) -> SalienceReplayBuffer:
    assert isinstance(model.replay_buffer, SalienceReplayBuffer)
    return model.replay_buffer


def test_salience_of_a_step_is_how_surprising_it_was() -> None:
    seen: list[list[float]] = []

    def look(local: dict[str, Any], _: dict[str, Any]) -> bool:
        seen.append(local["self"].affect.signals["surprise"].abs().tolist())
        return True

    model = agent(envs=2).learn(100, callback=look)
    np.testing.assert_allclose(held(model).salience[:50], np.array(seen), rtol=1e-6)
    assert float(np.ptp(held(model).salience[:50])) > 0.2
    plain = agent(envs=2, level=0).learn(100)
    assert not held(plain).salience.any()


def test_samples_bring_weights_indices_and_their_environment() -> None:
    model = agent(envs=2, replay_buffer_kwargs={"n_steps": 2, "gamma": 0.9}).learn(120)
    batch = sample(held(model), 16, None, 0.99)
    assert batch.indices is not None
    assert batch.members is not None
    assert batch.weights is not None
    assert batch.members.tolist() == (batch.indices % 2).tolist()
    assert isinstance(batch.observations, Tensor)
    rows = held(model).observations.reshape(-1, 4)[batch.indices.numpy()]
    np.testing.assert_array_equal(batch.observations.numpy(), rows)
    assert batch.weights.shape == (16, 1)
    assert float(batch.weights.max()) == 1
    assert isinstance(batch.discounts, Tensor)


def test_errors_become_priorities_and_weights_reach_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    model = agent(level=0).learn(100)
    buffer, learning = held(model), model._learning
    calls: list[tuple[Any, Any]] = []
    step = learning.step

    def watch(batch: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            value = model.q_net(batch.observations).gather(1, batch.actions)
            error = learning.targets(batch) - value
        calls.append((batch, error))
        assert kwargs["weights"] is batch.weights
        return step(batch, **kwargs)

    given: list[tuple[Tensor, Tensor]] = []
    monkeypatch.setattr(learning, "step", watch)
    monkeypatch.setattr(buffer, "update_priorities", lambda *pair: given.append(pair))
    model.train(3, 8)
    assert len(calls) == len(given) == 3
    for (batch, error), (indices, td_error) in zip(calls, given, strict=True):
        assert torch.equal(indices, batch.indices)
        torch.testing.assert_close(td_error, error)


def test_errors_that_are_no_numbers_never_become_priorities() -> None:
    model = agent().learn(60)
    with torch.no_grad():
        next(model.q_net.parameters()).fill_(torch.inf)
    with pytest.raises(NotFiniteError, match="loss: got nan in gradient step 0 after step 60"):
        model.train(3, 8)
    assert all(bool(one.isfinite().all()) for one in held(model).priorities.state_dict().values())


def test_it_resumes_exactly(tmp_path: Path) -> None:
    def stop(local: dict[str, Any], _: dict[str, Any]) -> bool:
        return bool(local["self"].num_timesteps < 90)

    expected = agent(envs=2).learn(180)
    agent(envs=2).learn(180, callback=stop).save(tmp_path / "run")
    np.random.seed(5)  # noqa: NPY002
    model = EmotionalDQN.load(tmp_path / "run", device="cpu")
    model.learn(model.remaining_timesteps, reset_num_timesteps=False)
    for name, one in expected.policy.state_dict().items():
        assert torch.equal(model.policy.state_dict()[name], one), name
    for name, one in held(expected).state().items():
        assert torch.equal(held(model).state()[name], one), name
