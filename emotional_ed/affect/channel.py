"""What every affect has in common: a level that may also bend how the agent acts and learns."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from emotional_ed.affect.drive import Drive
from emotional_ed.nested import Clock, Level, Signals

LARGEST_GAIN = 1e6
"""Upper end of every gain: products of several stay finite in single precision."""


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """Base of every channel's configuration; numbers in its fields reach the channel as tensors [P]."""

    channel: ClassVar[type[Channel]]
    """The channel that it configures; set when that class is defined."""


class Setting(NamedTuple):
    """Where a channel lives."""

    population: int
    """P."""
    actions: int
    """A."""
    keys: int
    """Number of one-hot keys, or of features, K."""
    active: int
    """How many features of a state are 1 at a time; 1 for one-hot keys, so that their sum is a mean."""
    levels: Mapping[str, Channel]
    """The channels that this one `needs`, by name; once all are built, also those that it comes `after`."""


class Prospect(NamedTuple):
    """What is known of a step before level 0 has its target."""

    key: Tensor
    """Memory key of the state acted in: [P] int64, [P, T] int64 active features, or features [P, K]."""
    next_key: Tensor
    """Memory key of the state reached, before any reset."""
    action: Tensor
    """[P] int64."""
    chosen: Tensor
    """[P, A] bool, one-hot of `action`."""
    greedy: Tensor
    """[P] bool, whether the action was the one expected to be best."""
    moved: Tensor
    """[P] bool, whether the observation changed."""
    done: Tensor
    """[P] bool, terminated or truncated."""
    values: Tensor
    """[P, A], what level 0 holds of the state acted in."""
    discount: Tensor
    """[P], level 0's."""


