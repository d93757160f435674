"""Acting without learning: what `predict` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_ed.envs import Observations

if TYPE_CHECKING:
    from emotional_ed.agents.emotional_q import EmotionalQ

Integers = NDArray[np.int64]


def choose(
    model: EmotionalQ,
    observation: Any,
    state: NDArray[Any] | None,
    episode_start: Any,
    deterministic: bool,
    member: int | None,
) -> tuple[Integers, NDArray[Any] | None]:
    """Choose actions; see `EmotionalQ.predict`."""
    shape = model.observations.shape
    seen = check_observation(observation, model.observations)
    lead = seen.shape[: seen.ndim - len(shape)]
    flat = seen.reshape(-1, *shape)
    if member is None and model.population == 1:
        member = 0
    if member is None and lead != (model.population,):
        expected = [model.population, *shape]
        raise ValueError(
            f"observation: got shape {list(seen.shape)}, expected {expected}, one a member, "
            "or member=i to ask one of them"
        )
    if member is not None and not 0 <= member < model.population:
        raise ValueError(f"member: got {member}, expected an integer in [0, {model.population})")
    members = np.full(len(flat), member) if member is not None else np.arange(model.population)
    running = _consider(model, flat, members, state, episode_start)
    excluded = None if running is None else running.excluded
    if member is None:
        actions, greedy = _choose(model, flat, excluded, deterministic)
    else:  # one round an observation, all of the same member
        everyone = (model.population, *shape)
        rounds = [
            _choose(model, np.broadcast_to(one, everyone).copy(), _row(excluded, i), deterministic)
            for i, one in enumerate(flat)
        ]
        actions = np.array([chosen[member] for chosen, _ in rounds], dtype=np.int64)
        greedy = np.array([meant[member] for _, meant in rounds], dtype=np.bool_)
    if running is None:
        return actions.reshape(lead) + model.action_start, None
    actions = np.where(running.again, running.before, actions)
    return actions.reshape(lead) + model.action_start, running.after(actions, greedy)


def _row(excluded: NDArray[np.bool_] | None, row: int) -> NDArray[np.bool_] | None:
    return None if excluded is None else excluded[row : row + 1]


def _choose(
    model: EmotionalQ, observation: NDArray[Any], excluded: NDArray[np.bool_] | None, deterministic: bool
) -> tuple[Integers, NDArray[np.bool_]]:
    seen = torch.from_numpy(observation).to(model.device)
    exploration = torch.zeros_like(model.exploration) if deterministic else model.exploration
    left = None if excluded is None else torch.from_numpy(excluded).to(model.device)
    if left is not None:
        left = left.expand(model.population, -1)
    wish = model.mind.wish(seen, exploration, model.predict_streams.next(), living=False, exclude=left)
    return wish.action.cpu().numpy(), wish.greedy.cpu().numpy()


_REMEMBERED = 8  # actions given up in this episode that a state has room for


class _Running(NamedTuple):
    """What anger makes of running episodes: whether it pushes again, and what is to be left alone."""

    numbers: NDArray[Any]
    """[n, d], what is seen."""
    nothing: float
    """What stands for an observation after which nothing is blocked."""
    before: Integers
    """[n], the last actions."""
    pushes: Integers
    """[n]."""
    again: NDArray[np.bool_]
    """[n], whether the action before is repeated."""
    given_up: Integers | None
    """[n, 8], (state, action) pairs as numbers, -1 for none; None where states cannot be counted."""
    excluded: NDArray[np.bool_] | None
    """[n, A], actions of the states seen that are left alone."""

    def after(self, actions: Integers, greedy: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the state that the next call is to be given."""
        noted = np.where((self.again | greedy)[:, None], self.numbers, self.nothing)
        pushes = np.where(actions == self.before, self.pushes, 0)
        parts = [noted, actions, pushes]
        return np.column_stack(parts if self.given_up is None else [*parts, self.given_up])


