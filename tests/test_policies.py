"""Policies that rival ours: against plain loops, by hand, and as what they degenerate to."""

import dataclasses
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rivals import ACTIONS, Life, goes_on_from_its_state, place, same_as_single_runs

from emotional_ed.affect import Drive
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import (
    EpsilonGreedyConfig,
    EZGreedyConfig,
    NearGreedyConfig,
    Policy,
    SoftmaxConfig,
    StickyConfig,
)
from emotional_ed.agents.policies.draw import draw
from emotional_ed.agents.rules import RuleConfig, build_rule
from emotional_ed.streams import Streams

SOFT, NEAR = SoftmaxConfig(temperature=0.3), NearGreedyConfig(width=0.4)
STICKY, EZ = StickyConfig(repeat=0.4), EZGreedyConfig(exponent=1.5, cap=6)
ALL = [SOFT, NEAR, STICKY, EZ]
NAMES = [type(one).__name__ for one in ALL]
each = pytest.mark.parametrize("config", ALL, ids=NAMES)
NEUTRAL = Drive(
    exploration=torch.ones(2), bias=torch.zeros(2, ACTIONS), avoidance=torch.zeros(2, ACTIONS),
    persist=torch.zeros(2, dtype=torch.bool), action=torch.zeros(2, dtype=torch.int64),
)  # fmt: skip
MANY = 20_000


def many(config: RuleConfig, count: int = MANY) -> Any:
    """A policy of many members, so that frequencies can be counted at once."""
    return build_rule("policy", [config] * count, place(range(count)))


def uniforms(policy: Policy, seed: int = 0) -> torch.Tensor:
    width = 2 + ACTIONS + policy.extra
    return torch.rand(policy.place.population, width, generator=torch.Generator().manual_seed(seed))


def frequencies(policy: Policy, values: list[float], drive: Drive | None = None, epsilon: float = 0.5) -> Any:
    """How often each action is chosen in one state."""
    count = policy.place.population
    given = torch.tensor(values).expand(count, -1)
    action, _, _ = policy.choose(given, drive or Drive(), torch.full((count,), epsilon), uniforms(policy))
    return action.bincount(minlength=ACTIONS) / count


# ---------------------------------------------------------------- against plain loops


def greedy_loop(values: Any, u: Any) -> int:
    best = [a for a in range(ACTIONS) if values[a] == max(values)]
    return max(best, key=lambda a: u[2 + a])


def inverse(weights: list[float], u: float) -> int:
    """The action in whose slice of [0, 1) the random number falls."""
    edge = 0.0
    for action, weight in enumerate(weights):
        edge += weight / sum(weights)
        if u < edge:
            return action
    raise AssertionError


class SoftLoop:
    def __call__(self, values: Any, u: Any) -> tuple[int, bool]:
        action = inverse([math.exp((v - max(values)) / 0.3) for v in values], u[1])
        return action, values[action] < max(values)

    def after(self, action: int, explored: bool, done: bool, u: Any) -> None:
        pass


class NearLoop(SoftLoop):
    def __call__(self, values: Any, u: Any) -> tuple[int, bool]:
        near = [a for a in range(ACTIONS) if max(values) - values[a] <= 0.4 * (max(values) - min(values))]
        if u[0] < 0.3:
            return near[int(u[1] * len(near))], True
        return greedy_loop(values, u), False


class StickyLoop(SoftLoop):
    last: int | None = None

    def __call__(self, values: Any, u: Any) -> tuple[int, bool]:
        if self.last is not None and u[5] < 0.4:
            return self.last, True
        if u[0] < 0.3:
            return int(u[1] * ACTIONS), True
        return greedy_loop(values, u), False

    def after(self, action: int, explored: bool, done: bool, u: Any) -> None:
        self.last = None if done else action


class EZLoop(SoftLoop):
    plan: list[int]

    def __init__(self) -> None:
        self.plan = []

    def __call__(self, values: Any, u: Any) -> tuple[int, bool]:
        if not self.plan and u[0] < 0.3:
            length = 1 + inverse([n**-1.5 for n in range(1, 7)], u[5])
            self.plan = [int(u[1] * ACTIONS)] * length
        if self.plan:
            return self.plan.pop(), True
        return greedy_loop(values, u), False

    def after(self, action: int, explored: bool, done: bool, u: Any) -> None:
        if done:
            self.plan = []


