"""A whole mind: level 0 in parts, affect above it, what it hears, what it forgets, and files."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch

from emotional_ed.affect import (
    AffectConfig,
    AttachmentConfig,
    CuriosityConfig,
    FearConfig,
    MoodConfig,
    RecallConfig,
    RegretConfig,
    SalienceConfig,
    TemperamentConfig,
)
from emotional_ed.agents import EmotionalQ, TileCoding
from emotional_ed.agents.critics import (
    Critic,
    ExpectedSarsaConfig,
    FullFeedbackConfig,
    IntrinsicFearConfig,
    PenalisedConfig,
    QLearningConfig,
    QuantileConfig,
)
from emotional_ed.agents.critics.critic import table
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import EpsilonGreedyConfig, EZGreedyConfig, SoftmaxConfig, StickyConfig
from emotional_ed.agents.rules import Moment, Rule, RuleConfig, rule_from_dict, rule_to_dict
from emotional_ed.agents.sleep import DRAWS, Replay, SleepConfig
from emotional_ed.envs import as_batched
from emotional_ed.streams import Streams

REGIMES, FEEDBACK = "EmotionalED/RecurringRegimes-v0", "EmotionalED/FullFeedback-v0"
SILENT, CLIFF = "EmotionalED/SilentCatastrophe-v0", "EmotionalED/SlipperyCliff-v0"
PLAIN = AffectConfig.levels(0)
one = np.float32


def affect(**parts: Any) -> AffectConfig:
    return dataclasses.replace(PLAIN, **parts)


def recalling(**recall: Any) -> AffectConfig:
    return affect(mood=MoodConfig(), temperament=TemperamentConfig(), recall=RecallConfig(**recall))


FORGETFUL = {"cue": "chance", "threshold": 1.5, "slots": 3}  # goes on to another memory almost every episode
BLISS = torch.tensor([1e9, 1e3])  # what ignorance brought: nothing is in the way of a new memory


@final
class Ear(Critic):
    """Q-learning that keeps what it was told."""

    @dataclass(frozen=True, kw_only=True)
    class Config(RuleConfig):
        """Nothing to set, but a list and a number."""

        marks: tuple[int, ...] = ()
        slope: float = 1.0

    name = "ear"
    slope: torch.Tensor

    def start(self, configs: Sequence[Any]) -> None:
        self.memory = table(self.place)
        self.heard: list[Any] = []

    def read(self, key: torch.Tensor) -> torch.Tensor:
        return self.memory.read(key)

    def target(self, moment: Moment) -> torch.Tensor:
        self.heard.append(moment)
        return moment.reward


def ear(model: EmotionalQ) -> Ear:
    critic = model.mind.critic
    assert isinstance(critic, Ear)
    return critic


def agent(env: str = REGIMES, above: Any = PLAIN, level0: Any = None, **more: Any) -> EmotionalQ:
    given = {"step_size": 0.3, "exploration": 0.2, "discount": 0.9, "seed": 4, **more}
    return EmotionalQ(env, above, level0=level0, **given)


def same_mind(first: EmotionalQ, second: EmotionalQ) -> None:
    other = second.mind.state_dict()
    for name, value in first.mind.state_dict().items():
        assert torch.equal(value, other[name]), name


# ---------------------------------------------------------------- the default


def q_learning_loop(env: str, seed: int, steps: int) -> np.ndarray[Any, Any]:
    """Watkins' Q-learning on the tables of one of our worlds, in NumPy and single precision."""
    world: Any = as_batched(env, 1)
    model, limit = world.model, world.max_episode_steps
    actions = model.shape[2]
    draws, weather = Streams([seed], 2 + actions), Streams([seed], 2, purpose=1)

    def begin(u: Any) -> int:
        return int(model.start[int(u[1] * one(len(model.start)))])

    Q = np.zeros((model.observations, actions), dtype=np.float32)
    edges = model.probability.cumsum(-1).astype(np.float32)[..., :-1]
    state, age, episode = begin(weather.next()[0].numpy()), 0, 0
    for _ in range(steps):
        u, w = draws.next()[0].numpy(), weather.next()[0].numpy()
        s = int(model.observation[state])
        a = int(np.where(Q[s] == Q[s].max(), u[2:], -1).argmax())
        if u[0] < one(0.2):
            a = int(u[1] * one(actions))
        turn = episode // model.episodes_per_context
        context = turn % model.shape[0] if model.repeats else min(turn, model.shape[0] - 1)
        row = (context, state, a)
        outcome = int((w[0] >= edges[row]).sum())
        reached, end = int(model.next_state[row][outcome]), bool(model.terminated[row][outcome])
        ahead = one(0) if end else Q[model.observation[reached]].max()
        y = one(one(model.reward[row][outcome]) + one(0.9) * ahead)
        Q[s, a] += one(0.3) * one(y - Q[s, a])
        age += 1
        if end or age == limit:
            state, age, episode = begin(w), 0, episode + 1
        else:
            state = reached
    return Q


