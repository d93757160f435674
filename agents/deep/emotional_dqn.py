"""DQN with affect: Stable-Baselines3's verbs and parts, its numbers at level 0, and less time a step."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import DQN
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.deep.deep_sleep import DeepSleepConfig
from emotional_ed.agents.deep.feelings import Feelings, needs_heads
from emotional_ed.agents.deep.greedy_agent import GreedyAgent
from emotional_ed.agents.deep.heads import Heads
from emotional_ed.agents.deep.lessons import Lessons
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.agents.deep.value_learning import ValueLearning
from emotional_ed.agents.deep.value_network import ValueNetwork
from emotional_ed.checks import require_bool, require_choice, require_int, require_range


class EmotionalDQN(GreedyAgent, DQN):
    """Stable-Baselines3's DQN, with affect.

    Equation:
        y = r + discount (1 - terminated) max_a' Q_target(s', a')
        L = mean w huber(Q(s, a) - y)             w = 1 + step_gain H(s, a), H the fear that (s, a) recalls
        act: argmax_a Q(s, a) + bias(a), at random with probability epsilon exploration, weights 1 - avoidance

    Everything that Stable-Baselines3 has for DQN works with it: policies, vectors of environments, callbacks,
    schedules, its logger, `learn`, `predict`, `evaluate_policy`. `AffectConfig.levels(0)` is its DQN from the
    same seed: the same actions, and parameters that differ by rounding, in less time.

    Emotion acts on the choice of actions and on sample weights or targets, never on the optimizer's learning
    rate, which Adam would cancel, and never twice. The step gains of arousal and anger, which would be the
    same for a whole minibatch, have no effect here for that reason.

    Recall's memories of values are heads on the network's features, one for each situation that it tells
    apart (see `Heads`). A head in use chooses and makes targets; a replayed transition teaches the head that
    it was lived with. Environments share the heads, and each has its own evidence for which one to use.

    With `replay_buffer_class=SalienceReplayBuffer` replay is prioritised: importance weights multiply the
    loss, errors become priorities, and affect's salience of a step, or else its standardised surprise, is its
    salience. With `sleep` the agent also learns between episodes (see `DeepSleep`).

    Args:
        *args: everything that `stable_baselines3.DQN` takes, at the same places: policy, env, ...
        affect: which levels of affect; the emotions of level 1 by default.
        double: whether the online network chooses the next action of a target (double DQN).
        fear_on: "action": fear lowers the scores of actions; "target": it lowers the targets of replay.
        stillness: observations of real numbers count as unchanged if their hidden features change by no more
            than this share of their length, >= 0.
        reluctance: how many times more evidence a new head needs than an old one, beyond the reluctance of
            `RecallConfig`, in [0, 1e6]: some of a network's surprise is its own learning.
        patience: episodes that a head which was taken up has before it is doubted, in [0, 1e6]; then known
            heads are tried before a new one is begun (see `Trial`). 0 never tries one, and compares heads by
            the mean of their surprise alone.
        sleep: how long to sleep between episodes; None never does. It needs a `SalienceReplayBuffer`.
        compiled: whether what affect does in every step is compiled by `torch.compile`: some twenty
            seconds at the beginning, and a C++ compiler, for less time a step. Numbers are those of the agent
            that is not compiled but for rounding; to go on exactly, do not change it.
        **kwargs: everything that `stable_baselines3.DQN` takes, by name.

    Raises:
        ValueError: a space, a number or a part of `affect` that a deep Q-network cannot serve.
        CompileError: while learning, it was to be compiled and cannot be.
        NotFiniteError: while learning, an observation, a reward, a loss or a weight is NaN or infinite.

    Source: Mnih et al. (2015), Nature 518; for fear on targets Lipton et al. (2016), arXiv 1611.01211.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=AffectConfig.levels(1), seed=0)
        >>> model = model.learn(200)
        >>> model.num_timesteps
        200
    """

    _learning: ValueLearning

    def __init__(
        self,
        *args: Any,
        affect: AffectConfig | None = None,
        double: bool = False,
        fear_on: str = "action",
        stillness: float = 1e-3,
        reluctance: float = 2.0,
        patience: int = 20,
        sleep: DeepSleepConfig | None = None,
        compiled: bool = False,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.double = bool(double)
        self.fear_on = require_choice("fear_on", fear_on, ("action", "target"))
        self.reluctance = require_range("reluctance", reluctance, 0, 1e6)
        self.patience = require_int("patience", patience, 0, 10**6)
        if sleep is not None and not isinstance(sleep, DeepSleepConfig):
            raise ValueError(f"sleep: got {sleep!r}, expected a DeepSleepConfig or None")
        self.sleep = sleep
        self.compiled = require_bool("compiled", compiled)
        super().__init__(*args, affect=affect, heads=True, stillness=stillness, **kwargs)
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self._build_lessons()

    def _build_learning(self) -> None:
        online, target = ValueNetwork(self.q_net), ValueNetwork(self.q_net_target)
        self.online, self.target = online, target
        self._heads: Heads | None = None
        recall = self.affect_config.recall
        if needs_heads(self.affect_config):
            self._heads = Heads(online, target, 1 if recall is None else recall.slots)
            self._heads.to(self.device)
            arguments = {"lr": self.lr_schedule(1), **self.policy.optimizer_kwargs}
            self._heads.learn_with(self.policy.optimizer, self.policy.optimizer_class, arguments)
        self._learning = ValueLearning(
            online,
            target,
            self.policy.optimizer,
            max_grad_norm=self.max_grad_norm,
            double=self.double,
            heads=self._heads,
        )

    def _build_lessons(self) -> None:
        assert self.replay_buffer is not None
        self._lessons = Lessons(
            self._learning,
            self.replay_buffer,
            self._feelings,
            self.sleep,
            batch_size=self.batch_size,
            discount=self.gamma,
            seed=self._streams.seeds[0],
        )

    def _make_feelings(self) -> Feelings:
        own = {"reluctance": self.reluctance, "patience": self.patience}
        return self._feelings_for(
            self.affect_config, self.fear_on, double=self.double, heads=self._heads, **own
        )

    def dump_logs(self) -> None:
        """Write the log, with what the last step was to every level and how long the agent slept."""
        if self._lessons.sleep is not None:
            self.logger.record("updates/sleep", self._lessons.sleep.slept)
        super().dump_logs()

    def _study(self, gradient_steps: int, batch_size: int) -> list[Tensor]:
        normalize = self._vec_normalize_env
        losses = self._lessons.study(gradient_steps, batch_size, normalize, self._check_learned)
        return losses + self._lessons.night(self.num_timesteps, normalize)

    def _store_transition(
        self, replay_buffer: Any, buffer_action: Any, new_obs: Any, reward: Any, dones: Any, infos: Any
    ) -> None:
        row = replay_buffer.pos
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._lessons.remember(row, dones)

    def _feel(self, *step: Any) -> None:
        super()._feel(*step)
        if self._feelings is not None:
            self._lessons.forget(self._feelings.begun)

    # ------------------------------------------------------------------ files

    def load_replay_buffer(self, path: Any, truncate_last_traj: bool = True) -> None:
        """Load a buffer that `save_replay_buffer` wrote; all of it counts as lived with the first memory."""
        super().load_replay_buffer(path, truncate_last_traj)
        self._build_lessons()

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        heads = None if self._heads is None else self._heads.optimizer
        return super()._optimizers() | ({} if heads is None else {"heads_optimizer": heads})

    def _saved_parts(self) -> Parts:
        slow = None if self._feelings is None else self._feelings.slow
        tensors = self._lessons.tensors()
        for title, one in (("heads", self._heads), ("slow", slow)):
            if one is not None:
                tensors |= {f"{title}/{name}": tensor for name, tensor in one.tensors().items()}
        return super()._saved_parts().more(("double", "reluctance", "patience", "sleep"), tensors=tensors)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_heads", "_lessons"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, others = super()._get_torch_save_params()
        heads = [] if self._heads is None else ["_heads"]
        return [*names, *heads], others
