"""Recall at work: the memory of the regime that is back takes over after the change, at no other time."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from emotional_ed.affect import AffectConfig, MoodConfig, RecallConfig, TemperamentConfig
from emotional_ed.analysis.events import around, cut_out
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Scope
from emotional_ed.experiments.inner.scene import Scene, course

_PERIOD = 100  # episodes of a regime
_TASK = TASKS["noisy-regimes"]
_BEFORE, _AFTER = 20, 40
_KNOWN = 2  # changes before which a regime may be new
_SIGNALS = ("slot", "displeasure", "mood", "surprise")


def _life(cue: str) -> Life:
    recall = RecallConfig() if cue == "displeasure" else RecallConfig(cue="chance", threshold=float(_PERIOD))
    affect = dataclasses.replace(
        AffectConfig.levels(0),
        mood=MoodConfig(exploration_gain=0.0),
        temperament=TemperamentConfig(),
        recall=recall,
    )
    return Life(task=_TASK, affect=affect, signals=_SIGNALS)


def switches(slots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return in which episodes another memory answers than in the one before, [N, P], NaN where unknown."""
    change = np.zeros_like(slots)
    change[1:] = slots[1:] != slots[:-1]
    unknown = np.isnan(slots)
    unknown[1:] |= unknown[:-1]
    return np.where(unknown, np.nan, change)


def changes(
    slots: NDArray[np.float64], period: int, after: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return episode and member of each change of regime that was lived through, without the first ones."""
    lived = np.isfinite(slots).sum(0)
    pairs = [
        (episode, member)
        for member, number in enumerate(lived)
        for episode in range(_KNOWN * period, int(number) - after, period)
    ]
    when, who = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return when, who


def delays(
    switched: NDArray[np.float64], when: NDArray[np.int64], who: NDArray[np.int64], period: int
) -> NDArray[np.float64]:
    """Return episodes from each change to the first switch, [E]; infinite if none came in time."""
    cut = cut_out(np.nan_to_num(switched), when, who, 0, period - 1) > 0
    return np.where(cut.any(-1), cut.argmax(-1), np.inf)


def recall(scope: Scope) -> Scene:
    """Recall aligned at changes of regime, beside memories that are switched by chance."""
    lives = {cue: _life(cue).record(scope) for cue in ("displeasure", "chance")}
    slots = {cue: record.by_episode("slot") for cue, record in lives.items()}
    switched = {cue: switches(one) for cue, one in slots.items()}
    events = {cue: changes(slots[cue], _PERIOD, _AFTER) for cue in lives}
    turn = {cue: around(switched[cue], *events[cue], _BEFORE, _AFTER) for cue in lives}
    earned = {
        cue: around(lives[cue].by_episode("reward", "sum"), *events[cue], _BEFORE, _AFTER) for cue in lives
    }
    own, when = lives["displeasure"], events["displeasure"]
    felt = around(own.by_episode("displeasure"), *when, _BEFORE, _AFTER)
    mood = around(own.by_episode("mood"), *when, _BEFORE, _AFTER)
    waits = {cue: delays(switched[cue], *events[cue], _PERIOD) for cue in lives}
    panels = [
        Panel(
            title="The memory is switched right after the change",
            across="episodes from a change of regime",
            up="share that switch in this episode",
            lines=[
                course(turn["displeasure"], label="displeasure as the cue"),
                course(turn["chance"], label="chance as the cue", role="control"),
            ],
            moment=0.0,
            moment_label="change",
            shaded=[(0, _AFTER)],
            legend="upper right",
        ),
        Panel(
            title="Displeasure is the cue, mood follows slowly",
            across="episodes from a change of regime",
            up="strength",
            limits=(-0.05, 0.65),
            lines=[
                course(felt, label="displeasure: how near another memory is"),
                course(mood, label="mood", role="other"),
            ],
            moment=0.0,
            shaded=[(0, _AFTER)],
            legend="upper right",
        ),
        Panel(
            title="What that is worth",
            across="episodes from a change of regime",
            up="return of an episode",
            lines=[
                course(earned["displeasure"], label="displeasure as the cue"),
                course(earned["chance"], label="chance as the cue", role="control"),
            ],
            moment=0.0,
            shaded=[(0, _AFTER)],
            legend="lower right",
        ),
        one_life(slots["displeasure"][:, 0], own.by_episode("displeasure")[:, 0]),
    ]
    here = [cut_out(np.nan_to_num(switched[cue]), *events[cue], 0, 19).any(-1).mean() for cue in lives]
    away = np.nanmean(cut_out(switched["displeasure"], *when, _BEFORE, 0)[:, :_BEFORE])
    numbers = {
        "wait": float(np.median(waits["displeasure"])),
        "wait_chance": float(np.median(waits["chance"])),
        "soon": 100 * float(here[0]),
        "soon_chance": 100 * float(here[1]),
        "false": 100 * float(away),
        "members": float(np.nanmean(np.nanmax(slots["displeasure"], axis=0) + 1)),
        "changes": float(len(when[0])),
    }
    return Scene(
        title="Recall: two regimes of reward that take turns every 100 episodes, outcomes noisy",
        panels=panels,
        numbers=numbers,
        says="Over {changes:.0f} changes of regime (the first two of each member left out) the median "
        "wait from the "
        "change to a switch of memory was {wait:.0f} episodes; within 20 episodes {soon:.0f} % had "
        "switched. In the 20 "
        "episodes before a change {false:.2f} % of episodes brought a switch. With as many memories "
        "switched by "
        "chance the median wait was {wait_chance:.0f} episodes, and {soon_chance:.0f} % switched within "
        "20. The "
        "highest memory used was number {members:.1f} on average.",
        settings=f"noisy-regimes, {_TASK.steps} steps, recall as by default, mood without an effect of "
        f"its own on "
        f"exploration; by chance: a switch every {_PERIOD} episodes on average, on a fixed timetable that "
        "is the same for all members, so its waits are those of one timetable",
    )


def one_life(slots: NDArray[np.float64], displeasure: NDArray[np.float64]) -> Panel:
    """Return one member's life: which memory answered, over the regimes in force."""
    known = int(np.isfinite(slots).sum())
    return Panel(
        title="One member (shaded: the second regime)",
        across="episode",
        up="memory in use",
        up_right="displeasure",
        lines=[
            Line(y=displeasure[:known], role="third", right=True, thin=True, label="displeasure"),
            Line(y=slots[:known] + 1, steps=True, label="memory in use"),
        ],
        limits=(0.8, max(float(np.nanmax(slots)) + 1, 2) + 1.2),
        shaded=[(start, min(start + _PERIOD, known)) for start in range(_PERIOD, known, 2 * _PERIOD)],
        legend="upper left",
    )
