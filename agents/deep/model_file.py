"""A deep agent as a file, and back: what `save` and `load` do."""

from __future__ import annotations

import os
import warnings
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.checkpoint import read_checkpoint, with_suffix, write_checkpoint
from emotional_ed.agents.deep import world_state
from emotional_ed.agents.deep.arguments import (
    argument_from_json,
    argument_to_json,
    space_from_json,
    space_to_json,
)
from emotional_ed.agents.deep.buffer_file import put_buffer, take_buffer
from emotional_ed.agents.deep.finite import check_tensors
from emotional_ed.agents.deep.random_state import put_random, take_random
from emotional_ed.agents.deep.world_state import decode, encode
from emotional_ed.agents.errors import CheckpointError

if TYPE_CHECKING:
    from emotional_ed.agents.deep.emotional_agent import EmotionalAgent

    Agent = TypeVar("Agent", bound=EmotionalAgent)

VERSION = 7
_ARGUMENTS = (
    "learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma", "gradient_steps",
    "replay_buffer_class", "replay_buffer_kwargs", "optimize_memory_usage", "n_steps",
    "target_update_interval", "tensorboard_log", "policy_kwargs", "verbose", "seed", "fear_on", "stillness",
)  # fmt: skip
_COUNTERS = (
    "num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_episode_num", "_n_updates",
    "_current_progress_remaining", "_unfinished",
)  # fmt: skip


class Parts(NamedTuple):
    """What a file holds of an agent beside what all deep agents have."""

    arguments: tuple[str, ...]
    """What it was made with, by name, beside `_ARGUMENTS`."""
    counters: tuple[str, ...]
    """Attributes that JSON can hold, beside `_COUNTERS`."""
    optimizers: dict[str, torch.optim.Optimizer]
    """By the name that they have in the file."""
    tensors: dict[str, Tensor]
    """What is learned outside the policy; the tensors themselves, into which a file is read."""

    def more(
        self,
        arguments: tuple[str, ...] = (),
        counters: tuple[str, ...] = (),
        tensors: dict[str, Tensor] | None = None,
    ) -> Parts:
        """Return these and others."""
        return Parts(
            self.arguments + arguments,
            self.counters + counters,
            self.optimizers,
            self.tensors | (tensors or {}),
        )


def save_model(model: EmotionalAgent, path: str | os.PathLike[str]) -> Path:
    """Write a deep agent; see `EmotionalAgent.save`."""
    assert model.replay_buffer is not None
    buffer, buffer_facts = take_buffer(model.replay_buffer)
    randoms, random_facts = take_random(model.device)
    parts = model._saved_parts()
    optimizers = {name: one.state_dict() for name, one in parts.optimizers.items()}
    tensors = {f"policy/{name}": one for name, one in model.policy.state_dict().items()}
    for title, optimizer in optimizers.items():
        for which, state in optimizer["state"].items():
            tensors |= {f"{title}/{which}/{name}": torch.as_tensor(one) for name, one in state.items()}
    tensors |= {f"own/{name}": one for name, one in parts.tensors.items()}
    tensors |= {f"affect/{name}": one for name, one in model.affect.state_dict().items()}
    check_tensors(tensors.items(), model.num_timesteps, model.last_checkpoint)
    tensors |= {f"buffer/{name}": one for name, one in buffer.items()}
    tensors |= {f"random/{name}": one for name, one in randoms.items()}
    facts = {
        "agent": type(model).__name__,
        "version": VERSION,
        "stable_baselines3": stable_baselines3.__version__,
        "policy": _policy_name(model),
        "arguments": _arguments(model),
        "affect": model.affect_config.to_dict(),
        "observation_space": space_to_json(model.observation_space),
        "action_space": space_to_json(model.action_space),
        "n_envs": model.n_envs,
        "env": _env_id(model.env),
        "counters": {name: encode(getattr(model, name)) for name in (*_COUNTERS, *parts.counters)},
        "episodes": [_episodes(model.ep_info_buffer), _episodes(model.ep_success_buffer)],
        **{
            name: [_without(group, "params") for group in one["param_groups"]]
            for name, one in optimizers.items()
        },
        "buffer": buffer_facts,
        "random": random_facts,
        "action_random": encode(model.action_space.np_random.bit_generator.state),
        "streams": [[list(one.seeds), one.position] for one in (model._streams, model._predict_streams)],
        "world": _world(model),
    }
    target = with_suffix(path)
    write_checkpoint(target, tensors, facts)
    return target