@pytest.mark.parametrize("env", [CLIFF, FEEDBACK, "EmotionalED/VanishingSource-v0"])
def test_the_default_is_q_learning_bit_for_bit(env: str) -> None:
    model = agent(env, level0=LevelZero(), seed=[8, 4], population=2, listens=True).learn(1500)
    for member, seed in enumerate((8, 4)):
        expected = q_learning_loop(env, seed, 1500)
        assert np.abs(expected).sum() > 1
        assert np.array_equal(model.value.M[member].T.numpy(), expected)
    spelt_out = LevelZero(
        critic=QLearningConfig(), policy=EpsilonGreedyConfig(), sleep=None, reset_episodes=0
    )
    assert spelt_out == LevelZero()


# ---------------------------------------------------------------- what it hears


def test_without_leave_to_listen_nothing_is_heard() -> None:
    for env in (FEEDBACK, SILENT):
        model = agent(
            env, affect(fear=FearConfig(declared=True), regret=RegretConfig()), LevelZero(critic=Ear.Config())
        )
        assert not model.listens
        model.learn(200)
        heard = ear(model).heard
        assert len(heard) == 200
        assert all(moment.forgone is None and moment.danger is None for moment in heard)
        assert "forgone" not in model.signals
        assert "danger" not in model.signals
        assert not model.affect.level("regret").memory.M.any()


def test_with_leave_it_hears_what_every_action_would_have_paid() -> None:
    model = agent(
        FEEDBACK, affect(regret=RegretConfig()), LevelZero(critic=Ear.Config()), population=3, listens=True
    )
    told: list[Any] = []

    def keep(agent: EmotionalQ) -> None:
        assert agent.last_step is not None
        told.append(agent.last_step.forgone)

    model.learn(100, callback=keep)
    heard = ear(model).heard
    assert all(torch.equal(moment.forgone, forgone) for moment, forgone in zip(heard, told, strict=True))
    assert all(torch.equal(m.forgone.gather(1, m.action[:, None])[:, 0], m.reward) for m in heard)
    assert model.affect.level("regret").memory.M.any()


def test_with_leave_it_hears_declared_dangers() -> None:
    model = agent(
        SILENT,
        affect(fear=FearConfig(declared=True)),
        LevelZero(critic=Ear.Config()),
        population=4,
        listens=True,
    )
    model.learn(300)
    danger = torch.stack([moment.danger for moment in ear(model).heard])
    assert danger.sum(0).tolist() == model.catastrophes.tolist()
    assert danger.sum() > 3
    deaf = agent(
        SILENT, affect(fear=FearConfig(declared=True)), LevelZero(critic=Ear.Config()), population=4
    ).learn(300)
    assert not torch.equal(deaf.affect.level("fear").memory.M, model.affect.level("fear").memory.M)
    calm = agent(REGIMES, PLAIN, LevelZero(critic=Ear.Config()), listens=True).learn(50)
    assert all(m.forgone is None for m in ear(calm).heard)


def test_full_feedback_needs_leave_too() -> None:
    level0 = LevelZero(critic=FullFeedbackConfig())
    plain = agent(FEEDBACK).learn(400).value.M
    assert torch.equal(agent(FEEDBACK, level0=level0).learn(400).value.M, plain)
    assert not torch.equal(agent(FEEDBACK, level0=level0, listens=True).learn(400).value.M, plain)


