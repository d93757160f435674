"""Which value memory was in use when each stored transition was lived: kept beside any replay buffer."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from torch import Tensor

from emotional_ed.agents.deep.replay import Minibatch
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

_PLACED = (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer, SalienceReplayBuffer)

FORGOTTEN = -1
"""The slot of a transition whose memory is there no more."""


@final
class SlotRecord:
    """One small integer a stored transition, at the buffer's own positions.

    Item i of a buffer of R rows and n environments is row i // n of environment i % n. As long as one memory
    is in use nothing is written, and nothing takes up memory.

    Args:
        rows: R.
        n_envs: n.
        slots: most value memories.
    """

    def __init__(self, rows: int, n_envs: int, slots: int) -> None:
        kind = np.int8 if slots < 128 else np.int16
        self._slots: NDArray[Any] = np.zeros((rows, n_envs), dtype=kind)

    @classmethod
    def beside(cls, buffer: ReplayBuffer, slots: int) -> SlotRecord | None:
        """Return an empty record for a replay buffer; None if there is one memory of values.

        Raises:
            ValueError: the buffer is of a class whose draws cannot be told apart.
        """
        if slots == 1:
            return None
        if type(buffer) not in _PLACED:
            names = ", ".join(one.__name__ for one in _PLACED)
            raise ValueError(
                f"replay_buffer_class: got {type(buffer).__name__}, expected one of {names}, whose draws "
                "can be told apart, or no recall: dataclasses.replace(affect, recall=None)"
            )
        return cls(buffer.buffer_size, buffer.n_envs, slots)

    def place(self, batch: Minibatch) -> Minibatch:
        """Say which head each transition is of; what was lived with one that began anew weighs nothing."""
        assert batch.indices is not None
        slots = self.of(batch.indices).to(batch.rewards.device)
        known = (slots != FORGOTTEN).to(batch.rewards.dtype)[:, None]
        weights = known if batch.weights is None else batch.weights * known
        return batch._replace(slots=slots.clamp_min(0), weights=weights)

    def note(self, row: int, slots: Tensor) -> None:
        """Say which memories [n] were in use in the step that is stored at `row`."""
        self._slots[row] = slots.cpu().numpy()

    def of(self, items: Tensor) -> Tensor:
        """Return the slots [B] int64 of items [B], FORGOTTEN for those whose memory has begun anew."""
        return torch.from_numpy(self._slots.reshape(-1).take(items.numpy()).astype(np.int64))

    def forget(self, slot: int) -> None:
        """A memory begins anew: what it was lived with before is nobody's any more."""
        self._slots[self._slots == slot] = FORGOTTEN

    def tensors(self) -> dict[str, Tensor]:
        """Return everything there is to the record: the tensor itself."""
        return {"slots": torch.from_numpy(self._slots)}
