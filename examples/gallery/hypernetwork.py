"""A hypernetwork: one slow memory generates the weights of every layer of another network.

Equation:
    W_l = H z_l, reshaped to [D, D]            (the memory H recalls the weights of layer l for its key z_l)
    y = W_2 tanh(W_1 x),  L = 1/2 |y - target|^2
    H+ = H - lr dL/dH,  z_l+ = z_l - lr dL/dz_l

    Only H and the keys learn; the gradient crosses the generated weights (transfer by generation).

Source:
    Ha et al. (2016), "HyperNetworks", arXiv 1609.09106; Behrouz et al., "Nested Learning", arXiv 2512.24695,
    section 3.3.
"""

import torch
from torch import Tensor, nn

from emotional_ed.memory import read
from emotional_ed.nested import Source, generation

DIM, EMBEDDING, LAYERS, STEPS = 4, 3, 2, 40


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return H [DIM^2, EMBEDDING], keys [LAYERS, EMBEDDING], inputs [T, DIM] and targets [T, DIM]."""
    g = torch.Generator().manual_seed(0)
    shapes = ((DIM * DIM, EMBEDDING), (LAYERS, EMBEDDING), (STEPS, DIM))
    H, z, x = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes)
    return H / 2, z, x, x.flip(-1)


def nested(lr: float = 0.05) -> Tensor:
    """Train by transfer; return H and the keys in the end."""
    H, z, inputs, targets = problem()
    for x, target in zip(inputs, targets, strict=True):
        H, z = H.detach().requires_grad_(), z.detach().requires_grad_()
        slow = Source({"H": H}, lambda own, key: read(own["H"], key).unflatten(-1, (DIM, DIM)))
        first, second = (generation(slow, key).parameters["weight"] for key in z)
        y = read(second, torch.tanh(read(first, x)))
        to_H, to_z = torch.autograd.grad(0.5 * ((y - target) ** 2).sum(), (H, z))
        H, z = H - lr * to_H, z - lr * to_z
    return torch.cat([H.flatten(), z.flatten()]).detach()


def reference(lr: float = 0.05) -> Tensor:
    """Do the same with torch.nn and torch.optim.SGD."""
    H, z, inputs, targets = problem()
    hyper = nn.Linear(EMBEDDING, DIM * DIM, bias=False, dtype=torch.float64)
    keys = nn.Embedding.from_pretrained(z, freeze=False)
    hyper.weight = nn.Parameter(H)
    optimizer = torch.optim.SGD([*hyper.parameters(), *keys.parameters()], lr=lr)
    for x, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        first, second = hyper(keys(torch.arange(LAYERS))).view(LAYERS, DIM, DIM)
        y = nn.functional.linear(torch.tanh(nn.functional.linear(x, first)), second)
        (nn.functional.mse_loss(y, target, reduction="sum") / 2).backward()
        optimizer.step()
    return torch.cat([hyper.weight.flatten(), keys.weight.flatten()]).detach()


def difference() -> float:
    """Return the largest difference between the two after training."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality."""
    learned = DIM * DIM * EMBEDDING + LAYERS * EMBEDDING
    print(f"hypernetwork: {STEPS} steps; {learned} learned numbers generate all {LAYERS * DIM * DIM} weights")
    print(f"largest difference from torch.nn.Linear generating weights, torch.optim.SGD: {difference():.1e}")


if __name__ == "__main__":
    main()
