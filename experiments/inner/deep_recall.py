"""The deep agent's recall at work: after the physics change, the head that knows them is taken up again."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_ed.agents.deep.head_log import HeadLog
from emotional_ed.analysis.events import around
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.experiments.contests.rungs import MOODS
from emotional_ed.experiments.deep.ladder import AT_FULL, BY_CHANCE, deep_rungs, setting_of
from emotional_ed.experiments.deep.task import DEEP_TASKS, DeepTask
from emotional_ed.experiments.inner.record import Scope
from emotional_ed.experiments.inner.scene import Scene, course, share
from emotional_ed.experiments.inner.turns import answered_then, is_back, late_in, phases, returns

AGENTS = 8
"""Seeds of this picture: a deep agent takes as long as a population."""
_TASK = DEEP_TASKS["recurring-cartpole"]
_PERIOD = 4000  # steps of one kind of physics
_SETTING = {  # about what the contest found for the full agent
    "learning_rate": 0.0022, "exploration_final_eps": 0.1, "target_update_interval": 130.0,
    "buffer_size": 32_000.0, "exploration_fraction": 0.05, "affect.fear.step_size": 0.3,
    "affect.fear.caution": 0.3, "affect.fear.avoidance": 0.54, "affect.recall.threshold": 10.0,
}  # fmt: skip
_BINS = 40  # of a period
_BEFORE, _AFTER = 6, 30  # bins around a change, fewer than between two
_SOON = 10  # episodes
_ARMS = {"displeasure": MOODS, "chance": BY_CHANCE, "plain": AT_FULL}


@dataclasses.dataclass(frozen=True)
class Lives:
    """What P agents went through, in T bins of equal length: the episode that ran when each began."""

    gained: NDArray[np.float64]
    """[T, P], return of the episode."""
    phase: NDArray[np.float64]
    """[T, P]."""
    head: NDArray[np.float64]
    """[T, P]."""
    felt: NDArray[np.float64]
    """[T, P, H], NaN of a head that was not in use."""

    @classmethod
    def of(cls, agents: list[HeadLog], bins: int, width: int) -> Lives:
        """Return the record of agents, one each, in `bins` bins of `width` steps; NaN of unfinished ones."""
        most = max(len(row.felt) for agent in agents for row in agent.rows)
        gained, phase, head = np.full((3, bins, len(agents)), np.nan)
        felt = np.full((bins, len(agents), max(most, 1)), np.nan)
        for p, agent in enumerate(agents):
            ends = np.array([row.end for row in agent.rows])
            for t, row in enumerate(np.searchsorted(ends, width * np.arange(bins), side="right")):
                if row < len(ends):
                    _, gained[t, p], phase[t, p], head[t, p], each = agent.rows[row]
                    felt[t, p, : len(each)] = each
        return cls(gained, phase, head, felt)


def episodes_to_switch(agents: list[HeadLog]) -> NDArray[np.float64]:
    """Return the episodes with another head after each change to known physics, [E]; infinite if all."""
    most = max(len(agent.rows) for agent in agents)
    phase, head = np.full((2, most, len(agents)), np.nan)
    for p, agent in enumerate(agents):
        phase[: len(agent.rows), p] = [row.phase for row in agent.rows]
        head[: len(agent.rows), p] = [row.head for row in agent.rows]
    known, waits = answered_then(phase, head), []
    for p in range(len(agents)):
        for stretch in phases(phase[:, p])[2:]:
            right = head[stretch, p] == known[stretch, p]
            waits.append(right.argmax() if right.any() else np.inf)
    return np.array(waits, dtype=np.float64)


def felt_by(lives: Lives, head: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much the heads [T, P] were surprised, [T, P]; NaN where there is none."""
    which = np.nan_to_num(head).astype(np.int64).clip(max=lives.felt.shape[-1] - 1)
    felt = np.take_along_axis(lives.felt, which[..., None], axis=-1)[..., 0]
    return np.where(np.isfinite(head) & (which == np.nan_to_num(head)), felt, np.nan)


