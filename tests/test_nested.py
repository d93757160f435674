"""Clocks, order and state of levels."""

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.nested import Clock, Level, NestedSystem, Signals, execution_order, rank


class Counter(Level):
    """Adds up an input while it waits, and stores the sum when it is due."""

    total: Tensor
    stored: Tensor

    def __init__(self, name: str, clock: Clock, population: int = 1, after: tuple[str, ...] = ()) -> None:
        super().__init__(name, clock, after=after)
        self.register_buffer("total", torch.zeros(population))
        self.register_buffer("stored", torch.zeros(population))

    def observe(self, signals: Signals, active: Tensor | None) -> None:
        self.total += signals["x"] if active is None else signals["x"] * active

    def update(self, signals: Signals, due: Tensor | None) -> None:
        mask = torch.ones_like(self.total, dtype=torch.bool) if due is None else due
        self.stored.copy_(torch.where(mask, self.total, self.stored))
        self.total.masked_fill_(mask, 0)
        signals[self.name] = self.stored.clone()
        order = signals.setdefault("order", torch.zeros(0))
        signals["order"] = torch.cat([order, torch.tensor([float(len(order))])])


def stored(system: NestedSystem, name: str) -> Tensor:
    level = system.levels[name]
    assert isinstance(level, Counter)
    return level.stored


def names(levels: list[Level]) -> list[str]:
    return [level.name for level in levels]


@given(st.integers(1, 7), st.integers(0, 40))
def test_fires_exactly_floor_of_steps_over_period(period: int, steps: int) -> None:
    system = NestedSystem([Counter("slow", Clock(period=period), 2)], 2)
    for _ in range(steps):
        system.step({"x": torch.ones(2)})
    assert system.update_counts()["slow"].tolist() == [steps // period] * 2
    assert stored(system, "slow").tolist() == [float(period if steps >= period else 0)] * 2


@given(st.integers(1, 5), st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=40))
def test_clocks_are_per_member(period: int, history: list[list[bool]]) -> None:
    system = NestedSystem([Counter("slow", Clock(period=period), 3), Counter("fast", Clock(period=1), 3)], 3)
    for row in history:
        system.step({"x": torch.ones(3)}, active=torch.tensor(row))
    made = [sum(row[i] for row in history) for i in range(3)]
    assert system.update_counts()["slow"].tolist() == [n // period for n in made]
    assert system.update_counts()["fast"].tolist() == made


def test_members_out_of_step_with_everyone_active_again() -> None:
    system = NestedSystem([Counter("slow", Clock(period=3), 2)], 2)
    system.step({"x": torch.ones(2)}, active=torch.tensor([True, False]))
    for _ in range(8):
        system.step({"x": torch.ones(2)})
    assert system.update_counts()["slow"].tolist() == [3, 2]


def test_event_clock_fires_with_its_event() -> None:
    system = NestedSystem([Counter("end", Clock(event="episode_end"), 2)], 2)
    for ended in ([False, False], [True, False], [True, True]):
        system.step({"x": torch.ones(2)}, events={"episode_end": torch.tensor(ended)})
    assert system.update_counts()["end"].tolist() == [2, 1]
    assert stored(system, "end").tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="expected 'episode_end' for level 'end'"):
        system.step({"x": torch.ones(2)})


class Idler(Counter):
    """Does nothing where nobody is due, and says so."""

    idles = True


