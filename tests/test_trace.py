"""What an agent felt, step by step, and one member cut out of a population."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from worlds import register

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import CheckpointError, EmotionalQ
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.member import load_member, save_member
from emotional_ed.agents.sleep import SleepConfig
from emotional_ed.agents.trace import Trace, first_numbers

DOOR = "EmotionalED/JammedDoor-v0"
REGIMES = "EmotionalED/RecurringRegimes-v0"
FULL = AffectConfig.levels(2)
register()


def ladder(env: Any = DOOR, **arguments: Any) -> EmotionalQ:
    arms = [AffectConfig.levels(0), AffectConfig.levels(1), FULL, dataclasses.replace(FULL, recall=None)]
    return EmotionalQ(env, arms, population=4, seed=[5, 5, 7, 8], **arguments)


# ---------------------------------------------------------------- trace


def test_the_trace_is_what_happened_to_that_member() -> None:
    model = EmotionalQ(REGIMES, population=3, seed=4, step_size=0.3, exploration=0.2)
    seen: list[dict[str, float]] = []

    def keep(agent: EmotionalQ) -> None:
        trace(agent)
        step = agent.last_step
        assert step is not None
        names = ("lss", "surprise", "fear", "anger", "arousal", "mood", "temperament", "displeasure")
        row = {name: float(agent.signals[name][1]) for name in names}
        row |= {"reward": float(step.reward[1]), "terminated": bool(step.terminated[1])}
        row |= {"catastrophe": bool(step.catastrophe[1]), "step": agent.num_timesteps}
        assert agent.affect.slot is not None
        seen.append({**row, "slot": int(agent.affect.slot[1])})

    trace = Trace(1)
    model.learn(200, callback=keep)
    held = trace.columns()
    for name in seen[0]:
        assert held[name].tolist() == [row[name] for row in seen], name
    assert len(trace) == 200
    assert set(held["member"]) == {1}
    assert held["observation"].dtype == held["slot"].dtype == np.int64
    assert held["explored"].dtype == held["catastrophe"].dtype == np.bool_


def test_observation_and_action_are_those_of_the_environment() -> None:
    model = EmotionalQ("Corridor-v0", population=2, seed=0, env_kwargs={"start": 3})
    trace = Trace([0, 1])
    model.learn(150, callback=trace)
    for member in (0, 1):
        held = trace.columns(member)
        right, cell = held["action"] == 4, held["observation"]
        assert set(held["action"]) == {3, 4}
        assert cell[0] == 3
        after = np.where(right, cell + 1, np.maximum(cell - 1, 3))
        ended = held["terminated"] | held["truncated"]
        assert (ended[:-1] | (after[:-1] == cell[1:])).all()
        assert (cell[1:][ended[:-1]] == 3).all()
        assert (held["terminated"] == (after == 7)).all()


def test_explored_and_persisted_say_why_an_action_was_taken() -> None:
    trace = Trace()
    EmotionalQ(DOOR, seed=0, step_size=0.3, exploration=0.3).learn(500, callback=trace)
    held = trace.columns()
    again = held["persisted"]
    assert 10 < again.sum() < 400
    same = held["action"][1:] == held["action"][:-1]
    stayed = held["observation"][1:] == held["observation"][:-1]
    assert (same & stayed)[again[1:]].all()
    assert not (held["explored"] & again).any()
    assert held["explored"][~again].mean() == pytest.approx(0.3, abs=0.1)
    assert (held["greedy"] | held["explored"] | again).all()


def test_episodes_have_the_numbers_of_the_agents_own_list() -> None:
    model = EmotionalQ(DOOR, population=2, seed=1).learn(70)
    before = (model.episodes["member"] == 1).sum()
    trace = Trace(1)
    model.learn(160, callback=trace)
    rows = model.episodes[model.episodes["member"] == 1]
    for number in range(before + 1, len(rows)):
        one = trace.episode(number)
        assert len(one["reward"]) == rows["length"][number]
        assert one["reward"].sum() == pytest.approx(rows["return"][number], abs=1e-5)
        assert one["step"][-1] == rows["step"][number]
        assert (one["terminated"] | one["truncated"]).tolist() == [False] * (len(one["reward"]) - 1) + [True]
    assert trace.columns()["episode"][0] == before


def test_recording_may_begin_with_the_last_step_of_an_episode() -> None:
    model = EmotionalQ(DOOR, seed=1)
    plain = EmotionalQ(DOOR, seed=1).learn(160).episodes
    model.learn(int(plain["step"][2]) - 1)
    trace = Trace()
    model.learn(2, callback=trace)
    assert trace.columns()["episode"].tolist() == [2, 3]


def test_recording_changes_nothing() -> None:
    one, other = ladder(), ladder()
    one.learn(120)
    other.learn(120, callback=Trace([0, 2]))
    assert torch.equal(one.value.M, other.value.M)
    assert np.array_equal(one.episodes, other.episodes)


def test_a_plain_agent_has_a_trace_too() -> None:
    trace = Trace()
    EmotionalQ(DOOR, AffectConfig.levels(0), seed=0).learn(30, callback=trace)
    held = trace.columns()
    assert "fear" not in held
    assert {"lss", "reward", "action", "observation", "effective_step_size"} <= set(held)
    assert held["observation"][0] == 4
    assert set(held["action"]) <= {0, 1, 2, 3}


def test_memory_is_bounded_and_the_latest_is_kept() -> None:
    trace = Trace([0, 1], limit=21)
    EmotionalQ(DOOR, population=2, seed=0).learn(50, callback=trace)
    assert len(trace) == 20
    assert trace.columns(0)["step"].tolist() == list(range(41, 51))


def test_a_table_that_reads_back_as_it_was(tmp_path: Path) -> None:
    trace = Trace([1, 0])
    EmotionalQ(REGIMES, population=2, seed=0).learn(80, callback=trace)
    with trace.write_csv(tmp_path / "deep" / "trace.csv").open() as file:
        table = list(csv.DictReader(file))
    rows = list(trace.rows())
    assert [row["member"] for row in rows[:4]] == [1, 0, 1, 0]
    assert len(table) == len(rows) == 160
    for text, row in zip(table, rows, strict=True):
        assert {name: float(one) for name, one in text.items()} == {k: float(v) for k, v in row.items()}


def test_unclear_questions_are_answered_with_a_sentence() -> None:
    trace, both = Trace(), Trace([0, 1])
    with pytest.raises(ValueError, match=r"number: got 0, expected an episode that is held \(none\)"):
        trace.episode(0)
    model = EmotionalQ(DOOR, population=2, seed=0).learn(60, callback=both)
    with pytest.raises(ValueError, match=r"member: got none, expected one of \[0, 1\]"):
        both.episode(0)
    with pytest.raises(ValueError, match=r"member: got 5, expected one of \[0, 1\]"):
        both.columns(5)
    with pytest.raises(ValueError, match=r"number: got 99, expected an episode that is held \(0 to"):
        both.episode(99, member=0)
    with pytest.raises(ValueError, match=r"members: got 7, expected integers in \[0, 2\)"):
        model.learn(1, callback=Trace(7))
    for bad in ([], [1, 1]):
        with pytest.raises(ValueError, match="one or more different members"):
            Trace(bad)
    with pytest.raises(ValueError, match="limit: got 1"):
        Trace([0, 1], limit=1)
    with pytest.raises(ValueError, match="expected the same signals at every step"):
        EmotionalQ(DOOR, AffectConfig.levels(0), population=2, seed=0).learn(1, callback=both)


def test_observations_that_are_vectors_get_a_column_a_number() -> None:
    trace = Trace()
    EmotionalQ("CartPole-v1", seed=0).learn(60, callback=trace)
    held = trace.columns()
    assert "observation" not in held
    cart = gymnasium.make("CartPole-v1")
    seen, _ = cart.reset(seed=0)
    for i in range(int(np.argmax(held["terminated"]))):
        assert [held[f"observation_{n}"][i] for n in range(4)] == seen.tolist()
        seen, *_ = cart.step(int(held["action"][i]))


def test_tuples_are_recorded_as_the_numbers_that_the_environment_uses() -> None:
    trace = Trace()
    EmotionalQ("Blackjack-v1", seed=3).learn(30, callback=trace)
    held = trace.columns()
    assert 12 <= held["observation_0"].mean() <= 22  # the player's sum
    assert set(held["observation_1"]) <= set(range(1, 11))  # the dealer's card
    assert set(held["observation_2"]) <= {0, 1}


def test_where_the_numbers_of_a_space_begin() -> None:
    for space, first in (
        (spaces.Discrete(3, start=-2), [-2]),
        (spaces.MultiDiscrete([2, 3], start=[5, 7]), [5, 7]),
        (spaces.MultiBinary(3), [0, 0, 0]),
        (spaces.Tuple((spaces.Discrete(2, start=4), spaces.Discrete(2))), [4, 0]),
        (spaces.Box(-1, 1, (2,)), [0, 0]),
    ):
        assert first_numbers(space).tolist() == first


# ---------------------------------------------------------------- one member by itself


@pytest.mark.parametrize(("env", "member"), [(DOOR, 0), (DOOR, 1), (REGIMES, 2), (REGIMES, 3)])
def test_a_member_by_itself_goes_on_as_in_company(tmp_path: Path, env: str, member: int) -> None:
    company = ladder(env, step_size=[0.1, 0.2, 0.3, 0.4], exploration=0.3)
    company.learn(100)
    path = company.save(tmp_path / "company")
    alone = load_member(path, member)
    assert alone.population == 1
    assert alone.num_timesteps == 100
    heard, felt = Trace(member), Trace()
    company.learn(60, callback=heard)
    alone.learn(60, callback=felt)
    mine, theirs = felt.columns(), heard.columns()
    assert set(mine) - {"member"} <= set(theirs)
    for name in set(mine) - {"member"}:
        assert np.array_equal(mine[name], theirs[name]), name
    keys = alone.value.M.shape[-1]
    assert torch.equal(alone.value.M[0], company.value.M[member][:, :keys])
    assert alone.catastrophes[0] == company.catastrophes[member]


def test_a_member_takes_its_dreams_along(tmp_path: Path) -> None:
    dreamer = LevelZero(sleep=SleepConfig(draw="backward", period=20, updates=10))
    company = EmotionalQ(DOOR, FULL, level0=dreamer, population=3, seed=1, exploration=0.3).learn(90)
    alone = load_member(company.save(tmp_path / "company"), 1)
    company.learn(50)
    alone.learn(50)
    assert torch.equal(alone.value.M[0], company.value.M[1])


def test_a_member_is_what_it_would_have_been_from_the_start(tmp_path: Path) -> None:
    company = ladder().learn(90)
    written = save_member(company.save(tmp_path / "company"), 2, tmp_path / "one")
    alone, single = EmotionalQ.load(written), EmotionalQ(DOOR, FULL, seed=7).learn(90)
    assert torch.equal(alone.value.M, single.value.M)
    state, other = alone.affect.state_dict(), single.affect.state_dict()
    assert list(state) == list(other)
    for name in state:
        assert torch.equal(state[name], other[name]), name


def test_the_file_of_the_company_stays_and_bad_members_are_named(tmp_path: Path) -> None:
    path = ladder().learn(20).save(tmp_path / "company")
    before = path.read_bytes()
    load_member(path, 3)
    for bad in (4, -1, True):
        with pytest.raises(CheckpointError, match=rf"member: got {bad}, expected an integer in \[0, 4\)"):
            load_member(path, bad)
    with pytest.raises(CheckpointError, match="expected an existing checkpoint"):
        load_member(tmp_path / "none", 0)
    with pytest.raises(CheckpointError, match=rf"as in '{path}'"):
        load_member(path, 0, gymnasium.make("FrozenLake-v1"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_with_something_unknown_in_it_is_refused(tmp_path: Path) -> None:
    from emotional_ed.agents.checkpoint import read_checkpoint, write_checkpoint

    path = ladder().learn(20).save(tmp_path / "company")
    tensors, facts = read_checkpoint(path)
    facts.pop("format")
    write_checkpoint(path, {**tensors, "strange": torch.zeros(3)}, facts)
    with pytest.raises(CheckpointError, match=r"got 'strange' of shape \[3\], expected 4 members on axis 0"):
        load_member(path, 0)
