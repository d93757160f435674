"""The core compiles without graph breaks, and gives what it gives uncompiled."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from emotional_ed.memory import (
    modulate_share,
    read,
    read_onehot,
    update_metric,
    write,
    write_chunk,
    write_onehot,
)


def inputs() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=g)

    square = normal(3, 5, 5)
    return {
        "M": normal(3, 2, 5), "k": normal(3, 5), "v": normal(3, 2), "A": normal(3, 2, 5), "eta": torch.rand(3, generator=g),
        "K": normal(3, 7, 5), "V": normal(3, 7, 2), "P": square @ square.mT + torch.eye(5),
        "index": torch.tensor([0, 4, 2]), "mask": torch.tensor([True, False, True]),
    }  # fmt: skip


CALLS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "read": lambda x: read(x["M"], x["k"]),
    "write": lambda x: write(x["M"], x["k"], x["v"], 0.5),
    "write with everything": lambda x: write(
        x["M"], x["k"], x["v"], x["eta"], ridge=0.3, anchor=x["A"], mask=x["mask"]
    ),
    "write dot": lambda x: write(x["M"], x["k"], x["v"], x["eta"], objective="dot", solver="grad", ridge=0.1),
    "write with a metric": lambda x: write(x["M"], x["k"], x["v"], x["P"]),
    "write in place": lambda x: write(x["M"], x["k"], x["v"], 0.5, out=x["M"]),
    "sequential": lambda x: write_chunk(x["M"], x["K"], x["V"], 0.5, ridge=0.2, anchor=x["A"]),
    "joint": lambda x: write_chunk(x["M"], x["K"], x["V"], 0.5, mode="joint"),
    "frozen": lambda x: write_chunk(x["M"], x["K"], x["V"], 0.01, mode="frozen"),
    "read one-hot": lambda x: read_onehot(x["M"], x["index"]),
    "write one-hot": lambda x: write_onehot(x["M"], x["index"], x["v"], x["eta"], mask=x["mask"]),
    "write one-hot in place": lambda x: write_onehot(x["M"], x["index"], x["v"], 0.5, out=x["M"]),
    "update metric": lambda x: update_metric(x["P"], x["k"]),
    "modulate share": lambda x: modulate_share(0.3, x["eta"]),
}


@pytest.mark.parametrize("name", CALLS)
@torch.no_grad()
def test_one_graph_and_the_same_numbers(name: str) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(CALLS[name], fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(inputs()), CALLS[name](inputs()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # torch's own generator
@torch.no_grad()
def test_the_generated_code_gives_the_same_numbers() -> None:
    """With the real code generator, which needs a C++ compiler."""
    torch._dynamo.reset()
    compiled = torch.compile(CALLS["write with everything"], fullgraph=True)
    torch.testing.assert_close(compiled(inputs()), CALLS["write with everything"](inputs()))


@pytest.mark.gpu
@pytest.mark.parametrize("name", CALLS)
@torch.no_grad()
def test_the_same_on_a_gpu_without_waiting_for_it(name: str) -> None:
    on_gpu = {key: tensor.cuda() for key, tensor in inputs().items()}
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = CALLS[name](on_gpu)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    torch.testing.assert_close(result, CALLS[name](inputs()), check_device=False)


@torch.no_grad()
def test_another_step_size_needs_no_other_code() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(lambda M, k, v, eta: write(M, k, v, eta)[0], fullgraph=True, backend="aot_eager")
    x = inputs()
    for eta in (0.5, 0.6, 0.7):
        torch.testing.assert_close(
            compiled(x["M"], x["k"], x["v"], eta), write(x["M"], x["k"], x["v"], eta)[0]
        )
