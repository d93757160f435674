"""Prioritised sweeping: against a heap in plain Python, by hand, and in what it refuses."""

import heapq
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rivals import ACTIONS, STATES, Life, goes_on_from_its_state, place, same_as_single_runs

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.critics import (
    ExpectedSarsaConfig,
    FullFeedbackConfig,
    IntrinsicFearConfig,
    PenalisedConfig,
    QLearningConfig,
    QuantileConfig,
)
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import EZGreedyConfig, NearGreedyConfig, SoftmaxConfig, StickyConfig
from emotional_ed.agents.rules import Moment, build_rule
from emotional_ed.agents.sleep import SleepConfig
from emotional_ed.agents.sweeping import PrioritisedSweeping, SweepingConfig

ICE = "EmotionalED/SilentCatastrophe-v0"
one = np.float32
NIGHTLY = SweepingConfig(period=15, updates=20, theta=0.01)


class Heap:
    """Prioritised sweeping of one member as the textbook has it: a queue, a dictionary, and single precision."""

    def __init__(self, config: SweepingConfig) -> None:
        self.config = config
        self.Q: Any = np.zeros((STATES, ACTIONS), dtype=one)
        self.model: dict[int, tuple[Any, Any, int, bool]] = {}
        self.waiting: dict[int, Any] = {}
        self.backups = 0

    def push(self, pair: int, priority: Any) -> None:
        if priority > one(self.config.theta):
            self.waiting[pair] = max(priority, self.waiting.get(pair, one(0)))

    def live(self, x: dict[str, Any]) -> None:
        s, a, r, n = int(x["key"]), int(x["action"]), one(x["reward"]), int(x["next_key"])
        y = r + one(0.9) * (one(0) if x["terminated"] else self.Q[n].max())
        error = y - self.Q[s, a]
        self.Q[s, a] += one(0.3) * error
        pair = s * ACTIONS + a
        tries, mean, _, _ = self.model.get(pair, (0, one(0), 0, False))
        rate = one(1) / one(tries + 1) if self.config.average else one(1)
        self.model[pair] = (tries + 1, (one(1) - rate) * mean + rate * r, n, bool(x["terminated"]))
        self.push(pair, abs(error))

    def night(self) -> None:
        share = one(1) if self.config.full else one(0.3)
        for _ in range(self.config.updates):
            queue = [(-priority, pair) for pair, priority in self.waiting.items()]
            heapq.heapify(queue)
            if not queue:
                return
            _, pair = heapq.heappop(queue)
            del self.waiting[pair]
            self.backups += 1
            s, a = divmod(pair, ACTIONS)
            _, r, n, ended = self.model[pair]
            error = r + one(0.9) * (one(0) if ended else self.Q[n].max()) - self.Q[s, a]
            self.Q[s, a] += share * error
            self.push(pair, (one(1) - share) * abs(error))
            for before, (_, reward, leads, over) in self.model.items():
                if leads == s and not over:
                    self.push(
                        before, abs(reward + one(0.9) * self.Q[s].max() - self.Q[divmod(before, ACTIONS)])
                    )


@pytest.mark.parametrize("full", [True, False], ids=["full", "by the step size"])
@pytest.mark.parametrize("average", [True, False], ids=["mean", "last"])
def test_it_is_what_a_heap_computes_bit_for_bit(full: bool, average: bool) -> None:
    config = SweepingConfig(period=15, updates=20, theta=0.01, full=full, average=average)
    life = Life(sleep=config, seeds=[4]).live(150)
    heap = Heap(config)
    for number, step in enumerate(life.history, 1):
        heap.live({name: value[0] for name, value in step.items() if isinstance(value, torch.Tensor)})
        if number % 15 == 0:
            heap.night()
    assert heap.backups > 50
    assert np.array_equal(life.critic.memory.M[0].T.numpy(), heap.Q)
    assert life.sleep is not None
    waiting = {int(pair): one(life.sleep.priority[0, pair]) for pair in life.sleep.priority[0].nonzero()}
    assert {pair: priority for pair, priority in waiting.items() if priority > one(0.01)} == heap.waiting


# ---------------------------------------------------------------- populations and state


