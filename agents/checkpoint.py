"""Checkpoints as safetensors with JSON beside the tensors: atomic, checked, and without code in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from emotional_ed.agents.errors import CheckpointError
from emotional_ed.files import write_atomically

FORMAT = 6
SUFFIX = ".safetensors"


def with_suffix(path: str | os.PathLike[str]) -> Path:
    """Return the path with the suffix of checkpoints."""
    given = Path(path)
    return given if given.suffix == SUFFIX else given.with_name(given.name + SUFFIX)


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able facts; whoever reads sees the old file or the whole new one.

    Raises:
        OSError: the folder cannot be written; an older file is left as it was.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True)
    data = save(plain, metadata={"facts": text, "digest": _digest(plain, text)})
    write_atomically(path, data)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Raises:
        CheckpointError: no such file, cut off, altered, or of another format.
    """
    if not path.is_file():
        raise CheckpointError(f"path: got {str(path)!r}, expected an existing checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = meta["facts"]
        facts = json.loads(text)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise CheckpointError(
            f"path: got {str(path)!r}, expected a whole checkpoint; it is not ({error})"
        ) from None
    if meta.get("digest") != _digest(tensors, text):
        raise CheckpointError(
            f"path: got {str(path)!r}, expected a whole checkpoint; its digest does not match"
        )
    if facts.get("format") != FORMAT:
        raise CheckpointError(f"path: got format {facts.get('format')} in {str(path)!r}, expected {FORMAT}")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
