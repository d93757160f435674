"""How fast prioritised replay draws and updates among a million transitions, beside cpprb, in one run.

python benchmarks/replay.py          # with cpprb beside it: pip install cpprb
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

import emotional_ed
from emotional_ed.replay import SalienceReplayBuffer, SumTree

SIZE = 1_000_000
BATCH = 256
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-6
ROUNDS = 61
DRAWS = 40  # a round, of each case; the textbook tree makes fewer
Case = Callable[[], object]


class TextbookTree:
    """A binary sum tree walked one item at a time, as most tutorials write it."""

    def __init__(self, priority: Any) -> None:
        self.leaves = 1 << (len(priority) - 1).bit_length()
        levels = [np.concatenate([priority, np.zeros(self.leaves - len(priority))])]
        while len(levels[-1]) > 1:
            levels.append(levels[-1].reshape(-1, 2).sum(1))
        self.nodes: list[float] = [0.0, *np.concatenate(levels[::-1]).tolist()]

    def update(self, index: int, priority: float) -> None:
        """Set one priority and the sums above it."""
        node = index + self.leaves
        self.nodes[node] = priority
        while node > 1:
            node //= 2
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    def find(self, target: float) -> int:
        """Return the item at which the running sum exceeds `target`."""
        node = 1
        while node < self.leaves:
            node *= 2
            if target >= self.nodes[node]:
                target -= self.nodes[node]
                node += 1
        return node - self.leaves


def sum_tree(errors: Any) -> Case:
    """Draw and update with our tree; importance weights as in the others."""
    tree, generator = SumTree(SIZE), torch.Generator().manual_seed(0)
    tree.update(torch.arange(SIZE), fill())
    sizes = np.abs(errors.numpy())

    def step() -> object:
        index, probability = tree.sample(BATCH, generator=generator)
        weights = (SIZE * probability.numpy()) ** -BETA
        tree.update(index, torch.from_numpy((sizes + EPSILON) ** ALPHA))
        return weights / weights.max()

    return step


def textbook_tree(errors: Any) -> Case:
    """Draw and update one by one."""
    tree, rng = TextbookTree(fill()), np.random.default_rng(0)
    sizes = errors.abs().tolist()

    def step() -> object:
        targets = (np.arange(BATCH) + rng.random(BATCH)) / BATCH * tree.nodes[1]
        index = [tree.find(target) for target in targets.tolist()]
        weights = (SIZE * np.array([tree.nodes[i + tree.leaves] for i in index]) / tree.nodes[1]) ** -BETA
        for i, size in zip(index, sizes, strict=True):
            tree.update(i, (size + EPSILON) ** ALPHA)
        return weights / weights.max()

    return step


def cpprb_buffer(cpprb: Any, errors: Any, fields: dict[str, Any], *, prioritised: bool = True) -> Case:
    """Draw from cpprb's buffer with its fields, and update if it is the prioritised one."""
    if prioritised:
        buffer = cpprb.PrioritizedReplayBuffer(SIZE, fields, alpha=ALPHA, eps=EPSILON)
    else:
        buffer = cpprb.ReplayBuffer(SIZE, fields)
    part = 50_000
    priority = fill() ** (1 / ALPHA)
    for start in range(0, SIZE, part):
        rows = {
            name: np.zeros((part, *np.atleast_1d(f.get("shape", 1))), f["dtype"])
            for name, f in fields.items()
        }
        buffer.add(**rows, **({"priorities": priority[start : start + part]} if prioritised else {}))
    sizes = errors.abs().numpy()

    def step() -> object:
        if not prioritised:
            return buffer.sample(BATCH)
        samples = buffer.sample(BATCH, beta=BETA)
        buffer.update_priorities(samples["indexes"], sizes)
        return samples

    return step


def salience_buffer(errors: Any) -> Case:
    """Draw whole transitions through Stable-Baselines3's storage, and update."""
    space = spaces.Box(-1, 1, (8,), np.float32)
    buffer = SalienceReplayBuffer(
        SIZE, space, spaces.Discrete(4), "cpu", alpha=ALPHA, beta=BETA, epsilon=EPSILON, uniform=0.0, seed=0
    )
    state = buffer.state()
    for name, value in state.items():
        if len(value.shape) and len(value) == 0:  # the stored rows, none yet
            state[name] = torch.zeros((SIZE, *value.shape[1:]), dtype=value.dtype)
    buffer.restore({**state, "full": torch.tensor(1), "error_priority": torch.from_numpy(fill())})

    def step() -> object:
        samples = buffer.sample(BATCH)
        buffer.update_priorities(samples.indices, errors)
        return samples

    return step