CRITICS = [
    QLearningConfig(), ExpectedSarsaConfig(), PenalisedConfig(), IntrinsicFearConfig(radius=2),
    FullFeedbackConfig(), QuantileConfig(quantiles=3, level=0.5),
]  # fmt: skip


@pytest.mark.parametrize("critic", CRITICS, ids=[type(critic).__name__ for critic in CRITICS])
def test_a_population_is_single_runs_bit_for_bit_with_any_critic(critic: Any) -> None:
    same_as_single_runs([0, 5, 6], 45, critic=critic, sleep=NIGHTLY, told=True)


def test_members_may_differ_in_their_numbers() -> None:
    configs = [
        SweepingConfig(period=15, updates=20, theta=theta, full=full, average=average)
        for theta, full, average in ((0.0, True, False), (0.3, False, True), (5.0, True, True))
    ]
    same_as_single_runs([0, 5, 6], 60, sleep=configs)


def test_its_state_is_all_there_is() -> None:
    goes_on_from_its_state(38, sleep=NIGHTLY, told=True, critic=PenalisedConfig())


def test_configurations_survive_a_file() -> None:
    level = LevelZero(sleep=NIGHTLY)
    assert LevelZero.from_dict(level.to_dict()) == level


# ---------------------------------------------------------------- by hand


def moment(
    key: int, action: int, reward: float, next_key: int, terminated: bool = False, **more: Any
) -> Moment:
    rate = torch.tensor([0.9])
    return Moment(
        key=torch.tensor([key]), next_key=torch.tensor([next_key]), action=torch.tensor([action]),
        chosen=torch.tensor([action])[:, None] == torch.arange(ACTIONS), reward=torch.tensor([reward]),
        terminated=torch.tensor([terminated]), discount=rate, epsilon=rate, **more,
    )  # fmt: skip


def asleep(config: SweepingConfig, keys: int = STATES, slots: int = 1, critic: Any = None) -> Any:
    where = place(keys=keys, slots=slots)
    return build_rule("sleep", [config], where), build_rule("critic", [critic or QLearningConfig()], where)


def dream(sleep: PrioritisedSweeping, critic: Any) -> list[list[float]]:
    rate = torch.tensor([0.9])
    sleep.night(critic, torch.tensor([0.5]), rate, rate)
    values: list[list[float]] = critic.memory.M[0].T.tolist()
    return values


def test_one_night_carries_one_success_all_the_way_back() -> None:
    """Thirty cells in a row: replay in the order lived would need thirty nights, a sweep needs thirty backups."""
    sleep, critic = asleep(SweepingConfig(updates=30), keys=31)
    for cell in range(30):
        sleep.remember(
            moment(cell, 1, float(cell == 29), cell + 1, cell == 29), torch.tensor([float(cell == 29)])
        )
    values = dream(sleep, critic)
    assert [row[1] for row in values[:30]] == pytest.approx(
        [0.9 ** (29 - cell) for cell in range(30)], rel=1e-5
    )
    assert sleep.priority.max() == 0


def test_the_budget_is_counted_in_backups() -> None:
    sleep, critic = asleep(SweepingConfig(updates=4), keys=31)
    for cell in range(30):
        sleep.remember(
            moment(cell, 1, float(cell == 29), cell + 1, cell == 29), torch.tensor([float(cell == 29)])
        )
    values = dream(sleep, critic)
    assert [cell for cell in range(31) if any(values[cell])] == [26, 27, 28, 29]
    assert sleep.priority.nonzero()[:, 1].tolist() == [25 * ACTIONS + 1]


def test_the_most_urgent_comes_first() -> None:
    sleep, critic = asleep(SweepingConfig(updates=1))
    for state, reward in enumerate((0.5, -2.0, 1.0)):
        sleep.remember(moment(state, 0, reward, 6, True), torch.tensor([abs(reward)]))
    assert [row[0] for row in dream(sleep, critic)] == [0, -2, 0, 0, 0, 0, 0]


def test_what_is_expected_wakes_nobody() -> None:
    sleep, critic = asleep(SweepingConfig(theta=0.5))
    sleep.remember(moment(0, 0, 0.4, 1), torch.tensor([0.4]))
    assert not np.any(dream(sleep, critic))
    sleep.remember(moment(0, 0, 0.6, 1), torch.tensor([0.6]))
    assert np.any(dream(sleep, critic))


