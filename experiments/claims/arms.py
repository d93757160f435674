"""What earlier claims need beside the suite, as data: tasks, and mechanisms with their rivals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.sweeping import SweepingConfig
from emotional_ed.experiments.claims.amnesia import AmnesiaConfig
from emotional_ed.experiments.claims.aversion import SENSE, AversionConfig
from emotional_ed.experiments.claims.shaping import FearPotentialConfig
from emotional_ed.experiments.contests.arm import Arm, Range
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, Arms
from emotional_ed.experiments.contests.tasks import TASKS, Task

_STRENGTH = {
    "affect.own.aversion.caution": Range(0.05, 20.0),
    "affect.own.aversion.avoidance": Range(0.0, 1.0, "linear"),
}


def _affect(**parts: object) -> AffectConfig:
    return dataclasses.replace(AffectConfig.levels(0), **parts)  # type: ignore[arg-type]


def _rivals(task: Task, mechanism: str, *names: str) -> Arms:
    """Return arms of the suite's own mechanisms as rivals."""
    arms = MECHANISMS[mechanism](task)
    return {name: dataclasses.replace(arms[name], role="rival") for name in names}


def _averse(role: str, note: str, fades: Range | None = None, *, shuffled: bool = False) -> Arm:
    fading = {} if fades is None else {"affect.own.aversion.forgetting": fades}
    affect = _affect(fear=SENSE, own=(AversionConfig(),), shuffled=("aversion",) if shuffled else ())
    return Arm(role=role, affect=affect, search={**_STRENGTH, **fading}, note=note)


def _reappraisal(task: Task) -> Arms:
    """Return fears that are taken back where nothing happens any more, one that is not, and forgetting."""
    fear = MECHANISMS["fear"](task)["fear"]
    fades = Range(0.01, 1.0)
    return {
        "reappraisal": _averse("own", "quick to fear; every harmless contact takes some of it back", fades),
        "fear": dataclasses.replace(fear, note="a running mean of harm, which harmless contacts outweigh"),
        "no-reappraisal": _averse("control", "the same fear, never taken back"),
        **_rivals(task, "fear", "near-greedy", "expected-sarsa"),
        **_rivals(task, "attachment", "decay-only", "recency-bonus"),
    }


def _disgust(task: Task) -> Arms:
    """Return avoidance that does not extinguish, or hardly, against fear, which does."""
    return {
        "disgust": _averse("own", "one contact is enough, and for ever"),
        "disgust-fading": _averse("own", "the same, but it wears off slowly", Range(0.001, 0.1)),
        "disgust-shuffled": _averse("control", "the same at wrong times", shuffled=True),
        **_rivals(task, "fear", "fear", "near-greedy", "expected-sarsa", "cvar", "danger-penalty"),
    }


def _wanting(task: Task) -> Arms:
    """Return the nearest that there is to wanting apart from liking: slow and fast values, and joy.

    Slow values stand for wanting (what a source has come to be worth), fast ones for liking (what it was
    like of late). "sweeping" is what an agent does that keeps a model of outcomes and plans with it.
    """
    attachment = MECHANISMS["attachment"](task)
    return {
        **{name: attachment[name] for name in ("attachment", "yearning")},
        "joy": MECHANISMS["joy"](task)["joy"],
        "griefless": attachment["griefless"],
        **_rivals(task, "attachment", "decay-only", "recency-bonus", "resets"),
        "sweeping": Arm(
            level0=LevelZero(sleep=SweepingConfig(updates=10)),
            note="a model of what follows what; 10 offline updates a night more than the others",
        ),
    }


def _transfer(task: Task) -> Arms:
    """Return what may be carried to the next task: fear, values, both, nothing; its start is known to all."""
    if "period" not in task.env_kwargs:
        raise ValueError(
            f"task: got {task.env_id}, expected a change every `period` episodes in its arguments"
        )
    every = int(task.env_kwargs["period"])
    fear = MECHANISMS["fear"](task)["fear"]
    anew = LevelZero(reset_episodes=every)
    forgetful = dataclasses.replace(fear.affect, own=(AmnesiaConfig(every=every),))
    return {
        "fear-carried": dataclasses.replace(fear, level0=anew, note="values anew, fear kept"),
        "both-carried": dataclasses.replace(fear, note="values and fear kept"),
        "fear-anew": dataclasses.replace(
            fear, role="control", affect=forgetful, note="values kept, fear anew: as level 0 carries values"
        ),
        "nothing-carried": Arm(level0=anew, note="values anew, no fear"),
        **_rivals(task, "attachment", "recency-bonus"),
        **_rivals(task, "fear", "near-greedy"),
    }


def _shaping(task: Task) -> Arms:
    """Return one learned fear in four places: in the reward, a potential, the choice, and nowhere."""
    inside = MECHANISMS["fear"](task)["intrinsic-fear"]
    unlearned = {"level0.critic.fear_step_size": 0.0}
    potential = FearPotentialConfig(**dataclasses.asdict(inside.level0.critic))
    return {
        "fear-in-reward": dataclasses.replace(inside, role="own", note="learned fear taken off the target"),
        "fear-potential": dataclasses.replace(
            inside, level0=LevelZero(critic=potential), note="potential-based shaping by the same fear"
        ),
        "fear-in-choice": dataclasses.replace(
            MECHANISMS["fear"](task)["fear"], role="rival", note="fear that bends the choice"
        ),
        "penalty-only": dataclasses.replace(
            inside, role="control", fixed=unlearned, note="dangers cost the same; no fear is learned"
        ),
    }


CLAIM_TASKS: Mapping[str, Task] = MappingProxyType(
    {
        **TASKS,
        "leaving-predator": dataclasses.replace(
            TASKS["predator"], env_kwargs={"leaves": 500}, meant_for=(), control_of="predator"
        ),
    }
)
"""Name -> task: those of the suite, and those that are for one claim only."""

CLAIM_MECHANISMS: Mapping[str, Callable[[Task], Arms]] = MappingProxyType(
    {
        **MECHANISMS,
        "reappraisal": _reappraisal,
        "disgust": _disgust,
        "wanting": _wanting,
        "transfer": _transfer,
        "shaping": _shaping,
    }
)
"""Name -> arms: those of the suite, and those that are for one claim only."""