def _without(group: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: encode(value) for key, value in group.items() if key != name}


def _policy_name(model: EmotionalAgent) -> str | None:
    names = [name for name, one in model.policy_aliases.items() if one is model.policy_class]
    return names[0] if names else None


def _arguments(model: EmotionalAgent) -> dict[str, Any]:
    names = (*_ARGUMENTS, *model._saved_parts().arguments)
    given = {name: argument_to_json(getattr(model, name)) for name in names}
    freq: Any = model.train_freq
    given["train_freq"] = argument_to_json((int(freq.frequency), str(freq.unit.value)))
    if model.n_steps > 1:  # chosen by Stable-Baselines3
        given["replay_buffer_class"] = argument_to_json(None)
    given["stats_window_size"] = argument_to_json(model._stats_window_size)
    return given


def _episodes(buffer: Any) -> Any:
    return None if buffer is None else [encode(one) for one in buffer]


def _env_id(env: VecEnv | None) -> dict[str, Any] | None:
    """Return how to make the environments anew, or None if that is not known."""
    if type(env) is not DummyVecEnv:
        return None
    specs = [one.spec for one in env.envs]
    try:
        known = [None if spec is None else [spec.id, encode(dict(spec.kwargs))] for spec in specs]
    except ValueError:
        return None
    if known[0] is None or any(one != known[0] for one in known):
        return None
    return {"id": known[0][0], "kwargs": {k: v for k, v in known[0][1].items() if k != "render_mode"}}


def _world(model: EmotionalAgent) -> dict[str, Any] | None:
    if model.env is None or model._last_obs is None:
        return None
    state = world_state.take(model.env)
    seen = {
        "last": model._last_obs,
        "original": model._last_original_obs,
        "starts": model._last_episode_starts,
    }
    return {"state": state, "missing": world_state.unrestorable(model.env), "seen": encode(seen)}


def load_model(
    kind: type[Agent],
    path: str | os.PathLike[str],
    env: Any,
    device: torch.device | str,
    changes: dict[str, Any],
) -> Agent:
    """Read a deep agent; see `EmotionalAgent.load`."""
    file = with_suffix(path)
    tensors, facts = read_checkpoint(file)
    if facts.get("agent") != kind.__name__ or facts.get("version") != VERSION:
        raise CheckpointError(
            f"path: got a checkpoint of {facts.get('agent')!r}, version {facts.get('version')}, "
            f"expected {kind.__name__}, version {VERSION}"
        )
    arguments = {
        name: argument_from_json(name, one) for name, one in facts["arguments"].items() if name not in changes
    }
    arguments |= {"affect": AffectConfig.from_dict(facts["affect"]), **changes}
    policy = arguments.pop("policy", facts["policy"])
    if policy is None:
        raise CheckpointError("policy: got a class of one's own, expected load(path, policy=...)")
    env = _made_anew(facts) if env is None else env
    model = kind(policy, env, device=device, **arguments, _init_setup_model=False)
    _check_spaces(model, facts, env)
    mine = take_random(model.device)
    model._setup_model()  # seeds the global generators
    put_random(*mine, model.device)
    _fill(model, tensors, facts, file)
    if env is not None:
        put_random(_under(tensors, "random/"), facts["random"], model.device)
        model.action_space.np_random.bit_generator.state = decode(facts["action_random"])
        _continue_world(model, facts)
    model.last_checkpoint = file
    return model


def _made_anew(facts: dict[str, Any]) -> VecEnv | None:
    if facts["env"] is None:
        return None
    return make_vec_env(facts["env"]["id"], facts["n_envs"], env_kwargs=decode(facts["env"]["kwargs"]))