def test_a_terminal_state_has_no_predecessors() -> None:
    sleep, critic = asleep(SweepingConfig())
    sleep.remember(moment(0, 0, 0.0, 1, terminated=True), torch.tensor([0.0]))
    sleep.remember(moment(1, 0, 5.0, 2, terminated=True), torch.tensor([5.0]))
    assert [row[0] for row in dream(sleep, critic)[:2]] == [0, 5]


@pytest.mark.parametrize(("average", "value"), [(True, 2.0), (False, 3.0)])
def test_the_model_keeps_the_mean_or_the_last_reward(average: bool, value: float) -> None:
    sleep, critic = asleep(SweepingConfig(average=average))
    for reward in (1.0, 2.0, 3.0):
        sleep.remember(moment(0, 0, reward, 1, terminated=True), torch.tensor([1.0]))
    assert dream(sleep, critic)[0][0] == pytest.approx(value)


def test_a_partial_backup_leaves_the_rest_waiting() -> None:
    sleep, critic = asleep(SweepingConfig(full=False, updates=3))
    sleep.remember(moment(0, 0, 8.0, 1, terminated=True), torch.tensor([8.0]))
    assert dream(sleep, critic)[0][0] == 7  # 4 + 2 + 1, with a step size of a half
    assert sleep.priority[0, 0] == 1


def test_the_model_remembers_a_declared_danger() -> None:
    sleep, critic = asleep(SweepingConfig(), critic=PenalisedConfig(penalty=10.0))
    sleep.remember(moment(0, 0, 1.0, 1, danger=torch.tensor([1.0])), torch.tensor([9.0]))
    again, other = asleep(SweepingConfig(), critic=PenalisedConfig(penalty=10.0))
    again.load_state_dict(sleep.state_dict())
    assert dream(sleep, critic)[0][0] == dream(again, other)[0][0] == -9


def test_a_member_that_rests_wakes_nobody() -> None:
    """Member 1 has nothing waiting; what is stale in its model stays so while member 0 sweeps."""
    where, rate = place([0, 1]), torch.tensor([0.9, 0.9])
    sleep, critic = (
        build_rule("sleep", [NIGHTLY] * 2, where),
        build_rule("critic", [QLearningConfig()] * 2, where),
    )
    lived = moment(1, 1, 5.0, 0)._asdict()
    both = Moment(
        **{name: value.expand(2, *value.shape[1:]) for name, value in lived.items() if value is not None}
    )
    sleep.remember(both, torch.tensor([5.0, 0.0]))
    sleep.night(critic, rate, rate, rate)
    assert critic.memory.M[0].abs().sum() == 5
    assert critic.memory.M[1].abs().sum() == 0
    assert sleep.priority[1].sum() == 0


def test_what_belongs_to_a_recycled_memory_is_forgotten() -> None:
    sleep, critic = asleep(SweepingConfig(), slots=2)
    for state in (0, STATES):
        sleep.remember(moment(state, 0, 1.0, state + 1), torch.tensor([1.0]))
    everyone, nobody = torch.tensor([True]), torch.tensor([False])
    sleep.forget(torch.tensor([0]), torch.tensor([2 * STATES]), nobody)
    sleep.forget(torch.tensor([STATES]), torch.tensor([2 * STATES]), everyone)
    values = dream(sleep, critic)
    assert (values[0][0], values[STATES][0]) == (1, 0)
    sleep.remember(moment(STATES + 1, 0, 1.0, STATES, False), torch.tensor([1.0]))
    assert dream(sleep, critic)[STATES][0] == 0  # the model does not know it any more


def test_nights_come_every_period() -> None:
    sleep, _ = asleep(SweepingConfig(period=7))
    assert [step for step in range(1, 30) if sleep.is_night(step)] == [7, 14, 21, 28]