def fill() -> Any:
    """Return a million priorities of a skewed kind, |normal|^alpha."""
    return np.abs(np.random.default_rng(0).normal(size=SIZE)) ** ALPHA


def cases(cpprb: Any) -> dict[str, Case]:
    """Return what is timed, by name."""
    errors = torch.from_numpy(np.random.default_rng(1).normal(size=BATCH))
    tiny = {"x": {"dtype": np.uint8}}
    whole = {
        "obs": {"shape": 8, "dtype": np.float32}, "next_obs": {"shape": 8, "dtype": np.float32},
        "act": {"dtype": np.int64}, "rew": {"dtype": np.float32}, "done": {"dtype": np.float32},
    }  # fmt: skip
    found = {
        "SumTree": sum_tree(errors),
        "textbook": textbook_tree(errors),
        "buffer": salience_buffer(errors),
    }
    if cpprb is not None:
        found["cpprb"] = cpprb_buffer(cpprb, errors, tiny)
        found["fetch"] = cpprb_buffer(cpprb, errors, tiny, prioritised=False)
        found["cpprb whole"] = cpprb_buffer(cpprb, errors, whole)
    return found


def measure(found: dict[str, Case]) -> dict[str, list[float]]:
    """Return microseconds a step of each case, one number a round; rounds interleave the cases."""
    times: dict[str, list[float]] = {name: [] for name in found}
    for turn in range(ROUNDS + 3):
        for name, step in found.items():
            repeats = 2 if name == "textbook" else DRAWS
            began = time.perf_counter()
            for _ in range(repeats):
                step()
            if turn >= 3:  # the first rounds warm up
                times[name].append((time.perf_counter() - began) / repeats * 1e6)
    return times


def spread(values: list[float], digits: int = 0) -> str:
    """Return the median and the middle half of some values."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def report(times: dict[str, list[float]]) -> None:
    """Print the tables."""
    ours, whole = times["SumTree"], times["buffer"]
    rows: list[tuple[str, list[float], list[float], str]] = [
        ("SumTree", ours, ours, "one draw and update of priorities, with importance weights"),
        ("textbook binary tree", times["textbook"], ours, "the same, item by item in Python"),
    ]
    if "cpprb" in times:
        beyond = [a - b for a, b in zip(times["cpprb"], times["fetch"], strict=True)]
        rows.append(("cpprb", times["cpprb"], ours, "the same, and fetches one byte an item"))
        rows.append(("cpprb less its even draw of that byte", beyond, ours, "what priorities cost"))
    rows.append(
        ("SalienceReplayBuffer", whole, whole, "whole transitions, observations of 8 floats, as tensors")
    )
    if "cpprb whole" in times:
        rows.append(("cpprb", times["cpprb whole"], whole, "the same fields, as arrays"))
    print("| what | microseconds | times ours | does |\n|---|---|---|---|")
    for name, values, base, does in rows:
        ratio = spread([v / b for v, b in zip(values, base, strict=True)], 2) if values is not base else "1"
        print(f"| {name} | {spread(values)} | {ratio} | {does} |")


def main() -> None:
    """Time all cases in turn and print the tables."""
    torch.set_num_threads(1)
    try:
        cpprb = importlib.import_module("cpprb")
    except ImportError:
        cpprb = None
    began = time.perf_counter()
    version = importlib.metadata.version("cpprb") if cpprb is not None else "missing: its rows are left out"
    print(f"{processor()}, {os.cpu_count()} cores, one thread; load {os.getloadavg()[0]:.1f}")
    print(f"python {platform.python_version()} {' '.join(sys.argv)}")
    print(f"emotional_ed {emotional_ed.__version__}, torch {torch.__version__}, numpy {np.__version__}")
    print(f"cpprb {version}")
    print(f"{SIZE:,} transitions, batches of {BATCH}, alpha {ALPHA}, beta {BETA};")
    print(f"{ROUNDS} interleaved rounds of {DRAWS} steps: median (middle half); ratios within rounds.\n")
    report(measure(cases(cpprb)))
    print(f"\n{time.perf_counter() - began:.0f} seconds in all")


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