def deep_recall(scope: Scope) -> Scene:
    """Recall of a deep agent aligned at changes of physics, beside heads switched by chance, and one head."""
    period = max(int(_PERIOD * scope.share), _BINS)
    steps = _TASK.steps * period // _PERIOD
    task = dataclasses.replace(_TASK, steps=steps, env_kwargs={"period": period})
    width = period // _BINS
    agents = {name: _live(task, arm, scope) for name, arm in _ARMS.items()}
    lives = {name: Lives.of(some, steps // width, width) for name, some in agents.items()}
    known = {name: answered_then(one.phase, one.head) for name, one in lives.items()}
    events = {name: returns(one.phase) for name, one in lives.items()}
    own, when = lives["displeasure"], events["displeasure"]
    back = {
        name: is_back(one.head, known[name], *events[name], _BEFORE, _AFTER) for name, one in lives.items()
    }
    right = {name: (one.head == known[name]).astype(np.float64) for name, one in lives.items()}
    late = {name: late_in(one.phase) for name, one in lives.items()}
    waits = {name: episodes_to_switch(agents[name]) for name in ("displeasure", "chance")}
    before = answered_then(own.phase, own.head, back=1)
    apart = np.isfinite(known["displeasure"]) & (before != known["displeasure"])
    felt, other = (np.where(apart, felt_by(own, heads), np.nan) for heads in (known["displeasure"], before))
    numbers = {
        "changes": float(len(when[0])),
        "wait": float(np.median(waits["displeasure"])),
        "soon": 100 * float((waits["displeasure"] < _SOON).mean()),
        "soon_chance": 100 * float((waits["chance"] < _SOON).mean()),
        "late": 100 * _mean(right["displeasure"], late["displeasure"]),
        "late_chance": 100 * _mean(right["chance"], late["chance"]),
        "felt": _mean(felt, apart),
        "other": _mean(other, apart),
        **{f"return_{name}": _mean(one.gained, late[name]) for name, one in lives.items()},
        "heads": float(np.nanmean(np.nanmax(own.head, axis=0) + 1)),
    }
    across = "steps from a change of physics"
    return Scene(
        title="The deep agent's recall: CartPole whose left and right change places, and back",
        panels=[
            Panel(
                title="The head of these physics is taken up again",
                across=across,
                up="share of agents that use it",
                limits=(-0.05, 1.05),
                lines=[
                    _course(back[name], events[name], label, role, width)
                    for name, label, role in (
                        ("displeasure", "displeasure as the cue", "felt"),
                        ("chance", "chance as the cue", "control"),
                    )
                ],
                moment=0.0,
                moment_label="change",
                shaded=[(0, _AFTER * width)],
                legend="center right",
            ),
            Panel(
                title="Because it is surprised less, but for the fall",
                across=across,
                up="mean size of surprise a step",
                lines=[
                    _course(felt, when, "the head of these physics", "felt", width),
                    _course(other, when, "the head used before the change", "other", width),
                ],
                moment=0.0,
                shaded=[(0, _AFTER * width)],
                legend="upper right",
            ),
            Panel(
                title="What that is worth",
                across=across,
                up="return of the running episode",
                lines=[
                    _course(lives[name].gained, events[name], label, role, width)
                    for name, label, role in (
                        ("displeasure", "displeasure as the cue", "felt"),
                        ("chance", "chance as the cue", "control"),
                        ("plain", "one head (DQN)", "plain"),
                    )
                ],
                moment=0.0,
                shaded=[(0, _AFTER * width)],
                legend="center right",
            ),
            one_life(own, width),
        ],
        numbers=numbers,
        says="Over {changes:.0f} changes to physics that were lived before, the head that had answered "
        "then was in use again after {wait:.0f} episodes (median), within ten in {soon:.0f} %, by chance in "
        "{soon_chance:.0f} %. In the second half of a phase it was in use {late:.0f} % of the "
        "time, by chance {late_chance:.0f} %, and the running episode returned {return_displeasure:.0f}, by "
        "chance {return_chance:.0f}, with one head {return_plain:.0f}. In known physics the head that knows "
        "them was surprised by {felt:.2f} a step, that of the other physics by {other:.2f}, the last steps "
        "of episodes left out. The highest head used was number {heads:.1f} on average.",
        settings=f"recurring-cartpole, {_agents(scope)} agents, {steps} steps, the setting that the contest "
        "found for level 2, rounded; by chance: a switch every ten episodes on average, on a timetable; one "
        "head: DQN with the same numbers",
    )


def _agents(scope: Scope) -> int:
    return min(scope.members, AGENTS)


def _live(task: DeepTask, name: str, scope: Scope) -> list[HeadLog]:
    arm, agents = deep_rungs()[name], []
    setting = setting_of(arm, _SETTING)
    torch.set_num_threads(1)
    for seed in range(scope.first_seed, scope.first_seed + _agents(scope)):
        model, callbacks = arm.build(task, setting, seed)
        heads = HeadLog()
        try:
            model.learn(task.steps, callback=[heads, *callbacks], log_interval=None)
        finally:
            model.get_env().close()
        agents.append(heads)
    return agents


def _course(
    values: NDArray[np.float64],
    events: tuple[NDArray[np.int64], NDArray[np.int64]],
    label: str,
    role: str,
    width: int,
) -> Line:
    """Return the mean course of values [T, P] around events, in steps."""
    found = around(values, *events, _BEFORE, _AFTER)
    return dataclasses.replace(course(found, label=label, role=role), x=found.x * width)


def _mean(values: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    """Return the mean over agents of each one's mean, NaN where there is none."""
    known = where & np.isfinite(values)
    each = share(np.nan_to_num(values), known)
    return float(np.nanmean(each)) if known.any() else np.nan


def one_life(lives: Lives, width: int) -> Panel:
    """Return the first agent's life: which head answered, over the physics in force, and what it earned."""
    steps = width * np.arange(len(lives.head))
    second = [one for one in phases(lives.phase[:, 0]) if lives.phase[one[0], 0] == 1]
    return Panel(
        title="One agent (shaded: left and right changed places)",
        across="step",
        up="head in use",
        up_right="return of the running episode",
        lines=[
            Line(x=steps, y=lives.gained[:, 0], role="third", right=True, thin=True, label="return"),
            Line(x=steps, y=lives.head[:, 0] + 1, steps=True, label="head in use"),
        ],
        limits=(0.8, max(float(np.nanmax(lives.head[:, 0])) + 1, 2) + 1.2),
        shaded=[(width * float(one[0]), width * float(one[-1] + 1)) for one in second],
        legend="",
    )