def _check_spaces(model: EmotionalAgent, facts: dict[str, Any], env: Any) -> None:
    saved = {name: space_from_json(facts[name]) for name in ("observation_space", "action_space")}
    if env is None:
        model.n_envs = facts["n_envs"]
        for name, space in saved.items():
            setattr(model, name, space)
        return
    for name, space in saved.items():
        if getattr(model, name) != space:
            raise CheckpointError(f"env: got the {name} {getattr(model, name)}, expected {space}")
    if model.n_envs != facts["n_envs"]:
        raise CheckpointError(f"env: got {model.n_envs} environments, expected {facts['n_envs']}")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: one for name, one in tensors.items() if name.startswith(prefix)}


def _fill(model: EmotionalAgent, tensors: dict[str, Tensor], facts: dict[str, Any], file: Path) -> None:
    try:
        model.policy.load_state_dict(_under(tensors, "policy/"))
        model.affect.load_state_dict(_under(tensors, "affect/"))
    except RuntimeError as error:
        raise CheckpointError(
            f"path: got {str(file)!r}, expected the same networks and affect: {error}"
        ) from None
    parts = model._saved_parts()
    for name, optimizer in parts.optimizers.items():
        _fill_optimizer(optimizer, _under(tensors, f"{name}/"), facts[name])
    for name, own in parts.tensors.items():
        own.data.copy_(tensors[f"own/{name}"])
    assert model.replay_buffer is not None
    put_buffer(model.replay_buffer, _under(tensors, "buffer/"), facts["buffer"])
    for name, value in facts["counters"].items():
        setattr(model, name, decode(value))
    for name, saved in zip(("ep_info_buffer", "ep_success_buffer"), facts["episodes"], strict=True):
        if saved is not None:
            setattr(model, name, deque(map(decode, saved), maxlen=model._stats_window_size))
    for stream, (seeds, position) in zip(
        (model._streams, model._predict_streams), facts["streams"], strict=True
    ):
        stream.seeds, stream.position = tuple(seeds), position


def _fill_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], groups: list[Any]) -> None:
    whole = optimizer.state_dict()
    whole["param_groups"] = [
        {**old, **{key: decode(value) for key, value in new.items()}}
        for old, new in zip(whole["param_groups"], groups, strict=True)
    ]
    state: dict[int, dict[str, Tensor]] = {}
    for name, one in tensors.items():
        which, key = name.split("/")
        state.setdefault(int(which), {})[key] = one
    optimizer.load_state_dict({**whole, "state": state})


def _continue_world(model: EmotionalAgent, facts: dict[str, Any]) -> None:
    """Go on in the middle of running episodes, or say that they are lost."""
    world = facts["world"]
    assert model.env is not None
    if world is None:  # it had not begun
        return
    if world_state.fits(model.env, world["state"]):
        world_state.put_back(model.env, world["state"])
        seen = decode(world["seen"])
        model._last_obs, model._last_original_obs = seen["last"], seen["original"]
        model._last_episode_starts = seen["starts"]
        return
    what = world["missing"] or world_state.unrestorable(model.env) or "an environment built otherwise"
    warnings.warn(
        f"env: {what} cannot be restored; running episodes are cut off, and what follows is not what would "
        "have followed without the stop",
        stacklevel=4,
    )
    model.affect.cut_episode()
    model._unfinished = (0, 0)
    if model.seed is not None:
        model.env.seed((int(model.seed) + model.num_timesteps) % 2**31)


def sb3_warning(path: Any) -> None:
    """Warn that Stable-Baselines3's format holds pickled objects."""
    warnings.warn(
        f"path: got {str(path)!r}, Stable-Baselines3's format: loading it executes code in it, and it has no "
        "replay buffer, random state or running episode; leave out .zip for a checkpoint that does",
        stacklevel=3,
    )


def is_zip(path: Any) -> bool:
    """Return whether the user asks for Stable-Baselines3's own format by name."""
    return not isinstance(path, str | os.PathLike) or Path(path).suffix == ".zip"
