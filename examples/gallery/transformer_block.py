"""A Transformer block has the two extreme frequencies only: attention infinite, all weights 0 in use.

Equation:
    x' = x + O attention(Q n(x), K n(x), V n(x)),  y = x' + D gelu(U n(x'))       (pre-norm, causal)

        attention(q, k, v)_t = argmin_m  sum_{i <= t} exp(q_t.k_i/sqrt(d)) |m - v_i|^2

    This is a memory under the constant key 1, solved anew for each token from nothing: exact proximal writes
    of v_i with step size (its weight)/(weight of all before it). No state goes on to the next token.

Source:
    Vaswani et al. (2017), arXiv 1706.03762; Behrouz et al., "Nested Learning", arXiv 2512.24695.
"""

import copy
import math

import torch
from torch import Tensor, nn

from emotional_ed.memory import AssociativeMemory, write
from emotional_ed.nested import rank

TOKENS, DIM, HEADS, NO_PAST = 10, 8, 2, 1e-30
SHAPES = ((3 * DIM, DIM), (DIM, DIM), (4 * DIM, DIM), (DIM, 4 * DIM))  # Q K V, O, U, D


def problem(scale: float) -> tuple[list[Tensor], Tensor]:
    """Return the weights, and tokens [T, DIM]."""
    g = torch.Generator().manual_seed(0)
    x, *weights = (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((TOKENS, DIM), *SHAPES))
    return [scale * weight / 2 for weight in weights], x


def norm(x: Tensor) -> Tensor:
    """Layer normalization."""
    return nn.functional.layer_norm(x, x.shape[-1:])


def held(weight: Tensor) -> AssociativeMemory:
    """Return a memory that holds a weight; nothing writes it in use."""
    memory = AssociativeMemory(*weight.shape, dtype=weight.dtype)
    memory.M.copy_(weight)
    return memory


class Attention(nn.Module):
    """What the last token reads from all, [T, 3, HEADS, d] -> [HEADS, d]; owns no state."""

    def forward(self, qkv: Tensor) -> Tensor:
        """Solve a new memory [HEADS, d, 1] for the last token's query."""
        queries, keys, values = qkv.unbind(1)
        weights = (keys * queries[-1]).sum(-1).div(math.sqrt(keys.shape[-1])).exp()  # [T, HEADS]
        M, past = torch.zeros_like(values[0])[..., None], torch.full_like(weights[0], NO_PAST)
        for value, weight in zip(values, weights, strict=True):
            M, _ = write(M, torch.ones_like(past)[..., None], value, weight / past)
            past = past + weight
        return M.squeeze(-1)


class Block(nn.Module):
    """The whole block."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.attention = Attention()
        self.qkv, self.out, self.up, self.down = (held(weight) for weight in weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output [DIM] for the last of the tokens [T, DIM]."""
        mixed = self.attention(self.qkv.read(norm(x)).reshape(len(x), 3, HEADS, -1))
        h = x[-1] + self.out.read(mixed.flatten())
        return h + self.down.read(nn.functional.gelu(self.up.read(norm(h))))


def nested(scale: float = 1.0) -> Tensor:
    """Return the outputs [T, DIM], token by token."""
    weights, x = problem(scale)
    block = Block(weights)
    return torch.stack([block(x[: t + 1]) for t in range(TOKENS)])


@torch.no_grad()
def reference(scale: float = 1.0) -> Tensor:
    """Do the same with torch.nn.TransformerEncoderLayer, pre-norm, with a causal mask."""
    weights, x = problem(scale)
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, 4 * DIM, dropout=0.0, activation="gelu", norm_first=True, batch_first=True, bias=False
    ).double()  # fmt: skip
    attention = layer.self_attn
    named = (attention.in_proj_weight, attention.out_proj.weight, layer.linear1.weight, layer.linear2.weight)
    for parameter, weight in zip(named, weights, strict=True):
        parameter.copy_(weight)
    return layer(x[None], src_mask=torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1))[0]


def frequencies() -> dict[str, float]:
    """Measure updates a token: how often a state changed; infinite where answers need no state at all."""
    weights, x = problem(1.0)
    block = Block(weights)
    parts = dict(block.named_children())
    changes = dict.fromkeys(parts, 0)
    for t in range(TOKENS):
        before = copy.deepcopy(parts)
        block(x[: t + 1])
        for name, part in parts.items():
            pairs = zip(before[name].buffers(), part.buffers(), strict=True)
            changes[name] += any(not torch.equal(old, new) for old, new in pairs)
    return {name: count / TOKENS if [*parts[name].buffers()] else math.inf for name, count in changes.items()}


def difference() -> float:
    """Return the largest difference between the two, over all tokens."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality and the two extreme frequencies."""
    measured = frequencies()
    levels = [f"{', '.join(names)} ({measured[names[0]]:g} updates a token)" for names in rank(measured, {})]
    print(f"Transformer block: levels as measured: {' > '.join(levels)}")
    print(f"largest difference from torch.nn.TransformerEncoderLayer, {TOKENS} tokens: {difference():.1e}")


if __name__ == "__main__":
    main()