# ---------------------------------------------------------------- what it forgets


def test_values_and_dreams_begin_anew_every_so_many_episodes() -> None:
    nightless = SleepConfig(draw="uniform", period=10**6, room=10_000)
    parts = [LevelZero(reset_episodes=every, sleep=nightless) for every in (0, 1, 3)]
    model = agent(REGIMES, recalling(**FORGETFUL), parts, population=3)
    ended, resets = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    for _ in range(450):
        model.learn(1)
        step, sleep = model.last_step, model.mind.sleep
        assert step is not None
        assert isinstance(sleep, Replay)
        done = (step.terminated | step.truncated).numpy()
        ended += done
        for member, every in ((1, 1), (2, 3)):
            if done[member] and ended[member] % every == 0:
                resets[member] += 1
                assert not model.value.M[member].any()
                assert not sleep.valid[member].any()  # the last transition of all is forgotten with the rest
                assert not sleep.salience[member].any()
            elif every == 3 and ended[member] % 3 == 2:
                assert sleep.valid[member].any()
    assert resets[1] == ended[1] > 10
    assert resets[2] == ended[2] // 3 > 3
    hopeful = [LevelZero(critic=QLearningConfig(initial=one), reset_episodes=1) for one in (0.0, 3.0)]
    begun = agent(REGIMES, PLAIN, hopeful, population=2)
    while begun.last_step is None or not (begun.last_step.terminated | begun.last_step.truncated).all():
        begun.learn(1)
    assert (begun.value.M[0] == 0).all()
    assert (begun.value.M[1] == 3).all()
    spared = agent(REGIMES, recalling(**FORGETFUL)).learn(450)
    assert torch.equal(spared.value.M[0], model.value.M[0])


def test_recall_and_hope_in_values_are_refused_together() -> None:
    hopeful = LevelZero(critic=QLearningConfig(initial=1.0))
    with pytest.raises(ValueError, match="critic: got values that do not begin at zero together with recall"):
        agent(REGIMES, recalling(slots=3), hopeful)
    agent(REGIMES, recalling(slots=1), hopeful)  # which recalls nothing
    both = agent(REGIMES, [recalling(slots=3), PLAIN], [LevelZero(), hopeful], population=2).learn(200)
    alone = agent(REGIMES, PLAIN, hopeful, population=1, seed=[both.seeds[1]]).learn(200)
    assert torch.equal(both.value.M[1, :, : alone.value.M.shape[-1]], alone.value.M[0])


def test_all_is_new_in_a_memory_that_begins_and_only_there() -> None:
    """By chance, too: the control begins a memory as the mechanism does."""
    moody = dataclasses.replace(recalling(**FORGETFUL), curiosity=CuriosityConfig())
    model = agent(REGIMES, moody, exploration=0.5)
    recall, novelty = model.affect.level("recall"), model.affect.level("curiosity").memory
    begun = switched = 0
    for _ in range(600):
        known, before = recall.used.clone(), recall.slot.clone()
        model.learn(1)
        fresh = not known[0, recall.slot[0]]
        assert fresh == bool((novelty.M == 1).all()), "what was done is not new"
        begun += fresh
        switched += bool((recall.slot != before).any())
    assert begun == 2
    assert switched > 2 * begun


