"""Time of one write, its ratio to the naive form in the same run, and its share of the copy bandwidth.

    python benchmarks/memories.py [--device cuda]

The naive form is what one would write down first: two einsums and an addition. A step must read and write
the state at least once; a copy of the state does just that, and is measured beside it. Rounds interleave
all forms, so that drift of the machine hits all alike; figures are medians of rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

import emotional_ed
from emotional_ed.memory import write, write_chunk, write_onehot

SHAPES = ((1024, 1, 64), (4096, 16, 16), (256, 64, 64), (64, 256, 256))
CHUNK = 32
ROUNDS = 9


def naive(M: Tensor, k: Tensor, v: Tensor, eta: float) -> Tensor:
    """One exact proximal step as two einsums."""
    surprise = v - torch.einsum("bvk,bk->bv", M, k)
    share = eta / (1 + eta * torch.einsum("bk,bk->b", k, k))
    return M + torch.einsum("bv,bk->bvk", share[:, None] * surprise, k)


def naive_onehot(M: Tensor, index: Tensor, v: Tensor, eta: float) -> Tensor:
    """The same with the one-hot key written out."""
    return naive(M, torch.nn.functional.one_hot(index, M.shape[-1]).to(M.dtype), v, eta)


def forms(
    shape: tuple[int, int, int], device: str, compiled: bool
) -> dict[str, tuple[Callable[[], object], int]]:
    """Return name -> (call, number of writes in it) for one shape; every form keeps its own memory."""
    B, V, K = shape
    g = torch.Generator(device).manual_seed(0)
    k = torch.randn(B, K, generator=g, device=device) / K**0.5
    v = torch.randn(B, V, generator=g, device=device)
    keys = torch.randn(B, CHUNK, K, generator=g, device=device) / K**0.5
    values = torch.randn(B, CHUNK, V, generator=g, device=device)
    index = torch.randint(K, (B,), generator=g, device=device)
    M = {
        name: torch.randn(B, V, K, generator=g, device=device)
        for name in ("own", "chunk", "hot", "copy", "fused")
    }
    plain = torch.randn(B, V, K, generator=g, device=device)
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "naive": (lambda: naive(plain, k, v, 0.5), 1),
        "write": (lambda: write(M["own"], k, v, 0.5, out=M["own"]), 1),
        "chunk": (lambda: write_chunk(M["chunk"], keys, values, 0.5, out=M["chunk"]), CHUNK),
        "naive one-hot": (lambda: naive_onehot(plain, index, v, 0.5), 1),
        "one-hot": (lambda: write_onehot(M["hot"], index, v, 0.5, out=M["hot"]), 1),
        "copy": (lambda: M["copy"].copy_(plain), 1),
    }
    if compiled:
        fused = torch.compile(write, fullgraph=True, dynamic=False)
        calls["compiled"] = (lambda: fused(M["fused"], k, v, 0.5, out=M["fused"]), 1)
    return calls


def measure(calls: dict[str, tuple[Callable[[], object], int]], device: str) -> dict[str, list[float]]:
    """Return name -> seconds a write, one figure a round, the forms in turn within each round."""

    def wait() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    repeats = {}
    for name, (call, _) in calls.items():
        call()
        call()
        wait()
        began = time.perf_counter()
        call()
        wait()
        repeats[name] = max(3, min(300, int(0.03 / max(time.perf_counter() - began, 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (call, writes) in calls.items():
            began = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            wait()
            times[name].append((time.perf_counter() - began) / repeats[name] / writes)
    return times


def main() -> None:
    """Measure every shape and print a Markdown table."""
    parser = argparse.ArgumentParser(description="Time one write at the shapes of the reference.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled form out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "CPU, one thread"
    print(f"emotional_ed {emotional_ed.__version__}, torch {torch.__version__}, {where}\n")
    print("| shape (B, V, K) | form | microseconds a write | times naive's speed | share of copy bandwidth |")
    print("| --- | --- | ---: | ---: | ---: |")
    with torch.no_grad():
        for shape in SHAPES:
            times = measure(forms(shape, arguments.device, not arguments.no_compile), arguments.device)
            for name, values in times.items():
                rival = times["naive one-hot"] if "one-hot" in name else times["naive"]
                faster = statistics.median(a / b for a, b in zip(rival, values, strict=True))
                share = statistics.median(a / b for a, b in zip(times["copy"], values, strict=True))
                step = statistics.median(values) * 1e6
                print(f"| {shape} | {name} | {step:.1f} | {faster:.2f} | {share:.0%} |")


if __name__ == "__main__":
    main()