@pytest.mark.parametrize(
    ("config", "loop"), list(zip(ALL, [SoftLoop, NearLoop, StickyLoop, EZLoop], strict=True)), ids=NAMES
)
def test_it_is_what_a_plain_loop_chooses(config: RuleConfig, loop: type[SoftLoop]) -> None:
    life = Life(policy=config, seeds=[4]).live(250)
    draws, oracle = Streams([4], 2 + ACTIONS + life.policy.extra), loop()
    for one in life.history:
        u = draws.next()[0].double().numpy()
        action, explored = oracle(one["values"][0].numpy(), u)
        assert (int(one["action"][0]), bool(one["explored"][0])) == (action, explored)
        assert bool(one["greedy"][0]) == (one["values"][0, action] == one["values"][0].max())
        oracle.after(action, explored, bool(one["done"][0]), u)
    assert 25 < life.of("explored").sum() < 225
    assert len(set(life.of("action").flatten().tolist())) == ACTIONS


# ---------------------------------------------------------------- degenerate settings


@pytest.mark.parametrize("drive", [Drive(), NEUTRAL], ids=["no drive", "a drive of ones and zeros"])
@pytest.mark.parametrize(
    "config", [NearGreedyConfig(width=1.0), StickyConfig(repeat=0.0), EZGreedyConfig(cap=1)], ids=NAMES[1:]
)
def test_it_degenerates_to_epsilon_greedy_bit_for_bit(config: RuleConfig, drive: Drive) -> None:
    draws = torch.rand(150, 2, 6, generator=torch.Generator().manual_seed(0))
    lives = []
    for one in (EpsilonGreedyConfig(), config):
        life = Life(policy=one, seeds=[1, 2], drive=drive)
        life.draws.next = iter(draws).__next__  # type: ignore[method-assign]
        lives.append(life.live(150))
    plain, rival = lives
    for name in ("action", "greedy", "explored", "reward"):
        assert torch.equal(plain.of(name), rival.of(name))
    assert torch.equal(plain.critic.memory.M, rival.critic.memory.M)


@each
def test_a_drive_of_ones_and_zeros_changes_nothing(config: RuleConfig) -> None:
    plain, driven = (Life(policy=config, seeds=[1, 2], drive=one).live(150) for one in (Drive(), NEUTRAL))
    assert torch.equal(plain.of("action"), driven.of("action"))
    assert torch.equal(plain.of("explored"), driven.of("explored"))


@each
def test_it_is_not_epsilon_greedy_otherwise(config: RuleConfig) -> None:
    plain, rival = Life(seeds=[1, 2]).live(100), Life(policy=config, seeds=[1, 2]).live(100)
    assert not torch.equal(plain.of("action"), rival.of("action"))


# ---------------------------------------------------------------- populations and state


@each
def test_a_population_is_single_runs_bit_for_bit(config: RuleConfig) -> None:
    same_as_single_runs([0, 5, 6], 120, policy=config)


@pytest.mark.parametrize(
    "configs",
    [
        [SoftmaxConfig(temperature=one) for one in (0.01, 0.3, 5.0)],
        [NearGreedyConfig(width=one) for one in (0.0, 0.3, 1.0)],
        [StickyConfig(repeat=one) for one in (0.0, 0.3, 0.9)],
        [EZGreedyConfig(exponent=mu, cap=cap) for mu, cap in ((0.5, 3), (2.0, 50), (1.2, 7))],
    ],
    ids=NAMES,
)
def test_members_may_differ_in_their_numbers(configs: list[RuleConfig]) -> None:
    same_as_single_runs([0, 5, 6], 120, policy=configs)


@each
def test_its_state_is_all_there_is(config: RuleConfig) -> None:
    goes_on_from_its_state(53, policy=config)


@each
def test_choosing_changes_no_state(config: RuleConfig) -> None:
    policy = many(config, 8)
    policy.observe(
        torch.ones(8, dtype=torch.int64), torch.ones(8).bool(), torch.zeros(8).bool(), uniforms(policy)
    )
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    rates = torch.full((8,), 0.5)
    chosen = [
        policy.choose(torch.randn(8, ACTIONS), Drive(), rates, uniforms(policy, seed)) for seed in range(5)
    ]
    assert len(chosen) == 5
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())


@each
def test_configurations_survive_a_file(config: RuleConfig) -> None:
    level = LevelZero(policy=config)
    assert LevelZero.from_dict(level.to_dict()) == level


# ---------------------------------------------------------------- affect bends them all


@each
def test_a_member_that_persists_repeats_its_action(config: RuleConfig) -> None:
    drive = Drive(persist=torch.tensor([True, False]), action=torch.tensor([2, 2]))
    life = Life(policy=config, seeds=[1, 2], drive=drive).live(60)
    assert (life.of("action")[:, 0] == 2).all()
    assert not life.of("explored")[:, 0].any()
    assert not (life.of("action")[:, 1] == 2).all()