@pytest.mark.parametrize("above", ["alone", "with recall"])
def test_attachment_holds_back_at_ends_of_episodes_only(above: str) -> None:
    """Each end: Q += 1/4 (S - Q) in the memory that was in use; what begins anew is blank, S too. By hand."""
    attachment = AttachmentConfig(step_size=0.0, decay=0.25, gate=0.0, mourning=0.0, prior=1.0)
    recall = above == "with recall"
    moody = recalling(slots=3, threshold=0.1, reluctance=0.0, mood_gain=0.0)
    config = dataclasses.replace(moody if recall else PLAIN, attachment=attachment)
    dreams = LevelZero(sleep=SleepConfig(draw="uniform", period=10**6, room=10_000))
    model = agent(REGIMES, config, dreams, exploration=0.5)
    attached = model.affect.level("attachment")
    attached.memory.M.fill_(2.0)
    if recall:
        model.affect.level("recall").ignorance.copy_(BLISS)
    slots, ends, begun, switched = model.affect.slots, 0, 0, 0
    worth = np.full(slots, 2, dtype=np.float32)
    if recall:
        worth += np.arange(slots, dtype=np.float32)
        attached.shelf.copy_(torch.from_numpy(worth)[:, None, None])
    Q = np.zeros((slots, 25, 4), dtype=np.float32)
    for _ in range(500):
        slot = 0 if model.affect.slot is None else int(model.affect.slot)
        step = model.learn(1).last_step
        signals, sleep = model.signals, model.mind.sleep
        assert step is not None
        assert isinstance(sleep, Replay)
        Q[slot, int(signals["observation"]), int(signals["action"])] += one(0.3) * one(signals["lss"].item())
        if bool(step.terminated | step.truncated):
            ends += 1
            Q[slot] += one(0.25) * (worth[slot] - Q[slot])
        now = 0 if model.affect.slot is None else int(model.affect.slot)
        switched += now != slot
        if recall and bool(model.affect.level("recall").fresh):
            begun += 1
            Q[now] = 0
            assert not attached.memory.M.any()
            attached.memory.M.fill_(float(worth[now]))
            mine = (sleep.past_key[0] // 25 == now) & sleep.valid[0]
            assert not mine.any()
            assert sleep.valid[0].any()
        held = model.value.M[0].view(4, slots, 25).permute(1, 2, 0).numpy()
        assert np.array_equal(held, Q)
    assert ends > 10
    assert (switched >= begun > 3) if recall else not switched


def test_every_recalled_memory_has_a_slow_one_that_learns_while_it_is_in_use() -> None:
    """S += 0.1 (y - S), B += 0.1 (1 - B) in the memory in use; each end: Q += 1/4 (S - B Q). By hand."""
    attachment = AttachmentConfig(step_size=0.1, decay=0.25, gate=0.0, mourning=0.0)
    moody = dataclasses.replace(recalling(slots=3, threshold=0.1, reluctance=0.0), attachment=attachment)
    forgetful = dataclasses.replace(recalling(**FORGETFUL), attachment=attachment)
    firm = dataclasses.replace(forgetful, attachment=dataclasses.replace(attachment, prior=0.5))
    model = agent(REGIMES, [moody, moody, firm], population=3, exploration=0.5)
    model.value.M[:2, :, :25] = 2.0  # disappointment ahead
    recall, attached = model.affect.recall, model.affect.attachment
    assert recall is not None
    assert attached is not None
    recall.ignorance.copy_(BLISS)
    S, B, Q = (np.zeros((3, recall.room, 4, 25)) for _ in range(3))
    prior = np.array([0.0, 0.0, 0.5])
    B += prior[:, None, None, None]
    Q[:2, 0] = 2.0
    used: set[tuple[int, int]] = set()
    begun, ends = 0, 0
    for _ in range(600):
        slots = recall.slot.tolist()
        step = model.learn(1).last_step
        signals = model.signals
        assert step is not None
        for member, slot in enumerate(slots):
            place = (member, slot, int(signals["action"][member]), int(signals["observation"][member]))
            S[place] += 0.1 * (float(signals["target"][member]) - S[place])
            B[place] += 0.1 * (1 - B[place])
            Q[place] += 0.3 * float(signals["lss"][member])
            if bool(step.terminated[member] | step.truncated[member]):
                ends += 1
                Q[member, slot] += 0.25 * (S[member, slot] - B[member, slot] * Q[member, slot])
            used.add((member, slot))
            if recall.fresh[member]:
                begun += 1
                new = int(recall.slot[member])
                S[member, new], B[member, new], Q[member, new] = 0, prior[member], 0
        now = recall.slot
        assert np.allclose(attached.memory.M, S[np.arange(3), now], atol=1e-5)
        assert np.allclose(attached.bond, B[np.arange(3), now], atol=1e-5)
        away = np.arange(recall.room) != now.numpy()[:, None]
        assert np.allclose(attached.shelf.numpy()[away], S[away], atol=1e-5)
        assert np.allclose(attached.bonds.numpy()[away], B[away], atol=1e-5)
        held = model.value.M.view(3, 4, recall.room, 25).permute(0, 2, 1, 3)
        assert np.allclose(held, Q, atol=1e-4)
    assert used >= {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)}
    assert begun >= 2
    assert ends > 10


