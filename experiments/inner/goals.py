"""Recall that explores at work: the memory of the goal that is back, and what a blank one has to find."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from emotional_ed.affect import AffectConfig, MoodConfig, RecallConfig, TemperamentConfig
from emotional_ed.agents.recency import RecencyBonus
from emotional_ed.analysis.events import Around, around
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.recall import delays
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene, course, share
from emotional_ed.experiments.inner.turns import (
    answered_then,
    first_meetings,
    is_back,
    late_in,
    returns,
    whole_phases,
)

_TASK = TASKS["recurring-goals"]
_GOALS, _PERIOD = 4, 50  # episodes of a goal
_BEFORE, _AFTER = 10, 39  # a period together
_SOON = 10  # episodes
_TIMETABLE = 37.0  # episodes between switches by chance, on average: out of step with the goals
_BONUS = RecencyBonus.Config(gain=0.005)  # about what the contest found
_PLAIN = AffectConfig.levels(0)
_MOODY = dataclasses.replace(_PLAIN, mood=MoodConfig(exploration_gain=0.0), temperament=TemperamentConfig())
_AFFECTS = {
    "both": dataclasses.replace(_MOODY, recall=RecallConfig(), own=(_BONUS,)),
    "recall": dataclasses.replace(_MOODY, recall=RecallConfig()),
    "bonus": dataclasses.replace(_MOODY, recall=RecallConfig(slots=1), own=(_BONUS,)),
    "chance": dataclasses.replace(
        _MOODY, recall=RecallConfig(cue="chance", slots=_GOALS, threshold=_TIMETABLE), own=(_BONUS,)
    ),
}
_LABELS = {
    "both": ("recall, explores by recency", "felt"),
    "recall": ("recall alone", "other"),
    "bonus": ("recency alone", "plain"),
    "chance": ("switched by chance", "control"),
}


def goals_in_force(slots: NDArray[np.float64], period: int, goals: int) -> NDArray[np.float64]:
    """Return which goal paid in each episode that was lived, [N, P], NaN elsewhere."""
    goal = (np.arange(len(slots)) // period % goals)[:, None]
    return np.where(np.isfinite(slots), goal, np.nan)


def goals(scope: Scope) -> Scene:
    """Recall that explores aligned at changes of the goal, beside recall alone, and memories by chance."""
    lives = {name: _live(affect, scope) for name, affect in _AFFECTS.items()}
    slots = {name: one.by_episode("slot") for name, one in lives.items()}
    earned = {name: one.by_episode("reward", "sum") for name, one in lives.items()}
    goal = {name: whole_phases(goals_in_force(one, _PERIOD, _GOALS), _PERIOD) for name, one in slots.items()}
    events = {name: returns(one, _GOALS) for name, one in goal.items()}
    known = {name: answered_then(goal[name], one, _GOALS) for name, one in slots.items()}
    back = {
        name: is_back(slots[name], known[name], *events[name], _BEFORE, _AFTER)
        for name in ("both", "recall", "chance")
    }
    right = {name: (slots[name] == known[name]).astype(np.float64) for name in back}
    waits = {name: delays(right[name], *events[name], _PERIOD) for name in back}
    late = {name: late_in(one, _GOALS) for name, one in goal.items()}
    learned = {
        name: around(earned[name], *first_meetings(goal[name], _GOALS), _BEFORE, _AFTER)
        for name in ("both", "recall", "bonus")
    }
    numbers = {
        **{f"changes_{name}": float(len(events[name][0])) for name in back},
        "wait": float(np.median(waits["both"])),
        **{f"soon_{name}": 100 * float((one < _SOON).mean()) for name, one in waits.items()},
        **{f"late_{name}": 100 * float(np.nanmean(share(right[name], late[name]))) for name in right},
        **{f"return_{name}": float(np.nanmean(share(earned[name], late[name]))) for name in lives},
        **{
            f"new_{name}": float(np.nanmean(one.mean[_BEFORE + _AFTER // 2 :]))
            for name, one in learned.items()
        },
        **{
            f"memories_{name}": float(np.nanmean(np.nanmax(slots[name], axis=0) + 1))
            for name in ("both", "recall")
        },
    }
    across = "episodes from a change of the goal"
    return Scene(
        title="Recall that explores: four goals of which another one pays every 50 episodes",
        panels=[
            Panel(
                title="The memory of the goal that is back is taken up",
                across=across,
                up="share of members that use it",
                limits=(-0.05, 1.4),
                lines=[_course(one, events[name], name) for name, one in back.items()],
                moment=0.0,
                moment_label="change",
                shaded=[(0, _AFTER)],
                legend="upper right",
            ),
            Panel(
                title="A goal that was never met has to be found first",
                across=across,
                up="return of an episode",
                limits=(-0.3, 1.7),
                lines=[_line(one, name) for name, one in learned.items()],
                moment=0.0,
                shaded=[(0, _AFTER)],
                legend="upper right",
            ),
            Panel(
                title="What that is worth where the goal was met before",
                across=across,
                up="return of an episode",
                limits=(-0.2, 1.7),
                lines=[_course(earned[name], events[name], name) for name in lives],
                moment=0.0,
                shaded=[(0, _AFTER)],
                legend="upper right",
            ),
            one_life(slots["both"][:, 0]),
        ],
        numbers=numbers,
        says="Over {changes_both:.0f} changes to a goal that was met before, the slot that had answered "
        "then was in use again after {wait:.0f} episodes (median), within ten in {soon_both:.0f} "
        "%; without exploring in {soon_recall:.0f} % of {changes_recall:.0f}, by chance in "
        "{soon_chance:.0f} % of {changes_chance:.0f} (one in four would be right by luck). In the "
        "second half of a phase it was in use {late_both:.0f} %, {late_recall:.0f} % and "
        "{late_chance:.0f} % of the time, and an episode returned {return_both:.2f}, "
        "{return_recall:.2f} and {return_chance:.2f}, with recency alone {return_bonus:.2f}. "
        "Twenty to forty episodes after a goal paid for the first time an episode returned "
        "{new_both:.2f}, without exploring {new_recall:.2f}, with recency alone {new_bonus:.2f}. "
        "The highest slot used was number {memories_both:.1f} on average, without exploring "
        "{memories_recall:.1f}.",
        settings=f"recurring-goals, {_TASK.steps} steps, recall as by default, mood without an effect of "
        f"its own on exploration, a recency bonus of {_BONUS.gain}; by chance: {_GOALS} memories, switched "
        f"every {_TIMETABLE:.0f} episodes on average, on a timetable; phases that were lived to their end",
    )


def _live(affect: AffectConfig, scope: Scope) -> Record:
    return Life(task=_TASK, affect=affect, signals=("slot",)).record(scope)


def _course(
    values: NDArray[np.float64], events: tuple[NDArray[np.int64], NDArray[np.int64]], name: str
) -> Line:
    return _line(around(values, *events, _BEFORE, _AFTER), name)


def _line(found: Around, name: str) -> Line:
    label, role = _LABELS[name]
    return course(found, label=label, role=role)


def one_life(slots: NDArray[np.float64]) -> Panel:
    """Return one member's life: which memory answered, over the goals in force."""
    known = int(np.isfinite(slots).sum())
    cycle = _GOALS * _PERIOD
    return Panel(
        title="One member (shaded: the first of the four goals)",
        across="episode",
        up="memory in use",
        lines=[Line(y=slots[:known] + 1, steps=True, label="memory in use")],
        limits=(0.8, float(np.nanmax(slots)) + 2),
        shaded=[(start, min(start + _PERIOD, known)) for start in range(0, known, cycle)],
        legend="",
    )