@each
def test_bias_moves_the_choice(config: RuleConfig) -> None:
    values = [1.0, 0.0, 0.5]
    plain = frequencies(many(config), values)
    bent = frequencies(many(config), values, Drive(bias=torch.tensor([[-1.0, 2.0, 0.0]]).expand(MANY, -1)))
    assert plain.argmax() == 0
    assert bent.argmax() == 1


@each
def test_avoidance_makes_random_actions_rare(config: RuleConfig) -> None:
    values = [0.5, 0.4, 0.5]
    plain = frequencies(many(config), values)
    shy = frequencies(many(config), values, Drive(avoidance=torch.tensor([[0.0, 0.0, 1.0]]).expand(MANY, -1)))
    assert shy[2] < plain[2] - 0.05
    assert config != SOFT or shy[2] < 2e-3


@each
def test_exploration_is_scaled(config: RuleConfig) -> None:
    values = [1.0, 0.9, 0.0]
    much, none = Drive(exploration=torch.full((MANY,), 3.0)), Drive(exploration=torch.zeros(MANY))
    plain = frequencies(many(config), values, epsilon=0.2)
    assert frequencies(many(config), values, much, epsilon=0.2)[0] < plain[0] - 0.05
    assert frequencies(many(config), values, none, epsilon=0.2).tolist() == [1, 0, 0]


# ---------------------------------------------------------------- by hand


def test_softmax_has_the_frequencies_of_a_boltzmann_distribution() -> None:
    values = [0.2, 0.5, -0.1]
    weights = np.exp(np.array(values) / 0.3)
    seen = frequencies(many(SOFT), values)
    np.testing.assert_allclose(seen, weights / weights.sum(), atol=4 * 0.5 / math.sqrt(MANY))


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1.0, 1e30], ids=str)
def test_softmax_takes_any_finite_values(scale: float) -> None:
    seen = frequencies(many(SoftmaxConfig(temperature=1e-6)), [-scale, 0.0, scale])
    assert seen.sum() == 1
    assert seen[2] > 0.32
    assert scale == 1e-30 or seen.tolist() == [0, 0, 1]


def test_softmax_has_no_use_for_epsilon() -> None:
    policy = many(SOFT)
    calm, wild = (frequencies(policy, [0.0, 0.1, 0.2], epsilon=one) for one in (0.0, 1.0))
    assert torch.equal(calm, wild)


def test_near_greedy_explores_only_near_the_best() -> None:
    seen = frequencies(many(NEAR), [1.0, 0.7, 0.0], epsilon=0.6)  # 0.4 of the range reaches down to 0.6
    np.testing.assert_allclose(seen, [0.4 + 0.3, 0.3, 0], atol=4 * 0.5 / math.sqrt(MANY))
    assert seen[2] == 0
    even = frequencies(many(NEAR), [0.5, 0.5, 0.5], epsilon=1.0)
    np.testing.assert_allclose(even, [1 / 3] * 3, atol=4 * 0.5 / math.sqrt(MANY))


def test_what_is_near_is_a_matter_of_values_and_bias() -> None:
    policy, values = many(NEAR, 1), torch.tensor([[1.0, 0.0, 0.5]])
    assert policy.near(values, Drive()).tolist() == [[True, False, False]]
    assert policy.near(values, Drive(bias=torch.tensor([[-1.0, 2.0, 1.0]]))).tolist() == [[False, True, True]]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), st.floats(0, 1))
def test_the_best_is_always_near_and_width_one_takes_all(values: list[float], width: float) -> None:
    given_values = torch.tensor([values])
    near = many(NearGreedyConfig(width=width), 1).near(given_values, Drive())[0]
    assert near[given_values[0].argmax()]
    assert many(NearGreedyConfig(width=1.0), 1).near(given_values, Drive()).all()
    only = many(NearGreedyConfig(width=0.0), 1).near(given_values, Drive())[0]
    assert only.tolist() == [one == given_values.max() for one in given_values[0]]


@given(
    st.lists(st.sampled_from([0.0, 1e-3, 0.2, 1.0, 7.0]), min_size=3, max_size=3), st.integers(0, 2**24 - 1)
)
def test_an_action_of_no_weight_is_never_drawn(weights: list[float], number: int) -> None:
    if not any(weights):
        weights[1] = 1.0
    action = int(draw(torch.tensor([weights]), torch.tensor([number / 2**24])))
    assert weights[action] > 0


