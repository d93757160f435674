"""Sleep: what was lived is lived again offline, in an order that waking life cannot have."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from emotional_ed.agents.rules import Moment, Rule, RuleConfig
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.streams import Streams

_PURPOSE = 3  # of the random stream of sleep
_TINY = 1e-30
DRAWS = ("salience", "surprise", "backward", "uniform", "n-step")
"""From where a sweep starts, and where it goes."""


@dataclass(frozen=True, kw_only=True)
class SleepConfig(RuleConfig):
    """How much is remembered, when it is replayed, and in which order."""

    draw: str = "salience"
    """"salience": sweeps backward from emotional moments; "surprise": single transitions drawn by |delta|;
    "backward": the latest transitions, last first; "uniform": any; "n-step": any, with n-step targets."""
    period: int = 100
    """Steps between two nights, >= 1."""
    updates: int = 100
    """Transitions replayed a night, >= 1."""
    room: int = 1000
    """Transitions kept, the oldest forgotten first, >= 1."""
    length: int = 10
    """Steps of one sweep backward, or of the n-step target, >= 1."""
    uniform: float = 0.2
    """Share of sweeps that start anywhere, in [0, 1]."""
    correction: float = 0.0
    """Importance correction of the share for transitions drawn more often than others, in [0, 1]."""

    def __post_init__(self) -> None:
        require_choice("SleepConfig.draw", self.draw, DRAWS)
        require_int("SleepConfig.period", self.period, 1)
        require_int("SleepConfig.updates", self.updates, 1)
        require_int("SleepConfig.room", self.room, 1, 10**7)
        require_int("SleepConfig.length", self.length, 1)
        require_range("SleepConfig.uniform", self.uniform, 0, 1)
        require_range("SleepConfig.correction", self.correction, 0, 1)


class Dreamer(Protocol):
    """Whoever learns from what is replayed: the agent's critic."""

    def read(self, key: Tensor) -> Tensor:
        """Return values [P, A]."""
        ...

    def target(self, moment: Moment) -> Tensor:
        """Return the target [P]."""
        ...

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Take up a share of the surprise."""
        ...


class Sleep(Rule):
    """What replays the past; subclasses say how."""

    needs_salience: bool = False
    """Whether `remember` is to be told affect's salience instead of |lss|."""

    @abstractmethod
    def remember(self, moment: Moment, salience: Tensor) -> None:
        """Keep a transition that was just lived, with its salience [P] >= 0."""

    @abstractmethod
    def forget(self, first: Tensor, last: Tensor, who: Tensor) -> None:
        """Forget transitions of keys in [first, last), [P] each, for the members in `who` [P] bool."""

    @abstractmethod
    def is_night(self, steps: int) -> bool:
        """Return whether the members fall asleep after that many steps."""

    @abstractmethod
    def night(self, critic: Dreamer, step_size: Tensor, discount: Tensor, epsilon: Tensor) -> None:
        """Replay what is remembered into the critic; [P] each."""


