"""Learned weights at work: anger is trusted where it helps, and rage turned down where it harms."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from emotional_ed.affect import AffectConfig, AngerConfig, WeightsConfig
from emotional_ed.analysis.events import mean_interval
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.experiments.contests.tasks import Task
from emotional_ed.experiments.disorders.catalogue import SITUATIONS
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene

_RAGE = AngerConfig(cap=1000, step_size=0.0, helplessness=0.0)  # it pushes for ever and learns nothing
_PLACES = {
    "jammed-door": (AngerConfig(), "Anger that learns, at a jammed door"),
    "one-push-doors": (_RAGE, "Rage, where one push tells all"),
}
_GAINS = {"learned": (1.0, 0.0), "1": (1.0,), "0": (0.0,)}
_ROLES = {"learned": "felt", "1": "control", "0": "other"}
_LABELS = {"learned": "learned weight", "1": "weight 1: always trusted", "0": "weight 0: never"}
_POINTS = 20
_STEPS = 8000


def _task(place: str) -> Task:
    return dataclasses.replace(SITUATIONS[place], steps=_STEPS)


def _life(place: str, gains: tuple[float, ...]) -> Life:
    affect = dataclasses.replace(
        AffectConfig.levels(0),
        anger=_PLACES[place][0],
        weights=WeightsConfig(channels=("anger",), gains=gains),
    )
    return Life(task=_task(place), affect=affect, step_size=0.3, exploration=0.1, signals=("weight_anger",))


def over_life(values: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Return the mean of [T, P] in each of `points` equal parts of life, [points, P]; NaN is left out."""
    part = np.arange(len(values)) * points // len(values)
    return np.stack([np.nanmean(values[part == number], axis=0) for number in range(points)])


def earned_over_life(record: Record, points: int) -> NDArray[np.float64]:
    """Return the mean reward an episode in each part of life, [points, P]; NaN where none ends."""
    part = np.arange(record.steps) * points // record.steps
    total = np.stack([record["reward"][part == number].sum(0) for number in range(points)])
    count = np.stack([record["done"][part == number].sum(0) for number in range(points)])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _line(x: NDArray[np.float64], values: NDArray[np.float64], kind: str) -> Line:
    found = np.array([mean_interval(row) for row in values])
    return Line(x=x, y=found[:, 0], low=found[:, 1], high=found[:, 2], role=_ROLES[kind], label=_LABELS[kind])


def weights(scope: Scope) -> Scene:
    """The weight of anger where it helps, and of rage where it harms, beside constant ones."""
    panels, numbers = [], {}
    for place, (_, title) in _PLACES.items():
        lives = {kind: _life(place, gains).record(scope) for kind, gains in _GAINS.items()}
        trust = over_life(lives["learned"]["weight_anger"], _POINTS)
        x = (np.arange(_POINTS) + 0.5) * lives["learned"].steps / _POINTS
        panels.append(
            Panel(
                title=title,
                across="steps",
                up="weight of anger",
                lines=[
                    Line(x=x, y=trust[:, 0], thin=True, label="one member"),
                    _line(x, trust, "learned"),
                ],
                limits=(-0.05, 1.25),
                legend="upper right",
            )
        )
        panels.append(
            Panel(
                title="... what trusting it is worth there",
                across="steps",
                up="return of an episode",
                lines=[_line(x, earned_over_life(record, _POINTS), kind) for kind, record in lives.items()],
                legend="center right" if place == "jammed-door" else "lower right",
            )
        )
        name = place.replace("-", "_")
        late = slice(lives["learned"].steps // 2, None)
        numbers[f"{name}_trust"] = float(lives["learned"]["weight_anger"][late].mean())
        for kind, record in lives.items():
            numbers[f"{name}_{kind}"] = float(_per_episode(record).mean())
    return Scene(
        title="Learned weights: how far an emotion is trusted where it helps and where it harms",
        panels=panels,
        numbers=numbers,
        says="In the second half of life anger was trusted by {jammed_door_trust:.2f} at the jammed door, "
        "and rage by {one_push_doors_trust:.2f} where one push tells all. The mean return of an episode with "
        "the learned weight, weight 1 and weight 0 was {jammed_door_learned:.3f}, {jammed_door_1:.3f} and "
        "{jammed_door_0:.3f} at the jammed door, {one_push_doors_learned:.3f}, {one_push_doors_1:.3f} and "
        "{one_push_doors_0:.3f} where one push tells all.",
        settings="jammed-door with anger as by default; mixed-doors that open at the first push or never, "
        f"with anger of cap 1000 that learns nothing; {_STEPS} steps, step size 0.3, exploration 0.1, "
        "weights as by default",
    )


def _per_episode(record: Record) -> NDArray[np.float64]:
    """Return each member's mean return of an episode, [P]."""
    return np.asarray(record["reward"].sum(0) / np.maximum(record["done"].sum(0), 1))
