"""Anger that resigns: a whole life against plain numpy, values by hand, its limits, and what it costs others."""

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from emotional_ed.affect import AffectConfig, AffectSystem, AngerConfig, Drive, Prospect, WeightsConfig
from emotional_ed.affect.anger import Anger
from emotional_ed.affect.resignation import Resignation
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.member import load_member
from emotional_ed.agents.policies import NearGreedyConfig
from emotional_ed.agents.rules import Place, build_rule
from emotional_ed.experiments.contests.mechanisms import arms_for

DOORS, JAM = "EmotionalED/MixedDoors-v0", "EmotionalED/JammedDoor-v0"
PLAIN = AffectConfig.levels(0)
ANGRY = dataclasses.replace(
    PLAIN, anger=AngerConfig(resigns=True, cap=5, step_size=0.3, step_gain=0.0, pain=1e6)
)
HALF = dataclasses.replace(PLAIN, anger=AngerConfig(cap=12))
LOW = -1e9


def memories(model: EmotionalQ) -> Resignation:
    """What the members of a model that resign know."""
    anger = model.affect.anger
    assert anger is not None
    assert anger.resignation is not None
    return anger.resignation


class Diary:
    """What one member did and felt, step by step."""

    def __init__(self, model: EmotionalQ) -> None:
        self.rows: list[dict[str, float]] = []
        self.model = model

    def note(self, model: EmotionalQ) -> None:
        names = ("observation", "action", "reward", "target", "moved", "terminated", "done", "greedy")
        row = {name: float(model.signals[name].reshape(-1)[0]) for name in names}
        anger = model.affect.anger
        assert anger is not None
        row["persist"], row["pushes"] = float(anger.persist[0]), float(anger.pushes[0])
        self.rows.append(row)


def reached(rows: list[dict[str, float]], t: int) -> int:
    """The state after step t."""
    row = rows[t]
    return int(row["observation"]) if not row["moved"] else int(rows[t + 1]["observation"])


class Oracle:
    """The equations of `Anger` for one member, over whole arrays and without any trick."""

    def __init__(self, config: AngerConfig, states: int, actions: int, step_size: float) -> None:
        self.c, self.alpha = config, step_size
        self.Q = np.zeros((states, actions))
        self.E, self.G = np.ones((states, actions)), 1.0
        self.num, self.den = np.zeros((states, actions, 16)), np.zeros((states, actions, 16))
        self.seen, self.discount = 0, 0.97
        self.run: list[tuple[int, float]] = []
        self.left: set[tuple[int, int]] = set()
        self.n, self.persist, self.last = 0, False, -1

    def value(self, s: int, but: int | None = None) -> float:
        free = [b for b in range(self.Q.shape[1]) if b != but and (s, b) not in self.left]
        return max(self.Q[s, b] for b in free) if free else LOW

    def step(self, row: dict[str, float], after: int) -> float:
        s, a, r = int(row["observation"]), int(row["action"]), row["reward"]
        was, self.seen = (s, a) in self.left, self.seen + 1
        pushing = self.n > 0 and a == self.last
        committed = pushing and self.persist
        n = self.n + 1 if pushing else 1
        den = self.den[s, a, min(n, 15)]
        gain = self.num[s, a, min(n, 15)] / den if den > 0 else 0.0
        worth = n < self.c.cap and gain > 0
        still = not row["moved"] and not row["done"]
        blocked = still and ((bool(row["greedy"]) and not was) or pushing or (worth and not was))
        again = blocked and (n < self.c.cap * self.E[s, a] * self.G or worth)
        others = self.value(s, but=a)
        leave = others if others > LOW else self.Q[s, a]
        give_up = committed and blocked and not again and others > LOW
        if again:
            ahead = leave + max(gain, 0.0)
            ahead = max(ahead, others)
        elif give_up:
            ahead = others
        else:
            ahead = self.value(after)
        target = r + self.discount * ahead * (not row["terminated"])
        again, blocked, give_up = (x and self.seen > 3 for x in (again, blocked, give_up))
        if blocked and not again:
            self.E[s, a] -= self.c.step_size * self.E[s, a]
            self.G -= self.c.helplessness * self.G
        if pushing and row["moved"]:
            self.G += self.c.helplessness * (1 - self.G)
        if committed:
            self.run.append((min(self.n, 15), r))
            ends = row["moved"] or give_up or (again and den > 0 and gain <= 0)
            if ends:
                rewards = [x for _, x in self.run[:-1]] + [target]
                for i, (count, _) in enumerate(self.run):
                    G = sum(self.discount**k * x for k, x in enumerate(rewards[i:]))
                    share = self.c.gain_step_size
                    self.num[s, a, count] += share * (G - leave - self.num[s, a, count])
                    self.den[s, a, count] += share * (1 - self.den[s, a, count])
            if ends or not again:
                self.run = []
        if give_up:
            self.left.add((s, a))
        self.Q[s, a] += self.alpha * (target - self.Q[s, a])
        self.n, self.persist, self.last = (n if blocked else 0), again, a
        if row["done"]:
            self.left, self.run = set(), []
        return target


