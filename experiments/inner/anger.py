"""Anger at work: it pushes on when blocked, and gives up where pushing does not pay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, AngerConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis.events import around, cut_out, mean_interval
from emotional_ed.analysis.panels import Line, Panel
from emotional_ed.envs.mixed_doors import DOORS, UP
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene, course, share, single

_BEFORE, _AFTER = 2, 9
_JAMMED = dataclasses.replace(TASKS["jammed-door"], steps=4000)
_MIXED = TASKS["mixed-doors"]
_PARTS = 10
_COUNTS = 10
_DOOR_NAMES = ("opens after 1-2 pushes, or never", "opens after 5-8, or never", "never opens")
_ROLES = ("other", "felt", "control")


def first_blocks(record: Record) -> NDArray[np.bool_]:
    """Return the first step of each episode in which the best action left everything as it was, [T, P]."""
    blocked: NDArray[np.bool_] = record["greedy"] & ~record["moved"] & ~record["done"]
    episode, found = record["episode"], np.zeros(blocked.shape, dtype=np.bool_)
    last = np.full(record.members, -1)
    for step in range(record.steps):
        first = blocked[step] & (episode[step] != last)
        found[step] = first
        last = np.where(first, episode[step], last)
    return found


def _jammed(shuffled: bool) -> Life:
    affect = dataclasses.replace(
        AffectConfig.levels(0), anger=AngerConfig(), shuffled=("anger",) if shuffled else ()
    )
    return Life(task=_JAMMED, affect=affect, signals=("moved", "persisted", "anger"))


def _look_at_gains(model: EmotionalQ) -> Mapping[str, Tensor]:
    """Return what pushing on has gained at each door and count, [P, doors, counts], NaN where unknown."""
    resignation = model.affect.level("anger").resignation
    doors = torch.tensor(DOORS)
    gain = resignation.gain[:, UP, doors, 1 : _COUNTS + 1]
    known = resignation.known[:, UP, doors, 1 : _COUNTS + 1]
    return {"gains": torch.where(known > 0, gain / known.clamp_min(1e-30), float("nan"))}


def pushes_an_episode(record: Record, parts: int) -> NDArray[np.float64]:
    """Return how often each door was pushed in an episode, in each part of life, [doors, parts]."""
    part = np.minimum(np.arange(record.steps) * parts // record.steps, parts - 1)
    found = np.zeros((len(DOORS), parts))
    for number in range(parts):
        mine = part == number
        pushing = record["action"][mine] == UP
        episodes = max(int(record["done"][mine].sum()), 1)
        for door, cell in enumerate(DOORS):
            found[door, number] = (pushing & (record["observation"][mine] == cell)).sum() / episodes
    return found


def gains_known(gains: NDArray[np.float64], least: float = 0.25) -> NDArray[np.float64]:
    """Return the mean over members [P, doors, counts], NaN where less than a share of them know."""
    known = np.isfinite(gains)
    mean = np.where(known, gains, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known.mean(0) >= least, mean, np.nan)


def anger(scope: Scope) -> Scene:
    """Anger at a jammed door, aligned at the first block, and what it learns of three doors."""
    above, at_one = _one_door(scope)
    below, at_three = _three_doors(scope)
    return Scene(
        title="Anger: at a jammed door (above) and at three doors, one of which never opens (below)",
        panels=[*above, *below],
        numbers={**at_one, **at_three},
        says="Anger was above 0 in {felt:.1f} % of the blocked steps. In the step after the first block of "
        "an episode it pushed again in {pushes:.0f} % of episodes, shuffled in time in "
        "{pushes_shuffled:.0f} %; "
        "the door was open within 9 steps in {opened:.0f} % and {opened_shuffled:.0f} %. At three doors, "
        "pushes an episode went from {first_1:.1f}, {first_2:.1f} and {first_3:.1f} in the first tenth of "
        "life to {door_1:.1f} (opens after 1 or 2, or never), {door_2:.1f} (after 5 to 8, or never) and "
        "{door_3:.1f} (never opens) in the last.",
        settings=f"jammed-door, {_JAMMED.steps} steps, anger as by default; mixed-doors, {_MIXED.steps} "
        "steps, anger that resigns, step size 0.2",
    )


def _one_door(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    """Return pushing and level around the first block of an episode, beside the same shuffled in time."""
    lives = {kind: _jammed(kind == "shuffled").record(scope) for kind in ("anger", "shuffled")}
    firsts: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for kind, record in lives.items():
        when, who = first_blocks(record).nonzero()
        firsts[kind] = when, who
    pushed = {kind: around(lives[kind]["persisted"], *firsts[kind], _BEFORE, _AFTER) for kind in lives}
    level = {kind: around(lives[kind]["anger"], *firsts[kind], _BEFORE, _AFTER) for kind in lives}
    own = lives["anger"]
    blocked = own["greedy"] & ~own["moved"] & ~own["done"]
    panels = [
        Panel(
            title="Blocked: the same action is pushed again",
            across="steps from the first block of an episode",
            up="share that push because of anger",
            lines=[
                course(pushed["anger"], label="anger"),
                course(pushed["shuffled"], label="the same anger, shuffled in time", role="control"),
                single(pushed["anger"]),
            ],
            moment=0.0,
            moment_label="first block",
        ),
        Panel(
            title="The level rises with each block and calms down",
            across="steps from the first block of an episode",
            up="anger, 0 to 1",
            lines=[
                course(level["anger"], label="anger"),
                course(level["shuffled"], label="felt, but acted on at other times", role="control"),
                single(level["anger"]),
            ],
            moment=0.0,
            legend="lower right",
        ),
    ]
    numbers = {
        "felt": 100 * mean_interval(share(own["anger"] > 0, blocked))[0],
        "pushes": 100 * float(pushed["anger"].mean[_BEFORE + 1]),
        "pushes_shuffled": 100 * float(pushed["shuffled"].mean[_BEFORE + 1]),
        "opened": 100 * opened(own, *firsts["anger"]),
        "opened_shuffled": 100 * opened(lives["shuffled"], *firsts["shuffled"]),
    }
    return panels, numbers


def _three_doors(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    """Return what pushing on has gained at each door, and how often each is pushed as life goes on."""
    record = Life(
        task=_MIXED,
        affect=dataclasses.replace(AffectConfig.levels(0), anger=AngerConfig(resigns=True)),
        step_size=0.2,
        look=_look_at_gains,
    ).record(scope)
    gains, pushes = gains_known(record["gains"][-1]), pushes_an_episode(record, _PARTS)

    def lines(of_door: NDArray[np.float64]) -> list[Line]:
        across = np.arange(1, 1 + of_door.shape[1])
        told = zip(of_door, _ROLES, _DOOR_NAMES, strict=True)
        return [Line(x=across, y=y, role=role, label=label, dots=True) for y, role, label in told]

    panels = [
        Panel(
            title="Three doors: what pushing on has gained over leaving",
            across="pushes already made in vain",
            up="gain, in units of reward",
            lines=lines(gains),
            legend="upper right",
            limits=(-0.3, 0.45),
        ),
        Panel(
            title="... and so it gives up where that does not pay",
            across="tenth of its life",
            up="pushes an episode",
            lines=lines(pushes),
            legend="upper right",
            limits=(-0.1, 2.0),
        ),
    ]
    numbers: dict[str, float] = {}
    for door, mine in enumerate(pushes, start=1):
        numbers |= {f"first_{door}": float(mine[0]), f"door_{door}": float(mine[-1])}
    return panels, numbers


def opened(record: Record, when: NDArray[np.int64], who: NDArray[np.int64]) -> float:
    """Return the share of first blocks after which the good door was passed within 9 steps."""
    through = record["done"] & (record["reward"] > 0.5)
    after = cut_out(through, when, who, 0, _AFTER)
    same = cut_out(record["episode"], when, who, 0, _AFTER) == record["episode"][when, who][:, None]
    return float(((after > 0) & same).any(-1).mean())