@final
class Replay(Sleep):
    """Every `period` steps, `updates` remembered transitions are written again.

    Equation:
        w_i: the salience that transition i had for affect (|delta| if drawn by "surprise")
        a sweep starts at i with probability (1 - uniform) w_i / sum w + uniform / n; then i - 1, i - 2, ...
        share = step_size ((1 - correction) + correction min(1, (1/n) / p_i)),  p_i of the sweep's start
        drawn by "surprise", a replayed transition has the |delta| that it had just now

    Before the oldest transition comes the latest. Forgotten ones are never started from by salience; one that
    is met otherwise counts in the budget and writes nothing. A declared danger is remembered, what other
    actions would have brought is not.

    Affective state does not move in sleep, and what is recalled is the world, not the feeling: targets are
    made of the values as they are now.

    Reference:
        Lin (1992) for backward replay; Schaul et al. (2016), arXiv 1511.05952, for priorities and their
        correction; Mattar and Daw (2018) for why backward.

    Shapes:
        past_key, past_next_key: [P, N] or [P, N, T]; the other fields of the past, salience, valid: [P, N];
        written, told: one for all.
    """

    name = "replay"
    Config = SleepConfig
    uniform: Tensor
    correction: Tensor
    position: Tensor
    written: Tensor

    def start(self, configs: Sequence[SleepConfig]) -> None:
        """Start with nothing remembered."""
        for name in ("draw", "period", "updates", "room", "length"):
            values = sorted({getattr(config, name) for config in configs})
            if len(values) > 1:
                raise ValueError(f"SleepConfig.{name}: got {values}, expected one for a whole population")
        first = configs[0]
        self.draw, self.every, self.rounds = first.draw, first.period, first.updates
        self.kept, self.reach = first.room, first.length
        self.needs_salience = self.draw == "salience"
        population, active = self.place.population, self.place.active
        keys = (population, self.kept) if active == 1 else (population, self.kept, active)
        for name in ("key", "next_key"):
            self.register_buffer(f"past_{name}", torch.zeros(keys, dtype=torch.int64))
        self.register_buffer("past_action", torch.zeros(population, self.kept, dtype=torch.int64))
        self.register_buffer("past_reward", torch.zeros(population, self.kept))
        self.register_buffer("past_terminated", torch.zeros(population, self.kept, dtype=torch.bool))
        self.register_buffer("past_done", torch.zeros(population, self.kept, dtype=torch.bool))
        self.register_buffer("salience", torch.zeros(population, self.kept))
        self.register_buffer("valid", torch.zeros(population, self.kept, dtype=torch.bool))
        self.register_buffer("past_danger", torch.zeros(population, self.kept))
        self.register_buffer("told", torch.zeros((), dtype=torch.bool))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self.register_buffer("everyone", torch.arange(population), persistent=False)
        self._draws = Streams(self.place.seeds, 2, purpose=_PURPOSE, device=self.place.device)

    past_key: Tensor
    past_next_key: Tensor
    past_action: Tensor
    past_reward: Tensor
    past_terminated: Tensor
    past_done: Tensor
    past_danger: Tensor
    told: Tensor
    salience: Tensor
    valid: Tensor
    everyone: Tensor

    def remember(self, moment: Moment, salience: Tensor) -> None:
        """Keep a transition in the oldest one's place."""
        row = int(self.written) % self.kept
        self.past_key[:, row] = moment.key
        self.past_next_key[:, row] = moment.next_key
        self.past_action[:, row] = moment.action
        self.past_reward[:, row] = moment.reward
        self.past_terminated[:, row] = moment.terminated
        self.past_done[:, row] = moment.terminated if moment.done is None else moment.done
        if moment.danger is not None:
            self.past_danger[:, row] = moment.danger
            self.told.fill_(True)
        self.salience[:, row] = salience
        self.valid[:, row] = True
        self.written += 1

    def forget(self, first: Tensor, last: Tensor, who: Tensor) -> None:
        """Forget what belongs to a value memory that begins anew."""
        key = self.past_key if self.past_key.ndim == 2 else self.past_key[..., 0]
        gone = (key >= first[:, None]) & (key < last[:, None]) & who[:, None]
        self.valid &= ~gone
        self.salience.masked_fill_(gone, 0)

    def cut_episode(self) -> None:
        """Let the latest transition be the last of its episode: no target runs across the cut."""
        if int(self.written):
            self.past_done[:, (int(self.written) - 1) % self.kept] = True

    def is_night(self, steps: int) -> bool:
        """Return whether it is time."""
        return steps % self.every == 0

    def night(self, critic: Dreamer, step_size: Tensor, discount: Tensor, epsilon: Tensor) -> None:
        """Replay `updates` transitions."""
        count = min(int(self.written), self.kept)
        if not count:
            return
        self._draws.position = int(self.position)
        latest = int(self.written) - 1
        row = torch.full_like(self.everyone, latest % self.kept)
        weight = torch.ones_like(step_size)
        for number in range(self.rounds):
            if self.draw == "backward":
                row = torch.full_like(self.everyone, (latest - number % count) % self.kept)
            elif self.draw != "salience" or number % self.reach == 0:
                row, weight = self._start(count)
            else:
                row = (row - 1) % self.kept
                if count < self.kept:
                    row = row.clamp_max(count - 1)
            self._relive(critic, row, step_size * weight, discount, epsilon, latest)
        self.position.fill_(self._draws.position)

    def _start(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw a transition for every member and return it with the correction of its share, [P] each."""
        uniform = self._draws.next()
        anywhere = (uniform[:, 1] * count).to(torch.int64).clamp_max(count - 1)
        if self.draw in ("uniform", "n-step"):
            return anywhere, torch.ones_like(self.uniform)
        salience = self.salience[:, :count].double()
        cumulative = salience.cumsum(-1)
        total = cumulative[:, -1]
        mixed = uniform[:, 0].double() / (1 - self.uniform.double()).clamp_min(_TINY)  # below 1: by salience
        drawn = (cumulative <= (mixed * total)[:, None]).sum(-1).clamp_max(count - 1)
        by_salience = (mixed < 1) & (total > 0)
        row = torch.where(by_salience, drawn, anywhere)
        chance = salience.gather(-1, row[:, None]).squeeze(-1) / total.clamp_min(_TINY)
        chance = torch.where(total > 0, (1 - self.uniform) * chance + self.uniform / count, 1 / count)
        correction = (1 / count / chance.clamp_min(_TINY)).clamp_max(1).float()
        return row, (1 - self.correction) + self.correction * correction

    def _relive(
        self, critic: Dreamer, row: Tensor, share: Tensor, discount: Tensor, epsilon: Tensor, latest: int
    ) -> None:
        moment = self._moment(row, discount, epsilon)
        target = critic.target(moment) if self.draw != "n-step" else self._n_step(critic, row, moment, latest)
        valid = self.valid[self.everyone, row]
        if self.draw == "surprise":
            held = critic.read(moment.key).gather(-1, moment.action[:, None]).squeeze(-1)
            now = (target - held).abs()
            self.salience[self.everyone, row] = torch.where(valid, now, 0.0)
        critic.write(moment._replace(chosen=moment.chosen & valid[:, None]), target, share)

    def _moment(self, row: Tensor, discount: Tensor, epsilon: Tensor) -> Moment:
        who, action = self.everyone, self.past_action[self.everyone, row]
        actions = torch.arange(self.place.actions, device=action.device)
        return Moment(
            key=self.past_key[who, row],
            next_key=self.past_next_key[who, row],
            action=action,
            chosen=action[:, None] == actions,
            reward=self.past_reward[who, row],
            terminated=self.past_terminated[who, row],
            discount=discount,
            epsilon=epsilon,
            danger=self.past_danger[who, row] if bool(self.told) else None,
        )

    def _n_step(self, critic: Dreamer, row: Tensor, moment: Moment, latest: int) -> Tensor:
        """Return r_1 + discount r_2 + ... + discount^n max_a Q(s_n, a).

        It is cut where the episode or the past ends.

        Reference:
            Sutton and Barto, eq. 7.1, with the greedy value at its end.
        """
        target, factor = torch.zeros_like(moment.reward), torch.ones_like(moment.discount)
        going = torch.ones_like(moment.terminated)
        here, last = row, row
        for _ in range(self.reach):
            target = target + torch.where(going, factor * self.past_reward[self.everyone, here], 0.0)
            last = torch.where(going, here, last)
            factor = torch.where(going, factor * moment.discount, factor)
            going = going & ~self.past_done[self.everyone, here] & (here != latest % self.kept)
            here = (here + 1) % self.kept
        end = self._moment(last, moment.discount, moment.epsilon)
        beyond = critic.read(end.next_key).amax(-1).masked_fill(end.terminated, 0)
        return target + factor * beyond
