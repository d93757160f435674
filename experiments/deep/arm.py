"""An arm of a deep contest: affect, replay and resets as data, and what is searched before it is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.deep.deep_sleep import DeepSleepConfig
from emotional_ed.agents.deep.rivals import EZGreedyDQN, IntrinsicFearBuffer, Resets, careful_qrdqn
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.experiments.contests.arm import Range, Setting, replaced, uniform_shares
from emotional_ed.experiments.deep.task import DeepTask

COMMON: Mapping[str, Range] = MappingProxyType(
    {
        "learning_rate": Range(1e-4, 3e-3),
        "exploration_final_eps": Range(0.01, 0.1),
        "target_update_interval": Range(50, 1000, "log-integer"),
    }
)
"""What every arm is searched over: arguments of `EmotionalDQN`."""
_SHARES = ("exploration_fraction",)
_WHOLE = ("target_update_interval", "buffer_size", "batch_size", "train_freq", "gradient_steps")


@dataclass(frozen=True, kw_only=True)
class PrioritisedConfig:
    """Replay by priority: of errors, and of salience."""

    alpha: float = 0.6
    """How strongly errors matter, in [0, 1]."""
    beta: float = 0.4
    """Exponent of the importance weights at the start, in [0, 1]; 1 at the end of the run."""
    uniform: float = 0.0
    """Share of even draws, in [0, 1]."""
    salience_share: float = 0.0
    """Share of the other draws that follow what was felt, in [0, 1]."""

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "uniform", "salience_share"):
            require_range(f"PrioritisedConfig.{name}", getattr(self, name), 0, 1)


@dataclass(frozen=True, kw_only=True)
class DangerConfig:
    """Intrinsic fear: a network of dangerous states whose fear is taken off the rewards."""

    penalty: float = 1.0
    """What a fear of 1 costs, in units of reward, >= 0."""
    radius: int = 3
    """Steps before a catastrophe that are dangerous, >= 1."""
    phase_in: int = 2000
    """Steps over which the penalty rises, >= 0."""

    def __post_init__(self) -> None:
        require_range("DangerConfig.penalty", self.penalty, 0)
        require_int("DangerConfig.radius", self.radius, 1)
        require_int("DangerConfig.phase_in", self.phase_in, 0)


@dataclass(frozen=True, kw_only=True)
class ResetsConfig:
    """Now and then the last layers are forgotten."""

    every: int = 5000
    """Steps between two resets, >= 1."""
    layers: int = 1
    """Linear layers that are reset, >= 1."""

    def __post_init__(self) -> None:
        require_int("ResetsConfig.every", self.every, 1)
        require_int("ResetsConfig.layers", self.layers, 1)


@dataclass(frozen=True, kw_only=True)
class HeldConfig:
    """Random actions are held for a while."""

    exponent: float = 2.0
    """Of the distribution of durations, in [0, 100]; the lower, the longer."""
    cap: int = 100
    """Longest duration in steps, in [1, 10000]."""

    def __post_init__(self) -> None:
        require_range("HeldConfig.exponent", self.exponent, 0, 100)
        require_int("HeldConfig.cap", self.cap, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class RiskConfig:
    """Quantile regression, and a choice by the worst share of the outcomes."""

    share: float = 0.25
    """Of the outcomes that decide, in (0, 1]."""
    quantiles: int = 25
    """Quantiles of every action, >= 1."""

    def __post_init__(self) -> None:
        require_range("RiskConfig.share", self.share, 0, 1, low_open=True)
        require_int("RiskConfig.quantiles", self.quantiles, 1)


@dataclass(frozen=True, kw_only=True)
class DeepArm:
    """How a deep agent is built; numbers in `search` and `fixed` overwrite those of its parts.

    Example:
        >>> arm = DeepArm(resets=ResetsConfig(), search={"resets.every": Range(1000, 9000, "log-integer")})
        >>> sorted(arm.draw(1, seed=0)[0])
        ['exploration_final_eps', 'learning_rate', 'resets.every', 'target_update_interval']
    """

    affect: AffectConfig = field(default_factory=lambda: AffectConfig.levels(0))
    """The levels above level 0."""
    double: bool = False
    """Whether the online network chooses the next action of a target."""
    fear_on: str = "action"
    """"action" or "target", see `EmotionalDQN`."""
    width: int = 1
    """Times as many hidden units as the task has, >= 1."""
    replay: PrioritisedConfig | None = None
    """Prioritised replay instead of an even one."""
    danger: DangerConfig | None = None
    """Intrinsic fear; not together with `replay`."""
    resets: ResetsConfig | None = None
    """Resets of the last layers."""
    held: HeldConfig | None = None
    """Exploration by random actions that are held; only without affect."""
    risk: RiskConfig | None = None
    """Quantiles instead of values, and no affect."""
    sleep: DeepSleepConfig | None = None
    """Gradient steps between episodes; only with `replay`."""
    search: Mapping[str, Range] = field(default_factory=dict)
    """Path -> where it is searched, beside `COMMON` and what the task adds."""
    fixed: Setting = field(default_factory=dict)
    """Path -> number that is not searched, e.g. {"learning_rate": 0.0} for a control."""
    role: str = "rival"
    """"own" (a form of the full agent), "control" (what it must beat to mean anything) or "rival"."""
    note: str = ""
    """What it is there for."""

    def __post_init__(self) -> None:
        require_choice("role", self.role, ("own", "control", "rival"))
        require_choice("fear_on", self.fear_on, ("action", "target"))
        require_int("width", self.width, 1)
        if self.danger is not None and self.replay is not None:
            raise ValueError("danger: got it together with replay, expected one of them")
        if self.risk is not None and (self.replay is not None or self.double or not self.affect.is_plain):
            raise ValueError("risk: got it with affect, double or replay, expected it without them")
        if self.held is not None and not self.affect.is_plain:
            raise ValueError("held: got it with affect, expected it without")
        if self.sleep is not None and self.replay is None:
            raise ValueError(f"sleep: got {self.sleep!r} without replay, expected replay=PrioritisedConfig()")
        for path, one in self.search.items():
            one.check(f"search[{path!r}]")
            self.configured({path: one.at(0.5)})
        self.configured(self.fixed)

    def draw(self, budget: int, seed: int, also: Mapping[str, Range] | None = None) -> list[dict[str, float]]:
        """Return `budget` random settings; what arms have in common is drawn the same for all of them.

        Args:
            budget: how many.
            seed: of the draws.
            also: what the task adds to the search of every arm.
        """
        ranges = {**COMMON, **(also or {}), **self.search}
        columns = {path: uniform_shares(path, budget, seed) for path in ranges}
        drawn = [
            {path: one.at(float(columns[path][i])) for path, one in ranges.items()} for i in range(budget)
        ]
        return [{**one, **self.fixed} for one in drawn]

    def configured(self, setting: Setting) -> tuple[DeepArm, dict[str, Any]]:
        """Return the arm with the numbers of a setting in its parts, and those for `EmotionalDQN` itself.

        Raises:
            ValueError: a path leads nowhere.
        """
        arm, arguments = dataclasses.replace(self, search={}, fixed={}) if setting else self, {}
        for path, value in setting.items():
            parts = path.split(".")
            if len(parts) == 1:
                arguments[path] = _argument(path, value)
            elif getattr(self, parts[0], None) is None:
                raise ValueError(f"search: got the path {path!r}, expected one into a part of the arm")
            else:
                arm = replaced(arm, parts, value, path)
        return arm, arguments

    def build(self, task: DeepTask, setting: Setting, seed: int) -> tuple[Any, list[Any]]:
        """Return an untrained agent in its environment, and the callbacks that it learns with."""
        arm, arguments = self.configured(setting)
        world = task.make()
        hidden = [arm.width * units for units in task.hidden]
        common = {"gamma": task.discount, "seed": seed, "device": "cpu"}
        arguments = {**common, **task.settings, **arguments, **arm._replay(task)}
        model: Any
        if arm.risk is not None:
            model = careful_qrdqn(world, **dataclasses.asdict(arm.risk), hidden=hidden, **arguments)
        else:
            own: dict[str, Any] = {"affect": arm.affect, "double": arm.double, "fear_on": arm.fear_on}
            if arm.sleep is not None:
                own["sleep"] = arm.sleep
            kind = EmotionalDQN if arm.held is None else EZGreedyDQN
            own |= {} if arm.held is None else dataclasses.asdict(arm.held)
            model = kind("MlpPolicy", world, policy_kwargs={"net_arch": hidden}, **own, **arguments)
        resets = arm.resets
        return model, [] if resets is None else [Resets(resets.every, layers=resets.layers, seed=seed)]

    def _replay(self, task: DeepTask) -> dict[str, Any]:
        kind: Any
        if self.replay is not None:
            kind, options = SalienceReplayBuffer, dataclasses.asdict(self.replay)
            options["beta_steps"] = task.steps // int(task.settings.get("train_freq", 4))
        elif self.danger is not None:
            kind, options = IntrinsicFearBuffer, dataclasses.asdict(self.danger)
            options |= {"bad_reward": task.bad_reward, "falls": task.falls}
        else:
            return {}
        return {"replay_buffer_class": kind, "replay_buffer_kwargs": options}

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        for name in ("replay", "danger", "resets", "risk"):
            plain[name] = None if plain[name] is None else dataclasses.asdict(plain[name])
        for name in ("sleep", "held"):  # named only where there is one: folders from before they were go on
            part = plain.pop(name)
            if part is not None:
                plain[name] = dataclasses.asdict(part)
        return {
            **plain,
            "affect": self.affect.to_dict(),
            "search": {path: list(one) for path, one in self.search.items()},
            "fixed": dict(self.fixed),
        }


def _argument(path: str, value: float) -> float:
    if path in _WHOLE:
        return int(value)
    known = {*COMMON, *_SHARES, *_WHOLE}
    if path not in known:
        raise ValueError(f"search: got the path {path!r}, expected one of {sorted(known)} or a part")
    return value
