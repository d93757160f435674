"""Recall in the deep agent: value heads on shared features, who lived what, and slow heads to fall back to."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from test_deep_resume import Odd, assert_goes_on
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.affect import AffectConfig
from emotional_ed.affect.attachment import AttachmentConfig
from emotional_ed.affect.recall import RecallConfig
from emotional_ed.affect.weights import WeightsConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.heads import Heads
from emotional_ed.agents.deep.replay import sample
from emotional_ed.agents.deep.slot_record import FORGOTTEN, SlotRecord
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

LEVEL2 = AffectConfig.levels(2)
SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 200, "batch_size": 8, "train_freq": 2, "gradient_steps": 1,
    "target_update_interval": 16, "exploration_fraction": 0.5, "learning_rate": 2e-3, "device": "cpu",
    "policy_kwargs": {"net_arch": [16]}, "seed": 3,
}  # fmt: skip


class Turns(gym.Env[Any, np.int64]):
    """Two places; the action that pays where one is changes every so many episodes."""

    observation_space: spaces.Space[Any] = spaces.Box(0, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, period: int = 30, named: bool = False) -> None:
        self.period, self.named, self.episodes = period, named, -1
        if named:
            self.observation_space = spaces.Dict({"eye": spaces.Box(0, 1, (2,), np.float32)})

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episodes += 1
        self.place, self.time = int(self.np_random.integers(2)), 0
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        turned = self.episodes // self.period % 2
        reward = 1.0 if int(action) == self.place ^ turned else -1.0
        self.place = int(self.np_random.integers(2))
        return self._look(), reward, self.time >= 5, False, {}

    def _look(self) -> Any:
        seen = np.eye(2, dtype=np.float32)[self.place]
        return {"eye": seen} if self.named else seen

    def get_state(self) -> dict[str, Any]:
        return {"episodes": self.episodes, "place": self.place, "time": self.time}

    def set_state(self, state: dict[str, Any]) -> None:
        self.episodes, self.place, self.time = (state[name] for name in ("episodes", "place", "time"))


def turner(affect: AffectConfig = LEVEL2, envs: int = 1, **kwargs: Any) -> EmotionalDQN:
    named = kwargs.get("policy") == "MultiInputPolicy"
    env = make_vec_env(Turns, envs, env_kwargs={"named": named})
    return EmotionalDQN(kwargs.pop("policy", "MlpPolicy"), env, affect=affect, **{**SMALL, **kwargs})


def by_chance(slots: int = 3) -> AffectConfig:
    """Return an affect whose recall goes on to the next memory every third episode or so."""
    recall = RecallConfig(slots=slots, cue="chance", threshold=3)
    return dataclasses.replace(LEVEL2, recall=recall)


def open_all(model: EmotionalDQN) -> Heads:
    """Let every head be in use, each with other values."""
    heads = model._heads
    assert heads is not None
    recall = model.affect.recall
    assert recall is not None
    recall.used.fill_(True)
    recall._in_use = None
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for head, target in zip(heads.more, heads.target_more, strict=True):
            head.copy_(torch.randn(head.shape, generator=generator))
            target.copy_(torch.randn(head.shape, generator=generator))
    return heads


# ---------------------------------------------------------------- one memory in use


def test_one_memory_in_use_is_one_head_bit_for_bit() -> None:
    models = [
        EmotionalDQN("MlpPolicy", "CartPole-v1", affect=affect, **SMALL).learn(400)
        for affect in (LEVEL2, dataclasses.replace(LEVEL2, recall=None))
    ]
    assert models[0].affect.recall is not None
    assert models[0].affect.recall.in_use == 1
    weights = [torch.cat([p.detach().flatten() for p in one.policy.parameters()]) for one in models]
    assert torch.equal(*weights)
    buffers = [one.replay_buffer for one in models]
    assert buffers[0] is not None
    assert buffers[1] is not None
    np.testing.assert_array_equal(buffers[0].actions, buffers[1].actions)
    heads = models[0]._heads
    assert heads is not None
    assert heads.optimizer is not None
    assert not heads.optimizer.state  # nothing was done with the others
    assert not any(one.any() for one in heads.more)


# ---------------------------------------------------------------- heads


WAYS: dict[str, dict[str, Any]] = {
    "written out": {},
    "autograd": {"activation_fn": nn.Tanh},
    "another optimizer": {"optimizer_class": torch.optim.SGD},
}


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_gradient_step_teaches_the_head_that_lived_it(way: str, double: bool) -> None:
    """Against autograd on modules that were built by hand."""
    model = turner(double=double, policy_kwargs={"net_arch": [16], **WAYS[way]})
    model.learn(60)
    heads = open_all(model)
    assert model.replay_buffer is not None
    assert model._lessons.record is not None
    slots = torch.tensor([0, 1, 2, 5, 5, 0, 4, 1])
    batch = sample(model.replay_buffer, 8, None, 0.9)._replace(slots=slots)
    assert isinstance(batch.observations, Tensor)
    assert isinstance(batch.next_observations, Tensor)
    weights = torch.linspace(0, 2, 8)[:, None]
    net: Any = copy.deepcopy(model.q_net.q_net)
    target: Any = copy.deepcopy(model.q_net_target.q_net)
    own, old_own = (torch.cat([one[-1].weight, one[-1].bias[:, None]], 1).detach() for one in (net, target))
    last = [one.detach().clone().requires_grad_() for one in (own, *heads.more)]
    old = [old_own, *heads.target_more]

    def read(body: Any, matrices: list[Tensor], x: Tensor) -> Tensor:
        h = body[:-1](x)
        return torch.stack([matrices[s][:, :-1] @ h[i] + matrices[s][:, -1] for i, s in enumerate(slots)])

    with torch.no_grad():
        ahead = read(target, old, batch.next_observations)
        best = read(net, last, batch.next_observations).argmax(1) if double else ahead.argmax(1)
        y = batch.rewards[:, 0] + 0.9 * (1 - batch.terminal[:, 0]) * ahead[torch.arange(8), best]
    held = read(net, last, batch.observations)[torch.arange(8), batch.actions[:, 0]]
    loss = (weights[:, 0] * F.smooth_l1_loss(held, y, reduction="none")).mean()
    body = list(net[:-1].parameters())
    gradients = torch.autograd.grad(loss, [*body, *last], allow_unused=True)
    norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
    model._learning.max_grad_norm = float(norm) / 2

    got, error = model._learning.step(batch, weights=weights)
    torch.testing.assert_close(got, loss.detach())
    torch.testing.assert_close(error[:, 0], (y - held).detach())
    learned: Any = model.q_net.q_net
    for p, gradient in zip(learned[:-1].parameters(), gradients, strict=False):
        assert gradient is not None
        torch.testing.assert_close(p.grad, gradient / 2, atol=1e-6, rtol=1e-4)
    for head, gradient in zip(heads.more, gradients[len(body) + 1 :], strict=True):
        expected = torch.zeros_like(head) if gradient is None else gradient / 2
        torch.testing.assert_close(head.grad, expected, atol=1e-6, rtol=1e-4)


def test_heads_learn_apart_and_their_targets_follow() -> None:
    model = turner(tau=0.5).learn(60)
    heads = open_all(model)
    assert model.replay_buffer is not None
    before = [one.detach().clone() for one in heads.more]
    old = heads.target_more.clone()
    batch = sample(model.replay_buffer, 8, None, 0.9)._replace(slots=torch.full((8,), 2))
    model._learning.step(batch)
    changed = [not torch.equal(one, now) for one, now in zip(before, heads.more, strict=True)]
    assert changed == [False, True, False, False, False]
    model._learning.update_target(0.5)
    torch.testing.assert_close(heads.target_more, (old + torch.stack([one.data for one in heads.more])) / 2)


def test_a_head_that_begins_is_blank() -> None:
    model = turner().learn(60)
    heads = open_all(model)
    assert heads.optimizer is not None
    for head in heads.more:
        head.grad = torch.ones_like(head)
    heads.optimizer.step()
    assert heads.more[2] in heads.optimizer.state
    for slot in (0, 3):
        heads.begin(slot)
        assert not heads.matrix(slot).any()
    assert not heads.target.last_layer_matrix().any()
    assert not heads.target_more[2].any()
    assert heads.matrix(1).any()
    assert heads.more[2] not in heads.optimizer.state
    assert heads.more[1] in heads.optimizer.state
    layer = heads.online.last_layer()
    state = model.policy.optimizer.state[layer.weight]
    assert not state["exp_avg"].any()
    assert float(state["step"]) > 0


# ---------------------------------------------------------------- who lived what


def test_surprises_of_all_heads_and_choice_by_the_one_in_use() -> None:
    """Recomputed from the networks as they are in each step, with heads that were set by hand."""
    model = turner(envs=2, learning_starts=10**6).learn(20)
    heads = open_all(model)
    recall, feelings = model.affect.recall, model._feelings
    assert recall is not None
    assert feelings is not None
    recall.slot.copy_(torch.tensor([4, 0]))
    before, after = torch.eye(2), torch.eye(2).flip(0)
    feelings.forget_features()
    key, values, _ = feelings.perceive(before)
    every, ahead = (
        heads.read(feelings.online.features(before)),
        heads.read_target(feelings.target.features(after)),
    )
    torch.testing.assert_close(values, torch.stack([every[0, 4], every[1, 0]]))
    action, reward = torch.tensor([1, 0]), torch.tensor([0.5, -2.0])
    ended = torch.tensor([False, True])
    feelings.appraise(before, after, action, ended, reward, ended, torch.zeros(2, dtype=torch.bool))
    y = reward[:, None] + 0.99 * ahead.amax(2) * ~ended[:, None]
    felt = y - torch.stack([every[0, :, 1], every[1, :, 0]])
    torch.testing.assert_close(model.affect.signals["slot_lss"], felt)
    torch.testing.assert_close(model.affect.signals["lss"], torch.stack([felt[0, 4], felt[1, 0]]))
    torch.testing.assert_close(model.affect.signals["target"], torch.stack([y[0, 4], y[1, 0]]))
    assert feelings.lived is not None
    assert feelings.lived.tolist() == [4, 0]
    assert key.shape == (2, 17)


def test_predict_asks_the_head_that_most_use() -> None:
    model = turner(dataclasses.replace(LEVEL2, fear=None, anger=None), envs=3).learn(30)
    heads = open_all(model)
    recall = model.affect.recall
    assert recall is not None
    x = np.eye(2, dtype=np.float32)
    for slots, most in (([2, 1, 1], 1), ([0, 3, 3], 3), ([0, 0, 0], 0)):
        recall.slot.copy_(torch.tensor(slots))
        expected = heads.read(heads.online.features(torch.from_numpy(x)))[:, most].argmax(1)
        np.testing.assert_array_equal(model.predict(x, deterministic=True)[0], expected.numpy())


BUFFERS: dict[str, Any] = {
    "plain": {},
    "of several": {"envs": 3},
    "n steps": {"n_steps": 3, "envs": 2},
    "lean": {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
    "salience": {"replay_buffer_class": SalienceReplayBuffer, "envs": 2},
    "dictionary": {"policy": "MultiInputPolicy"},
}


@pytest.mark.parametrize("name", BUFFERS)
def test_replayed_transitions_are_placed(name: str) -> None:
    """What each step was lived with is written down here as well, and looked up by observation and action."""
    used: list[list[int]] = []  # after each step, and so in the next

    def look(local: dict[str, Any], _: dict[str, Any]) -> bool:
        used.append(local["self"].affect.slot.tolist())
        return True

    kwargs: Any = dict(BUFFERS[name])
    model = turner(by_chance(), envs=kwargs.pop("envs", 1), buffer_size=120, **kwargs)
    model.learn(210, callback=look)
    record, buffer = model._lessons.record, model.replay_buffer
    assert record is not None
    assert buffer is not None
    assert type(buffer) in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer, SalienceReplayBuffer)
    rows = record.tensors()["slots"].numpy()
    lived = [[0] * model.n_envs, *used[:-1]]
    for age in range(1, buffer.buffer_size):
        row = (buffer.pos - age) % buffer.buffer_size
        now = rows[row]
        np.testing.assert_array_equal(now[now >= 0], np.array(lived[-age])[now >= 0])
    assert len(np.unique(rows[rows >= 0])) == 3
    state = np.random.get_state()  # noqa: NPY002
    batch = sample(buffer, 64, None, 0.9, locate=True)
    after = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002
    sample(buffer, 64, None, 0.9)
    if name != "salience":
        assert np.random.get_state()[1].tolist() == after  # type: ignore[index]  # noqa: NPY002
    assert batch.indices is not None
    stored: Any = buffer.observations
    seen: Any = batch.observations
    if name == "dictionary":
        stored, seen = stored["eye"], seen["eye"]
    found = stored.reshape(-1, 2)[batch.indices.numpy()]
    np.testing.assert_array_equal(found, seen.numpy())
    np.testing.assert_array_equal(
        buffer.actions.reshape(-1)[batch.indices.numpy()], batch.actions[:, 0].numpy()
    )
    placed = record.place(batch)
    assert placed.slots is not None
    slots = rows.reshape(-1)[batch.indices.numpy()]
    assert placed.slots.tolist() == np.maximum(slots, 0).tolist()


def test_what_was_lived_with_a_memory_that_began_anew_weighs_nothing() -> None:
    record = SlotRecord(3, 2, 4)
    record.note(1, torch.tensor([2, 3]))
    record.note(2, torch.tensor([0, 2]))
    record.forget(2)
    assert record.of(torch.arange(6)).tolist() == [0, 0, FORGOTTEN, 3, 0, FORGOTTEN]
    model = turner().learn(40)
    assert model.replay_buffer is not None
    batch = sample(model.replay_buffer, 3, None, 0.9)
    batch = record.place(
        batch._replace(indices=torch.tensor([2, 3, 5]), weights=torch.tensor([[0.5], [0.6], [1.0]]))
    )
    assert batch.weights is not None
    assert batch.slots is not None
    torch.testing.assert_close(batch.weights, torch.tensor([[0.0], [0.6], [0.0]]))
    assert batch.slots.tolist() == [0, 3, 0]


def test_a_network_counts_surprise_per_step() -> None:
    recall = turner().affect.recall
    assert recall is not None
    assert float(recall.per_step) == 1


def test_environments_share_what_one_of_them_has_begun() -> None:
    model = turner(envs=3, patience=0).learn(30)
    recall, feelings = model.affect.recall, model._feelings
    assert recall is not None
    assert feelings is not None
    assert recall.in_use == 1
    recall.displeasure.zero_()
    recall.scale.fill_(1.0)
    recall.episodes.fill_(50.0)
    recall.ignorance.copy_(torch.tensor([[990.0, 10.0]] * 3))  # ignorance was bliss
    recall.total.zero_()
    recall.total[1, 0] = -9.0  # environment 1 was badly surprised, a blank memory would not have been
    x, no, done = torch.eye(2)[[0, 1, 0]], torch.zeros(3, dtype=torch.bool), torch.tensor([True, True, False])
    with torch.no_grad():
        feelings.appraise(x, x, torch.zeros(3, dtype=torch.int64), ~no, torch.zeros(3), done, no)
    assert recall.slot.tolist() == [0, 1, 0]
    assert recall.used[:, :3].tolist() == [[True, True, False]] * 3
    assert feelings.begun == (1,)
    assert feelings.lived is None  # the step itself was lived with the only memory that there was
    x2 = torch.eye(2)[[0, 1, 1]]
    feelings.appraise(x2, x2, torch.zeros(3, dtype=torch.int64), ~no, torch.zeros(3), no, no)
    assert feelings.lived is not None
    assert feelings.lived.tolist() == [0, 1, 0]  # type: ignore[unreachable]


def test_a_new_head_needs_more_evidence_than_a_new_memory_of_a_population() -> None:
    for given, expected in ((0.0, 0.3), (2.0, 2.3), (1e6, 1e6)):
        recall = turner(reluctance=given).affect.recall
        assert recall is not None
        assert float(recall.reluctance) == pytest.approx(expected)
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="reluctance: got"):
            turner(reluctance=bad)


def test_a_memory_that_begins_while_learning_is_blank_and_what_it_lived_is_forgotten() -> None:
    model = turner(learning_starts=10**6, patience=0).learn(30)
    recall, heads, record = model.affect.recall, model._heads, model._lessons.record
    assert recall is not None
    assert heads is not None
    assert record is not None
    with torch.no_grad():
        heads.more[0].fill_(1.0)
    slots = record.tensors()["slots"]
    slots[:4] = 1  # as if that memory had been there before
    recall.scale.fill_(1.0)
    recall.episodes.fill_(50.0)
    recall.ignorance.copy_(torch.tensor([[990.0, 10.0]]))  # ignorance was bliss
    recall.total[
        0, 0
    ] = -30.0  # the running episode is a very bad surprise, of which a blank memory is spared
    model.learn(10, reset_num_timesteps=False)
    assert recall.slot.tolist() == [1]
    assert slots[:4, 0].tolist() == [FORGOTTEN] * 4
    assert slots[4:30, 0].tolist() == [0] * 26
    assert slots[39, 0] == 1
    assert not heads.more[0].any()


# ---------------------------------------------------------------- the whole of it


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_turn_is_felt_a_head_begins_and_the_old_one_comes_back(seed: int) -> None:
    """The task turns around every 80 episodes: from the fourth phase on, each turn is met by its own head."""
    env = make_vec_env(Turns, 1, env_kwargs={"period": 80})
    kwargs = {**SMALL, "exploration_final_eps": 0.02, "exploration_fraction": 0.1, "buffer_size": 3000}
    kwargs |= {"train_freq": 1, "batch_size": 16, "gamma": 0.5, "seed": seed}
    fearless = dataclasses.replace(
        LEVEL2, fear=None
    )  # what was harmful before the turn is what pays after it
    model = EmotionalDQN("MlpPolicy", env, affect=fearless, **kwargs)
    slots: list[int] = []
    returns: list[float] = []

    def look(local: dict[str, Any], _: dict[str, Any]) -> bool:
        if local["dones"][0]:
            slots.append(int(local["self"].affect.slot[0]))
            returns.append(local["infos"][0]["episode"]["r"])
        return True

    model.learn(80 * 5 * 6, callback=look)
    phases = np.array(slots[:480]).reshape(6, 80)[3:]
    settled = [int(np.bincount(one[10:]).argmax()) for one in phases]
    assert settled[0] == settled[2] != settled[1]
    assert np.array(returns[:480]).reshape(6, 80)[3:].mean() > 4.5  # of 5, the turn itself included


@pytest.mark.parametrize(
    "kwargs",
    [
        {"envs": 1},
        {"envs": 2, "replay_buffer_class": SalienceReplayBuffer},
        {"envs": 1, "policy_kwargs": {"net_arch": [8], "activation_fn": nn.Tanh}},
    ],
)
def test_it_resumes_exactly_with_several_heads(kwargs: dict[str, Any], tmp_path: Path) -> None:
    affect = dataclasses.replace(by_chance(2), attachment=AttachmentConfig(), weights=WeightsConfig())

    kwargs = dict(kwargs)
    envs = kwargs.pop("envs")
    env = make_vec_env(Turns, envs)
    again = assert_goes_on(lambda: turner(affect, envs, **kwargs), 150, 300, tmp_path / "run", env)
    assert again._heads.several
    assert again._heads.optimizer.state


def test_sb3s_zip_holds_the_heads(tmp_path: Path) -> None:
    model = turner(by_chance(3)).learn(200)
    assert model._heads is not None
    with pytest.warns(UserWarning, match="executes code"):
        model.save(tmp_path / "run.zip")
    with pytest.warns(UserWarning, match="executes code"):
        again = EmotionalDQN.load(tmp_path / "run.zip", make_vec_env(Turns, 1), device="cpu")
    assert again._heads is not None
    assert again._heads.in_use == model._heads.in_use == 3
    for one, other in zip(model._heads.more, again._heads.more, strict=True):
        assert torch.equal(one, other)
    again.learn(50)


# ---------------------------------------------------------------- slow heads, learned weights


def test_fast_heads_fall_back_to_slow_ones_by_hand() -> None:
    affect = dataclasses.replace(LEVEL2, attachment=AttachmentConfig(step_size=0.5, decay=0.2))
    model = turner(affect, envs=2).learn(30)
    heads, feelings = open_all(model), model._feelings
    assert feelings is not None
    slow, attachment = feelings.slow, model.affect.attachment
    assert slow is not None
    assert attachment is not None
    attachment.rate.copy_(torch.tensor([0.25, 0.0]))
    attachment.grief.copy_(torch.tensor([0.5, 0.0]))
    fast, other, held = heads.matrix(2).clone(), heads.matrix(1).clone(), slow.slow[2].clone()
    slow.consolidate(attachment, torch.tensor([2, 1]))
    learned = held + 0.25 * (fast - held)  # half a step, half of it because of grief
    torch.testing.assert_close(slow.slow[2], learned)
    torch.testing.assert_close(heads.matrix(2), fast + 0.25 * (learned - fast))
    assert torch.equal(heads.matrix(1), other)


def test_what_an_environment_begins_anew_is_nothing_that_another_is_attached_to() -> None:
    affect = dataclasses.replace(LEVEL2, attachment=AttachmentConfig(decay=0.0))
    model = turner(affect, envs=2).learn(30)
    open_all(model)
    feelings, recall, attachment = model._feelings, model.affect.recall, model.affect.attachment
    assert feelings is not None
    assert recall is not None
    assert attachment is not None
    attachment.memory.M.fill_(1.0)
    attachment.shelf.fill_(2.0)
    attachment.slot.fill_(0)
    recall.slot.copy_(torch.tensor([1, 2]))
    recall.fresh.copy_(torch.tensor([True, False]))
    feelings._end_episodes()
    assert attachment.slot.tolist() == [1, 2]
    assert not attachment.memory.M[0].any()
    assert (attachment.memory.M[1] == 2).all()
    assert not attachment.shelf[:, 1].any()
    assert (attachment.shelf[:, 0] == 1).all()


@pytest.mark.parametrize("recall", [True, False])
def test_attachment_holds_values_back_and_its_zero_changes_nothing(recall: bool) -> None:
    base = LEVEL2 if recall else dataclasses.replace(LEVEL2, recall=None)
    weights = {}
    for name, part in {
        "none": None,
        "zero": AttachmentConfig(decay=0.0),
        "some": AttachmentConfig(decay=0.3),
    }.items():
        model = turner(dataclasses.replace(base, attachment=part)).learn(140)
        weights[name] = torch.cat([p.detach().flatten() for p in model.policy.parameters()])
    assert torch.equal(weights["none"], weights["zero"])
    assert not torch.equal(weights["none"], weights["some"])


def test_a_weight_of_zero_is_the_agent_without_that_emotion() -> None:
    level1 = AffectConfig.levels(1)
    assert level1.fear is not None
    fear = dataclasses.replace(level1.fear, step_gain=3.0, caution=2.0)
    level1 = dataclasses.replace(level1, fear=fear)
    numb = dataclasses.replace(level1, weights=WeightsConfig(gains=(0.0,)))
    full = dataclasses.replace(level1, weights=WeightsConfig(gains=(1.0,)))
    for on in ("action", "target"):
        found = []
        for affect in (numb, AffectConfig.levels(0), full, level1):
            model = turner(affect, fear_on=on).learn(200)
            found.append(torch.cat([p.detach().flatten() for p in model.policy.parameters()]))
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[2], found[3])
        assert not torch.equal(found[0], found[2])


# ---------------------------------------------------------------- bad input


def test_a_buffer_whose_draws_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"replay_buffer_class: got Odd, expected one of ReplayBuffer, .*recall"
    ):
        turner(replay_buffer_class=Odd)
    turner(dataclasses.replace(LEVEL2, recall=None), replay_buffer_class=Odd)


def test_a_loaded_buffer_counts_as_lived_with_the_first_memory(tmp_path: Path) -> None:
    model = turner(by_chance(3)).learn(200)
    model.save_replay_buffer(tmp_path / "kept")
    model.load_replay_buffer(tmp_path / "kept")
    assert model._lessons.record is not None
    assert not model._lessons.record.tensors()["slots"].any()
    model.learn(50, reset_num_timesteps=False)
