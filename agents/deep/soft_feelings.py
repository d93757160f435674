"""The affect of an agent whose actions are vectors: one memory of states and actions an environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from gymnasium import spaces
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem, Drive, Experience
from emotional_ed.agents.deep.changes import differ, is_exact, shifted
from emotional_ed.agents.deep.keys import FeatureKeys, start_from_bias
from emotional_ed.agents.deep.mean_drive import mean_drive
from emotional_ed.agents.deep.replay import Minibatch, Observations
from emotional_ed.agents.deep.replayed_fear import ReplayedFear
from emotional_ed.agents.deep.soft_networks import Normal, SoftNetworks

_CELLS = 5  # soft cells that each number in an action is divided into


def action_cells(action: Tensor) -> Tensor:
    """Return how far each number in actions belongs to each of a few overlapping cells.

    Equation:
        max(0, 1 - |a - c| / width),   c at equal distances `width` from -1 to 1

    Shapes:
        action: [n, D] in [-1, 1]; returns [n, 5 D] in [0, 1], two neighbours of each five above 0.
    """
    width = 2 / (_CELLS - 1)
    centres = torch.linspace(-1, 1, _CELLS, device=action.device)
    return (1 - (action[..., None] - centres).abs() / width).clamp_min(0).flatten(1)


@final
class SoftFeelings:
    """Appraises what the agent does, and says how that bends what it does next.

    There is no list of actions to keep a row of memory for. The key of a memory is made, in equal parts, of
    the first critic's hidden features of state *and* action and of soft cells of the action; its one row
    holds what is felt about doing that there. What is ahead is felt through what the policy would do next.

    Args:
        affect: which levels.
        networks: whose features the memories are keyed with, and whose values make surprise.
        environments: P.
        actions: D, numbers in an action.
        discount: gamma of level 0.
        temperature: returns the present alpha.
        fear_on: "action" (fear turns proposals down) or "target" (it lowers targets).
        stillness: observations of real numbers count as unchanged if the actor's features change by no more
            than this share of their length, >= 0.
        space: of observations.
        device: where the memories live.
    """

    def __init__(
        self,
        affect: AffectConfig,
        networks: SoftNetworks,
        *,
        environments: int,
        actions: int,
        discount: float,
        temperature: Callable[[], Tensor],
        fear_on: str,
        stillness: float,
        space: spaces.Space[object],
        device: torch.device,
    ) -> None:
        self.networks, self.discount, self.temperature = networks, discount, temperature
        self.actions, self.stillness = actions, stillness
        self._replayed = ReplayedFear(affect, fear_on)
        affect = self._replayed.rest
        features = networks.features_dim + _CELLS * actions
        self.system = AffectSystem(affect, environments, actions=1, keys=features + 1, device=device)
        start_from_bias(self.system)
        self.keys = FeatureKeys(features, device)
        self._exact = is_exact(space)
        self._nought = torch.zeros(environments, dtype=torch.int64, device=device)
        self._one = torch.ones(environments, 1, dtype=torch.bool, device=device)

    def key(self, observations: Observations, action: Tensor) -> Tensor:
        """Return the keys [n, K] of states and actions."""
        return self.keys(self._features(self.networks.critic_inputs(observations), action))

    def _features(self, critic_inputs: Tensor, action: Tensor) -> Tensor:
        parts = (self.networks.features(critic_inputs, action), action_cells(action))
        return torch.cat([torch.nn.functional.normalize(one.detach()) for one in parts], dim=1)

    @torch.inference_mode()
    def drive(self, observations: Observations, action: Tensor) -> Drive:
        """Return what affect wants of actions [P, D] in the states of all environments."""
        return self.system.modulate(self.key(observations, action))

    @torch.inference_mode()
    def is_best(self, observations: Observations, action: Tensor, policy: Normal) -> Tensor:
        """Return whether actions are as good as the policy's own choice, [n] bool.

        Equation:
            min_i Q_i(s, a) >= min_i Q_i(s, tanh mean) - D alpha

        A policy at temperature alpha gives away about alpha / 2 for each number in an action.
        """
        inputs = self.networks.critic_inputs(observations)
        both = self.networks.value(inputs.repeat(2, 1), torch.cat([action, policy.mean.tanh()]))
        value, best = both.chunk(2)
        return value >= best - self.actions * self.temperature()

    @torch.inference_mode()
    def appraise(
        self,
        before: Observations,
        after: Observations,
        action: Tensor,
        greedy: Tensor,
        normal: Tensor,
        reward: Tensor,
        terminated: Tensor,
        truncated: Tensor,
    ) -> None:
        """Take in one step of every environment.

        Equation:
            y = r + discount (1 - terminated) (min_i Q'_i(s', a') - alpha log pi(a'|s')),   a' ~ pi(s')
            lss = y - min_i Q_i(s, a)

        Args:
            before: observations acted on.
            after: observations reached, before any reset.
            action: what was done, in [-1, 1].
            greedy: whether it was expected to be best.
            normal: standard normal numbers that a' is made with.
            reward: as level 0 sees it.
            terminated: in Gymnasium's sense.
            truncated: cut off by a limit.

        Shapes:
            all [P], observations [P, ...], action and normal [P, D].
        """
        networks = self.networks
        policy = networks.actions(after)
        following = policy.action(normal)
        density = policy.log_density(normal, following)
        soft = networks.target_value(after, following) - self.temperature() * density
        target = reward + self.discount * soft.masked_fill(terminated, 0)
        inputs = networks.critic_inputs(before)
        done = self._features(inputs, action)
        self.keys.take_in(done)
        self.system.appraise(
            Experience(
                key=self.keys(done),
                next_key=self.key(after, policy.mean.tanh()),
                action=self._nought,
                chosen=self._one,
                greedy=greedy,
                moved=self._moved(before, after),
                terminated=terminated,
                done=terminated | truncated,
                target=target,
                lss=target - networks.value(inputs, action),
                reward=reward,
            )
        )

    def _moved(self, before: Observations, after: Observations) -> Tensor:
        if self._exact:
            return differ(before, after)
        features, reached = (self.networks.state_features(one) for one in (before, after))
        return shifted(features, reached, self.stillness)

    @property
    def recalls(self) -> bool:
        """Whether anything is recalled for replayed transitions."""
        return self._replayed.counts

    @torch.no_grad()
    def recall(self, batch: Minibatch) -> tuple[Tensor | None, Tensor | None]:
        """Return how replayed transitions are weighed, and what is taken off their targets.

        See `ReplayedFear`.

        Shapes:
            each [B, 1], or None if it is 1 or 0 everywhere.
        """
        if not self.recalls:
            return None, None
        key = self.key(batch.observations, batch.actions)
        row = torch.zeros(len(key), dtype=torch.int64, device=key.device)
        return self._replayed.of(self.system, key, row, batch.members)

    @torch.inference_mode()
    def mean_drive(self, observations: Observations, action: Tensor) -> Drive:
        """Return what affect wants on average over environments of any number of actions [n, D].

        Persistence belongs to a running episode and is left out.
        """
        return mean_drive(self.system, self.key(observations, action))
