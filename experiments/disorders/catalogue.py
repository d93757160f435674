"""The disorders, as data: which number is the dose, its ladder, where the emotion helps, what to expect."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from emotional_ed.affect import (
    AffectConfig,
    AngerConfig,
    ArousalConfig,
    AttachmentConfig,
    CuriosityConfig,
    FearConfig,
    MoodConfig,
    RecallConfig,
    TemperamentConfig,
)
from emotional_ed.checks import require_choice, require_range
from emotional_ed.experiments.contests.arm import Arm, Setting
from emotional_ed.experiments.contests.tasks import TASKS, Task

NUMBERS = ("dose", "1/dose", "-dose")
"""What stands in the configuration when a dose is given."""


def _variant(task: str, **changes: object) -> Task:
    return dataclasses.replace(TASKS[task], **changes)  # type: ignore[arg-type]


SITUATIONS: Mapping[str, Task] = MappingProxyType(
    {
        **TASKS,
        "unminded-ice": _variant("silent-catastrophe", price=0.0),
        "lazy-guard": _variant("approach-avoidance", env_kwargs={"period": 10**9}),
        "one-push-doors": _variant("mixed-doors", env_kwargs={"least": (1, 1, 1), "most": (1, 1, 1)}),
    }
)
"""Name -> task: those of the suite, and ice through which nobody minds falling, a guard that stays lazy, and
doors that open at the first push or never."""


@dataclass(frozen=True, kw_only=True)
class Disorder:
    """One mechanism at doses from none to absurd; everything else is the same for all of them.

    Example:
        >>> rage = DISORDERS["rage"]
        >>> rage.arm(0).affect.anger is None, rage.arm(100).affect.anger.cap
        (True, 100)
    """

    about: str
    """What it is, in a few plain words."""
    path: str
    """Path of the number that is the dose, e.g. "affect.fear.caution"."""
    number: str = "dose"
    """What stands there at a dose above 0: "dose", "1/dose" (the dose is a length of memory) or "-dose"."""
    unit: str
    """What a dose of 1 is."""
    doses: tuple[float, ...]
    """The ladder: 0, then rising."""
    usual: float | None
    """The dose of the default configuration, one of the ladder; None if the default is not on it."""
    affected: AffectConfig
    """The agent at every dose above 0, before the dose is put in its place."""
    healthy: AffectConfig = field(default_factory=lambda: AffectConfig.levels(0))
    """The agent at dose 0."""
    situation: str
    """Where the emotion is meant to help, one of `SITUATIONS`."""
    control: str
    """Where it is not needed."""
    behaviour: str
    """The conduct that names the disorder, one of `CONDUCT`."""
    expected: str
    """What was expected before any run."""

    def __post_init__(self) -> None:
        require_choice("Disorder.number", self.number, NUMBERS)
        require_choice("Disorder.situation", self.situation, SITUATIONS)
        require_choice("Disorder.control", self.control, SITUATIONS)
        for dose in self.doses:
            require_range("Disorder.doses", dose, 0)
        if list(self.doses) != sorted(set(self.doses)) or len(self.doses) < 3 or self.doses[0] != 0:
            raise ValueError(f"Disorder.doses: got {self.doses}, expected 0 and two or more, rising")
        if self.usual is not None and self.usual not in self.doses:
            raise ValueError(f"Disorder.usual: got {self.usual!r}, expected one of {self.doses}")

    def arm(self, dose: float) -> Arm:
        """Return the agent with this dose.

        Raises:
            ValueError: the dose is negative, or too large for its place.
        """
        require_range("dose", dose, 0)
        if dose == 0:
            return Arm(affect=self.healthy)
        number = {"dose": dose, "1/dose": 1 / dose, "-dose": -dose}[self.number]
        at_dose: Setting = {self.path: number}
        _, affect = Arm(affect=self.affected).configured(at_dose)
        return Arm(affect=affect)


def _affect(**parts: object) -> AffectConfig:
    return dataclasses.replace(AffectConfig.levels(0), **parts)  # type: ignore[arg-type]


_FEAR = FearConfig(avoidance=0.0)
_CAUTION = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
_CAPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1000.0)
_MOODY = _affect(
    mood=MoodConfig(exploration_gain=0.0), temperament=TemperamentConfig(), recall=RecallConfig()
)
_SULLEN = MoodConfig(exploration_gain=-1.0)
_GLOOM = TemperamentConfig(initial=-1.0, step_size=0.0)

DISORDERS: Mapping[str, Disorder] = MappingProxyType(
    {
        "timidity": Disorder(
            about="too much fear of what has hurt",
            path="affect.fear.caution",
            unit="price of full fear, in what is at stake",
            doses=_CAUTION,
            usual=0.3,
            affected=_affect(fear=_FEAR),
            situation="predator",
            control="slippery-cliff",
            behaviour="timeouts",
            expected="An inverted U before the predator, best near the default. On the cliff, whose falls "
            "the reward holds already, no gain, and harm from ten times the default on: it "
            "freezes.",
        ),
        "dread": Disorder(
            about="too much fear of a declared danger",
            path="affect.fear.caution",
            unit="price of full fear, in what is at stake",
            doses=_CAUTION,
            usual=1.0,
            affected=_affect(fear=FearConfig(declared=True, step_size=0.2, avoidance=0.0)),
            situation="silent-catastrophe",
            control="unminded-ice",
            behaviour="timeouts",
            expected="An inverted U where a broken ice costs 0.2: first it walks round, at absurd doses it "
            "dares nothing. Where nobody minds, harm as soon as it walks round.",
        ),
        "phobia": Disorder(
            about="fear that does not fade",
            path="affect.fear.step_size",
            number="1/dose",
            unit="experiences that fear remembers",
            doses=(0.0, 1.0, 3.0, 10.0, 20.0, 100.0, 1000.0, 100_000.0),
            usual=20.0,
            affected=_affect(fear=FearConfig(caution=1.0, avoidance=0.0)),
            situation="predator",
            control="moving-pits",
            behaviour="timeouts",
            expected="Before a predator that stays as it is, the longer the better. Where the pits move, a "
            "gain at short memories at most, and harm where fear outlives the pits.",
        ),
        "conflict": Disorder(
            about="fear against wanting",
            path="affect.fear.caution",
            unit="price of full fear, in what is at stake",
            doses=_CAUTION,
            usual=0.3,
            affected=_affect(fear=_FEAR),
            situation="approach-avoidance",
            control="lazy-guard",
            behaviour="reversals",
            expected="Dithering is largest in the middle, where fear is as strong as wanting, and less at "
            "both ends. Where the guard is fierce by turns no certain gain, before the lazy guard "
            "harm.",
        ),
        "rage": Disorder(
            about="anger that never ends",
            path="affect.anger.cap",
            unit="pushes in a row, whatever came of them",
            doses=_CAPS,
            usual=10.0,
            affected=_affect(anger=AngerConfig(step_size=0.0, helplessness=0.0)),
            situation="jammed-door",
            control="one-push-doors",
            behaviour="pushes",
            expected="Before a door that opens after 2 to 8 pushes a rise up to 8 or 10 and little change "
            "beyond. Where one push tells all, harm that grows with the dose until the time runs out.",
        ),
        "anger": Disorder(
            about="the same, but it learns",
            path="affect.anger.cap",
            unit="most pushes in a row",
            doses=_CAPS,
            usual=10.0,
            affected=_affect(anger=AngerConfig()),
            situation="jammed-door",
            control="one-push-doors",
            behaviour="pushes",
            expected="The same rise, and next to no harm where one push tells all, at any dose: it gives up.",
        ),
        "blind rage": Disorder(
            about="pain taken for an obstacle",
            path="affect.anger.pain",
            unit="worst surprise that is no punishment",
            doses=(0.0, 0.1, 0.3, 1.0, 2.5, 5.0, 10.0),
            usual=2.5,
            affected=_affect(anger=AngerConfig()),
            situation="jammed-door",
            control="slippery-cliff",
            behaviour="pushes",
            expected="Before the jammed door a rise to the default and no change beyond. On the cliff harm "
            "beyond the default: a fall that leads back to where it began is taken for a wall and "
            "tried again.",
        ),
        "hot anger": Disorder(
            about="a jam is held against the aim",
            path="affect.anger.step_gain",
            unit="extra step size at full anger",
            doses=(0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
            usual=None,
            affected=_affect(anger=AngerConfig()),
            healthy=_affect(anger=AngerConfig(step_gain=0.0)),
            situation="jammed-door",
            control="one-push-doors",
            behaviour="pushes",
            expected="Harm that grows with the dose before the jammed door, as each blocked push is "
            "over-learned; none where one push tells all. The default is -0.5, on the other side.",
        ),
        "rumination": Disorder(
            about="it switches too readily",
            path="affect.recall.threshold",
            number="1/dose",
            unit="switches for a nat of evidence",
            doses=(0.0, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 100.0, 10_000.0),
            usual=0.5,
            affected=_MOODY,
            situation="noisy-regimes",
            control="constant-regime",
            behaviour="switches",
            expected="An inverted U where regimes recur, best near the default, with harm at the ready end."
            " In a regime that stays no gain, and harm at the ready end.",
        ),
        "stuck mood": Disorder(
            about="a mood that outlives its reasons",
            path="affect.mood.period",
            unit="steps between two moods",
            doses=(0.0, 1.0, 50.0, 500.0, 5000.0),
            usual=50.0,
            affected=_affect(mood=MoodConfig(), temperament=TemperamentConfig()),
            situation="noisy-regimes",
            control="constant-regime",
            behaviour="explored",
            expected="A small gain up to a few hundred steps where regimes recur, none beyond; no harm "
            "anywhere, as mood only halves or adds a half to exploration.",
        ),
        "depression": Disorder(
            about="gloom that keeps from trying",
            path="affect.mood.ridge",
            unit="pull of the gloom on mood",
            doses=(0.0, 0.2, 0.5, 1.0, 3.0, 10.0, 100.0, 1000.0),
            usual=None,
            affected=_affect(mood=_SULLEN, temperament=_GLOOM),
            healthy=_affect(mood=dataclasses.replace(_SULLEN, ridge=0.0), temperament=_GLOOM),
            situation="vanishing-source",
            control="slippery-cliff",
            behaviour="explored",
            expected="Harm that grows with the dose where the world must be tried again. On the cliff a "
            "gain, as each trial may be a fall: there depression is right.",
        ),
        "obsession": Disorder(
            about="curiosity that outweighs all",
            path="affect.curiosity.gain",
            unit="worth of the new, in units of what is at stake",
            doses=(0.0, 0.01, 0.03, 0.1, 1.0, 10.0, 100.0, 10_000.0),
            usual=0.1,
            affected=_affect(curiosity=CuriosityConfig(step_size=0.05)),
            situation="sparse-maze",
            control="slippery-cliff",
            behaviour="catastrophes",
            expected="An inverted U in the maze, far above the default. On the cliff harm that grows with "
            "the dose: all is tried, falls too.",
        ),
        "prolonged grief": Disorder(
            about="loss that is never accepted",
            path="affect.attachment.acceptance",
            number="1/dose",
            unit="steps in which grief fades to a third",
            doses=(0.0, 1.0, 10.0, 50.0, 200.0, 1000.0, 10_000.0, 1_000_000.0),
            usual=200.0,
            affected=_affect(attachment=AttachmentConfig()),
            healthy=_affect(attachment=AttachmentConfig(mourning=0.0)),
            situation="vanishing-source",
            control="lost-source",
            behaviour="barren",
            expected="An inverted U where the source returns, best where grief lasts as long as the "
            "absence. Where it is gone for ever harm that grows with the dose: the slow memory "
            "never learns of the loss.",
        ),
        "clinging": Disorder(
            about="yearning for what is lost",
            path="affect.attachment.yearning",
            unit="visits for a whole gap of worth",
            doses=(0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 1000.0),
            usual=None,
            affected=_affect(attachment=AttachmentConfig(decay=0.0)),
            situation="vanishing-source",
            control="lost-source",
            behaviour="barren",
            expected="A gain at small doses where the source returns, as a look costs little; harm at large"
            " ones. Where it is gone for ever harm that grows with the dose. The default is 0.",
        ),
        "hypervigilance": Disorder(
            about="all is an alarm",
            path="affect.arousal.step_gain",
            unit="extra step size at full arousal",
            doses=(0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
            usual=1.0,
            affected=_affect(arousal=ArousalConfig()),
            situation="noisy-regimes",
            control="constant-regime",
            behaviour="timeouts",
            expected="A small gain near the default where regimes change, lost at large doses, which learn "
            "noise. In a regime that stays nothing, as noise alone does not arouse.",
        ),
    }
)  # fmt: skip
"""Name -> disorder."""
