"""Finished episodes of a population, collected without looking at the device every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.envs import BatchedStep

EPISODE_DTYPE = np.dtype(
    [("member", "i8"), ("episode", "i8"), ("step", "i8"), ("return", "f8"), ("length", "i8")]
)
"""One finished episode: who, its number from 0, the member's step at its end, undiscounted return, steps."""


@final
class EpisodeRecorder:
    """Sums rewards and steps of running episodes and lists the finished ones.

    Args:
        population: P.
        device: where rewards come from.
        block: steps between two looks at the device.
    """

    def __init__(self, population: int, device: torch.device | str = "cpu", block: int = 256) -> None:
        self.returns = torch.zeros(population, dtype=torch.float64, device=device)
        self.lengths = torch.zeros(population, dtype=torch.int64, device=device)
        self.catastrophes = torch.zeros(population, dtype=torch.int64, device=device)
        self.finished = np.zeros(population, dtype=np.int64)
        self._block = block
        self._returns = torch.zeros(block, population, dtype=torch.float64, device=device)
        self._lengths = torch.zeros(block, population, dtype=torch.int64, device=device)
        self._row = 0
        self._first_step = 1
        self._log: list[NDArray[Any]] = []

    def add(self, step: BatchedStep, number: int) -> None:
        """Take in a step, the `number`-th of each member, counted from 1."""
        if self._row == 0:
            self._first_step = number
        done = step.terminated | step.truncated
        self.returns += step.reward
        self.lengths += 1
        self.catastrophes += step.catastrophe
        self._returns[self._row] = self.returns
        self._lengths[self._row] = self.lengths * done  # 0: not finished
        self.returns.masked_fill_(done, 0)
        self.lengths.masked_fill_(done, 0)
        self._row += 1
        if self._row == self._block:
            self._flush()

    def _flush(self) -> None:
        if not self._row:
            return
        lengths = self._lengths[: self._row].cpu().numpy()
        when, who = lengths.nonzero()  # in order of time, then of member
        rows = np.zeros(len(when), dtype=EPISODE_DTYPE)
        rows["member"], rows["step"] = who, when + self._first_step
        rows["return"] = self._returns[: self._row].cpu().numpy()[when, who]
        rows["length"] = lengths[when, who]
        counts = np.bincount(who, minlength=len(self.finished))
        order = np.argsort(who, kind="stable")  # each member's episodes in a row, in order of time
        first = np.repeat(np.cumsum(counts) - counts, counts)
        rows["episode"][order] = self.finished[who[order]] + np.arange(len(who)) - first
        self.finished += counts
        if len(rows):
            self._log.append(rows)
        self._row = 0

    def after(self, number: int) -> NDArray[Any]:
        """Return the finished episodes but the first `number`."""
        self._flush()
        pieces: list[NDArray[Any]] = []
        missing = sum(map(len, self._log)) - number
        for piece in reversed(self._log):
            if missing <= 0:
                break
            pieces.append(piece[max(len(piece) - missing, 0) :])
            missing -= len(piece)
        return np.concatenate(pieces[::-1]) if pieces else np.zeros(0, EPISODE_DTYPE)

    def cut_episodes(self) -> None:
        """Drop what running episodes have gathered."""
        self.returns.zero_()
        self.lengths.zero_()

    @property
    def log(self) -> NDArray[Any]:
        """All finished episodes so far, a structured array of `EPISODE_DTYPE` in order of time."""
        self._log = [self.after(0)]
        return self._log[0]

    def state(self) -> dict[str, Tensor]:
        """Return what the running episodes have gathered, and the counts."""
        self._flush()
        return {
            "returns": self.returns,
            "lengths": self.lengths,
            "catastrophes": self.catastrophes,
            "finished": torch.from_numpy(self.finished),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to `state`."""
        self.catastrophes.copy_(state["catastrophes"])
        self.finished = state["finished"].cpu().numpy().copy()
        self.returns.copy_(state["returns"])
        self.lengths.copy_(state["lengths"])
