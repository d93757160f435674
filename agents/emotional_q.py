"""A population of Q-learners with affect, on binary features, under Stable-Baselines3's verbs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import configure_logger
from torch import Tensor
from tqdm.auto import tqdm

from emotional_ed.affect import AffectConfig, AffectSystem
from emotional_ed.agents.arguments import PerMember, checked_device, member_seeds, per_member, plain_json
from emotional_ed.agents.episodes import EpisodeRecorder
from emotional_ed.agents.features import Coding, Features, features_for
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.mind import Mind, Rates
from emotional_ed.agents.population_file import load_population, save_population
from emotional_ed.agents.prediction import choose
from emotional_ed.agents.signal_log import SignalLog
from emotional_ed.checks import require_int
from emotional_ed.envs import BatchedEnv, BatchedStep, Observations, as_batched
from emotional_ed.memory import AssociativeMemory
from emotional_ed.streams import Streams

_STRIDE = 7919  # between the seeds of worlds entered at different times
Callback = Callable[["EmotionalQ"], bool | None]


@final
class EmotionalQ:
    """Q-learning with affect, on a table or on binary features, for a population of P members at once.

    Equation:
        y = r + discount (1 - terminated) max_a' Q(s', a')
        Q(s, a) += share (y - Q(s, a)),   share = f step_size / (1 + step_size (f - 1))

    with f = m_fear m_anger ... the product of the modulators. This is the exact proximal step on
    1/2 (Q(s, a) - y)^2 with step size f eta, eta = step_size/(1 - step_size): safe for every f >= 0, and with
    f = 1 Watkins' Q-learning (Sutton and Barto, eq. 6.8) bit for bit. With T features active at a time,
    Q(s, a) is the sum of T entries, and each of them moves by share/T of the surprise.

    Every number may be given once for all, or once a member: fifty seeds of eight ablations are one agent
    with P = 400. Members share nothing; member i behaves as a population of one with its seed would.

    Args:
        env: an id, a Gymnasium environment or vector environment with Discrete actions and observations that
            are Discrete, MultiDiscrete, MultiBinary, a Tuple of Discrete, or a Box.
        affect: which levels of affect; one configuration, or one a member. All of them by default.
        level0: its critic, policy and sleep; plain epsilon-greedy Q-learning by default.
        features: how observations become keys: `OneHot`, `Factors`, `TileCoding`, or features of your own;
            what suits the observation space by default.
        population: P, number of members, each with its own copy of the environment.
        step_size: share of a surprise that one write takes up, in [0, 1].
        discount: gamma in [0, 1].
        exploration: probability of a random action, in [0, 1].
        seed: of the first member; member i has seed + i. Or one a member. Drawn at random if None.
        tensorboard_log: folder for TensorBoard runs; none if None.
        device: where the memories live.
        env_kwargs: arguments for `gymnasium.make`, if `env` is an id.
        catastrophe_reward: if set, a reward at most this counts as a catastrophe in reports.
        listens: whether the agent may use what the environment says about the situation
            (`info["affect"]`: declared dangers, rewards of the actions not taken). Results should say so.
        verbose: 1 prints the log as tables.

    Raises:
        ValueError: a space is of another kind, a number is out of range, or lengths do not match P.

    Example:
        >>> from emotional_ed.agents import EmotionalQ
        >>> model = EmotionalQ("EmotionalED/RecurringRegimes-v0", population=4, seed=0).learn(200)
        >>> action, _ = model.predict([22, 22, 22, 22])
        >>> action.shape
        (4,)
    """

    def __init__(
        self,
        env: Any,
        affect: AffectConfig | Sequence[AffectConfig] | None = None,
        *,
        level0: LevelZero | Sequence[LevelZero] | None = None,
        features: Coding | Features | None = None,
        population: int = 1,
        step_size: PerMember = 0.1,
        discount: PerMember = 0.99,
        exploration: PerMember = 0.1,
        seed: int | Sequence[int] | None = None,
        tensorboard_log: str | os.PathLike[str] | None = None,
        device: torch.device | str = "cpu",
        env_kwargs: dict[str, Any] | None = None,
        catastrophe_reward: float | None = None,
        listens: bool = False,
        verbose: int = 0,
    ) -> None:
        self.listens = listens
        self.population = require_int("population", population, 1)
        self.device = checked_device(device)
        self.seeds = member_seeds(seed, self.population)
        self.step_size = per_member("step_size", step_size, self.population).to(self.device)
        self.discount = per_member("discount", discount, self.population).to(self.device)
        self.exploration = per_member("exploration", exploration, self.population).to(self.device)
        self.tensorboard_log = None if tensorboard_log is None else os.fspath(tensorboard_log)
        self.verbose = verbose
        self.catastrophe_reward = catastrophe_reward
        self.env: BatchedEnv | None = self._batched(env, plain_json("env_kwargs", env_kwargs or {}))
        self._build(
            LevelZero() if level0 is None else level0,
            AffectConfig.levels(2) if affect is None else affect,
            features,
        )

    def _batched(self, env: Any, env_kwargs: dict[str, Any] | None = None) -> BatchedEnv:
        return as_batched(
            env,
            self.population,
            device=self.device,
            env_kwargs=env_kwargs,
            catastrophe_reward=self.catastrophe_reward,
        )

    def _build(
        self,
        level0: LevelZero | Sequence[LevelZero],
        affect: AffectConfig | Sequence[AffectConfig],
        features: Coding | Features | None,
    ) -> None:
        env = self.require_env()
        self.actions, self.action_start = env.actions, env.action_start
        self.observations = Observations(env.observation_space)
        """What observations are as numbers."""
        self.features = features_for(env.observation_space, features, self.device)
        """Which binary features are active in an observation."""
        self.mind = Mind(
            level0,
            affect,
            features=self.features,
            rates=Rates(self.step_size, self.discount, self.exploration),
            seeds=self.seeds,
            actions=self.actions,
            listens=self.listens,
            device=self.device,
        )
        """Level 0 and all the affect above it."""
        self.num_timesteps = 0
        self.signals: dict[str, Tensor] = {}
        """What the last step was to every level, name -> [P]; see `SignalLog` for the names."""
        self.last_step: BatchedStep | None = None
        """What the environment answered to the last step."""
        width = 2 + self.actions + self.mind.policy.extra
        self.streams = Streams(self.seeds, width, device=self.device)
        self.predict_streams = Streams(self.seeds, width, purpose=2, device=self.device)
        self.recorder = EpisodeRecorder(self.population, self.device)
        self._signal_log = SignalLog()
        self.observation: Tensor | None = None
        self._logger: Logger | None = None

    @property
    def env_id(self) -> str:
        """The id of the environment; empty if it has none."""
        return "" if self.env is None else self.env.env_id

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """What the environment was made with."""
        return {} if self.env is None else self.env.env_kwargs

    # ------------------------------------------------------------------ learning

    @torch.no_grad()
    def learn(
        self,
        total_timesteps: int,
        callback: Callback | None = None,
        log_interval: int = 500,
        tb_log_name: str = "EmotionalQ",
        reset_num_timesteps: bool = False,
        progress_bar: bool = False,
    ) -> EmotionalQ:
        """Let every member make `total_timesteps` steps and learn from them.

        Calling it again goes on where the last call stopped: learn(a) and learn(b) give what learn(a + b)
        gives, bit for bit. (Stable-Baselines3 resets its counter by default; here
        `reset_num_timesteps=True` asks for that: the environment and the counts start anew, in a new
        TensorBoard run, and the memories stay.)

        Args:
            total_timesteps: steps of each member, >= 0.
            callback: called with the agent after every step; returning False stops.
            log_interval: steps of each member between two points in the log.
            tb_log_name: name of the TensorBoard run below `tensorboard_log`.
            reset_num_timesteps: start counting anew.
            progress_bar: show one.

        Raises:
            ValueError: the environment gave a reward or observation that is not finite or not in its space.
        """
        steps = require_int("total_timesteps", total_timesteps, 0)
        require_int("log_interval", log_interval, 1)
        if reset_num_timesteps:
            self._start_anew()
        if self._logger is None:
            self._logger = configure_logger(self.verbose, self.tensorboard_log, tb_log_name, True)
        if self.observation is None:
            # Not the same worlds again if these members have already lived in them.
            seeds = [(seed + self.num_timesteps * _STRIDE) % 2**31 for seed in self.seeds]
            self.observation = self.require_env().reset(seeds if self.num_timesteps else self.seeds)
        began = time.perf_counter()
        with tqdm(total=steps, disable=not progress_bar, unit="step", unit_scale=True) as bar:
            for made in range(1, steps + 1):
                self._step()
                if self.num_timesteps % log_interval == 0:
                    self._log_point(made * self.population / (time.perf_counter() - began))
                    bar.update(min(log_interval, made - bar.n))
                if callback is not None and callback(self) is False:
                    break
            bar.update(made - bar.n if steps else 0)
        return self

    def _start_anew(self) -> None:
        self.num_timesteps = 0
        self.recorder = EpisodeRecorder(self.population, self.device)
        self._drop_episodes()
        self._signal_log = SignalLog()
        self._logger = None

    def _drop_episodes(self) -> None:
        """Cut off what is running: the next step starts new episodes."""
        self.observation = None
        self.recorder.cut_episodes()
        self.mind.cut_episode()

    def _step(self) -> None:
        observation, uniform = self.observation, self.streams.next()
        assert observation is not None
        decision = self.mind.wish(observation, self.exploration, uniform)
        step = self.require_env().step(decision.action)
        self.num_timesteps += 1
        self.signals = self.mind.learn(decision, observation, step, uniform, self.num_timesteps)
        self.observation, self.last_step = step.observation, step
        self.recorder.add(step, self.num_timesteps)
        self._signal_log.add(self.signals)

    @property
    def affect(self) -> AffectSystem:
        """Everything above level 0."""
        return self.mind.affect

    @property
    def value(self) -> AssociativeMemory:
        """Level 0's memory of values."""
        return self.mind.critic.memory

    def _log_point(self, rate: float) -> None:
        logger = self.logger
        for tag, value in self._signal_log.means().items():
            logger.record(tag, value)
        updates = {"value": float(self.num_timesteps)}
        for name, count in self.affect.nest.update_counts().items():
            updates[name] = float(count.double().mean())
        for name, number in updates.items():
            logger.record(f"updates/{name}", number)
        recent = self.recorder.after(self._signal_log.episodes)
        self._signal_log.episodes += len(recent)
        if len(recent):
            logger.record("rollout/ep_rew_mean", float(recent["return"].mean()))
            logger.record("rollout/ep_len_mean", float(recent["length"].mean()))
        per_step = 1000 / (self.num_timesteps * self.population)
        logger.record("rollout/catastrophes_per_1000_steps", float(self.catastrophes.sum() * per_step))
        logger.record("time/agent_steps_per_second", rate)
        logger.dump(self.num_timesteps)

    # ------------------------------------------------------------------ acting

    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        state: NDArray[np.int64] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
        *,
        member: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Choose actions as the agent is now; nothing is learned and no affective state moves.

        With anger, persistence against a block is part of acting: pass the returned state on, as with
        Stable-Baselines3's recurrent policies (`evaluate_policy` does). Ties are broken at random, from a
        stream of their own.

        Args:
            observation: [P, ...], one a member; or any number of them (or one) for a single member.
            state: what the last call returned; None at first.
            episode_start: [n] bool, where the state is to be forgotten.
            deterministic: greedy if True, with exploration if False.
            member: whose observations these are; needed if P > 1 and they are not one a member.

        Returns:
            Actions, one an observation, and the state (or None without anger): [n, d + 2], the last d numbers
            observed, the last action and the pushes; d is 1 for a Discrete space. Where some member's anger
            resigns, 8 numbers more say what was last given up in the episode, [n, d + 10].

        Raises:
            ValueError: an observation is outside its space, or it is unclear whose it is.
        """
        return choose(self, observation, state, episode_start, deterministic, member)

    # ------------------------------------------------------------------ what it did

    @property
    def episodes(self) -> NDArray[Any]:
        """Episodes finished since this object was made, a structured array (see `EPISODE_DTYPE`)."""
        return self.recorder.log

    @property
    def catastrophes(self) -> NDArray[np.int64]:
        """Catastrophes of each member so far, [P]."""
        return self.recorder.catastrophes.cpu().numpy()

    def episodes_after(self, number: int) -> NDArray[Any]:
        """Return the finished episodes but the first `number`; cheap, however many there are."""
        return self.recorder.after(number)

    @property
    def unfinished_lengths(self) -> NDArray[np.int64]:
        """Steps so far of each member's running episode, [P]; 0 where one has just ended."""
        return self.recorder.lengths.cpu().numpy()

    @property
    def unfinished_returns(self) -> NDArray[np.float64]:
        """Return so far of each member's running episode, [P]."""
        return self.recorder.returns.cpu().numpy()

    @property
    def logger(self) -> Logger:
        """Stable-Baselines3's logger; there once `learn` or `set_logger` was called."""
        if self._logger is None:
            raise ValueError("logger: got none yet, expected a call of learn or set_logger first")
        return self._logger

    def set_logger(self, logger: Logger) -> None:
        """Log to this instead of a run below `tensorboard_log`."""
        self._logger = logger

    # ------------------------------------------------------------------ environment

    def get_env(self) -> BatchedEnv | None:
        """Return the environment, or None after `load` without one."""
        return self.env

    def set_env(self, env: Any) -> None:
        """Go on learning in another environment with the same spaces; its first episode starts anew.

        Raises:
            ValueError: the spaces differ.
        """
        batched = self._batched(env)
        observations = Observations(batched.observation_space)
        if (observations.layout, batched.actions) != (self.observations.layout, self.actions):
            raise ValueError(
                f"env: got {observations.layout} observations and {batched.actions} actions, expected "
                f"{self.observations.layout} and {self.actions}"
            )
        self.env, self.observations, self.action_start = batched, observations, batched.action_start
        self._drop_episodes()

    def require_env(self) -> BatchedEnv:
        """Return the environment, or raise `ValueError` if there is none."""
        if self.env is None:
            raise ValueError("env: got none, expected load(..., env=...) or set_env(...) before learn")
        return self.env

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all there is to the agent into one file and return its path (suffix .safetensors).

        The file holds tensors and JSON, no code. It is replaced as a whole or not at all.

        Raises:
            OSError: the folder cannot be written.
        """
        return save_population(self, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        env: Any = None,
        *,
        features: Features | None = None,
        device: torch.device | str = "cpu",
        tensorboard_log: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> EmotionalQ:
        """Read an agent that `save` wrote; nothing in the file is executed.

        If it learned in one of our environments, learning goes on in the middle of the episode, bit for
        bit. Other environments cannot be restored: there the running episodes are dropped.

        Args:
            path: with or without the suffix .safetensors.
            env: where to go on; by default the environment that it was saved with, if that has an id.
            features: those that it was saved with, if they are your own; a file holds no code.
            device: where the memories will live.
            tensorboard_log: folder for TensorBoard runs.
            verbose: 1 prints the log as tables.

        Raises:
            CheckpointError: the file is missing, damaged, of another version, or does not fit `env`.
        """
        return load_population(
            path, env, features=features, device=device, tensorboard_log=tensorboard_log, verbose=verbose
        )
