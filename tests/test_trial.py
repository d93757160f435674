"""Recall that tries its memories: against a plain Python form of its equations, and case by case."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from emotional_ed.affect import AffectConfig, AffectSystem, RecallConfig
from emotional_ed.affect.recall import Recall

SLOTS = 4
CONFIG = RecallConfig(
    slots=SLOTS, threshold=4.0, reluctance=1.3, mood_gain=0.0, infancy=3, hope=0.5, per_step=True, patience=6
)


def recall_of(config: RecallConfig, population: int = 1) -> Recall:
    affect = dataclasses.replace(AffectConfig.levels(2), recall=config)
    recall = AffectSystem(affect, population, actions=2, keys=3).recall
    assert recall is not None
    return recall


def live(recall: Recall, felt: Any, reward: Any, due: Any) -> None:
    """One step: felt [P, S] by the memories, the reward [P], and whose episode ends [P]."""
    signals = {
        "slot_lss": torch.as_tensor(felt, dtype=torch.float32),
        "reward": torch.as_tensor(reward, dtype=torch.float32),
        "mood": torch.zeros(len(reward)),
    }
    recall.observe(signals, None)
    recall.update(signals, torch.as_tensor(due))


class Plain:
    """One member, number by number, as the equations of `Recall` and `Trial` say."""

    def __init__(self, config: RecallConfig) -> None:
        self.c, room = config, config.slots
        self.L = [0.0] + [-1e30] * (room - 1) + [-1e30]
        self.used, self.age, self.lived = [True] + [False] * (room - 1), [0] * room, [0] * room
        self.slot = self.episodes = self.count = self.since = 0
        self.size = self.scale = self.outcome = 0.0
        self.young: list[float] = []
        self.doubts: list[float] = []
        self.tried: set[int] = set()
        self.worth, self.sure = [0.0] * room, [0] * room
        self.history: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self.total, self.fit, self.steps = [0.0] * (self.c.slots + 1), [0.0] * (self.c.slots + 1), 0

    def step(self, felt: list[float], reward: float) -> None:
        every = [felt[j] if self.used[j] else reward for j in range(self.c.slots)] + [reward]
        own = abs(every[self.slot])
        self.count += 1
        bounded = min(own, self.c.limit * self.size) if self.size > 0 else own
        self.size += max(1 / self.count, 1 / 500) * (bounded - self.size)
        sigma = max(self.size, self.c.floor * self.outcome, 1e-12)
        self.steps += 1
        for j, one in enumerate(every):
            self.total[j] += one
            self.fit[j] += 0.25 * math.log1p((one / sigma) ** 2)

    def end(self) -> None:
        c, blank, p = self.c, self.c.slots, self.slot
        mean = [one / self.steps for one in self.total]
        unit = max(self.scale, c.floor * self.outcome) or abs(mean[p])
        self.episodes += 1
        rate = max(c.decay, 1 / self.episodes)
        self.scale += rate * (min(abs(mean[p]), c.limit * unit) - self.scale)
        self.outcome += rate * (abs(mean[blank]) - self.outcome)
        cost = []
        for one in mean:
            z = abs(one) / unit
            cost.append(min(z, c.limit) * (z - min(z, c.limit) / 2))
        if mean[p] >= 0:
            cost[blank] = max(cost[blank], cost[p])
        apart = [one - self.fit[p] for one in self.fit]
        gain = min(cost[p] - cost[blank], 2 * c.threshold, c.threshold - apart[blank])
        own = cost[p]
        cost = [own + max(one, -c.threshold) for one in apart[:-1]] + [own - gain]
        behind = [c.threshold] * blank + [c.threshold * (1 + c.reluctance)]
        possible = [j for j in range(blank) if self.used[j]] + [blank]
        score = [self.L[j] - cost[j] if j in possible else -1e30 for j in range(blank + 1)]
        best = max(score[:blank])
        above = score[blank] - best
        self.certain = above <= -(1 - 1e-4) * behind[blank]
        hopeful = self._hopes(above > -behind[blank])
        patient = self.since + 1 < c.patience
        doubted = score[blank] >= best
        if patient or not hopeful:
            score[blank] = min(score[blank], best)
        top = max(score)
        L = [max(score[j] - top, -behind[j]) if j in possible else -1e30 for j in range(blank + 1)]
        if gain < 0:
            self.tried.clear()
        left = [j for j in possible[:-1] if j != p and j not in self.tried and apart[j] < c.threshold]
        if doubted and not patient and left:
            tried = max(left, key=lambda j: (L[j], -j))
            self.tried.add(tried)
            L[p], L[blank], L[tried] = -behind[p], -behind[blank], 0.0
            self.history.append("tried")
        self._go(L, behind)

    def _hopes(self, doubts: bool) -> bool:
        c, result, p = self.c, self.total[-1], self.slot
        if self.lived[p] < c.infancy:
            self.young.append(result)
        self.lived[p] += 1
        self.doubts = [*self.doubts, result] if doubts else []
        n, m = max(len(self.doubts), 1), len(self.young)
        variance = float(np.var(self.young, ddof=1)) if m > 1 else math.inf
        worse = sum(self.doubts) / n + c.hope * math.sqrt(variance * (1 / n + 1 / m))
        ignorant = sum(self.young) / m
        fallen = self._has_fallen(result, ignorant, variance)
        return fallen or worse < ignorant - 1e-5 * abs(ignorant)

    def _has_fallen(self, result: float, ignorant: float, variance: float) -> bool:
        c, p, m = self.c, self.slot, len(self.young)
        if self.certain:
            self.sure[p] += 1
            self.worth[p] += max(1 / self.sure[p], c.decay) * (result - self.worth[p])
        if len(self.doubts) < c.patience or not self.sure[p]:
            return False
        error = math.sqrt(variance * (1 / min(self.sure[p], 1 / c.decay) + 1 / m))
        fallen = np.mean(self.doubts) <= ignorant + 1e-5 * abs(ignorant)
        if fallen and self.worth[p] > ignorant + c.hope * error:
            self.history.append("fallen")
            return True
        return False

    def _go(self, L: list[float], behind: list[float]) -> None:
        blank, before = self.c.slots, self.slot
        best = max(L)
        if L[before] < best:
            if L[blank] < best:
                L[blank] = -behind[blank]
            first = L.index(best)
            if first == blank:
                unused = [j for j in range(blank) if not self.used[j]]
                first = unused[0] if unused else max(range(blank), key=lambda j: (self.age[j], -j))
                L[first], L[blank] = best, -behind[blank]
                self.lived[first] = self.sure[first] = 0
                self.worth[first] = 0.0
                self.history.append("began")
            elif "tried" not in self.history[-1:] or L[first] != 0.0:
                self.history.append("recalled")
            self.slot, self.used[first] = first, True
        self.L = L
        self.age = [0 if j == self.slot else one + 1 for j, one in enumerate(self.age)]
        self.since = 0 if self.slot != before else self.since + 1
        self._begin()


def episode(rng: np.random.Generator, world: int, slot: int, learned: list[int]) -> tuple[Any, Any]:
    """Return surprises [T, S] and rewards [T]; `learned[j]` is the world that memory j was learned in."""
    right = learned[slot] == world
    steps = int(rng.integers(15, 30)) if right and rng.random() > 0.15 else int(rng.integers(3, 6))
    scale = np.array([0.1 if one == world else 0.4 for one in learned]) * (1 if right else 6)
    felt = rng.normal(size=(steps, SLOTS)) * scale - (0 if right else 1.0)
    if steps < 15:
        felt[-1] -= rng.uniform(5, 9, SLOTS)
    return felt, np.ones(steps)


def errand(rng: np.random.Generator, world: int, slot: int, learned: list[int]) -> tuple[Any, Any]:
    """Return the same of episodes that reach something or not; nothing is worse than to know nothing."""
    if learned[slot] == world and rng.random() > 0.1:
        steps = int(rng.integers(4, 9))
        felt = rng.normal(size=(steps, SLOTS)) * 0.05 - np.array(
            [0.0 if one == world else 0.3 for one in learned]
        )
        return felt, np.array([-0.01] * (steps - 1) + [1.0])
    return rng.normal(size=(20, SLOTS)) * 0.01 - 0.08, np.full(20, -0.01)


@pytest.mark.parametrize(
    ("live_one", "expected"), [(episode, {"tried", "began"}), (errand, {"tried", "began", "fallen"})]
)
@pytest.mark.parametrize("seed", range(6))
def test_a_population_does_what_the_equations_say(seed: int, live_one: Any, expected: set[str]) -> None:
    rng, members = np.random.default_rng(seed), 3
    recall, plain = recall_of(CONFIG, members), [Plain(CONFIG) for _ in range(members)]
    worlds = [[(t // (40 + 7 * i)) % 3 for t in range(220)] for i in range(members)]
    learned = [[-1 if live_one is errand else 0] * SLOTS for _ in range(members)]
    number, place = [0] * members, [0] * members
    running: list[tuple[Any, Any] | None] = [None] * members
    while min(number) < 200:
        felt, reward, due = np.zeros((members, SLOTS)), np.zeros(members), np.zeros(members, bool)
        for i, one in enumerate(plain):
            now = running[i]
            if now is None:
                if one.since == 12:  # by then it has learned the world that it is in
                    learned[i][one.slot] = worlds[i][number[i] % 220]
                now = running[i] = live_one(rng, worlds[i][number[i] % 220], one.slot, learned[i])
                place[i] = 0
            surprises, rewards = now
            felt[i] = np.where(one.used, surprises[place[i]], rewards[place[i]])
            reward[i] = rewards[place[i]]
            place[i] += 1
            due[i] = place[i] == len(rewards)
        live(recall, felt, reward, due)
        for i, one in enumerate(plain):
            one.step(felt[i].tolist(), float(reward[i]))
            if due[i]:
                one.end()
                running[i], number[i] = None, number[i] + 1
                posterior = recall.posterior[i].numpy()
                np.testing.assert_allclose(posterior, one.L, rtol=2e-3, atol=2e-3)
        assert recall.slot.tolist() == [one.slot for one in plain]
        assert recall.trial is not None
        tried = [set(np.flatnonzero(row).tolist()) for row in recall.trial.tried.numpy()]
        assert tried == [one.tried for one in plain]
        assert recall.trial.since.tolist() == [one.since for one in plain]
        assert recall.trial.sure.tolist() == [one.sure for one in plain]
        np.testing.assert_allclose(recall.trial.worth.numpy(), [one.worth for one in plain], atol=1e-4)
    happened = {what for one in plain for what in one.history}
    assert happened >= expected


def two_memories(**changes: Any) -> Recall:
    """Return a recall that knows two memories, is in the first, and found it usual to be surprised by .1."""
    recall = recall_of(dataclasses.replace(CONFIG, **changes))
    recall.used[0, :2] = True
    recall.posterior[0] = torch.tensor([0.0, -4.0, -1e30, -1e30, -9.2])
    recall._in_use = None
    recall.ignorance[0] = torch.tensor([500.0, 10.0])
    recall.scatter[0] = 10.0
    recall.lived[0, :2] = 50.0
    recall.scale.fill_(0.1)
    recall.episodes.fill_(1000.0)
    assert recall.trial is not None
    recall.trial.size.fill_(0.1)
    recall.trial.count.fill_(5000.0)
    recall.trial.since.fill_(50.0)
    return recall


def fail(recall: Recall, steps: int = 4) -> None:
    """A short episode in which nothing fits but a blank memory."""
    for step in range(steps):
        live(recall, [[-3.0, -3.0, 1.0, 1.0]], [1.0], [step == steps - 1])


def test_no_single_accident_switches_and_a_streak_tries_what_is_known() -> None:
    recall = two_memories()
    fail(recall)
    assert recall.slot.tolist() == [0]
    fail(recall)
    assert recall.slot.tolist() == [1]  # alike to the other in all that was felt, but not tried yet
    assert not bool(recall.fresh)
    for _ in range(5):
        fail(recall)
        assert recall.slot.tolist() == [1]  # it is given time
    fail(recall)
    assert recall.slot.tolist() == [0]  # the first again: it has not been tried in this streak
    for _ in range(6):
        fail(recall)
    assert recall.slot.tolist() == [2]
    assert bool(recall.fresh)


def test_success_settles_what_was_in_doubt() -> None:
    recall = two_memories()
    assert recall.trial is not None
    fail(recall)
    fail(recall)
    assert recall.trial.tried[0].tolist() == [False, True, False, False]
    for step in range(20):
        live(recall, [[0.5, 0.05, 1.0, 1.0]], [1.0], [step == 19])
    assert not bool(recall.trial.tried.any())
    assert recall.slot.tolist() == [1]


def test_what_fits_much_worse_is_not_tried() -> None:
    recall = two_memories()
    for _ in range(8):
        for step in range(4):
            live(recall, [[-3.0, -3e5, 1.0, 1.0]], [1.0], [step == 3])
        assert recall.slot.tolist() != [1]


def one_memory() -> Recall:
    """A member that returned -.2 in each of ten episodes of ignorance."""
    recall = two_memories()
    recall.used[0, 1] = False
    recall.posterior[0, 1] = -1e30
    recall.ignorance[0] = torch.tensor([-2.0, 10.0])
    recall.scatter[0] = 0.0
    return recall


def errands(recall: Recall, number: int, reached: bool) -> None:
    """Episodes of 20 steps in which something is reached, or nothing; the last step says so."""
    for _ in range(number):
        for step in range(20):
            last = step == 19
            felt = 0.01 if reached else -0.08
            live(recall, [[felt, felt, -0.01, -0.01]], [1.0 if reached and last else -0.01], [last])


def test_what_was_better_than_ignorance_and_is_so_no_more_gives_hope() -> None:
    """Nothing can be worse than to reach nothing, as in ignorance: returns of -.2, without any scatter."""
    recall = one_memory()
    errands(recall, 10, reached=True)
    assert recall.trial is not None
    assert recall.trial.sure[0].tolist() == [10, 0, 0, 0]
    assert recall.trial.worth[0, 0].item() == pytest.approx(0.81)
    recall.trial.worth[0, 1], recall.trial.sure[0, 1] = 3.0, 5.0  # of what was in that slot before
    waited = 0
    while recall.slot.item() == 0 and waited < 100:
        errands(recall, 1, reached=False)
        waited += 1
    assert bool(recall.fresh)
    assert CONFIG.patience <= waited <= CONFIG.patience + 10
    assert recall.trial.sure[0].tolist() == [10, 0, 0, 0], "doubted episodes say nothing of its worth"
    assert recall.trial.worth[0, 1].item() == 0


def test_who_never_was_better_than_ignorance_does_not_begin_anew() -> None:
    recall = one_memory()
    errands(recall, 60, reached=False)
    assert recall.slot.tolist() == [0]


def test_a_streak_of_bad_luck_shorter_than_patience_gives_no_hope() -> None:
    recall = one_memory()
    for _ in range(6):
        errands(recall, 10, reached=True)
        errands(recall, CONFIG.patience - 1, reached=False)
        assert recall.slot.tolist() == [0]


def test_without_patience_recall_is_as_before_and_holds_nothing_more() -> None:
    recall = recall_of(dataclasses.replace(CONFIG, patience=0))
    assert recall.trial is None
    assert not any("trial" in name for name in recall.state_dict())


def test_members_with_and_without_patience_live_side_by_side() -> None:
    rng = np.random.default_rng(0)
    configs = [dataclasses.replace(CONFIG, patience=n) for n in (0, 6)]
    affect = [dataclasses.replace(AffectConfig.levels(2), recall=one) for one in configs]
    both = AffectSystem(affect, 2, actions=2, keys=3).recall
    single = [recall_of(one) for one in configs]
    assert both is not None
    for _ in range(300):
        felt, due = rng.normal(size=(1, SLOTS)) * 3 - 1, rng.random() < 0.2
        live(both, np.repeat(felt, 2, 0), [1.0, 1.0], [due, due])
        for one in single:
            live(one, felt, [1.0], [due])
    for i, one in enumerate(single):
        assert torch.equal(both.posterior[i], one.posterior[0])
        assert both.slot[i] == one.slot[0]
    assert not torch.equal(both.posterior[0], both.posterior[1])


def test_huge_and_empty_surprises_give_numbers() -> None:
    recall = two_memories()
    assert recall.trial is not None
    recall.trial.size.zero_()
    live(recall, [[0.0, 3e30, -3e30, 0.0]], [0.0], [True])
    assert bool(recall.posterior.isfinite().all())
    assert bool(recall.trial.fit.isfinite().all())


def test_a_cut_episode_is_forgotten() -> None:
    recall = two_memories()
    assert recall.trial is not None
    live(recall, [[-3.0, -3.0, 1.0, 1.0]], [1.0], [False])
    assert bool(recall.trial.fit.any())
    recall.cut_episode()
    assert not bool(recall.trial.fit.any())


@pytest.mark.parametrize(
    ("given", "message"),
    [({"patience": -1}, "patience: got -1"), ({"per_step": False}, "patience: got 6 without per_step")],
)
def test_bad_patience_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **given)


def test_a_memory_that_begins_anew_where_another_was_is_given_time() -> None:
    """With several environments on one network a new memory may take the place of the one that is left."""
    recall = recall_of(RecallConfig(slots=2, per_step=True, patience=3), 2)
    assert recall.trial is not None
    recall.used.fill_(True)
    recall.slot.copy_(torch.tensor([0, 1]))  # each is in use, so that `share_memories` leaves all ages 0
    recall.trial.since.fill_(7)
    recall.trial.tried.fill_(True)
    recall.trial.fit.copy_(torch.tensor([[9.0, 9.0, 0.0], [0.0, 0.0, 0.0]]))
    for name, value in (("episodes", 50), ("scale", 1), ("outcome", 1), ("scatter", 1), ("lived", 50)):
        getattr(recall, name).fill_(value)
    recall.ignorance.copy_(torch.tensor([[0.0, 10.0], [0.0, 10.0]]))
    recall.doubt.copy_(torch.tensor([[-500.0, 10.0], [0.0, 0.0]]))
    recall.posterior.copy_(torch.tensor([[-2.0, -2.0, -0.001], [-2.0, 0.0, -2.0]]))
    recall.total.copy_(torch.tensor([[-3.0, -3.0, -1.0], [0.0, 0.0, 0.0]]))
    recall.steps.fill_(1)
    recall.update({"mood": torch.zeros(2)}, torch.tensor([True, True]))
    assert (recall.slot.tolist(), recall.fresh.tolist()) == ([0, 1], [True, False])
    assert recall.trial.since.tolist() == [0, 8]
