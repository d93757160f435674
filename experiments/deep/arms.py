"""The arms of the deep contest: forms of the full agent, its controls, and its rivals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from emotional_ed.affect import AffectConfig, AngerConfig, RecallConfig
from emotional_ed.experiments.contests.arm import Range
from emotional_ed.experiments.deep.arm import (
    DangerConfig,
    DeepArm,
    HeldConfig,
    PrioritisedConfig,
    ResetsConfig,
    RiskConfig,
)
from emotional_ed.experiments.deep.task import DeepTask

PLAIN = "dqn"
"""The arm without anything beside it."""
_SHARE = Range(0.0, 1.0, "linear")
_FEAR = {
    "affect.fear.step_size": Range(0.1, 1.0),
    "affect.fear.caution": Range(0.05, 2.0),
    "affect.fear.avoidance": Range(0.5, 1.0, "linear"),
}
_ANGER = {
    "affect.anger.cap": Range(4, 16, "log-integer"),
    "affect.anger.step_size": Range(0.01, 0.3),
    "affect.anger.helplessness": Range(1e-4, 3e-3),
}
_RECALL = {"affect.recall.threshold": Range(2.0, 30.0)}


def deep_arms(task: DeepTask) -> dict[str, DeepArm]:
    """Return all arms for a task, by name.

    Intrinsic fear only where a catastrophe is declared, rivals that persist only where ways are blocked;
    there own arms and controls are searched over anger instead of fear.
    """
    told = task.bad_reward is not None or task.falls
    emotions = _ANGER if task.blocks else _FEAR
    persisting = _persisting() if task.blocks else {}
    own = {**_own(emotions), **_controls(emotions)}
    return {**{name: _replaying(arm, task) for name, arm in own.items()}, **_rivals(told), **persisting}


def _replaying(arm: DeepArm, task: DeepTask) -> DeepArm:
    """Let an arm with recall replay all its life, where the others search how much of it to replay.

    Replay of the last steps alone teaches the head in use, and lets the features move away from the others.
    """
    if "buffer_size" not in task.search or arm.affect.recall is None:
        return arm
    return dataclasses.replace(arm, fixed={**arm.fixed, "buffer_size": float(task.steps)})


def _own(emotions: Mapping[str, Range]) -> dict[str, DeepArm]:
    full = AffectConfig.levels(2)
    both = {**emotions, **_RECALL}
    return {
        "level-1": DeepArm(role="own", affect=AffectConfig.levels(1), search=emotions, note="emotions alone"),
        "level-2": DeepArm(role="own", affect=full, search=both, note="the full agent"),
        "level-2-salient": DeepArm(
            role="own",
            affect=full,
            replay=PrioritisedConfig(uniform=0.1, salience_share=0.5),
            search={**both, "replay.salience_share": _SHARE},
            note="and replay by what was felt",
        ),
    }


def _controls(emotions: Mapping[str, Range]) -> dict[str, DeepArm]:
    full = AffectConfig.levels(2)
    by_chance = dataclasses.replace(full, recall=RecallConfig(cue="chance"))
    return {
        "untaught": DeepArm(role="control", fixed={"learning_rate": 0.0}, note="learning rate 0"),
        "wide-dqn": DeepArm(role="control", width=2, note="twice the hidden units"),
        "level-2-shuffled": DeepArm(
            role="control",
            affect=dataclasses.replace(full, shuffled=("fear", "anger")),
            search={**emotions, **_RECALL},
            note="fear and anger at the wrong times",
        ),
        "level-2-by-chance": DeepArm(
            role="control",
            affect=by_chance,
            search={**emotions, "affect.recall.threshold": Range(2.0, 100.0)},
            note="recall switches at random",
        ),
    }


def _persisting() -> dict[str, DeepArm]:
    """Return rivals that persist without learning whether that pays."""
    return {
        "fixed-repeat": DeepArm(
            affect=dataclasses.replace(AffectConfig.levels(0), anger=AngerConfig()),
            fixed={"affect.anger.step_size": 0.0, "affect.anger.helplessness": 0.0},
            search={"affect.anger.cap": _ANGER["affect.anger.cap"]},
            note="pushes a blocked action up to the cap; nothing about that is learned",
        ),
        "ez-greedy": DeepArm(
            held=HeldConfig(),
            search={"held.exponent": Range(1.0, 4.0, "linear")},
            note="Dabney et al. (2021)",
        ),
    }


def _rivals(told: bool) -> dict[str, DeepArm]:
    fearing = DeepArm(
        danger=DangerConfig(),
        search={"danger.penalty": Range(0.1, 10.0), "danger.radius": Range(1, 10, "log-integer")},
        note="Lipton et al. (2016); is told what a catastrophe is",
    )
    return {
        PLAIN: DeepArm(note="Mnih et al. (2015)"),
        "double-dqn": DeepArm(double=True, note="van Hasselt et al. (2016)"),
        "prioritised-dqn": DeepArm(
            replay=PrioritisedConfig(),
            search={"replay.alpha": Range(0.2, 1.0, "linear"), "replay.beta": Range(0.2, 1.0, "linear")},
            note="Schaul et al. (2016)",
        ),
        **({"intrinsic-fear": fearing} if told else {}),
        "resets": DeepArm(
            resets=ResetsConfig(),
            search={
                "resets.every": Range(1000, 15_000, "log-integer"),
                "resets.layers": Range(1, 2, "integer"),
            },
            note="Nikishin et al. (2022)",
        ),
        "qr-dqn-cvar": DeepArm(
            risk=RiskConfig(), search={"risk.share": Range(0.05, 1.0)}, note="Dabney et al. (2018)"
        ),
    }
