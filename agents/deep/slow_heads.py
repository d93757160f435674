"""Slow value heads: what the fast ones fall back to, taken up from them little by little."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.affect.attachment import Attachment
from emotional_ed.agents.deep.heads import Heads


@final
class SlowHeads(nn.Module):
    """A slow copy S_j of every value head W_j.

    Equation:
        at an episode's end:  S_j += step_size (1 - grief) (W_j - S_j)
                              W_j += decay (1 - gate mood) (S_j - W_j)

    Numbers are those of `AttachmentConfig`. The network below the heads is shared and does not fall back.

    Source: complementary learning systems, McClelland, McNaughton and O'Reilly (1995).
    When it does harm: where nothing comes back, it holds up learning.

    Args:
        heads: the fast ones.

    Shapes:
        slow: [S, A, K + 1].
    """

    slow: Tensor

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self._heads = (heads,)  # in a tuple: owned by the agent already
        self.register_buffer("slow", torch.stack([heads.matrix(slot) for slot in range(heads.slots)]))

    @torch.no_grad()
    def consolidate(self, attachment: Attachment, slots: Tensor) -> None:
        """Take up from the heads `slots` [P] of environments whose episode has ended; let them fall back."""
        rate, *_ = attachment.retention()
        share = attachment.step_size * (1 - attachment.grief)
        heads = self._heads[0]
        for member in rate.nonzero().squeeze(-1).tolist():
            slot = int(slots[member])
            slow, fast = self.slow[slot], heads.matrix(slot)
            slow += share[member] * (fast - slow)
            heads.set_matrix(slot, fast + rate[member] * (slow - fast))

    def begin(self, slot: int) -> None:
        """A head begins anew, and so does what it falls back to."""
        self.slow[slot] = 0

    def tensors(self) -> dict[str, Tensor]:
        """Return everything there is to it: the tensor itself."""
        return {"slow": self.slow}
