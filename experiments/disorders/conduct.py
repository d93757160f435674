"""What an agent did beside what it earned, counted at every step: conduct names a disorder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.agents import EmotionalQ

CONDUCT: Mapping[str, str] = MappingProxyType(
    {
        "timeouts": "share of episodes that run out of time",
        "pushes": "repeated pushes an episode",
        "reversals": "steps taken back at once, an episode",
        "switches": "changes of memory in 100 episodes",
        "explored": "share of steps that were random",
        "barren": "share of episodes that earned nothing",
        "catastrophes": "catastrophes in 1000 steps",
    }
)
"""Name of a count -> what it is."""
_TINY = 1e-9


@final
class Conduct:
    """Counts what every member does; give it to `EmotionalQ.learn(callback=...)`.

    Equation:
        timeouts = truncated / finished episodes;  barren = finished episodes with return <= 0 / finished ones
        a step is taken back at once if it moved and the next one, in the same episode, leads back to where it
        began;  a change of memory: the slot that answers differs from that of the step before
        an episode: finished ones, at least 1

    Example:
        >>> from emotional_ed.agents import EmotionalQ
        >>> conduct = Conduct()
        >>> model = EmotionalQ("EmotionalED/JammedDoor-v0", population=3, seed=0).learn(100, callback=conduct)
        >>> conduct.of("pushes").shape
        (3,)
    """

    def __init__(self) -> None:
        self._counts: dict[str, Tensor] = {}
        self._steps = 0
        self._return: Tensor | None = None
        self._came_from: Tensor | None = None  # -1 where the last step ended an episode or did not move
        self._slot: Tensor | None = None

    def __call__(self, model: EmotionalQ) -> None:
        """Count the step that the agent has just made.

        Raises:
            ValueError: observations are not single numbers.
        """
        step, signals = model.last_step, model.signals
        assert step is not None
        before, after = signals["observation"], step.final_observation
        if before.ndim != 1:
            raise ValueError(f"observation: got shape {list(before.shape)}, expected one number a member")
        done = step.terminated | step.truncated
        gained = step.reward.double() if self._return is None else self._return + step.reward
        self._steps += 1
        self._add("episodes", done)
        self._add("timeouts", step.truncated)
        self._add("barren", done & (gained <= _TINY))
        self._add("catastrophes", step.catastrophe)
        self._add("pushes", signals["persisted"])
        self._add("explored", signals["explored"])
        came_from = torch.full_like(after, -1) if self._came_from is None else self._came_from
        self._add("reversals", after == came_from)
        slot = signals.get("slot")
        self._add("switches", done & False if slot is None or self._slot is None else slot != self._slot)
        self._slot = None if slot is None else slot.clone()
        self._return = gained.masked_fill(done, 0)
        self._came_from = torch.where((before != after) & ~done, before, -1)

    def _add(self, name: str, happened: Tensor) -> None:
        counted = self._counts.setdefault(name, torch.zeros_like(happened, dtype=torch.int64))
        counted.add_(happened)

    def of(self, name: str) -> NDArray[np.float64]:
        """Return a number of `CONDUCT` for every member, [P].

        Raises:
            ValueError: the name is unknown, or nothing was counted yet.
        """
        if name not in CONDUCT or not self._steps:
            raise ValueError(f"name: got {name!r} after {self._steps} steps, expected one of {list(CONDUCT)}")
        count = self._counts[name].double().cpu().numpy()
        episodes = self._counts["episodes"].clamp_min(1).double().cpu().numpy()
        if name == "explored":
            return np.asarray(count / self._steps)
        if name == "catastrophes":
            return np.asarray(1000 * count / self._steps)
        return np.asarray((100 if name == "switches" else 1) * count / episodes)
