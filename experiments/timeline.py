"""What one member did and felt during one episode, step by step, with pictures if wanted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.trace import Trace, first_numbers
from emotional_ed.checks import require_int
from emotional_ed.envs.camera import Camera, View
from emotional_ed.experiments.train import TrainSpec


@dataclass(frozen=True)
class Timeline:
    """One episode of one member, T steps."""

    columns: dict[str, NDArray[Any]]
    """Name -> value at each step [T]; see `Trace`."""
    views: tuple[View, ...]
    """How the world looked before the first step and after each, T + 1 of them; none without a camera."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.columns["reward"])

    @property
    def ended(self) -> bool:
        """Whether the episode came to its end, and was not cut off by a limit."""
        return bool(self.columns["terminated"][-1] or self.columns["truncated"][-1])


def record_episode(model: EmotionalQ, *, limit: int, camera: Camera | None = None) -> Timeline:
    """Let a population of one act, feel and learn until its episode ends.

    Args:
        model: with one member; it is changed by this.
        limit: most steps to make.
        camera: takes a picture of every step.

    Raises:
        ValueError: the population is not one, or `limit` is below 1.
    """
    _require_one(model)
    trace = Trace(limit=require_int("limit", limit, 1))
    model.learn(0)  # so that there is a world to look at
    views = [] if camera is None else [camera.look()]

    def keep(agent: EmotionalQ) -> bool:
        trace(agent)
        step = agent.last_step
        assert step is not None
        if camera is not None:
            views.append(camera.follow(step))
        return not bool(step.terminated | step.truncated)

    model.learn(limit, callback=keep)
    return Timeline(trace.columns(), tuple(views))


def record_greedy_episode(model: EmotionalQ, *, limit: int, camera: Camera | None = None) -> Timeline:
    """Let a population of one act as it predicts until its episode ends; nothing learns and nothing is felt.

    Args:
        model: with one member; only its environment is changed.
        limit: most steps to make.
        camera: takes a picture of every step.
    """
    _require_one(model)
    require_int("limit", limit, 1)
    model.learn(0)
    world, observation, state = model.require_env(), model.observation, None
    assert observation is not None
    views = [] if camera is None else [camera.look()]
    rows: list[dict[str, Any]] = []
    while len(rows) < limit and not (rows and (rows[-1]["terminated"] or rows[-1]["truncated"])):
        seen = observation.cpu().numpy()  # [1] or [1, n], counted from 0
        action, state = model.predict(_own_form(seen, world.observation_space), state)
        step = world.step(torch.as_tensor(action - model.action_start, device=model.device))
        if camera is not None:
            views.append(camera.follow(step))
        rows.append(
            {
                **_named(seen, world.observation_space),
                "action": action[0],
                "reward": float(step.reward[0]),
                "terminated": bool(step.terminated[0]),
                "truncated": bool(step.truncated[0]),
                "catastrophe": bool(step.catastrophe[0]),
            }
        )
        observation = step.observation
    return Timeline({name: np.array([row[name] for row in rows]) for name in rows[0]}, tuple(views))


def record_first_episode(spec: TrainSpec, *, limit: int = 3000) -> dict[str, NDArray[Any]]:
    """Train the first member alone (which changes nothing for it) until its first episode ends.

    Args:
        spec: what to train; its population is not used.
        limit: most steps to record.

    Returns:
        Name -> its value at each step [T]; see `Trace`. Signals of parts that the agent lacks are left out.
    """
    return record_episode(dataclasses.replace(spec, population=1).build(), limit=limit).columns


def _own_form(seen: NDArray[Any], space: Any) -> Any:
    """Return observations [1, ...] as the environment would have given them."""
    numbers = seen.reshape(1, -1) + first_numbers(space).astype(seen.dtype)
    return tuple(numbers.T) if isinstance(space, spaces.Tuple) else numbers.reshape(1, *space.shape)


def _named(seen: NDArray[Any], space: Any) -> dict[str, Any]:
    numbers = seen.ravel() + first_numbers(space).astype(seen.dtype)
    if seen.ndim == 1:
        return {"observation": numbers[0]}
    return {f"observation_{i}": number for i, number in enumerate(numbers)}


def _require_one(model: EmotionalQ) -> None:
    if model.population != 1:
        raise ValueError(f"population: got {model.population}, expected 1: one member is recorded at a time")
