"""Every channel beside the first ones: values by hand, what it changes, what it must not do, and bad input."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import emotional_ed.affect as affect_package
from emotional_ed.affect import (
    AffectConfig,
    AffectSystem,
    AngerConfig,
    ArousalConfig,
    AttachmentConfig,
    Channel,
    ChannelConfig,
    CuriosityConfig,
    Drive,
    Experience,
    FearConfig,
    JoyConfig,
    MoodConfig,
    RecallConfig,
    RegretConfig,
    SalienceConfig,
    SpectrumConfig,
    TemperamentConfig,
    WeightsConfig,
)
from emotional_ed.affect.shuffle import Shuffle
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.member import load_member
from emotional_ed.nested import Signals

STATES, ACTIONS = 4, 3


class Whim(Channel):
    """A channel with every kind of wish, and at times none."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ChannelConfig):
        """How strong."""

        size: float = 0.3
        words: tuple[tuple[str, ...], ...] = (("a", "b"),)

    name = "whim"
    after = ("surprise", "joy")
    level: Tensor
    size: Tensor

    def start(self, configs: Sequence[Any]) -> None:
        self.remember("level")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        joy = self.hear(signals, "joy")
        self.level.copy_(self.size * signals["surprise"].abs().clamp_max(1))
        signals["whim"] = self.level + (0 if joy is None else joy)

    def modulate(self, key: Tensor) -> Drive | None:
        wide = self.level[:, None].expand(-1, self.setting.actions)
        return Drive(exploration=1 + self.level, avoidance=wide, bias=-wide)

    def bend_step(self, signals: Signals) -> Tensor | None:
        return None if self.setting.actions == 2 else 1 + self.level / 3


def make(config: AffectConfig | list[AffectConfig], population: int = 1, active: int = 1) -> AffectSystem:
    return AffectSystem(config, population, actions=ACTIONS, keys=STATES, active=active)


