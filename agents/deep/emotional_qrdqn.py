"""Quantile regression DQN with affect: frightened, it acts on the worst of what may come."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import torch
from sb3_contrib import QRDQN
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.deep.feelings import Feelings
from emotional_ed.agents.deep.greedy_agent import GreedyAgent
from emotional_ed.agents.deep.minibatches import study
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.quantile_learning import QuantileLearning
from emotional_ed.agents.deep.quantile_network import QuantileValues
from emotional_ed.agents.deep.replay import Minibatch, Observations, sample
from emotional_ed.agents.deep.risk import risk_scores
from emotional_ed.checks import require_bool, require_choice, require_range


@final
class EmotionalQRDQN(GreedyAgent, QRDQN):
    """sb3-contrib's QRDQN, with affect: fear says what to do with the distribution of returns.

    Equation:
        y_j = r + discount (1 - terminated) theta'_j(s', argmax_a' mean_j theta'_j(s', a'))
        L = mean w sum_i mean_j |tau_i - [y_j < theta_i]| huber(y_j - theta_i);   w = 1 + step_gain H(s, a)
        act: argmax_a CVaR_l(s, a) + bias(a);   l = 1 - risk H(s, a*),   a* = argmax_a mean_i theta_i(s, a)

    Fear of what it is about to do makes it compare the worst share l of the outcomes of every action instead
    of their means. Where outcomes are certain there is no worse share, and fear changes nothing; the caution
    of `FearConfig`, which takes the same off whatever the spread, is not used then: fear acts once. Backups
    stay greedy for the mean: a backup that is greedy for CVaR is not the CVaR of the return.

    Everything that Stable-Baselines3 has for QRDQN works with it, as for `EmotionalDQN`, and
    `AffectConfig.levels(0)` is sb3-contrib's from the same seed, in less time.

    Args:
        *args: everything that `sb3_contrib.QRDQN` takes, at the same places: policy, env, ...
        affect: which levels of affect; the emotions of level 1 by default.
        fear_on: "quantile": fear lowers the share that the choice looks at; "action": the scores of actions;
            "target": the targets of replay.
        risk: share of the outcomes that full fear leaves out, the best ones; in [0, 1], used on quantiles.
        stillness: observations of real numbers count as unchanged if their hidden features change by no more
            than this share of their length, >= 0.
        compiled: whether what affect does in every step is compiled by `torch.compile`: some twenty
            seconds at the beginning, and a C++ compiler, for less time a step. Numbers are those of the agent
            that is not compiled but for rounding; to go on exactly, do not change it.
        **kwargs: everything that `sb3_contrib.QRDQN` takes, by name.

    Raises:
        ValueError: a space, a number or a part of `affect` that a quantile network cannot serve.
        CompileError: while learning, it was to be compiled and cannot be.
        NotFiniteError: while learning, an observation, a reward, a loss or a weight is NaN or infinite.

    When it does harm: where what is feared is worth its risk; a choice by CVaR anew in every state may also
    be more careful all along than a plan made once would be.

    Source: Dabney, Rowland, Bellemare and Munos (2018), arXiv 1710.10044; risk at action time Dabney,
    Ostrovski, Silver and Munos (2018), arXiv 1806.06923, section 4.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> kwargs = {"policy_kwargs": {"n_quantiles": 10}, "seed": 0}
        >>> model = EmotionalQRDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(1), **kwargs)
        >>> model = model.learn(200)
        >>> model.num_timesteps
        200
    """

    online: QuantileValues
    target: QuantileValues
    _learning: QuantileLearning

    def __init__(
        self,
        *args: Any,
        affect: AffectConfig | None = None,
        fear_on: str = "quantile",
        risk: float = 0.9,
        stillness: float = 1e-3,
        compiled: bool = False,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.fear_on = require_choice("fear_on", fear_on, ("quantile", "action", "target"))
        self.risk = require_range("risk", risk, 0, 1)
        self.compiled = require_bool("compiled", compiled)
        super().__init__(*args, affect=affect, stillness=stillness, **kwargs)
        if self.fear_on == "quantile" and "fear" in self.affect_config.shuffled:
            raise ValueError(
                "affect.shuffled: got 'fear' with fear_on='quantile', expected fear_on='action', "
                "because only wishes are shuffled in time, and a quantile is none"
            )
        if _init_setup_model:
            self._setup_model()

    def _build_learning(self) -> None:
        online, target = QuantileValues(self.quantile_net), QuantileValues(self.quantile_net_target)
        self.online, self.target = online, target
        self._learning = QuantileLearning(
            online, target, self.policy.optimizer, max_grad_norm=self.max_grad_norm
        )

    def _make_feelings(self) -> Feelings:
        affect, fear = self.affect_config, self.affect_config.fear
        if fear is not None and self.fear_on == "quantile":  # fear acts once
            affect = dataclasses.replace(affect, fear=dataclasses.replace(fear, caution=0.0))
        return self._feelings_for(affect, "target" if self.fear_on == "target" else "action")

    def _study(self, gradient_steps: int, batch_size: int) -> list[Tensor]:
        buffer = self.replay_buffer
        assert buffer is not None

        def draw() -> Minibatch:
            return sample(buffer, batch_size, self._vec_normalize_env, self.gamma)

        return study(gradient_steps, draw, self._learning, self._feelings, buffer, self._check_learned)

    def _compared(self, observations: Observations, values: Tensor, key: Tensor, *, own: bool) -> Tensor:
        if not self._looks_at_risk:
            return values
        fear = self._fear(key[:, None])[:, 0] if own else self._fear(key[None]).mean(0)
        return self._scores(observations, values, fear)

    @property
    def _looks_at_risk(self) -> bool:
        return self.fear_on == "quantile" and self.risk > 0 and self.affect_config.fear is not None

    @torch.no_grad()
    def _fear(self, key: Tensor) -> Tensor:
        """Return how far environments fear actions in states, [P, n, A] for keys [P or 1, n, K]."""
        level = self.affect.level("fear")
        fear: Tensor = (key @ level.memory.M.mT).clamp(0, 1)
        trust = self.affect.weight(level)
        return fear if trust is None else fear * trust[:, None, None]

    @torch.no_grad()
    def _scores(self, observations: Observations, values: Tensor, fear: Tensor) -> Tensor:
        """Return what actions are compared by, [n, A], for their means and the fear of them, [n, A] each."""
        felt = fear.gather(1, values.argmax(1, keepdim=True)).squeeze(1)
        if not bool(felt.any()):
            return values
        return risk_scores(self.online.quantiles(observations), 1 - self.risk * felt)

    def _saved_parts(self) -> Parts:
        return super()._saved_parts().more(("risk",))
