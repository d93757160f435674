"""A recurrent network with fast weights: a decaying Hebbian memory of its own recent states.

Equation:
    A+ = decay A + eta h h^T       (gradient step on -<A h, h> with retention (1 - decay)/eta)
    h_0 = relu(W h + C x);  h_{s+1} = relu(norm(W h + C x + A+ h_s)),  s = 0 .. S-1

    Without fast weights, as attention to the past:

        A_t q = eta sum_{i <= t} decay^(t-i) h_i <h_i, q>

Source:
    Schmidhuber (1992), "Learning to control fast-weight memories"; Ba et al. (2016), "Using fast weights to
    attend to the recent past", arXiv 1610.06258.
"""

import torch
from torch import Tensor

from emotional_ed.memory import AssociativeMemory

BATCH, TIME, INPUTS, HIDDEN, INNER, ETA = 3, 25, 4, 7, 3, 0.5


def problem() -> tuple[Tensor, Tensor, Tensor]:
    """Return slow weights W [HIDDEN, HIDDEN], C [HIDDEN, INPUTS] and inputs [T, B, INPUTS]."""
    g = torch.Generator().manual_seed(0)
    W = torch.randn(HIDDEN, HIDDEN, generator=g, dtype=torch.float64) / HIDDEN**0.5
    C = torch.randn(HIDDEN, INPUTS, generator=g, dtype=torch.float64)
    return W, C, torch.randn(TIME, BATCH, INPUTS, generator=g, dtype=torch.float64)


def norm(x: Tensor) -> Tensor:
    """Layer normalization."""
    return torch.nn.functional.layer_norm(x, (HIDDEN,))


def nested(decay: float = 0.9) -> Tensor:
    """Return the states [T, B, HIDDEN]; each member of the batch has a memory of its own."""
    W, C, inputs = problem()
    fast = AssociativeMemory(
        HIDDEN, HIDDEN, batch=(BATCH,), eta=ETA, objective="dot", solver="grad", ridge=(1 - decay) / ETA,
        dtype=torch.float64,
    )  # fmt: skip
    h, states = torch.zeros(BATCH, HIDDEN, dtype=torch.float64), []
    for x in inputs:
        fast.write(h, h)
        slow = h @ W.T + x @ C.T
        h = torch.relu(slow)
        for _ in range(INNER):
            h = torch.relu(norm(slow + fast.read(h)))
        states.append(h)
    return torch.stack(states)


def reference(decay: float = 0.9) -> Tensor:
    """Do the same by attending to all past states, weighted by age; no matrix A exists."""
    W, C, inputs = problem()
    past = [torch.zeros(BATCH, HIDDEN, dtype=torch.float64)]
    for x in inputs:
        slow = past[-1] @ W.T + x @ C.T
        h = torch.relu(slow)
        age = torch.arange(len(past) - 1, -1, -1, dtype=torch.float64)
        for _ in range(INNER):
            scores = ETA * decay**age * torch.einsum("tbh,bh->bt", torch.stack(past), h)
            h = torch.relu(norm(slow + torch.einsum("bt,tbh->bh", scores, torch.stack(past))))
        past.append(h)
    return torch.stack(past[1:])


def difference() -> float:
    """Return the largest difference between the two, over all states."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality."""
    print(f"fast weights: {TIME} time steps with {INNER} inner steps each, {BATCH} sequences")
    print(f"largest difference from attention to all past states: {difference():.1e}")


if __name__ == "__main__":
    main()
