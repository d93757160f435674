"""What a folder is for, written down in it, so that nothing else is ever mixed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotional_ed.experiments.run_folder import write_json


def claim(path: Path, facts: Mapping[str, Any], empty: Path | None = None) -> None:
    """Write down what a folder is for, or find that it is for just that.

    Args:
        path: the file that says so.
        facts: what it says.
        empty: a folder that must be empty if the file is not there.

    Raises:
        ValueError: the file says something else, or the folder holds something else.
    """
    if path.exists():
        held, wanted = json.loads(path.read_text()), json.loads(json.dumps(facts))
        if held != wanted:
            differing = sorted(name for name in wanted if held.get(name) != wanted[name])
            raise ValueError(
                f"out: got {str(path)!r} of another contest (it differs in {', '.join(differing)}), "
                "expected the same one or a new folder"
            )
        return
    if empty is not None and empty.exists() and (not empty.is_dir() or any(empty.iterdir())):
        raise ValueError(f"out: got {str(empty)!r}, which holds something else, expected a new folder")
    write_json(path, facts)