@pytest.mark.parametrize("env", [DOORS, JAM])
def test_a_life_follows_the_equations(env: str) -> None:
    """Every target, decision and memory of 1000 steps, from the observed steps alone."""
    model = EmotionalQ(env, ANGRY, step_size=0.2, exploration=0.1, discount=0.97, seed=5)
    diary, ends = Diary(model), []
    model.learn(1000, callback=diary.note)
    oracle = Oracle(ANGRY.anger, 8, 4, 0.2)  # type: ignore[arg-type]
    for t, row in enumerate(diary.rows[:-1]):
        after = 7 if row["terminated"] else reached(diary.rows, t) if not row["done"] else None
        if after is None:  # truncated: the state reached is not in the diary
            moves = {1: 1, 3: -1}
            here = int(row["observation"])
            after = here if not row["moved"] else min(max(here + moves[int(row["action"])], 0), 6)
        target = oracle.step(row, after)
        assert row["target"] == pytest.approx(target, abs=2e-5), t
        assert (bool(row["persist"]), row["pushes"]) == (oracle.persist and not row["done"], oracle.n), t
        ends.append(row["done"])
    assert sum(ends) > 20
    assert oracle.den.max() > 0.05
    assert oracle.G < 0.99


def doors(
    seed: int = 0, population: int = 1, affect: AffectConfig | list[AffectConfig] = ANGRY
) -> EmotionalQ:
    return EmotionalQ(
        DOORS, affect, population=population, step_size=0.2, exploration=0.05, discount=0.97,
        seed=[seed + i for i in range(population)],
    )  # fmt: skip


@pytest.mark.parametrize("env", [DOORS, JAM, "EmotionalED/SlipperyCliff-v0"])
def test_members_with_and_without_are_their_single_runs(env: str) -> None:
    """Alone, a member that does not resign takes the shorter way of anger without it."""
    full = AffectConfig.levels(2)
    resigned = dataclasses.replace(full, anger=AngerConfig(resigns=True, gain_step_size=0.5))
    weighed = dataclasses.replace(resigned, weights=WeightsConfig(channels=("anger",)))
    kinds = [ANGRY, PLAIN, dataclasses.replace(PLAIN, anger=AngerConfig()), resigned, full, weighed]
    settings: dict[str, Any] = {"step_size": 0.2, "exploration": 0.05, "discount": 0.97}
    company = EmotionalQ(env, kinds, population=6, seed=list(range(3, 9)), **settings).learn(250)
    for i, kind in enumerate(kinds):
        alone = EmotionalQ(env, kind, seed=3 + i, **settings).learn(250)
        keys = alone.value.M.shape[-1]
        assert torch.equal(alone.value.M[0], company.value.M[i, :, :keys])
        if kind.anger is None:
            continue
        one, every = alone.affect.anger, company.affect.anger
        assert one is not None
        assert every is not None
        assert (one.resignation is not None) == kind.anger.resigns
        mine = one.state_dict()
        for name, tensor in every.state_dict().items():
            assert torch.equal(tensor[i], mine[name][0] if name in mine else torch.zeros_like(tensor[i])), (
                name
            )


