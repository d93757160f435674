"""Loss against steps and against seconds of each optimizer on two spirals, all tuned with one budget.

Every optimizer is tried with the same random pairs of step size and momentum on the tuning seeds; the pair
with the lowest final loss is run again on other seeds, which the table reports.

python benchmarks/optimizers.py
"""

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import emotional_ed
from emotional_ed.optim import M3, DeltaMomentum, MLPMomentum, MomentumMemory, PreconditionedMomentum

STEPS = (100, 400)  # losses are reported after these
SECONDS = 0.25  # and after this much time spent in steps
EVERY = 20  # steps between looks at the loss on fresh points
BATCH = 64
CONFIGURATIONS = 16
TUNING_SEEDS = range(2)
REPORT_SEEDS = range(100, 105)

Make = Callable[[Any, float, float], torch.optim.Optimizer]

ARMS: dict[str, Make] = {
    "MomentumMemory": lambda p, lr, m: MomentumMemory(p, lr, m),
    "PreconditionedMomentum, rms": lambda p, lr, m: PreconditionedMomentum(p, lr, m, preconditioner="rms"),
    "DeltaMomentum": lambda p, lr, m: DeltaMomentum(p, lr, m),
    "MLPMomentum": lambda p, lr, m: MLPMomentum(p, lr, m),
    "M3 as printed": lambda p, lr, m: M3(p, lr),
    "M3 that forgets": lambda p, lr, m: M3(p, lr, retention=(m, 0.999, 1.0)),
    "torch SGD": lambda p, lr, m: torch.optim.SGD(p, lr, m),
    "torch Adam": lambda p, lr, m: torch.optim.Adam(p, lr, (m, 0.999)),
    "torch AdamW": lambda p, lr, m: torch.optim.AdamW(p, lr, (m, 0.999)),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one training run showed: the loss at each look, and the seconds in steps until then."""

    losses: list[float]
    seconds: list[float]

    def after_steps(self, steps: int) -> float:
        """Return the loss after so many steps."""
        return self.losses[steps // EVERY]

    def after_seconds(self, seconds: float) -> float:
        """Return the loss at the last look within so many seconds."""
        return [loss for loss, t in zip(self.losses, self.seconds, strict=True) if t <= seconds][-1]


def spirals(points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return points on two spirals of one turn and a half, with noise, and which spiral each is on."""
    label = torch.randint(2, (points, 1), generator=generator).float()
    turn = torch.rand(points, 1, generator=generator).sqrt()
    angle = 3 * math.pi * turn + math.pi * label
    x = torch.cat([turn * angle.cos(), turn * angle.sin()], -1)
    return 2 * x + 0.02 * torch.randn(x.shape, generator=generator), label


def train(make: Make, lr: float, momentum: float, seed: int, seconds: float = 0.0) -> Run:
    """Train one network for the largest of STEPS, and on until `seconds` were spent in steps."""
    generator = torch.Generator().manual_seed(0)
    (x, y), (x_test, y_test) = spirals(512, generator), spirals(512, generator)
    generator.manual_seed(1 + seed)
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5 if p.ndim > 1 else 0 * p)
    optimizer = make(net.parameters(), lr, momentum)
    loss_of = nn.BCEWithLogitsLoss()
    losses, clock, spent, step = [], [], 0.0, 0
    while True:
        if step % EVERY == 0:
            with torch.no_grad():
                losses.append(float(loss_of(net(x_test), y_test)))
            clock.append(spent)
            if step >= max(STEPS) and (spent >= seconds or not math.isfinite(losses[-1])):
                return Run(losses=losses, seconds=clock)
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        began = time.perf_counter()
        optimizer.zero_grad()
        loss_of(net(x[rows]), y[rows]).backward()
        optimizer.step()
        spent += time.perf_counter() - began
        step += 1


def configurations() -> list[tuple[float, float]]:
    """Return pairs of lr in [1e-4, 1] and momentum in [0, 0.99], log-uniform in lr and 1 - momentum."""
    draws = torch.rand(CONFIGURATIONS, 2, generator=torch.Generator().manual_seed(7)).tolist()
    return [(10 ** (-4 * a), 1 - 10 ** (-2 * b)) for a, b in draws]


def tune(make: Make) -> tuple[float, float]:
    """Return the pair with the lowest mean final loss on the tuning seeds."""

    def score(pair: tuple[float, float]) -> float:
        finals = [train(make, *pair, seed).after_steps(max(STEPS)) for seed in TUNING_SEEDS]
        return statistics.fmean(loss if math.isfinite(loss) else math.inf for loss in finals)

    return min(configurations(), key=score)


def main() -> None:
    """Tune and report each optimizer, one row of the table each."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    print(f"emotional_ed {emotional_ed.__version__}, torch {torch.__version__}, one thread, CPU.")
    print(f"Two spirals, 2-32-32-1 tanh network, batches of {BATCH}, loss on 512 fresh points;")
    print(
        f"{CONFIGURATIONS} pairs of lr and momentum on {len(TUNING_SEEDS)} tuning seeds, the best of them on"
    )
    print(f"{len(REPORT_SEEDS)} others: median (from smallest to largest).\n")
    columns = [f"loss after {steps} steps" for steps in STEPS]
    columns += [f"loss after {SECONDS} s", "seconds per 1000 steps", "lr", "momentum"]
    print("| optimizer | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, make in ARMS.items():
        lr, momentum = tune(make)
        runs = [train(make, lr, momentum, seed, SECONDS) for seed in REPORT_SEEDS]
        cells = [spread(run.after_steps(steps) for run in runs) for steps in STEPS]
        cells.append(spread(run.after_seconds(SECONDS) for run in runs))
        cells.append(spread(1000 * run.seconds[-1] / (EVERY * (len(run.seconds) - 1)) for run in runs))
        cells += [f"{lr:.2g}", "none" if name == "M3 as printed" else f"{momentum:.2g}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} seconds in all")


def spread(values: Iterable[float]) -> str:
    """Return the median, the smallest and the largest of some values."""
    known = list(values)
    return f"{statistics.median(known):.3f} ({min(known):.3f} to {max(known):.3f})"


if __name__ == "__main__":
    main()
