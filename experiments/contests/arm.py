"""An arm: one way to build an agent, and what is searched before it is judged."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.checks import require_choice, require_range

Setting = Mapping[str, float]
"""Path -> number, e.g. {"step_size": 0.1, "affect.fear.caution": 2.0}."""
Arms = dict[str, "Arm"]
"""Name -> arm, in the order of a table."""


class Range(NamedTuple):
    """Where a number is searched."""

    low: float
    """> 0 if the scale is "log"."""
    high: float
    """>= low."""
    scale: str = "log"
    """"log", "linear", "integer" or "log-integer"; integers include both ends."""

    def at(self, uniform: float) -> float:
        """Return the number at a share in [0, 1) of the way."""
        whole = self.scale in ("integer", "log-integer")
        high = self.high + whole
        if self.scale in ("log", "log-integer"):
            found = self.low * (high / self.low) ** uniform
        else:
            found = self.low + uniform * (high - self.low)
        return float(min(math.floor(found), self.high) if whole else found)

    def check(self, name: str) -> None:
        """Raise `ValueError` unless it is a range."""
        require_choice(f"{name}.scale", self.scale, ("log", "linear", "integer", "log-integer"))
        logarithmic = self.scale in ("log", "log-integer")
        require_range(f"{name}.low", self.low, 0 if logarithmic else -math.inf, low_open=logarithmic)
        require_range(f"{name}.high", self.high, self.low)
        for end in (self.low, self.high) if "integer" in self.scale else ():
            if end != int(end):
                raise ValueError(
                    f"{name}: got the end {end!r}, expected integers on the scale {self.scale!r}"
                )


_CLOCKED = ("mood", "spectrum", "weights")  # channels whose clocks and shapes a population shares
COMMON: Mapping[str, Range] = MappingProxyType(
    {"step_size": Range(0.02, 1.0), "exploration": Range(0.005, 0.3)}
)
"""What every arm is searched over."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """How an agent is built; numbers in `search` and `fixed` overwrite those of its parts."""

    affect: AffectConfig = field(default_factory=lambda: AffectConfig.levels(0))
    """The levels above level 0."""
    level0: LevelZero = field(default_factory=LevelZero)
    """Critic, policy and sleep."""
    search: Mapping[str, Range] = field(default_factory=dict)
    """Path -> where it is searched, beside `COMMON`."""
    fixed: Setting = field(default_factory=dict)
    """Path -> number that is not searched, e.g. {"step_size": 0.0} for a control."""
    blocked_count: int = 0
    """If above 0, how often the observation stayed the same, up to this, is part of the observation."""
    follows: str = ""
    """An arm of the same contest whose tuned setting it takes instead of a search of its own; "" if none."""
    role: str = "rival"
    """"own" (a form of the mechanism), "control" (what it must beat to mean anything) or "rival"."""
    note: str = ""
    """What it is there for."""

    def __post_init__(self) -> None:
        require_choice("role", self.role, ("own", "control", "rival"))
        if self.follows and self.search:
            raise ValueError(
                f"search: got {sorted(self.search)}, expected none for an arm that follows {self.follows!r}"
            )
        for path, one in self.search.items():
            one.check(f"search[{path!r}]")
            self.configured({path: one.at(0.5)})
        self.configured(self.fixed)

    def draw(self, budget: int, seed: int) -> list[dict[str, float]]:
        """Return `budget` random settings; what arms have in common is drawn the same for all of them."""
        ranges = {**COMMON, **self.search}
        columns = {path: uniform_shares(path, budget, seed) for path in ranges}
        drawn = [
            {path: one.at(float(columns[path][i])) for path, one in ranges.items()} for i in range(budget)
        ]
        return [{**one, **self.fixed} for one in drawn]

    def configured(self, setting: Setting) -> tuple[LevelZero, AffectConfig]:
        """Return the parts with the numbers of a setting in their places.

        Raises:
            ValueError: a path leads nowhere.
        """
        parts: dict[str, Any] = {"level0": self.level0, "affect": self.affect}
        for path, value in setting.items():
            head, *rest = path.split(".")
            if head in COMMON and not rest:
                continue
            if head not in parts or not rest:
                raise ValueError(
                    f"search: got the path {path!r}, expected one below {sorted(parts)} or {sorted(COMMON)}"
                )
            parts[head] = replaced(parts[head], rest, value, path)
        return parts["level0"], parts["affect"]

    @property
    def kind(self) -> str:
        """Arms of the same kind fit into one population: the same rules with the same structure."""
        rules = (self.level0.critic, self.level0.policy, self.level0.sleep)
        structure = [None if one is None else (type(one).__qualname__, _structure(one)) for one in rules]
        unusual = [
            (name, _structure(one))
            for name, one in self.affect.parts().items()
            if name in _CLOCKED and _structure(one) != _structure(type(one)())
        ]
        resigns = self.affect.anger is not None and self.affect.anger.resigns  # others need not wait for it
        return repr((structure, unusual, self.blocked_count, resigns))

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        return {
            "affect": self.affect.to_dict(),
            "level0": self.level0.to_dict(),
            "search": {path: one._asdict() for path, one in self.search.items()},
            "fixed": dict(self.fixed),
            "blocked_count": self.blocked_count,
            "follows": self.follows,
            "role": self.role,
            "note": self.note,
        }


def uniform_shares(path: str, budget: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how far along its range each configuration draws the number at `path`, [budget] in [0, 1)."""
    return np.random.default_rng([seed, zlib.crc32(path.encode())]).random(budget)


def _structure(config: Any) -> dict[str, Any]:
    """Return the fields that may size or time a part, which a population shares: all but real numbers."""
    names = [one.name for one in dataclasses.fields(config) if one.type not in ("float", float)]
    return {name: getattr(config, name) for name in names}


def replaced(thing: Any, path: list[str], value: float, whole: str) -> Any:
    """Return `thing` with `value` in the place that `path` leads to; `whole` is the path as it was given.

    Raises:
        ValueError: the path leads nowhere.
    """
    name, *rest = path
    if isinstance(thing, tuple):  # channels of one's own, by name
        chosen = [one for one in thing if one.channel.name == name]
        if len(chosen) != 1 or not rest:
            raise ValueError(
                f"search: got the path {whole!r}, expected {name!r} to name one of {len(thing)} channels"
            )
        return tuple(replaced(one, rest, value, whole) if one is chosen[0] else one for one in thing)
    kinds = (
        {one.name: one.type for one in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else {}
    )
    if name not in kinds:
        raise ValueError(f"search: got the path {whole!r}, expected {type(thing).__name__} to have {name!r}")
    if rest:
        new = replaced(getattr(thing, name), rest, value, whole)
    else:
        new = _whole(whole, value) if kinds[name] in ("int", int) else value
    return dataclasses.replace(thing, **{name: new})


def _whole(path: str, value: float) -> int:
    if value != int(value):
        raise ValueError(f'search: got {value!r} for {path!r}, expected an integer (scale "integer")')
    return int(value)
