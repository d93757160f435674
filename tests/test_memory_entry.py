"""One row of each memory under one key, and modules whose attributes are found quickly."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.memory import AssociativeMemory, QuickModule, share_per_feature

V, K = 3, 7


def memory(batch: tuple[int, ...], generator: torch.Generator, **rule: Any) -> AssociativeMemory:
    made = AssociativeMemory(V, K, batch=batch, **{"solver": "grad", **rule})
    made.M.copy_(torch.randn(made.M.shape, generator=generator))
    return made


def a_key(kind: str, batch: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if kind == "one-hot":
        return torch.randint(0, K, batch, generator=generator)
    if kind == "multi-hot":
        return torch.rand(*batch, K, generator=generator).argsort(-1)[..., :3]
    return torch.nn.functional.normalize(torch.randn(*batch, K, generator=generator), dim=-1)


@given(
    st.integers(0, 1000), st.sampled_from(["one-hot", "multi-hot", "real"]),
    st.sampled_from([(), (1,), (5,), (2, 3)]), st.booleans(),
)  # fmt: skip
def test_an_entry_is_a_read_and_a_write_of_one_row(
    seed: int, kind: str, batch: tuple[int, ...], masked: bool
) -> None:
    g = torch.Generator().manual_seed(seed)
    whole = memory(batch, g)
    alone = copy.deepcopy(whole)
    key, row = a_key(kind, batch, g), torch.randint(0, V, batch, generator=g)
    value, share = torch.randn(batch, generator=g), torch.rand(batch, generator=g)
    mask = torch.rand(batch, generator=g) < 0.5 if masked else None
    chosen = row[..., None] == torch.arange(V)
    rows = chosen if mask is None else chosen & mask[..., None]
    held = whole.read(key).gather(-1, row[..., None]).squeeze(-1)
    values = value[..., None].expand(*batch, V)
    lss = whole.write(key, values, share_per_feature(whole.M, share, key), rows)
    lss = lss.gather(-1, row[..., None]).squeeze(-1)

    entry = alone.entry(key, row)
    before = entry.held.clone()
    surprise = entry.take_up(value, share, mask)
    if kind == "real":
        torch.testing.assert_close([before, surprise, alone.M], [held, lss, whole.M])
    else:
        assert torch.equal(before, held)
        assert torch.equal(surprise, lss)
        assert torch.equal(alone.M, whole.M)


@pytest.mark.parametrize(
    ("key", "row", "message"),
    [
        (torch.zeros(2, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), r"row: .*expected torch.int64 \[2\]"),
        (torch.zeros(2, dtype=torch.int64), torch.zeros(2), r"row: .*expected torch.int64 \[2\]"),
        (torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), r"key: .*expected \[2\]"),
        (torch.zeros(2, K + 1), torch.zeros(2, dtype=torch.int64), r"key: .*expected torch.float32 \[2, 7\]"),
        (torch.zeros(1, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), r"key: .*expected \[2, 'T'\]"),
    ],
)  # fmt: skip
def test_an_entry_that_does_not_fit_is_refused(key: Tensor, row: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AssociativeMemory(V, K, batch=(2,), solver="grad").entry(key, row)


def test_only_the_plain_gradient_step_has_entries() -> None:
    zero = torch.zeros(2, dtype=torch.int64)
    for rule in (
        {"solver": "prox"},
        {"solver": "grad", "ridge": 0.5},
        {"solver": "grad", "objective": "dot"},
    ):
        with pytest.raises(ValueError, match="expected l2, grad and no ridge"):
            AssociativeMemory(V, K, batch=(2,), **rule).entry(zero, zero)


class Box(QuickModule):
    """A module with a buffer and a part."""

    x: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("x", torch.zeros(2))
        self.part = torch.nn.Linear(1, 1)


def test_what_replaces_a_buffer_or_a_part_is_found() -> None:
    box = Box()
    assert box.x is box.x  # found once, and then among the plain attributes
    box.x = torch.ones(2)
    assert box.x.tolist() == [1, 1]
    box.register_buffer("x", torch.full((2,), 2.0))
    assert box.x.tolist() == [2, 2]
    box.x.add_(1)
    assert box.state_dict()["x"].tolist() == [3, 3]
    assert box.double().x.dtype == torch.float64
    other = Box().double()
    assert other.x.tolist() == [0, 0]
    other.load_state_dict(box.state_dict())
    assert other.x.tolist() == [3, 3]
    other.load_state_dict({**box.state_dict(), "x": torch.full((2,), 5.0)}, assign=True)
    assert other.x.tolist() == [5, 5]
    twin = copy.deepcopy(box)
    twin.x.add_(1)
    assert (box.x.tolist(), twin.state_dict()["x"].tolist()) == ([3, 3], [4, 4])
    old = box.part
    box.part = torch.nn.Linear(1, 1)
    assert box.part is not old
    del box.x
    assert not hasattr(box, "x")
    with pytest.raises(AttributeError, match="no attribute 'y'"):
        _ = box.y


def test_looking_up_keeps_every_answer_and_what_replaces_one_is_found() -> None:
    box, inner, hidden = Box(), Box(), Box()
    box.inner, box.others = inner, torch.nn.ModuleList([hidden])
    box.look_up()
    for one in (box, inner, hidden):
        assert {"x", "part"} <= set(vars(one))
        assert one.x is one._buffers["x"]
    hidden.x = torch.ones(2)
    assert hidden.x.tolist() == [1, 1]
    assert box.state_dict()["others.0.x"].tolist() == [1, 1]
