"""Arousal, joy, regret and curiosity at work, each beside its control, in one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, ArousalConfig, CuriosityConfig, JoyConfig, RegretConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis.events import Around, around, mean_interval
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.envs import FullFeedbackEnv
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Record, Scope, key_of
from emotional_ed.experiments.inner.scene import Scene, course, share

_PERIOD = 100  # episodes of a regime
_ARMS_PERIOD = 50  # episodes between two rearrangements of the arms
_REGIMES = dataclasses.replace(TASKS["noisy-regimes"], steps=6000)
_CONSTANT = dataclasses.replace(TASKS["constant-regime"], steps=6000)
_FEEDBACK = dataclasses.replace(TASKS["full-feedback"], steps=6000)
_MAZE = dataclasses.replace(TASKS["sparse-maze"], steps=3000)
_BEFORE, _AFTER = 10, 40


def _affect(shuffled: bool = False, **parts: object) -> AffectConfig:
    one: dict[str, Any] = {**parts, "shuffled": tuple(parts) if shuffled else ()}
    return dataclasses.replace(AffectConfig.levels(0), **one)


def changes(record: Record, period: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return episode and member of every change that is followed by `after` whole episodes, both [E].

    Raises:
        ValueError: nobody lived long enough.
    """
    lived = record["done"].sum(0)
    pairs = [
        (episode, member)
        for member, number in enumerate(lived)
        for episode in range(period, int(number) - after, period)
    ]
    if not pairs:
        raise ValueError(
            f"episodes: got at most {lived.max()} of a member, expected more than {period + after}"
        )
    when, who = np.array(pairs, dtype=np.int64).T
    return when, who


def _at_changes(record: Record, name: str, how: str, period: int) -> Around:
    return around(record.by_episode(name, how), *changes(record, period, _AFTER), _BEFORE, _AFTER - 1)


