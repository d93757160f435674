"""Sleep: replay as a plain loop computes it, for each way to draw, and what it is worth."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from rivals import Life, goes_on_from_its_state, place, same_as_single_runs
from scipy import stats

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.critics import PenalisedConfig, QLearningConfig
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.rules import Moment, build_rule
from emotional_ed.agents.sleep import DRAWS, Replay, SleepConfig
from emotional_ed.streams import Streams

one = np.float32
STATES, ACTIONS = 7, 3
SHARE, DISCOUNT = one(0.3), one(0.9)


class Loop:
    """Replay written down once more: a list, and Python's own arithmetic in single precision."""

    def __init__(self, config: SleepConfig, seed: int) -> None:
        self.config, self.draws = config, Streams([seed], 2, purpose=3)
        self.Q = np.zeros((STATES, ACTIONS), dtype=np.float32)
        self.past: list[dict[str, Any]] = []
        self.lived = 0

    def target(self, x: dict[str, Any]) -> np.float32:
        return one(x["r"] + DISCOUNT * (one(0) if x["end"] else self.Q[x["n"]].max()))

    def write(self, x: dict[str, Any], target: np.float32, share: np.float32) -> None:
        self.Q[x["s"], x["a"]] += share * one(target - self.Q[x["s"], x["a"]])

    def live(self, x: dict[str, Any]) -> None:
        target = self.target(x)
        x["w"] = abs(one(target - self.Q[x["s"], x["a"]]))
        self.write(x, target, SHARE)
        if len(self.past) < self.config.room:
            self.past.append(x)
        else:
            self.past[self.lived % self.config.room] = x
        self.lived += 1
        if self.lived % self.config.period == 0:
            self.night()

    def night(self) -> None:
        draw, n = self.config.draw, len(self.past)
        newest = (self.lived - 1) % self.config.room
        where, weight = newest, one(1)
        for number in range(self.config.updates):
            if draw == "backward":
                where = newest if number % n == 0 else (where - 1) % n
            elif draw == "salience" and number % self.config.length:
                where = (where - 1) % n
            else:
                where, weight = self.start(n)
            x = self.past[where]
            target = self.n_step(where, newest) if draw == "n-step" else self.target(x)
            if draw == "surprise":
                x["w"] = abs(one(target - self.Q[x["s"], x["a"]]))
            self.write(x, target, one(SHARE * weight))

    def start(self, n: int) -> tuple[int, np.float32]:
        u = self.draws.next()[0].numpy()
        anywhere = min(int(u[1] * one(n)), n - 1)
        if self.config.draw in ("uniform", "n-step"):
            return anywhere, one(1)
        weights = [float(x["w"]) for x in self.past]
        total, uniform = math.fsum(weights), float(one(self.config.uniform))
        row, mark = anywhere, float(u[0]) / (1 - uniform)
        if mark < 1 and total > 0:
            row, left = 0, mark * total
            while left >= weights[row]:
                left -= weights[row]
                row += 1
        p = (1 - uniform) * weights[row] / total + uniform / n if total > 0 else 1 / n
        correction = min(1.0, 1 / n / p)
        kept = one(self.config.correction)
        return row, one((one(1) - kept) + kept * one(correction))

    def n_step(self, where: int, newest: int) -> np.float32:
        total, factor = one(0), one(1)
        for _ in range(self.config.length):
            x = self.past[where]
            total, factor = one(total + factor * x["r"]), one(factor * DISCOUNT)
            if x["done"] or where == newest:
                break
            where = (where + 1) % len(self.past)
        return one(total + factor * (one(0) if x["end"] else self.Q[x["n"]].max()))


@pytest.mark.parametrize("room", [23, 1000], ids=["the ring goes round", "all is kept"])
@pytest.mark.parametrize("draw", DRAWS)
def test_it_is_what_a_plain_loop_computes(draw: str, room: int) -> None:
    config = SleepConfig(draw=draw, period=10, updates=14, room=room, length=4, uniform=0.3, correction=0.6)
    life = Life(sleep=config, seeds=(3, 9)).live(240)
    for member, seed in enumerate((3, 9)):
        loop = Loop(config, seed)
        for x in life.history:
            loop.live(
                {
                    "s": int(x["key"][member]), "a": int(x["action"][member]), "n": int(x["next_key"][member]),
                    "r": one(x["reward"][member]), "end": bool(x["terminated"][member]),
                    "done": bool(x["done"][member]),
                }
            )  # fmt: skip
        held = life.critic.memory.M[member].T.numpy()
        np.testing.assert_allclose(held, loop.Q, rtol=2e-6, atol=2e-6)
    awake = Life(seeds=(3, 9)).live(240)
    assert not torch.allclose(life.critic.memory.M, awake.critic.memory.M, atol=0.05)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_population_is_single_runs_and_its_state_is_all_there_is(draw: str) -> None:
    configs = [
        SleepConfig(draw=draw, period=7, updates=9, room=31, length=3, uniform=u, correction=c)
        for u, c in ((0.0, 0.0), (0.2, 1.0), (1.0, 0.5))
    ]
    same_as_single_runs((5, 6, 5), 120, sleep=configs)
    goes_on_from_its_state(60, sleep=configs[1])