def step(
    population: int = 1,
    *,
    lss: Any = 0.0,
    target: Any = 1.0,
    key: Any = 0,
    next_key: Any = 1,
    action: Any = 0,
    reward: Any = 0.0,
    done: Any = False,
    greedy: bool = True,
    forgone: list[float] | None = None,
    slots: list[float] | None = None,
    room: int = 1,
) -> Experience:
    def full(value: Any, dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(value, dtype=dtype).expand(population).clone()

    number, whole, flag = torch.float32, torch.int64, torch.bool
    chosen = torch.nn.functional.one_hot(full(action, whole), ACTIONS).bool()
    surprise = full(lss, number)
    every = surprise[:, None].expand(-1, room) if slots is None else torch.tensor([slots] * population)
    return Experience(
        key=full(key, whole), next_key=full(next_key, whole), action=full(action, whole), chosen=chosen,
        greedy=full(greedy, flag), moved=full(key, whole) != full(next_key, whole),
        terminated=full(done, flag), done=full(done, flag), target=full(target, number), lss=surprise,
        reward=full(reward, number), slot_lss=every,
        forgone=None if forgone is None else torch.tensor([forgone] * population),
    )  # fmt: skip


def bias_of(nest: AffectSystem, state: int = 0) -> list[float]:
    bias = nest.modulate(torch.full((nest.population,), state)).bias
    assert bias is not None
    numbers: list[float] = bias[0].tolist()
    return numbers


def exploration_of(nest: AffectSystem) -> float:
    exploration = nest.modulate(torch.zeros(nest.population, dtype=torch.int64)).exploration
    assert exploration is not None
    return float(exploration[0])


# ---------------------------------------------------------------- attachment

ATTACHED = AttachmentConfig(step_size=0.1, decay=0.2, gate=0.5, mourning=0.5, acceptance=0.1)


def test_attachment_by_hand() -> None:
    nest = make(AffectConfig(attachment=ATTACHED))
    slow = nest.level("attachment").memory.M
    nest.appraise(step(lss=2.0, target=2.0))  # unit 2, nothing is lost: S = 0.1 * 2
    assert slow[0, 0, 0].item() == pytest.approx(0.2)
    assert nest.signals["grief"].item() == 0
    nest.appraise(step(lss=-1.0, target=-1.0))  # unit 1.5: loss (0.2 + 1)/4.5, half of it is mourned
    assert nest.signals["attachment"].item() == pytest.approx(0.2)
    assert nest.signals["grief"].item() == pytest.approx(0.6 / 4.5)
    assert slow[0, 0, 0].item() == pytest.approx(0.2 + 0.1 * (1 - 0.6 / 4.5) * -1.2)
    nest.appraise(step(lss=0.0, target=1.0))
    assert nest.signals["grief"].item() == pytest.approx(0.9 * 0.6 / 4.5)  # accepted a little


def test_grief_shields_what_is_held_and_acceptance_lets_go() -> None:
    def after_losses(mourning: float, steps: int) -> float:
        config = dataclasses.replace(ATTACHED, mourning=mourning, step_size=0.05)
        nest = make(AffectConfig(attachment=config))
        for t in range(200):
            nest.appraise(step(lss=0.1 * (-1) ** t, target=1.0))
        for _ in range(steps):
            nest.appraise(step(lss=0.0, target=-1.0))
        return float(nest.level("attachment").memory.M[0, 0, 0])

    assert after_losses(1.0, 5) > after_losses(0.0, 5) + 0.2
    assert after_losses(1.0, 2000) == pytest.approx(-1.0, abs=0.05)  # in the end the loss is learned


def test_values_fall_back_only_at_an_episodes_end_and_faster_in_a_bad_mood() -> None:
    moody = AffectConfig(attachment=ATTACHED, mood=MoodConfig(period=1000), temperament=TemperamentConfig())
    nest = make(moody, 2)
    attachment = nest.attachment
    assert attachment is not None
    nest.level("mood").M[:, 0, 0] = torch.tensor([-0.5, 1.0])
    nest.appraise(step(2, done=[True, True]))
    assert attachment.retention()[0].tolist() == pytest.approx([0.2 * 1.25, 0.2 * 0.5])
    nest.appraise(step(2, done=[False, True]))
    assert attachment.retention()[0].tolist() == pytest.approx([0.0, 0.1])
    nest.cut_episode()
    assert not attachment.retention()[0].any()


def test_yearning_lives_one_episode_by_the_slow_memory_and_comes_home() -> None:
    nest = make(AffectConfig(attachment=AttachmentConfig(step_size=0.0, yearning=1.0)), 2)
    attachment = nest.attachment
    assert attachment is not None
    attachment.memory.M[:, 2, 0] = 1.0
    nest.appraise(step(2, lss=0.0, target=-1.0, done=[False, False]))  # gap (1 + 1)/(1 + 1)
    assert not attachment.visiting.any()
    nest.appraise(step(2, lss=0.0, target=-1.0, done=[True, False]))
    assert attachment.visiting.tolist() == [True, False]
    assert attachment.longing.tolist() == [0.0, 0.0]  # begins anew, or is added up at the end only
    assert attachment.steps.tolist() == [0.0, 2.0]
    bias = nest.modulate(torch.tensor([0, 0])).bias
    assert bias is not None
    assert (torch.tensor([5.0, 0.0, -5.0]) + bias).argmax(-1).tolist() == [2, 0]
    nest.appraise(step(2, lss=0.0, target=1.0, done=[True, True]))  # no gap: home; the other: 2/3 of one
    assert attachment.visiting.tolist() == [False, False]
    assert attachment.longing.tolist() == pytest.approx([0.0, 2 / 3])


def test_the_bond_is_how_far_the_slow_memory_is_known() -> None:
    """B += rate (1 - B) where it was, and S/B is the mean of the targets: exactly the one that was met."""
    nest = make(AffectConfig(attachment=dataclasses.replace(ATTACHED, mourning=0.0)), 2)
    attachment = nest.attachment
    assert attachment is not None
    for times in range(1, 6):
        nest.appraise(step(2, lss=-3.0, target=-3.0, done=[False, True]))
        rate, slow, bond = attachment.retention()
        assert bond[:, 0, 0].tolist() == pytest.approx([1 - 0.9**times] * 2)
        assert (slow[:, 0, 0] / bond[:, 0, 0]).tolist() == pytest.approx([-3.0, -3.0])
        assert (bond > 0).sum().item() == 2, "what was not met is not known"
    assert rate.tolist() == pytest.approx([0.0, 0.2])
    firm = make(AffectConfig(attachment=dataclasses.replace(ATTACHED, prior=1.0)))
    firm.appraise(step(lss=-3.0, target=-3.0))
    assert firm.attachment is not None
    assert (firm.attachment.retention()[2] == 1).all()


def test_of_several_features_every_active_one_is_known_better() -> None:
    config = AffectConfig(attachment=dataclasses.replace(ATTACHED, mourning=0.0))
    model = EmotionalQ("CartPole-v1", config, population=2, seed=0)
    attachment = model.affect.attachment
    assert attachment is not None
    model.learn(1)
    signals = model.signals
    rows = attachment.bond[torch.arange(2), signals["action"]]
    active = torch.zeros_like(rows).scatter_(-1, signals["key"], 0.1)
    assert signals["key"].shape[1] > 1
    assert torch.allclose(rows, active)
    assert attachment.bond.sum().item() == pytest.approx(active.sum().item())
    slow = attachment.memory.M[torch.arange(2), signals["action"]]
    read = (slow * (active > 0)).sum(-1)
    assert torch.allclose(read, 0.1 * signals["target"]), "what is read is known as far as its features are"


def test_who_grieves_knows_no_better() -> None:
    nest = make(AffectConfig(attachment=dataclasses.replace(ATTACHED, mourning=1.0, acceptance=1e-9)))
    attachment = nest.attachment
    assert attachment is not None
    nest.appraise(step(lss=2.0, target=2.0))
    nest.level("attachment").memory.M.fill_(1e6)
    nest.appraise(step(lss=-1.0, target=-1.0))  # everything is lost, and all of it mourned
    assert nest.signals["grief"].item() == 1
    assert attachment.bond[0, 0, 0].item() == pytest.approx(0.1)


def test_without_a_slow_memory_values_fall_back_to_zero_in_the_agent() -> None:
    config = AttachmentConfig(step_size=0.0, decay=1.0, prior=1.0)
    model = EmotionalQ("EmotionalED/SlipperyCliff-v0", AffectConfig(attachment=config), population=4, seed=0)
    ended = 0
    held: list[bool] = []

    def look(one: EmotionalQ) -> None:
        nonlocal ended
        assert one.last_step is not None
        done = one.last_step.terminated | one.last_step.truncated
        ended += int(done.sum())
        assert not one.value.M[done].any()
        held.append(bool(one.value.M.any()))

    model.learn(150, callback=look)
    assert ended >= 4
    assert any(held)


# ---------------------------------------------------------------- regret


def test_regret_by_hand_and_its_effect() -> None:
    nest = make(AffectConfig(regret=RegretConfig(step_size=0.5, gain=2.0)))
    nest.appraise(step(reward=1.0, forgone=[1.0, 3.0, 0.0]))
    assert nest.signals["regret"].item() == 2.0
    assert nest.level("regret").memory.M[0, :, 0].tolist() == [0.0, 1.0, -0.5]
    assert bias_of(nest) == [0.0, 2.0, -1.0]
    assert bias_of(nest, 1) == [0.0, 0.0, 0.0]


def test_regret_needs_feedback_and_fades_where_nothing_was_missed() -> None:
    nest = make(AffectConfig(regret=RegretConfig()))
    nest.appraise(step(reward=1.0, forgone=[1.0, 3.0, 0.0]))
    before = nest.level("regret").memory.M.clone()
    nest.appraise(step(reward=1.0))
    assert nest.signals["regret"].item() == 0
    assert torch.equal(nest.level("regret").memory.M, before)
    for _ in range(40):
        nest.appraise(step(reward=1.0, forgone=[1.0, 1.0, 1.0]))
    assert max(abs(one) for one in bias_of(nest)) < 1e-3


@pytest.mark.parametrize("listens", [False, True])
def test_regret_is_felt_only_by_who_listens(listens: bool) -> None:
    config = AffectConfig(regret=RegretConfig())
    model = EmotionalQ("EmotionalED/FullFeedback-v0", config, population=2, seed=0, listens=listens)
    model.learn(30)
    assert bool(model.affect.level("regret").memory.M.any()) is listens


# ---------------------------------------------------------------- joy


def test_joy_by_hand() -> None:
    nest = make(AffectConfig(joy=JoyConfig(rate=0.5, gain=3.0)))
    nest.appraise(step(lss=2.0))  # z = 1
    assert nest.signals["joy"].item() == 0.5
    assert exploration_of(nest) == pytest.approx(1 / 2.5)
    nest.appraise(step(lss=-2.0))  # bad surprises are no joy; it fades
    assert nest.signals["joy"].item() == 0.25


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30), st.floats(0.01, 1), st.floats(0, 1e6)
)
def test_joy_never_raises_exploration_and_fades(surprises: list[float], rate: float, gain: float) -> None:
    nest = make(AffectConfig(joy=JoyConfig(rate=rate, gain=gain)))
    for one in surprises:
        nest.appraise(step(lss=one))
        assert 0 < exploration_of(nest) <= 1
    felt = nest.signals["joy"].item()
    for _ in range(5):
        nest.appraise(step(lss=0.0))
    assert nest.signals["joy"].item() == pytest.approx(felt * (1 - rate) ** 5, rel=1e-3, abs=1e-6)


# ---------------------------------------------------------------- curiosity


def test_curiosity_by_hand_and_that_novelty_wears_off() -> None:
    nest = make(AffectConfig(curiosity=CuriosityConfig(step_size=0.5, gain=0.1, discount=0.0)))
    assert bias_of(nest) == pytest.approx([1e-7] * 3)  # enough to win a tie
    nest.appraise(step(lss=2.0, action=1))  # unit 2
    assert nest.signals["curiosity"].item() == 1.0
    assert bias_of(nest) == pytest.approx([0.2, 0.1, 0.2])
    nest.appraise(step(lss=2.0, action=1))
    assert nest.signals["curiosity"].item() == 0.5
    for _ in range(30):
        nest.appraise(step(lss=2.0, action=1))
    assert bias_of(nest) == pytest.approx([0.2, 0.0, 0.2], abs=1e-6)
    for _ in range(3000):
        nest.appraise(step(lss=0.01, target=-8.0, action=1))
    assert bias_of(nest)[0] == pytest.approx(0.8, rel=1e-3), "familiar, but as much is at stake"


