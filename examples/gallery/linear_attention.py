"""Linear attention and the delta rule are the two objectives of one memory, written token by token.

Equation:
    linear attention, -<M k, v>, one step:      M+ = M + v k^T
    delta rule, 1/2 |M k - v|^2, gradient step:  M+ = M (I - beta k k^T) + beta v k^T
    both are read as y_t = M_t q_t.

    Without any memory, for a whole sequence at once, with rows q, k, v of Q, K, V:

        linear attention:  Y = tril(Q K^T) V
        delta rule:        Y = tril(Q K^T) (I + beta tril(K K^T, -1))^-1 beta V

Source:
    Behrouz et al., "Nested Learning", arXiv 2512.24695, eq. 17 (eq. 14 of the shorter version prints the
    wrong sign and leaves out the 1/2); Katharopoulos et al. (2020); Schlag et al. (2021); Yang et al. (2024).
"""

import torch
from torch import Tensor

from emotional_ed.memory import AssociativeMemory

HEADS, TOKENS, KEY, VALUE = 2, 40, 6, 5


def problem() -> tuple[Tensor, Tensor, Tensor]:
    """Return queries and keys [HEADS, T, KEY] and values [HEADS, T, VALUE]; keys of length 1."""
    g = torch.Generator().manual_seed(0)
    shapes = ((HEADS, TOKENS, KEY), (HEADS, TOKENS, KEY), (HEADS, TOKENS, VALUE))
    q, k, v = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes)
    return q, torch.nn.functional.normalize(k, dim=-1), v


def nested(beta: float = 0.7) -> Tensor:
    """Return the outputs [2, HEADS, T, VALUE] of both, one write and one read a token."""
    q, k, v = problem()
    linear = AssociativeMemory(VALUE, KEY, batch=(HEADS,), eta=1.0, objective="dot", dtype=torch.float64)
    delta = AssociativeMemory(VALUE, KEY, batch=(HEADS,), eta=beta, solver="grad", dtype=torch.float64)
    outputs = torch.empty(2, HEADS, TOKENS, VALUE, dtype=torch.float64)
    for row, memory in enumerate((linear, delta)):
        for t in range(TOKENS):
            memory.write(k[:, t], v[:, t])
            outputs[row, :, t] = memory.read(q[:, t])
    return outputs


def reference(beta: float = 0.7) -> Tensor:
    """Do the same with the explicit causal sums, with no memory and no recurrence."""
    q, k, v = problem()
    scores = (q @ k.mT).tril()
    overlap = torch.eye(TOKENS, dtype=torch.float64) + beta * (k @ k.mT).tril(-1)
    return torch.stack([scores @ v, scores @ torch.linalg.inv(overlap) @ (beta * v)])


def difference() -> float:
    """Return the largest difference between the two, over all tokens and both rules."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show both equalities."""
    linear, delta = (nested() - reference()).abs().amax((1, 2, 3)).tolist()
    print(f"{TOKENS} tokens, {HEADS} heads; one write and one read a token against the causal sum at once")
    print(f"largest difference, linear attention (dot objective): {linear:.1e}")
    print(f"largest difference, delta rule (l2 objective, gradient step): {delta:.1e}")


if __name__ == "__main__":
    main()
