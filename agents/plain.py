"""What JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_json(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments as JSON knows them, NumPy's numbers turned into Python's.

    Raises:
        ValueError: something in them cannot be written to a file without code.
    """

    def plain(thing: Any) -> Any:
        if isinstance(thing, np.generic | np.ndarray):
            return thing.tolist()
        raise TypeError

    try:
        return dict(json.loads(json.dumps(dict(given), default=plain, allow_nan=False)))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {given!r}, expected finite numbers, texts, lists and dicts") from None
