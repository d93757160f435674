"""Acting without learning: what `predict` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    if member is None:
        (actions, greedy), members = _choose(model, flat, deterministic), np.arange(model.population)
    else:  # one round an observation, all of the same member
        everyone = (model.population, *shape)
        rounds = [_choose(model, np.broadcast_to(one, everyone).copy(), deterministic) for one in flat]
        actions = np.array([chosen[member] for chosen, _ in rounds], dtype=np.int64)
        greedy = np.array([meant[member] for _, meant in rounds], dtype=np.bool_)
        members = np.full(len(flat), member)
    actions, state = _push_again(model, flat, actions, greedy, members, state, episode_start)
    return actions.reshape(lead) + model.action_start, state


def _choose(
    model: EmotionalQ, observation: NDArray[Any], deterministic: bool
) -> tuple[Integers, NDArray[np.bool_]]:
    seen = torch.from_numpy(observation).to(model.device)
    exploration = torch.zeros_like(model.exploration) if deterministic else model.exploration
    wish = model.mind.wish(seen, exploration, model.predict_streams.next(), living=False)
    return wish.action.cpu().numpy(), wish.greedy.cpu().numpy()


def _push_again(
    model: EmotionalQ,
    seen: NDArray[Any],
    actions: Integers,
    greedy: NDArray[np.bool_],
    members: Integers,
    state: NDArray[Any] | None,
    episode_start: Any,
) -> tuple[Integers, NDArray[Any] | None]:
    """Repeat a blocked action as anger would.

    The state is (last observation, last action, pushes), [n, d + 2]; the observation is -1, or NaN in a Box,
    after an action that was not meant to be the best, because nothing is blocked then.
    """
    anger = model.affect.anger
    if anger is None:
        return actions, None
    nothing = -1 if seen.dtype == np.int64 else np.nan
    numbers = seen.reshape(len(seen), -1)  # [n, d]
    last, before, pushes = _unpacked(state, numbers, nothing)
    fresh = np.zeros(len(seen), bool) if episode_start is None else np.asarray(episode_start, bool).ravel()
    known = last[:, 0] >= 0 if seen.dtype == np.int64 else ~np.isnan(last[:, 0])

    def on_device(array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(model.device)

    here = on_device(seen)
    moved = model.features.moved(on_device(last.reshape(seen.shape)), here).cpu().numpy()
    unmoved = known & ~moved & ~fresh
    limit = anger.limit(on_device(members), model.features(here), on_device(before)).cpu().numpy()
    pushes = np.where(unmoved, pushes + 1, 0)
    again = unmoved & (pushes < limit)
    actions = np.where(again, before, actions)
    noted = np.where((again | greedy)[:, None], numbers, nothing)
    pushes = np.where(actions == before, pushes, 0)
    return actions, np.column_stack([noted, actions, pushes])


def _unpacked(
    state: NDArray[Any] | None, numbers: NDArray[Any], nothing: float
) -> tuple[NDArray[Any], Integers, Integers]:
    """Return the last observations [n, d], the last actions [n] and the pushes [n]."""
    count, width = numbers.shape
    if state is None:
        return np.full_like(numbers, nothing), np.zeros(count, np.int64), np.zeros(count, np.int64)
    given = np.asarray(state)
    if given.shape != (count, width + 2):
        raise ValueError(f"state: got shape {list(given.shape)}, expected {[count, width + 2]} as returned")
    last, before, pushes = given[:, :width], given[:, width], given[:, width + 1]
    return last.astype(numbers.dtype), before.astype(np.int64), pushes.astype(np.int64)


def check_observation(observation: Any, observations: Observations) -> NDArray[Any]:
    """Return observations as numbers [..., *shape]; `ValueError` if one is outside the space."""
    numbers: NDArray[Any]
    numbers, fault = observations.read(observation)
    if fault is not None:
        raise ValueError(f"observation: got {fault.value:g}, expected {observations.expected}")
    return numbers