def test_novelty_is_one_at_first_however_many_features_are_active() -> None:
    nest = make(AffectConfig(curiosity=CuriosityConfig(step_size=0.5, discount=0.0)), active=2)
    two = torch.tensor([[0, 3]])
    nest.appraise(step(lss=1.0)._replace(key=two, next_key=two))
    assert nest.signals["curiosity"].item() == 1.0
    held = nest.level("curiosity").memory.read(torch.tensor([[0, 1], [3, 0]])[:1])
    assert held[0].tolist() == [0.75, 1.0, 1.0]  # one feature in common: half as worn off


def novelty(nest: AffectSystem, state: int, member: int = 0) -> list[float]:
    found: list[float] = nest.level("curiosity").memory.M[member, :, state].tolist()
    return found


def test_novelty_that_lies_behind_an_action_by_hand() -> None:
    nest = make(AffectConfig(curiosity=CuriosityConfig(step_size=0.5, discount=0.8)))
    nest.appraise(step(key=0, next_key=1, action=2))
    assert nest.signals["curiosity"].item() == 1.0, "what was felt, before it was done"
    assert novelty(nest, 0) == pytest.approx([1, 1, 0.9]), "1 + .5 (.8 max(1, 1, 1) - 1)"
    nest.appraise(step(key=0, next_key=1, action=2))
    assert nest.signals["curiosity"].item() == pytest.approx(0.9)
    assert novelty(nest, 0)[2] == pytest.approx(0.85)
    nest.appraise(step(key=1, next_key=3, action=0)._replace(terminated=torch.tensor([True])))
    assert novelty(nest, 1) == pytest.approx([0.5, 1, 1]), "nothing lies behind the end"
    nest.appraise(step(key=1, next_key=3, action=1, done=True)._replace(terminated=torch.tensor([False])))
    assert novelty(nest, 1) == pytest.approx([0.5, 0.9, 1]), "what was cut off might have gone on"


@settings(deadline=None, max_examples=15)
@given(st.floats(0.0, 0.6), st.integers(0, 2), st.integers(0, 2**31))
def test_novelty_settles_at_the_discounted_distance_to_what_was_never_done(
    discount: float, untried: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    leads = torch.randint(STATES, (STATES, ACTIONS), generator=rng)
    worth = torch.zeros(STATES, ACTIONS, dtype=torch.float64)  # the oracle: value iteration
    for _ in range(400):
        worth = discount * worth[leads].amax(-1)
        worth[3, untried] = 1
    nest = make(AffectConfig(curiosity=CuriosityConfig(step_size=1.0, discount=discount)))
    for _ in range(25):  # 0.6^25 is 3e-6
        for state in range(STATES):
            for action in range(ACTIONS):
                if (state, action) != (3, untried):
                    nest.appraise(step(key=state, next_key=leads[state, action].item(), action=action))
    held = torch.tensor([novelty(nest, state) for state in range(STATES)], dtype=torch.float64)
    torch.testing.assert_close(held, worth, atol=1e-5, rtol=1e-5)


def test_in_a_new_situation_everything_is_new_again_and_only_there() -> None:
    nest = make(AffectConfig(curiosity=CuriosityConfig()), population=2)
    for state in range(STATES):
        nest.appraise(step(2, key=state, next_key=state))
    before = novelty(nest, 0, member=1)
    assert before[0] < 1
    nest.begin_anew(torch.tensor([True, False]))
    assert novelty(nest, 0) == [1.0] * ACTIONS
    assert novelty(nest, 0, member=1) == before


def test_curiosity_finds_its_way_to_what_is_far_and_without_foresight_it_does_not() -> None:
    found = {}
    for discount in (0.0, 0.9):
        affect = AffectConfig(curiosity=CuriosityConfig(discount=discount))
        model = EmotionalQ("EmotionalED/SparseMaze-v0", affect, population=16, exploration=0.02, seed=0)
        model.learn(2000)
        ends = model.episodes
        found[discount] = len(set(ends["member"][ends["return"] > 0]))
    assert found[0.9] == 16
    assert found[0.0] <= 4


# ---------------------------------------------------------------- spectrum


def test_spectrum_by_hand() -> None:
    config = SpectrumConfig(
        periods=(1, 2), step_size=1.0, ridge=0.5, midpoint=0.25, exploration_gains=(0.5, -1.0)
    )
    nest = make(AffectConfig(spectrum=config))
    expected = [(0.32, 0.0), (0.448, 0.32), ((0.448 + 0.8 + 0.16) / 2.5, 0.32)]
    for fast, slow in expected:  # z = 1, y = 0.8; denominator 1 + 1 + 0.5
        nest.appraise(step(lss=1.0))
        assert nest.signals["spectrum_0"].item() == pytest.approx(fast)
        assert nest.signals["spectrum_1"].item() == pytest.approx(slow)
        assert nest.signals["spectrum"].item() == pytest.approx(slow)
    assert exploration_of(nest) == pytest.approx((1 - 0.5 * expected[2][0]) * 1.32)


def test_one_level_of_a_spectrum_is_a_mood_without_temperament() -> None:
    same: dict[str, Any] = {"step_size": 0.7, "ridge": 0.4, "midpoint": 0.3}
    one = make(AffectConfig(spectrum=SpectrumConfig(periods=(5,), exploration_gains=(0.5,), **same)))
    other = make(AffectConfig(mood=MoodConfig(period=5, **same), temperament=TemperamentConfig(step_size=0)))
    g = torch.Generator().manual_seed(0)
    for _ in range(43):
        felt = step(lss=torch.randn(1, generator=g))
        one.appraise(felt)
        other.appraise(felt)
        assert one.signals["spectrum"].item() == pytest.approx(other.signals["mood"].item(), abs=1e-6)
    assert exploration_of(one) == pytest.approx(exploration_of(other), abs=1e-6)


def test_each_slower_level_anchors_the_faster_one() -> None:
    """After a long bad time a short good one changes what is fast; what is slow brings it back."""
    nest = make(AffectConfig(spectrum=SpectrumConfig(periods=(1, 8, 1000), exploration_gains=(0, 0, 0))))
    nest.level("spectrum").M[0] = torch.tensor([0.9, 0.9, -0.9])
    for _ in range(200):
        nest.appraise(step(lss=0.0))
    fast, middle, slow = nest.level("spectrum").M[0].tolist()
    assert slow == pytest.approx(-0.9)
    assert middle == pytest.approx(slow * 0.2 / 1.2, abs=1e-3)
    assert fast == pytest.approx(middle * 0.2 / 1.2, abs=1e-3)


@given(st.integers(0, 1000))
def test_a_spectrum_fires_on_time_and_stays_within_bounds(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    nest = make(AffectConfig(spectrum=SpectrumConfig(periods=(1, 3, 7), exploration_gains=(1, 1, -1))))
    before, changes = torch.zeros(3), torch.zeros(3)
    for t in range(1, 43):
        nest.appraise(step(lss=10 * torch.randn(1, generator=g)))
        now = nest.level("spectrum").M[0].clone()
        changes += now != before
        before = now
        assert changes.tolist() == [t, t // 3, t // 7]
        assert bool((now.abs() < 1).all())
        assert exploration_of(nest) > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("periods", (8, 1, 2, 3)), ("periods", (1, 1, 2, 3)), ("periods", ()), ("periods", [1, 2, 3, 4]),
        ("periods", ("fast", 2, 3, 4)), ("periods", (0, 1, 2, 3)), ("periods", (1.5, 2, 3, 4)),
        ("exploration_gains", (0.1,)), ("exploration_gains", (2, 0, 0, 0)), ("exploration_gains", 0.5),
        ("midpoint", 0.0), ("ridge", float("nan")),
    ],
)  # fmt: skip
def test_a_bad_spectrum_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"SpectrumConfig.{field}: got "):
        SpectrumConfig(**{field: value})


