"""Sleep of a deep agent: sequences that end in salient moments, learned backward, within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from emotional_ed.agents.deep.replay import Minibatch, from_samples
from emotional_ed.agents.deep.value_learning import ValueLearning
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.streams import Streams

_PURPOSE = 4  # of the random stream of sleep
DRAWS = ("salience", "backward", "uniform")


@dataclass(frozen=True, kw_only=True)
class DeepSleepConfig:
    """How long a deep agent sleeps between episodes, and from where it lives backward again."""

    draw: str = "salience"
    """What a sequence ends in: "salience", a salient moment; "backward", the latest transitions; "uniform",
    any transition (a control)."""
    updates: int = 10
    """Gradient steps of the night after an episode, >= 1; it begins when the rollout is over."""
    budget: float = 0.1
    """Gradient steps of all nights for each step lived, at most, in (0, 100]."""
    length: int = 8
    """Transitions of one sequence, >= 1; a gradient step has as many sequences as fit into `batch_size`."""
    diffusion: float = 0.5
    """How far what the sequence brought counts, not what is held of what was done, in [0, 1]."""
    uniform: float = 0.2
    """Share of sequences that end anywhere, in [0, 1]."""
    correction: float = 0.0
    """Importance correction of the loss for sequences drawn more often than others, in [0, 1]."""

    def __post_init__(self) -> None:
        require_choice("DeepSleepConfig.draw", self.draw, DRAWS)
        require_int("DeepSleepConfig.updates", self.updates, 1)
        require_range("DeepSleepConfig.budget", self.budget, 0, 100, low_open=True)
        require_int("DeepSleepConfig.length", self.length, 1)
        require_range("DeepSleepConfig.diffusion", self.diffusion, 0, 1)
        require_range("DeepSleepConfig.uniform", self.uniform, 0, 1)
        require_range("DeepSleepConfig.correction", self.correction, 0, 1)


@final
class DeepSleep:
    """When to sleep, and what to live again.

    Equation:
        a sequence ends in i with probability P(i) = (1 - uniform) sigma_i^a / sum sigma^a + uniform / N
        y_T = r_T + discount (1 - terminated) V(s_{T+1})
        y_t = r_t + discount max_a Q~(s_{t+1}, a),   t = T - 1, T - 2, ... in the same episode
        Q~(s, a) = Q_target(s, a), but diffusion y_{t+1} + (1 - diffusion) Q_target for what was done
        loss weight (1 - correction) + correction min(1, (1/N) / P(i)),  of all of a sequence

    Within a gradient step the news of the last moment travels back over the whole sequence. Affective state
    does not move in sleep; what is recalled of a transition is what is recalled now.

    Source: Lee, Choi and Chung (2019), arXiv 1805.12375, Algorithm 2, for targets made backward.
    When it does harm: targets follow what was done, so exploring steps and noise travel back too; a lower
    diffusion lets less of them through.

    Args:
        config: how long, and from where.
        buffer: what is remembered.
        batch_size: B, transitions of one gradient step, at most.
        seed: of the draws.
    """

    def __init__(
        self, config: DeepSleepConfig, buffer: SalienceReplayBuffer, batch_size: int, seed: int
    ) -> None:
        self.config, self.buffer = config, buffer
        self.length = min(config.length, batch_size)
        self.number = max(batch_size // self.length, 1)
        self._draws = Streams([seed], 2 * self.number, purpose=_PURPOSE)
        self._counts = torch.tensor([0, 0, 0, seed])  # episodes unslept, steps slept, rows drawn, seed

    @classmethod
    def beside(
        cls, buffer: ReplayBuffer, config: DeepSleepConfig | None, batch_size: int, seed: int, *, feels: bool
    ) -> DeepSleep | None:
        """Return the sleep of an agent with that buffer; None for one that never sleeps.

        Args:
            buffer: what is remembered.
            config: how long, and from where; None for never.
            batch_size: of a gradient step.
            seed: of the draws.
            feels: whether there is affect, which says what is salient.

        Raises:
            ValueError: the buffer cannot be swept backward, or nothing says what is salient.
        """
        if config is None:
            return None
        if not isinstance(buffer, SalienceReplayBuffer) or buffer.n_steps > 1:
            raise ValueError(
                f"sleep: got it with a {type(buffer).__name__}, expected "
                "replay_buffer_class=SalienceReplayBuffer with n_steps=1, which can be swept backward"
            )
        if config.draw == "salience" and not feels:
            raise ValueError(
                "sleep: got draw='salience' without affect, which says what is salient, expected "
                "draw='backward' or 'uniform', or AffectConfig.levels(1)"
            )
        return cls(config, buffer, batch_size, seed)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything there is to it beside the buffer: the tensor itself."""
        return {"counts": self._counts}

    @property
    def slept(self) -> int:
        """Gradient steps made in all nights so far."""
        return int(self._counts[1])

    def end_episodes(self, number: int) -> None:
        """Count episodes that have ended: a night follows."""
        self._counts[0] += number

    def tonight(self, steps: int) -> int:
        """Return how many gradient steps the night that is due has, after `steps` steps lived."""
        wanted, allowed = self.config.updates * int(self._counts[0]), int(self.config.budget * steps)
        night = max(0, min(wanted, allowed - self.slept))
        self._counts[0] = 0
        self._counts[1] += night
        return night

    def batch(self, step: int, normalize: VecNormalize | None, discount: float) -> tuple[Minibatch, Tensor]:
        """Return the transitions of a gradient step of this night, counted from 0, and which of them count.

        Shapes:
            the minibatch is of n sequences of T transitions, latest first; inside [n, T] bool.
        """
        items, inside, weight = self.sequences(step)
        batch = from_samples(self.buffer, self.buffer.get(items.reshape(-1), normalize), discount)
        share = weight[:, None] * inside * (inside.numel() / inside.sum())  # the mean is over what counts
        device = batch.rewards.device
        return batch._replace(weights=share.reshape(-1, 1).to(device)), inside.to(device)

    def targets(
        self, batch: Minibatch, inside: Tensor, learning: ValueLearning, penalty: Tensor | None
    ) -> Tensor:
        """Return targets [n T, 1] made backward, less what fear takes off them (None: nothing)."""

        def rows(values: Tensor) -> Tensor:
            return values.reshape(inside.shape)

        assert isinstance(batch.discounts, float)
        targets = backward_targets(
            rows(batch.rewards if penalty is None else batch.rewards - penalty),
            rows(batch.terminal),
            rows(batch.actions),
            learning.following(batch).reshape(*inside.shape, -1),
            rows(learning.best(batch)) if learning.double else None,
            inside,
            batch.discounts,
            self.config.diffusion,
        )
        return targets.reshape(-1, 1)

    def sequences(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a gradient step of this night, counted from 0, lives again.

        Shapes:
            items [n, T] int64, latest first; inside [n, T] bool, whether they belong to the sequence;
            weight [n].
        """
        if self._draws.seeds != (int(self._counts[3]),):  # read from a file
            self._draws = Streams([int(self._counts[3])], 2 * self.number, purpose=_PURPOSE)
        self._draws.position = int(self._counts[2])
        uniform = self._draws.next()[0].double()
        self._counts[2] = self._draws.position
        ends = self._ends(uniform[: self.number], uniform[self.number :], step)
        items, inside = self.buffer.paths(ends, self.length)
        return items, inside, self._weight(ends)

    def _ends(self, kind: Tensor, uniform: Tensor, step: int) -> Tensor:
        start, count = self.buffer.extent()
        capacity, envs = self.buffer.buffer_size * self.buffer.n_envs, self.buffer.n_envs
        anywhere = (start + (uniform * count).long().clamp_max(count - 1)) % capacity
        if self.config.draw == "backward":
            which = step * self.number + torch.arange(self.number)
            back = which // envs * self.length * envs  # the latest first, one environment after the other
            latest = (self.buffer.last_indices[which % envs] - back) % capacity
            return torch.where((kind < self.config.uniform) | (back >= count), anywhere, latest)
        salient = self.buffer.salient(uniform) if self.config.draw == "salience" else None
        return anywhere if salient is None else torch.where(kind < self.config.uniform, anywhere, salient[0])

    def _weight(self, ends: Tensor) -> Tensor:
        correction, tree = self.config.correction, self.buffer.priorities.salience_tree
        if not correction or self.config.draw != "salience" or tree.total <= 0:
            return torch.ones(self.number)
        _, count = self.buffer.extent()
        share = self.config.uniform
        chance = (1 - share) * tree.priority(ends) / tree.total + share / count
        return ((1 - correction) + correction * (1 / count / chance).clamp_max(1)).float()


def backward_targets(
    rewards: Tensor, terminal: Tensor, actions: Tensor, following: Tensor, best: Tensor | None,
    inside: Tensor, discount: float, diffusion: float,
) -> Tensor:  # fmt: skip
    """Return targets made backward along sequences, latest first; see `DeepSleep`.

    Args:
        rewards: r.
        terminal: 1 where the episode ended other than by a time limit.
        actions: what was done.
        following: Q_target(s', .).
        best: argmax_a Q(s', a) for double DQN; None takes the largest of what `following` has become.
        inside: whether a transition belongs to the sequence.
        discount: of one step.
        diffusion: share of the sequence's own outcome.

    Shapes:
        rewards, terminal, actions, best, inside: [n, T]; following: [n, T, A]; result: [n, T].
    """
    targets = torch.empty_like(rewards)
    for t in range(rewards.shape[1]):
        q = following[:, t]
        if t:
            done = actions[:, t - 1, None]
            held = q.gather(1, done)
            brought = held + diffusion * (targets[:, t - 1, None] - held)
            q = torch.where(inside[:, t, None], q.scatter(1, done, brought), q)
        value = q.amax(1) if best is None else q.gather(1, best[:, t, None]).squeeze(1)
        targets[:, t] = rewards[:, t] + (1 - terminal[:, t]) * discount * value
    return targets
