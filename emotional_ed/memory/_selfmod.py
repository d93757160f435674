"""A memory whose keys, values, step size and retention are recalled from memories that are written too."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_choice, require_int
from emotional_ed.memory._rules import recall, write
from emotional_ed.memory._validation import check_dtype, check_finite, describe

_NAMES = ("key", "value", "step", "retention", "content")
_RULES = ("l2", "dot", "published")


class SelfModifyingState(NamedTuple):
    """The five memories of each sequence, [B, rows, D]."""

    key: Tensor
    value: Tensor
    step: Tensor
    retention: Tensor
    content: Tensor


@final
class SelfModifyingMemory(nn.Module):
    """A sequence model without weights of its own at use: everything it projects with, it also rewrites.

    Equation:
        With x_t the token and all memories as they stand at the chunk's start:

            k_t = |M_k x_t|_2   v_t = M_v x_t   q_t = |W_q x_t|_2
            eta_t = softplus(M_eta x_t)   alpha_t = sigmoid(M_alpha x_t)
            y_t = M_c q_t
            own value of memory m:  u_t = M_m v_t

        where |.|_2 is division by the length. Reading comes before writing: y_t does not depend on token
        t's write. Then each memory m in {k, v, eta, alpha, content} is written with (k_t, u_t), one by one:

            l2         M <- prox step of size eta_t on 1/2 |M k - u|^2, from alpha_t M       (default)
            dot        M <- M (alpha_t I - eta_t k k^T) + eta_t u k^T               (eq. 92, sign mended)
            published  M <- M (alpha_t I - eta_t k k^T) - eta_t (M k - u) k^T       (eq. 93)

        At alpha = 1, l2 and dot have the fixed point M k = u; the published rule erases twice and ends at
        M k = u/2. Do not use it for values; it is here to be compared with.

    Args:
        dim: D, width of tokens, keys and values.
        chunk: tokens C that share the memories at their start; 1 is token by token.
        rule: "l2", "dot" or "published".
        generator: draws the initial memories.
        device: where the parameters live.
        dtype: float32 or wider.

    Shapes:
        forward: x [B, T, D] -> y [B, T, D], and the state after the last token. The initial memories are
        parameters: what outer training learns (knowledge transfer by initialisation).

    Raises:
        ValueError: a size or name is out of range, or x does not fit.

    Reference:
        Behrouz et al., arXiv 2512.24695, eqs. 83-93. Eq. 92 prints -eta v k^T for L = -<M k, v>; the
        gradient step is +eta v k^T.
    """

    def __init__(
        self,
        dim: int,
        *,
        chunk: int = 1,
        rule: str = "l2",
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_dtype(dtype)
        self.dim = require_int("dim", dim, 1)
        self.chunk = require_int("chunk", chunk, 1)
        self.rule = require_choice("rule", rule, _RULES)
        for name in (*_NAMES, "query"):
            rows = 1 if name in ("step", "retention") else dim
            start = torch.randn(rows, dim, generator=generator, dtype=dtype) / dim**0.5
            self.register_parameter(name, nn.Parameter(start.to(device)))

    def initial_state(self, batch: int) -> SelfModifyingState:
        """Return the learned initial memories for `batch` sequences."""
        return SelfModifyingState(*(self.get_parameter(name).expand(batch, -1, -1) for name in _NAMES))

    def forward(
        self, x: Tensor, state: SelfModifyingState | None = None
    ) -> tuple[Tensor, SelfModifyingState]:
        """Read and rewrite along a sequence; go on from `state` if given (at a chunk's border)."""
        own = self.get_parameter("query")
        if not isinstance(x, Tensor) or x.ndim != 3 or x.shape[-1] != self.dim or x.dtype != own.dtype:
            raise ValueError(f"x: got {describe(x)}, expected {own.dtype} of shape [B, T, D={self.dim}]")
        check_finite("x", x)
        if state is not None and state.content.shape[0] != x.shape[0]:
            raise ValueError(f"state: got {state.content.shape[0]} sequences, expected {x.shape[0]} as x has")
        state = self.initial_state(x.shape[0]) if state is None else state
        answers = []
        for part in torch.split(x, self.chunk, dim=1):
            answer, state = self._chunk(part, state)
            answers.append(answer)
        return torch.cat(answers, dim=1), state

    def _chunk(self, x: Tensor, start: SelfModifyingState) -> tuple[Tensor, SelfModifyingState]:
        query = _unit(x @ self.get_parameter("query").mT)
        answer = query @ start.content.mT
        keys, values = _unit(x @ start.key.mT), x @ start.value.mT
        steps = nn.functional.softplus(x @ start.step.mT).squeeze(-1)  # [B, C]
        kept = torch.sigmoid(x @ start.retention.mT).squeeze(-1)
        after = []
        for memory in start:
            own = values @ memory.mT  # [B, C, rows]: what each memory is to hold, by its own account
            now = memory
            for t in range(x.shape[1]):
                now = write_self(now, keys[:, t], own[:, t], steps[:, t], kept[:, t], self.rule)
            after.append(now)
        return answer, SelfModifyingState(*after)


def write_self(M: Tensor, k: Tensor, u: Tensor, eta: Tensor, alpha: Tensor, rule: str) -> Tensor:
    """Apply one of the rules of `SelfModifyingMemory` once.

    Shapes:
        M and the result: [B, V, K]; k: [B, K]; u: [B, V]; eta >= 0 and alpha in [0, 1]: [B].

    Raises:
        ValueError: the rule is none of "l2", "dot" and "published".
    """
    require_choice("rule", rule, _RULES)
    kept = alpha[..., None, None] * M
    if rule == "l2":
        return write(kept, k, u, eta)[0]
    row = eta[..., None, None] * k[..., None, :]
    held = recall(M, k)
    erased = kept - held[..., None] * row
    return erased + (u if rule == "dot" else u - held)[..., None] * row


def _unit(x: Tensor) -> Tensor:
    return nn.functional.normalize(x, dim=-1)