# ---------------------------------------------------------------- salience


def test_salience_by_hand() -> None:
    mean, size = (make(AffectConfig(salience=SalienceConfig(epistemic=one))) for one in (1.0, 0.0))
    expected = [(1.0, 1.0), (1 / 6, 4 / 3)]  # z = 1, then -4/3: mean 1 + 1/2 (-4/3 - 1)
    for lss, (usual, now) in zip([2.0, -4.0], expected, strict=True):
        for nest, value in ((mean, usual), (size, now)):
            nest.appraise(step(lss=lss))
            assert nest.signals["salience"].item() == pytest.approx(value)


def test_noise_is_not_salient_but_what_can_be_learned_is() -> None:
    g = torch.Generator().manual_seed(0)
    nest = make(AffectConfig(salience=SalienceConfig()), 64)
    salience = {True: 0.0, False: 0.0}
    for t in range(400):
        noise = torch.randn(64, generator=g)
        learnable = t % 2 == 0
        nest.appraise(
            step(64, lss=1.0 + noise if learnable else noise, key=0 if learnable else 1, next_key=2)
        )
        if t >= 200:
            salience[learnable] += float(nest.signals["salience"].mean()) / 100
    assert salience[True] > 2.5 * salience[False]


def test_feelings_make_salient_only_those_who_have_them() -> None:
    salience = SalienceConfig(epistemic=0.0, feeling=2.0)
    fearful, fearless = AffectConfig(salience=salience, fear=FearConfig()), AffectConfig(salience=salience)
    both, alone = make([fearless, fearful], 2), make(fearless)
    for t in range(60):
        lss = -20.0 if t == 50 else 0.1
        both.appraise(step(2, lss=lss, reward=lss))
        alone.appraise(step(lss=lss, reward=lss))
    assert both.signals["fear"][0] == 0
    assert both.signals["fear"][1] > 0
    assert both.signals["salience"][0] == alone.signals["salience"][0]
    assert both.signals["salience"][1] == both.signals["salience"][0] + 2 * both.signals["fear"][1]


# ---------------------------------------------------------------- weights

AROUSED = ArousalConfig(allowance=0.0, threshold=1.0, step_gain=1.0, exploration_gain=1.0)


def weighed(**fields: Any) -> AffectConfig:
    return AffectConfig(arousal=AROUSED, weights=WeightsConfig(channels=("arousal",), **fields))


def test_weights_by_hand() -> None:
    nest = make(weighed(episodes=2, patience=0.5, optimism=0.5))
    weights = nest.level("weights")

    def trial(*returns: float) -> float:
        for one in returns:
            nest.appraise(step(reward=one / 2))
            nest.appraise(step(reward=one / 2, done=True))
        return float(weights.of("arousal"))

    assert trial(3.0, 1.0) == 0.0  # outcome 2; weight 0 was never tried
    assert trial(0.0, 0.0) == 1.0  # nothing was compared yet: the better one
    assert weights.spread.item() == 0
    assert trial(1.0, 1.0) == 1.0
    assert weights.number[0, 0, :, 0].tolist() == [0.5 * 0.5 + 1, 0.5]
    assert weights.value[0, 0, :, 0].tolist() == pytest.approx([2 - 0.8, 0.0])  # rate 1/1.25
    assert weights.spread.item() == 1.0
    # 1.2 + 0.5/sqrt(1.25) against 0.5/sqrt(0.5): stays; then the spread shrinks where nothing is missed
    trial(1.2, 1.2)
    assert weights.spread.item() == pytest.approx(0.9)


def test_weights_are_judged_by_the_return_less_the_price_of_declared_dangers() -> None:
    fear = affect_package.FearConfig(declared=True, caution=0.5)
    known = AffectConfig(fear=fear, weights=WeightsConfig(channels=("fear",), episodes=1))
    nest, deaf = make(known), make(dataclasses.replace(known, fear=dataclasses.replace(fear, declared=False)))
    for danger, done in ((0.0, False), (1.0, False), (1.0, True)):
        lived = step(lss=1.0, reward=2.0, done=done)._replace(danger=torch.tensor([danger]))
        for one in (nest, deaf):
            one.appraise(lived)
    price = 0.5 * max(1.0, 1.0)  # caution times the unit of surprise, which is 1 as the typical target is
    assert nest.level("weights").value[0, 0, 0].tolist() == pytest.approx([6.0 - 2 * price, 0.0])
    assert deaf.level("weights").value[0, 0, 0].tolist() == pytest.approx([6.0, 0.0])


def test_a_weight_of_zero_is_the_agent_without_that_emotion() -> None:
    never: dict[str, Any] = {"gains": (0.0, 1.0), "episodes": 10**6}
    nest, free = make(weighed(**never)), make(AffectConfig(arousal=AROUSED))
    factors = [(nest.appraise(step(lss=1.0)), free.appraise(step(lss=1.0))) for _ in range(5)]
    assert [float(one) for one in factors[-1] if one is not None] == [1.0, 2.0]
    assert (exploration_of(nest), exploration_of(free)) == (1.0, 2.0)
    for name in ("attachment", "joy", "curiosity"):
        kind = getattr(affect_package, f"{name.title()}Config")
        part: dict[str, Any] = {name: kind(), "weights": WeightsConfig(channels=(name,), **never)}
        arms = [AffectConfig(**part), AffectConfig()]
        model = EmotionalQ("EmotionalED/NewGoals-v0", arms, population=2, seed=[3, 3])
        model.learn(150)
        assert torch.equal(model.value.M[0], model.value.M[1]), name


def test_a_single_gain_is_a_constant_weight() -> None:
    nest, free = make(weighed(gains=(0.5,), episodes=1)), make(AffectConfig(arousal=AROUSED))
    for done in (False, True, False, True):
        half, full = (one.appraise(step(lss=1.0, done=done)) for one in (nest, free))
    assert half is not None
    assert full is not None
    assert (half.item(), full.item()) == (1.5, 2.0)
    assert (exploration_of(nest), exploration_of(free)) == (1.5, 2.0)


def test_the_step_that_ends_a_trial_counts_with_its_weight_not_the_next() -> None:
    nest = make(weighed(episodes=1))
    for _ in range(3):
        nest.appraise(step(lss=1.0))
    factor = nest.appraise(step(lss=1.0, done=True))
    assert factor is not None
    assert factor.item() == 2.0
    factor = nest.appraise(step(lss=1.0))
    assert factor is not None
    assert factor.item() == 1.0