def test_attachment_holds_back_whole_distributions() -> None:
    config = affect(attachment=AttachmentConfig(step_size=0.0, decay=1.0, gate=0.0, prior=1.0))
    model = agent(REGIMES, config, LevelZero(critic=QuantileConfig(quantiles=3)))
    slow = model.affect.level("attachment").memory.M
    slow.copy_(torch.arange(4.0)[:, None].expand(4, 25))
    while not len(model.episodes):
        model.learn(1)
    held = model.value.M[0].view(4, 3, 25)
    assert torch.equal(held, slow[0][:, None].expand(4, 3, 25))


@pytest.mark.parametrize(
    "critic", [QLearningConfig(), ExpectedSarsaConfig(), PenalisedConfig(bad_reward=-0.5)]
)
def test_recall_judges_memories_by_the_critics_own_surprise(critic: RuleConfig) -> None:
    model = agent(REGIMES, recalling(**FORGETFUL), LevelZero(critic=critic), population=3)
    differ = 0
    for _ in range(250):
        slot = model.affect.slot
        assert slot is not None
        slot = slot.clone()
        every = model.learn(1).affect.signals["slot_lss"]
        assert torch.equal(every.gather(1, slot[:, None])[:, 0], model.signals["lss"])
        differ += int((every != every[:, :1]).any())
    assert differ > 10


@pytest.mark.parametrize("env", [REGIMES, "CartPole-v1"])
def test_what_every_memory_holds_of_a_step_is_what_its_critic_reads_there(env: str) -> None:
    model = EmotionalQ(env, recalling(**FORGETFUL), population=4, seed=0).learn(120)
    mind, (key, following) = model.mind, (torch.tensor([0, 3, 5, 8]), torch.tensor([1, 3, 6, 2]))
    if mind.features.active > 1:
        key, following = (one[:, None] + torch.arange(mind.features.active) for one in (key, following))
    model.value.M.copy_(torch.randn(model.value.M.shape, generator=torch.Generator().manual_seed(0)))
    action, used = torch.tensor([0, 1, 1, 0]), 2
    held, best = mind._held_in_slots(key, action, following, used)
    for slot in range(used):
        values = mind.critic.read(key + slot * mind.place.keys)
        assert torch.equal(held[:, slot], values.gather(-1, action[:, None]).squeeze(-1))
        assert torch.equal(best[:, slot], mind.critic.read(following + slot * mind.place.keys).amax(-1))


def test_episodes_that_are_cut_off_leave_nothing_behind() -> None:
    level0 = LevelZero(policy=StickyConfig(repeat=0.9), sleep=SleepConfig(draw="n-step"))
    model = agent(REGIMES, level0=level0).learn(7)
    sleep = model.mind.sleep
    assert isinstance(sleep, Replay)
    assert not sleep.past_done[0, 6]
    model.set_env(REGIMES)
    assert sleep.past_done[0].nonzero().flatten().tolist() == [6]


# ---------------------------------------------------------------- many are one

RICH = dataclasses.replace(
    AffectConfig.levels(2),
    attachment=AttachmentConfig(yearning=0.3),
    salience=SalienceConfig(feeling=0.5),
    recall=RecallConfig(**FORGETFUL),  # type: ignore[arg-type]
)


def same_as_alone(together: EmotionalQ, alone: EmotionalQ, member: int) -> None:
    many = together.mind.state_dict()
    for name, value in alone.mind.state_dict().items():
        rows = name.endswith(("ticks.since", "ticks.updates"))  # [L, P]
        here = many[name] if value.ndim == 0 else many[name][:, member] if rows else many[name][member]
        assert torch.equal(here, value if value.ndim == 0 else value[:, 0] if rows else value[0]), name
    mine = together.episodes[together.episodes["member"] == member]
    assert np.array_equal(mine["return"], alone.episodes["return"])