# ---------------------------------------------------------------- by hand


def moment(key: Any, action: int, reward: Any, next_key: Any, end: bool = False, **more: Any) -> Moment:
    """A transition of every member; numbers stand for one member."""
    keys, following, rewards = (torch.as_tensor(x) for x in (key, next_key, reward))
    keys, following, rewards = (x if x.ndim else x[None] for x in (keys, following, rewards.float()))
    actions = torch.full(rewards.shape, action)
    given = {
        "key": keys,
        "next_key": following,
        "action": actions,
        "chosen": actions[:, None] == torch.arange(ACTIONS),
        "reward": rewards,
        "terminated": torch.full(rewards.shape, end),
        "discount": torch.full(rewards.shape, 0.5),
        "epsilon": torch.zeros(rewards.shape),
        "done": torch.full(rewards.shape, end),
    }
    return Moment(**{**given, **more})


def asleep(config: SleepConfig, members: int = 1, keys: int = 8, active: int = 1, critic: Any = None) -> Any:
    where = place(range(members), keys=keys, active=active)
    return (
        build_rule("sleep", [config] * members, where),
        build_rule("critic", [critic or QLearningConfig()] * members, where),
    )


def dream(sleep: Replay, critic: Any, share: float = 1.0, discount: float = 0.5) -> Any:
    members = sleep.place.population
    sleep.night(critic, torch.full((members,), share), torch.full((members,), discount), torch.zeros(members))
    return critic.memory.M


def test_n_step_targets_by_hand() -> None:
    """From s0: 1 + 2/2 + 4/4 + max Q(s3)/8 with Q(s3) = 8, so 4; from s1 2 + 4/2 + 8/4 = 6; from s2 8."""
    config = SleepConfig(draw="n-step", updates=200, length=3)
    sleep, critic = asleep(config)
    for cell, reward in enumerate((1.0, 2.0, 4.0)):
        sleep.remember(moment(cell, 0, reward, cell + 1), torch.ones(1))
    critic.memory.M[0, 2, 3] = 8.0
    values = dream(sleep, critic)
    assert values[0, 0, :3].tolist() == [4.0, 6.0, 8.0]
    sleep.remember(
        moment(4, 0, 16.0, 5, end=True), torch.ones(1)
    )  # an end is not passed, and is worth nothing
    sleep.remember(moment(5, 1, 64.0, 6), torch.ones(1))
    values = dream(sleep, critic)
    assert values[0, 0, :5].tolist() == [4.0, 2 + 4 / 2 + 16 / 4, 4 + 16 / 2, 8 * 0, 16.0]


def test_a_cut_episode_ends_the_n_step_target_with_what_its_last_state_is_worth() -> None:
    sleep, critic = asleep(SleepConfig(draw="n-step", updates=60, length=5))
    sleep.remember(moment(0, 0, 1.0, 1), torch.ones(1))
    sleep.cut_episode()
    sleep.remember(moment(2, 0, 100.0, 3, end=True), torch.ones(1))
    critic.memory.M[0, 1, 1] = 6.0
    assert dream(sleep, critic)[0, 0, 0] == 1 + 6 / 2
    asleep(SleepConfig())[0].cut_episode()  # nothing was lived: nothing to cut


def test_nobody_dreams_before_anything_was_lived() -> None:
    for draw in DRAWS:
        sleep, critic = asleep(SleepConfig(draw=draw))
        assert not dream(sleep, critic).any()


def test_the_share_is_corrected_by_how_probable_the_draw_was() -> None:
    """w = 3, 1 and uniform = 1/2 give p = 5/8, 3/8; (1/2)/p is 0.8, and 4/3 which counts as 1."""
    for correction, expected in ((0.0, (1.0, 1.0)), (1.0, (0.8, 1.0)), (0.5, (0.9, 1.0))):
        config = SleepConfig(draw="salience", updates=1, length=1, uniform=0.5, correction=correction)
        sleep, critic = asleep(config, members=40)
        for key, weight in ((0, 3.0), (1, 1.0)):
            sleep.remember(moment([key] * 40, 0, [1.0] * 40, [7] * 40), torch.full((40,), weight))
        values = dream(sleep, critic)[:, 0, :2]
        for key in (0, 1):
            mine = values[:, key][values[:, key] > 0]
            assert len(mine) > 5
            assert mine.tolist() == pytest.approx([expected[key]] * len(mine)), (correction, key)