def test_weights_are_learned_for_each_mood() -> None:
    config = dataclasses.replace(
        weighed(episodes=1, patience=1.0),
        mood=MoodConfig(period=10**6), temperament=TemperamentConfig(step_size=0),
    )  # fmt: skip
    nest = make(config)
    weights, chosen, mood = nest.level("weights"), [], 0.5
    for t in range(200):
        good = float(weights.of("arousal")) == (
            1.0 if mood > 0 else 0.0
        )  # chosen in the mood of the last step
        mood = 0.5 if (t // 2) % 2 else -0.5
        nest.level("mood").M.fill_(mood)
        nest.appraise(step(reward=float(good), done=True))
        chosen.append(good)
    assert sum(chosen[-50:]) >= 45


def test_bandits_of_single_channels_find_out_which_emotion_helps() -> None:
    parts = {"arousal": AROUSED, "fear": FearConfig(), "anger": AngerConfig()}
    shares = {}
    for together in (False, True):
        weights = WeightsConfig(together=together, episodes=1)
        nest = make(AffectConfig(**parts, weights=weights))  # type: ignore[arg-type]
        level, good = nest.level("weights"), []
        for _ in range(300):
            outcome = float(level.of("fear")) - float(level.of("anger")) + 0.5 * float(level.of("arousal"))
            nest.appraise(step(reward=outcome, done=True))
            good.append(outcome)
        shares[together] = sum(good[100:]) / 200
    assert shares[False] > 1.2  # of at most 1.5
    assert shares[True] <= 0.5  # one weight for all cannot


def test_weights_are_an_insurance_against_an_emotion_that_harms() -> None:
    g = torch.Generator().manual_seed(0)
    nest = make(weighed(episodes=1), 64)
    level, cost = nest.level("weights"), []
    for _ in range(400):
        weight = level.of("arousal").clone()
        cost.append(float(weight.mean()))
        nest.appraise(step(64, reward=torch.randn(64, generator=g) - weight, done=True))
    assert sum(cost[-100:]) / 100 < 0.25


def test_a_cut_trial_begins_anew() -> None:
    nest = make(weighed(episodes=2))
    nest.appraise(step(reward=100.0, done=True))
    nest.appraise(step(reward=100.0))
    nest.cut_episode()
    for _ in range(2):
        nest.appraise(step(reward=1.0, done=True))
    assert nest.level("weights").value[0, 0, :, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", ()), ("channels", ("fear", "fear")), ("channels", ["fear"]), ("gains", ()),
        ("gains", (1.0, 1.0)), ("gains", (0.0, 1.5)), ("together", 1), ("episodes", 0), ("patience", 0.0),
    ],
)  # fmt: skip
def test_bad_weights_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"WeightsConfig.{field}: got "):
        WeightsConfig(**{field: value})


# ---------------------------------------------------------------- the shuffled control


def test_a_shuffled_trace_gives_back_every_moment_equally_often() -> None:
    moments = 16
    shuffle = Shuffle(torch.tensor([True, False]), moments)
    taken = torch.zeros(2000)
    for t in range(2000):
        now = torch.tensor([float(t), float(t)])
        drive = shuffle.drive(Drive(exploration=now, bias=now[:, None]))
        assert drive.exploration is not None
        then, own = drive.exploration.tolist()
        assert own == t
        assert t == 0 or max(0, t - moments) <= then <= t - 1
        assert torch.equal(drive.bias, drive.exploration[:, None])  # type: ignore[arg-type]
        taken[int(then)] += 1
        shuffle.remember(Drive(exploration=now, bias=now[:, None]), None)
    assert taken[100:1900].mean() == pytest.approx(1, abs=0.01)
    assert taken[100:1900].max() <= 4
    assert (taken[100:1900] > 0).float().mean() > 0.5


def test_where_a_channel_wanted_nothing_its_trace_is_neutral() -> None:
    shuffle = Shuffle(torch.tensor([True]), 4)
    for _ in range(3):
        shuffle.remember(None, None)
    loud = Drive(exploration=torch.tensor([5.0]), persist=torch.tensor([True]), action=torch.tensor([2]))
    shuffle.remember(loud, torch.tensor([3.0]))
    for _ in range(3):
        shuffle.remember(None, None)
    seen = []
    for _ in range(8):
        drive, factor = shuffle.drive(None), shuffle.step_factor(None)
        assert drive.exploration is not None
        assert factor is not None
        seen.append((drive.exploration.item(), factor.item()))
        shuffle.remember(None, None)
    assert set(seen) <= {(1.0, 1.0), (5.0, 3.0)}
    assert seen[-1] == (1.0, 1.0)  # the loud moment is forgotten


def test_choice_and_step_are_taken_from_the_same_moment() -> None:
    g = torch.Generator().manual_seed(1)
    arousal = dataclasses.replace(AROUSED, allowance=0.3)
    nest = make(AffectConfig(arousal=arousal, shuffled=("arousal",)))
    twin = make(AffectConfig(arousal=arousal))
    moments: list[tuple[float, float]] = []
    odd = 0
    for t in range(300):
        felt = step(lss=torch.randn(1, generator=g))
        wished, meant = exploration_of(twin), twin.appraise(felt)
        got, factor = exploration_of(nest), nest.appraise(felt)
        assert meant is not None
        assert factor is not None
        now = (wished, meant.item())
        assert (got, factor.item()) in moments or t == 0
        odd += (got, factor.item()) != now
        moments.append(now)
    assert odd > 100
    assert nest.state_dict()["shuffles.arousal.count"] == 300


def test_a_shuffled_control_goes_on_after_loading_and_needs_no_choice_before() -> None:
    config = AffectConfig(arousal=AROUSED, fear=FearConfig(), own=(Whim.Config(),), shuffled=("fear", "whim"))
    one, other = make(config, 2), make(config, 2)
    one.appraise(step(2, lss=1.0))
    g = torch.Generator().manual_seed(0)
    for t in range(80):
        if t == 40:
            assert other.load_state_dict(one.state_dict()) is not None
        for nest in (one, other) if t >= 40 else (one,):
            state = torch.Generator().set_state(g.get_state())
            drive = nest.modulate(torch.tensor([t % 4, 1]))
            factor = nest.appraise(step(2, lss=torch.randn(2, generator=state) * 3, key=[t % 4, 1]))
            if nest is one:
                expected = (drive, factor)
        g.set_state(state.get_state())
        if t >= 40:
            assert torch.equal(expected[1], factor)  # type: ignore[arg-type]
            for field in dataclasses.fields(Drive):
                was, now = getattr(expected[0], field.name), getattr(drive, field.name)
                assert (was is None and now is None) or torch.equal(was, now), field.name
    fresh = make(config, 2)
    other.load_state_dict(fresh.state_dict())  # traces that the file lacks are dropped
    assert other.shuffles["fear"].bias is None


def test_what_was_wished_is_kept_as_it_was() -> None:
    """Anger's wish is its own memory, which the same step changes; the trace must hold what it was before."""
    nest = make(AffectConfig(anger=AngerConfig(), shuffled=("anger",)))
    wished = []
    for t in range(60):
        persist = nest.level("anger").persist.clone()
        nest.modulate(torch.tensor([0]))
        blocked = 20 <= t < 24
        nest.appraise(step(lss=0.1 * (-1) ** t, key=0, next_key=0 if blocked else 1))
        wished.append(bool(persist))
    assert sum(wished) == 4
    assert nest.state_dict()["shuffles.anger.persist"][0, :60].tolist() == wished


@pytest.mark.parametrize("names", [("recall",), ("surprise",), ("joy",), "fear", ["fear"]])
def test_only_what_bends_can_be_shuffled_or_weighed(names: Any) -> None:
    full = dataclasses.replace(AffectConfig.levels(2), salience=SalienceConfig())
    with pytest.raises(ValueError, match=r"AffectConfig.shuffled: got "):
        dataclasses.replace(full, shuffled=names)
    if isinstance(names, tuple):
        with pytest.raises(
            ValueError, match=r"AffectConfig.weights.channels: got .*\['anger', 'arousal', 'fear"
        ):
            dataclasses.replace(full, weights=WeightsConfig(channels=names))


