"""Fear at work: what it turned the agent away from, and how dangerous that was in truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, FearConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis.events import Around, around, mean_interval
from emotional_ed.analysis.panels import Bars, Panel
from emotional_ed.envs import BatchedTabularEnv
from emotional_ed.envs.silent_catastrophe import GOAL, ICE, SIZE, START
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Record, Scope, key_of, values_of
from emotional_ed.experiments.inner.scene import Scene, course, share, single

_REACH = 5  # steps before and after
_TASK = dataclasses.replace(TASKS["predator"], steps=6000)
_ICE = dataclasses.replace(TASKS["silent-catastrophe"], steps=4000)


def hazard_of(model: EmotionalQ) -> Tensor:
    """Return how likely each action is to be a catastrophe now, in truth, [P, A]; agents do not see it.

    Raises:
        ValueError: the world is no table.
    """
    world = model.require_env()
    if not isinstance(world, BatchedTabularEnv):
        raise ValueError(f"env: got {type(world).__name__}, expected a world of tables")
    tables = world.model
    chance = torch.as_tensor((tables.probability * tables.catastrophe).sum(-1))  # [C, Z, A]
    state = world.state()
    context = torch.tensor([tables.context(int(one)) for one in state["episode"]])
    return chance[context, state["state"].cpu()]


def look(model: EmotionalQ) -> Mapping[str, Tensor]:
    """Return what Q wants, what is feared and what is dangerous in the state to act in, [P, A] each."""
    fear = model.affect.level("fear").memory.read(key_of(model)).clamp(0, 1)
    return {"values": values_of(model), "fears": fear, "hazards": hazard_of(model)}


def turned(record: Record) -> dict[str, NDArray[Any]]:
    """Return where a choice was not what Q wanted most, and the means over what Q wanted, [T, P] each.

    Q wants the actions of highest value; a step is turned if another was done, and not by chance. Names:
    `turned`, `fear_wanted`, `fear_done`, `hazard_wanted`, `hazard_done`.
    """
    values, action = record["values"], record["action"][..., None]
    wanted = values == values.max(-1, keepdims=True)
    number = wanted.sum(-1)
    done = np.take_along_axis(wanted, action, -1)[..., 0]
    found: dict[str, NDArray[Any]] = {"turned": ~done & ~record["explored"]}
    for name, column in (("fear", "fears"), ("hazard", "hazards")):
        found[f"{name}_wanted"] = (record[column] * wanted).sum(-1) / number
        found[f"{name}_done"] = np.take_along_axis(record[column], action, -1)[..., 0]
    return found


def _life(shuffled: bool) -> Life:
    affect = dataclasses.replace(
        AffectConfig.levels(0), fear=FearConfig(), shuffled=("fear",) if shuffled else ()
    )
    return Life(task=_TASK, affect=affect, look=look)


def fear(scope: Scope) -> Scene:
    """Fear before a predator, aligned at the steps that it turned, beside fear shuffled in time."""
    panels, numbers = _turning(scope)
    return Scene(
        title="Fear: before a predator (above) and around thin ice that the reward says nothing of (below)",
        panels=[*panels, *_maps(scope)],
        numbers=numbers,
        says="Fear turned {turns:.1f} % of the steps before the predator, {avoided:.0f} % of them away from "
        "the more dangerous action. The fear of what Q wanted was {fear_avoided:.2f} in steps where that "
        "avoided danger, {fear_base:.3f} in all steps that were chosen. In the steps that fear turned, what "
        "Q wanted would have been caught with {wanted:.0f} % chance (which no agent sees), what was done "
        "instead with {done:.0f} %; in the steps that the same fear turned when shuffled in time, "
        "{wanted_shuffled:.1f} % and {done_shuffled:.1f} %.",
        settings=f"predator, {_TASK.steps} steps, fear as by default; silent-catastrophe, {_ICE.steps} "
        "steps, fear of the declared danger, caution 1, step size of fear 0.2",
        height=3.0,
    )


def _turning(scope: Scope) -> tuple[list[Panel], dict[str, float]]:
    """Return fear around the steps that it turned, and how dangerous in truth what it turned from was."""
    lives = {kind: _life(kind == "shuffled").record(scope) for kind in ("fear", "shuffled")}
    facts = {kind: turned(record) for kind, record in lives.items()}
    own = facts["fear"]
    wanted, done = (_around_turns(own, name) for name in ("fear_wanted", "fear_done"))
    mixed = _around_turns(facts["shuffled"], "fear_wanted")
    dangers = {
        (kind, name): mean_interval(share(one[f"hazard_{name}"], one["turned"]))
        for kind, one in facts.items()
        for name in ("wanted", "done")
    }

    def bars(kind: str, role: str, label: str) -> Bars:
        heights, low, high = zip(*(dangers[kind, name] for name in ("wanted", "done")), strict=True)
        return Bars(heights=heights, low=low, high=high, role=role, label=label)

    panels = [
        Panel(
            title="Fear rises for what Q wants, in the step that it turns",
            across="steps from the turned one",
            up="fear, 0 to 1",
            lines=[
                course(wanted, label="of what Q wants most"),
                course(done, label="of what is done", role="other"),
                course(mixed, label="of what Q wants, fear shuffled", role="control"),
                single(wanted, role="felt"),
            ],
            moment=0.0,
            limits=(0.0, 1.5),
            legend="upper left",
        ),
        Panel(
            title="How dangerous that was in truth",
            up="chance of being caught now",
            bars=[
                bars("fear", "felt", "fear"),
                bars("shuffled", "control", "the same fear, shuffled in time"),
            ],
            ticks=["what Q wanted", "what was done"],
        ),
    ]
    avoided = own["turned"] & (own["hazard_wanted"] > own["hazard_done"])
    numbers = {
        "turns": 100 * float(own["turned"].mean()),
        "fear_avoided": float(np.nanmean(share(own["fear_wanted"], avoided))),
        "fear_base": float(np.nanmean(share(own["fear_wanted"], ~lives["fear"]["explored"]))),
        "wanted": 100 * dangers["fear", "wanted"][0],
        "done": 100 * dangers["fear", "done"][0],
        "wanted_shuffled": 100 * dangers["shuffled", "wanted"][0],
        "done_shuffled": 100 * dangers["shuffled", "done"][0],
        "avoided": 100 * float(avoided.sum() / max(own["turned"].sum(), 1)),
    }
    return panels, numbers


def _around_turns(facts: Mapping[str, NDArray[Any]], name: str) -> Around:
    """Return one of the facts around the steps that were turned."""
    when, who = facts["turned"].nonzero()
    return around(facts[name], when, who, _REACH, _REACH)


# ---------------------------------------------------------------- the map


def _maps(scope: Scope) -> list[Panel]:
    """Return the grid of thin ice: what is feared, and the ways that are walked, with and without fear."""
    feared = dataclasses.replace(
        AffectConfig.levels(0), fear=FearConfig(declared=True, caution=1.0, step_size=0.2)
    )
    panels = []
    for affect, title in (
        (feared, "Fear of entering each cell, and the way with it"),
        (AffectConfig.levels(0), "The way without fear"),
    ):
        known = affect.fear is not None
        life = Life(task=_ICE, affect=affect, look=_look_at_ice if known else None)
        record = life.record(scope)
        grid = entering(record) if known else np.zeros((SIZE, SIZE))
        panels.append(
            Panel(
                title=title,
                grid=grid,
                arrows=way(record),
                marks=[(cell % SIZE, cell // SIZE, "~") for cell in ICE]
                + [(START % SIZE, START // SIZE, "S"), (GOAL % SIZE, GOAL // SIZE, "G")],
                full=1.0,
                across="~ thin ice   S start   G goal   thicker: walked more often",
            )
        )
    return panels


def _look_at_ice(model: EmotionalQ) -> Mapping[str, Tensor]:
    return {"fears": model.affect.level("fear").memory.read(key_of(model)).clamp(0, 1)}


def entering(record: Record) -> NDArray[np.float64]:
    """Return the mean fear with which each cell was entered in the last half of the life, [rows, columns]."""
    half = record.steps // 2
    fear = np.take_along_axis(record["fears"], record["action"][..., None], -1)[half:, :, 0]
    before, after = record["observation"][half:], record["reached"][half:]
    entered = (before != after) & ~(record["done"][half:] & (after != GOAL))
    total = np.bincount(after[entered], weights=fear[entered], minlength=SIZE * SIZE)
    count = np.bincount(after[entered], minlength=SIZE * SIZE)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(SIZE, SIZE)


def way(record: Record, least: float = 0.1) -> list[tuple[float, float, float, float, float]]:
    """Return the greedy moves of the last quarter that at least a share of episodes makes, as arrows.

    An arrow is as thick as its move is frequent, moves an episode, at most 1.
    """
    late = slice(3 * record.steps // 4, None)
    before, after, action = record["observation"][late], record["reached"][late], record["action"][late]
    moved = (before != after) & record["greedy"][late]
    episodes = max(int(record["done"][late].sum()), 1)
    arrows = []
    for cell in range(SIZE * SIZE):
        for direction, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
            often = (moved & (before == cell) & (action == direction)).sum() / episodes
            if often >= least:
                arrows.append(
                    (float(cell % SIZE), float(cell // SIZE), 0.8 * right, 0.8 * down, min(float(often), 1.0))
                )
    return arrows
