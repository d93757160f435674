"""Level 0 in parts: what a critic, a policy and sleep have in common, and how a file names them."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from emotional_ed.affect.channel import stack


@dataclass(frozen=True, kw_only=True)
class RuleConfig:
    """Base of every rule's configuration; numbers in its fields reach the rule as tensors [P]."""

    rule: ClassVar[type[Rule]]
    """The rule that it configures; set when that class is defined."""


class Place(NamedTuple):
    """What a rule is built for."""

    population: int
    """P."""
    actions: int
    """A."""
    keys: int
    """Number of keys or features of one value memory, K."""
    slots: int
    """Value memories that recall chooses among, S; a critic holds S K keys."""
    active: int
    """Features that are 1 at a time."""
    seeds: tuple[int, ...]
    """One a member."""
    device: torch.device
    """Where it lives."""


class Rule(nn.Module, ABC):
    """A part of level 0 for a whole population; members differ in numbers, not in kind.

    Raises:
        TypeError: a concrete class lacks a name or a `Config`, or takes the name of another rule.
    """

    name: ClassVar[str]
    Config: ClassVar[type[RuleConfig]]
    registry: ClassVar[dict[str, type[Rule]]] = {}
    """Every rule that was defined, by name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls):
            return
        name, config = getattr(cls, "name", None), getattr(cls, "Config", None)
        if not isinstance(name, str) or not (inspect.isclass(config) and issubclass(config, RuleConfig)):
            raise TypeError(
                f"{cls.__name__}: got name {name!r} and Config {config!r}, expected a text and a RuleConfig"
            )
        other = Rule.registry.get(name)
        if other is not None and other.__qualname__ != cls.__qualname__:
            raise TypeError(f"{cls.__name__}: got the name {name!r}, which {other.__qualname__} has already")
        config.rule = cls
        Rule.registry[name] = cls

    def __init__(self, configs: Sequence[Any], place: Place) -> None:
        super().__init__()
        self.place = place
        for field in dataclasses.fields(configs[0]):
            if isinstance(getattr(configs[0], field.name), int | float):
                self.register_buffer(field.name, stack(configs, field.name), persistent=False)
        self.start(configs)
        self.to(place.device)

    def start(self, configs: Sequence[Any]) -> None:
        """Set up memories and buffers with leading axis P; numbers of the configuration are there already."""

    def cut_episode(self) -> None:
        """Forget what belongs to the running episode, because it was cut off and will not end."""


def build_rule(name: str, configs: Sequence[RuleConfig], place: Place) -> Any:
    """Build the rule of a population, or raise `ValueError` if its members are of different kinds."""
    kinds = {type(config) for config in configs}
    if len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(f"{name}: got {names}, expected one kind for a whole population")
    return configs[0].rule(configs, place)


def rule_to_dict(config: RuleConfig) -> dict[str, Any]:
    """Return a configuration as plain data."""
    return {"rule": config.rule.name, **dataclasses.asdict(config)}


def rule_from_dict(data: dict[str, Any]) -> Any:
    """Build a configuration from what `rule_to_dict` gave; a rule of one's own must be imported before.

    Raises:
        ValueError: the rule or a field is unknown, or a value is out of range.
    """
    values = dict(data)
    name = values.pop("rule", None)
    if name not in Rule.registry:
        raise ValueError(
            f"rule: got {name!r}, expected one of {sorted(Rule.registry)}; import its module first"
        )
    kind = Rule.registry[name].Config
    strange = sorted(set(values) - {one.name for one in dataclasses.fields(kind)})
    if strange:
        raise ValueError(f"{name}: got fields {strange}, expected those of {kind.__name__}")
    return kind(**{key: tuple(one) if isinstance(one, list) else one for key, one in values.items()})


class Moment(NamedTuple):
    """A transition of every member, as a critic needs it; remembered ones look like present ones."""

    key: Tensor
    """Key of the state acted in, in the value memory in use: [P] int64 or [P, T]."""
    next_key: Tensor
    """Key of the state reached."""
    action: Tensor
    """[P] int64."""
    chosen: Tensor
    """[P, A] bool, one-hot of `action`."""
    reward: Tensor
    """[P]."""
    terminated: Tensor
    """[P] bool, in Gymnasium's sense."""
    discount: Tensor
    """[P]."""
    epsilon: Tensor
    """[P], the probability of a random action."""
    forgone: Tensor | None = None
    """[P, A], rewards of all actions, where the environment tells and the agent may listen."""
    danger: Tensor | None = None
    """[P] in [0, 1], a declared danger, where the agent may listen."""
    done: Tensor | None = None
    """[P] bool, terminated or truncated; None where only the transition counts."""
    bias: Tensor | None = None
    """[P, A], what affect adds to the values of the state reached; None adds nothing."""

    def bent(self, values: Tensor) -> Tensor:
        """Return values [P, A] of the state reached as affect sees them."""
        return values if self.bias is None else values + self.bias