@pytest.mark.parametrize("draw", ["salience", "surprise"])
def test_starts_are_as_frequent_as_the_equation_says(draw: str) -> None:
    weights, uniform, members = [0.0, 1.0, 5.0, 2.0, 0.5, 1.5], 0.3, 6000
    config = SleepConfig(draw=draw, updates=1, length=1, uniform=uniform, room=6)
    sleep, critic = asleep(config, members)
    for key, weight in enumerate([9.0, *weights]):  # the first is overwritten
        key = max(key - 1, 0)
        sleep.remember(
            moment([key] * members, 1, [1.0] * members, [7] * members), torch.full((members,), weight)
        )
    drawn = (dream(sleep, critic)[:, 1] > 0).sum(0)[:6].numpy()
    assert drawn.sum() == members
    share = (1 - uniform) * np.array(weights) / sum(weights) + uniform / 6
    assert stats.chisquare(drawn, share * members).pvalue > 1e-3


class Diary:
    """Somebody who dreams and only notes what: the keys written, in order."""

    def __init__(self) -> None:
        self.keys: list[int] = []

    def read(self, key: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(key), ACTIONS)

    def target(self, moment: Moment) -> torch.Tensor:
        return moment.reward

    def write(self, moment: Moment, target: torch.Tensor, share: torch.Tensor) -> None:
        self.keys.append(int(moment.key[0]))


def orders(config: SleepConfig, lived: int) -> list[int]:
    sleep, _ = asleep(config, keys=100)
    for key in range(lived):
        sleep.remember(moment(key, 0, 1.0, key + 1), torch.tensor([float(key == lived - 2)]))
    diary = Diary()
    sleep.night(diary, torch.ones(1), torch.ones(1), torch.zeros(1))
    return diary.keys


def test_the_order_of_a_night() -> None:
    backward = SleepConfig(draw="backward", updates=7, room=5)
    assert orders(backward, 3) == [2, 1, 0, 2, 1, 0, 2]
    assert orders(backward, 12) == [11, 10, 9, 8, 7, 11, 10]
    sweeps = SleepConfig(draw="salience", updates=8, length=3, uniform=0.0, room=50)
    assert orders(sweeps, 20) == [18, 17, 16, 18, 17, 16, 18, 17]
    assert orders(sweeps, 3) == [1, 0, 2, 1, 0, 2, 1, 0]  # before the oldest comes the latest
    ring = SleepConfig(draw="salience", updates=6, length=6, uniform=0.0, room=4)
    assert orders(ring, 11) == [9, 8, 7, 10, 9, 8]


@pytest.mark.parametrize("draw", DRAWS)
def test_the_budget_is_counted_in_updates(draw: str) -> None:
    assert len(orders(SleepConfig(draw=draw, updates=13, length=4), 30)) == 13


def test_nights_come_every_period() -> None:
    sleep, _ = asleep(SleepConfig(period=4))
    assert [steps for steps in range(1, 13) if sleep.is_night(steps)] == [4, 8, 12]


def test_what_was_forgotten_is_not_replayed() -> None:
    for draw in DRAWS:
        sleep, critic = asleep(SleepConfig(draw=draw, updates=40, length=3), members=2)
        for key in range(8):
            sleep.remember(moment([key] * 2, 0, [1.0] * 2, [key] * 2, end=True), torch.ones(2))
        sleep.forget(torch.tensor([2, 0]), torch.tensor([5, 8]), torch.tensor([True, False]))
        values = dream(sleep, critic)[:, 0]
        assert not values[0, 2:5].any(), draw
        assert values[0].count_nonzero() > 2, draw
        assert values[1].count_nonzero() > (5 if draw != "surprise" else 2), draw


def test_a_declared_danger_is_remembered() -> None:
    for danger, value in ((torch.ones(1), -2.0), (None, 1.0)):
        sleep, critic = asleep(SleepConfig(draw="backward", updates=1), critic=PenalisedConfig(penalty=3.0))
        sleep.remember(moment(0, 0, 1.0, 1, end=True, danger=danger), torch.ones(1))
        assert dream(sleep, critic)[0, 0, 0] == value


def test_by_surprise_what_is_learned_is_dreamt_no_more() -> None:
    sleep, critic = asleep(SleepConfig(draw="surprise", updates=30, uniform=0.0))
    for key in range(4):
        sleep.remember(moment(key, 0, 1.0, 7, end=True), torch.tensor([1.0 + key]))
    dream(sleep, critic)
    assert critic.memory.M[0, 0, :4].tolist() == [1.0] * 4
    dream(sleep, critic)
    assert not sleep.salience.any()


