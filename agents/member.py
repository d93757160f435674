"""One member of a saved population as a population of one, which goes on exactly as it would in company."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.checkpoint import read_checkpoint, with_suffix, write_checkpoint
from emotional_ed.agents.emotional_q import EmotionalQ
from emotional_ed.agents.errors import CheckpointError

_ROWS = ("nest.ticks.since", "nest.ticks.updates")  # [L, P]: clocks have a row a level before the population
_LEVEL = re.compile(r"nest\.levels\.(\w+)\.")
_SHARED = ("world/position", "world/world")  # one for all members, as all single numbers are


def save_member(path: str | os.PathLike[str], member: int, target: str | os.PathLike[str]) -> Path:
    """Cut one member out of the checkpoint at `path` into a checkpoint of its own, and return its path.

    Parts that only other members have are left out, and so are value memories that only they can recall.

    Args:
        path: a checkpoint of `EmotionalQ.save`, with or without the suffix .safetensors.
        member: which one, from 0.
        target: where the new checkpoint goes.

    Raises:
        CheckpointError: the file is missing, damaged, of another agent, or has no such member.
    """
    file = with_suffix(path)
    tensors, facts = read_checkpoint(file)
    if facts.get("agent") != "EmotionalQ":
        raise CheckpointError(f"path: got a checkpoint of {facts.get('agent')!r}, expected EmotionalQ")
    population = int(facts["population"])
    if isinstance(member, bool) or not 0 <= member < population:
        raise CheckpointError(f"member: got {member}, expected an integer in [0, {population}) as in {file}")
    cut = {name: _cut(name, tensor, member, population) for name, tensor in tensors.items()}
    one_of = {name: [kinds[member]] for name, kinds in facts.items() if name.endswith("_of_member")}
    kinds = [AffectConfig.from_dict(one) for one in facts["affect"]]
    own = kinds[int(facts["affect_of_member"][member])]
    company, alone = (AffectSystem(some, len(some), actions=1, keys=1) for some in (kinds, [own]))
    cut = _without_others_parts(cut, company, alone, keys=int(facts["keys"][0]))
    facts = {**facts, **one_of, "population": 1, "seeds": [facts["seeds"][member]]}
    written = with_suffix(target)
    write_checkpoint(written, cut, {name: fact for name, fact in facts.items() if name != "format"})
    return written


def load_member(
    path: str | os.PathLike[str], member: int, env: Any = None, *, device: torch.device | str = "cpu"
) -> EmotionalQ:
    """Load one member of a saved population as a population of one; the file stays as it is.

    In our environments it goes on in the middle of its episode, and every number is the one that it would
    have had in company.

    Args:
        path: a checkpoint of `EmotionalQ.save`.
        member: which one, from 0.
        env: where to go on; by default the environment that it was saved with, if that has an id.
        device: where the memories will live.

    Raises:
        CheckpointError: the file is missing, damaged, has no such member, or does not fit `env`.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = save_member(path, member, Path(folder) / "member")
        try:
            return EmotionalQ.load(written, env, device=device)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(written), str(with_suffix(path)))) from None
        except RuntimeError as error:  # shapes that only make sense in company, e.g. weights of all channels
            raise CheckpointError(
                f"member: got {member} of {str(with_suffix(path))!r}, whose parts cannot be taken out of the "
                f"company of members with other parts ({str(error).splitlines()[-1].strip()})"
            ) from None


def _cut(name: str, tensor: Tensor, member: int, population: int) -> Tensor:
    """Return the member's part, with an axis of length 1 where the population was."""
    if name in _SHARED or tensor.ndim == 0:
        return tensor
    axis = 1 if name.endswith(_ROWS) else 0
    if tensor.ndim <= axis or tensor.shape[axis] != population:
        raise CheckpointError(
            f"path: got {name!r} of shape {list(tensor.shape)}, expected {population} members on axis {axis}"
        )
    return tensor.narrow(axis, member, 1).clone()


def _without_others_parts(
    tensors: dict[str, Tensor], company: AffectSystem, alone: AffectSystem, keys: int
) -> dict[str, Tensor]:
    """Keep only the levels, rows of clocks, and value memories that the member has by itself."""
    mine = {level.name for level in alone.nest.order}
    others = set(company.state_dict()) - set(alone.state_dict())
    rows = [index for index, level in enumerate(company.nest.order) if level.name in mine]
    kept = {}
    for name, tensor in tensors.items():
        level = _LEVEL.search(name)
        if level is not None and (level[1] not in mine or name[level.start() :] in others):
            continue
        one = tensor[rows] if name.endswith(_ROWS) else tensor
        if "critic" in name and one.shape[-1:] == (company.slots * keys,):  # one after the other, last axis
            one = one[..., : alone.slots * keys]
        kept[name] = one
    return kept