def _consider(
    model: EmotionalQ, seen: NDArray[Any], members: Integers, state: NDArray[Any] | None, episode_start: Any
) -> _Running | None:
    """Repeat a blocked action as anger would, and leave alone what it would have given up.

    The state is (last observation, last action, pushes), [n, d + 2]; the observation is -1, or NaN in a Box,
    after an action that was not meant to be the best, because nothing is blocked then. Where some member
    resigns, 8 numbers more say what was last given up, [n, d + 10].
    """
    anger = model.affect.anger
    if anger is None:
        return None
    nothing = -1 if seen.dtype == np.int64 else np.nan
    numbers = seen.reshape(len(seen), -1)  # [n, d]
    key = model.features(torch.from_numpy(np.ascontiguousarray(seen)).to(model.device))
    resignation = anger.resignation if key.ndim == 1 else None
    last, before, pushes, given_up = _unpacked(
        state, numbers, nothing, 0 if resignation is None else _REMEMBERED
    )
    fresh = np.zeros(len(seen), bool) if episode_start is None else np.asarray(episode_start, bool).ravel()
    known = last[:, 0] >= 0 if seen.dtype == np.int64 else ~np.isnan(last[:, 0])

    def on_device(array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(model.device)

    here = on_device(seen)
    moved = model.features.moved(on_device(last.reshape(seen.shape)), here).cpu().numpy()
    unmoved = known & ~moved & ~fresh
    limit = anger.limit(on_device(members), key, on_device(before)).cpu().numpy()
    pushes = np.where(unmoved, pushes + 1, 0)
    again = unmoved & (pushes < limit)
    if resignation is None:
        return _Running(numbers, nothing, before, pushes, again, None, None)
    resigns = resignation.who.cpu().numpy()[members]
    committed = (pushes > 1) & (pushes - 1 < limit)  # the push before was anger's
    actions = anger.setting.actions
    code = key.cpu().numpy()[:, None] * actions + np.arange(actions)  # [n, A]
    given_up = np.where(fresh[:, None], -1, given_up)
    given_up, excluded = _give_up(code, before, given_up, resigns & committed & unmoved & ~again)
    return _Running(numbers, nothing, before, pushes, again, given_up, excluded)


def _give_up(
    code: Integers, before: Integers, given_up: Integers, would: NDArray[np.bool_]
) -> tuple[Integers, NDArray[np.bool_]]:
    """Note what is given up now, [n, 8], and return which actions are left alone here, [n, A]."""
    rows = np.arange(len(code))
    excluded = (code[:, :, None] == given_up[:, None, :]).any(-1)
    others = excluded | (np.arange(code.shape[1]) == before[:, None])
    gives_up = would & ~others.all(-1) & ~excluded[rows, before]
    newest = np.column_stack([code[rows, before], given_up[:, :-1]])
    given_up = np.where(gives_up[:, None], newest, given_up)
    return given_up, (code[:, :, None] == given_up[:, None, :]).any(-1)


def _unpacked(
    state: NDArray[Any] | None, numbers: NDArray[Any], nothing: float, room: int
) -> tuple[NDArray[Any], Integers, Integers, Integers]:
    """Return the last observations [n, d], the last actions [n], the pushes [n], and what was given up."""
    count, width = numbers.shape
    none = np.full((count, room), -1, np.int64)
    if state is None:
        return np.full_like(numbers, nothing), np.zeros(count, np.int64), np.zeros(count, np.int64), none
    given = np.asarray(state)
    expected = (count, width + 2 + room)
    if given.shape != expected:
        raise ValueError(f"state: got shape {list(given.shape)}, expected {list(expected)} as returned")
    last, before, pushes = given[:, :width], given[:, width], given[:, width + 1]
    given_up = given[:, width + 2 :].astype(np.int64)
    return last.astype(numbers.dtype), before.astype(np.int64), pushes.astype(np.int64), given_up


def check_observation(observation: Any, observations: Observations) -> NDArray[Any]:
    """Return observations as numbers [..., *shape]; `ValueError` if one is outside the space."""
    numbers: NDArray[Any]
    numbers, fault = observations.read(observation)
    if fault is not None:
        raise ValueError(f"observation: got {fault.value:g}, expected {observations.expected}")
    return numbers
