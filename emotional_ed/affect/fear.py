"""Fear: a learned memory of where bad surprises came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, Drive, stack
from emotional_ed.affect.surprise import Surprise
from emotional_ed.checks import require_range
from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Clock, Signals


@dataclass(frozen=True, kw_only=True)
class FearConfig:
    """What frightens, how fear spreads and fades, and what it does."""

    onset: float = 1.5
    """Negative standardised surprise at which fear begins, >= 0."""
    full: float = 3.0
    """Negative standardised surprise that frightens fully, > onset."""
    step_size: float = 0.2
    """Share of the gap that one write closes, in [0, 1]; extinction is as fast as acquisition."""
    discount: float = 0.7
    """How much of the fear of an unavoidable future is felt one step earlier, in [0, 1)."""
    caution: float = 0.5
    """Values are lowered by caution * fear standard surprises before the greedy choice, in [0, 1e6]."""
    avoidance: float = 0.9
    """Random actions are drawn with weight 1 - avoidance * fear, in [0, 1]."""
    step_gain: float = 0.0
    """Step size is multiplied by 1 + step_gain * fear; in [-1, 1e6]."""

    def __post_init__(self) -> None:
        require_range("FearConfig.onset", self.onset, 0)
        require_range("FearConfig.full", self.full, self.onset, low_open=True)
        require_range("FearConfig.step_size", self.step_size, 0, 1)
        require_range("FearConfig.discount", self.discount, 0, 1, high_open=True)
        require_range("FearConfig.caution", self.caution, 0, LARGEST_GAIN)
        require_range("FearConfig.avoidance", self.avoidance, 0, 1)
        require_range("FearConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)


@final
class Fear(Channel):
    """Every step: H(s, a) in [0, 1], how bad a surprise lies behind an action, with its own memory.

    Equation:
        c = clip((-z - onset)/(full - onset), 0, 1)
        H(s, a) += step_size (c + (1 - c) discount min_a' H(s', a') - H(s, a))

    Nothing bad and nothing feared ahead gives the target 0: fear extinguishes. It is no function of Q, so
    it can change the greedy choice.

    Source: Lipton et al. (2016), arXiv 1611.01211 (intrinsic fear), here without access to the threat.
    When it does harm: where the way to the best outcome leads past a danger that Q already prices in.

    Args:
        configs: one a member.
        surprise: whose `unit` turns caution into units of value.
        actions: A.
        keys: number of one-hot keys, or of features, K.

    Shapes:
        memory.M: [P, A, K].
    """

    onset: Tensor
    full: Tensor
    step_size: Tensor
    discount: Tensor
    caution: Tensor
    avoidance: Tensor
    step_gain: Tensor

    def __init__(self, configs: Sequence[FearConfig], surprise: Surprise, actions: int, keys: int) -> None:
        super().__init__("fear", Clock(period=1), after=("surprise",))
        self.memory = AssociativeMemory(actions, keys, batch=(len(configs),), solver="grad")
        self._surprise = (surprise,)  # in a tuple: read, not owned
        for name in ("onset", "full", "step_size", "discount", "caution", "avoidance", "step_gain"):
            self.register_buffer(name, stack(configs, name), persistent=False)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Write this step's danger, and let the fear that was felt act on the step size."""
        bad = ((-signals["surprise"] - self.onset) / (self.full - self.onset)).clamp(0, 1)
        ahead = self.memory.read(signals["next_key"]).amin(-1).masked_fill(signals["terminated"], 0)
        target = bad + (1 - bad) * self.discount * ahead  # [P]
        chosen = signals["chosen"]  # [P, A] bool
        mask = chosen if due is None else chosen & due[:, None]
        lss = self.memory.write(signals["key"], target[:, None].expand_as(chosen), self.step_size, mask)
        felt = target - lss.gather(-1, signals["action"][:, None]).squeeze(-1)
        signals["fear"] = felt + self.step_size * (target - felt)
        signals["step_factor"] = signals["step_factor"] * (1 + self.step_gain * felt)

    def modulate(self, drive: Drive, key: Tensor) -> None:
        """Lower the values of feared actions and draw them less often at random."""
        fear = self.memory.read(key)  # [P, A]
        aversion = (self.caution * self._surprise[0].unit)[:, None] * fear
        avoidance = self.avoidance[:, None] * fear
        drive.aversion = aversion if drive.aversion is None else drive.aversion + aversion
        drive.avoidance = (
            avoidance if drive.avoidance is None else 1 - (1 - drive.avoidance) * (1 - avoidance)
        )
