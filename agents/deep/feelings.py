"""The affect of a deep agent: an `AffectSystem` on its network's features, one member an environment."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem, Drive, Experience
from emotional_ed.agents.deep.keys import feature_keys, start_from_bias
from emotional_ed.agents.deep.replay import Minibatch, Observations
from emotional_ed.agents.deep.value_network import ValueNetwork
from emotional_ed.checks import require_choice, require_range

_UNSERVED = {
    "attachment": "slow values beside the network's",
    "regret": "the rewards of actions not taken",
    "salience": "a replay buffer that asks for it",
    "weights": "an error of level 0 that is written step by step",
}


def check_affect(affect: AffectConfig) -> AffectConfig:
    """Return `affect` if a deep Q-network can serve it.

    Raises:
        ValueError: it is no `AffectConfig`, or has a part that needs what a deep Q-network lacks.
    """
    if not isinstance(affect, AffectConfig):
        raise ValueError(f"affect: got {affect!r}, expected an AffectConfig")
    parts = affect.parts()
    for name, needed in _UNSERVED.items():
        if name in parts:
            raise ValueError(
                f"affect.{name}: got {getattr(affect, name)!r}, expected None for a deep agent, "
                f"because it needs {needed}"
            )
    if affect.recall is not None and affect.recall.slots > 1:
        raise ValueError(
            f"affect.recall: got {affect.recall.slots} slots, expected None or 1 slot for a deep agent, "
            "which has one memory of values, its network: dataclasses.replace(affect, recall=None)"
        )
    return affect


@final
class Feelings:
    """Appraises what the agent does, and says how that bends what it does next.

    Every environment has its own affective state and memories. They change while acting, once a step, and
    never by replay: a replayed transition is judged by what the memories of its environment hold of it now.

    Args:
        affect: which levels.
        online: whose features the memories are keyed with.
        target: whose values make the target of the surprise.
        environments: P.
        actions: A.
        discount: gamma of level 0.
        double: whether the online network chooses the next action of a target.
        fear_on: "action" (fear lowers scores before the greedy choice) or "target" (it lowers targets).
        stillness: observations of numbers count as unchanged below this distance of their keys, >= 0.
        device: where the memories live.

    Raises:
        ValueError: a part of `affect` cannot be served, or a number is out of range.
    """

    def __init__(
        self,
        affect: AffectConfig,
        online: ValueNetwork,
        target: ValueNetwork,
        *,
        environments: int,
        actions: int,
        discount: float,
        double: bool,
        fear_on: str,
        stillness: float,
        device: torch.device,
    ) -> None:
        self.config = check_affect(affect)
        require_choice("fear_on", fear_on, ("action", "target"))
        self.stillness = require_range("stillness", stillness, 0)
        self.online, self.target, self.discount, self.double = online, target, discount, double
        fear = affect.fear
        self._penalty = fear.caution if fear is not None and fear_on == "target" else 0.0
        if self._penalty and fear is not None:  # fear acts once: what the target loses, the choice keeps
            affect = dataclasses.replace(affect, fear=dataclasses.replace(fear, caution=0.0))
        self._gain = 0.0 if fear is None else fear.step_gain
        self.system = AffectSystem(
            affect, environments, actions=actions, keys=online.features_dim + 1, device=device
        )
        start_from_bias(self.system)
        self._range = torch.arange(actions, device=device)
        self._exact = _is_exact(online.network.observation_space)
        self._seen: tuple[Tensor, Tensor] | None = None

    def forget_features(self) -> None:
        """The network or the observation has changed: features must be computed anew."""
        self._seen = None

    @torch.inference_mode()
    def look(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """Return keys [n, K] and values [n, A]."""
        features = self.online.features(observations)
        return feature_keys(features), self.online.from_features(features)

    @torch.inference_mode()
    def perceive(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """Return what `look` returns for the observations acted on, computed once."""
        if self._seen is None:
            self._seen = self.look(observations)
        return self._seen

    @torch.inference_mode()
    def drive(self, key: Tensor) -> Drive:
        """Return what affect wants in states with keys [P, K]."""
        return self.system.modulate(key)

    @torch.inference_mode()
    def appraise(
        self,
        before: Observations,
        after: Observations,
        action: Tensor,
        greedy: Tensor,
        reward: Tensor,
        terminated: Tensor,
        truncated: Tensor,
    ) -> None:
        """Take in one step of every environment.

        Equation:
            y = r + discount (1 - terminated) max_a' Q_target(s', a');   lss = y - Q(s, a)

        Args:
            before: observations acted on.
            after: observations reached, before any reset.
            action: what was done.
            greedy: whether it was expected to be best.
            reward: as level 0 sees it.
            terminated: in Gymnasium's sense.
            truncated: cut off by a limit.

        Shapes:
            all [P], observations [P, ...].
        """
        key, values = self.perceive(before)
        next_key, next_values = self.look(after)
        following = self.target(after)
        if self.double:
            best = following.gather(1, next_values.argmax(1, keepdim=True)).squeeze(1)
        else:
            best = following.amax(1)
        target = reward + self.discount * best.masked_fill(terminated, 0)
        done = terminated | truncated
        self.system.appraise(
            Experience(
                key=key,
                next_key=next_key,
                action=action,
                chosen=action[:, None] == self._range,
                greedy=greedy,
                moved=self._moved(before, after, key, next_key),
                terminated=terminated,
                done=done,
                target=target,
                lss=target - values.gather(1, action[:, None]).squeeze(1),
                reward=reward,
            )
        )
        self._seen = None if bool(done.any()) else (next_key, next_values)

    def _moved(self, before: Observations, after: Observations, key: Tensor, next_key: Tensor) -> Tensor:
        if not self._exact:
            distance: Tensor = torch.linalg.vector_norm(next_key - key, dim=-1)
            return distance > self.stillness
        old = before if isinstance(before, dict) else {"": before}
        new = after if isinstance(after, dict) else {"": after}
        changes = [old[name].ne(new[name]).reshape(len(key), -1).any(1) for name in old]
        return torch.stack(changes).any(0)

    @property
    def recalls(self) -> bool:
        """Whether anything is recalled for replayed transitions."""
        return bool(self._penalty or self._gain) and self.config.fear is not None

    @torch.no_grad()
    def recall(self, batch: Minibatch) -> tuple[Tensor | None, Tensor | None]:
        """Return how replayed transitions are weighed, and what is taken off their targets.

        Equation:
            weight = max(0, 1 + step_gain H(s, a));   penalty = caution unit H(s, a)  if fear acts on targets

        H is what the memory of the transition's environment holds now, or the mean of all if the buffer does
        not tell which one that is. No affective state changes.

        Shapes:
            each [B, 1], or None if it is 1 or 0 everywhere.
        """
        if not self.recalls:
            return None, None
        memory = self.system.level("fear").memory.M  # [P, A, K]
        unit = self.system.level("surprise").unit  # [P]
        key, action = feature_keys(self.online.features(batch.observations)), batch.actions.squeeze(1)
        if batch.members is None:
            held, unit = memory.mean(0)[action], unit.mean()[None, None]
        else:
            held, unit = memory[batch.members, action], unit[batch.members][:, None]
        fear: Tensor = (held * key).sum(-1, keepdim=True)  # [B, 1]
        weights = (1 + self._gain * fear).clamp_min(0) if self._gain else None
        return weights, self._penalty * unit * fear if self._penalty else None

    def mean_drive(self, key: Tensor) -> Drive:
        """Return what affect wants on average over environments, for keys [n, K] of any number of states.

        Persistence belongs to a running episode and is left out.
        """
        drives = [self.drive(one.expand(self.system.population, -1)) for one in key]

        def mean(name: str) -> Tensor | None:
            wishes = [getattr(drive, name) for drive in drives]
            return None if wishes[0] is None else torch.stack([wish.mean(0) for wish in wishes])

        return Drive(exploration=mean("exploration"), bias=mean("bias"), avoidance=mean("avoidance"))


def _is_exact(space: spaces.Space[Any]) -> bool:
    """Return whether observations are whole numbers, which are the same only if they are equal."""
    if isinstance(space, spaces.Dict):
        return all(_is_exact(one) for one in space.spaces.values())
    return not (isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating))


def flags(infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """Return which environments terminated and which were truncated, [P] bool each."""
    truncated = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos]) & dones
    return torch.from_numpy(dones & ~truncated), torch.from_numpy(truncated)
