"""Train one deep agent in a run folder, from its checkpoint if there is one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, final

import gymnasium
import torch

import emotional_ed.envs  # noqa: F401  (registers our ids)
from emotional_ed.agents import CheckpointError, tensorboard_logger
from emotional_ed.agents.deep.random_state import put_random, take_random
from emotional_ed.experiments.keeper import Ear, Keeper
from emotional_ed.experiments.run_folder import Mark, RunFolder
from emotional_ed.experiments.train import DEEP, TrainSpec
from emotional_ed.experiments.train_population import forget_events_after, start_anew

Row = tuple[int, int, int, float, int]
_CPU = torch.device("cpu")


def build_deep(spec: TrainSpec) -> Any:
    """Return the untrained agent in its environment.

    Raises:
        ValueError: the task does not suit it, or it does not know a hyperparameter.
    """
    kind = _kind(spec)
    try:
        return kind(
            spec.policy,
            _environment(spec),
            affect=spec.affect,
            gamma=spec.discount,
            seed=spec.seed,
            device=spec.device,
            **spec.hyperparameters,
        )
    except (TypeError, KeyError, AssertionError) as error:
        raise ValueError(
            f"agent: got {spec.agent} on {spec.env_id}, which cannot be built: {error}"
        ) from None


def _kind(spec: TrainSpec) -> Any:
    return getattr(import_module("emotional_ed.agents.deep"), DEEP[spec.agent])


def _environment(spec: TrainSpec) -> Any:
    try:
        return gymnasium.make(spec.env_id, **spec.env_kwargs)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise ValueError(f"env: got {spec.env_id!r}, expected an id that Gymnasium knows. {error}") from None


def fit_deep(spec: TrainSpec, folder: RunFolder, ear: Ear) -> bool:
    """Train; return whether it was finished, and not stopped by `ear`.

    Stable-Baselines3 draws from the global random generators, so the agent trains as if they were its own;
    afterwards they are as they were.
    """
    with _own_random_numbers(), _one_thread():
        return _Fit(spec, folder, ear).run()


@final
class _Fit:
    """One attempt at a run: what the callback sees, and what is written."""

    def __init__(self, spec: TrainSpec, folder: RunFolder, ear: Ear) -> None:
        self.spec, self.folder = spec, folder
        self.model, before = _go_on(spec, folder, ear)
        self.fresh = before is None
        self.rows: list[Row] = []
        self.episodes = folder.episodes
        self.catastrophes = 0 if before is None else before.catastrophes
        self.keeper = Keeper(folder, ear, before, exact=_is_exact(self.model))
        self.model.set_logger(tensorboard_logger(folder.path, spec.to_dict()))
        if before is not None:
            forget_events_after(self.model.logger, before.step)

    def run(self) -> bool:
        model, keeper, path = self.model, self.keeper, self.folder.path / "checkpoint"
        steps, before = self.spec.steps, -1
        try:
            while model.num_timesteps < steps and not keeper.stopped and model.num_timesteps != before:
                before = model.num_timesteps
                todo = steps if self.fresh else model.remaining_timesteps
                model.learn(todo, self._keep, reset_num_timesteps=self.fresh)
                self.fresh = False
                if model.num_timesteps < steps:
                    self._save(path)
            if model.num_timesteps < steps:
                return False
            self._look()
            self._save(path)
            self._write_result()
        finally:
            with contextlib.suppress(OSError):
                model.logger.close()
            model.get_env().close()
        return True

    def _keep(self, local: dict[str, Any], _: dict[str, Any]) -> bool:
        """Take in a step; return False where learning must pause for a checkpoint."""
        info, limit = local["infos"][0], self.spec.catastrophe_reward
        fell = limit is not None and float(local["rewards"][0]) <= limit
        self.catastrophes += bool(fell or info.get("catastrophe", False))
        if "episode" in info:
            ended = info["episode"]
            self.rows.append((0, self.episodes, self.model.num_timesteps, float(ended["r"]), int(ended["l"])))
            self.episodes += 1
        if not self.keeper.is_due():
            return True
        due = self._look()
        return not due or self.model.num_timesteps >= self.spec.steps

    def _look(self) -> bool:
        rows, self.rows = self.rows, []
        return self.keeper.look(self.model.num_timesteps, rows, self.catastrophes)

    def _save(self, path: Path) -> None:
        self.keeper.save(self.model.num_timesteps, self.catastrophes, lambda: self.model.save(path))

    def _write_result(self) -> None:
        running = self.model.get_env().get_attr("rewards")[0]  # of the Monitor
        self.folder.write_result(
            {
                "steps": self.model.num_timesteps,
                "seconds": self.keeper.seconds,
                "episodes": self.folder.episodes,
                "catastrophes": [self.catastrophes],
                "unfinished_return": [float(sum(running))],
            }
        )


def _is_exact(model: Any) -> bool:
    from emotional_ed.agents.deep.world_state import unrestorable

    return unrestorable(model.get_env()) is None


def _go_on(spec: TrainSpec, folder: RunFolder, ear: Ear) -> tuple[Any, Mark | None]:
    """Return the agent as its checkpoint has it, or a new one if one cannot go on from there."""
    path = folder.path / "checkpoint.safetensors"
    reason = "it has no checkpoint yet"
    if path.is_file():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a world that cannot be brought back
                model = _kind(spec).load(path, _environment(spec), device=spec.device)
            before = folder.cut_back(model.num_timesteps)
            if before is not None:
                ear.note(f"goes on at step {before.step:,}")
                return model, before
            reason = f"its files do not belong to the checkpoint of step {model.num_timesteps:,}"
        except (CheckpointError, UserWarning) as error:
            reason = f"one cannot go on from its checkpoint ({error})"
    start_anew(folder, ear, reason)
    return build_deep(spec), None


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    before = take_random(_CPU)
    try:
        yield
    finally:
        put_random(*before, _CPU)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in networks depend on the number of threads; with one, every backend gives the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
