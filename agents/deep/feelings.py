"""The affect of a deep agent: an `AffectSystem` on its network's features, one member an environment."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem, Drive, Experience
from emotional_ed.affect.recall import Recall
from emotional_ed.agents.deep.changes import differ, is_exact, shifted
from emotional_ed.agents.deep.heads import Heads, of
from emotional_ed.agents.deep.keys import FeatureKeys, start_from_bias
from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.mean_drive import mean_drive
from emotional_ed.agents.deep.replay import Minibatch, Observations
from emotional_ed.agents.deep.replayed_fear import ReplayedFear
from emotional_ed.agents.deep.slow_heads import SlowHeads
from emotional_ed.checks import require_range

_UNSERVED = {"regret": "the rewards of actions not taken"}
_OF_HEADS = {"attachment": "slow values beside the network's", "recall": "several memories of values"}


class _Seen(NamedTuple):
    """What the network makes of the observations acted on."""

    features: Tensor
    """[P, K - 1], of the hidden layer."""
    key: Tensor
    """[P, K]."""
    values: Tensor
    """[P, A], of the head in use."""
    every: Tensor | None
    """[P, H, A], of all heads in use; None if there is one."""


def check_affect(affect: AffectConfig, *, heads: bool = False) -> AffectConfig:
    """Return `affect` if a deep Q-network can serve it.

    Args:
        affect: what to look at.
        heads: whether the network can have several value heads.

    Raises:
        ValueError: it is no `AffectConfig`, or has a part that needs what a deep Q-network lacks.
    """
    if not isinstance(affect, AffectConfig):
        raise ValueError(f"affect: got {affect!r}, expected an AffectConfig")
    parts = set(affect.parts())
    if affect.recall is not None and affect.recall.slots == 1:
        parts.remove("recall")
    for name, needed in (_UNSERVED if heads else {**_UNSERVED, **_OF_HEADS}).items():
        if name in parts:
            raise ValueError(
                f"affect.{name}: got {getattr(affect, name)!r}, expected None for this agent, "
                f"because it needs {needed}: dataclasses.replace(affect, {name}=None)"
            )
    return affect


def needs_heads(affect: AffectConfig) -> bool:
    """Return whether an affect needs value heads beside the network's last layer."""
    several = affect.recall is not None and affect.recall.slots > 1
    return several or affect.attachment is not None


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
        fear_on: "action" (fear lowers scores before the greedy choice) or "target" (it lowers targets).
        stillness: observations of real numbers count as unchanged if their features change by no more than
            this share of their length, >= 0.
        device: where the memories live.
        double: whether the online network chooses the next action of a target.
        heads: value heads, if the affect needs them: one a slot of recall.
        reluctance: added to that of `RecallConfig`, in [0, 1e6].

    Raises:
        ValueError: a part of `affect` cannot be served, or a number is out of range.
    """

    def __init__(
        self,
        affect: AffectConfig,
        online: LinearValues,
        target: LinearValues,
        *,
        environments: int,
        actions: int,
        discount: float,
        fear_on: str,
        stillness: float,
        device: torch.device,
        double: bool = False,
        heads: Heads | None = None,
        reluctance: float = 0.0,
    ) -> None:
        check_affect(affect, heads=heads is not None)
        self.stillness = require_range("stillness", stillness, 0)
        self.online, self.target, self.discount, self.double = online, target, discount, double
        self._replayed = ReplayedFear(affect, fear_on)
        affect = self._replayed.rest
        recall = affect.recall
        if recall is not None:  # some of a network's surprise is its own learning, and adds up with steps
            reluctance = min(recall.reluctance + reluctance, 1e6)
            recall = dataclasses.replace(recall, reluctance=reluctance, per_step=True)
            affect = dataclasses.replace(affect, recall=recall)
        self.system = AffectSystem(
            affect, environments, actions=actions, keys=online.features_dim + 1, device=device
        )
        start_from_bias(self.system)
        self.keys = FeatureKeys(online.features_dim, device)
        self.heads = heads
        if heads is not None:
            heads.follow(self.system.recall)
        self.slow = None if heads is None or self.system.attachment is None else SlowHeads(heads)
        self.lived: Tensor | None = None
        """Which head every environment used in the last step, [P]; None while there is one for all."""
        self.begun: tuple[int, ...] = ()
        """The heads that began anew in the last step."""
        self._range = torch.arange(actions, device=device)
        self._exact = is_exact(online.network.observation_space)
        self._seen: _Seen | None = None

    def forget_features(self) -> None:
        """The network or the observation has changed: features must be computed anew."""
        self._seen = None

    @property
    def slots(self) -> Tensor | None:
        """Which head every environment uses, [P] int64; None while there is one for all."""
        return self.system.slot if self.heads is not None and self.heads.several else None

    @torch.inference_mode()
    def look(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """Return keys [n, K], and values [n, A] of the head that most environments use."""
        slots = self.slots
        if slots is None:
            seen = self._see(self.online.features(observations), None)
            return seen.key, seen.values
        most = torch.bincount(slots).argmax()
        features = self.online.features(observations)
        return self.keys(features), self._heads().read(features)[:, most]

    def _see(self, features: Tensor, slots: Tensor | None) -> _Seen:
        if slots is None:
            return _Seen(features, self.keys(features), self.online.from_features(features), None)
        every = self._heads().read(features)
        return _Seen(features, self.keys(features), of(every, slots), every)

    def _heads(self) -> Heads:
        assert self.heads is not None
        return self.heads

    @torch.inference_mode()
    def perceive(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """Return keys [P, K] and values [P, A] for the observations acted on, computed once."""
        seen = self._now(observations)
        return seen.key, seen.values

    def _now(self, observations: Observations) -> _Seen:
        if self._seen is None:
            self._seen = self._see(self.online.features(observations), self.slots)
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
        (features, key, values, every), slots = self._now(before), self.slots
        reached = self.online.features(after)
        self.keys.take_in(reached)
        ahead = self._see(reached, slots)
        if slots is None or every is None or ahead.every is None:
            target, lss, felt = self._surprise(after, values, ahead.values, action, reward, terminated)
        else:
            targets = self._targets_of_all(after, ahead.every, reward, terminated)
            target, lss, felt = self._surprises(every, targets, slots, action)
        self.lived = None if slots is None else slots.clone()  # recall may go on to another
        done = terminated | truncated
        self.system.appraise(
            Experience(
                key=key,
                next_key=ahead.key,
                action=action,
                chosen=action[:, None] == self._range,
                greedy=greedy,
                moved=self._moved(before, after, features, reached),
                terminated=terminated,
                done=done,
                target=target,
                lss=lss,
                reward=reward,
                slot_lss=felt,
            ),
            bends_step=False,
        )
        self._seen, self.begun = ahead, ()
        if bool(done.any()):
            self._seen = None
            self._end_episodes()

    def _surprise(
        self,
        after: Observations,
        values: Tensor,
        ahead: Tensor,
        action: Tensor,
        reward: Tensor,
        terminated: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return target and surprise of the only head [P], and what it has felt as the only memory [P, 1]."""
        best = self._best(self.target(after), ahead)
        target = reward + self.discount * best.masked_fill(terminated, 0)
        lss = target - values.gather(1, action[:, None]).squeeze(1)
        return target, lss, lss[:, None]

    def _surprises(
        self, every: Tensor, targets: Tensor, slots: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same where several heads are in use, from the values and targets of all, [P, H]."""
        where = action[:, None, None].expand(-1, every.shape[1], 1)
        surprise = targets - every.gather(2, where).squeeze(2)  # [P, H]
        target, lss = (one.gather(1, slots[:, None]).squeeze(1) for one in (targets, surprise))
        return target, lss, surprise

    def _best(self, following: Tensor, online: Tensor) -> Tensor:
        """Return the value of the next state by the target network's [..., A] and the online one's."""
        if self.double:
            return following.gather(-1, online.argmax(-1, keepdim=True)).squeeze(-1)
        return following.amax(-1)

    def _targets_of_all(
        self, after: Observations, online: Tensor, reward: Tensor, terminated: Tensor
    ) -> Tensor:
        """Return the target of every head in use, [P, H]."""
        following = self._heads().read_target(self.target.features(after))
        best = self._best(following, online).masked_fill(terminated[:, None], 0)
        return reward[:, None] + self.discount * best

    def _end_episodes(self) -> None:
        """Consolidate, and let the heads begin that recall has taken up as blank."""
        recall, attachment = self.system.recall, self.system.attachment
        if self.slow is not None and attachment is not None:
            first = torch.zeros(self.system.population, dtype=torch.int64)
            self.slow.consolidate(attachment, first if self.lived is None else self.lived)
        if recall is None or self.heads is None or not self.heads.several:
            return
        fresh = bool(recall.fresh.any())
        if attachment is not None:  # a head that one environment begins anew is anew for all of them
            attachment.follow(
                recall.slot, recall.begun().any(0).expand(len(recall.slot), -1) if fresh else None
            )
        if fresh:
            self.begun = tuple(sorted(set(recall.slot[recall.fresh].tolist())))
            for slot in self.begun:
                self.heads.begin(slot)
                if self.slow is not None:
                    self.slow.begin(slot)
            self.system.begin_anew(recall.fresh)
        if self.system.population > 1:
            share_memories(recall)

    def _moved(self, before: Observations, after: Observations, features: Tensor, reached: Tensor) -> Tensor:
        return differ(before, after) if self._exact else shifted(features, reached, self.stillness)

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
        key = self.keys(self.online.features(batch.observations))
        return self._replayed.of(self.system, key, batch.actions.squeeze(1), batch.members)

    def mean_drive(self, key: Tensor) -> Drive:
        """Return what affect wants on average over environments, for keys [n, K] of any number of states.

        Persistence belongs to a running episode and is left out.
        """
        return mean_drive(self.system, key)


def share_memories(recall: Recall) -> None:
    """Let every environment know the memories that another has begun: they are heads of one network.

    A memory that began anew is as far behind the one in use as one can be, and is nobody's old one.
    """
    recall.used.copy_(recall.used.any(0).expand_as(recall.used))
    recall.age.copy_(recall.age.amin(0).expand_as(recall.age))
    if not bool(recall.fresh.any()):
        return
    begun = torch.zeros_like(recall.used[0]).scatter_(0, recall.slot[recall.fresh], True)
    other = begun & (recall.index[:-1] != recall.slot[:, None])  # [P, S]
    recall.posterior[:, :-1].masked_fill_(other, -1e30)


def flags(infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """Return which environments terminated and which were truncated, [P] bool each."""
    truncated = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos]) & dones
    return torch.from_numpy(dones & ~truncated), torch.from_numpy(truncated)