@pytest.mark.parametrize("draw", DRAWS)
def test_with_several_features_values_are_sums(draw: str) -> None:
    """Three active features of twelve; every replayed transition moves each by a third."""
    random = np.random.default_rng(1)
    config = SleepConfig(draw=draw, updates=50, length=3, uniform=0.4, room=9)
    sleep, critic = asleep(config, keys=12, active=3)
    loop = Wide(config, seed=0)
    loop.Q = np.zeros((12, ACTIONS), dtype=np.float32)
    for _ in range(14):
        key, following = (random.choice(12, 3, replace=False) for _ in range(2))
        action, reward, end = int(random.integers(ACTIONS)), random.normal(), bool(random.random() < 0.3)
        weight = abs(random.normal())
        sleep.remember(
            moment(key[None], action, reward, following[None], end),
            torch.tensor([weight], dtype=torch.float32),
        )
        x = {
            "s": key,
            "a": action,
            "n": following,
            "r": one(reward),
            "end": end,
            "done": end,
            "w": one(weight),
        }
        if len(loop.past) < 9:
            loop.past.append(x)
        else:
            loop.past[loop.lived % 9] = x
        loop.lived += 1
    loop.night()
    dream(sleep, critic, share=float(SHARE), discount=float(DISCOUNT))
    np.testing.assert_allclose(critic.memory.M[0].T.numpy(), loop.Q, rtol=1e-5, atol=1e-5)
    assert np.abs(loop.Q).sum() > 1


class Wide(Loop):
    def value(self, features: Any) -> Any:
        return self.Q[features].sum(0)

    def target(self, x: dict[str, Any]) -> np.float32:
        return one(x["r"] + DISCOUNT * (one(0) if x["end"] else self.value(x["n"]).max()))

    def write(self, x: dict[str, Any], target: np.float32, share: np.float32) -> None:
        self.Q[x["s"], x["a"]] += share / 3 * (target - self.value(x["s"])[x["a"]])

    def n_step(self, where: int, newest: int) -> np.float32:
        total, factor = 0.0, 1.0
        for _ in range(self.config.length):
            x = self.past[where]
            total, factor = total + factor * float(x["r"]), factor * float(DISCOUNT)
            if x["done"] or where == newest:
                break
            where = (where + 1) % len(self.past)
        return one(total + factor * (0.0 if x["end"] else float(self.value(x["n"]).max())))

    def night(self) -> None:
        if self.config.draw != "surprise":
            super().night()
            return
        for _ in range(self.config.updates):
            where, weight = self.start(len(self.past))
            x = self.past[where]
            target = self.target(x)
            x["w"] = abs(one(target - self.value(x["s"])[x["a"]]))
            self.write(x, target, one(SHARE * weight))


# ---------------------------------------------------------------- what it is worth


def test_backward_replay_finds_the_way_through_a_sparse_maze_sooner() -> None:
    scores = {}
    for name, sleep in (("none", None), ("backward", SleepConfig(draw="backward", period=50, updates=50))):
        model = EmotionalQ(
            "EmotionalED/SparseMaze-v0", AffectConfig.levels(0), level0=LevelZero(sleep=sleep),
            population=24, seed=0, step_size=0.5, discount=0.97,
        ).learn(2500)  # fmt: skip
        found = np.bincount(model.episodes["member"], model.episodes["return"], minlength=24)
        scores[name] = found.mean()
    assert scores["backward"] > 1.5 * scores["none"] + 1, scores


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("draw", "deep", "one of backward, n-step, salience, surprise, uniform"),
        ("period", 0, "an integer of at least 1"),
        ("updates", 1.5, "an integer of at least 1"),
        ("room", 10**8, "an integer of at most 10000000"),
        ("length", 0, "an integer of at least 1"),
        ("uniform", 1.1, r"a number in \[0, 1\]"),
        ("correction", float("nan"), r"a number in \[0, 1\]"),
    ],
)
def test_a_setting_out_of_range_is_refused(field: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=f"SleepConfig.{field}: got .*expected {expected}"):
        SleepConfig(**{field: value})


@pytest.mark.parametrize("field", ["draw", "period", "updates", "room", "length"])
def test_a_population_sleeps_alike(field: str) -> None:
    other = {field: "uniform" if field == "draw" else 9}
    with pytest.raises(ValueError, match=f"SleepConfig.{field}: got .*expected one for a whole population"):
        build_rule("sleep", [SleepConfig(), SleepConfig(**other)], place((0, 1)))  # type: ignore[arg-type]
