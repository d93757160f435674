import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotional_ed.streams import Streams


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=5, unique=True), st.integers(0, 150))
def test_a_member_draws_the_same_alone_and_in_company(seeds: list[int], position: int) -> None:
    together = Streams(seeds, 3)
    together.position = position
    row = together.next()
    for i, seed in enumerate(seeds):
        alone = Streams([seed], 3)
        alone.position = position
        assert torch.equal(alone.next()[0], row[i])


def test_rows_are_those_of_numpy_philox_in_order() -> None:
    stream = Streams([7], 5, purpose=2)
    rows = torch.cat([stream.next() for _ in range(130)])
    blocks = [
        np.random.Generator(np.random.Philox(key=[7, 2], counter=[0, 0, block, 0])).random(
            (64, 5), np.float32
        )
        for block in range(3)
    ]
    assert np.array_equal(rows.numpy(), np.concatenate(blocks)[:130])
    assert abs(float(rows.mean()) - 0.5) < 0.05


def test_purposes_and_seeds_differ_and_global_state_is_untouched() -> None:
    before, before_torch = np.random.get_state(legacy=False)["state"]["key"].copy(), torch.get_rng_state()  # noqa: NPY002
    rows = {tuple(Streams([seed], 2, purpose=p).next()[0].tolist()) for seed in (0, 1) for p in (0, 1)}
    assert len(rows) == 4
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002
    assert torch.equal(before_torch, torch.get_rng_state())
    with pytest.raises(ValueError, match="seeds: got -1"):
        Streams([-1], 1)
