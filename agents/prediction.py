"""Acting without learning: what `predict` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_ed.agents.selection import select_action

if TYPE_CHECKING:
    from emotional_ed.agents.emotional_q import EmotionalQ

Integers = NDArray[np.int64]


def choose(
    model: EmotionalQ,
    observation: Any,
    state: Integers | None,
    episode_start: Any,
    deterministic: bool,
    member: int | None,
) -> tuple[Integers, Integers | None]:
    """Choose actions; see `EmotionalQ.predict`."""
    first = model.observation_start
    seen = check_observation(observation, first, model.observations)
    flat = seen.reshape(-1)
    if member is None and model.population == 1:
        member = 0
    if member is None and (seen.ndim != 1 or len(flat) != model.population):
        raise ValueError(
            f"observation: got shape {list(seen.shape)}, expected [{model.population}], one a member, "
            "or member=i to ask one of them"
        )
    if member is not None and not 0 <= member < model.population:
        raise ValueError(f"member: got {member}, expected an integer in [0, {model.population})")
    if member is None:
        (actions, greedy), members = _choose(model, flat, deterministic), np.arange(model.population)
    else:  # one round an observation, all of the same member
        rounds = [_choose(model, np.full(model.population, one), deterministic) for one in flat]
        actions = np.array([chosen[member] for chosen, _ in rounds], dtype=np.int64)
        greedy = np.array([meant[member] for _, meant in rounds], dtype=np.bool_)
        members = np.full(len(flat), member)
    actions, state = _push_again(model, flat, actions, greedy, members, state, episode_start)
    return actions.reshape(seen.shape) + model.action_start, state


def _choose(
    model: EmotionalQ, observation: Integers, deterministic: bool
) -> tuple[Integers, NDArray[np.bool_]]:
    keys = torch.from_numpy(observation).to(model.device)
    drive = model.affect.modulate(keys)
    drive.persist = None  # that is a matter of `state`
    epsilon = torch.zeros_like(model.exploration) if deterministic else model.exploration
    values = model.value.read(model.value_key(keys))
    action, greedy = select_action(values, drive, epsilon, model.predict_streams.next())
    return action.cpu().numpy(), greedy.cpu().numpy()


def _push_again(
    model: EmotionalQ,
    seen: Integers,
    actions: Integers,
    greedy: NDArray[np.bool_],
    members: Integers,
    state: Integers | None,
    episode_start: Any,
) -> tuple[Integers, Integers | None]:
    """Repeat a blocked action as anger would.

    The state is (last observation, last action, pushes); the observation is -1 after an action that was not
    meant to be the best, because nothing is blocked then.
    """
    anger = model.affect.anger
    if anger is None:
        return actions, None
    if state is None:
        state = np.tile(np.array([-1, 0, 0]), (len(seen), 1))
    last, before, pushes = np.asarray(state, dtype=np.int64).reshape(len(seen), 3).T
    fresh = np.zeros(len(seen), bool) if episode_start is None else np.asarray(episode_start, bool).ravel()
    unmoved = (last == seen) & ~fresh
    where = (torch.from_numpy(np.ascontiguousarray(one)).to(model.device) for one in (members, seen, before))
    limit = anger.limit(*where).cpu().numpy()
    pushes = np.where(unmoved, pushes + 1, 0)
    again = unmoved & (pushes < limit)
    actions = np.where(again, before, actions)
    meant = np.where(again | greedy, seen, -1)
    return actions, np.stack([meant, actions, np.where(actions == before, pushes, 0)], axis=-1)


def check_observation(observation: Any, first: int, number: int) -> Integers:
    """Return observations counted from 0; `ValueError` if one is not in [first, first + number)."""
    numbers = np.asarray(observation, dtype=np.float64)
    valid = (numbers >= first) & (numbers < first + number) & (numbers == np.floor(numbers))
    if not valid.all():
        raise ValueError(
            f"observation: got {numbers[~valid].ravel()[0]:g}, "
            f"expected integers in [{first}, {first + number})"
        )
    return numbers.astype(np.int64) - first