def test_without_it_nothing_is_added_and_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tensors of a checkpoint, the state of `predict`, the drive and the calls are those of anger alone."""
    monkeypatch.setattr(Anger, "foresee", None)
    monkeypatch.setattr(AffectSystem, "foresee", None)
    model = doors(population=2, affect=HALF).learn(50)
    anger = model.affect.anger
    assert anger is not None
    assert set(anger.state_dict()) == {"general", "pushes", "level", "persist", "action", "memory.M"}
    assert model.affect.modulate(torch.tensor([0, 0])).exclude is None
    state = model.predict([0, 0])[1]
    assert state is not None
    assert state.shape == (2, 3)
    with pytest.raises(ValueError, match=r"state: got shape \[2, 11\], expected \[2, 3\] as returned"):
        model.predict([0, 0], np.zeros((2, 11), np.int64))


def test_no_persistence_is_plain_q_learning_bit_for_bit() -> None:
    calm = dataclasses.replace(PLAIN, anger=AngerConfig(resigns=True, persistence=0.0, step_gain=0.0))
    one, other = doors(affect=calm).learn(600), doors(affect=PLAIN).learn(600)
    assert torch.equal(one.value.M, other.value.M)


def test_a_weight_of_zero_is_plain_q_learning_bit_for_bit() -> None:
    none = dataclasses.replace(ANGRY, weights=WeightsConfig(channels=("anger",), gains=(0.0,)))
    one, other = doors(seed=2, population=6, affect=none), doors(seed=2, population=6, affect=PLAIN)
    given_up = 0
    for _ in range(20):
        given_up += int(memories(one.learn(15)).given_up.sum())
        assert torch.equal(one.value.M, other.learn(15).value.M)
    assert given_up > 0


def test_saving_in_the_middle_of_an_episode_changes_nothing(tmp_path: Path) -> None:
    kinds = [ANGRY, HALF, ANGRY, PLAIN]
    model = doors(population=4, affect=kinds).learn(200)
    for _ in range(200):
        if bool(memories(model).given_up.any()):
            break
        model.learn(1)
    assert bool(memories(model).given_up.any())
    model.save(tmp_path / "a")
    loaded, single, half = EmotionalQ.load(tmp_path / "a"), *(load_member(tmp_path / "a", i) for i in (2, 1))
    for one in (model, loaded, single, half):
        one.learn(200)
    for name, tensor in model.affect.state_dict().items():
        assert torch.equal(tensor, loaded.affect.state_dict()[name]), name
    assert torch.equal(model.value.M[2], single.value.M[0])
    assert torch.equal(model.value.M[1], half.value.M[0])
    assert half.affect.anger.resignation is None  # type: ignore[union-attr]
    assert torch.equal(memories(model).gain[2], memories(single).gain[0])


def test_values_by_hand() -> None:
    """Two pushes, then given up: returns, gain, what is foreseen, and that it is left alone until the end."""
    nest = AffectSystem(
        dataclasses.replace(PLAIN, anger=AngerConfig(resigns=True, cap=3, gain_step_size=0.5)),
        1,
        actions=2,
        keys=2,
    )
    anger = nest.anger
    assert anger is not None
    known = anger.resignation
    assert known is not None
    model_values = torch.tensor([[0.5, 0.2]])

    def foreseen(next_key: int, *, done: bool = False) -> list[float]:
        found = nest.foresee(
            Prospect(
                key=torch.tensor([0]), next_key=torch.tensor([next_key]), action=torch.tensor([0]),
                chosen=torch.tensor([[True, False]]), greedy=torch.tensor([True]),
                moved=torch.tensor([next_key != 0]), done=torch.tensor([done]), values=model_values,
                discount=torch.tensor([0.5]),
            )
        )  # fmt: skip
        assert found is not None
        return [round(float(x), 6) for x in found[0]]

    assert foreseen(0) == [-0.3, 0.0]  # nothing is known: a blocked push is worth what leaving is, 0.2
    known.gain[0, 0, 0, 1], known.known[0, 0, 0, 1] = 0.2, 0.5  # 0.4 after one push
    assert foreseen(0) == [0.1, 0.0]  # 0.2 + 0.4 - 0.5
    known.gain[0, 0, 0, 1] = -0.2
    assert foreseen(0) == [-0.3, 0.0]
    anger.pushes[0], anger.persist[0], anger.memory.M[:] = 2, True, 0.0
    assert foreseen(0) == [LOW, 0.0]  # given up
    assert foreseen(1) == [0.0, 0.0]
    known.given_up[0, 0, 1] = True
    assert foreseen(1) == [LOW, 0.0]
    assert nest.modulate(torch.tensor([1])).exclude.tolist() == [[True, False]]  # type: ignore[union-attr]
    known.given_up[0, 0, 1], known.given_up[0, 1, 0] = False, True
    assert foreseen(0) == [0.0, LOW]  # the last that is left is not given up


def test_a_hall_where_nothing_opens_is_no_trap_and_hope_is_lost() -> None:
    model = EmotionalQ(
        gymnasium.make(DOORS, opens=(0.0, 0.0, 0.0)), ANGRY, population=5, step_size=0.2, exploration=0.05,
        discount=0.97, seed=0,
    ).learn(2000)  # fmt: skip
    late = model.episodes[-80:]
    assert late["return"].mean() > -0.12  # the best is -0.02
    anger = model.affect.anger
    assert anger is not None
    assert float(anger.memory.M[:, 0, 1].max()) < 0.6  # given up twice, and not tried again


def test_with_step_sizes_of_zero_nothing_is_learned_and_nothing_traps() -> None:
    still = dataclasses.replace(
        PLAIN,
        anger=AngerConfig(resigns=True, cap=5, step_size=0.0, gain_step_size=0.0, step_gain=0.0),
    )
    model = doors(population=4, affect=still).learn(1000)
    anger = model.affect.anger
    assert anger is not None
    assert bool((anger.memory.M == 1).all())
    assert not bool(memories(model).gain.any())
    assert model.episodes["length"][-20:].mean() < 40


def test_near_greedy_choice_keeps_its_range_where_something_was_given_up() -> None:
    place = Place(2, 4, 1, 1, 1, (0, 1), torch.device("cpu"))
    policy = build_rule("policy", [NearGreedyConfig(width=0.5)] * 2, place)
    values, exclude = (
        torch.tensor([[4.0, 3.0, 0.0, 9.0]] * 2),
        torch.tensor([[False, False, False, True], [False] * 4]),
    )
    near = policy.near(values, Drive(bias=exclude * LOW, exclude=exclude))
    assert near.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_what_was_given_up_is_never_all_of_a_state() -> None:
    model, most = doors(population=16), 0
    for _ in range(40):
        model.learn(10)
        given_up = memories(model).given_up
        most = max(most, int(given_up.sum(1).max()))
        assert not bool(given_up.all(1).any())
    assert most >= 2


def test_what_predict_gives_up_was_asked_for_by_anger() -> None:
    """Three blocked steps in a row, which the member would make without anger too, are no giving up."""
    model = doors(
        population=2, affect=[dataclasses.replace(ANGRY, anger=AngerConfig(cap=1, resigns=True)), PLAIN]
    )
    model.value.M[:, 0, 1] = 1.0
    state, actions = None, []
    for _ in range(5):
        action, state = model.predict([1, 1], state)
        actions.append(action.tolist())
    assert actions == [[0, 0]] * 5


def test_predict_gives_up_a_door_and_does_not_come_back() -> None:
    model = doors()
    model.value.M[0, 0, 1], model.value.M[0, 1, 1] = 1.0, 0.5  # up is best in cell 1, then right
    anger = model.affect.anger
    assert anger is not None
    anger.memory.M.zero_()
    memories(model).gain[0, 0, 1, 1], memories(model).known[0, 0, 1, 1] = (
        0.1,
        1.0,
    )  # a second push pays, a third does not
    actions, state = [], None
    for _ in range(4):
        action, state = model.predict([1], state)
        actions.append(int(action[0]))
    assert actions == [0, 0, 1, 1]
    assert int(model.predict([1], state, episode_start=[True])[0][0]) == 0


def test_arms_that_do_not_resign_need_not_wait_for_those_that_do() -> None:
    arms = arms_for("mixed-doors", "anger")
    assert arms["anger-resigning"].kind != arms["anger"].kind == arms["level-0"].kind


@pytest.mark.parametrize("bad", [{"resigns": 1}, {"gain_step_size": 1.5}, {"gain_step_size": float("nan")}])
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"AngerConfig.{next(iter(bad))}: got"):
        AngerConfig(**bad)  # type: ignore[arg-type]


@pytest.mark.slow
def test_anger_knows_which_door_is_worth_how_much() -> None:
    """Plain Q-learning reaches -0.02, the number of blocked steps in the observation 0.23, the best 0.51."""
    model = EmotionalQ(
        DOORS, dataclasses.replace(PLAIN, anger=AngerConfig(resigns=True, step_size=0.1)), population=10, step_size=0.05,
        exploration=0.02, discount=0.97, seed=list(range(600_200, 600_210)),
    ).learn(10_000)  # fmt: skip
    member = model.episodes["member"]
    means = np.bincount(member, weights=model.episodes["return"]) / np.bincount(member)
    assert means.mean() > 0.27