def test_sticky_repeats_within_an_episode_and_not_across() -> None:
    policy = many(StickyConfig(repeat=1.0), 2)
    done = torch.tensor([False, True])
    policy.observe(torch.tensor([2, 2]), torch.zeros(2).bool(), done, uniforms(policy))
    best_first = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    action, greedy, explored = policy.choose(best_first, Drive(), torch.zeros(2), uniforms(policy))
    assert (action.tolist(), greedy.tolist(), explored.tolist()) == ([2, 0], [False, True], [True, False])
    policy.cut_episode()
    assert policy.choose(best_first, Drive(), torch.zeros(2), uniforms(policy))[0].tolist() == [0, 0]


def test_durations_follow_the_zeta_distribution_up_to_the_cap() -> None:
    policy = many(EZGreedyConfig(exponent=2.0, cap=5), 50_000)
    drawn = Counter(policy.duration(torch.rand(50_000, generator=torch.Generator().manual_seed(0))).tolist())
    total = sum(n**-2.0 for n in range(1, 6))
    for n in range(1, 7):
        expected = n**-2.0 / total if n <= 5 else 0
        assert drawn[n] / 50_000 == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(50_000))
    ends = many(EZGreedyConfig(exponent=2.0, cap=5), 2).duration(torch.tensor([0.0, 1 - 2**-24]))
    assert ends.tolist() == [1, 5]
    even = many(EZGreedyConfig(exponent=0.0, cap=4), 4).duration(torch.tensor([0.0, 0.25, 0.5, 0.75]))
    assert even.tolist() == [1, 2, 3, 4]


def test_ez_greedy_explores_in_runs_as_often_as_it_says() -> None:
    """Of all steps epsilon E[n] / (1 - epsilon + epsilon E[n]) are explored, where episodes never end."""
    count, epsilon = 4000, 0.1
    policy = many(EZGreedyConfig(exponent=1.0, cap=4), count)
    values, never = torch.tensor([1.0, 0.0, 0.0]).expand(count, -1), torch.zeros(count).bool()
    explored = 0.0
    for step in range(60):
        uniform = uniforms(policy, step)
        action, _, chance = policy.choose(values, Drive(), torch.full((count,), epsilon), uniform)
        policy.observe(action, chance, never, uniform)
        explored += float(chance.float().mean()) * (step >= 20) / 40
    mean = 4 / sum(1 / n for n in range(1, 5))  # of durations
    assert explored == pytest.approx(epsilon * mean / (1 - epsilon + epsilon * mean), abs=0.01)


def test_holding_ends_with_the_episode() -> None:
    policy = many(EZGreedyConfig(exponent=0.0, cap=100), 3)
    yes, high = torch.ones(3).bool(), torch.full((3, 6), 0.99)
    policy.observe(torch.tensor([2, 2, 2]), yes, torch.tensor([False, True, False]), high)
    values = torch.tensor([[1.0, 0.0, 0.0]] * 3)
    assert policy.choose(values, Drive(), torch.zeros(3), high)[0].tolist() == [2, 0, 2]
    policy.cut_episode()
    assert policy.choose(values, Drive(), torch.zeros(3), high)[0].tolist() == [0, 0, 0]


def test_longer_strides_get_further_on_a_line() -> None:
    """Without values a random walk leaves its place slowly; held actions carry it away."""
    reached = {}
    for config in (EpsilonGreedyConfig(), STICKY, dataclasses.replace(EZ, cap=20)):
        policy = many(config, 500)
        at, zero, never = torch.zeros(500), torch.zeros(500, ACTIONS), torch.zeros(500).bool()
        for step in range(60):
            uniform = uniforms(policy, step)
            action, _, explored = policy.choose(zero, Drive(), torch.ones(500), uniform)
            policy.observe(action, explored, never, uniform)
            at += action - 1
        reached[type(config)] = float(at.abs().mean())
    assert reached[StickyConfig] > 1.3 * reached[EpsilonGreedyConfig]
    assert reached[EZGreedyConfig] > 1.5 * reached[EpsilonGreedyConfig]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (SoftmaxConfig, "temperature", 0.0), (SoftmaxConfig, "temperature", math.nan),
        (NearGreedyConfig, "width", -0.1), (NearGreedyConfig, "width", 1.1),
        (StickyConfig, "repeat", 1.5), (StickyConfig, "repeat", "often"),
        (EZGreedyConfig, "exponent", -1.0), (EZGreedyConfig, "exponent", math.inf),
        (EZGreedyConfig, "cap", 0), (EZGreedyConfig, "cap", 2.5),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}.{field}: got .*, expected"):
        kind(**{field: value})
