"""One step of a whole mind: feel, choose, be surprised, feel again, learn, and sleep on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from emotional_ed.affect import AffectConfig, AffectSystem, Drive, Experience, Prospect
from emotional_ed.affect.drive import EXCLUDED
from emotional_ed.agents.critics import Critic, QLearning
from emotional_ed.agents.features import Features
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import Policy
from emotional_ed.agents.policies.epsilon_greedy import greedy_action
from emotional_ed.agents.rules import Moment, Place, build_rule
from emotional_ed.agents.sleep import Sleep
from emotional_ed.envs import BatchedStep
from emotional_ed.memory import QuickModule, modulate_share


class Decision(NamedTuple):
    """What was chosen in a state, and why."""

    key: Tensor
    """[P] or [P, T], the state for affect."""
    value_key: Tensor
    """The same in the value memory that recall had chosen."""
    values: Tensor
    """[P, A]."""
    action: Tensor
    """[P] int64."""
    greedy: Tensor
    """[P] bool, one of the best, as affect sees it."""
    explored: Tensor
    """[P] bool, chance had a say."""
    persisted: Tensor
    """[P] bool, anger had."""


class Rates(NamedTuple):
    """The numbers of level 0, [P] each."""

    step_size: Tensor
    discount: Tensor
    exploration: Tensor


@final
class Mind(QuickModule):
    """Level 0 and all the affect above it, for a population; knows nothing of environments and files.

    Args:
        level0: the parts of level 0, one for all or one a member (of the same kinds).
        affect: the levels above, one for all or one a member.
        features: how observations become keys.
        rates: step size, discount and exploration.
        seeds: one a member, for sleep.
        actions: A.
        listens: whether appraisals that the environment offers are heeded.
        device: where memories live.

    Raises:
        ValueError: lengths do not match, or members differ in kind.
    """

    def __init__(
        self,
        level0: LevelZero | Sequence[LevelZero],
        affect: AffectConfig | Sequence[AffectConfig],
        *,
        features: Features,
        rates: Rates,
        seeds: Sequence[int],
        actions: int,
        listens: bool,
        device: torch.device,
    ) -> None:
        super().__init__()
        population = len(seeds)
        self.parts = _one_a_member(level0, population)
        self.features, self.rates, self.listens = features, rates, listens
        self.affect = AffectSystem(
            affect, population, actions=actions, keys=features.keys, active=features.active, device=device
        )
        place = Place(
            population, actions, features.keys, self.affect.slots, features.active, tuple(seeds), device
        )
        self.critic: Critic = build_rule("critic", [one.critic for one in self.parts], place)
        recalls = torch.tensor(
            [one.recall is not None and one.recall.slots > 1 for one in self.affect.configs]
        )
        if bool((self.critic.blank().cpu()[recalls] != 0).any()):
            raise ValueError(
                "critic: got values that do not begin at zero together with recall, whose blank memory "
                "expects nothing, expected QLearningConfig(initial=0) or an affect without recall"
            )
        self.policy: Policy = build_rule("policy", [one.policy for one in self.parts], place)
        sleeps = [one.sleep for one in self.parts if one.sleep is not None]
        if 0 < len(sleeps) < population:
            raise ValueError(
                "sleep: got it for some members only, expected it for all of a population or none"
            )
        self.sleep: Sleep | None = build_rule("sleep", sleeps, place) if sleeps else None
        awake = any(one.salience is None for one in self.affect.configs)
        if self.sleep is not None and self.sleep.needs_salience and awake:
            raise ValueError(
                "sleep: got draw='salience' for a member without salience, expected "
                "AffectConfig(salience=SalienceConfig())"
            )
        resets = torch.tensor([one.reset_episodes for one in self.parts], device=device)
        self._resets = bool(resets.any())
        self.register_buffer("reset_episodes", resets, persistent=False)
        self.register_buffer("episodes", torch.zeros(population, dtype=torch.int64, device=device))
        self.register_buffer("_actions", torch.arange(actions, device=device), persistent=False)
        slots = torch.arange(place.slots, device=device) * place.keys  # where each value memory begins
        members = torch.arange(population, device=device) * (actions * place.slots * place.keys)
        self.register_buffer("_slots", slots, persistent=False)
        self.register_buffer("_members", members, persistent=False)
        self.place = place

    reset_episodes: Tensor
    episodes: Tensor
    _actions: Tensor
    _slots: Tensor
    _members: Tensor

    def value_key(self, key: Tensor) -> Tensor:
        """Return where the values for keys [P] or [P, T] are held, in the memory that mood recalls."""
        slot = self.affect.slot
        if slot is None:
            return key
        first = slot * self.features.keys  # [P]
        return key + (first if key.ndim == 1 else first[:, None])

    def wish(
        self,
        observation: Tensor,
        exploration: Tensor,
        uniform: Tensor,
        *,
        living: bool = True,
        exclude: Tensor | None = None,
    ) -> Decision:
        """Choose actions for observations [P] or [P, n]; changes nothing.

        Args:
            observation: what is seen.
            exploration: probability of a random action, [P].
            uniform: random numbers [P, 2 + A + extra].
            living: whether this is the agent's own next step; otherwise anger does not repeat a blocked
                action nor remember what it gave up, and without exploration the best action is chosen,
                whatever the policy.
            exclude: [P, A] bool, actions left alone if this is not the agent's own step.
        """
        key = self.features(observation)
        value_key = self.value_key(key)
        values = self.critic.read(value_key)
        drive: Drive = self.affect.modulate(key)
        if not living:
            drive.persist, drive.exclude = None, exclude
        if drive.exclude is not None:
            lowered = drive.exclude * EXCLUDED
            drive.bias = lowered if drive.bias is None else drive.bias + lowered
        if living or bool(exploration.any()):
            action, greedy, explored = self.policy.choose(values, drive, exploration, uniform)
        else:
            best, action = greedy_action(values, drive, uniform)
            greedy, explored = torch.ones_like(best[:, 0]), torch.zeros_like(best[:, 0])
        persisted = torch.zeros_like(explored) if drive.persist is None else drive.persist.clone()
        return Decision(key, value_key, values, action, greedy, explored, persisted)

    def learn(
        self, decision: Decision, observation: Tensor, step: BatchedStep, uniform: Tensor, number: int
    ) -> dict[str, Tensor]:
        """Take in what came of a decision, the `number`-th of each member, and return its signals [P]."""
        action, done = decision.action, step.terminated | step.truncated
        next_key, chosen = self.features(step.final_observation), action[:, None] == self._actions
        moved = self.features.moved(observation, step.final_observation)
        bias = None
        if self.affect.foresees:
            key, greedy, values = decision.key, decision.greedy, decision.values
            bias = self.affect.foresee(
                Prospect(key, next_key, action, chosen, greedy, moved, done, values, self.rates.discount)
            )
        moment = Moment(
            key=decision.value_key,
            next_key=self.value_key(next_key),
            action=action,
            chosen=chosen,
            reward=step.reward,
            terminated=step.terminated,
            discount=self.rates.discount,
            epsilon=self.rates.exploration,
            forgone=step.forgone if self.listens else None,
            danger=step.catastrophe.to(step.reward.dtype) if self.listens else None,
            done=done,
            bias=bias,
        )
        slot = self.affect.slot
        if slot is not None and self.affect.attachment is not None:
            slot = slot.clone()  # recall may go on to another
        target = self.critic.target(moment)
        lss = target - decision.values.gather(-1, action[:, None]).squeeze(-1)
        factor = self.affect.appraise(
            Experience(
                key=decision.key,
                next_key=next_key,
                action=action,
                chosen=chosen,
                greedy=decision.greedy,
                moved=moved,
                terminated=step.terminated,
                done=done,
                target=target,
                lss=lss,
                reward=step.reward,
                slot_lss=None
                if self.affect.recall is None
                else self._slot_lss(decision, next_key, moment, lss),
                forgone=moment.forgone,
                danger=moment.danger,
                next_values=self.critic.read(moment.next_key) if self._looks_ahead(moment) else None,
            )
        )
        share = self.rates.step_size if factor is None else modulate_share(self.rates.step_size, factor)
        self.critic.write(moment, target, share)
        self.policy.observe(action, decision.explored, done, uniform)
        signals = {
            **self.affect.signals,
            "lss": lss,
            "effective_step_size": share,
            "observation": observation,
            "action": action,
            "greedy": decision.greedy,
            "explored": decision.explored,
            "persisted": decision.persisted,
        }
        if self.sleep is not None:
            self.sleep.remember(moment, signals["salience"] if self.sleep.needs_salience else lss.abs())
        self._forget(done, slot)
        if self.sleep is not None and self.sleep.is_night(number):
            self.sleep.night(self.critic, *self.rates)
        return signals

    def _looks_ahead(self, moment: Moment) -> bool:
        return moment.danger is not None and self.affect.looks_ahead

    def _slot_lss(self, decision: Decision, next_key: Tensor, moment: Moment, lss: Tensor) -> Tensor:
        """Return the surprise that every value memory in use would have felt, [P, H]."""
        if self.affect.slots == 1:
            return lss[:, None]
        if not isinstance(self.critic, QLearning):
            return self._slot_lss_by_target(decision, next_key, moment)
        recall, reward = self.affect.recall, moment.reward.unsqueeze(-1)
        assert recall is not None
        used = recall.in_use
        if used == 1:  # everybody uses it
            return lss[:, None]
        held, best = self._held_in_slots(decision.key, moment.action, next_key, used, moment.bias)
        best = best.masked_fill(moment.terminated.unsqueeze(-1), 0)
        return reward + moment.discount.unsqueeze(-1) * best - held

    def _held_in_slots(
        self, key: Tensor, action: Tensor, next_key: Tensor, used: int, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return Q(s, a) and max_a' Q(s', a') in the first `used` value memories, [P, used] each."""
        if key.ndim > 1:
            values = self.critic.read_slots(key, used)  # [P, used, A]
            held = values.gather(-1, action[:, None, None].expand(-1, used, 1)).squeeze(-1)
            ahead = self.critic.read_slots(next_key, used)
            return held, (ahead if bias is None else ahead + bias[:, None]).amax(-1)
        by_slot = self.critic.by_slot()[:, :, :used]  # [P, A, used, K]
        where = next_key[:, None, None, None].expand(*by_slot.shape[:3], 1)
        first = torch.add(key, action, alpha=len(self._slots) * self.place.keys).add_(self._members)
        cells = first.unsqueeze(-1) + self._slots[:used]  # [P, used]
        held = self.critic.memory.M.view(-1).index_select(0, cells.view(-1)).view(cells.shape)
        ahead = by_slot.gather(-1, where).squeeze(-1)  # [P, A, used]
        return held, (ahead if bias is None else ahead + bias[:, :, None]).amax(1)

    def _slot_lss_by_target(self, decision: Decision, next_key: Tensor, moment: Moment) -> Tensor:
        """Return the same for any critic, whose own target says what would have surprised it."""
        felt = []
        for first in range(0, self.place.slots * self.place.keys, self.place.keys):
            here = moment._replace(key=decision.key + first, next_key=next_key + first)
            held = self.critic.read(here.key).gather(-1, moment.action[:, None]).squeeze(-1)
            felt.append(self.critic.target(here) - held)
        return torch.stack(felt, dim=-1)

    # ------------------------------------------------------------------ what is not kept

    def _forget(self, done: Tensor, slot: Tensor | None) -> None:
        """Let values fall back to slow ones, clear memories that begin anew, and reset those that are due.

        `slot` [P] is the value memory that was in use in this step; recall may have gone on to another.
        """
        recall, attachment = self.affect.recall, self.affect.attachment
        self._fall_back(slot)
        fresh = recall is not None and bool(recall.fresh.any())
        if attachment is not None and recall is not None and self.affect.slots > 1:
            attachment.follow(recall.slot, recall.begun() if fresh else None)
        if recall is not None and fresh:
            who = recall.fresh.nonzero().squeeze(-1)
            self.critic.clear(who, recall.slot[who])
            self.affect.begin_anew(recall.fresh)
            self._forget_dreams(recall.slot * self.place.keys, self.place.keys, recall.fresh)
        if self._resets:
            self.episodes += done & (self.reset_episodes > 0)
            over = done & (self.reset_episodes > 0) & (self.episodes % self.reset_episodes.clamp_min(1) == 0)
            who = over.nonzero().squeeze(-1)
            self.critic.clear(who)
            self._forget_dreams(torch.zeros_like(self.episodes), self.place.slots * self.place.keys, over)

    def _fall_back(self, slot: Tensor | None) -> None:
        """Move values in use toward the slow ones of attachment, where an episode has ended."""
        attachment = self.affect.attachment
        if attachment is None:
            return
        rate, slow, bond = attachment.retention()
        who = rate.nonzero().squeeze(-1)
        if len(who):
            fast, used = self.critic.by_slot(), torch.zeros_like(who) if slot is None else slot[who]
            held = fast[who, :, used]  # [n, rows, K], several rows an action in some critics
            rows = held.shape[1] // self.place.actions
            worth, known = (part[who].repeat_interleave(rows, dim=1) for part in (slow, bond))
            fast[who, :, used] = held + rate[who, None, None] * (worth - known * held)

    def _forget_dreams(self, first: Tensor, keys: int, who: Tensor) -> None:
        if self.sleep is not None:
            self.sleep.forget(first, first + keys, who)

    def cut_episode(self) -> None:
        """Forget what belongs to running episodes, because they were cut off and will not end."""
        self.affect.cut_episode()
        for part in (self.critic, self.policy, self.sleep):
            if part is not None:
                part.cut_episode()


def _one_a_member(level0: LevelZero | Sequence[LevelZero], population: int) -> list[LevelZero]:
    given = [level0] * population if isinstance(level0, LevelZero) else level0
    members = list(given) if isinstance(given, Sequence) else []
    if len(members) != population or not all(isinstance(one, LevelZero) for one in members):
        raise ValueError(f"level0: got {level0!r}, expected a LevelZero or a list of {population}")
    return members
