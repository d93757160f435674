"""Many clocks: against SGD with accumulation, minimisers, and the recovery of what was forgotten."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_memory_rules import minimise, seeds
from torch import Tensor, nn

from emotional_ed.memory import ContinuumChain, ContinuumMemory


def stream(seed: int, T: int, B: int, K: int, V: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    keys = torch.randn(T, B, K, generator=g, dtype=torch.float64)
    return keys, torch.randn(T, B, V, generator=g, dtype=torch.float64)


@given(seeds, st.integers(0, 40), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_levels_are_sgd_with_gradient_accumulation(seed: int, T: int, periods: list[int]) -> None:
    periods = sorted(periods)
    keys, values = stream(seed, T, 1, 3, 2)
    memory = ContinuumMemory(2, 3, periods=periods, etas=0.02, batch=(1,), solver="grad", dtype=torch.float64)
    for k, v in zip(keys, values, strict=True):
        memory.write(k, v)
    for level, period in enumerate(periods):
        X = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
        sgd = torch.optim.SGD([X], lr=0.02)
        for t in range(T):
            (0.5 * ((X @ keys[t, 0] - values[t, 0]) ** 2).sum()).backward()  # type: ignore[no-untyped-call]
            if (t + 1) % period == 0:
                sgd.step()
                sgd.zero_grad()
        torch.testing.assert_close(memory.M[level, 0], X.detach())
        assert memory.ticks.updates[level].tolist() == [T // period]


def test_a_chunk_is_one_proximal_step_toward_the_slower_level() -> None:
    keys, values = stream(0, 8, 1, 3, 2)
    memory = ContinuumMemory(
        2, 3, periods=(4, 8), etas=(0.7, 0.3), ridges=(0.5, 0.0), batch=(1,), dtype=torch.float64
    )
    memory.M.copy_(torch.randn(2, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    fast, slow = memory.M[:, 0].clone()
    for t in range(4):
        memory.write(keys[t], values[t])

    def total(X: Tensor) -> Tensor:
        fit = 0.5 * ((X @ keys[:4, 0].T - values[:4, 0].T) ** 2).sum()
        loss: Tensor = fit + 0.25 * ((X - slow) ** 2).sum() + ((X - fast) ** 2).sum() / 1.4
        return loss

    torch.testing.assert_close(memory.M[0, 0], minimise(total, fast), atol=1e-6, rtol=1e-6)
    assert torch.equal(memory.M[1, 0], slow)  # frozen within its chunk


@given(seeds, st.integers(1, 30), st.integers(0, 29))
def test_clocks_are_per_member_and_survive_a_checkpoint_in_a_chunk(seed: int, T: int, cut: int) -> None:
    keys, values = stream(seed, T, 3, 2, 1)
    active = torch.rand(T, 3, generator=torch.Generator().manual_seed(seed)) < 0.7

    def build(batch: tuple[int, ...]) -> ContinuumMemory:
        return ContinuumMemory(
            1, 2, periods=(1, 3, 7), ridges=(0.3, 0.1, 0.0), batch=batch, dtype=torch.float64
        )

    whole, first, second = build((3,)), build((3,)), build((3,))
    for t in range(T):
        whole.write(keys[t], values[t], active[t])
    for t in range(min(cut, T)):
        first.write(keys[t], values[t], active[t])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for t in range(min(cut, T), T):
        second.write(keys[t], values[t], active[t])
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    for member in range(3):
        alone = build((1,))
        for t in range(T):
            if active[t, member]:
                alone.write(keys[t, member : member + 1], values[t, member : member + 1])
        torch.testing.assert_close(alone.M[:, 0], whole.M[:, member])
        seen = int(active[:, member].sum())
        assert whole.ticks.updates[:, member].tolist() == [seen, seen // 3, seen // 7]


def test_partial_chunks_are_kept_dropped_or_written_as_told() -> None:
    keys, values = stream(3, 5, 2, 2, 1)
    ended = torch.tensor([True, False])
    results = {}
    for policy in ("keep", "drop", "write"):
        memory = ContinuumMemory(1, 2, periods=(1, 4), batch=(2,), dtype=torch.float64)
        for t in range(3):
            memory.write(keys[t], values[t])
        memory.end_chunk(policy, ended)
        results[policy] = memory
    assert results["keep"].ticks.since[1].tolist() == [3, 3]
    assert results["drop"].ticks.since[1].tolist() == [0, 3]
    assert results["drop"].ticks.updates[1].tolist() == [0, 0]
    assert results["write"].ticks.updates[1].tolist() == [1, 0]
    assert not results["keep"].M[1].any()
    assert not results["drop"].M[1].any()
    assert bool(results["write"].M[1, 0].any())
    assert not results["write"].M[1, 1].any()
    with pytest.raises(ValueError, match="policy: got 'lose'"):
        results["keep"].end_chunk("lose")


def recovery(ridge: float) -> tuple[float, float, float, float]:
    """Learn A, learn B, then idle; return the error on A after each, and the error on B after learning it."""
    g = torch.Generator().manual_seed(0)
    seeds_, K, V = 20, 32, 4
    keys_a, keys_b = (torch.randn(seeds_, 8, K, generator=g, dtype=torch.float64) / K**0.5 for _ in range(2))
    keys_b = 0.7 * keys_a + 0.7 * keys_b  # the same situations, much alike
    values_a, values_b = (torch.randn(seeds_, 8, V, generator=g, dtype=torch.float64) for _ in range(2))
    memory = ContinuumMemory(
        V, K, periods=(1, 50), etas=(1.0, 0.02), ridges=(ridge, 0.0), batch=(seeds_,), dtype=torch.float64
    )

    def learn(keys: Tensor, values: Tensor, items: int) -> None:
        for t in range(items):
            memory.write(keys[:, t % 8], values[:, t % 8])

    def error(keys: Tensor, values: Tensor) -> float:
        answers = torch.stack([memory.read(keys[:, i]) for i in range(8)], 1)
        return float((answers - values).norm() / values.norm())

    learn(keys_a, values_a, 4000)
    learnt = error(keys_a, values_a)
    learn(keys_b, values_b, 100)
    forgotten, price = error(keys_a, values_a), error(keys_b, values_b)
    idle = torch.zeros(seeds_, K, dtype=torch.float64)
    for _ in range(300):
        memory.write(idle, torch.zeros(seeds_, V, dtype=torch.float64))
    return learnt, forgotten, error(keys_a, values_a), price


def test_what_was_forgotten_comes_back_from_the_slow_level_and_what_that_costs() -> None:
    learnt, forgotten, after, price = recovery(ridge=0.02)
    plain_learnt, plain_forgotten, plain_after, plain_price = recovery(ridge=0.0)
    assert learnt < 0.35
    assert plain_learnt < 0.01
    assert forgotten > 2.5 * learnt
    assert plain_after == plain_forgotten  # without an anchor idling changes nothing
    assert after < 0.6 * forgotten  # the fast level falls back to what the slow one holds
    assert price > plain_price  # and B is learned less well meanwhile


def test_chain_is_sgd_with_accumulation_through_the_whole_chain() -> None:
    g = torch.Generator().manual_seed(0)
    chain = ContinuumChain(3, 5, periods=(1, 2, 4), eta=0.05, generator=g, dtype=torch.float64)
    levels = [
        {name: nn.Parameter(tensor.clone()) for name, tensor in level.items()} for level in chain.weights
    ]
    optimisers = [torch.optim.SGD(level.values(), lr=0.05) for level in levels]
    keys, values = stream(1, 9, 1, 3, 3)
    for t in range(9):
        y = keys[t, 0]
        for level in levels:
            hidden = nn.functional.gelu(level["w0"] @ y + level["b0"])
            y = y + level["w1"] @ hidden + level["b1"]
        (0.5 * ((y - values[t, 0]) ** 2).sum()).backward()  # type: ignore[no-untyped-call]
        lss = chain.write(keys[t, 0], values[t, 0])
        torch.testing.assert_close(lss, (values[t, 0] - y).detach())
        for period, optimiser in zip((1, 2, 4), optimisers, strict=True):
            if (t + 1) % period == 0:
                optimiser.step()
                optimiser.zero_grad()
    for expected, got in zip(levels, chain.weights, strict=True):
        for name in expected:
            torch.testing.assert_close(got[name], expected[name].detach())
    assert chain.ticks.updates.tolist() == [9, 4, 2]


def test_chain_members_are_independent_and_masked() -> None:
    def build(batch: tuple[int, ...]) -> ContinuumChain:
        return ContinuumChain(
            2, 3, periods=(1, 3), batch=batch, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )

    chain = build((2,))
    keys, values = stream(2, 7, 2, 2, 2)
    start = copy.deepcopy(chain.state_dict())
    only_first = torch.tensor([True, False])
    for t in range(7):
        chain.write(keys[t], values[t], only_first)
    for name, tensor in chain.state_dict().items():
        if name.startswith("blocks"):
            assert torch.equal(tensor[1], start[name][1]), name
            assert not torch.equal(tensor[0], start[name][0]), name
    assert chain.ticks.updates.tolist() == [[7, 0], [2, 0]]
    with pytest.raises(ValueError, match=r"key: got .*of shape \[2, 2\]"):
        chain.write(keys[0, :, :1], values[0])


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"periods: got \[4, 2\], expected at least one, fastest first"):
        ContinuumMemory(1, 1, periods=(4, 2))
    with pytest.raises(ValueError, match=r"etas: got 1 numbers, expected one or 2"):
        ContinuumMemory(1, 1, periods=(1, 2), etas=[0.1])
    with pytest.raises(ValueError, match=r"ridges: got -1"):
        ContinuumMemory(1, 1, ridges=-1.0)
    with pytest.raises(ValueError, match=r"k: got .*K=2"):
        ContinuumMemory(1, 2).write(torch.zeros(3), torch.zeros(1))


def test_masked_rows_may_hold_anything() -> None:
    memory = ContinuumMemory(1, 1, periods=(1, 2), batch=(2,))
    x = torch.tensor([[1.0], [float("nan")]])
    for _ in range(2):
        memory.write(x, x, torch.tensor([True, False]))
    for _ in range(2):
        memory.write(torch.ones(2, 1), torch.ones(2, 1))
    assert bool(torch.isfinite(memory.M).all())


@pytest.mark.parametrize("policy", ["drop", "write"])
def test_after_settling_some_chunks_everyone_keeps_their_own_time(policy: str) -> None:
    keys, values = stream(5, 9, 2, 2, 1)
    memory = ContinuumMemory(1, 2, periods=(1, 4), batch=(2,), dtype=torch.float64)
    twin = ContinuumMemory(1, 2, periods=(1, 4), batch=(2,), dtype=torch.float64)
    for t in range(2):
        memory.write(keys[t], values[t])
    memory.end_chunk(policy, torch.tensor([True, False]))
    twin.load_state_dict(copy.deepcopy(memory.state_dict()))
    for t in range(2, 6):
        memory.write(keys[t], values[t])
        twin.write(keys[t], values[t])
    early = int(policy == "write")
    assert memory.ticks.updates[1].tolist() == [early + 1, 1]
    for name, tensor in memory.state_dict().items():
        assert torch.equal(tensor, twin.state_dict()[name]), name