@pytest.mark.parametrize("draw", DRAWS)
def test_a_population_that_sleeps_is_single_runs_bit_for_bit(draw: str) -> None:
    parts = [
        LevelZero(
            critic=IntrinsicFearConfig(bad_reward=-0.5, radius=radius),
            policy=EZGreedyConfig(exponent=1.5, cap=9),
            sleep=SleepConfig(draw=draw, period=20, updates=12, room=50, length=4, uniform=u, correction=c),
            reset_episodes=reset,
        )
        for radius, u, c, reset in ((2, 0.0, 1.0, 0), (2, 0.5, 0.0, 7), (2, 1.0, 0.3, 0))
    ]
    seeds, sizes = [5, 9, 5], [0.1, 0.5, 0.9]
    together = agent(REGIMES, RICH, parts, population=3, seed=seeds, step_size=sizes).learn(130)
    for member in range(3):
        alone = agent(REGIMES, RICH, parts[member], seed=seeds[member], step_size=sizes[member]).learn(130)
        same_as_alone(together, alone, member)
    assert len(together.episodes) > 6


def test_members_with_more_or_less_affect_are_single_runs_bit_for_bit() -> None:
    kinds = [
        PLAIN,
        AffectConfig.levels(1),
        recalling(),
        affect(regret=RegretConfig()),
        affect(attachment=AttachmentConfig(gate=0.0)),
    ]
    together = agent(FEEDBACK, kinds, population=5, seed=[3] * 5, listens=True).learn(300)
    for member, kind in enumerate(kinds):
        alone = agent(FEEDBACK, kind, seed=3, listens=True).learn(300)
        held = together.value.M[member][:, : alone.value.M.shape[-1]]
        assert torch.equal(held, alone.value.M[0]), member


def test_it_falls_asleep_after_every_so_many_steps() -> None:
    model = agent(REGIMES, level0=LevelZero(sleep=SleepConfig(draw="uniform", period=10, updates=3)))
    sleep = model.mind.sleep
    assert isinstance(sleep, Replay)
    drawn = [int(sleep.position) for _ in range(31) if model.learn(1)]
    assert drawn == [3 * (step // 10) for step in range(1, 32)]


def test_tile_coded_minds_sleep_too() -> None:
    level0 = LevelZero(sleep=SleepConfig(draw="surprise", period=10, updates=10))
    given: dict[str, Any] = {"features": TileCoding(tilings=4, tiles=4), "discount": 0.99}
    together = agent("CartPole-v1", PLAIN, level0, population=3, **given).learn(150)
    alone = agent("CartPole-v1", PLAIN, level0, seed=6, **given).learn(150)
    same_as_alone(together, alone, 2)
    assert not torch.equal(agent("CartPole-v1", seed=6, **given).learn(150).value.M, alone.value.M)


# ---------------------------------------------------------------- going on

STATEFUL = [
    (
        LevelZero(
            policy=StickyConfig(repeat=0.5), sleep=SleepConfig(draw=draw, period=13, updates=9, room=50)
        ),
        draw,
    )
    for draw in DRAWS
] + [
    (LevelZero(critic=IntrinsicFearConfig(bad_reward=-0.5), policy=EZGreedyConfig(exponent=1.2)), "fear"),
    (LevelZero(critic=QuantileConfig(quantiles=4), policy=SoftmaxConfig(), reset_episodes=5), "quantiles"),
]


@pytest.mark.parametrize("level0", [one[0] for one in STATEFUL], ids=[one[1] for one in STATEFUL])
def test_learning_in_parts_or_from_a_file_is_learning_at_once(level0: LevelZero, tmp_path: Path) -> None:
    whole = agent(REGIMES, RICH, level0, population=2).learn(110)
    parts = agent(REGIMES, RICH, level0, population=2).learn(53).learn(0).learn(28)
    parts.save(tmp_path / "half")
    loaded = EmotionalQ.load(tmp_path / "half")
    assert loaded.mind.parts == [level0, level0]
    same_mind(parts.learn(29), whole)
    same_mind(loaded.learn(29), whole)
    assert loaded.streams.position == whole.streams.position


def test_members_parts_and_leave_to_listen_survive_a_file(tmp_path: Path) -> None:
    parts = [LevelZero(reset_episodes=k, critic=Ear.Config(marks=(1, k), slope=k)) for k in (2, 0, 2)]
    model = agent(SILENT, PLAIN, parts, population=3, listens=True).learn(30)
    loaded = EmotionalQ.load(model.save(tmp_path / "three"))
    assert loaded.mind.parts == parts
    assert loaded.listens
    assert ear(loaded).slope.tolist() == [2.0, 0.0, 2.0]


# ---------------------------------------------------------------- parts


def test_configurations_are_plain_data_and_back() -> None:
    level0 = LevelZero(critic=Ear.Config(marks=(3, 4)), sleep=SleepConfig(draw="backward"), reset_episodes=9)
    data = level0.to_dict()
    assert data["critic"] == {"rule": "ear", "marks": (3, 4), "slope": 1.0}
    data["critic"]["marks"] = [3, 4]  # as JSON has it
    assert LevelZero.from_dict(data) == level0
    assert hash(LevelZero.from_dict(data)) == hash(level0)
    assert LevelZero.from_dict({}) == LevelZero()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"critics": {}}, r"LevelZero: got parts \['critics'\], expected among \['critic', 'policy'"),
        ({"critic": {"rule": "oracle"}}, "rule: got 'oracle', expected one of .*import its module first"),
        ({"critic": {"rule": "q-learning", "depth": 2}}, r"q-learning: got fields \['depth'\]"),
        (
            {"critic": {"rule": "sticky"}},
            "LevelZero.critic: got Sticky.* expected the configuration of a Critic",
        ),
        ({"critic": "q-learning"}, "LevelZero.critic: got 'q-learning'"),
        ({"sleep": {"rule": "replay", "period": 0}}, "SleepConfig.period: got 0"),
    ],
)
def test_data_that_says_nothing_sensible_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelZero.from_dict(data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"critic": StickyConfig()},
            "LevelZero.critic: got StickyConfig.*expected the configuration of a Critic",
        ),
        ({"policy": None}, "LevelZero.policy: got None"),
        ({"policy": QLearningConfig}, "LevelZero.policy: got <class"),
        ({"sleep": True}, "LevelZero.sleep: got True, expected the configuration of a Sleep"),
        ({"reset_episodes": -1}, "LevelZero.reset_episodes: got -1, expected an integer of at least 0"),
        ({"reset_episodes": float("nan")}, "LevelZero.reset_episodes: got nan"),
    ],
)
def test_wrong_parts_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelZero(**given)


