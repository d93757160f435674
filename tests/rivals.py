"""A small noisy world in which tests let a critic and a policy live together, many members at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from emotional_ed.affect import Drive
from emotional_ed.agents.critics import QLearningConfig
from emotional_ed.agents.policies import EpsilonGreedyConfig
from emotional_ed.agents.rules import Moment, Place, RuleConfig, build_rule
from emotional_ed.streams import Streams

STATES, ACTIONS = 7, 3
_table = np.random.default_rng(5)
NEXT = _table.integers(0, STATES, (STATES, ACTIONS, 2))
REWARD = _table.normal(size=(STATES, ACTIONS, 2)).astype(np.float32)
DANGER = (_table.random((STATES, ACTIONS, 2)) < 0.15).astype(np.float32)
ENDS = _table.random((STATES, ACTIONS, 2)) < 0.1
FORGONE = _table.normal(size=(STATES, ACTIONS)).astype(np.float32)
LIMIT = 9
"""Steps after which an episode is truncated."""


def place(seeds: Sequence[int] = (0,), *, keys: int = STATES, slots: int = 1, active: int = 1) -> Place:
    return Place(len(seeds), ACTIONS, keys, slots, active, tuple(seeds), torch.device("cpu"))


def everyone(configs: Any, count: int) -> list[Any]:
    return [configs] * count if isinstance(configs, RuleConfig) else list(configs)


class Life:
    """Members that act in the world and learn, as the agent's loop does it without affect."""

    def __init__(
        self,
        critic: RuleConfig | Sequence[RuleConfig] = QLearningConfig(),  # noqa: B008 (frozen)
        policy: RuleConfig | Sequence[RuleConfig] = EpsilonGreedyConfig(),  # noqa: B008
        sleep: RuleConfig | Sequence[RuleConfig] | None = None,
        seeds: Sequence[int] = (0,),
        *,
        drive: Drive | None = None,
        told: bool = False,
        step_size: float = 0.3,
        discount: float = 0.9,
        epsilon: float = 0.3,
    ) -> None:
        count = len(seeds)
        self.critic = build_rule("critic", everyone(critic, count), place(seeds))
        self.policy = build_rule("policy", everyone(policy, count), place(seeds))
        self.sleep = None if sleep is None else build_rule("sleep", everyone(sleep, count), place(seeds))
        self.made = 0
        self.drive, self.told = drive or Drive(), told
        self.draws = Streams(seeds, 2 + ACTIONS + self.policy.extra)
        self.world = Streams(seeds, 1, purpose=1)
        self.share = torch.full((count,), step_size)
        self.discount = torch.full((count,), discount)
        self.epsilon = torch.full((count,), epsilon)
        self.state = torch.zeros(count, dtype=torch.int64)
        self.age = torch.zeros(count, dtype=torch.int64)
        self.tables = [torch.from_numpy(one) for one in (NEXT, REWARD, DANGER, ENDS, FORGONE)]
        self.history: list[dict[str, Any]] = []

    def step(self) -> None:
        following, rewards, dangers, ends, forgone = self.tables
        uniform = self.draws.next()
        values = self.critic.read(self.state)
        action, greedy, explored = self.policy.choose(values, self.drive, self.epsilon, uniform)
        outcome = (self.world.next()[:, 0] < 0.3).to(torch.int64)
        where = (self.state, action, outcome)
        terminated = ends[where]
        self.age += 1
        done = terminated | (self.age == LIMIT)
        moment = Moment(
            key=self.state,
            next_key=following[where],
            action=action,
            chosen=action[:, None] == torch.arange(ACTIONS),
            reward=rewards[where],
            terminated=terminated,
            discount=self.discount,
            epsilon=self.epsilon,
            forgone=self._forgone(forgone, rewards[where], action) if self.told else None,
            danger=dangers[where] if self.told else None,
            done=done,
        )
        target = self.critic.target(moment)
        self.critic.write(moment, target, self.share)
        self.policy.observe(action, explored, done, uniform)
        self.made += 1
        if self.sleep is not None:
            self.sleep.remember(moment, (target - values.gather(-1, action[:, None]).squeeze(-1)).abs())
            if self.sleep.is_night(self.made):
                self.sleep.night(self.critic, self.share, self.discount, self.epsilon)
        self.history.append(
            {**moment._asdict(), "target": target, "greedy": greedy, "explored": explored, "values": values}
        )
        self.state = torch.where(done, 0, moment.next_key)
        self.age = torch.where(done, 0, self.age)

    def _forgone(self, forgone: torch.Tensor, reward: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        taken = action[:, None] == torch.arange(ACTIONS)
        return torch.where(taken, reward[:, None], forgone[self.state])

    def live(self, steps: int) -> "Life":
        for _ in range(steps):
            self.step()
        return self

    def of(self, name: str) -> torch.Tensor:
        """What happened, [T, P, ...]."""
        return torch.stack([one[name] for one in self.history])


def parts(life: Life) -> dict[str, Any]:
    rules = {"critic": life.critic, "policy": life.policy, "sleep": life.sleep}
    return {name: rule for name, rule in rules.items() if rule is not None}


def same_as_single_runs(seeds: Sequence[int], steps: int, **given: Any) -> None:
    """A population behaves, and remembers, as single runs do, bit for bit; lists are one a member."""
    together = Life(seeds=seeds, **given).live(steps)
    for member, seed in enumerate(seeds):
        own: dict[str, Any] = {
            name: [one[member]] if isinstance(one, list) else one for name, one in given.items()
        }
        alone = Life(seeds=[seed], **own).live(steps)
        assert torch.equal(together.of("action")[:, member], alone.of("action")[:, 0])
        for part, rule in parts(alone).items():
            many = parts(together)[part].state_dict()
            for name, value in rule.state_dict().items():
                if value.ndim == 0:
                    assert torch.equal(many[name], value), name
                    continue
                smallest = tuple(slice(0, length) for length in value[0].shape)
                assert torch.equal(many[name][member][smallest], value[0]), (member, name)


def goes_on_from_its_state(steps: int, **given: Any) -> None:
    """What a rule's `state_dict` holds is all there is to go on as if nothing had happened."""
    whole = Life(seeds=(3, 8), **given).live(2 * steps)
    first = Life(seeds=(3, 8), **given).live(steps)
    second = Life(seeds=(3, 8), **given)
    for name, rule in parts(first).items():
        parts(second)[name].load_state_dict(rule.state_dict())
    second.state, second.age, second.made = first.state, first.age, first.made
    second.draws.position, second.world.position = first.draws.position, first.world.position
    second.live(steps)
    assert torch.equal(whole.of("action")[steps:], second.of("action"))
    for name, rule in parts(whole).items():
        for key, value in rule.state_dict().items():
            assert torch.equal(value, parts(second)[name].state_dict()[key]), (name, key)