def _arousal(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    felt = {
        task.env_kwargs.get("period", _PERIOD): Life(
            task=task, affect=_affect(arousal=ArousalConfig()), signals=("arousal",)
        ).record(scope)
        for task in (_REGIMES, _CONSTANT)
    }
    changing, constant = (_at_changes(record, "arousal", "mean", _PERIOD) for record in felt.values())
    panel = Panel(
        title="Arousal after a change, and in noise alone",
        across="episodes from a change of regime",
        up="arousal, 0 to 1",
        lines=[
            course(changing, label="regimes that change"),
            course(constant, label="as noisy, without a change", role="control"),
        ],
        moment=0.0,
        limits=(0.0, 0.25),
        legend="upper right",
    )
    numbers = {"arousal": float(changing.mean[_BEFORE:].max()), "arousal_noise": float(constant.mean.max())}
    return [panel], numbers


def _joy(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    config = JoyConfig(gain=10.0)
    record, mixed = (
        Life(task=_REGIMES, affect=_affect(shuffled, joy=config), signals=("joy",), exploration=0.2).record(
            scope
        )
        for shuffled in (False, True)
    )
    joy = _at_changes(record, "joy", "mean", _PERIOD)
    explored, other = (_at_changes(one, "explored", "mean", _PERIOD) for one in (record, mixed))
    panel = Panel(
        title="Joy and how much is tried",
        across="episodes from a change of regime",
        up="share of random steps",
        up_right="joy, in standard surprises",
        lines=[
            course(explored, label="random steps"),
            course(other, label="with joy shuffled", role="control"),
            course(joy, label="joy (right)", role="other", right=True),
        ],
        moment=0.0,
        limits=(0.0, 0.25),
        legend="upper right",
    )
    return [panel], {
        "random_before": 100 * float(explored.mean[:_BEFORE].mean()),
        "random_after": 100 * float(explored.mean[_BEFORE : _BEFORE + 5].mean()),
        "random_shuffled": 100 * float(other.mean[_BEFORE : _BEFORE + 5].mean()),
    }


def best_arm(record: Record) -> NDArray[np.bool_]:
    """Return where the arm that is best in its time was chosen, [T, P]."""
    best = FullFeedbackEnv(period=_ARMS_PERIOD).model.reward[:, 0].mean(-1).argmax(-1)  # [C]
    return np.asarray(record["action"] == best[record["episode"] // _ARMS_PERIOD % len(best)])


def _regret(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    lives = {
        kind: Life(
            task=_FEEDBACK, affect=_affect(kind == "shuffled", regret=RegretConfig()), signals=("regret",)
        ).record(scope)
        for kind in ("regret", "shuffled")
    }
    lives["without"] = Life(task=_FEEDBACK, affect=AffectConfig.levels(0)).record(scope)
    chosen = {
        kind: _at_changes(
            dataclasses.replace(record, columns={**record.columns, "best": best_arm(record)}),
            "best",
            "mean",
            _ARMS_PERIOD,
        )
        for kind, record in lives.items()
    }
    felt = _at_changes(lives["regret"], "regret", "mean", _ARMS_PERIOD)
    panel = Panel(
        title="Regret and the choice of the best arm",
        across="episodes from a rearrangement of the arms",
        up="share that choose the best arm",
        up_right="regret, in units of reward",
        lines=[
            course(chosen["regret"], label="with regret"),
            course(chosen["shuffled"], label="regret shuffled in time", role="control"),
            course(chosen["without"], label="without", role="plain"),
            course(felt, label="regret (right)", role="other", right=True),
        ],
        moment=0.0,
        limits=(0.0, 1.55),
        legend="upper right",
    )
    return [panel], {
        f"best_{kind}": 100 * float(one.mean[_BEFORE : _BEFORE + 10].mean()) for kind, one in chosen.items()
    }


def _novelty(model: EmotionalQ) -> Mapping[str, Tensor]:
    return {"novelty": model.affect.level("curiosity").memory.read(key_of(model))}


def _curiosity(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    lives = {
        "with": Life(task=_MAZE, affect=_affect(curiosity=CuriosityConfig()), look=_novelty).record(scope),
        "shuffled": Life(task=_MAZE, affect=_affect(True, curiosity=CuriosityConfig())).record(scope),
        "without": Life(task=_MAZE, affect=AffectConfig.levels(0)).record(scope),
    }
    tried = {kind: tried_so_far(record) for kind, record in lives.items()}
    novelty, done = lives["with"]["novelty"], lives["with"]["action"][..., None]
    taken = np.take_along_axis(novelty, done, -1)[..., 0]
    chosen = ~lives["with"]["explored"]
    steps = np.arange(1, len(tried["with"]) + 1)[::50]
    lines = []
    for kind, role, label in (
        ("with", "felt", "with curiosity"),
        ("shuffled", "control", "curiosity shuffled"),
        ("without", "plain", "without"),
    ):
        found = np.array([mean_interval(row) for row in tried[kind][::50]])
        lines.append(Line(x=steps, y=found[:, 0], low=found[:, 1], high=found[:, 2], role=role, label=label))
    panel = Panel(
        title="Curiosity and how much is tried out",
        across="steps in a maze without any reward yet",
        up="different things done",
        lines=lines,
        legend="lower right",
    )
    return [panel], {
        "new_taken": float(np.nanmean(share(taken[:500], chosen[:500]))),
        "new_mean": float(np.nanmean(share(novelty.mean(-1)[:500], chosen[:500]))),
        **{f"tried_{kind}": float(one[min(999, len(one) - 1)].mean()) for kind, one in tried.items()},
    }


def tried_so_far(record: Record) -> NDArray[np.int64]:
    """Return how many different (observation, action) each member has done by each step, [T, P]."""
    actions = int(record["action"].max()) + 1
    pair = record["observation"] * actions + record["action"]
    new = np.zeros(pair.shape, dtype=np.int64)
    for member in range(record.members):
        new[np.unique(pair[:, member], return_index=True)[1], member] = 1
    return np.asarray(new.cumsum(0))


def others(scope: Scope) -> Scene:
    """The four smaller emotions in one picture."""
    panels: list[Panel] = []
    numbers: dict[str, float] = {}
    for make in (_arousal, _joy, _regret, _curiosity):
        more, found = make(scope)
        panels += more
        numbers |= found
    return Scene(
        title="Arousal, joy, regret and curiosity",
        panels=panels,
        numbers=numbers,
        says="Arousal reached {arousal:.2f} after a change of regime and {arousal_noise:.2f} at most "
        "where outcomes are as noisy "
        "and nothing changes. With joy {random_before:.1f} % of steps were random before a change and "
        "{random_after:.1f} % in the "
        "five episodes after it (shuffled {random_shuffled:.1f} %). In the ten episodes after the arms "
        "were rearranged the best "
        "one was chosen in {best_regret:.0f} % of steps with regret, {best_shuffled:.0f} % with regret "
        "shuffled and "
        "{best_without:.0f} % without. In the maze the novelty of what was done in the first 500 steps "
        "was {new_taken:.2f}, that "
        "of all that could be done {new_mean:.2f}; by step 1000 {tried_with:.0f} different things had "
        "been done with "
        "curiosity, {tried_shuffled:.0f} with curiosity shuffled, {tried_without:.0f} without.",
        settings=f"noisy-regimes and constant-regime {_REGIMES.steps} steps, full-feedback "
        f"{_FEEDBACK.steps}, sparse-maze "
        f"{_MAZE.steps}; arousal, regret and curiosity as by default; joy with gain 10 and exploration 0.2",
    )
