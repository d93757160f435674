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
from emotional_ed.agents.deep.compiled import compiled_step
from emotional_ed.agents.deep.heads import Heads
from emotional_ed.agents.deep.keys import FeatureKeys, start_from_bias
from emotional_ed.agents.deep.linear_values import LinearValues
from emotional_ed.agents.deep.mean_drive import mean_drive
from emotional_ed.agents.deep.replay import Minibatch, Observations
from emotional_ed.agents.deep.replayed_fear import ReplayedFear
from emotional_ed.agents.deep.sight import InUse, Reached, Seen, Sight
from emotional_ed.agents.deep.slow_heads import SlowHeads
from emotional_ed.checks import require_range
from emotional_ed.nested import Signals

_UNSERVED = {"regret": "the rewards of actions not taken"}
_OF_HEADS = {"attachment": "slow values beside the network's", "recall": "several memories of values"}
_WISHES = tuple(one.name for one in dataclasses.fields(Drive))


class _Look(NamedTuple):
    """Observations that are to be acted on."""

    observations: Observations
    heads: InUse


class _Step(NamedTuple):
    """One step of every environment, and what the networks make of it."""

    before: Observations
    after: Observations
    seen: Seen
    """Of the observations acted on."""
    reached: Reached | None
    """Of the observations reached; None where that is still to be computed."""
    heads: InUse
    action: Tensor
    greedy: Tensor
    reward: Tensor
    terminated: Tensor
    done: Tensor


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
        patience: of recall, see `RecallConfig`.
        compiled: whether what comes in every step is compiled, at the first, and how recall judges episodes.

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
        patience: int = 0,
        compiled: bool = False,
    ) -> None:
        check_affect(affect, heads=heads is not None)
        self.stillness = require_range("stillness", stillness, 0)
        self.online, self.target, self.discount, self.double = online, target, discount, double
        self._replayed = ReplayedFear(affect, fear_on)
        affect = self._replayed.rest
        recall = affect.recall
        if recall is not None:  # some of a network's surprise is its own learning, and adds up with steps
            reluctance = min(recall.reluctance + reluctance, 1e6)
            recall = dataclasses.replace(recall, reluctance=reluctance, per_step=True, patience=patience)
            affect = dataclasses.replace(affect, recall=recall)
        self.system = AffectSystem(
            affect, environments, actions=actions, keys=online.features_dim + 1, device=device
        )
        start_from_bias(self.system)
        self.keys = FeatureKeys(online.features_dim, device)
        self.heads = heads
        self._sight = Sight(online, target, heads, self.keys)
        if heads is not None:
            heads.follow(self.system.recall)
        self.slow = None if heads is None or self.system.attachment is None else SlowHeads(heads)
        self.lived: Tensor | None = None
        """Which head every environment used in the last step, [P]; None while there is one for all."""
        self.begun: tuple[int, ...] = ()
        """The heads that began anew in the last step."""
        self._range = torch.arange(actions, device=device)
        self._exact = is_exact(online.network.observation_space)
        self._seen: Seen | None = None
        self._sees_all = compiled and self._sight.is_plain and not len(self.system.shuffles)
        """Whether the networks are part of the programs, which look anew in every step."""
        self._compiled, self._trusted = compiled, not affect.own
        self._compile()

    def _compile(self) -> None:
        """Make programs of what is compiled; each belongs to this object and to no copy of it."""
        parts, trusted = (self.system, self.keys), self._trusted
        self._fast = compiled_step(self._take_in, *parts, trusted=trusted) if self._compiled else None
        self._glance = compiled_step(self._look_and_want, *parts, trusted=trusted) if self._sees_all else None
        recall = self.system.recall
        if recall is not None:
            recall.quick_judge = compiled_step(recall.judge, recall) if self._compiled else None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of, which makes programs of its own."""
        return {**self.__dict__, "_fast": None, "_glance": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copy's state."""
        self.__dict__.update(state)
        self._compile()

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
        slots, heads = self.slots, self.heads
        if slots is None or heads is None:
            seen = self._sight.see(observations, InUse())
            return seen.key, seen.values
        most = torch.bincount(slots).argmax()
        features = self.online.features(observations)
        return self.keys(features), heads.read(features)[:, most]

    @torch.inference_mode()
    def perceive(self, observations: Observations) -> tuple[Tensor, Tensor, Drive]:
        """Return what is made of the observations acted on: keys [P, K], values [P, A], what affect wants."""
        if self._glance is None:
            seen = self._now(observations)
            return seen.key, seen.values, self.system.modulate(seen.key)
        self._seen, wishes = self._glance(_Look(observations, self._sight.in_use(self.slots)))
        return self._seen.key, self._seen.values, Drive(*wishes)

    def _now(self, observations: Observations) -> Seen:
        if self._seen is None:
            self._seen = self._sight.see(observations, self._sight.in_use(self.slots))
        return self._seen

    def _look_and_want(self, step: _Look) -> tuple[Seen, tuple[Tensor | None, ...]]:
        """Return what is seen, and the fields of the drive."""
        seen = self._sight.see(step.observations, step.heads)
        drive = self.system.modulate(seen.key)
        return seen, tuple(getattr(drive, wish) for wish in _WISHES)

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
        seen, slots = self._now(before), self.slots
        heads = self._sight.in_use(slots)
        reached = None if self._sees_all else self._sight.reach(after, heads)
        done = terminated | truncated
        step = _Step(before, after, seen, reached, heads, action, greedy, reward, terminated, done)
        self.lived = None if slots is None else slots.clone()  # recall may go on to another
        ended = bool(done.any())
        key: Tensor | None = None
        if self._fast is not None and self.system.steps_apart(ended):
            self.system.appraise_slow(self._fast(step))
        else:
            experience = self._experience(step)
            self.system.appraise(experience, bends_step=False)
            key = experience.next_key
        self._seen, self.begun = None, ()
        if ended:
            self._end_episodes()
        elif reached is not None:
            if key is None:  # as it is computed wherever one goes on: no program rounds it
                key = self.keys(reached.features)
            self._seen = Seen(reached.features, key, reached.values, reached.every)

    def _take_in(self, step: _Step) -> Signals:
        """Take in what comes in every step, and return its signals."""
        return self.system.appraise_fast(self._experience(step))

    def _experience(self, step: _Step) -> Experience:
        """Return a step as the affect system takes it; the keys learn of the features reached."""
        reached = self._sight.reach(step.after, step.heads) if step.reached is None else step.reached
        self.keys.take_in(reached.features)
        target, lss, felt = self._surprise(step, reached)
        return Experience(
            key=step.seen.key,
            next_key=self.keys(reached.features),
            action=step.action,
            chosen=step.action[:, None] == self._range,
            greedy=step.greedy,
            moved=self._moved(step.before, step.after, step.seen.features, reached.features),
            terminated=step.terminated,
            done=step.done,
            target=target,
            lss=lss,
            reward=step.reward,
            slot_lss=felt,
        )

    def _surprise(self, step: _Step, reached: Reached) -> tuple[Tensor, Tensor, Tensor]:
        """Return target and surprise of the head in use [P], and what every head would have felt [P, H]."""
        where, slots = step.action[:, None], step.heads.slots
        if slots is None or reached.every is None or step.seen.every is None:
            best = self._best(reached.following, reached.values).masked_fill(step.terminated, 0)
            target = step.reward + self.discount * best
            lss = target - step.seen.values.gather(1, where).squeeze(1)
            return target, lss, lss[:, None]
        best = self._best(reached.following, reached.every).masked_fill(step.terminated[:, None], 0)
        targets = step.reward[:, None] + self.discount * best  # [P, H]
        held = step.seen.every.gather(2, where[:, None].expand(-1, best.shape[1], 1)).squeeze(2)
        surprise = targets - held
        target, lss = (one.gather(1, slots[:, None]).squeeze(1) for one in (targets, surprise))
        return target, lss, surprise

    def _best(self, following: Tensor, online: Tensor) -> Tensor:
        """Return the value of the next state by the target network's [..., A] and the online one's."""
        if self.double:
            return following.gather(-1, online.argmax(-1, keepdim=True)).squeeze(-1)
        return following.amax(-1)

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
    if recall.trial is not None:
        recall.trial.forget(begun.expand_as(recall.used))


def flags(infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """Return which environments terminated and which were truncated, [P] bool each."""
    if not np.count_nonzero(dones):
        none = torch.from_numpy(dones)
        return none, none
    truncated = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos]) & dones
    return torch.from_numpy(dones & ~truncated), torch.from_numpy(truncated)