# ---------------------------------------------------------------- recall


def remembering(**fields: Any) -> AffectConfig:
    return AffectConfig(mood=MoodConfig(), temperament=TemperamentConfig(), recall=RecallConfig(**fields))


def test_one_slot_never_switches() -> None:
    nest = make(remembering(slots=1))
    for t in range(60):
        nest.appraise(step(lss=-5.0 if t > 30 else 0.1, reward=-0.1, done=True))
        assert nest.slot is not None
        assert nest.slot.item() == 0
        assert not nest.recall.fresh.any()  # type: ignore[union-attr]


def test_one_memory_needs_no_telling_what_each_would_have_felt_but_several_do() -> None:
    nest = make(remembering(slots=1))
    nest.appraise(step(lss=2.0)._replace(slot_lss=None))
    assert nest.recall.total[0].tolist() == [2.0, 0.0]  # type: ignore[union-attr]
    several = make(remembering(slots=3))
    wrong = (
        (None, "None"),
        (torch.zeros(1, 4), r"\[1, 4\]"),
        (torch.zeros(2, 3), r"\[2, 3\]"),
        (torch.zeros(3), r"\[3\]"),
    )
    for felt, got in wrong:
        with pytest.raises(ValueError, match=rf"slot_lss: got {got}, expected \[1, 3\] for recall"):
            several.appraise(step(lss=2.0)._replace(slot_lss=felt))
    recall = several.recall
    assert recall is not None
    recall.used[0, 1] = True
    recall.load_state_dict(recall.state_dict())  # two in use: what each of them has felt must be said
    with pytest.raises(ValueError, match="or the first 2 to 2 of these columns"):
        several.appraise(step(lss=2.0)._replace(slot_lss=torch.zeros(1, 1)))
    several.appraise(step(lss=2.0, reward=-0.5)._replace(slot_lss=torch.tensor([[2.0, 1.0]])))
    assert recall.total[0].tolist() == [2.0, 1.0, -0.5, -0.5]


def test_what_blank_memories_feel_need_not_be_said() -> None:
    one, other = make(remembering(slots=3)), make(remembering(slots=3))
    recall, others = one.recall, other.recall
    assert recall is not None
    assert others is not None
    seen = set()
    for t in range(600):
        phase = t // 200  # each time what was known fails
        reward = -1.0 if t % 200 > 100 else 0.2
        lss = [0.1 if (slot + phase) % 3 == 0 and reward > 0 else -2.0 - slot for slot in range(3)]
        felt = step(lss=lss[0], reward=reward, done=t % 5 == 4, room=3)
        used = recall.in_use
        seen.add(used)
        slots = torch.tensor([[*lss[:used], *[reward] * (3 - used)]])
        one.appraise(felt._replace(slot_lss=slots))
        other.appraise(felt._replace(slot_lss=slots[:, :used]))
        for name, held in recall.state_dict().items():
            assert torch.equal(held, others.state_dict()[name]), name
    assert {1, 2} <= seen


def test_chance_switches_as_often_as_asked_whatever_is_felt() -> None:
    nest = make([remembering(slots=3, cue="chance", threshold=4.0), remembering(slots=3)], 2)
    slots = []
    for t in range(400):
        nest.appraise(step(2, lss=0.1 * (-1) ** t, reward=1.0, done=True, room=3))
        assert nest.slot is not None
        slots.append(nest.slot.tolist())
    switches = [(one[0], other[0]) for one, other in pairwise(slots) if one[0] != other[0]]
    assert 90 <= len(switches) <= 110
    assert all(after == (before + 1) % 3 for before, after in switches)
    assert {other for _, other in slots} == {0}


def test_members_with_different_room_use_their_own() -> None:
    nest = make([remembering(slots=one) for one in (1, 2, 4)], 3)
    assert nest.slots == 4
    recall = nest.recall
    assert recall is not None
    seen: list[set[int]] = [set(), set(), set()]
    for t in range(300):  # after every ten episodes whatever was known fails
        slot = recall.slot
        bad = t % 10 == 9
        felt = step(3, lss=0.1 * (-1) ** t, reward=-0.1 if bad else 1.0, done=True, room=4)
        if bad:
            felt = felt._replace(slot_lss=torch.full((3, 4), -3.0))
        nest.appraise(felt)
        for member in range(3):
            seen[member].add(int(slot[member]))
    assert seen == [{0}, {0, 1}, {0, 1, 2, 3}]
    assert recall.memories.tolist() == [1, 2, 4]


# ---------------------------------------------------------------- temperament


def test_temperament_without_mood_stays_as_it_was() -> None:
    born = AffectConfig(temperament=TemperamentConfig(initial=0.4, step_size=1.0))
    moody = dataclasses.replace(born, mood=MoodConfig(period=1))
    nest, company = make(born), make([born, moody], 2)
    for _ in range(20):
        nest.appraise(step(lss=-1.0, done=True))
        company.appraise(step(2, lss=-1.0, done=True))
    assert nest.signals["temperament"].item() == pytest.approx(0.4)
    assert company.signals["temperament"][0] == nest.signals["temperament"][0]
    assert company.signals["temperament"][1] < 0


# ---------------------------------------------------------------- wishes


@given(st.integers(0, 10**6))
def test_a_weight_of_zero_adds_nothing_and_one_adds_all(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)

    def wish() -> Drive:
        return Drive(
            exploration=torch.rand(2, generator=g) * 3, bias=torch.randn(2, 3, generator=g),
            avoidance=torch.rand(2, 3, generator=g), persist=torch.rand(2, generator=g) < 0.5,
            action=torch.randint(3, (2,), generator=g),
        )  # fmt: skip

    first, second = wish(), wish()
    weight = torch.tensor([0.0, 1.0])
    joined, full = Drive(), Drive()
    joined.join(first)
    joined.join(second, weight)
    full.join(first)
    full.join(second)
    late = Drive()
    late.join(first, weight)
    late.join(second)
    for name in ("exploration", "bias", "avoidance", "persist"):
        assert torch.equal(getattr(joined, name)[0], getattr(first, name)[0]), name
        assert torch.equal(getattr(joined, name)[1], getattr(full, name)[1]), name
        assert torch.equal(getattr(late, name)[0], getattr(second, name)[0]), name
    assert joined.avoidance is not None
    assert first.avoidance is not None
    assert bool((joined.avoidance >= first.avoidance).all())
    assert bool((joined.avoidance <= 1).all())
    assert joined.action is not None
    assert second.persist is not None
    if second.persist[1]:
        assert joined.action[1] == second.action[1]  # type: ignore[index]


# ---------------------------------------------------------------- company

EVERYTHING = AffectConfig(
    arousal=AROUSED, fear=FearConfig(step_gain=0.7), anger=AngerConfig(), regret=RegretConfig(gain=0.3),
    joy=JoyConfig(), curiosity=CuriosityConfig(), attachment=AttachmentConfig(yearning=3.0, step_size=0.3),
    mood=MoodConfig(period=7), temperament=TemperamentConfig(),
    spectrum=SpectrumConfig(periods=(1, 2, 4, 8), exploration_gains=(0.3, -0.2, 0.25, 0.1)),
    recall=RecallConfig(slots=3), salience=SalienceConfig(feeling=0.5),
    weights=WeightsConfig(channels=("fear", "joy", "whim"), episodes=1, gains=(1.0, 0.3, 0.7), together=False),
    own=(Whim.Config(),),
)  # fmt: skip
NEEDED_BY = {"mood": ("recall",), "temperament": ("mood", "recall")}


