"""A population as a file, and back: what `save` and `load` do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.arguments import checked_device, plain_json
from emotional_ed.agents.checkpoint import read_checkpoint, with_suffix, write_checkpoint
from emotional_ed.agents.errors import CheckpointError
from emotional_ed.agents.features import Coding, Features, coding_from_dict, coding_to_dict
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.envs import BatchedEnv, Observations, as_batched

if TYPE_CHECKING:
    from emotional_ed.agents.emotional_q import EmotionalQ


def save_population(model: EmotionalQ, path: str | os.PathLike[str]) -> Path:
    """Write a population; see `EmotionalQ.save`."""
    tensors = {
        "step_size": model.step_size,
        "discount": model.discount,
        "exploration": model.exploration,
    }
    tensors |= {f"mind/{name}": tensor for name, tensor in model.mind.state_dict().items()}
    tensors |= {f"episodes/{name}": tensor for name, tensor in model.recorder.state().items()}
    world = model.env.state() if model.env is not None and model.observation is not None else None
    tensors |= {f"world/{name}": tensor for name, tensor in (world or {}).items()}
    kinds = list(dict.fromkeys(model.affect.configs))
    parts = list(dict.fromkeys(model.mind.parts))
    facts = {
        "agent": "EmotionalQ",
        "env_id": model.env_id,
        "env_kwargs": plain_json("env_kwargs", model.env_kwargs),
        "catastrophe_reward": model.catastrophe_reward,
        "observations": model.observations.layout,
        "features": coding_to_dict(model.features),
        "keys": [model.features.keys, model.features.active],
        "actions": model.actions,
        "population": model.population,
        "seeds": model.seeds,
        "affect": [one.to_dict() for one in kinds],
        "affect_of_member": [kinds.index(one) for one in model.affect.configs],
        "level0": [one.to_dict() for one in parts],
        "level0_of_member": [parts.index(one) for one in model.mind.parts],
        "listens": model.listens,
        "num_timesteps": model.num_timesteps,
        "draws": [model.streams.position, model.predict_streams.position],
    }
    target = with_suffix(path)
    write_checkpoint(target, tensors, facts)
    return target


def load_population(
    path: str | os.PathLike[str],
    env: Any,
    *,
    features: Features | None = None,
    device: torch.device | str,
    tensorboard_log: str | os.PathLike[str] | None,
    verbose: int,
) -> EmotionalQ:
    """Read a population; see `EmotionalQ.load`."""
    from emotional_ed.agents.emotional_q import EmotionalQ

    file = with_suffix(path)
    tensors, facts = read_checkpoint(file)
    if facts.get("agent") != "EmotionalQ":
        raise CheckpointError(f"path: got a checkpoint of {facts.get('agent')!r}, expected EmotionalQ")
    if env is None and not facts["env_id"]:
        raise CheckpointError(f"env: got none, and {str(file)!r} names no id, expected load(path, env=...)")
    kinds = [AffectConfig.from_dict(one) for one in facts["affect"]]
    parts = [LevelZero.from_dict(one) for one in facts["level0"]]
    batched = as_batched(
        facts["env_id"] if env is None else env,
        facts["population"],
        device=checked_device(device),
        env_kwargs=facts["env_kwargs"] if env is None else None,
        catastrophe_reward=None if _is_vector(env) else facts["catastrophe_reward"],
    )
    _require_same_spaces(batched, facts, file)
    model = EmotionalQ(
        batched,
        [kinds[which] for which in facts["affect_of_member"]],
        level0=[parts[which] for which in facts["level0_of_member"]],
        listens=facts["listens"],
        features=_stored_features(facts, file) if features is None else features,
        population=facts["population"],
        step_size=tensors["step_size"].tolist(),
        discount=tensors["discount"].tolist(),
        exploration=tensors["exploration"].tolist(),
        seed=facts["seeds"],
        tensorboard_log=tensorboard_log,
        device=device,
        verbose=verbose,
    )
    model.catastrophe_reward = facts["catastrophe_reward"]
    _require_same_keys(model.features, facts, file)
    _restore(model, tensors, facts)
    return model


def _is_vector(env: Any) -> bool:
    """Return whether these are environments that declare catastrophes themselves, if at all."""
    return isinstance(env, VectorEnv) or (not isinstance(env, gymnasium.Env) and isinstance(env, BatchedEnv))


def _stored_features(facts: dict[str, Any], file: Path) -> Coding | None:
    """Return the coding that a file describes; None in files from before there was a choice."""
    stored = facts.get("features")
    if stored is None:
        return None
    coding = coding_from_dict(stored)
    if coding is None:
        kind = stored["kind"]
        raise CheckpointError(
            f"features: got none, expected load(path, features=...): {kind} of {str(file)!r}"
        )
    return coding


def _require_same_spaces(env: BatchedEnv, facts: dict[str, Any], file: Path) -> None:
    stored = facts["observations"]
    expected = f"Discrete({stored})" if isinstance(stored, int) else stored  # an integer in older files
    layout = Observations(env.observation_space).layout
    if (layout, env.actions) != (expected, facts["actions"]):
        raise CheckpointError(
            f"env: got {layout} observations and {env.actions} actions, expected "
            f"{expected} and {facts['actions']} as in {str(file)!r}"
        )


def _require_same_keys(features: Features, facts: dict[str, Any], file: Path) -> None:
    keys = [features.keys, features.active]
    if keys != facts.get("keys", keys):
        raise CheckpointError(
            f"features: got {keys[0]} keys with {keys[1]} active, expected {facts['keys'][0]} with "
            f"{facts['keys'][1]} as in {str(file)!r}"
        )


def _restore(model: EmotionalQ, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    def under(prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: one for name, one in tensors.items() if name.startswith(prefix)}

    model.mind.load_state_dict(under("mind/"))
    model.num_timesteps = facts["num_timesteps"]
    model.streams.position, model.predict_streams.position = facts["draws"]
    model.recorder.restore(under("episodes/"))
    env, world = model.require_env(), under("world/")
    if env.restorable(world):
        model.observation = env.restore(world, model.seeds)
    else:
        model.recorder.cut_episodes()
        model.mind.cut_episode()
