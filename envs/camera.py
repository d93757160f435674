"""Pictures of the world that an agent lives in: as it is now, and as a step left it before any reset."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Protocol, final

import gymnasium
import numpy as np
from gymnasium.error import Error as GymnasiumError
from numpy.typing import NDArray

from emotional_ed.envs.batched import BatchedStep, BatchedTabularEnv
from emotional_ed.envs.tabular_env import TabularEnv

MODES = ("ansi", "rgb_array")


@dataclass(frozen=True)
class View:
    """The world at one moment, as far as it can be shown."""

    text: str | None = None
    """A map as text."""
    image: NDArray[np.uint8] | None = None
    """A picture [H, W, 3]."""


class Camera(Protocol):
    """Looks at one copy of a world."""

    def look(self) -> View:
        """Return the world as it is now, and be ready to follow it from here."""
        ...

    def follow(self, step: BatchedStep) -> View:
        """Return what `step` led to, before any reset; called after every step since `look`."""
        ...


@final
class TabularCamera:
    """Films copy 0 of a tensor program with the map of the same world as a single environment.

    Args:
        world: with one copy.
        modes: which of "ansi" and "rgb_array" to show.
    """

    def __init__(self, world: BatchedTabularEnv, modes: tuple[str, ...] = MODES) -> None:
        single = gymnasium.make(world.env_id, **world.env_kwargs).unwrapped
        if not isinstance(single, TabularEnv):
            raise ValueError(f"env: got {world.env_id!r}, expected one of our tabular environments")
        self._world, self._single, self._modes = world, single, modes
        self._state = self._episode = 0

    def look(self) -> View:
        """Return the map as it is now."""
        self._remember()
        return self._view(self._state)

    def follow(self, step: BatchedStep) -> View:
        """Return the map that the step led to, in the context it was made in."""
        ended = bool(step.terminated[0] | step.truncated[0])
        reached = self._reached(step) if ended else int(self._world.state()["state"][0])
        view = self._view(reached)
        self._remember()
        return view

    def _remember(self) -> None:
        now = self._world.state()
        self._state, self._episode = int(now["state"][0]), int(now["episode"][0])

    def _reached(self, step: BatchedStep) -> int:
        """Find the state that ended the episode: one that shows what was seen and paid what was paid."""
        model = self._world.model
        row = (model.context(self._episode), self._state)
        reached = model.next_state[row]
        fits = model.observation[reached] == int(step.final_observation[0])
        fits &= model.probability[row] > 0
        fits &= model.reward[row].astype(np.float32) == np.float32(float(step.reward[0]))
        fits &= model.terminated[row] == bool(step.terminated[0])
        return int(reached[fits][0])

    def _view(self, state: int) -> View:
        self._single._state, self._single._episode = state, self._episode
        shown: dict[str, Any] = {}
        for mode in self._modes:
            self._single.render_mode = mode
            shown[mode] = self._single.render()
        return View(shown.get("ansi"), shown.get("rgb_array"))


@final
class FilmedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Somebody else's environment with its own pictures, taken within each step once `filming` is on.

    An environment has one render mode; where both are wanted, a twin with the same seeds and actions shows
    the other. A twin that departs (the world draws numbers of its own) is no longer shown.

    Args:
        env_id: Gymnasium id.
        env_kwargs: what it is made with.
        modes: which of "ansi" and "rgb_array" to show, as far as the environment can.

    Raises:
        ValueError: it cannot be made.
    """

    def __init__(self, env_id: str, env_kwargs: dict[str, Any], modes: tuple[str, ...] = MODES) -> None:
        known = list(getattr(_make(env_id, env_kwargs, None), "metadata", {}).get("render_modes", []))
        self.can_show = tuple(mode for mode in reversed(modes) if mode in known)
        super().__init__(_make(env_id, env_kwargs, self.can_show[0] if self.can_show else None))
        self._twins = [_make(env_id, env_kwargs, mode) for mode in self.can_show[1:]]
        self.filming = False
        self._taken = View()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and its twin."""
        observation, info = self.env.reset(seed=seed, options=options)
        again = copy.deepcopy(options)
        self._keep([(twin, twin.reset(seed=seed, options=again)[0]) for twin in self._twins], observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step both, and take the picture before anybody resets."""
        result = self.env.step(action)
        self._keep([(twin, twin.step(action)[0]) for twin in self._twins], result[0])
        if self.filming:
            self._taken = self.look()
        return result

    def _keep(self, twins: list[tuple[Any, Any]], observation: Any) -> None:
        self._twins = [twin for twin, seen in twins if np.array_equal(seen, observation)]

    def look(self) -> View:
        """Return the world as it is now, and film from here on.

        Raises:
            ValueError: the environment cannot be drawn here, e.g. because a package is missing.
        """
        self.filming = True
        shown: dict[str, Any] = {}
        for env in (self.env, *self._twins):
            if env.render_mode in MODES:
                shown[env.render_mode] = _render(env)
        image = shown.get("rgb_array")
        return View(shown.get("ansi"), None if image is None else np.array(image, dtype=np.uint8))

    def follow(self, step: BatchedStep) -> View:
        """Return the picture that was taken within the step."""
        return self._taken


def _make(env_id: str, env_kwargs: dict[str, Any], mode: str | None) -> Any:
    try:
        return gymnasium.make(env_id, **{**env_kwargs, **({} if mode is None else {"render_mode": mode})})
    except (GymnasiumError, ImportError, TypeError, ValueError) as error:
        raise ValueError(f"env: got {env_id!r}, expected one that can be made here. {error}") from None


def _render(env: Any) -> Any:
    try:
        picture = env.render()
    except (GymnasiumError, ImportError) as error:
        raise ValueError(f"env: got {env.spec.id!r}, expected one that can be drawn here. {error}") from None
    except Exception as error:  # somebody else's code, which may fail in any way
        raise ValueError(f"env: got {env.spec.id!r}, which cannot be drawn. {error}") from None
    return picture