def test_enough_nights_solve_what_was_seen() -> None:
    """With a deterministic world, values end at the fixed point of the optimality equation."""
    random = np.random.default_rng(0)
    reached, reward = random.integers(0, STATES, (STATES, ACTIONS)), random.normal(size=(STATES, ACTIONS))
    sleep, critic = asleep(SweepingConfig(updates=2000, theta=1e-5))
    for s in range(STATES):
        for a in range(ACTIONS):
            sleep.remember(moment(s, a, float(reward[s, a]), int(reached[s, a])), torch.tensor([1.0]))
    best = np.zeros((STATES, ACTIONS))
    for _ in range(500):
        best = reward + 0.9 * best.max(-1)[reached]
    np.testing.assert_allclose(dream(sleep, critic), best, atol=1e-3)


def test_in_a_sparse_world_it_beats_the_same_number_of_random_replays() -> None:
    """Fifteen cells, a reward at the end, as many backups: the sweep carries it further back."""
    reach = {}
    for config in (SweepingConfig(updates=30), SleepConfig(draw="uniform", updates=30)):
        where = place(range(20), keys=16)
        sleep, critic = (
            build_rule("sleep", [config] * 20, where),
            build_rule("critic", [QLearningConfig()] * 20, where),
        )
        rate = torch.full((20,), 0.9)
        for cell in range(15):
            step = moment(cell, 1, float(cell == 14), cell + 1, cell == 14)
            given = {
                name: value.expand(20, *value.shape[1:])
                for name, value in step._asdict().items()
                if value is not None
            }
            sleep.remember(Moment(**given), torch.full((20,), float(cell == 14)))
        sleep.night(critic, torch.ones(20), rate, rate)
        reach[type(config)] = int((critic.memory.M[:, 1] > 0).sum())
    assert reach[SweepingConfig] == 20 * 15
    assert reach[SleepConfig] < 20 * 6


# ---------------------------------------------------------------- in a whole agent


PARTS = [
    LevelZero(critic=ExpectedSarsaConfig(), policy=SoftmaxConfig(), sleep=SweepingConfig(period=20)),
    LevelZero(
        critic=PenalisedConfig(), policy=NearGreedyConfig(), sleep=SweepingConfig(period=20, average=True)
    ),
    LevelZero(
        critic=IntrinsicFearConfig(), policy=StickyConfig(), sleep=SweepingConfig(period=20, full=False)
    ),
    LevelZero(critic=FullFeedbackConfig(), policy=EZGreedyConfig(exponent=1.0)),
    LevelZero(critic=QuantileConfig(quantiles=4, level=0.5), sleep=SweepingConfig(period=20, updates=5)),
]


@pytest.mark.parametrize("level0", PARTS, ids=[type(one.critic).__name__ for one in PARTS])
def test_the_agent_takes_it_and_goes_on_from_a_file(level0: LevelZero, tmp_path: Path) -> None:
    plain = EmotionalQ(ICE, AffectConfig.levels(0), population=2, seed=3, listens=True).learn(90)
    model = EmotionalQ(ICE, AffectConfig.levels(0), level0=level0, population=2, seed=3, listens=True).learn(
        60
    )
    model.save(tmp_path / "half")
    again = EmotionalQ.load(tmp_path / "half").learn(30)
    model.learn(30)
    assert torch.equal(again.value.M, model.value.M)
    for one_more, value in model.mind.state_dict().items():
        assert torch.equal(again.mind.state_dict()[one_more], value), one_more
    assert model.value.M.shape != plain.value.M.shape or not torch.equal(model.value.M, plain.value.M)
    assert model.value.M.isfinite().all()


# ---------------------------------------------------------------- bad input


def test_several_features_are_refused() -> None:
    with pytest.raises(ValueError, match="sleep: got 8 features of a state, expected one-hot keys"):
        build_rule("sleep", [SweepingConfig()], place(keys=40, active=8))


def test_a_population_shares_its_nights() -> None:
    with pytest.raises(ValueError, match=r"SweepingConfig.updates: got \[3, 4\], expected one"):
        build_rule("sleep", [SweepingConfig(updates=3), SweepingConfig(updates=4)], place([0, 1]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("period", 0), ("updates", 1.5), ("theta", -1.0), ("theta", math.nan), ("full", 1), ("average", "yes")],
)
def test_a_number_out_of_range_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"SweepingConfig.{field}: got .*, expected"):
        SweepingConfig(**{field: value})
