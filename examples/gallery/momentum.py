"""Momentum is a nest of two levels: a memory of gradients, and weights that listen to it.

Equation:
    Both levels are memories under the constant key 1, with objective -<m, v>:

        m+ = m + lr v - (1 - alpha) m,  v = -dL/dw     (a gradient step with retention (1 - alpha)/lr)
        w+ = w + m+                                    (a proximal step)

    They update equally often, but w needs the m of the same step: two levels by Definition 2.

Source:
    Behrouz et al., "Nested Learning", arXiv 2512.24695, eq. 33 (the shorter version's eq. 10 prints the
    proximal weight as eta; it is 1/(2 eta)). Equal to torch's form for a constant learning rate.
"""

import torch
from torch import Tensor

from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Clock, Level, NestedSystem, Signals

MEMBERS, DIM, STEPS, LR = 3, 5, 80, 0.02
ONE = torch.ones(1, dtype=torch.float64)


class Listener(Level):
    """A memory under the key 1 that takes in the signal `hears` and tells its content under its name."""

    def __init__(self, name: str, hears: str, memory: AssociativeMemory, after: tuple[str, ...] = ()) -> None:
        super().__init__(name, Clock(period=1), after=after)
        self.hears, self.memory = hears, memory

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Write what is heard."""
        self.memory.write(ONE, signals[self.hears], mask=due)
        signals[self.name] = self.memory.read(ONE)


def problem() -> tuple[Tensor, Tensor]:
    """Return A [P, DIM, DIM] and b [P, DIM] of the losses sum log cosh(A w - b), one a member."""
    g = torch.Generator().manual_seed(0)
    A = torch.randn(MEMBERS, DIM, DIM, generator=g, dtype=torch.float64)
    return A, torch.randn(MEMBERS, DIM, generator=g, dtype=torch.float64)


def build(alpha: float) -> NestedSystem:
    """Put the two levels together, given in the wrong order on purpose."""
    weights = AssociativeMemory(DIM, 1, batch=(MEMBERS,), eta=1.0, objective="dot", dtype=torch.float64)
    gradients = AssociativeMemory(
        DIM, 1, batch=(MEMBERS,), eta=LR, objective="dot", solver="grad", ridge=(1 - alpha) / LR,
        dtype=torch.float64,
    )  # fmt: skip
    second = Listener("weights", "momentum", weights, after=("momentum",))
    return NestedSystem([second, Listener("momentum", "surprise", gradients)], MEMBERS)


def nested(alpha: float = 0.9) -> Tensor:
    """Return the weights [T, P, DIM] of a population after each step of the nest."""
    (A, b), system, path = problem(), build(alpha), [torch.zeros(MEMBERS, DIM, dtype=torch.float64)]
    for _ in range(STEPS):
        error = torch.tanh((A @ path[-1][..., None]).squeeze(-1) - b)
        surprise = -(A.mT @ error[..., None]).squeeze(-1)
        path.append(system.step({"surprise": surprise})["weights"].clone())
    return torch.stack(path[1:])


def reference(alpha: float = 0.9) -> Tensor:
    """Do the same with autograd and torch.optim.SGD(momentum=alpha)."""
    (A, b), w, path = problem(), torch.zeros(MEMBERS, DIM, dtype=torch.float64, requires_grad=True), []
    optimizer = torch.optim.SGD([w], lr=LR, momentum=alpha)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (torch.einsum("pij,pj->pi", A, w) - b).cosh().log().sum().backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def difference() -> float:
    """Return the largest difference between the two, over all steps."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality and the order of the levels as measured."""
    system = build(0.9)
    system.step({"surprise": torch.zeros(MEMBERS, DIM, dtype=torch.float64)})
    print(f"momentum: {STEPS} steps of {MEMBERS} members; levels as measured: {system.ranking()}")
    print(f"largest difference from torch.optim.SGD(momentum=0.9): {difference():.1e}")


if __name__ == "__main__":
    main()
