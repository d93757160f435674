"""Critics that rival ours: against plain loops, by hand, and as what they degenerate to."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rivals import ACTIONS, LIMIT, STATES, Life, goes_on_from_its_state, place, same_as_single_runs

from emotional_ed.agents.critics import (
    Critic,
    ExpectedSarsaConfig,
    FullFeedbackConfig,
    IntrinsicFearConfig,
    PenalisedConfig,
    QLearningConfig,
    QuantileConfig,
)
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.rules import Moment, RuleConfig, build_rule

SARSA, FULL = ExpectedSarsaConfig(), FullFeedbackConfig()
COSTLY = PenalisedConfig(penalty=0.7, bad_reward=-1.0)
AFRAID = IntrinsicFearConfig(penalty=0.7, radius=3, fear_step_size=0.4, bad_reward=-1.0)
RISKY = QuantileConfig(quantiles=5, level=0.3, scale_rate=0.05)
ALL = [SARSA, COSTLY, AFRAID, FULL, RISKY]
NAMES = [type(one).__name__ for one in ALL]
each = pytest.mark.parametrize("config", ALL, ids=NAMES)


def moment(key: Any, action: int, reward: float, next_key: Any, **more: Any) -> Moment:
    """A transition of a single member."""
    given = {
        "terminated": torch.tensor([False]), "discount": torch.tensor([0.9]), "epsilon": torch.tensor([0.3]),
        "done": torch.tensor([False]), **more,
    }  # fmt: skip
    return Moment(
        key=torch.tensor([key]),
        next_key=torch.tensor([next_key]),
        action=torch.tensor([action]),
        chosen=torch.tensor([action])[:, None] == torch.arange(ACTIONS),
        reward=torch.tensor([reward]),
        **given,
    )


def build(config: RuleConfig, **where: Any) -> Any:
    return build_rule("critic", [config], place(**where))


def teach(critic: Critic, one: Moment, share: float, times: int = 1) -> None:
    for _ in range(times):
        critic.write(one, critic.target(one), torch.tensor([share]))


# ---------------------------------------------------------------- against plain loops


class Loop:
    """One member, written down once more with Python numbers; subclasses give the equations."""

    def __init__(self, life: Life, **settings: float) -> None:
        self.Q: Any = np.zeros((STATES, ACTIONS))
        self.set = settings
        self.before(life)
        for at, one in enumerate(life.history):
            x = {name: value[0].numpy() for name, value in one.items() if isinstance(value, torch.Tensor)}
            s, a, r, n = int(x["key"]), int(x["action"]), float(x["reward"]), int(x["next_key"])
            self.learn(s, a, r, n, 0.0 if x["terminated"] else 0.9, at, x)

    def before(self, life: Life) -> None:
        """Look at the whole life first."""

    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        raise NotImplementedError


class SarsaLoop(Loop):
    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        ties = [b for b in range(ACTIONS) if self.Q[n, b] == max(self.Q[n])]
        chances = [0.3 / ACTIONS + (0.7 / len(ties) if b in ties else 0) for b in range(ACTIONS)]
        follows = sum(chance * value for chance, value in zip(chances, self.Q[n], strict=True))
        self.Q[s, a] += 0.3 * (r + g * follows - self.Q[s, a])


class PenaltyLoop(Loop):
    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        danger = float(x["danger"]) if "danger" in x else float(r <= -1)
        self.Q[s, a] += 0.3 * (r - 0.7 * danger + g * max(self.Q[n]) - self.Q[s, a])


class FearLoop(Loop):
    """Labels are made by looking ahead in the finished life, not by waiting."""

    def before(self, life: Life) -> None:
        self.F = np.zeros(STATES)
        danger = [
            float(one["danger"][0]) if one["danger"] is not None else float(one["reward"][0] <= -1)
            for one in life.history
        ]
        self.danger = danger
        self.label: dict[int, list[tuple[int, float]]] = {}
        states = [int(one["key"][0]) for one in life.history]
        for at in range(len(life.history)):
            for ahead in range(3):
                if at + ahead == len(danger):
                    break
                if danger[at + ahead] or life.history[at + ahead]["terminated"][0] or ahead == 2:
                    self.label.setdefault(at + ahead, []).append((states[at], danger[at + ahead]))
                    break
                if life.history[at + ahead]["done"][0]:
                    break  # cut off: never judged

    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        fear = max(self.danger[at], self.F[n] if g else 0)
        self.Q[s, a] += 0.3 * (r + g * max(self.Q[n]) - 0.7 * fear - self.Q[s, a])
        for where, label in self.label.get(at, []):
            self.F[where] += 0.4 * (label - self.F[where])


class FullLoop(Loop):
    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        ahead = max(self.Q[n])
        for b in range(ACTIONS) if "forgone" in x else [a]:
            reward = float(x["forgone"][b]) if "forgone" in x else r
            self.Q[s, b] += 0.3 * (reward + g * ahead - self.Q[s, b])


class QuantileLoop(Loop):
    def before(self, life: Life) -> None:
        self.theta = np.zeros((STATES, ACTIONS, 5))
        self.squares: float = 0

    def learn(self, s: int, a: int, r: float, n: int, g: float, at: int, x: dict[str, Any]) -> None:
        best = max(range(ACTIONS), key=lambda b: self.theta[n, b].mean())
        targets = [r + g * theta for theta in self.theta[n, best]]
        delta = np.mean(targets) - self.theta[s, a].mean()
        self.squares += max(0.05, 1 / (at + 1)) * (delta**2 - self.squares)
        h = 0.3 * math.sqrt(self.squares)
        new = []
        for i, theta in enumerate(self.theta[s, a]):
            tau, steps = (2 * i + 1) / 10, []
            for one in targets:
                slope = 2 * h * (tau if one >= theta else tau - 1)
                steps.append(slope if abs(slope) < abs(one - theta) else one - theta)
            new.append(theta + sum(steps) / 5)
        self.theta[s, a] = new
        lowest = np.sort(self.theta, -1)
        self.Q = (lowest[..., 0] + 0.5 * lowest[..., 1]) / 1.5  # the lowest 0.3 of 5


@pytest.mark.parametrize("told", [False, True], ids=["in the reward", "declared"])
@pytest.mark.parametrize(
    ("config", "loop"),
    list(zip(ALL, [SarsaLoop, PenaltyLoop, FearLoop, FullLoop, QuantileLoop], strict=True)),
    ids=NAMES,
)
def test_it_is_what_a_plain_loop_computes(config: RuleConfig, loop: type[Loop], told: bool) -> None:
    life = Life(config, told=told, seeds=[4]).live(300)
    expected = loop(life)
    values = torch.stack([life.critic.read(torch.tensor([s]))[0] for s in range(STATES)])
    assert np.abs(expected.Q).mean() > 0.3
    np.testing.assert_allclose(values.numpy(), expected.Q, rtol=2e-4, atol=2e-5)
    if isinstance(expected, FearLoop):
        np.testing.assert_allclose(life.critic.fear.M[0, 0].numpy(), expected.F, atol=1e-5)
        assert 0.1 < expected.F.max() <= 1
    if isinstance(expected, QuantileLoop):
        held = life.critic.memory.M[0].T.reshape(STATES, ACTIONS, 5)
        np.testing.assert_allclose(held.numpy(), expected.theta, rtol=2e-4, atol=2e-4)


# ---------------------------------------------------------------- degenerate settings


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(
    ("config", "epsilon"),
    [
        (SARSA, 0.0),
        (dataclasses.replace(COSTLY, penalty=0.0), 0.3),
        (dataclasses.replace(AFRAID, penalty=0.0), 0.3),
        (QuantileConfig(quantiles=1, scale_rate=1.0), 0.3),
        (QuantileConfig(quantiles=1, scale_rate=1.0, level=0.2), 0.3),
    ],
    ids=["no exploration", "no penalty", "no fear", "one quantile", "one quantile at any level"],
)
def test_it_degenerates_to_q_learning_bit_for_bit(config: RuleConfig, epsilon: float, told: bool) -> None:
    plain = Life(QLearningConfig(), epsilon=epsilon, seeds=[1, 2]).live(200)
    rival = Life(config, epsilon=epsilon, seeds=[1, 2], told=told).live(200)
    assert plain.critic.memory.M.abs().mean() > 0.1
    assert torch.equal(plain.critic.memory.M, rival.critic.memory.M)
    assert torch.equal(plain.of("target"), rival.of("target"))


def test_without_feedback_full_feedback_is_q_learning_bit_for_bit() -> None:
    plain, rival = Life(seeds=[1, 2]).live(200), Life(FULL, seeds=[1, 2]).live(200)
    assert torch.equal(plain.critic.memory.M, rival.critic.memory.M)
    told = Life(FULL, seeds=[1, 2], told=True).live(200)
    assert not torch.equal(plain.critic.memory.M, told.critic.memory.M)


@each
def test_it_is_not_q_learning_otherwise(config: RuleConfig) -> None:
    plain, rival = Life(seeds=[1, 2]).live(100), Life(config, seeds=[1, 2], told=True).live(100)
    assert not torch.equal(plain.of("target"), rival.of("target"))


# ---------------------------------------------------------------- populations and state


@each
@pytest.mark.parametrize("told", [False, True])
def test_a_population_is_single_runs_bit_for_bit(config: RuleConfig, told: bool) -> None:
    same_as_single_runs([0, 5, 6], 100, critic=config, told=told)


@pytest.mark.parametrize(
    "configs",
    [
        [PenalisedConfig(penalty=one, bad_reward=-one) for one in (0.0, 0.5, 2.0)],
        [QLearningConfig(initial=one) for one in (-1.0, 0.0, 5.0)],
        [IntrinsicFearConfig(penalty=1, radius=one, bad_reward=-0.5) for one in (1, 6, 3)],
        [QuantileConfig(quantiles=7, level=one, scale_rate=one) for one in (0.05, 0.4, 1.0)],
    ],
    ids=["penalised", "optimistic", "intrinsic fear", "quantile"],
)
def test_members_may_differ_in_their_numbers(configs: list[RuleConfig]) -> None:
    same_as_single_runs([0, 5, 6], 100, critic=configs)


@each
def test_its_state_is_all_there_is(config: RuleConfig) -> None:
    goes_on_from_its_state(43, critic=config, told=True)


@each
def test_configurations_survive_a_file(config: RuleConfig) -> None:
    level = LevelZero(critic=config)
    assert LevelZero.from_dict(level.to_dict()) == level


def test_values_begin_at_what_is_hoped_for_and_again_when_they_are_cleared() -> None:
    hopeful = QLearningConfig(initial=3.0)
    critic = build(hopeful, active=2, slots=2)
    state = torch.tensor([[0, 1]])
    assert critic.read(state).tolist() == [[3.0] * ACTIONS], "two features share what is hoped for"
    one = moment([0, 1], 1, 2.0, [2, 3])
    assert critic.target(one).tolist() == pytest.approx([2 + 0.9 * 3])
    for key in (0, STATES):  # the first value memory, and the second
        teach(critic, moment([key, key + 1], 1, -9.0, [key + 2, key + 3]), 1.0)
    before = critic.memory.M.clone()
    critic.clear(torch.tensor([0]), torch.tensor([1]))
    assert torch.equal(critic.by_slot()[:, :, 0], before[..., :STATES]), "the other memory is kept"
    assert (critic.by_slot()[:, :, 1] == 1.5).all()
    critic.clear(torch.tensor([0]))
    assert (critic.memory.M == 1.5).all()


@each
def test_a_cleared_memory_of_others_is_zero_for_those_it_is_cleared_for(config: RuleConfig) -> None:
    critic = build_rule("critic", [config] * 3, place([0, 1, 2], slots=2))
    critic.memory.M.fill_(7.0)
    critic.clear(torch.tensor([2, 0]), torch.tensor([1, 0]))
    held = critic.by_slot()
    assert (held[2, :, 1] == 0).all()
    assert (held[0, :, 0] == 0).all()
    assert (held[1] == 7).all()
    assert (held[2, :, 0] == 7).all()
    assert (held[0, :, 1] == 7).all()


@each
def test_it_reads_every_value_memory(config: RuleConfig) -> None:
    critic = build(config, slots=3)
    critic.memory.M.copy_(torch.randn(critic.memory.M.shape, generator=torch.Generator().manual_seed(0)))
    slots = critic.read_slots(torch.tensor([4]))
    assert slots.shape == (1, 3, ACTIONS)
    for slot in range(3):
        assert torch.equal(slots[:, slot], critic.read(torch.tensor([4 + slot * STATES])))
    assert not torch.equal(slots[:, 0], slots[:, 1])


@each
def test_with_several_features_a_write_takes_up_its_share(config: RuleConfig) -> None:
    config = QuantileConfig(quantiles=1, scale_rate=1.0) if config == RISKY else config
    critic = build(config, active=3)
    one = moment([0, 2, 5], 1, 2.0, [1, 3, 4], forgone=torch.tensor([[2.0, 2.0, 2.0]]))
    teach(critic, one, 0.25, 3)
    assert critic.read(one.key)[0, 1] == pytest.approx(2 * (1 - 0.75**3), rel=1e-6)
    used = critic.memory.M[0].reshape(ACTIONS, -1, STATES)[1].abs().sum(0) > 0
    assert used.tolist() == [True, False, True, False, False, True, False]


@each
def test_what_is_not_chosen_is_not_written(config: RuleConfig) -> None:
    critic = build(config)
    one = moment(0, 1, 2.0, 3, forgone=torch.tensor([[1.0, 2.0, 3.0]]), done=None)
    nothing = one._replace(chosen=torch.zeros(1, ACTIONS, dtype=torch.bool))
    teach(critic, nothing, 0.5)
    assert critic.memory.M.abs().sum() == 0
    teach(critic, one, 0.5)
    assert critic.memory.M.abs().sum() > 0
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    teach(critic, nothing, 0.5)
    assert all(torch.equal(before[name], value) for name, value in critic.state_dict().items())


# ---------------------------------------------------------------- by hand


def test_expected_sarsa_keeps_off_an_edge_that_q_learning_walks() -> None:
    """From 0 an edge (1) or a detour (2) leads on; beside the edge two of three actions fall."""
    end = {"terminated": torch.tensor([True])}
    lived = [
        moment(0, 0, -1.0, 1), moment(0, 1, -1.5, 2), moment(1, 0, 0.0, 3, **end),
        moment(1, 1, -10.0, 3, **end), moment(1, 2, -10.0, 3, **end),
    ]  # fmt: skip
    values = {}
    for config in (QLearningConfig(), SARSA):
        critic = build(config)
        for one in lived * 2:
            teach(critic, one, 1.0)
        values[config] = critic.read(torch.tensor([0]))[0, :2].tolist()
    assert values[QLearningConfig()] == pytest.approx([-1, -1.5])
    assert values[SARSA] == pytest.approx([-1 + 0.9 * 0.3 * (-20 / 3), -1.5])  # -2.8


def test_a_declared_danger_goes_before_a_bad_reward() -> None:
    one = moment(0, 1, -3.0, 2)
    calm, told = torch.tensor([0.0]), torch.tensor([0.5])
    for config in (PenalisedConfig(penalty=2.0, bad_reward=-1.0), dataclasses.replace(AFRAID, penalty=2.0)):
        critic = build(config)
        assert critic.target(one).tolist() == [-5]
        assert critic.target(one._replace(danger=calm)).tolist() == [-3]
        assert critic.target(one._replace(danger=told)).tolist() == [-4]
        assert critic.target(one._replace(reward=torch.tensor([-0.5]))).tolist() == [-0.5]
        assert critic.target(one._replace(reward=torch.tensor([-1.0]))).tolist() == [-3]


def test_by_default_only_a_declared_danger_is_one() -> None:
    for config in (PenalisedConfig(), IntrinsicFearConfig()):
        assert build(config).target(moment(0, 1, -1e6, 2)).tolist() == [-1e6]


def test_fear_reaches_back_as_far_as_its_radius_and_no_further() -> None:
    critic = build(IntrinsicFearConfig(radius=2, fear_step_size=0.5))
    calm, hurt, end = torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([True])
    for state in (0, 1, 2):
        teach(critic, moment(state, 0, 0.0, state + 1, danger=calm), 0.0)
    teach(critic, moment(3, 0, 0.0, 4, danger=hurt, terminated=end, done=end), 0.0)
    assert critic.fear.M[0, 0].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0]
    assert critic.target(moment(1, 0, 0.0, 2, danger=calm)).tolist() == [-0.5]
    assert critic.target(moment(1, 0, 0.0, 2, danger=calm, terminated=end)).tolist() == [0]


def test_fear_extinguishes_and_leaves_what_was_cut_off_alone() -> None:
    critic = build(IntrinsicFearConfig(radius=2, fear_step_size=0.5))
    critic.fear.M.fill_(1)
    calm, yes = torch.tensor([0.0]), torch.tensor([True])
    teach(critic, moment(0, 0, 0.0, 1, danger=calm), 0.0)
    assert critic.fear.M[0, 0].tolist() == [1] * STATES  # not known yet
    teach(critic, moment(1, 0, 0.0, 2, danger=calm, done=yes), 0.0)  # truncated
    assert critic.fear.M[0, 0, :3].tolist() == [0.5, 1, 1]
    teach(critic, moment(2, 0, 0.0, 3, danger=calm), 0.0)
    critic.cut_episode()
    teach(critic, moment(3, 0, 0.0, 4, danger=calm, done=yes, terminated=yes), 0.0)
    assert critic.fear.M[0, 0, :4].tolist() == [0.5, 1, 1, 0.5]


def test_fear_learns_from_life_and_not_from_memory() -> None:
    critic = build(IntrinsicFearConfig(radius=1))
    dreamt = moment(0, 0, 0.0, 1, danger=torch.tensor([1.0]), done=None)
    teach(critic, dreamt, 0.5)
    assert critic.fear.M.abs().sum() == 0
    teach(critic, dreamt._replace(done=torch.tensor([False])), 0.5)
    assert critic.fear.M.abs().sum() > 0


def test_fear_is_one_for_all_value_memories() -> None:
    critic = build(IntrinsicFearConfig(radius=1, fear_step_size=1.0), slots=2)
    teach(critic, moment(3 + STATES, 0, 0.0, 1, danger=torch.tensor([1.0])), 1.0)
    assert (
        critic.feared(torch.tensor([3])).tolist() == critic.feared(torch.tensor([3 + STATES])).tolist() == [1]
    )
    assert critic.memory.M[0, 0, 3] == 0 != critic.memory.M[0, 0, 3 + STATES]


def test_fear_is_the_chance_of_a_danger_within_its_radius() -> None:
    """With 1/4 danger a step, 1 - (3/4)^3 within three steps."""
    seeds = range(200)
    critic = build_rule("critic", [IntrinsicFearConfig(fear_step_size=0.02)] * 200, place(seeds))
    random, key = torch.Generator().manual_seed(1), torch.zeros(200, dtype=torch.int64)
    nothing, no = torch.zeros(200), torch.zeros(200, dtype=torch.bool)
    chosen = torch.ones(200, 1) * torch.tensor([1.0, 0, 0]) > 0
    for _ in range(300):
        danger = (torch.rand(200, generator=random) < 0.25).float()
        one = Moment(key, key, key, chosen, nothing, no, nothing, nothing, None, danger, no)
        critic.write(one, nothing, nothing)
    assert critic.feared(key).mean().item() == pytest.approx(1 - 0.75**3, abs=0.01)


def test_full_feedback_learns_every_action_from_one_try() -> None:
    critic = build(FULL)
    teach(critic, moment(2, 0, 1.0, 2), 1.0)  # so that something lies ahead
    told = moment(0, 1, 2.0, 2, forgone=torch.tensor([[5.0, 2.0, -1.0]]))
    teach(critic, told, 0.5)
    assert critic.read(torch.tensor([0]))[0].tolist() == pytest.approx([2.95, 1.45, -0.05])
    end = torch.tensor([True])
    teach(critic, told._replace(key=torch.tensor([1]), terminated=end), 1.0)
    assert critic.read(torch.tensor([1]))[0].tolist() == [5, 2, -1]


def test_full_feedback_takes_the_given_target_for_the_action_taken() -> None:
    critic = build(FULL)
    one = moment(0, 1, 2.0, 2, forgone=torch.tensor([[5.0, 2.0, -1.0]]))
    critic.write(one, torch.tensor([9.0]), torch.tensor([1.0]))
    assert critic.read(torch.tensor([0]))[0].tolist() == [5, 9, -1]


# ---------------------------------------------------------------- quantiles


@given(st.lists(st.floats(-10, 10, width=32), min_size=6, max_size=6), st.floats(0.01, 1))
def test_cvar_is_the_mean_of_the_lowest_part(values: list[float], level: float) -> None:
    critic = build(QuantileConfig(quantiles=6, level=level))
    critic.memory.M[0, 6:12, 3] = torch.tensor(values)
    copies = np.sort(np.repeat(values, 10_000))  # the lowest part, in fine grains
    expected = copies[: max(round(level * 60_000), 1)].mean()
    assert critic.read(torch.tensor([3]))[0, 1].item() == pytest.approx(expected, abs=5e-3)
    assert critic.mean(torch.tensor([3]))[0, 1].item() == pytest.approx(np.mean(values), abs=1e-5)


def bandit(config: RuleConfig, outcomes: Any, writes: int, members: int = 24) -> Any:
    """Let member i try arm i mod A again and again; `outcomes(generator, n)` gives rewards [n, A]."""
    critic = build_rule("critic", [config] * members, place(range(members)))
    random, key = np.random.default_rng(0), torch.zeros(members, dtype=torch.int64)
    end, rate = torch.ones(members, dtype=torch.bool), torch.full((members,), 0.05)
    arm = torch.arange(members) % ACTIONS
    chosen = arm[:, None] == torch.arange(ACTIONS)
    for _ in range(writes):
        rewards = torch.from_numpy(outcomes(random, members)).float()
        one = Moment(key, key, arm, chosen, rewards[chosen], end, rate, rate)
        critic.write(one, critic.target(one), rate)
    return critic


def each_arm(values: torch.Tensor) -> torch.Tensor:
    """Values of the arm that each member tried, the mean over members, [A, ...]."""
    return torch.stack([values[a::ACTIONS, a].mean(0) for a in range(ACTIONS)])


def test_quantiles_become_those_of_what_happens() -> None:
    def outcomes(random: np.random.Generator, n: int) -> Any:
        return np.stack([random.normal(1, 2, n), random.exponential(1, n), random.uniform(-1, 1, n)], -1)

    critic = bandit(QuantileConfig(quantiles=5), outcomes, 1000)
    held = each_arm(critic.distribution(torch.zeros(24, dtype=torch.int64)))
    sample = outcomes(np.random.default_rng(1), 100_000)
    expected = np.quantile(sample, [0.1, 0.3, 0.5, 0.7, 0.9], axis=0).T
    np.testing.assert_allclose(held.numpy(), expected, atol=0.25)
    assert (held.diff(dim=-1) > 0.1).all()


def test_a_cautious_level_leaves_a_good_gamble_alone() -> None:
    """An arm that loses 8 one time in ten and else wins 2 is worth 1; another gives 0.5 for sure."""

    def outcomes(random: np.random.Generator, n: int) -> Any:
        return np.stack([np.where(random.random(n) < 0.1, -8.0, 2.0), np.full(n, 0.5), np.zeros(n)], -1)

    key = torch.zeros(24, dtype=torch.int64)
    bold = bandit(QuantileConfig(quantiles=10, level=1.0), outcomes, 500)
    shy = bandit(QuantileConfig(quantiles=10, level=0.25), outcomes, 500)
    assert each_arm(bold.read(key)).argmax() == 0
    assert each_arm(shy.read(key)).argmax() == 1
    assert torch.equal(bold.memory.M, shy.memory.M)  # the level bends the choice, not what is learned


def test_the_next_action_is_the_best_in_the_mean() -> None:
    critic = build(QuantileConfig(quantiles=2, level=0.5))
    critic.memory.M[0, :4, 1] = torch.tensor([-10.0, 20.0, 1.0, 1.0])  # a gamble worth 5, a sure 1
    assert critic.read(torch.tensor([1]))[0].tolist() == [-10, 1, 0]
    assert critic.target(moment(0, 0, 1.0, 1)).tolist() == [1 + 0.9 * 5]


def test_a_step_stops_at_what_is_sure() -> None:
    critic = build(QuantileConfig(quantiles=9))
    one = moment(0, 0, 3.0, 1, terminated=torch.tensor([True]))
    teach(critic, one, 0.9, 100)
    assert torch.equal(critic.distribution(torch.tensor([0]))[0, 0], torch.full((9,), 3.0))


def test_a_given_target_moves_the_whole_distribution() -> None:
    """An n-step target, say, is the mean of what the quantiles are taught."""
    one, other = (build(QuantileConfig(quantiles=4)) for _ in range(2))
    lived = moment(0, 0, 1.0, 1, terminated=torch.tensor([True]))
    one.write(lived, torch.tensor([7.0]), torch.tensor([0.5]))
    teach(other, lived._replace(reward=torch.tensor([7.0])), 0.5)
    assert torch.equal(one.memory.M, other.memory.M)


def test_a_population_shares_the_number_of_quantiles() -> None:
    with pytest.raises(ValueError, match=r"QuantileConfig.quantiles: got \[3, 4\], expected one"):
        build_rule("critic", [QuantileConfig(quantiles=3), QuantileConfig(quantiles=4)], place([0, 1]))


@each
def test_scaled_rewards_give_scaled_values(config: RuleConfig) -> None:
    """Nothing but penalties has a unit of its own."""
    if "penalty" in vars(config):
        config = dataclasses.replace(config, penalty=0.0)  # type: ignore[call-arg]
    one, other = Life(config, seeds=[3], told=True), Life(config, seeds=[3], told=True)
    other.tables[1], other.tables[4] = 4 * other.tables[1], 4 * other.tables[4]
    one.live(150), other.live(150)
    assert one.critic.memory.M.abs().max() > 0.5
    assert torch.equal(4 * one.critic.memory.M, other.critic.memory.M)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (PenalisedConfig, "penalty", -1.0), (PenalisedConfig, "penalty", math.nan),
        (PenalisedConfig, "bad_reward", -math.inf), (IntrinsicFearConfig, "penalty", -0.1),
        (IntrinsicFearConfig, "radius", 0), (IntrinsicFearConfig, "radius", 1.5),
        (IntrinsicFearConfig, "fear_step_size", 1.1), (IntrinsicFearConfig, "bad_reward", "low"),
        (QuantileConfig, "quantiles", 0), (QuantileConfig, "level", 0.0), (QuantileConfig, "level", 1.1),
        (QuantileConfig, "scale_rate", 0.0), (QuantileConfig, "scale_rate", math.nan),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}.{field}: got .*, expected"):
        kind(**{field: value})


def test_the_world_of_these_tests_truncates_ends_and_endangers() -> None:
    life = Life(told=True, seeds=[4]).live(400)
    cut = life.of("done") & ~life.of("terminated")
    assert cut.sum() > 10
    assert life.of("terminated").sum() > 10
    assert life.of("danger").sum() > 20
    assert life.age.max() < LIMIT
