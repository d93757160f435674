"""Adam with beta1 = beta2 is two element-wise memories, each solved exactly by proximal writes.

Equation:
    Per coordinate, the past discounted by beta^(t-i), with p the scale and m the direction:

        p^2 = argmin_x  sum_i beta^(t-i) (x - g_i^2)^2  =  sum beta^(t-i) g_i^2 / sum beta^(t-i)
        m   = argmin_x  sum_i beta^(t-i) (x g_i - p)^2 + lambda x^2
            = p sum beta^(t-i) g_i / (sum beta^(t-i) g_i^2 + lambda)
        w+  = w - lr m

    The bias corrections of Adam cancel, and m = m_hat/sqrt(v_hat). A proximal write keeps such a minimum
    up to date: after a past of weight n (for m: n p^2) the step size is 1/(beta n), as in recursive least
    squares.

Source:
    Behrouz et al., "Nested Learning", arXiv 2512.24695, eqs. 101-105. The equality with Adam is exact only
    for beta1 = beta2 and eps = 0 (in the limit lambda -> 0); at torch's defaults the two differ, see `main`.
"""

import torch
from torch import Tensor

from emotional_ed.memory import read, write

DIM, STEPS, LR, NO_PAST = 6, 80, 0.05, 1e-30
ONE = torch.ones(DIM, 1, dtype=torch.float64)  # the constant key of DIM memories of size 1 x 1


def problem() -> tuple[Tensor, Tensor]:
    """Return A [DIM, DIM] and b [DIM] of the loss sum log cosh(A w - b)."""
    g = torch.Generator().manual_seed(0)
    A = torch.randn(DIM, DIM, generator=g, dtype=torch.float64)
    return A, torch.randn(DIM, generator=g, dtype=torch.float64)


def nested(beta: float = 0.9) -> Tensor:
    """Return the weights [T, DIM] after each step; `direction` and `square` are [DIM, 1, 1] memories."""
    (A, b), w, path = problem(), torch.zeros(DIM, dtype=torch.float64), []
    direction = square = torch.zeros(DIM, 1, 1, dtype=torch.float64)
    seen, energy = torch.full((2, DIM), NO_PAST, dtype=torch.float64)  # weight of the past in each memory
    for _ in range(STEPS):
        gradient = A.T @ torch.tanh(A @ w - b)
        key = gradient[:, None]  # [DIM, K = 1]
        square, _ = write(square, ONE, key**2, 1 / (beta * seen))
        direction, _ = write(direction, key, ONE, 1 / (beta * energy))
        seen, energy = beta * seen + 1, beta * energy + gradient**2
        scale = read(square, ONE).sqrt()  # p enters linearly, so it may come last
        w = w - LR * read(direction, scale).squeeze(-1)
        path.append(w)
    return torch.stack(path)


def reference(beta1: float = 0.9, beta2: float | None = None, eps: float = 0.0) -> Tensor:
    """Do the same with autograd and torch.optim.Adam, beta2 = beta1 if None."""
    (A, b), w, path = problem(), torch.zeros(DIM, dtype=torch.float64, requires_grad=True), []
    betas = (beta1, beta1 if beta2 is None else beta2)
    optimizer = torch.optim.Adam([w], lr=LR, betas=betas, eps=eps)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (A @ w - b).cosh().log().sum().backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def difference() -> float:
    """Return the largest difference between the two, over all steps."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality, and that it does not hold at the usual settings."""
    usual = float((nested() - reference(0.9, 0.999, 1e-8)).abs().max())
    print(f"Adam: {STEPS} steps, {DIM} coordinates, two element-wise memories each")
    print(f"largest difference from torch.optim.Adam(betas=(0.9, 0.9), eps=0): {difference():.1e}")
    print(f"and from its defaults, betas=(0.9, 0.999), eps=1e-8, as expected not zero: {usual:.1e}")


if __name__ == "__main__":
    main()
