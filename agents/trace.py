"""What an agent felt, step by step: did it explore, what surprised it, how strong was each affect."""

from __future__ import annotations

import csv
import io
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.checks import require_int
from emotional_ed.files import write_atomically

if TYPE_CHECKING:
    from emotional_ed.agents.emotional_q import EmotionalQ
    from emotional_ed.envs import BatchedStep

Columns = dict[str, NDArray[Any]]
"""Name of a column -> its value at each step, [T]."""

_COUNTS = ("member", "episode", "step")
_NOT_FEELINGS = frozenset({"key", "next_key", "observation", "action", "terminated", "truncated", "done"})


@final
class Trace:
    """Records some members at every step; give it to `EmotionalQ.learn(callback=...)`.

    The columns are member, episode (its number as in `EmotionalQ.episodes`), step (the member's, from 1),
    observation (what it acted on; `observation_0`, `observation_1`, ... if that is a vector), action, reward,
    terminated, truncated, catastrophe, and every signal of the agent that is one number a member: lss
    (surprise in units of value), surprise (in standard units), whether the action was greedy, explored or
    persisted (pushed again), each affect, slot (which value memory answered), the effective step size.
    Actions and observations are the environment's own numbers.

    Args:
        members: which ones to record.
        limit: most steps to hold, all recorded members together; older ones are dropped then.

    Raises:
        ValueError: a member is not there, or `limit` is too small for one step of all of them.

    Example:
        >>> from emotional_ed.agents import EmotionalQ
        >>> from emotional_ed.agents.trace import Trace
        >>> trace = Trace()
        >>> model = EmotionalQ("EmotionalED/JammedDoor-v0", seed=0).learn(200, callback=trace)
        >>> trace.episode(0)["reward"].sum() == model.episodes["return"][0]
        np.True_
    """

    def __init__(self, members: int | Sequence[int] = 0, *, limit: int = 100_000) -> None:
        given = [members] if isinstance(members, int) else list(members)
        self.members = [require_int("members", one, 0) for one in given]
        if not self.members or len(set(self.members)) != len(self.members):
            raise ValueError(f"members: got {given}, expected one or more different members")
        steps = require_int("limit", limit, len(self.members)) // len(self.members)
        self._table: deque[NDArray[np.float64]] = deque(maxlen=steps)  # [column, member] a step
        self._names: tuple[str, ...] = ()
        self._kinds: dict[str, type] = {}
        self._episode: NDArray[np.int64] = np.zeros(len(self.members), dtype=np.int64)
        self._arrived: Tensor | None = None

    def __len__(self) -> int:
        return len(self._table) * len(self.members)

    def __call__(self, model: EmotionalQ) -> None:
        """Record the step that the agent has just made."""
        step = model.last_step
        assert step is not None
        facts = self._facts(model, step)
        done = (step.terminated | step.truncated).cpu().numpy()[self.members]
        if not self._names:
            self._begin(model, facts, done)
        if tuple(facts) != self._names[len(_COUNTS) :]:
            raise ValueError(
                f"signals: got {sorted(set(facts) ^ set(self._names[len(_COUNTS) :]))} besides or missing, "
                "expected the same signals at every step of a trace"
            )
        numbers = torch.stack([fact.to(torch.float64) for fact in facts.values()])[:, self.members]
        counts = [self.members, self._episode, [model.num_timesteps] * len(self.members)]
        self._table.append(np.concatenate([np.asarray(counts, np.float64), numbers.cpu().numpy()]))
        self._episode = self._episode + done
        self._arrived = step.observation

    def _begin(self, model: EmotionalQ, facts: Mapping[str, Tensor], done: NDArray[np.bool_]) -> None:
        self._names = (*_COUNTS, *facts)
        self._kinds = {name: _kind(fact) for name, fact in facts.items()} | dict.fromkeys(_COUNTS, int)
        finished = model.recorder.state()["finished"].cpu().numpy()[self.members]
        self._episode = finished.astype(np.int64) - done  # the step that is recorded first may have ended one

    def _facts(self, model: EmotionalQ, step: BatchedStep) -> dict[str, Tensor]:
        if max(self.members) >= model.population:
            raise ValueError(
                f"members: got {max(self.members)}, expected integers in [0, {model.population})"
            )
        signals = model.signals
        key = signals.get("key") if step.observation.ndim == 1 else None  # features are no observation
        seen = signals.get("observation", self._arrived if key is None else key)
        facts = dict(_observed(seen, model, step))
        if "action" in signals:
            facts["action"] = signals["action"] + model.action_start
        facts |= {
            "reward": step.reward,
            "terminated": step.terminated,
            "truncated": step.truncated,
            "catastrophe": step.catastrophe,
        }
        for name, signal in signals.items():
            if name not in _NOT_FEELINGS | set(facts) and signal.shape == (model.population,):
                facts[name] = signal
        if "slot" in facts:
            facts["slot"] = facts["slot"].to(torch.int64)
        return facts

    # ------------------------------------------------------------------ reading

    def columns(self, member: int | None = None) -> Columns:
        """Return all that is held, or what is held of one member: name -> values in order of time.

        Raises:
            ValueError: that member is not recorded.
        """
        if member is not None and member not in self.members:
            raise ValueError(f"member: got {member}, expected one of {self.members}")
        if not self._table:
            return {}
        held = np.stack(self._table)  # [T, column, member]
        if member is not None:
            held = held[:, :, [self.members.index(member)]]
        flat = held.transpose(1, 0, 2).reshape(len(self._names), -1)
        return {name: flat[i].astype(self._kinds[name]) for i, name in enumerate(self._names)}

    def episode(self, number: int, member: int | None = None) -> Columns:
        """Return what is held of one episode, numbered as in `EmotionalQ.episodes`.

        Args:
            number: of the episode.
            member: whose; the only one recorded by default.

        Raises:
            ValueError: nothing is held of it, or it is unclear whose.
        """
        if member is None and len(self.members) > 1:
            raise ValueError(f"member: got none, expected one of {self.members}")
        columns = self.columns(self.members[0] if member is None else member)
        mine = columns["episode"] == number if columns else np.zeros(0, np.bool_)
        if not mine.any():
            held = f"{columns['episode'].min()} to {columns['episode'].max()}" if columns else "none"
            raise ValueError(f"number: got {number}, expected an episode that is held ({held})")
        return {name: column[mine] for name, column in columns.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what is held, a dictionary of plain numbers a step and member, in order of time."""
        columns = self.columns()
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            yield dict(zip(columns, row, strict=True))

    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write what is held as a table that pandas reads; the file is replaced as a whole or not at all.

        Raises:
            OSError: the folder cannot be written.
        """
        return write_columns(self.columns(), path)


def write_columns(columns: Mapping[str, NDArray[Any]], path: str | os.PathLike[str]) -> Path:
    """Write columns as CSV, yes and no as 1 and 0, numbers so that they read back as they are."""
    plain = [(one.astype(int) if one.dtype == np.bool_ else one).tolist() for one in columns.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*plain, strict=True))
    write_atomically(Path(path), text.getvalue().encode())
    return Path(path)


def _kind(fact: Tensor) -> type:
    if fact.dtype == torch.bool:
        return bool
    return float if fact.dtype.is_floating_point else int


def _observed(seen: Tensor | None, model: EmotionalQ, step: BatchedStep) -> Iterator[tuple[str, Tensor]]:
    """Yield what was acted on, [P] each; unknown (NaN) where the agent does not tell at its first step."""
    like = step.observation
    if seen is None or seen.ndim != like.ndim:
        seen = torch.full_like(like, float("nan"), dtype=torch.float64)
    first = first_numbers(model.observations.space)
    if seen.ndim == 1:
        yield "observation", seen + int(first[0])
        return
    for i, column in enumerate(seen.flatten(1).unbind(-1)):
        yield f"observation_{i}", column + int(first[i])


def first_numbers(space: Any) -> NDArray[np.int64]:
    """Return what a space calls the values that an agent counts from 0, one for each number it observes."""
    if isinstance(space, spaces.Tuple):
        return np.concatenate([first_numbers(one) for one in space])
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return np.ravel(space.start).astype(np.int64)
    return np.zeros(int(np.prod(space.shape)), dtype=np.int64)