def without(name: str) -> AffectConfig:
    """Everything but one part, and but what cannot be without it."""
    gone = {name, *NEEDED_BY.get(name, ())}
    changes: dict[str, Any] = {one: None for one in gone if one != "whim"}
    if name == "whim":
        changes["own"] = ()
    weights = EVERYTHING.weights
    assert weights is not None
    if "weights" not in gone:
        kept = tuple(one for one in weights.channels if one not in gone)
        changes["weights"] = weights if kept == weights.channels else None
    return dataclasses.replace(EVERYTHING, **changes)


PARTS = [name for name in EVERYTHING.parts() if name != "surprise"]
NEUTRAL = {"exploration": 1.0, "bias": 0.0, "avoidance": 0.0, "persist": 0.0}


def random_step(population: int, g: torch.Generator, room: int) -> Experience:
    def choice(high: int) -> Tensor:
        return torch.randint(high, (population,), generator=g)

    made = step(
        population, lss=torch.randn(population, generator=g) * 2, target=torch.randn(population, generator=g)
    )
    action, key = choice(ACTIONS), choice(2)
    done = torch.rand(population, generator=g) < 0.3
    return made._replace(
        action=action, chosen=torch.nn.functional.one_hot(action, ACTIONS).bool(), key=key,
        next_key=torch.where(choice(3) > 0, key, choice(STATES)), moved=choice(2) > 0, done=done,
        terminated=done & (choice(2) > 0), reward=torch.randn(population, generator=g),
        slot_lss=torch.randn(population, room, generator=g),
        forgone=torch.randn(population, ACTIONS, generator=g),
    )  # fmt: skip


def same_wishes(drive: Drive, alone: Drive, member: int) -> None:
    for name, neutral in NEUTRAL.items():
        mine, own = getattr(drive, name), getattr(alone, name)
        if mine is None:
            assert own is None, name
            continue
        expected = torch.full_like(mine[:1], neutral) if own is None else own
        assert torch.equal(mine[member : member + 1], expected), (name, member)
    if drive.persist is not None and drive.persist[member]:
        assert drive.action is not None
        assert alone.action is not None
        assert drive.action[member] == alone.action[0]


def test_every_member_is_as_if_alone_whatever_the_others_have() -> None:
    shuffled = dataclasses.replace(without("weights"), shuffled=("anger", "spectrum", "whim"))
    kinds = [without("anger"), *(without(name) for name in PARTS), EVERYTHING, AffectConfig(), shuffled]
    kinds += [
        AffectConfig(own=(Whim.Config(size=0.9),), joy=JoyConfig(), attachment=AttachmentConfig(yearning=1))
    ]
    kinds += [dataclasses.replace(EVERYTHING, recall=RecallConfig(slots=1))]
    mixed, alone = make(kinds, len(kinds)), [make(kind) for kind in kinds]
    names = [level.name for level in mixed.channels]
    g = torch.Generator().manual_seed(0)
    for _ in range(45):
        felt = random_step(len(kinds), g, mixed.slots)
        drive, factor = mixed.modulate(felt.key).clone(), mixed.appraise(felt)
        assert factor is not None
        for i, one in enumerate(alone):
            own = Experience(*(None if field is None else field[i : i + 1] for field in felt))  # type: ignore[arg-type]
            own = own._replace(slot_lss=felt.slot_lss[i : i + 1, : one.slots])  # type: ignore[index]
            same_wishes(drive, one.modulate(own.key), i)
            single = one.appraise(own)
            assert factor[i].item() == (1.0 if single is None else single.item()), i
            for name, value in one.signals.items():
                if name != "slot_lss":
                    assert torch.equal(mixed.signals[name][i : i + 1], value), (name, i)
            for name in names:
                if name in mixed.signals and name not in kinds[i].parts():
                    assert mixed.signals[name][i] == 0, (name, i)


def test_every_part_is_on_the_device() -> None:
    config = dataclasses.replace(EVERYTHING, shuffled=("fear", "whim"))
    nest = AffectSystem(config, 2, actions=ACTIONS, keys=STATES, device="meta")
    found = set()
    for module in nest.modules():
        for name, value in (*vars(module).items(), *module.named_buffers(recurse=False)):
            if isinstance(value, Tensor):
                assert value.device.type == "meta", (type(module).__name__, name)
                found.add(type(module).__name__.lower())
    stateless = {"surprise", "whim"} - found  # all of surprise is in its standardiser
    assert {*EVERYTHING.parts(), "shuffle", "standardiser"} - stateless <= found


def test_everything_goes_on_bit_for_bit_after_loading() -> None:
    config = dataclasses.replace(EVERYTHING, shuffled=("fear", "whim"))
    one, other = make(config, 2), make(config, 2)
    g = torch.Generator().manual_seed(0)
    for t in range(60):
        felt = random_step(2, g, 3)
        drive, factor = one.modulate(felt.key), one.appraise(felt)
        if t == 30:
            other.load_state_dict(one.state_dict())
        if t > 30:
            again, also = other.modulate(felt.key), other.appraise(felt)
            assert torch.equal(factor, also)  # type: ignore[arg-type]
            assert torch.equal(drive.bias, again.bias)  # type: ignore[arg-type]
            for name, value in one.signals.items():
                assert torch.equal(value, other.signals[name]), name


def test_each_channel_changes_what_the_agent_does_and_quiet_ones_do_not() -> None:
    loud = {
        "joy": AffectConfig(joy=JoyConfig(gain=50.0)),
        "curiosity": AffectConfig(curiosity=CuriosityConfig(gain=30.0)),
        "attachment": AffectConfig(attachment=AttachmentConfig(decay=0.5)),
        "spectrum": AffectConfig(spectrum=SpectrumConfig(exploration_gains=(1.0, 1.0, 0.0, 0.0))),
        "regret": AffectConfig(regret=RegretConfig()),
        "whim": AffectConfig(own=(Whim.Config(),)),
        "weighed": AffectConfig(joy=JoyConfig(gain=50.0), weights=WeightsConfig(channels=("joy",))),
        "shuffled": AffectConfig(joy=JoyConfig(gain=50.0), shuffled=("joy",)),
    }
    quiet = AffectConfig(
        joy=JoyConfig(gain=0.0), curiosity=CuriosityConfig(gain=0.0), salience=SalienceConfig(),
        attachment=AttachmentConfig(decay=0.0), regret=RegretConfig(gain=0.0),
        spectrum=SpectrumConfig(exploration_gains=(0.0,) * 4), own=(Whim.Config(size=0.0),),
    )  # fmt: skip
    arms = [AffectConfig(), quiet, *loud.values()]
    model = EmotionalQ(
        "EmotionalED/FullFeedback-v0",
        arms,
        population=len(arms),
        seed=[5] * len(arms),
        listens=True,
        exploration=0.3,
    )
    model.learn(250)
    plain, silent, *rest = model.value.M
    assert torch.equal(plain, silent)
    for name, values in zip(loud, rest, strict=True):
        assert not torch.equal(plain, values), name


