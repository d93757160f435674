"""The earlier claims, one row each: what was said, how it is tested fairly, and which contests decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Contest = tuple[str, str]
"""(mechanism, task)."""
SPEED = "steps to threshold"
"""The mechanism's name in contests for the number of steps."""
DEEP = "deep"
"""The mechanism's name in contests of deep agents."""


@dataclass(frozen=True, kw_only=True)
class EarlierClaim:
    """A row of the table."""

    said: str
    """The claim."""
    test: str
    """The fair test."""
    contests: tuple[Contest, ...] = ()
    """Where it should help."""
    controls: tuple[Contest, ...] = ()
    """Where it must not harm."""
    elsewhere: str = ""
    """Where else it is told, if it is no contest."""


_MAZE = ("curiosity", "sparse-maze")
CLAIMS: Mapping[str, EarlierClaim] = MappingProxyType(
    {
        "threat avoidance": EarlierClaim(
            said="Fear keeps an agent out of danger at less cost than Q-learning does.",
            test="Learned fear, no threat handed over; hazards that stay while goals move, that look the "
            "same in new layouts, and that the reward leaves out. Control: pits that move with the "
            "goal.",
            contests=(("fear", "new-layouts"), ("fear", "moving-goal"), ("fear", "silent-catastrophe")),
            controls=(("fear", "moving-pits"),),
        ),
        "blocked goals": EarlierClaim(
            said="Anger at a blocked goal makes for persistence that pays.",
            test="Doors of mixed need, some of which never open; a fixed number of repeats, sticky actions "
            "and the blocked count in the state are rivals. Control: a door that never opens.",
            contests=(("anger", "mixed-doors"),),
            controls=(("anger", "shut-door"),),
        ),
        "counterfactual choice": EarlierClaim(
            said="Regret over what another action would have brought improves choice.",
            test="Rewards of all actions are told to all arms; Q-learning that simply learns from them is "
            "a rival.",
            contests=(("regret", "full-feedback"),),
        ),
        "loss": EarlierClaim(
            said="Grief over a lost source of reward helps to adapt to the loss and to its return.",
            test="A source that vanishes and returns; values that fade, a recency bonus and resets are "
            "rivals. Control: a source that is lost for good.",
            contests=(("attachment", "vanishing-source"),),
            controls=(("attachment", "lost-source"),),
        ),
        "conflict": EarlierClaim(
            said="Emotion resolves the conflict of approach and avoidance.",
            test="Good food behind a guard that is lazy and fierce in turn, poor food where it is safe; "
            "fear and recall, each against its rivals.",
            contests=(("fear", "approach-avoidance"), ("recall", "approach-avoidance")),
        ),
        "reappraisal": EarlierClaim(
            said="Fear that is re-appraised keeps its protection and is given up when the danger is past.",
            test="The predator sleeps for good after 500 episodes; fear with extinction of two kinds, the "
            "same fear without (control), values that fade and exploration schemes as rivals.",
            contests=(("reappraisal", "leaving-predator"),),
        ),
        "phasic and tonic affect": EarlierClaim(
            said="Affect on many timescales beats affect on one.",
            test="Recurring regimes with noise; a spectrum of clocks against two, all tuned.",
            contests=(("spectrum", "noisy-regimes"),),
        ),
        "disgust": EarlierClaim(
            said="Avoidance of what is contaminated, which does not extinguish, protects better than fear.",
            test="Pits stay while the goal moves; aversion without and with slow forgetting against "
            "ordinary fear, CVaR, a danger penalty. Control: the contamination moves too.",
            contests=(("disgust", "moving-goal"),),
            controls=(("disgust", "moving-pits"),),
        ),
        "wanting and liking": EarlierClaim(
            said="Wanting kept apart from liking adapts faster when an outcome loses its value.",
            test="A source is devalued for good, or devalued and restored in turn. The nearest there is: "
            "slow and fast values (attachment), yearning, joy; rivals: fading values, a recency "
            "bonus, resets, planning.",
            contests=(("wanting", "lost-source"), ("wanting", "vanishing-source")),
        ),
        "transfer": EarlierClaim(
            said="Affect learned in one task speeds up the next.",
            test="Goals change, pits stay, and the start of a task is known: fear, values, both or nothing "
            "carried over; fear that begins anew is the control of carrying it. Control: pits that "
            "move too.",
            contests=(("transfer", "moving-goal"),),
            controls=(("transfer", "moving-pits"),),
        ),
        "reward shaping": EarlierClaim(
            said="Emotion added to the reward shapes learning for the better.",
            test="One learned fear in four places: taken off the target, as a potential, in the choice, "
            "and not at all; where harm is in the reward and where it is not. A penalty without "
            "learned fear is the control.",
            contests=(("shaping", "predator"), ("shaping", "silent-catastrophe")),
        ),
        "curiosity": EarlierClaim(
            said="Curiosity finds sparse rewards.",
            test="A sparse maze, and a lake of ice with one reward; optimistic values, a recency bonus, "
            "temporally extended exploration and softmax are rivals.",
            contests=(_MAZE, ("curiosity", "frozen-lake")),
        ),
        "failure modes": EarlierClaim(
            said="Too much of an emotion fails in ways that resemble disorders.",
            test="Dose and response, too much fear, anger that never ends, conflict.",
            elsewhere="told by the study of disorders",
        ),
        "sample efficiency": EarlierClaim(
            said="The emotional agent needs fewer steps than Q-learning.",
            test="Steps after which an agent is, and stays, 90 % as good as tuned level 0 comes to be; "
            "both tuned alike, on situations that do not change.",
            contests=tuple(
                (SPEED, task)
                for task in (
                    "slippery-cliff", "new-layouts", "silent-catastrophe", "predator", "jammed-door",
                    "frozen-lake",
                )
            ),
        ),
        "slippery cliff": EarlierClaim(
            said="Fear, or the whole emotional agent, earns more beside a slippery cliff.",
            test="Ties broken at random, step size and exploration tuned for all.",
            contests=(("fear", "slippery-cliff"), ("whole", "slippery-cliff")),
        ),
        "seasons": EarlierClaim(
            said="Mood adapts faster to regimes of reward that recur.",
            test="Two rewards that swap sign, at three levels of noise; fading values, resets, a recency "
            "bonus, a small buffer as rivals. Controls: a regime that stays, goals that never come "
            "back.",
            contests=(("recall", "regimes"), ("recall", "noisy-regimes"), ("recall", "very-noisy-regimes")),
            controls=(("recall", "constant-regime"), ("recall", "new-goals")),
        ),
        "jammed door": EarlierClaim(
            said="Patience opens a jammed door.",
            test="The count is hidden; a fixed number of repeats is a rival. Control: the door never "
            "opens.",
            contests=(("anger", "jammed-door"),),
            controls=(("anger", "shut-door"),),
        ),
        "visual hazards": EarlierClaim(
            said="A deep agent with emotions avoids hazards that it sees.",
            test="DQN on random fields of lava, a view of its own surroundings for all arms.",
            contests=((DEEP, "lava-field"),),
        ),
        "predator": EarlierClaim(
            said="Fear escapes a predator.",
            test="All arms see the same coarse view of it.",
            contests=(("fear", "predator"),),
        ),
        "battery": EarlierClaim(
            said="Anxiety about the charge brings a robot back to its charger in time.",
            test="The charge is in the observation of all arms; running out ends the episode with -1.",
            contests=(("fear", "battery"),),
        ),
    }
)  # fmt: skip
"""Name -> claim, in the order of the table."""
