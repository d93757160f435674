"""Intrinsic fear: a network learns which states lie before a catastrophe, and rewards are lowered by it."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor, nn
from torch.nn import functional as F

from emotional_ed.agents.deep.rivals.fresh import make_fresh
from emotional_ed.checks import require_int, require_range

Array = NDArray[Any]


@final
class IntrinsicFearBuffer(ReplayBuffer):
    """Replay for any DQN in which a step costs as much as the state that it leads to is feared.

    Equation:
        sampled reward = r - penalty min(1, t / phase_in) F(s'),    t = steps stored so far
        F(s) = sigmoid(f(s)), one Adam step on -mean(log F(dangerous)) / 2 - mean(log(1 - F(safe))) / 2
        before each minibatch; dangerous: a catastrophe, and states at most `radius` steps before one;
        safe: states after which `radius` steps, or the rest of an episode that ended, brought none

    A DQN's target is r + discount max Q(s', .), so that this lowers the target by the same. As long as there
    are no dangerous or no safe states, F is 0. States whose episode was cut off before their time are not
    judged. What counts as a catastrophe has to be declared: the method is told more than a plain agent.

    Args:
        buffer_size: transitions of all environments together.
        observation_space: a Box of numbers.
        *args: everything else that Stable-Baselines3's `ReplayBuffer` takes, at the same places.
        penalty: what a fear of 1 costs, in units of reward, in [0, 1e6].
        radius: steps before a catastrophe that are dangerous, >= 1.
        phase_in: steps over which the penalty rises to its full size, >= 0.
        bad_reward: a step with at most this reward is a catastrophe; None: rewards do not tell.
        falls: whether every termination is a catastrophe, as in CartPole.
        hidden: units in each of the danger network's two hidden layers, >= 1.
        learning_rate: of the danger network, > 0.
        memory: dangerous states, and safe states, that are kept, >= 1; the oldest make room.
        seed: of the danger network and its minibatches; None takes one from NumPy's global state, which the
            algorithm has seeded.
        **kwargs: everything else that `ReplayBuffer` takes, by name.

    Raises:
        ValueError: an argument is out of range, or no catastrophe is declared.

    Source: Lipton, Azizzadenesheli, Kumar, Li, Gao and Deng (2016), arXiv 1611.01211, algorithm 1.

    When it does harm: where the way to the goal leads along the danger; a penalty on states falls on the
    careful too.

    Example:
        >>> from emotional_ed.affect import AffectConfig
        >>> from emotional_ed.agents import EmotionalDQN
        >>> fearing = EmotionalDQN(
        ...     "MlpPolicy",
        ...     "CartPole-v1",
        ...     affect=AffectConfig.levels(0),
        ...     seed=0,
        ...     replay_buffer_class=IntrinsicFearBuffer,
        ...     replay_buffer_kwargs={"falls": True, "penalty": 5.0},
        ... )
        >>> fearing.learn(200).num_timesteps
        200
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        *args: Any,
        penalty: float = 1.0,
        radius: int = 3,
        phase_in: int = 1000,
        bad_reward: float | None = None,
        falls: bool = False,
        hidden: int = 64,
        learning_rate: float = 1e-3,
        memory: int = 5000,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(observation_space, spaces.Box):
            raise ValueError(f"observation_space: got {observation_space}, expected a Box")
        if bad_reward is None and not falls:
            raise ValueError("bad_reward: got None, expected it or falls=True, to know a catastrophe by")
        super().__init__(buffer_size, observation_space, *args, **kwargs)
        self.penalty = require_range("penalty", penalty, 0, 1e6)
        self.radius = require_int("radius", radius, 1)
        self.phase_in = require_int("phase_in", phase_in, 0)
        self.bad_reward = None if bad_reward is None else require_range("bad_reward", bad_reward)
        self.falls = bool(falls)
        seed = int(np.random.randint(2**31)) if seed is None else require_int("seed", seed, 0)  # noqa: NPY002
        self._random = np.random.default_rng(seed)
        self.network = _danger_network(
            int(np.prod(observation_space.shape)), require_int("hidden", hidden, 1), seed, self.device
        )
        """f, from observations [B, K] to [B, 1]."""
        rate = require_range("learning_rate", learning_rate, 0, low_open=True)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        kept = require_int("memory", memory, 1)
        self.dangerous: deque[Array] = deque(maxlen=kept)
        """Observations from which a catastrophe was near."""
        self.safe: deque[Array] = deque(maxlen=kept)
        """Observations from which none was."""
        self._waiting: list[list[Array]] = [[] for _ in range(self.n_envs)]
        self.stored = 0
        """Steps stored so far, all environments together."""

    def add(
        self,
        obs: Array,
        next_obs: Array,
        action: Array,
        reward: Array,
        done: Array,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one step of every environment, and judge the states whose time has come."""
        super().add(obs, next_obs, action, reward, done, infos)
        self.stored += self.n_envs
        shape = (self.n_envs, *self.obs_shape)
        before, after = np.array(obs).reshape(shape), np.array(next_obs).reshape(shape)
        for i, info in enumerate(infos):
            ended = bool(done[i]) and not info.get("TimeLimit.truncated", False)
            bad = self.bad_reward is not None and float(reward[i]) <= self.bad_reward
            self._judge(i, before[i], after[i], bad or (self.falls and ended), ended, bool(done[i]))

    def _judge(self, which: int, before: Array, after: Array, bad: bool, ended: bool, done: bool) -> None:
        waiting = self._waiting[which]
        if not waiting:
            waiting.append(before)
        waiting.append(after)
        if bad:
            self.dangerous.extend(waiting[-self.radius - 1 :])
            self.safe.extend(waiting[: -self.radius - 1])
            waiting.clear()
            return
        settled = len(waiting) if ended else max(len(waiting) - self.radius, 0)
        self.safe.extend(waiting[:settled])
        del waiting[: len(waiting) if done else settled]

    @property
    def penalty_now(self) -> float:
        """What a fear of 1 costs at present."""
        return self.penalty * min(1.0, self.stored / max(self.phase_in, 1))

    @torch.no_grad()
    def fear(self, observations: Tensor) -> Tensor:
        """Return F of observations [B, ...] as [B, 1] in [0, 1]."""
        if not self.dangerous or not self.safe:
            return torch.zeros(len(observations), 1, device=self.device)
        feared: Tensor = torch.sigmoid(self.network(observations.float().flatten(1)))
        return feared

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Let the danger network make one step, and draw a minibatch with lowered rewards."""
        self._learn(batch_size, env)
        samples = super().sample(batch_size, env)
        cost = self.penalty_now * self.fear(samples.next_observations)
        return samples._replace(rewards=samples.rewards - cost)

    def _learn(self, batch_size: int, env: VecNormalize | None) -> None:
        if not self.dangerous or not self.safe:
            return
        half = max(batch_size // 2, 1)
        drawn = [
            states[int(i)]
            for states in (self.dangerous, self.safe)
            for i in self._random.integers(len(states), size=half)
        ]
        inputs = self.to_torch(self._normalize_obs(np.stack(drawn), env)).float().flatten(1)  # type: ignore[arg-type]
        label = torch.arange(2 * half, device=self.device)[:, None] < half
        loss = F.binary_cross_entropy_with_logits(self.network(inputs), label.float())
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


def _danger_network(inputs: int, hidden: int, seed: int, device: torch.device) -> nn.Sequential:
    """Return two hidden layers with ReLU and one output, drawn from a generator of their own."""
    sizes = [inputs, hidden, hidden, 1]
    before = torch.get_rng_state()  # torch draws from its global generator when it makes a layer
    layers = [nn.Linear(one, other) for one, other in pairwise(sizes)]
    torch.set_rng_state(before)
    make_fresh(layers, torch.Generator().manual_seed(seed))
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]).to(device)
