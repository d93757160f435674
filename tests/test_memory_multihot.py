"""Keys with a few 1s: the same as the general rule with the key written out, and the same in any company."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.memory import (
    AssociativeMemory,
    read,
    read_multihot,
    read_onehot,
    share_per_feature,
    value_checks,
    write,
    write_multihot,
    write_onehot,
)

seeds = st.integers(0, 10_000)


def draw(seed: int, batch: tuple[int, ...], V: int, K: int, T: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A memory, indices, the same keys written out, and values, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    M = torch.randn(*batch, V, K, dtype=torch.float64, generator=generator)
    index = torch.rand(*batch, K, generator=generator).argsort(-1)[..., :T]
    key = torch.zeros(*batch, K, dtype=torch.float64).scatter(-1, index, 1.0)
    return M, index, key, torch.randn(*batch, V, dtype=torch.float64, generator=generator)


@given(seeds, st.sampled_from([(), (3,), (2, 3)]), st.integers(1, 7), st.sampled_from(["prox", "grad"]))
def test_multihot_equals_the_general_rule(seed: int, batch: tuple[int, ...], T: int, solver: str) -> None:
    M, index, key, v = draw(seed, batch, 2, 9, T)
    eta = torch.rand(batch, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(read_multihot(M, index), read(M, key))
    expected, surprise = write(M, key, v, eta, solver=solver)
    written, lss = write_multihot(M, index, v, eta, solver=solver)
    torch.testing.assert_close(written, expected)
    torch.testing.assert_close(lss, surprise)
    mask = v > 0
    expected, _ = write(M, key, v, eta, solver=solver, mask=mask)
    in_place = M.clone()
    written, _ = write_multihot(in_place, index, v, eta, solver=solver, mask=mask, out=in_place)
    assert written is in_place
    torch.testing.assert_close(in_place, expected)


def test_by_hand() -> None:
    M = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    index = torch.tensor([3, 0])
    assert read_multihot(M, index).tolist() == [9.0]
    written, lss = write_multihot(M, index, torch.tensor([12.0]), 0.25, solver="grad")
    assert lss.tolist() == [3.0]
    assert written.tolist() == [[1.75, 2.0, 4.0, 8.75]]
    written, _ = write_multihot(M, index, torch.tensor([12.0]), 1.0)  # 1/(1 + 2) of the surprise, each
    assert written.tolist() == [[2.0, 2.0, 4.0, 9.0]]


@given(seeds, st.sampled_from(["prox", "grad"]))
def test_one_index_is_a_onehot_key_bit_for_bit(seed: int, solver: str) -> None:
    M, index, _, v = draw(seed, (4,), 3, 5, 1)
    M, v = M.float(), v.float()
    assert torch.equal(read_multihot(M, index), read_onehot(M, index.squeeze(-1)))
    several = write_multihot(M, index, v, 0.3, solver=solver)
    one = write_onehot(M, index.squeeze(-1), v, 0.3, solver=solver)
    if solver == "grad":
        assert torch.equal(several[0], one[0])
    else:  # eta/(1 + eta T) against eta/(1 + eta)
        torch.testing.assert_close(several[0], one[0])
    assert torch.equal(several[1], one[1])


@pytest.mark.parametrize("T", [2, 3, 8, 13, 32])
def test_a_member_reads_and_writes_the_same_bits_in_any_company(T: int) -> None:
    M, index, _, v = draw(T, (53,), 3, 64, T)
    M, v = M.float(), v.float()
    together, _ = write_multihot(M, index, v, 0.3)
    for i in (0, 17, 52):
        assert torch.equal(read_multihot(M[i : i + 1], index[i : i + 1])[0], read_multihot(M, index)[i])
        alone, _ = write_multihot(M[i : i + 1], index[i : i + 1], v[i : i + 1], 0.3)
        assert torch.equal(alone[0], together[i])


def test_the_module_tells_the_three_kinds_of_keys_apart() -> None:
    for batch in ((), (4,)):
        M, index, key, v = draw(1, batch, 2, 6, 3)
        made = []
        for given_key in (key, index):
            memory = AssociativeMemory(2, 6, batch=batch, eta=0.5, dtype=torch.float64)
            memory.M.copy_(M)
            memory.write(given_key, v)
            made.append(memory)
            torch.testing.assert_close(memory.read(given_key), read(memory.M, key))
        torch.testing.assert_close(made[0].M, made[1].M)
        assert torch.equal(
            made[0].read(index[..., 0]),
            made[0].M.gather(-1, index[..., :1, None].mT.expand(*batch, 2, 1)).squeeze(-1),
        )
    with pytest.raises(ValueError, match="key: got one-hot or several indices, expected vectors"):
        AssociativeMemory(1, 3, ridge=1.0).write(torch.tensor([0, 1]), torch.zeros(1))


@given(seeds, st.integers(1, 7), st.floats(0, 1))
def test_a_gradient_write_takes_up_just_its_share(seed: int, T: int, share: float) -> None:
    M, index, _, v = draw(seed, (3,), 2, 9, T)
    written, lss = write_multihot(M, index, v, share_per_feature(M, share, index), solver="grad")
    torch.testing.assert_close(v - read_multihot(written, index), (1 - share) * lss)


def test_the_share_of_other_keys_is_left_alone() -> None:
    M, share = torch.zeros(4, 2, 5), torch.rand(4)
    assert share_per_feature(M, share, torch.zeros(4, dtype=torch.int64)) is share
    assert share_per_feature(M, share, torch.zeros(4, 5)) is share
    assert torch.equal(
        torch.as_tensor(share_per_feature(M, share, torch.zeros(4, 2, dtype=torch.int64))), share / 2
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (torch.zeros(4, 3), r"index: got a tensor torch.float32 \[4, 3\].*expected torch.int64 \[4, T\]"),
        (torch.zeros(3, 2, dtype=torch.int64), r"index: got .*\[3, 2\]"),
        (torch.zeros(4, dtype=torch.int64), r"index: got .*\[4\]"),
        (torch.zeros(4, 0, dtype=torch.int64), r"T in \[1, 5\]"),
        (torch.zeros(4, 6, dtype=torch.int64), r"T in \[1, 5\]"),
    ],
)
def test_indices_that_do_not_fit_are_named(index: Tensor, message: str) -> None:
    M = torch.zeros(4, 2, 5)
    with pytest.raises(ValueError, match=message):
        read_multihot(M, index)
    with pytest.raises(ValueError, match=message):
        write_multihot(M, index, torch.zeros(4, 2), 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"v": torch.zeros(4, 3)}, r"v: got .*expected torch.float32 \[4, 2\]"),
        ({"eta": -1.0}, r"eta: got -1"),
        ({"eta": torch.zeros(4, 5)}, r"eta: got .*one a memory for indices"),
        ({"solver": "newton"}, r"solver: got 'newton'"),
        ({"mask": torch.zeros(4)}, r"mask: got .*expected torch.bool"),
        ({"out": torch.zeros(1)}, r"out: got"),
    ],
)
def test_other_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    index = torch.tensor([[0, 1]] * 4)
    given_arguments = {"v": torch.zeros(4, 2), "eta": 0.1, **arguments}
    with pytest.raises(ValueError, match=message):
        write_multihot(torch.zeros(4, 2, 5), index, **given_arguments)


def test_values_are_checked_on_request() -> None:
    M, twice = torch.zeros(1, 1, 4), torch.tensor([[2, 0, 2]])
    read_multihot(M, twice)
    with value_checks():
        with pytest.raises(ValueError, match="index: got an index twice for one key"):
            read_multihot(M, twice)
        with pytest.raises(ValueError, match="v: got a tensor with 1 non-finite"):
            write_multihot(M, twice[:, :2], torch.tensor([[torch.nan]]), 0.1)
        read_multihot(M, twice[:, :2])
