"""The rungs of the ladder, from plain Q-learning to everything at once, and everything less each part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from emotional_ed.affect import (
    AffectConfig,
    AttachmentConfig,
    CuriosityConfig,
    FearConfig,
    JoyConfig,
    RegretConfig,
    SalienceConfig,
    WeightsConfig,
)
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.sleep import SleepConfig
from emotional_ed.experiments.arms import MOOD
from emotional_ed.experiments.contests.arm import Arm, Arms, Setting
from emotional_ed.experiments.contests.tasks import Task

PLAIN = "level-0"
"""The arm that every other is compared with: tuned Q-learning."""
UNTAUGHT = "level-0 untaught"
"""The same agent that learns nothing."""
EMOTIONS = "level-0+1"
"""With arousal, fear and anger."""
MOODS = "level-0+1+2"
"""With mood, temperament and recall as well."""
WEIGHED = "level-0+1+2 weighed"
"""The whole agent whose weights are learned."""
CURIOUS = {rung: f"{rung} curious" for rung in (EMOTIONS, MOODS, WEIGHED)}
"""A rung -> the same with curiosity."""
SLEEP = "level-0 sleep"
"""Plain Q-learning that sleeps."""
EVERYTHING = "all"
"""Every level, every emotion, learned weights and sleep."""
CONSTANT = (PLAIN, EMOTIONS, MOODS, f"{MOODS} half")
"""What learned weights are compared with: weights that stay 0, 1 or one half, with or without level 2."""
RUNGS = (EMOTIONS, MOODS, WEIGHED, *CURIOUS.values(), SLEEP, EVERYTHING)
"""The ladder above level 0."""
LEVEL_2 = ((MOODS, EMOTIONS), (CURIOUS[MOODS], CURIOUS[EMOTIONS]))
"""A rung with level 2, and the same without."""

_NIGHT = SleepConfig(draw="salience", updates=10)  # a tenth of an update a step
SILENT: Mapping[str, Setting] = MappingProxyType(
    {
        "arousal": {"affect.arousal.step_gain": 0.0},
        "fear": {"affect.fear.caution": 0.0, "affect.fear.avoidance": 0.0},
        "anger": {"affect.anger.persistence": 0.0, "affect.anger.step_gain": 0.0},
    }
)
"""Component -> numbers at which it moves nothing, bit for bit as if it were not there: weights name it."""
REMOVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "joy": ("joy",),
        "curiosity": ("curiosity",),
        "regret": ("regret",),
        "mood": MOOD,
        "recall": ("recall",),
        "attachment": ("attachment",),
        "weights": ("weights",),
        "sleep": ("salience",),
    }
)
"""Component -> the parts of an affect that go with it; mood goes with temperament, its anchor, and recall."""
COMPONENTS = (*SILENT, *REMOVED)
"""What can be taken from `EVERYTHING`."""


def without(component: str) -> str:
    """Return the name of the arm that is everything but one component.

    Example:
        >>> without("fear")
        'all minus fear'
    """
    return f"{EVERYTHING} minus {component}"


def lacks_a_part(arm: str) -> bool:
    """Return whether an arm, by its name, is everything but one component.

    Example:
        >>> lacks_a_part(without("fear")), lacks_a_part(EVERYTHING)
        (True, False)
    """
    return arm.startswith(without(""))


def everything(full: AffectConfig, *, listens: bool = False) -> AffectConfig:
    """Return what has every level together with every other emotion, learned weights and salience.

    Args:
        full: with levels 1 and 2.
        listens: whether the agent may learn what other actions would have brought, and regret it.
    """
    return dataclasses.replace(
        full,
        joy=JoyConfig(),
        curiosity=CuriosityConfig(),
        regret=RegretConfig() if listens else None,
        attachment=AttachmentConfig(),
        salience=SalienceConfig(),
        weights=WeightsConfig(),
    )


def whole(task: Task) -> Arms:
    """Return the agent with its emotions as they are by default: searched over no more than level 0 is."""
    return {
        **_levels(task),
        f"{MOODS} half": Arm(
            role="control",
            affect=dataclasses.replace(_full(task), weights=WeightsConfig(gains=(0.5,))),
            note="trusted by half, always",
        ),
    }


def ladder(task: Task) -> Arms:
    """Return everything at once, the rungs below it, and everything less each of its parts.

    All parts are as by default, and only step size and exploration are searched, as for level 0. What lacks a
    part takes the setting of everything: an ablation changes one thing.

    Everything holds each emotion of levels 1 and 2, learned weights of arousal, fear and anger, and sleep
    from salient moments with a tenth of an update a step. Regret is in it only where all arms may listen to
    what other actions would have brought. Left out are a second form of what is there (a spectrum of moods
    beside mood, anger that resigns beside anger, yearning beside attachment), and channels of one's own.
    """
    entire = Arm(
        role="own",
        affect=everything(_full(task), listens=task.listens),
        level0=LevelZero(sleep=_NIGHT),
        note="every level and emotion, learned weights and sleep",
    )
    sleeping = Arm(
        role="own",
        affect=dataclasses.replace(AffectConfig.levels(0), salience=SalienceConfig()),
        level0=LevelZero(sleep=_NIGHT),
        note="sweeps back from salient moments, 10 updates every 100 steps",
    )
    levels, parts = _levels(task), entire.affect.parts()
    present = [one for one in COMPONENTS if one == "sleep" or one in parts]
    return {
        EVERYTHING: entire,
        **levels,
        **{new: _curious(levels[rung]) for rung, new in CURIOUS.items()},
        SLEEP: sleeping,
        **{without(one): _less(entire, one) for one in present},
    }


def _levels(task: Task) -> Arms:
    full = _full(task)
    return {
        EMOTIONS: Arm(role="own", affect=dataclasses.replace(full, mood=None, temperament=None, recall=None)),
        MOODS: Arm(role="own", affect=full),
        WEIGHED: Arm(
            role="own",
            affect=dataclasses.replace(full, weights=WeightsConfig()),
            note="how far the emotions are trusted is learned",
        ),
    }


def _curious(arm: Arm) -> Arm:
    affect = dataclasses.replace(arm.affect, curiosity=CuriosityConfig())
    return dataclasses.replace(arm, affect=affect, note=", ".join(filter(None, (arm.note, "and curious"))))


def _full(task: Task) -> AffectConfig:
    full = AffectConfig.levels(2)
    if task.listens:  # a declared danger is in no reward: what it costs has to be said, here what is at stake
        full = dataclasses.replace(full, fear=FearConfig(declared=True, caution=1.0, step_size=0.2))
    return full


def _less(entire: Arm, component: str) -> Arm:
    gone = dict.fromkeys(REMOVED.get(component, ()))
    return Arm(
        role="control",
        follows=EVERYTHING,
        affect=dataclasses.replace(entire.affect, **gone),  # type: ignore[arg-type]
        level0=LevelZero() if component == "sleep" else entire.level0,
        fixed=SILENT.get(component, {}),
        note=f"without {component}, at the setting of {EVERYTHING!r}",
    )
