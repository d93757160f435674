"""The mechanisms of the suite, as data: each with its controls and its strongest simple rivals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from emotional_ed.affect import (
    AffectConfig,
    AngerConfig,
    AttachmentConfig,
    CuriosityConfig,
    FearConfig,
    JoyConfig,
    MoodConfig,
    RecallConfig,
    RegretConfig,
    SalienceConfig,
    SpectrumConfig,
    TemperamentConfig,
)
from emotional_ed.agents.critics import (
    ExpectedSarsaConfig,
    FullFeedbackConfig,
    IntrinsicFearConfig,
    PenalisedConfig,
    QLearningConfig,
    QuantileConfig,
)
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import EZGreedyConfig, NearGreedyConfig, SoftmaxConfig, StickyConfig
from emotional_ed.agents.recency import RecencyBonus
from emotional_ed.agents.sleep import SleepConfig
from emotional_ed.agents.sweeping import SweepingConfig
from emotional_ed.checks import require_choice
from emotional_ed.experiments.contests.arm import Arm, Range
from emotional_ed.experiments.contests.arm import Arms as Arms
from emotional_ed.experiments.contests.rungs import PLAIN, UNTAUGHT, ladder, whole
from emotional_ed.experiments.contests.tasks import TASKS, Task

_SHARE = Range(0.0, 1.0, "linear")


def _affect(**parts: object) -> AffectConfig:
    return dataclasses.replace(AffectConfig.levels(0), **parts)  # type: ignore[arg-type]


def _scaled(low: float, high: float, task: Task) -> Range:
    return Range(low * task.scale, high * task.scale)


def _fear(task: Task) -> Arms:
    search = {
        "affect.fear.caution": Range(0.05, 20.0),
        "affect.fear.step_size": Range(0.02, 0.6),
        "affect.fear.avoidance": _SHARE,
    }
    fear = _affect(fear=FearConfig(declared=task.listens))
    danger = -0.5 * task.scale  # what the rivals take for a danger where none is declared
    penalty = _scaled(0.02, 2.0, task)
    return {
        "fear": Arm(role="own", affect=fear, search=search),
        "fear-shuffled": Arm(
            role="control",
            affect=dataclasses.replace(fear, shuffled=("fear",)),
            search=search,
            note="the same fear at wrong times",
        ),
        "fear-unlearned": Arm(
            role="control",
            affect=fear,
            search={**search},
            fixed={"affect.fear.step_size": 0.0},
            note="fear that learns nothing",
        ),
        "softmax": Arm(
            level0=LevelZero(policy=SoftmaxConfig()),
            search={"level0.policy.temperature": _scaled(0.001, 1.0, task)},
        ),
        "near-greedy": Arm(
            level0=LevelZero(policy=NearGreedyConfig()), search={"level0.policy.width": _SHARE}
        ),
        "expected-sarsa": Arm(level0=LevelZero(critic=ExpectedSarsaConfig())),
        "cvar": Arm(
            level0=LevelZero(critic=QuantileConfig(quantiles=10)),
            search={"level0.critic.level": Range(0.1, 1.0, "linear")},
        ),
        "danger-penalty": Arm(
            level0=LevelZero(critic=PenalisedConfig(bad_reward=danger)),
            search={"level0.critic.penalty": penalty},
        ),
        "intrinsic-fear": Arm(
            level0=LevelZero(critic=IntrinsicFearConfig(bad_reward=danger)),
            search={"level0.critic.penalty": penalty, "level0.critic.radius": Range(1, 5, "integer")},
        ),
    }


def _anger(task: Task) -> Arms:
    cap = {"affect.anger.cap": Range(1, 16, "integer")}
    return {
        "anger": Arm(
            role="own",
            affect=_affect(anger=AngerConfig()),
            search={**cap, "affect.anger.step_size": Range(0.02, 0.6)},
        ),
        "anger-resigning": Arm(
            role="own",
            affect=_affect(anger=AngerConfig(resigns=True)),
            search={
                **cap,
                "affect.anger.step_size": Range(0.02, 0.6),
                "affect.anger.gain_step_size": Range(0.005, 0.3),
            },
            note="weighs pushing on against leaving, and leaves alone what it gave up",
        ),
        "anger-shuffled": Arm(
            role="control",
            affect=_affect(anger=AngerConfig(), shuffled=("anger",)),
            search=cap,
            note="anger at wrong times",
        ),
        "fixed-repeat": Arm(
            affect=_affect(anger=AngerConfig(step_size=0.0, helplessness=0.0, step_gain=0.0)),
            search=cap,
            note="pushes a blocked action up to the cap, always; nothing about it is learned",
        ),
        "sticky": Arm(level0=LevelZero(policy=StickyConfig()), search={"level0.policy.repeat": _SHARE}),
        "ez-greedy": Arm(
            level0=LevelZero(policy=EZGreedyConfig()),
            search={"level0.policy.exponent": Range(1.0, 4.0, "linear")},
        ),
        "blocked-count": Arm(blocked_count=8, note="sees how often it was blocked"),
    }


_RECALL_SEARCH = {
    "affect.recall.threshold": Range(0.5, 8.0),
    "affect.recall.reluctance": Range(0.1, 3.0),
}
_TIMETABLE_SEARCH = {"affect.recall.threshold": Range(2.0, 100.0)}
_HORIZON = "affect.curiosity.discount"
_CURIOSITY_SEARCH = {
    "affect.curiosity.gain": Range(0.003, 10.0),
    "affect.curiosity.step_size": Range(0.02, 1.0),
    _HORIZON: Range(0.5, 0.99, "linear"),
}
_RESETS_SEARCH = {"level0.reset_episodes": Range(10, 400, "log-integer")}
_HOPEFUL = QLearningConfig(initial=1.0)
_LAST_STEPS = SleepConfig(draw="uniform", room=100, period=50, updates=50)


def _recency(task: Task) -> Mapping[str, Range]:
    return {"affect.own.recency.gain": _scaled(1e-5, 0.1, task)}


def _optimism(task: Task) -> Mapping[str, Range]:
    return {"level0.critic.initial": _scaled(0.01, 10.0, task)}


def _recalling(**recall: object) -> AffectConfig:
    return _affect(
        mood=MoodConfig(exploration_gain=0.0),
        temperament=TemperamentConfig(),
        recall=RecallConfig(**recall),  # type: ignore[arg-type]
    )


def _slow_rivals(task: Task) -> Arms:
    return {
        "decay-only": Arm(
            affect=_affect(attachment=AttachmentConfig(step_size=0.0, gate=0.0, prior=1.0)),
            search={"affect.attachment.decay": Range(0.001, 0.5)},
            note="values fade at every episode's end",
        ),
        "recency-bonus": Arm(
            affect=_affect(own=(RecencyBonus.Config(),)),
            search=_recency(task),
        ),
        "resets": Arm(level0=LevelZero(reset_episodes=100), search=_RESETS_SEARCH),
        "small-buffer": Arm(
            level0=LevelZero(sleep=_LAST_STEPS),
            note="replays the last 100 steps; one offline update a step more than the others",
        ),
        "optimistic-resets": Arm(
            level0=LevelZero(critic=_HOPEFUL, reset_episodes=100),
            search={**_RESETS_SEARCH, **_optimism(task)},
            note="forgets everything now and then, and hopes for the best of everything then",
        ),
    }


def _recall(task: Task) -> Arms:
    return {
        "recall": Arm(role="own", affect=_recalling(mood_gain=0.0), search=_RECALL_SEARCH),
        "mood-recall": Arm(
            role="own",
            affect=_recalling(),
            search={**_RECALL_SEARCH, "affect.recall.mood_gain": Range(0.0, 0.9, "linear")},
        ),
        "recall-per-step": Arm(
            role="own",
            affect=_recalling(mood_gain=0.0, per_step=True),
            search=_RECALL_SEARCH,
            note="an episode is judged by its mean surprise a step, as deep agents do, not by the sum",
        ),
        "recall-curious": Arm(
            role="own",
            affect=dataclasses.replace(_recalling(mood_gain=0.0), curiosity=CuriosityConfig()),
            search={**_RECALL_SEARCH, **_CURIOSITY_SEARCH},
            note="what was not done yet attracts",
        ),
        "recall-recency": Arm(
            role="own",
            affect=dataclasses.replace(_recalling(mood_gain=0.0), own=(RecencyBonus.Config(),)),
            search={**_RECALL_SEARCH, **_recency(task)},
            note="explores as the rival recency-bonus does",
        ),
        "recall-by-chance": Arm(
            role="control",
            affect=_recalling(cue="chance"),
            search=_TIMETABLE_SEARCH,
            note="as many memories, switched on a fixed timetable: what capacity alone is worth",
        ),
        "curious-by-chance": Arm(
            role="control",
            affect=dataclasses.replace(_recalling(mood_gain=0.0, cue="chance"), curiosity=CuriosityConfig()),
            search={**_TIMETABLE_SEARCH, **_CURIOSITY_SEARCH},
            note="recall-curious on a fixed timetable",
        ),
        "recency-by-chance": Arm(
            role="control",
            affect=dataclasses.replace(_recalling(mood_gain=0.0, cue="chance"), own=(RecencyBonus.Config(),)),
            search={**_TIMETABLE_SEARCH, **_recency(task)},
            note="recall-recency on a fixed timetable",
        ),
        "curiosity": _curious(role="control", note="recall-curious without recall"),
        **_slow_rivals(task),
        "resets-recency": Arm(
            affect=_affect(own=(RecencyBonus.Config(),)),
            level0=LevelZero(reset_episodes=100),
            search={**_RESETS_SEARCH, **_recency(task)},
            note="forgets everything now and then, and explores what was not tried for long",
        ),
        "buffer-recency": Arm(
            affect=_affect(own=(RecencyBonus.Config(),)),
            level0=LevelZero(sleep=_LAST_STEPS),
            search=_recency(task),
            note="replays the last 100 steps, and explores what was not tried for long",
        ),
    }


def _attachment(task: Task) -> Arms:
    search = {
        "affect.attachment.decay": Range(0.001, 0.5),
        "affect.attachment.step_size": Range(0.001, 0.3),
    }
    return {
        "attachment": Arm(role="own", affect=_affect(attachment=AttachmentConfig()), search=search),
        "yearning": Arm(
            role="own",
            affect=_affect(attachment=AttachmentConfig(yearning=0.1)),
            search={**search, "affect.attachment.yearning": Range(0.005, 0.5)},
        ),
        "griefless": Arm(
            role="control",
            affect=_affect(attachment=AttachmentConfig(mourning=0.0)),
            search=search,
            note="loss does not shield",
        ),
        **_slow_rivals(task),
    }


def _sweeping(updates: int = 100) -> SweepingConfig:
    """A model with mean rewards, as no task of sleep and curiosity changes, and some are noisy."""
    return SweepingConfig(updates=updates, average=True)


def _sleep(task: Task, updates: int = 100) -> Arms:
    def sleeping(draw: str, salience: bool = False, **search: Range) -> Arm:
        affect = _affect(salience=SalienceConfig()) if salience else AffectConfig.levels(0)
        return Arm(
            role="own" if salience else "rival",
            affect=affect,
            level0=LevelZero(sleep=SleepConfig(draw=draw, updates=updates)),
            search={path.replace("__", "."): one for path, one in search.items()},
        )

    return {
        "salience-sleep": sleeping(
            "salience", True, level0__sleep__uniform=_SHARE, level0__sleep__correction=_SHARE,
            affect__salience__epistemic=_SHARE,
        ),
        "backward": sleeping("backward"),
        "uniform": sleeping("uniform"),
        "surprise": sleeping("surprise", level0__sleep__uniform=_SHARE, level0__sleep__correction=_SHARE),
        "n-step": sleeping("n-step"),
        "sweeping": Arm(level0=LevelZero(sleep=_sweeping(updates))),
    }  # fmt: skip


def _short_sleep(task: Task) -> Arms:
    return _sleep(task, updates=10)


def _regret(task: Task) -> Arms:
    return {
        "regret": Arm(
            role="own",
            affect=_affect(regret=RegretConfig()),
            search={"affect.regret.gain": Range(0.05, 10.0), "affect.regret.step_size": Range(0.02, 1.0)},
        ),
        "full-feedback": Arm(
            level0=LevelZero(critic=FullFeedbackConfig()), note="the same information, no emotion"
        ),
        "softmax": Arm(
            level0=LevelZero(policy=SoftmaxConfig()),
            search={"level0.policy.temperature": _scaled(0.001, 1.0, task)},
        ),
    }


def _curious(role: str = "own", sleep: SleepConfig | SweepingConfig | None = None, note: str = "") -> Arm:
    salience = SalienceConfig() if isinstance(sleep, SleepConfig) and sleep.draw == "salience" else None
    return Arm(
        role=role,
        affect=_affect(curiosity=CuriosityConfig(), salience=salience),
        level0=LevelZero(sleep=sleep),
        search=_CURIOSITY_SEARCH,
        note=note,
    )


def _near(form: Arm) -> Arm:
    """Return the control of a form of curiosity: the same without a horizon."""
    return dataclasses.replace(
        form,
        role="control",
        search={path: one for path, one in form.search.items() if path != _HORIZON},
        fixed={_HORIZON: 0.0},
        note="only what is new here and now attracts",
    )


def _curiosity(task: Task) -> Arms:
    sweeping, dreaming = LevelZero(sleep=_sweeping()), SleepConfig(draw="salience", updates=100)
    recency = _slow_rivals(task)["recency-bonus"]
    forms = {
        "curiosity": _curious(),
        "curious-dreams": _curious(sleep=dreaming, note="and sleeps, from salient moments"),
        "curious-sweeping": _curious(sleep=_sweeping(), note="and sleeps as the rival sweeping does"),
    }
    return {
        **forms,
        "dreams": Arm(
            role="control",
            affect=_affect(salience=SalienceConfig()),
            level0=LevelZero(sleep=dreaming),
            note="curious-dreams without curiosity",
        ),
        "curious-near-dreams": _near(forms["curious-dreams"]),
        "curiosity-near": _near(forms["curiosity"]),
        "curious-near-sweeping": _near(forms["curious-sweeping"]),
        "optimistic": Arm(
            level0=LevelZero(critic=_HOPEFUL),
            search=_optimism(task),
            note="values begin high, so that all is tried that they lead to",
        ),
        "optimistic-sweeping": Arm(
            level0=dataclasses.replace(sweeping, critic=_HOPEFUL), search=_optimism(task)
        ),
        "recency-bonus": recency,
        "sweeping": Arm(level0=sweeping),
        "recency-sweeping": dataclasses.replace(recency, level0=sweeping),
        "ez-greedy": _anger(task)["ez-greedy"],
        "softmax": _regret(task)["softmax"],
    }


def _joy(task: Task) -> Arms:
    return {
        "joy": Arm(
            role="own",
            affect=_affect(joy=JoyConfig()),
            search={"affect.joy.gain": Range(0.1, 100.0), "affect.joy.rate": Range(0.01, 1.0)},
        ),
        **_slow_rivals(task),
    }


def _spectrum(task: Task) -> Arms:
    return {
        "spectrum": Arm(
            role="own",
            affect=_affect(spectrum=SpectrumConfig()),
            search={"affect.spectrum.midpoint": Range(0.02, 2.0), "affect.spectrum.ridge": Range(0.02, 2.0)},
        ),
        "two-clocks": Arm(
            affect=_affect(mood=MoodConfig(), temperament=TemperamentConfig()),
            search={"affect.mood.midpoint": Range(0.02, 2.0), "affect.mood.ridge": Range(0.02, 2.0)},
        ),
    }


MECHANISMS: Mapping[str, Callable[[Task], Arms]] = MappingProxyType(
    {
        "fear": _fear, "anger": _anger, "recall": _recall, "attachment": _attachment, "sleep": _sleep,
        "short-sleep": _short_sleep,
        "regret": _regret, "curiosity": _curiosity, "joy": _joy, "spectrum": _spectrum,
        "ladder": ladder, "whole": whole,
    }
)  # fmt: skip
"""Name -> the arms that test it on a task: the mechanism first, then its controls and rivals."""


def arms_for(
    task: str,
    mechanism: str,
    *,
    tasks: Mapping[str, Task] = TASKS,
    mechanisms: Mapping[str, Callable[[Task], Arms]] = MECHANISMS,
) -> Arms:
    """Return every arm of a fair test: tuned level 0, the mechanism, its controls and all of its rivals.

    Removing the mechanism gives level 0; of two mechanisms in one arm, the other one, which is an arm too.
    All arms see the same observations, have the same budget of steps, and are searched with the same number
    of settings.

    Example:
        >>> list(arms_for("regimes", "joy"))[:3]
        ['level-0', 'level-0 untaught', 'joy']

    Raises:
        ValueError: the task or the mechanism is unknown.
    """
    require_choice("task", task, tasks)
    require_choice("mechanism", mechanism, mechanisms)
    return {
        PLAIN: Arm(role="control"),
        UNTAUGHT: Arm(
            role="control", fixed={"step_size": 0.0}, note="what a script without learning reaches"
        ),
        **mechanisms[mechanism](tasks[task]),
    }