@pytest.mark.parametrize(("kind", "updates"), [(Counter, 3), (Idler, 1)])
def test_a_level_that_idles_is_left_alone_while_its_event_happens_to_nobody(
    kind: type[Counter], updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    level, seen = kind("end", Clock(event="episode_end"), 2), []
    monkeypatch.setattr(kind, "update", lambda self, signals, due: seen.append(due.tolist()))
    system = NestedSystem([level], 2)
    for ended in ([False, False], [False, True], [False, False]):
        system.step({"x": torch.ones(2)}, events={"episode_end": torch.tensor(ended)})
    assert len(seen) == updates
    assert system.update_counts()["end"].tolist() == [0, 1]
    assert system.ticks.since[0].tolist() == [3, 1]
    assert level.total.tolist() == [3, 3]  # it has observed every step


def assert_same(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> None:
    assert these.keys() == those.keys()
    for name, value in those.items():
        assert torch.equal(these[name], value), name


@given(st.integers(1, 9), st.lists(st.sampled_from([[False] * 2, [True, False], [True] * 2]), max_size=30))
def test_quiet_steps_are_steps(period: int, ends: list[list[bool]]) -> None:
    """Whenever no event happens and nothing slow is due, the short way leads to the same state."""

    def build() -> NestedSystem:
        clocks = {"fast": Clock(period=1), "slow": Clock(period=period), "end": Clock(event="episode_end")}
        idler = Idler("idle", Clock(event="episode_end"), 2)
        return NestedSystem([*(Counter(name, clock, 2) for name, clock in clocks.items()), idler], 2)

    whole, short = build(), build()
    for t, ended in enumerate(ends):
        x, events = torch.tensor([1.0, 2.0]) * t, {"episode_end": torch.tensor(ended)}
        expected = whole.step({"x": x}, events=events)
        if any(ended) or not short.is_quiet:
            told = short.step({"x": x}, events=events)
        else:
            told = short.step_fast({"x": x}, events)
            short.step_slow(told, events)
        assert_same(told, expected)
    assert_same(short.state_dict(), whole.state_dict())
    assert whole.ticks._bound == short.ticks._bound


class Deaf(Level):
    """Hears nothing while it waits."""

    def update(self, signals: Signals, due: Tensor | None) -> None: ...


class Lone(Idler):
    """Asks nobody while it waits."""

    observes_alone = True


@given(st.integers(2, 9), st.lists(st.sampled_from([[False] * 2, [True, False], [True] * 2]), max_size=30))
def test_a_step_in_two_parts_is_a_step(period: int, ends: list[list[bool]]) -> None:
    """Where a nest splits, slow levels can follow all fast ones, whatever is due and whatever happens."""

    def build() -> NestedSystem:
        clocks = {"fast": Clock(period=1), "slow": Clock(period=period)}
        loners = [
            Lone(name, clock, 2, after=("slow",))
            for name, clock in (("end", Clock(event="episode_end")), ("slower", Clock(period=3 * period)))
        ]
        return NestedSystem([*loners, *(Counter(name, clock, 2) for name, clock in clocks.items())], 2)

    whole, parts = build(), build()
    assert parts.splits
    for t, ended in enumerate(ends):
        x, events = torch.tensor([1.0, 2.0]) * t, {"episode_end": torch.tensor(ended)}
        expected = whole.step({"x": x}, events=events)
        told = parts.step_fast({"x": x}, events)
        parts.step_slow(told, events)
        assert_same(told, expected)
    assert_same(parts.state_dict(), whole.state_dict())
    assert whole.ticks._bound == parts.ticks._bound


def test_a_nest_splits_only_where_nobody_could_tell() -> None:
    def splits(*levels: Level) -> bool:
        return NestedSystem(
            [Counter("fast", Clock(period=1)), Counter("slow", Clock(period=5)), *levels], 1
        ).splits

    end, slow = Clock(event="episode_end"), ("slow",)
    assert splits()
    assert splits(Lone("end", end, after=slow))
    assert not splits(Idler("end", end, after=slow))  # it may ask what the slow level has just said
    assert not splits(Counter("end", end))  # it wants to hear of every step, also in its place
    assert not splits(Counter("late", Clock(period=1), after=slow))  # fast, but it needs a slow one
    assert not splits(Deaf("late", Clock(period=1), after=slow))
    fast = Counter("fast", Clock(period=1))
    assert NestedSystem([fast], 1).splits
    assert not NestedSystem([fast, Counter("end", end)], 1).splits  # nobody would note that it fired


def test_a_loaded_state_knows_when_all_are_in_step_whatever_happened_to_whom() -> None:
    def build() -> NestedSystem:
        return NestedSystem(
            [Counter("slow", Clock(period=5), 2), Counter("end", Clock(event="episode_end"), 2)], 2
        )

    system, again = build(), build()
    system.step({"x": torch.ones(2)}, events={"episode_end": torch.tensor([True, False])})
    again.load_state_dict(system.state_dict())
    pending: dict[NestedSystem, list[bool]] = {system: [], again: []}
    for _ in range(12):
        for one, seen in pending.items():
            seen.append(one.ticks.pending)
            one.step({"x": torch.ones(2)}, events={"episode_end": torch.zeros(2, dtype=torch.bool)})
    assert pending[system] == pending[again] == [t % 5 == 3 for t in range(12)]


def test_order_is_by_frequency_then_dependency() -> None:
    value = Counter("value", Clock(period=1), after=("fear", "anger"))
    fear = Counter("fear", Clock(period=1), after=("surprise",))
    anger = Counter("anger", Clock(period=1))
    surprise = Counter("surprise", Clock(period=1))
    mood = Counter("mood", Clock(period=10), after=("surprise",))
    end = Counter("end", Clock(event="episode_end"))
    order = names(execution_order([end, mood, value, fear, anger, surprise]))
    assert order == ["anger", "surprise", "fear", "value", "mood", "end"]


def test_circles_unknown_names_and_duplicates_are_refused() -> None:
    one = Counter("one", Clock(period=1), after=("two",))
    two = Counter("two", Clock(period=1), after=("three",))
    three = Counter("three", Clock(period=1), after=("one",))
    with pytest.raises(ValueError, match="circle of dependencies one -> two -> three -> one"):
        execution_order([one, two, three])
    with pytest.raises(ValueError, match=r"after=\['two'\], expected names among \['one'\]"):
        execution_order([one])
    with pytest.raises(ValueError, match="each name once"):
        execution_order([three, Counter("three", Clock(period=2))])
    with pytest.raises(ValueError, match="expected one of the two"):
        Clock(period=1, event="x")
    with pytest.raises(ValueError, match=r"Clock.period: got 0"):
        Clock(period=0)


@given(st.integers(0, 20), st.integers(1, 20))
def test_state_round_trips_in_the_middle_of_a_period(before: int, after: int) -> None:
    def build() -> NestedSystem:
        return NestedSystem([Counter("slow", Clock(period=7), 2), Counter("fast", Clock(period=2), 2)], 2)

    def run(system: NestedSystem, first: int, last: int) -> None:
        for t in range(first, last):
            system.step({"x": torch.tensor([1.0, 2.0]) * t}, active=torch.tensor([True, t % 3 > 0]))

    whole, first, second = build(), build(), build()
    run(whole, 0, before + after)
    run(first, 0, before)
    parent = torch.nn.ModuleDict({"nest": second})  # as part of something larger, as agents hold it
    parent.load_state_dict({f"nest.{name}": value for name, value in first.state_dict().items()})
    run(second, before, before + after)
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_frequencies_are_measured_not_declared() -> None:
    levels = [
        Counter("fast", Clock(period=1)),
        Counter("slow", Clock(period=4)),
        Counter("end", Clock(event="e")),
    ]
    system = NestedSystem(levels, 1)
    with pytest.raises(ValueError, match="got no step yet"):
        system.frequencies()
    for t in range(18):
        system.step({"x": torch.ones(1)}, events={"e": torch.tensor([t % 9 == 8])})
    assert system.frequencies() == {"fast": 1.0, "slow": 4 / 18, "end": 2 / 18}
    assert system.ranking() == [["fast"], ["slow"], ["end"]]


def test_rank_follows_definition_2() -> None:
    frequencies = {
        "value": 1.0,
        "fear": 1.0,
        "anger": 1.0,
        "surprise": 1.0,
        "mood": 0.02,
        "attention": float("inf"),
        "mlp": 0.0,
    }
    needs = {"value": ("fear", "anger"), "fear": ("surprise",), "mood": ("surprise",), "surprise": ("mood",)}
    assert rank(frequencies, needs) == [
        ["attention"],
        ["anger", "surprise"],
        ["fear"],
        ["value"],
        ["mood"],
        ["mlp"],
    ]
    with pytest.raises(ValueError, match="circle among"):
        rank({"a": 1, "b": 1}, {"a": ("b",), "b": ("a",)})
    with pytest.raises(ValueError, match=r"needs: got \['c'\]"):
        rank({"a": 1}, {"a": ("c",)})


def test_masks_that_are_no_masks_are_refused_before_anything_moves() -> None:
    system = NestedSystem([Counter("slow", Clock(period=2), 2), Counter("end", Clock(event="e"), 2)], 2)
    signals = {"x": torch.ones(2)}
    fine = {"e": torch.tensor([True, False])}
    with pytest.raises(ValueError, match=r"active: got torch.int64 \[2\], expected torch.bool \[2\]"):
        system.step(signals, events=fine, active=torch.tensor([1, 0]))
    with pytest.raises(ValueError, match=r"e: got torch.bool \[1\], expected torch.bool \[2\]"):
        system.step(signals, events={"e": torch.tensor([True])})
    with pytest.raises(ValueError, match="expected 'e' for level 'end'"):
        system.step(signals)
    assert not system.ticks.steps.any()
    with pytest.raises(ValueError, match=r"name: got 'a\.b'"):
        Counter("a.b", Clock(period=1))
    with pytest.raises(ValueError, match="frequencies: got"):
        rank({"a": float("nan")}, {})
