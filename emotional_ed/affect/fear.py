"""Fear: a learned memory of the harm behind an action, spread and priced only where the reward omits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from emotional_ed.affect.channel import LARGEST_GAIN, Channel, ChannelConfig, commit
from emotional_ed.affect.drive import Drive
from emotional_ed.affect.surprise import Standardiser, Surprise, SurpriseConfig
from emotional_ed.checks import require_bool, require_range
from emotional_ed.memory import AssociativeMemory
from emotional_ed.nested import Signals

_TINY = 1e-30
_UNSEEN = (None, -1)


@dataclass(frozen=True, kw_only=True)
class FearConfig(ChannelConfig):
    """What frightens, how fast that is learned and unlearned, and what it does."""

    onset: float = 1.5
    """How far below what is usual a reward begins to frighten, in units of its usual distance, >= 0."""
    full: float = 3.0
    """How far below it frightens fully, > onset."""
    step_size: float = 0.05
    """Weight of the latest experience with a well-known action, in [0, 1]; before that fear is a mean."""
    discount: float = 0.97
    """How much of a declared danger is felt one step earlier, in [0, 1]; harm in the reward is not spread."""
    caution: float = 0.3
    """Values are lowered by caution * fear * what is at stake before the greedy choice, in [0, 1e6]."""
    avoidance: float = 0.9
    """Random actions are drawn with weight 1 - avoidance * fear, in [0, 1]."""
    step_gain: float = 0.0
    """Step size is multiplied by 1 + step_gain * fear; in [-1, 1e6]."""
    declared: bool = False
    """Whether a danger that the environment declares is what is feared, if the agent was told to listen."""

    def __post_init__(self) -> None:
        require_range("FearConfig.onset", self.onset, 0)
        require_range("FearConfig.full", self.full, self.onset, low_open=True)
        require_range("FearConfig.step_size", self.step_size, 0, 1)
        require_range("FearConfig.discount", self.discount, 0, 1)
        require_range("FearConfig.caution", self.caution, 0, LARGEST_GAIN)
        require_range("FearConfig.avoidance", self.avoidance, 0, 1)
        require_range("FearConfig.step_gain", self.step_gain, -1, LARGEST_GAIN)
        require_bool("FearConfig.declared", self.declared)


@final
class Fear(Channel):
    """Every step: H(s, a) in [0, 1], how much harm lies behind an action, with its own memory.

    Equation:
        c = clip((-z - onset)/(full - onset), 0, 1),  z = (r - usual r) in units of its usual size;
            or the danger that the environment declares
        ahead = min_a' [H(s', a') + (max_b Q(s', b) - Q(s', a'))/price]  of declared dangers, 0 of others
        u(s, a) += step_size (1 - u(s, a))
        H(s, a) += step_size/u(s, a) (c + (1 - c) discount ahead - H(s, a))

        score Q(s, a) - price H(s, a);  price = caution max(unit of surprise, typical |target|)

    H is a mean at first, so one harm is believed at once and outweighed by as many harmless steps; later it
    is a running mean, so fear extinguishes. Harm that the reward holds is in Q along all of the way: it is
    feared in the step itself only, of which Q remembers little more than the latest outcomes. A declared
    danger is in no reward: fear of it spreads along the way that is then best. There, what lies ahead is
    either feared, or it costs what going round gives up. So where dangers end the episode Q - price H
    becomes what Q-learning would hold if each of them cost its price. Where recall begins a new memory of
    values, fear begins anew too: fear of what a blank memory has not met yet would never be unlearned. On a
    CPU, while all of H is 0 and nothing harms, H is neither read nor written: the same numbers in less time.

    Reference:
        Sutton and Barto, exercise 2.7 (a running mean without initial bias); Lipton et al. (2016), arXiv
        1611.01211 (intrinsic fear), here without access to the threat.
    When it does harm: where bad luck belongs to the best way, and caution is so large that it is not gone.

    Shapes:
        memory.M: [P, A, K], H; known.M: [P, A, K], u.
    """

    onset: Tensor
    full: Tensor
    step_size: Tensor
    discount: Tensor
    caution: Tensor
    avoidance: Tensor
    step_gain: Tensor
    declared: Tensor
    usual: Tensor
    certain: Tensor
    bearable: Tensor
    span: Tensor
    least: Tensor
    none: Tensor

    name = "fear"
    Config = FearConfig
    needs = ("surprise",)

    def start(self, configs: Sequence[FearConfig]) -> None:
        """Start without fear."""
        population, actions, keys, _, _ = self.setting
        self.memory = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        self.known = AssociativeMemory(actions, keys, batch=(population,), solver="grad")
        self.rewards = Standardiser([SurpriseConfig(limit=1000)] * population)
        self.remember("usual")
        self.register_buffer("certain", torch.ones(population), persistent=False)
        self.register_buffer("bearable", -self.onset, persistent=False)
        self.register_buffer("span", self.full - self.onset, persistent=False)
        self.register_buffer("least", self.step_size.clamp_min(_TINY), persistent=False)
        self.register_buffer("none", torch.zeros(population, actions), persistent=False)
        # The memory and its version when it was last seen to hold nothing; None once it holds something.
        self._blank: tuple[Tensor | None, int] | None = _UNSEEN
        self.listens = any(config.declared for config in configs)
        """Whether a declared danger is wanted at all."""
        self.hurries = any(config.step_gain != 0 for config in configs)

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Become better acquainted with the action, and write this step's harm."""
        target = self._harm(signals["reward"], due)
        if self.listens and "danger" in signals:
            target = torch.where(self.declared > 0, self._declared_harm(signals), target)
            cost = self.declared * self.present * self._price.squeeze(-1)
            signals["danger_cost"] = cost * signals["danger"].to(cost.dtype)
        known = self.known.entry(signals["key"], signals["action"])  # u before
        strange = known.take_up(self.certain, self.step_size, due)
        if self._is_fearless() and not target.any():  # nothing to learn, nothing to unlearn
            signals["fear"] = signals["fear_felt"] = target
            return
        u = known.held + self.step_size * strange
        step = self.step_size / torch.clamp(u, self.least, self.certain)
        here = self.memory.entry(signals["key"], signals["action"])
        lss = here.take_up(target, step, due)
        felt = target - lss
        signals["fear"] = felt + step * lss
        signals["fear_felt"] = felt

    def _is_fearless(self) -> bool:
        """Return whether nothing is feared anywhere; False where nobody is to look: on a GPU, or compiled."""
        if torch.compiler.is_compiling():
            return False
        held = self.memory.M
        if self._blank is None or not held.is_cpu or held.is_inference():  # which has no version
            return False
        seen, version = self._blank
        if seen is not held or version != held._version:
            self._blank = None if bool(held.any()) else (held, held._version)
        return self._blank is not None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of; it has to look for itself whether it holds something."""
        return {**self.__dict__, "_blank": _UNSEEN}

    def _harm(self, reward: Tensor, due: Tensor | None) -> Tensor:
        """Return how bad a reward is beside what is usual, [P] in [0, 1]."""
        error = reward - self.usual
        z, rate = self.rewards.take_in(error, reward, due)
        commit(self.usual, error.mul_(rate).add_(self.usual), due)
        return self.bearable.sub(z).div_(self.span).clamp_(0, 1)

    def _declared_harm(self, signals: Signals) -> Tensor:
        """Return the declared danger and what of the next state's is felt already, [P] in [0, 1]."""
        fear = self.memory.read(signals["next_key"]).clamp(0, 1)  # [P, A]
        values = signals.get("next_values")
        if values is not None:
            fear = fear + (values.amax(-1, keepdim=True) - values) / self._price.clamp_min(_TINY)
        ahead = fear.amin(-1).clamp(0, 1).masked_fill(signals["terminated"], 0)
        danger = signals["danger"].to(ahead.dtype)
        return danger + (1 - danger) * self.discount * ahead

    @property
    def _price(self) -> Tensor:
        """What a fear of 1 costs, in units of value, [P, 1]."""
        return (self.caution * cast(Surprise, self.setting.levels["surprise"]).worth)[:, None]

    def bend_step(self, signals: Signals) -> Tensor | None:
        """Learn faster, or slower, where it was feared."""
        if not self.hurries:
            return None
        return 1 + self.step_gain * signals["fear_felt"]

    def begin_anew(self, who: Tensor) -> None:
        """Meet a new situation without fear: what was harm before may be the way now."""
        for memory in (self.memory, self.known):
            memory.clear(who)
        self._blank = _UNSEEN

    def modulate(self, key: Tensor) -> Drive:
        """Lower the values of feared actions and draw them less often at random."""
        if self._is_fearless():
            return Drive(avoidance=self.none)
        fear = self.memory.read(key).clamp(0, 1)  # [P, A]; overlapping features may add up to more
        return Drive(bias=-(self._price * fear), avoidance=self.avoidance[:, None] * fear)
