"""A HOPE block: a memory that rewrites itself, then networks in a chain, each learning at its own pace.

Equation:
    Token by token, for each sequence on its own, reading before writing:

        k = |M_k x|, v = M_v x, q = |W_q x|, eta = softplus(M_eta x), alpha = sigmoid(M_alpha x), y = M_c q
        M+ = argmin_X  1/2 |X k - M v|^2 + 1/(2 eta) |X - alpha M|^2        for M in {k, v, eta, alpha, c}
        z = f_3(f_2(f_1(y))),  f_l(h) = h + D_l gelu(U_l h + a_l) + d_l
        theta_l+ = theta_l - lr sum grad 1/2 |z - x_next|^2                 summed over C_l tokens

    No write needs another write of the same token, so all that moves at every token is one level.

Source:
    Behrouz et al., "Nested Learning", arXiv 2512.24695, eqs. 83-93 (with the objective that does not erase
    twice; eq. 93 as printed does) and eqs. 70-71 (with C terms a chunk; eq. 71 as printed has C + 1).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from emotional_ed.memory import ContinuumChain, SelfModifyingMemory
from emotional_ed.nested import rank

BATCH, TOKENS, DIM, HIDDEN, PERIODS, LR = 2, 24, 4, 6, (1, 3, 12), 0.05
ROWS = {"key": DIM, "value": DIM, "step": 1, "retention": 1, "content": DIM, "query": DIM}
SHAPES = {"w0": (HIDDEN, DIM), "b0": (HIDDEN,), "w1": (DIM, HIDDEN), "b1": (DIM,)}


def problem(pace: float) -> tuple[dict[str, Tensor], list[dict[str, Tensor]], Tensor]:
    """Return what the memories [rows, DIM] and each network start from, and tokens [T + 1, B, DIM]."""
    g = torch.Generator().manual_seed(0)
    memories = {n: torch.randn(r, DIM, generator=g, dtype=torch.float64) / 2 for n, r in ROWS.items()}
    networks = [
        {n: torch.randn(*shape, generator=g, dtype=torch.float64) / 2 for n, shape in SHAPES.items()}
        for _ in PERIODS
    ]
    tokens = torch.randn(TOKENS + 1, BATCH, DIM, generator=g, dtype=torch.float64)
    return {**memories, "step": pace * memories["step"]}, networks, tokens


class Block:
    """The block in use: each sequence of the batch rewrites memories and networks of its own."""

    def __init__(self, pace: float) -> None:
        memories, networks, _ = problem(pace)
        self.memory = SelfModifyingMemory(DIM, rule="l2", dtype=torch.float64)
        self.memory.load_state_dict(memories)
        self.state = self.memory.initial_state(BATCH)
        self.chain = ContinuumChain(
            DIM, HIDDEN, periods=PERIODS, eta=pace * LR, batch=(BATCH,), dtype=torch.float64
        )
        for network, start in zip(self.chain.blocks, networks, strict=True):
            network.load_state_dict({name: w.expand(BATCH, *w.shape) for name, w in start.items()})

    @torch.no_grad()
    def step(self, x: Tensor, following: Tensor) -> Tensor:
        """Answer a token [B, DIM], then learn from it and from the one that follows."""
        y, self.state = self.memory(x[:, None], self.state)
        z = self.chain.read(y[:, 0])
        self.chain.write(y[:, 0], following)
        return z

    def parts(self) -> dict[str, list[Tensor]]:
        """Return copies of all that could move, by name."""
        networks = {f"network{i}": [*level.values()] for i, level in enumerate(self.chain.weights, 1)}
        held = {name: [memory] for name, memory in self.state._asdict().items()}
        named = {**held, **networks, "query": [self.memory.get_parameter("query")]}
        return {name: [one.detach().clone() for one in tensors] for name, tensors in named.items()}


def nested(pace: float = 1.0) -> Tensor:
    """Return the answers [T, B, DIM]; `pace` scales the networks' step size and the memory of step sizes."""
    block, tokens = Block(pace), problem(pace)[2]
    return torch.stack([block.step(x, y) for x, y in pairwise(tokens)])


def one_sequence(pace: float, tokens: Tensor) -> Tensor:
    """Return the answers [T, DIM] to tokens [T + 1, DIM], by solving each write's normal equations."""
    M, networks, _ = problem(pace)
    layers = [nn.Sequential(nn.Linear(DIM, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, DIM)) for _ in networks]
    optimizers, answers, query = [], [], M.pop("query")
    for net, start in zip(layers, networks, strict=True):
        names = {"0.weight": "w0", "0.bias": "b0", "2.weight": "w1", "2.bias": "b1"}
        net.double().load_state_dict({name: start[ours] for name, ours in names.items()})
        optimizers.append(torch.optim.SGD(net.parameters(), lr=pace * LR))
    for t in range(TOKENS):
        x = tokens[t]
        k, v, q = M["key"] @ x, M["value"] @ x, query @ x
        k, z = k / k.dot(k).sqrt(), M["content"] @ q / q.dot(q).sqrt()
        eta, alpha = (M["step"] @ x).exp().log1p(), 1 / (1 + (-M["retention"] @ x).exp())
        system = torch.outer(k, k) + torch.eye(DIM, dtype=torch.float64) / eta
        for name, memory in M.items():
            wanted = torch.outer(memory @ v, k) + alpha / eta * memory
            M[name] = torch.linalg.solve(system, wanted, left=False)
        for net in layers:
            z = z + net(z)
        (0.5 * (z - tokens[t + 1]).square().sum()).backward()  # gradients add up until an optimizer steps
        for period, optimizer in zip(PERIODS, optimizers, strict=True):
            if (t + 1) % period == 0:
                optimizer.step()
                optimizer.zero_grad()
        answers.append(z.detach())
    return torch.stack(answers)


def reference(pace: float = 1.0) -> Tensor:
    """Do the same with explicit loops over sequences, tokens and memories, torch.nn and torch.optim.SGD."""
    tokens = problem(pace)[2]
    return torch.stack([one_sequence(pace, tokens[:, b]) for b in range(BATCH)], dim=1)


def frequencies() -> dict[str, float]:
    """Measure updates a token: how often each part of the block changed."""
    block, tokens = Block(1.0), problem(1.0)[2]
    changes = dict.fromkeys(block.parts(), 0)
    for x, following in pairwise(tokens):
        before = block.parts()
        block.step(x, following)
        for name, after in block.parts().items():
            changes[name] += any(not torch.equal(*pair) for pair in zip(before[name], after, strict=True))
    return {name: count / TOKENS for name, count in changes.items()}


def difference() -> float:
    """Return the largest difference between the two, over all answers."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality and the levels as measured."""
    measured = frequencies()
    levels = [f"{', '.join(names)} ({measured[names[0]]:.3g})" for names in rank(measured, {})]
    print(f"HOPE block: levels as measured, with updates a token: {' > '.join(levels)}")
    print(f"largest difference from explicit loops, {BATCH} sequences of {TOKENS} tokens: {difference():.1e}")


if __name__ == "__main__":
    main()
