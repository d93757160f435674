"""A population as a file, and back: what `save` and `load` do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.arguments import plain_json
from emotional_ed.agents.checkpoint import read_checkpoint, with_suffix, write_checkpoint
from emotional_ed.agents.errors import CheckpointError

if TYPE_CHECKING:
    from emotional_ed.agents.emotional_q import EmotionalQ


def save_population(model: EmotionalQ, path: str | os.PathLike[str]) -> Path:
    """Write a population; see `EmotionalQ.save`."""
    tensors = {
        "value": model.value.M,
        "step_size": model.step_size,
        "discount": model.discount,
        "exploration": model.exploration,
    }
    tensors |= {f"affect/{name}": tensor for name, tensor in model.affect.state_dict().items()}
    tensors |= {f"episodes/{name}": tensor for name, tensor in model.recorder.state().items()}
    world = model.env.state() if model.env is not None and model.observation is not None else None
    tensors |= {f"world/{name}": tensor for name, tensor in (world or {}).items()}
    kinds = list(dict.fromkeys(model.affect.configs))
    facts = {
        "agent": "EmotionalQ",
        "env_id": model.env_id,
        "env_kwargs": plain_json("env_kwargs", model.env_kwargs),
        "catastrophe_reward": model.catastrophe_reward,
        "observations": model.observations,
        "actions": model.actions,
        "population": model.population,
        "seeds": model.seeds,
        "affect": [one.to_dict() for one in kinds],
        "affect_of_member": [kinds.index(one) for one in model.affect.configs],
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
    model = EmotionalQ(
        facts["env_id"] if env is None else env,
        [kinds[which] for which in facts["affect_of_member"]],
        population=facts["population"],
        step_size=tensors["step_size"].tolist(),
        discount=tensors["discount"].tolist(),
        exploration=tensors["exploration"].tolist(),
        seed=facts["seeds"],
        tensorboard_log=tensorboard_log,
        device=device,
        env_kwargs=facts["env_kwargs"] if env is None else None,
        catastrophe_reward=facts["catastrophe_reward"],
        verbose=verbose,
    )
    if (model.observations, model.actions) != (facts["observations"], facts["actions"]):
        raise CheckpointError(
            f"env: got {model.observations} observations and {model.actions} actions, expected "
            f"{facts['observations']} and {facts['actions']} as in {str(file)!r}"
        )
    _restore(model, tensors, facts)
    return model


def _restore(model: EmotionalQ, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    def under(prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: one for name, one in tensors.items() if name.startswith(prefix)}

    model.value.M.copy_(tensors["value"])
    model.affect.load_state_dict(under("affect/"))
    model.num_timesteps = facts["num_timesteps"]
    model.streams.position, model.predict_streams.position = facts["draws"]
    model.recorder.restore(under("episodes/"))
    env, world = model.require_env(), under("world/")
    if env.restorable(world):
        model.observation = env.restore(world, model.seeds)
    else:
        model.recorder.cut_episodes()
        model.affect.cut_episode()
