"""The sum tree draws as a running sum does, never drifts, and refuses what it cannot hold."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from emotional_ed.replay import SumTree
from emotional_ed.replay._torch_tree import TorchTree

KINDS = ["numpy", "torch"]
EDGES = (0.0, 2.0**-53, 0.5, 1 - 2.0**-53)


def make(capacity: int, kind: str = "numpy", fanout: int = 16, **arguments: Any) -> SumTree:
    """A tree on the CPU, by either of the two ways to compute."""
    tree = SumTree(capacity, fanout=fanout, **arguments)
    if kind == "torch":
        tree._tree = TorchTree(tree._levels, fanout.bit_length() - 1)
    return tree


def numbers(size: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("capacity", "fanout"),
    [(1, 16), (5, 2), (4096, 16), (4097, 16), (70_001, 16), (70_001, 2), (300_000, 64)],
)
def test_the_index_is_where_the_running_sum_exceeds_the_draw(
    capacity: int, fanout: int, dtype: torch.dtype, kind: str
) -> None:
    priority = np.random.default_rng(1).integers(0, 9, capacity).astype(np.float64)
    priority[-1] = 3.0  # integers: every sum is exact, so the index is too
    tree = make(capacity, kind, fanout=fanout, dtype=dtype)
    tree.update(np.arange(capacity), priority)
    uniform = np.concatenate([EDGES, numbers(2000)])
    running = priority.cumsum()
    expected = np.searchsorted(running, uniform * running[-1], side="right")
    index, probability = tree.sample(len(uniform), uniform=torch.from_numpy(uniform), stratified=False)
    assert index.tolist() == expected.tolist()
    assert probability.tolist() == (priority[expected] / running[-1]).tolist()
    assert tree.total == running[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_probabilities(kind: str) -> None:
    priority = np.repeat([0.0, 0.1, 1.0, 5.0, 30.0], 1000)[np.random.default_rng(2).permutation(5000)]
    tree = make(5000, kind)
    tree.update(np.arange(5000), priority)
    generator = torch.Generator().manual_seed(3)
    for stratified in (False, True):
        index, _ = tree.sample(400_000, generator=generator, stratified=stratified)
        group = np.searchsorted(priority.cumsum(), np.linspace(0, priority.sum(), 51)[1:-1])
        cell = np.searchsorted(group, index.numpy(), side="right")
        exact = np.bincount(np.searchsorted(group, np.arange(5000), side="right"), weights=priority)
        chance = stats.chisquare(np.bincount(cell, minlength=50), 400_000 * exact / exact.sum()).pvalue
        assert chance > 1e-3
        by_size = [int((priority[index] == size).sum()) for size in (0.1, 1.0, 5.0, 30.0)]
        share = np.array([0.1, 1.0, 5.0, 30.0]) / 36.1
        assert stats.chisquare(by_size, 400_000 * share).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_stratified_draw_falls_into_its_share(kind: str) -> None:
    tree = make(10_000, kind)
    tree.update(np.arange(10_000), 1.0)
    index, _ = tree.sample(100, uniform=torch.from_numpy(numbers(100)))
    assert (index // 100).tolist() == list(range(100))


def test_both_ways_to_compute_give_the_same_numbers() -> None:
    trees = [make(100_000, kind) for kind in KINDS]
    for tree in trees:
        tree.update(range(100_000), numbers(100_000))
    for seed in range(5):
        index = torch.from_numpy(np.random.default_rng(seed).integers(0, 100_000, 5000))
        priority = torch.from_numpy(10 ** (4 * numbers(5000, seed) - 3))
        drawn = []
        for tree in trees:
            tree.update(index, priority)
            drawn.append(tree.sample(3000, uniform=torch.from_numpy(numbers(3000, seed))))
        assert torch.equal(drawn[0][0], drawn[1][0])
        assert torch.equal(drawn[0][1], drawn[1][1])
        assert trees[0].total == trees[1].total


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_priorities_over_sixty_orders_of_magnitude(kind: str) -> None:
    size = 1_000_000
    priority = 10 ** (60 * numbers(size) - 30)
    priority[numbers(size, 5) < 0.3] = 0.0
    tree = make(size, kind, dtype=torch.float64)
    tree.update(np.arange(size), priority)
    assert tree.total == pytest.approx(math.fsum(priority), rel=1e-13)
    uniform = np.concatenate([EDGES, numbers(20_000, 6)])
    index, probability = tree.sample(len(uniform), uniform=torch.from_numpy(uniform), stratified=False)
    running = np.concatenate([[0], priority.astype(np.longdouble).cumsum()])
    target, slack = uniform * running[-1], 1e-13 * running[-1]
    assert (running[index] <= target + slack).all()
    assert (running[index.numpy() + 1] >= target - slack).all()
    assert (priority[index] > 0).all()
    np.testing.assert_allclose(probability, priority[index] / math.fsum(priority), rtol=1e-12)


def near_zero_or_huge() -> st.SearchStrategy[float]:
    return st.one_of(st.just(0.0), st.floats(0, 1), st.floats(1e-300, 1e-290), st.floats(1e290, 1e300))


@pytest.mark.parametrize("kind", KINDS)
@given(
    priority=st.lists(near_zero_or_huge(), min_size=1, max_size=40).filter(any),
    spread=st.integers(1, 2000),
    fanout=st.sampled_from([2, 4, 8]),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
)
def test_zero_is_never_drawn(
    kind: str, priority: list[float], spread: int, fanout: int, draws: list[float]
) -> None:
    tree = make(len(priority) * spread, kind, fanout=fanout, dtype=torch.float64)
    tree.update(np.arange(len(priority)) * spread, priority)
    uniform = torch.tensor([*draws, *EDGES], dtype=torch.float64)  # the last share ends at the total
    for stratified in (False, True):
        index, probability = tree.sample(len(uniform), uniform=uniform, stratified=stratified)
        assert (tree.priority(index) > 0).all()
        assert torch.equal(probability, tree.priority(index) / tree.total)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_does_not_lead_past_the_last_item_of_a_node(kind: str) -> None:
    """In units of 2^-53: 3 + (1 + 4) rounds up to 1 + 8; a draw at 1 + 6, less 3, to 1 + 4, all of its node."""
    tree = make(5000, kind)
    tree.update([0, 17], [3 * 2.0**-53, 1 + 4 * 2.0**-53])
    assert tree.total == 1 + 8 * 2.0**-53
    index, _ = tree.sample(1, uniform=torch.tensor([1 - 2.0**-52], dtype=torch.float64), stratified=False)
    assert index.tolist() == [17]


@pytest.mark.parametrize("kind", KINDS)
def test_sums_do_not_drift(kind: str) -> None:
    tree, fresh = make(70_000, kind, dtype=torch.float64), make(70_000, kind, dtype=torch.float64)
    rng = np.random.default_rng(7)
    for _ in range(300):
        tree.update(rng.integers(0, 70_000, 200), 10 ** rng.uniform(-12, 12, 200))
    tree.update(np.arange(69_990), 1e-9)
    fresh.update(np.arange(70_000), tree.priority(np.arange(70_000)))
    assert tree.total == fresh.total
    for mine, theirs in zip(tree._levels, fresh._levels, strict=True):
        assert torch.equal(mine, theirs)
    tree.update(np.arange(70_000), 0.0)
    assert tree.total == 0.0


@pytest.mark.parametrize("kind", KINDS)
@given(
    steps=st.lists(
        st.lists(st.tuples(st.integers(0, 4999), st.integers(0, 1000)), max_size=12), min_size=1, max_size=6
    )
)
def test_updates_act_as_on_a_plain_list(kind: str, steps: list[list[tuple[int, int]]]) -> None:
    """Repeated indices in one update included: the last one counts."""
    tree, plain = make(5000, kind, fanout=4), [0] * 5000
    for step in steps:
        tree.update([i for i, _ in step], [float(p) for _, p in step])
        for i, p in step:
            plain[i] = p
    assert tree.priority(range(5000)).tolist() == plain
    assert tree.total == sum(plain)
    assert tree.max == max(plain)
    assert tree.min == min((p for p in plain if p), default=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_of_repeated_indices_counts(kind: str) -> None:
    tree = make(100_000, kind)
    index = np.random.default_rng(8).integers(0, 50, 20_000)
    priority = np.arange(1.0, 20_001.0)
    tree.update(index, priority)
    last = {int(i): float(p) for i, p in zip(index, priority, strict=True)}
    assert tree.priority(np.arange(50)).tolist() == [last[i] for i in range(50)]
    assert tree.total == sum(last.values())


REFUSED: list[tuple[str, Callable[[SumTree], object]]] = [
    ("priority: got values in", lambda t: t.update([0, 1], [1.0, -1e-30])),
    ("priority: got values in", lambda t: t.update([0, 1], [math.nan, 1.0])),
    ("priority: got values in", lambda t: t.update([0], math.inf)),
    ("priority: got values in", lambda t: t.update([0], 1e39)),  # an infinity as float32
    ("priority: got shape", lambda t: t.update([0, 1], [1.0])),
    ("priority: got", lambda t: t.update([0], ["much"])),
    ("priority: got", lambda t: t.update([0], torch.ones(1, dtype=torch.complex64))),
    ("index: got 1 to 5000", lambda t: t.update([1, 5000], [1.0, 1.0])),
    ("index: got -1", lambda t: t.update([-1], [1.0])),
    ("index: got torch.float64", lambda t: t.update([0.0], [1.0])),
    ("index: got torch.bool", lambda t: t.update([True], [1.0])),
    ("index: got", lambda t: t.update([[0]], [[1.0]])),
    ("index: got", lambda t: t.priority([5000])),
    ("n: got 0", lambda t: t.sample(0, generator=torch.Generator())),
    ("uniform, generator", lambda t: t.sample(1)),
    ("uniform: got", lambda t: t.sample(2, uniform=torch.zeros(1))),
    ("uniform: got values", lambda t: t.sample(1, uniform=torch.ones(1))),
    ("uniform: got values", lambda t: t.sample(1, uniform=torch.tensor([math.nan]))),
    ("uniform: got", lambda t: t.sample(1, uniform=torch.zeros(1, dtype=torch.int64))),
    ("state: got keys", lambda t: t.load_state_dict({})),
    ("priority: got", lambda t: t.load_state_dict({"priority": torch.zeros(4)})),
    ("priority: got torch.float64", lambda t: t.load_state_dict({"priority": torch.zeros(5000).double()})),
    (
        "priority: got values",
        lambda t: t.load_state_dict({"priority": torch.full((5000,), math.nan, dtype=torch.float32)}),
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("message", "act"), REFUSED)
def test_what_is_refused_changes_nothing(message: str, act: Callable[[SumTree], object], kind: str) -> None:
    tree = make(5000, kind, dtype=torch.float32)
    tree.update([3, 4], [1.0, 2.0])
    before = [level.clone() for level in tree._levels]
    with pytest.raises(ValueError, match=message):
        act(tree)
    assert all(torch.equal(a, b) for a, b in zip(before, tree._levels, strict=True))
    assert tree.total == 3.0


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_tree_is_not_drawn_from(kind: str) -> None:
    tree = make(5000, kind)
    for _ in range(2):
        with pytest.raises(ValueError, match="positive priority"):
            tree.sample(4, generator=torch.Generator())
        tree.update([1], [2.0])
        tree.update([1], [0.0])
    tree.update([], [])
    assert (tree.total, tree.min, tree.max) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "arguments",
    [{"capacity": 0}, {"capacity": 1.5}, {"fanout": 1}, {"fanout": 12}, {"dtype": torch.float16}],
    ids=str,
)
def test_bad_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SumTree(**{"capacity": 4, **arguments})


def copies(tree: SumTree) -> list[SumTree]:
    loaded = SumTree(tree.capacity, fanout=tree.fanout)
    loaded.load_state_dict(tree.state_dict())
    return [loaded, pickle.loads(pickle.dumps(tree)), copy.deepcopy(tree)]  # own bytes


def test_a_copy_has_the_same_sums_and_goes_its_own_way() -> None:
    tree = make(70_000)
    rng = np.random.default_rng(9)
    for _ in range(20):
        tree.update(rng.integers(0, 70_000, 500), rng.random(500))
    uniform = torch.from_numpy(numbers(300))
    for other in copies(tree):
        assert all(torch.equal(a, b) for a, b in zip(tree._levels, other._levels, strict=True))
        other.update([0], [1e6])
        assert other.sample(300, uniform=uniform)[0].tolist() != tree.sample(300, uniform=uniform)[0].tolist()
        assert other.total > 1e6
    assert tree.total < 70_000


def test_the_generator_alone_decides() -> None:
    tree = make(100)
    tree.update(np.arange(100), numbers(100))
    torch_state, numpy_state = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002

    def draw(seed: int) -> Tensor:
        return tree.sample(50, generator=torch.Generator().manual_seed(seed))[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(torch_state, torch.get_rng_state())
    assert numpy_state == str(np.random.get_state())  # noqa: NPY002


@pytest.mark.gpu
def test_a_gpu_draws_what_the_cpu_draws() -> None:
    cpu, gpu = SumTree(1_000_000), SumTree(1_000_000, device="cuda")
    priority = np.random.default_rng(10).integers(0, 9, 1_000_000).astype(np.float32)
    uniform = torch.from_numpy(numbers(5000))
    for tree in (cpu, gpu):
        tree.update(np.arange(1_000_000), priority)
        tree.update([5, 5, 6], [1.0, 2.0, 3.0])
    assert gpu.total == cpu.total
    for mine, theirs in zip(
        cpu.sample(5000, uniform=uniform), gpu.sample(5000, uniform=uniform), strict=True
    ):
        assert torch.equal(mine, theirs.cpu())
