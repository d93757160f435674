"""Random numbers per member of a population: the same for a member alone and in company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_ROWS = 64  # rows drawn at once; a constant, so that how calls are split cannot change the numbers


class Streams:
    """One counter-based uniform stream per member; row t of member p depends on (seed_p, purpose, t) alone.

    The generator is NumPy's Philox with key (seed, purpose) and the block number in its counter, so the
    whole state is the integer `position`: a checkpoint stores it, and any row can be reached at once.

    Args:
        seeds: one integer in [0, 2**63) per member.
        width: numbers per row.
        purpose: keeps streams of the same seed apart (0 agent, 1 environment, 2 prediction).
        device: where the rows are returned.
    """

    def __init__(
        self, seeds: Sequence[int], width: int, *, purpose: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        for seed in self.seeds:
            if not 0 <= seed < 2**63:
                raise ValueError(f"seeds: got {seed}, expected integers in [0, 2**63)")
        self.width = width
        self.purpose = purpose
        self.device = torch.device(device)
        self.position = 0
        self._block = -1
        self._rows = torch.empty(0)
        self._bits = np.random.Philox(key=0)
        self._uniform = np.random.Generator(self._bits)

    def next(self) -> Tensor:
        """Return the next row of every member, uniform in [0, 1).

        Shapes:
            result: [P, width], float32.
        """
        block, row = divmod(self.position, _ROWS)
        if block != self._block:
            self._rows = self._draw(block)
            self._block = block
        self.position += 1
        return self._rows[row]

    def _draw(self, block: int) -> Tensor:
        rows = np.empty((len(self.seeds), _ROWS, self.width), dtype=np.float32)
        state = self._bits.state  # the same as a new Philox(key=[seed, purpose], counter=[0, 0, block, 0])
        state["state"]["counter"][:] = (0, 0, block, 0)
        state |= {"buffer_pos": 4, "has_uint32": 0, "uinteger": 0}
        for member, seed in enumerate(self.seeds):
            state["state"]["key"][:] = (seed, self.purpose)
            self._bits.state = state
            self._uniform.random(dtype=np.float32, out=rows[member])
        return torch.from_numpy(rows).to(self.device).transpose(0, 1).contiguous()  # [T, P, width]
