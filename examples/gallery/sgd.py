"""Gradient descent on a network is one Hebbian memory write in each of its layers.

Equation:
    A layer y = W x hears its local surprise u = -dL/dy. Then

        W+ = argmin_X  -<X x, u> + 1/(2 eta) |X - W|^2 = W + eta u x^T = W - eta dL/dW

    so each layer is a memory of what surprised it, with its inputs as keys.

Source:
    Behrouz et al., "Nested Learning", arXiv 2512.24695, eq. 17 and its reading of backpropagation.
"""

import torch
from torch import Tensor

from emotional_ed.memory import AssociativeMemory

INPUTS, HIDDEN, CLASSES, STEPS = 4, 8, 3, 60


def problem() -> tuple[list[Tensor], Tensor, Tensor]:
    """Return initial weights, observations [T, INPUTS] and labels [T]; no randomness from outside."""
    g = torch.Generator().manual_seed(0)
    shapes = ((HIDDEN, INPUTS), (CLASSES, HIDDEN), (STEPS, INPUTS))
    first, second, x = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes)
    return [first, second], x, torch.randint(CLASSES, (STEPS,), generator=g)


def nested(lr: float = 0.1) -> Tensor:
    """Train with two memories and no optimizer; return all weights."""
    weights, observations, labels = problem()
    first = AssociativeMemory(HIDDEN, INPUTS, eta=lr, objective="dot", dtype=torch.float64)
    second = AssociativeMemory(CLASSES, HIDDEN, eta=lr, objective="dot", dtype=torch.float64)
    first.M.copy_(weights[0])
    second.M.copy_(weights[1])
    for x, label in zip(observations, labels, strict=True):
        h = torch.tanh(first.read(x))
        surprise = torch.nn.functional.one_hot(label, CLASSES) - second.read(h).softmax(-1)
        passed_back = (surprise @ second.M) * (1 - h * h)
        second.write(h, surprise)
        first.write(x, passed_back)
    return torch.cat([first.M.flatten(), second.M.flatten()])


def reference(lr: float = 0.1) -> Tensor:
    """Do the same with autograd and torch.optim.SGD."""
    (first, second), observations, labels = problem()
    parameters = [first.requires_grad_(), second.requires_grad_()]
    optimizer = torch.optim.SGD(parameters, lr=lr)
    for x, label in zip(observations, labels, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(second @ torch.tanh(first @ x), label).backward()
        optimizer.step()
    return torch.cat([one.detach().flatten() for one in parameters])


def difference() -> float:
    """Return the largest difference between the two."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality."""
    print(f"SGD: {STEPS} steps of a two-layer network, each layer a memory written with its local surprise")
    print(f"largest difference from torch.optim.SGD with autograd: {difference():.1e}")


if __name__ == "__main__":
    main()
