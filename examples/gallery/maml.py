"""MAML: a slow level hands its parameters to fast ones as their start, and learns from where they end.

Equation:
    inner, per task:  M_0 = theta;  M_{i+1} = M_i + eta (v_i - M_i k_i) k_i^T       (memory writes)
    outer:            theta+ = theta - rate d/dtheta mean_tasks 1/2 |M_n q - y|^2

    The gradient crosses all n inner steps (transfer by initialisation).

Source:
    Finn et al. (2017), "Model-agnostic meta-learning", arXiv 1703.03400; Behrouz et al., "Nested Learning",
    arXiv 2512.24695, section 3.3.
"""

import torch
from torch import Tensor

from emotional_ed.memory import read, write
from emotional_ed.nested import Source, initialisation

TASKS, SHOTS, KEY, OUTER, RATE = 5, 4, 3, 30, 0.2


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return support keys [S, TASKS, KEY] and values [S, TASKS, 1], a query and its target for each task."""
    g = torch.Generator().manual_seed(0)
    common, own = torch.randn(1, KEY, generator=g), 0.3 * torch.randn(TASKS, KEY, generator=g)
    x = torch.randn(SHOTS + 1, TASKS, KEY, generator=g).double()
    y = (x * (common + own).double()).sum(-1, keepdim=True)
    return x[:-1], y[:-1], x[-1], y[-1]


def meta_loss(theta: Tensor, eta: float) -> Tensor:
    """Return the mean query loss after the tasks' own memories were written, all starting from theta."""
    keys, values, query, target = problem()
    start = initialisation(Source({"M": theta}, lambda own, x: read(own["M"], x)), query)
    M = start.parameters["M"].expand(TASKS, 1, KEY)  # one memory a task
    for k, v in zip(keys, values, strict=True):
        M, _ = write(M, k, v, eta, solver="grad")
    return 0.5 * ((read(M, start.input) - target) ** 2).sum(-1).mean()


def nested(eta: float = 0.1) -> Tensor:
    """Return theta [OUTER, KEY] along meta-training, with autograd through the writes."""
    theta, path = torch.zeros(1, KEY, dtype=torch.float64, requires_grad=True), []
    for _ in range(OUTER):
        (meta_gradient,) = torch.autograd.grad(meta_loss(theta, eta), theta)
        theta = (theta - RATE * meta_gradient).detach().requires_grad_()
        path.append(theta.detach())
    return torch.cat(path)


def reference(eta: float = 0.1) -> Tensor:
    """Do the same by hand: the meta-gradient is the query's, times every inner step's Jacobian."""
    keys, values, query, target = problem()
    theta, path = torch.zeros(KEY, dtype=torch.float64), []
    for _ in range(OUTER):
        meta_gradient = torch.zeros(KEY, dtype=torch.float64)
        for task in range(TASKS):
            w, jacobian = theta, torch.eye(KEY, dtype=torch.float64)
            for k, v in zip(keys[:, task], values[:, task], strict=True):
                w = w - eta * (w @ k - v) * k
                jacobian = (torch.eye(KEY, dtype=torch.float64) - eta * torch.outer(k, k)) @ jacobian
            meta_gradient += jacobian.T @ query[task] * (w @ query[task] - target[task]) / TASKS
        theta = theta - RATE * meta_gradient
        path.append(theta)
    return torch.stack(path)


def difference() -> float:
    """Return the largest difference between the two, over all outer steps."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality, and that meta-learning helps."""
    start, end = torch.zeros(1, KEY, dtype=torch.float64), nested()[-1:]
    before, after = float(meta_loss(start, 0.1)), float(meta_loss(end, 0.1))
    print(
        f"MAML: {OUTER} outer steps; query loss after {SHOTS} writes falls from {before:.3f} to {after:.3f}"
    )
    print(f"largest difference from the meta-gradient by hand, over all outer steps: {difference():.1e}")


if __name__ == "__main__":
    main()