class Channel(Level, ABC):
    """A level that appraises each step and may bend action selection and learning.

    To make one of your own, write one class: name it, nest its configuration as `Config`, set up its state
    in `start`, change it in `update`, and override `modulate` or `bend_step`. Then list the configuration in
    `AffectConfig(own=(Boredom.Config(),))`. `examples/own_channel.py` does it.

    Class attributes:
        name: unique; also the name of its signal.
        Config: its own frozen dataclass with defaults, derived from `ChannelConfig`.
        clock: when `update` is due; every step unless set.
        after: levels whose results of the same step it uses.
        needs: channels that must be there and are handed over in `setting.levels`.

    Raises:
        TypeError: the class lacks a name or a `Config` of its own, or takes a name that is taken.
    """

    name: str
    Config: ClassVar[type[ChannelConfig]]
    clock: Clock = Clock(period=1)
    after: tuple[str, ...] = ("surprise",)
    needs: ClassVar[tuple[str, ...]] = ()
    registry: ClassVar[dict[str, type[Channel]]] = {}
    """Every channel that was defined, by name."""

    present: Tensor
    """[P] 1 where the member has this channel, else 0."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls):
            return
        name, config = getattr(cls, "name", None), getattr(cls, "Config", None)
        if not isinstance(name, str) or not name.isidentifier() or hasattr(nn.ModuleDict, name):
            raise TypeError(
                f"{cls.__name__}.name: got {name!r}, expected an identifier that torch leaves free"
            )
        own = _checked_config(cls, config)
        other = Channel.registry.get(name)
        if other is not None and not _is_same(other, cls):
            raise TypeError(f"{cls.__name__}.name: got {name!r}, which {other.__qualname__} has already")
        own.channel = cls
        Channel.registry[name] = cls

    def __init__(self, configs: Sequence[Any], setting: Setting, present: Sequence[bool]) -> None:
        super().__init__(type(self).name, self.clock_of(configs), after=type(self).after)
        self.setting = setting
        self.register_buffer("present", torch.tensor(present, dtype=torch.float32), persistent=False)
        self.everywhere = all(present)
        for field in dataclasses.fields(configs[0]):
            if all(isinstance(getattr(config, field.name), int | float) for config in configs):
                self.register_buffer(field.name, stack(configs, field.name), persistent=False)
        self.start(configs)

    @classmethod
    def clock_of(cls, configs: Sequence[Any]) -> Clock:
        """Return the clock of a population; override it where configurations choose the pace."""
        return cls.clock

    def start(self, configs: Sequence[Any]) -> None:
        """Set up memories and buffers with leading axis P; numbers of the configuration are there already."""

    def remember(self, *names: str) -> None:
        """Add buffers of zeros [P] to the state."""
        for name in names:
            self.register_buffer(name, torch.zeros(self.setting.population))

    def hear(self, signals: Signals, name: str) -> Tensor | None:
        """Return what a channel of `after` said in this step, 0 for members without it; None if none has."""
        said, speaker = signals.get(name), self.setting.levels.get(name)
        if said is None or speaker is None or speaker.everywhere:
            return said
        return torch.where(speaker.present > 0, said, 0.0)

    def cut_episode(self) -> None:
        """Forget what belongs to the running episode, because it was cut off and will not end."""

    def begin_anew(self, who: Tensor) -> None:
        """Forget what belongs to the situation that was: recall begins another for `who` [P] bool."""

    def modulate(self, key: Tensor) -> Drive | None:
        """Return how this channel bends the choice in the state with memory key `key`; changes no state."""
        return None

    @property
    def foresees(self) -> bool:
        """Whether `foresee` is to be asked."""
        return type(self).foresee is not Channel.foresee

    def foresee(self, prospect: Prospect) -> Tensor | None:
        """Return what this channel adds to the values of the state reached, [P, A]; None adds nothing.

        Asked before level 0 has its target, so that it learns what the agent will do there.
        """
        return None

    def bend_step(self, signals: Signals) -> Tensor | None:
        """Return this step's factor on level 0's step size, [P] >= 0; None bends nothing."""
        return None


def _checked_config(cls: type[Channel], config: Any) -> type[ChannelConfig]:
    """Refuse what is no dataclass of the channel's own, or has fields that would overwrite its parts."""
    if not (inspect.isclass(config) and issubclass(config, ChannelConfig) and config is not ChannelConfig):
        raise TypeError(f"{cls.__name__}.Config: got {config!r}, expected a class derived from ChannelConfig")
    if "__dataclass_fields__" not in vars(config):
        raise TypeError(f"{cls.__name__}.Config: got {config!r}, expected @dataclass(frozen=True) above it")
    other = vars(config).get("channel")
    if other is not None and not _is_same(other, cls):
        raise TypeError(f"{cls.__name__}.Config: got that of {other.__qualname__}, expected one of its own")
    taken = [one.name for one in dataclasses.fields(config) if one.name in _PARTS or hasattr(cls, one.name)]
    if taken:
        raise TypeError(
            f"{cls.__name__}.Config: got fields {taken}, expected names that a channel leaves free"
        )
    return config


_PARTS = ("present", "setting", "everywhere", "training")  # attributes of every channel


def _is_same(one: type, other: type) -> bool:
    """Tell a class that was defined anew (in a notebook) from another of the same name."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def stack(configs: Sequence[Any], field: str) -> Tensor:
    """Return one field of every member's configuration as a tensor [P], float32."""
    return torch.tensor([float(getattr(config, field)) for config in configs], dtype=torch.float32)


def commit(buffer: Tensor, new: Tensor, due: Tensor | None) -> None:
    """Store `new` in `buffer` [P, ...] for the members that are due (None: all)."""
    if due is None:
        buffer.copy_(new)
    elif new.dtype == buffer.dtype:
        torch.where(due.view(-1, *[1] * (buffer.ndim - 1)), new, buffer, out=buffer)
    else:
        buffer.copy_(torch.where(due.view(-1, *[1] * (buffer.ndim - 1)), new, buffer))


def same_for_all(configs: Sequence[Any], field: str) -> Any:
    """Return a field that a whole population must share, or raise `ValueError`."""
    values = sorted({getattr(config, field) for config in configs}, key=repr)
    if len(values) > 1:
        kind = type(configs[0]).__name__
        raise ValueError(f"{kind}.{field}: got {values}, expected one for the whole population")
    return values[0]