def test_a_member_leaves_a_population_with_all_its_channels(tmp_path: Path) -> None:
    config = dataclasses.replace(EVERYTHING, own=(), weights=None)
    arms = [config, dataclasses.replace(config, joy=None), config, config]  # as many as a spectrum has levels
    model = EmotionalQ("EmotionalED/NewGoals-v0", arms, population=4, seed=0).learn(70)
    single = load_member(model.save(tmp_path / "all"), 1)
    model.learn(40)
    single.learn(40)
    assert torch.equal(model.value.M[1], single.value.M[0])
    assert torch.equal(model.signals["spectrum_1"][1:2], single.signals["spectrum_1"])


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_wishes_and_factors_stay_finite_and_in_range(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    nest = make(EVERYTHING, 3)
    for _ in range(25):
        felt = random_step(3, g, 3)
        scale = 10.0 ** float(torch.randint(-12, 12, (), generator=g))
        felt = felt._replace(lss=felt.lss * scale, target=felt.target * scale, reward=felt.reward * scale)
        drive, factor = nest.modulate(felt.key), nest.appraise(felt)
        assert factor is not None
        assert bool((factor >= 0).all() & factor.isfinite().all())
        assert drive.exploration is not None
        assert bool((drive.exploration >= 0).all() & drive.exploration.isfinite().all())
        assert drive.bias is not None
        assert bool(drive.bias.isfinite().all())
        assert drive.avoidance is not None
        assert bool(((drive.avoidance >= 0) & (drive.avoidance <= 1)).all())


# ---------------------------------------------------------------- the registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, type[Channel]]:
    mine = dict(Channel.registry)
    monkeypatch.setattr(Channel, "registry", mine)
    return mine


def define(name: Any, config: Any = None, **attributes: Any) -> type[Channel]:
    """Define a channel as a class statement would, with a configuration of its own unless one is given."""
    if config is None:
        config = dataclass(frozen=True, kw_only=True)(type("Config", (ChannelConfig,), {}))
    body = {"name": name, "Config": config, "update": lambda self, signals, due: None, **attributes}
    return type(str(name).title() or "Nameless", (Channel,), body)


@pytest.mark.parametrize("name", [None, "", "a.b", "two words", "keys", "update", "train", 3])
def test_a_channel_needs_a_free_name(name: Any, registry: dict[str, type[Channel]]) -> None:
    with pytest.raises(TypeError, match=r"\.name: got .*expected an identifier that torch leaves free"):
        define(name)


def test_a_name_or_configuration_that_is_taken_is_refused_and_stays(
    registry: dict[str, type[Channel]],
) -> None:
    fear = FearConfig.channel
    with pytest.raises(TypeError, match=r"Fear.name: got 'fear', which Fear has already"):
        define("fear")
    with pytest.raises(TypeError, match=r"Scare.Config: got that of Fear, expected one of its own"):
        define("scare", FearConfig)
    assert FearConfig.channel is fear is registry["fear"]
    assert "scare" not in registry
    again = define("boo")
    assert define("boo") is not again  # a notebook's cell that is run twice


def test_a_configuration_must_be_a_dataclass_whose_fields_are_free(
    registry: dict[str, type[Channel]],
) -> None:
    for config in (int, ChannelConfig, {"gain": 1}):
        with pytest.raises(TypeError, match=r"Boo.Config: got .*expected a class derived from ChannelConfig"):
            define("boo", config)
    with pytest.raises(TypeError, match=r"expected @dataclass\(frozen=True\) above it"):
        define("boo", type("Config", (ChannelConfig,), {"__annotations__": {"gain": float}, "gain": 1.0}))
    for field in ("present", "clock", "name", "training", "observe"):
        made = dataclasses.make_dataclass("C", [(field, float, 1.0)], bases=(ChannelConfig,), frozen=True)
        with pytest.raises(
            TypeError, match=rf"got fields \['{field}'\], expected names that a channel leaves"
        ):
            define("boo", made)


def test_a_class_without_update_is_a_base_and_not_registered(registry: dict[str, type[Channel]]) -> None:
    class Base(Channel):
        """Not finished."""

    assert "Base" not in {one.__name__ for one in registry.values()}
    assert Base.update is Channel.update


def test_numbers_reach_the_channel_unless_some_member_has_none(registry: dict[str, type[Channel]]) -> None:
    fields = [("gain", float, 1.0), ("often", int, 2), ("loud", bool, True), ("limit", Any, None)]
    made = dataclasses.make_dataclass("C", fields, bases=(ChannelConfig,), frozen=True)
    define("boo", made)
    configs = [AffectConfig(own=(made(gain=0.5, limit=1.0),)), AffectConfig(own=(made(loud=False),))]
    level = make(configs, 2).level("boo")
    assert level.gain.tolist() == [0.5, 1.0]
    assert level.often.tolist() == [2.0, 2.0]
    assert level.loud.tolist() == [1.0, 0.0]
    assert not hasattr(level, "limit")


def test_what_cannot_live_together_is_named(registry: dict[str, type[Channel]]) -> None:
    def own(*names: str, **attributes: Any) -> AffectConfig:
        return AffectConfig(own=tuple(define(name, **attributes).Config() for name in names))

    with pytest.raises(ValueError, match=r"AffectConfig.ghost: got None, expected a channel that is defined"):
        own("boo", needs=("ghost",))
    with pytest.raises(
        ValueError, match=r"AffectConfig.fear: got None, expected a FearConfig because boo needs"
    ):
        own("boo", needs=("fear",))
    with pytest.raises(ValueError, match=r"boo.after: got \['suprise'\], expected among"):
        make(own("boo", after=("suprise",)))
    with pytest.raises(ValueError, match=r"channels named \['reward'\], expected names that no signal has"):
        make(own("reward"))
    first, second = define("boo", needs=("bar",)), define("bar", needs=("boo",))
    with pytest.raises(ValueError, match=r"channels \['bar', 'boo'\] that need each other"):
        make(AffectConfig(own=(first.Config(), second.Config())))
    with pytest.raises(ValueError, match=r"AffectConfig.own: got \['fear'\], expected different names"):
        AffectConfig(own=(FearConfig(),))
    with pytest.raises(ValueError, match=r"AffectConfig.own: got .*expected a tuple of ChannelConfigs"):
        AffectConfig(own=[Whim.Config()])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"AffectConfig.own: got .*expected tuples instead of lists"):
        AffectConfig(own=(Whim.Config(words=[["a"]]),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"AffectConfig.own: got .*expected the Config of a Channel"):
        AffectConfig(own=(dataclasses.make_dataclass("C", [], bases=(ChannelConfig,), frozen=True)(),))


def test_configurations_round_trip_through_json_and_bad_ones_are_named() -> None:
    import json

    config = dataclasses.replace(
        EVERYTHING, shuffled=("fear", "whim"), own=(Whim.Config(words=(("c",), ())),)
    )
    again = AffectConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    for data, message in [
        ({"fear": 3}, "AffectConfig.fear: got 3, expected a dictionary"),
        ({"own": ["whim"]}, "AffectConfig: got .*expected nested dictionaries"),
        ({"own": {"whim": {"sizes": 1}}}, r"AffectConfig.whim: got fields \['sizes'\]"),
        ([], "AffectConfig: got .*expected nested dictionaries"),
    ]:
        with pytest.raises(ValueError, match=message):
            AffectConfig.from_dict(data)  # type: ignore[arg-type]
