"""Sleep of the deep agent: where sequences end, what is learned of them backward, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from test_deep_resume import assert_goes_on
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.affect.salience import SalienceConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.deep_sleep import DeepSleep, DeepSleepConfig, backward_targets
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.agents.stored_steps import backward, backward_paths

SMALL: dict[str, Any] = {
    "learning_starts": 30, "buffer_size": 200, "batch_size": 8, "train_freq": 5, "gradient_steps": 2,
    "learning_rate": 2e-3, "device": "cpu", "policy_kwargs": {"net_arch": [16]}, "seed": 1,
    "target_update_interval": 20, "replay_buffer_class": SalienceReplayBuffer,
}  # fmt: skip
SLEEP = DeepSleepConfig(updates=4, length=4, budget=0.2)


def agent(
    sleep: DeepSleepConfig | None = SLEEP, envs: int = 1, level: int = 1, **kwargs: Any
) -> EmotionalDQN:
    env = kwargs.pop("env", None) or make_vec_env("CartPole-v1", envs)
    return EmotionalDQN(
        "MlpPolicy", env, affect=AffectConfig.levels(level), sleep=sleep, **{**SMALL, **kwargs}
    )


def filled(steps: int, envs: int = 1, rows: int = 10, end: int = 4) -> SalienceReplayBuffer:
    """Return a buffer of steps that are numbered in their observations; every `end`-th ends an episode."""
    box = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    buffer = SalienceReplayBuffer(rows * envs, box, spaces.Discrete(2), "cpu", envs, seed=0)
    for t in range(steps):
        seen = np.full((envs, 1), t, np.float32)
        done = np.full(envs, (t + 1) % end == 0)
        infos = [{"salience": float(t % 5 == 2)}] * envs
        buffer.add(seen, seen + 1, np.zeros((envs, 1), np.int64), np.ones(envs), done, infos)
    return buffer


# ---------------------------------------------------------------- targets


def test_targets_by_hand() -> None:
    """Three steps, gamma 1/2: the last one ends the episode with 8."""
    rewards = torch.tensor([[8.0, 1.0, 1.0]])
    following = torch.tensor([[[5.0, 5.0], [2.0, 0.0], [0.0, 3.0]]])
    actions, terminal = torch.tensor([[1, 0, 0]]), torch.tensor([[1.0, 0.0, 0.0]])
    inside = torch.ones(1, 3, dtype=torch.bool)

    def made(diffusion: float, best: Tensor | None = None, inside: Tensor = inside) -> list[float]:
        return backward_targets(rewards, terminal, actions, following, best, inside, 0.5, diffusion)[
            0
        ].tolist()

    assert made(0.0) == [8, 2, 2.5]  # no news: those of DQN
    assert made(1.0) == [8, 5, 3.5]  # 1 + max(2, 8)/2; 1 + max(5, 3)/2
    assert made(0.5) == [8, 3, 2.5]  # 1 + max(2, 4)/2; 1 + max(1.5, 3)/2
    assert made(1.0, torch.tensor([[0, 0, 1]])) == [8, 2, 2.5]  # double: others are expected to be best
    assert made(1.0, None, torch.tensor([[True, False, False]])) == [8, 2, 2.5]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 7), envs=st.integers(1, 3), steps=st.integers(1, 20), end=st.integers(1, 5),
    length=st.integers(1, 6), data=st.data(),
)  # fmt: skip
def test_paths_are_those_of_the_naive_walk(
    rows: int, envs: int, steps: int, end: int, length: int, data: Any
) -> None:
    buffer = filled(steps, envs, rows, end)
    item = data.draw(st.integers(0, buffer.size() * envs - 1))
    items, inside = buffer.paths(torch.tensor([item]), length)
    expected = [int(one[0]) for one in backward(np.array([item]), length, buffer._valid()[0], buffer.ends)]
    assert items[0][inside[0]].tolist() == expected
    assert items[0][~inside[0]].tolist() == [item] * int((~inside).sum())
    _, raw = backward_paths(np.array([item]), length, buffer._valid()[0], buffer.ends)
    assert raw[0].tolist() == sorted(raw[0].tolist(), reverse=True)


# ---------------------------------------------------------------- where sequences end


def ends_of(draw: str, steps: int = 40, envs: int = 1, nights: int = 1, **kwargs: Any) -> list[int]:
    buffer = filled(steps, envs, 40)
    config = DeepSleepConfig(draw=draw, length=2, **kwargs)
    sleep = DeepSleep(config, buffer, 16, 0)
    return [int(i) for step in range(nights) for i in sleep.sequences(step)[0][:, 0]]


def test_sequences_end_where_they_should() -> None:
    assert set(ends_of("salience", nights=20, uniform=0.0)) == set(range(2, 40, 5))
    anywhere = np.bincount(ends_of("uniform", nights=400), minlength=40)
    assert anywhere.min() > 40  # 80 each
    assert anywhere.max() < 130
    mixed = np.array(ends_of("salience", nights=200, uniform=0.5))
    assert 0.5 < (mixed % 5 == 2).mean() < 0.7  # half of them, and a fifth of the others
    assert ends_of("backward", uniform=0.0, nights=2) == list(range(39, 7, -2))
    assert 5 < sum(np.array(ends_of("backward", uniform=0.5, nights=2)) != np.arange(39, 7, -2)) < 27
    assert ends_of("backward", uniform=0.0, envs=3)[:4] == [117, 118, 119, 111]


def test_a_ring_that_has_wrapped_is_drawn_whole() -> None:
    """Rows 40 to 51 took the places of the first ones."""
    assert set(ends_of("uniform", steps=52, nights=100)) == set(range(40))
    assert ends_of("backward", steps=52, uniform=0.0)[:7] == [11, 9, 7, 5, 3, 1, 39]


def test_correction_weighs_down_what_is_drawn_often() -> None:
    buffer = filled(40, 1, 40)
    config = DeepSleepConfig(length=2, uniform=0.2, correction=1.0)
    sleep = DeepSleep(config, buffer, 16, 0)
    seen: dict[bool, float] = {}
    for step in range(20):
        items, _, weight = sleep.sequences(step)
        for item, one in zip(items[:, 0].tolist(), weight.tolist(), strict=True):
            seen[item % 5 == 2] = one
    assert seen[False] == 1
    np.testing.assert_allclose(seen[True], (1 / 40) / (0.8 / 8 + 0.2 / 40), rtol=1e-6)


# ---------------------------------------------------------------- the budget


def test_nights_follow_episodes_within_the_budget() -> None:
    sleep = DeepSleep(DeepSleepConfig(updates=10, budget=0.25), filled(20), 16, 0)
    assert sleep.tonight(1000) == 0  # nothing has ended
    sleep.end_episodes(2)
    assert sleep.tonight(1000) == 20
    assert sleep.tonight(1000) == 0
    sleep.end_episodes(3)
    assert sleep.tonight(100) == 5  # 25 in all
    assert sleep.slept == 25
    sleep.end_episodes(1)
    assert sleep.tonight(100) == 0


@pytest.mark.parametrize("envs", [1, 2])
def test_an_agent_sleeps_between_episodes_and_feels_nothing(
    envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights: list[tuple[int, int]] = []
    asleep = DeepSleep.tonight

    def tonight(self: DeepSleep, steps: int) -> int:
        due = int(self._counts[0])
        nights.append((due, asleep(self, steps)))
        return nights[-1][1]

    monkeypatch.setattr(DeepSleep, "tonight", tonight)
    model = agent(envs=envs, level=2).learn(400)
    assert model._lessons.sleep is not None
    assert 0 < model._lessons.sleep.slept <= 0.2 * model.num_timesteps
    assert all(slept <= 4 * due for due, slept in nights)
    assert sum(slept for _, slept in nights) == model._lessons.sleep.slept
    assert any(slept == 4 for _, slept in nights)
    before = {name: one.clone() for name, one in model.affect.state_dict().items()}
    assert all(bool(model._lessons.dream(step, None).isfinite()) for step in range(5))
    for name, one in model.affect.state_dict().items():
        assert torch.equal(one, before[name]), name


def test_a_night_learns_what_its_targets_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recomputed one sequence at a time from the buffer's rows."""
    model = agent(double=True).learn(120)
    buffer, learning = model.replay_buffer, model._learning
    assert isinstance(buffer, SalienceReplayBuffer)
    fit, taken = learning.fit, []

    def watch(batch: Any, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        taken.append((batch.indices.clone(), target.clone(), weights))
        return fit(batch, target, weights)

    monkeypatch.setattr(learning, "fit", watch)
    online, target = model.q_net, model.q_net_target
    expected = {}
    with torch.no_grad():
        for item in range(buffer.size()):
            seen = torch.from_numpy(buffer.next_observations[item])
            expected[item] = (target(seen)[0], int(online(seen)[0].argmax()))
    model._lessons.dream(0, None)
    ((items, y, weights),) = taken
    assert weights is not None
    rows, ys = items.reshape(-1, 4), y.reshape(-1, 4)
    assert len(rows) == 2
    inside = weights.reshape(-1, 4) > 0
    assert inside[:, 0].all()
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    for row, made, counts in zip(rows.tolist(), ys.tolist(), inside.tolist(), strict=True):
        brought: tuple[int, float] | None = None
        for item, one, counted in zip(row, made, counts, strict=True):
            if not counted:
                continue
            q, best = expected[item]
            q = q.clone()
            if brought is not None:
                q[brought[0]] += 0.5 * (brought[1] - q[brought[0]])
            ended = float(buffer.dones[item, 0] * (1 - buffer.timeouts[item, 0]))
            y_hand = float(buffer.rewards[item, 0]) + 0.99 * (1 - ended) * float(q[best])
            np.testing.assert_allclose(one, y_hand, rtol=1e-5)
            brought = (int(buffer.actions[item, 0, 0]), one)


@pytest.mark.parametrize("draw", ["salience", "backward", "uniform"])
def test_it_resumes_exactly_in_its_sleep(draw: str, tmp_path: Path) -> None:
    sleep = DeepSleepConfig(draw=draw, updates=3, length=3, budget=0.3)

    again = assert_goes_on(lambda: agent(sleep, level=2), 133, 260, tmp_path / "run")
    assert again.sleep == sleep
    assert again._lessons.sleep.slept > 20


def test_its_draws_go_on_where_nobody_gave_a_seed(tmp_path: Path) -> None:
    model = agent(DeepSleepConfig(draw="uniform"), seed=None).learn(120)
    model.save(tmp_path / "run")
    again = EmotionalDQN.load(tmp_path / "run", device="cpu")
    one, other = model._lessons.sleep, again._lessons.sleep
    assert one is not None
    assert other is not None
    for step in range(3):
        assert torch.equal(one.sequences(step)[0], other.sequences(step)[0])


def test_what_is_feared_is_taken_off_what_is_dreamt(monkeypatch: pytest.MonkeyPatch) -> None:
    model = agent(DeepSleepConfig(draw="uniform", length=2), fear_on="target").learn(100)
    sleep, learning = model._lessons.sleep, model._learning
    assert sleep is not None
    batch, inside = sleep.batch(0, None, 0.99)
    less = torch.arange(8.0)[:, None]
    plain, feared = (sleep.targets(batch, inside, learning, one) for one in (None, less))
    drop = (plain - feared).reshape(inside.shape)
    torch.testing.assert_close(drop[:, 0], less.reshape(inside.shape)[:, 0])
    assert model._feelings is not None
    taken: list[Tensor] = []
    fit, counts = learning.fit, sleep.tensors()["counts"]

    def watch(batch: Any, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        taken.append(target)
        return fit(batch, target, weights)

    monkeypatch.setattr(learning, "fit", watch)
    monkeypatch.setattr(model._feelings, "recall", lambda _: (None, less))
    counts[2] -= 1  # the same dream again
    model._lessons.dream(0, None)
    assert torch.equal(taken[0], feared)


def test_without_sleep_nothing_changes_and_with_it_something_does() -> None:
    found = []
    for sleep in (None, SLEEP, DeepSleepConfig(updates=4, length=4, budget=0.2, draw="uniform")):
        model = agent(sleep).learn(200)
        found.append(torch.cat([p.detach().flatten() for p in model.policy.parameters()]))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


def test_affects_salience_is_what_the_buffer_holds() -> None:
    seen: list[list[float]] = []

    def look(local: dict[str, Any], _: dict[str, Any]) -> bool:
        seen.append(local["self"].affect.signals["salience"].tolist())
        return True

    affect = AffectConfig(salience=SalienceConfig())
    model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=affect, **SMALL).learn(100, callback=look)
    assert isinstance(model.replay_buffer, SalienceReplayBuffer)
    np.testing.assert_allclose(model.replay_buffer.salience[:100], np.array(seen), rtol=1e-6)
    assert float(np.ptp(model.replay_buffer.salience[:100])) > 0.2


def test_normalized_observations_are_dreamt_normalized() -> None:
    model = agent(env=VecNormalize(make_vec_env("CartPole-v1", 2))).learn(200)
    assert model._lessons.sleep is not None
    batch, _ = model._lessons.sleep.batch(0, model._vec_normalize_env, 0.99)
    buffer, normalize = model.replay_buffer, model._vec_normalize_env
    assert isinstance(buffer, SalienceReplayBuffer)
    assert normalize is not None
    assert batch.indices is not None
    raw = buffer.observations.reshape(-1, 4)[batch.indices.numpy()]
    np.testing.assert_allclose(batch.observations, normalize.normalize_obs(raw), rtol=1e-6)  # type: ignore[arg-type]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sleep": 3}, "sleep: got 3, expected a DeepSleepConfig or None"),
        (
            {"replay_buffer_class": None},
            "sleep: got it with a ReplayBuffer, expected replay_buffer_class=Sal",
        ),
        ({"replay_buffer_kwargs": {"n_steps": 2}}, "sleep: got it with a SalienceReplayBuffer, .*n_steps=1"),
        ({"level": 0}, "sleep: got draw='salience' without affect"),
    ],
)
def test_what_cannot_be_slept_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agent(**change)


def test_salience_for_a_buffer_that_does_not_ask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"affect.salience: got .*replay_buffer_class=SalienceReplayBuffer"):
        EmotionalDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig(salience=SalienceConfig()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("draw", "best"), ("updates", 0), ("budget", 0), ("budget", float("nan")), ("length", 0),
        ("diffusion", 1.1), ("uniform", -0.1), ("correction", float("inf")),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"DeepSleepConfig.{name}: got"):
        DeepSleepConfig(**{name: value})