DREAMER = LevelZero(sleep=SleepConfig())


@pytest.mark.parametrize(
    ("level0", "above", "message"),
    [
        ([LevelZero()], PLAIN, "level0: got .*expected a LevelZero or a list of 2"),
        ("plain", PLAIN, "level0: got 'plain', expected a LevelZero or a list of 2"),
        ([LevelZero(), LevelZero(critic=FullFeedbackConfig())], PLAIN, r"critic: got \['FullFeedbackConfig', 'QLearningConfig'\], expected one kind"),
        ([LevelZero(), LevelZero(policy=SoftmaxConfig())], PLAIN, "policy: got .*expected one kind"),
        ([LevelZero(), DREAMER], PLAIN, "sleep: got it for some members only"),
        (DREAMER, PLAIN, "sleep: got draw='salience' for a member without salience"),
        (DREAMER, [affect(salience=SalienceConfig()), PLAIN], "sleep: got draw='salience' for a member without salience"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(level0: Any, above: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agent(REGIMES, above, level0, population=2)


def test_rules_have_names_and_configurations_of_their_own() -> None:
    with pytest.raises(TypeError, match="Nameless: got name None"):
        type("Nameless", (Rule,), {"Config": Ear.Config})
    with pytest.raises(TypeError, match="Settingless: got name 'settingless' and Config None"):
        type("Settingless", (Rule,), {"name": "settingless"})
    with pytest.raises(TypeError, match="Twin: got the name 'ear', which Ear has already"):
        type("Twin", (Rule,), {"name": "ear", "Config": Ear.Config})
    assert Rule.registry["ear"] is Ear
    assert Ear.Config.rule is Ear
    assert rule_from_dict(rule_to_dict(Ear.Config(slope=2.5))) == Ear.Config(slope=2.5)
