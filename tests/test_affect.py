"""Each part of affect: hand-computed values, that it changes behaviour, and what it must not do."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotional_ed.affect import (
    AffectConfig,
    AffectSystem,
    AngerConfig,
    ArousalConfig,
    Drive,
    Experience,
    FearConfig,
    MoodConfig,
    RecallConfig,
    SurpriseConfig,
    TemperamentConfig,
)
from emotional_ed.affect.fear import Fear

STATES, ACTIONS = 4, 3
SLOTS = RecallConfig().slots


def system(config: AffectConfig | list[AffectConfig], population: int = 1) -> AffectSystem:
    return AffectSystem(config, population, actions=ACTIONS, keys=STATES)


def experience(
    *,
    lss: float | list[float] | Tensor = 0.0,
    target: float = 1.0,
    key: int = 0,
    next_key: int = 1,
    action: int = 0,
    greedy: bool = True,
    terminated: bool = False,
    done: bool = False,
    population: int = 1,
    reward: float | None = None,
    slots: list[float] | None = None,
    forgone: list[float] | None = None,
    danger: float | None = None,
    next_values: list[float] | None = None,
) -> Experience:
    actions = torch.full((population,), action)
    surprise = torch.as_tensor(lss, dtype=torch.float32).expand(population).clone()
    return Experience(
        key=torch.full((population,), key),
        next_key=torch.full((population,), next_key),
        action=actions,
        chosen=torch.nn.functional.one_hot(actions, ACTIONS).bool(),
        greedy=torch.full((population,), greedy),
        moved=torch.full((population,), key != next_key),
        terminated=torch.full((population,), terminated),
        done=torch.full((population,), done or terminated),
        target=torch.full((population,), target),
        lss=surprise,
        reward=surprise if reward is None else torch.full((population,), reward),
        slot_lss=surprise[:, None].expand(-1, SLOTS) if slots is None else torch.tensor([slots] * population),
        forgone=None if forgone is None else torch.tensor([forgone] * population),
        danger=None if danger is None else torch.full((population,), danger),
        next_values=None if next_values is None else torch.tensor([next_values] * population),
    )


# ---------------------------------------------------------------- surprise


def test_surprise_by_hand() -> None:
    nest = system(AffectConfig(arousal=ArousalConfig()))
    nest.appraise(experience(lss=2.0, target=1.0))  # scale 2, size 1: z = 1
    assert nest.signals["surprise"].item() == 1.0
    nest.appraise(experience(lss=-4.0, target=1.0))  # rate 1/2: scale 3, z = -4/3
    assert nest.signals["surprise"].item() == pytest.approx(-4 / 3)
    for _ in range(200):
        nest.appraise(experience(lss=0.0, target=1.0))
    nest.appraise(experience(lss=9.0, target=1.0))
    assert nest.signals["surprise"].item() == 3.0  # clipped


def test_surprise_below_the_floor_is_small() -> None:
    nest = system(AffectConfig(arousal=ArousalConfig(), surprise=SurpriseConfig(floor=0.1)))
    for _ in range(300):
        nest.appraise(experience(lss=1e-6, target=5.0))
    assert nest.signals["surprise"].item() == pytest.approx(1e-6 / 0.5, rel=1e-3)


@given(st.integers(-8, 8), st.integers(0, 100))
def test_affect_does_not_depend_on_the_scale_of_rewards(power: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    one, other = system(AffectConfig.levels(2)), system(AffectConfig.levels(2))
    for t in range(60):
        lss, target = torch.randn(2, generator=g).tolist()
        kind = {"key": t % 4, "next_key": (t // 2) % 4, "done": t % 10 == 9}
        one.appraise(experience(lss=lss, target=target, **kind))  # type: ignore[arg-type]
        other.appraise(experience(lss=lss * 2.0**power, target=target * 2.0**power, **kind))  # type: ignore[arg-type]
        for name in ("surprise", "arousal", "fear", "anger", "mood", "displeasure", "step_factor"):
            assert torch.equal(one.signals[name], other.signals[name]), name


# ---------------------------------------------------------------- arousal


def mean_arousal(errors: Tensor) -> float:
    nest = system(AffectConfig(arousal=ArousalConfig()), errors.shape[1])
    levels = []
    for row in errors:
        nest.appraise(experience(lss=row, population=errors.shape[1]))
        levels.append(nest.signals["arousal"])
    return float(torch.stack(levels).mean())


@pytest.mark.parametrize("kind", ["gaussian", "two-point", "uniform", "rare"])
def test_noise_without_change_does_not_arouse_but_change_does(kind: str) -> None:
    g = torch.Generator().manual_seed(1)
    shape = (1500, 64)
    noise = {
        "gaussian": torch.randn(shape, generator=g),
        "two-point": torch.randint(2, shape, generator=g) * 2.0 - 1,
        "uniform": torch.rand(shape, generator=g) * 2 - 1,
        "rare": (torch.rand(shape, generator=g) < 0.05) * torch.randn(shape, generator=g),
    }[kind]
    assert mean_arousal(noise) < 0.01
    assert mean_arousal(noise * 5) < 0.01  # louder noise is noise too
    assert mean_arousal(noise + 1.5 * noise.abs().mean() * 3) > 0.2


def test_arousal_by_hand_and_its_effect() -> None:
    nest = system(
        AffectConfig(arousal=ArousalConfig(allowance=0.0, threshold=2.0, step_gain=3.0, exploration_gain=1.0))
    )
    for _ in range(3):
        factor = nest.appraise(experience(lss=1.0))  # z = 1 each: up = 3, excess (3 - 2)/2
    assert nest.signals["arousal"].item() == 0.5
    assert factor is not None
    assert factor.item() == 2.5
    drive = nest.modulate(torch.tensor([0]))
    assert drive.exploration is not None
    assert drive.exploration.item() == 1.5


# ---------------------------------------------------------------- fear


def frighten(config: FearConfig, times: int = 1) -> AffectSystem:
    nest = system(AffectConfig(fear=config))
    for _ in range(100):
        nest.appraise(experience(reward=0.1, key=2, next_key=3))
    for _ in range(times):
        nest.appraise(experience(reward=-50.0, key=0, next_key=1, action=1, terminated=True))
    return nest


def fear_of(nest: AffectSystem, state: int) -> Tensor:
    memory: Tensor = nest.level("fear").memory.M
    return memory[0, :, state]


def pass_by(nest: AffectSystem) -> float:
    """Let nothing happen where it was frightened, and return what is still feared there."""
    nest.appraise(experience(reward=0.1, key=0, next_key=1, action=1))
    return float(fear_of(nest, 0)[1])


def test_fear_by_hand() -> None:
    nest = frighten(FearConfig(step_size=0.5))
    assert fear_of(nest, 0).tolist() == [0.0, 1.0, 0.0]  # u = 1/2: the first harm is all there is
    assert fear_of(nest, 2).tolist() == [0.0, 0.0, 0.0]
    assert (nest.signals["fear_felt"].item(), nest.signals["fear"].item()) == (0.0, 1.0)
    assert pass_by(nest) == pytest.approx(1 / 3)  # u = 3/4, so the step is 2/3
    assert pass_by(nest) == pytest.approx(1 / 7)  # u = 7/8, so the step is 4/7


def test_fear_begins_anew_with_a_new_situation() -> None:
    nest = system(AffectConfig(fear=FearConfig(step_size=0.5)), 2)
    for reward in (0.1, 0.1, 0.1, -99.0):
        nest.appraise(experience(reward=reward, key=0, action=1, population=2))
    fear = nest.level("fear")
    assert (fear.memory.M[:, 1, 0] > 0.5).all()
    nest.begin_anew(torch.tensor([False, True]))
    assert (fear.memory.M[0, 1, 0] > 0.5).all()
    assert not fear.memory.M[1].any()
    assert not fear.known.M[1].any()
    nest.appraise(experience(reward=0.1, key=0, action=1, population=2))
    assert (fear.known.M[0, 1, 0].item(), fear.known.M[1, 1, 0].item()) == (1 - 0.5**5, 0.5)


def test_a_reward_frightens_by_how_far_it_is_below_what_is_usual() -> None:
    nest = system(AffectConfig(fear=FearConfig(onset=1.0, full=3.0)))
    nest.appraise(experience(reward=4.0, key=2))  # usual 4, usual distance 4
    nest.appraise(experience(reward=-5.0, action=1))  # 9 below; that makes the usual distance 6.5
    assert fear_of(nest, 0)[1].item() == pytest.approx((9 / 6.5 - 1) / 2)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_fear_is_the_share_of_harm_at_first(harms: list[bool]) -> None:
    nest = frighten(FearConfig(step_size=1e-4), times=0)
    for harm in harms:
        nest.appraise(experience(reward=-1e9 if harm else 0.1, key=0, action=1))
    assert float(fear_of(nest, 0)[1]) == pytest.approx(np.mean(harms), abs=2e-3)


def test_fear_extinguishes_when_nothing_happens_any_more() -> None:
    nest = frighten(FearConfig(), times=3)
    assert float(fear_of(nest, 0)[1]) == 1.0
    left = [pass_by(nest) for _ in range(100)]
    assert left == sorted(left, reverse=True)
    assert left[2] == pytest.approx(0.5, abs=0.05)  # as much good as bad
    assert left[-1] < 0.002


def test_harm_that_the_reward_holds_is_not_spread() -> None:
    nest = system(AffectConfig(fear=FearConfig()))
    for action in range(ACTIONS):
        for _ in range(100):
            nest.appraise(experience(reward=0.1, key=2, next_key=3))
        nest.appraise(experience(reward=-50.0, key=0, next_key=1, action=action, terminated=True))
    assert fear_of(nest, 0).tolist() == [1.0] * ACTIONS
    nest.appraise(experience(reward=0.1, key=3, next_key=0, action=2, next_values=[0.0] * 3))
    assert fear_of(nest, 3)[2] == 0.0


def endanger(config: FearConfig) -> AffectSystem:
    """Let what is at stake be 1, and let action 0 of state 0 be dangerous."""
    nest = system(AffectConfig(fear=config))
    nest.appraise(experience(reward=0.0, target=1.0, key=0, next_key=1, danger=1.0))
    return nest


@pytest.mark.parametrize(
    ("next_values", "ahead"),
    [
        ([1.0, 0.9, 0.2], 0.25),  # going round gives up 0.1, and the price of a fear of 1 is 0.4
        ([1.0, 0.2, 0.5], 1.0),  # going round gives up 0.5, so the danger is met
        ([0.3, 0.7, 0.2], 0.0),  # nobody wanted to go there anyway
        (None, 0.0),  # as if all were worth the same
    ],
)
def test_declared_danger_spreads_at_the_price_of_going_round(
    next_values: list[float] | None, ahead: float
) -> None:
    nest = endanger(FearConfig(declared=True, caution=0.4, discount=0.5))
    assert fear_of(nest, 0).tolist() == [1.0, 0.0, 0.0]
    told = experience(target=1.0, key=3, next_key=0, action=2, danger=0.0, next_values=next_values)
    nest.appraise(told)
    assert fear_of(nest, 3).tolist() == pytest.approx([0.0, 0.0, 0.5 * ahead])
    over = endanger(FearConfig(declared=True, caution=0.4, discount=0.5))
    over.appraise(told._replace(terminated=torch.tensor([True])))
    assert not fear_of(over, 3).any()


def test_fear_of_what_was_not_declared_is_left_to_those_who_do_not_listen() -> None:
    deaf, listening = frighten(FearConfig()), frighten(FearConfig(declared=True))
    for nest in (deaf, listening):
        nest.appraise(experience(reward=-50.0, key=3, action=2, danger=0.0))
        nest.appraise(experience(reward=0.1, key=1, action=2, danger=1.0))
    assert fear_of(deaf, 3)[2] > 0.5
    assert fear_of(deaf, 1)[2] == 0
    assert fear_of(listening, 3)[2] == 0
    assert fear_of(listening, 1)[2] == 1


def test_values_less_priced_fear_are_what_a_penalty_would_have_taught() -> None:
    """Value iteration without and with a penalty on dangers, which end the episode; fear adds the difference."""
    rng = np.random.default_rng(0)
    discount, price = 0.9, 0.6
    for _ in range(5):
        following = rng.integers(0, STATES, (STATES, ACTIONS))
        reward = rng.uniform(-0.1, 0.3, (STATES, ACTIONS))
        danger = rng.random((STATES, ACTIONS)) < 0.3
        danger[:, rng.integers(ACTIONS)] = False
        plain, careful = np.zeros((2, STATES, ACTIONS))
        for _ in range(300):
            plain = reward + discount * ~danger * plain.max(1)[following]
            careful = reward - price * danger + discount * ~danger * careful.max(1)[following]
        nest = system(AffectConfig(fear=FearConfig(declared=True, caution=price, discount=discount)))
        for _ in range(150):
            for state, action in np.ndindex(STATES, ACTIONS):
                nest.appraise(
                    experience(
                        target=1.0, reward=float(reward[state, action]), key=state, action=action,
                        next_key=int(following[state, action]), terminated=bool(danger[state, action]),
                        danger=float(danger[state, action]),
                        next_values=plain[following[state, action]].tolist(),
                    )
                )  # fmt: skip
        lowered = nest.level("fear").memory.M[0].T.numpy() * price
        np.testing.assert_allclose(plain - lowered, careful, atol=2e-3)
        assert (lowered > 0.01).any()


class FearLoop:
    """Fear as nested loops of plain numbers, for one member."""

    def __init__(self, config: FearConfig) -> None:
        self.config = config
        self.H, self.u = np.zeros((2, STATES, ACTIONS))
        self.usual = self.scale = self.size = self.unit = self.stake = 0.0
        self.errors, self.targets, self.n = 0.0, 0.0, 0

    def see(
        self, s: int, a: int, n: int, r: float, lss: float, y: float, end: bool, d: float, Q: list[float]
    ) -> None:
        rate = max(0.01, 1 / (self.n + 1))
        self.errors += rate * (abs(lss) - self.errors)
        self.targets += rate * (abs(y) - self.targets)
        self.scale += rate * (abs(r - self.usual) - self.scale)
        self.size += rate * (abs(r) - self.size)
        c = (self.usual - r) / max(self.scale, 0.05 * self.size)
        c = min(max((c - self.config.onset) / (self.config.full - self.config.onset), 0), 1)
        self.usual += rate * (r - self.usual)
        self.n += 1
        if self.config.declared:
            price = self.config.caution * max(self.errors, 0.05 * self.targets, self.targets)
            ahead = min(self.H[n, b] + (max(Q) - Q[b]) / price for b in range(ACTIONS))
            c = d + (1 - d) * self.config.discount * (0 if end else min(ahead, 1))
        self.u[s, a] += self.config.step_size * (1 - self.u[s, a])
        self.H[s, a] += self.config.step_size / self.u[s, a] * (c - self.H[s, a])


def test_fear_is_what_loops_compute_and_a_member_is_a_single_run() -> None:
    configs = [
        FearConfig(),
        FearConfig(declared=True, step_size=0.3),
        FearConfig(declared=True, caution=2.0, discount=0.7),
        FearConfig(onset=0.5, full=1.0, step_size=0.01),
    ]
    rng = np.random.default_rng(1)
    together = system([AffectConfig(fear=one) for one in configs], len(configs))
    alone = [system(AffectConfig(fear=one)) for one in configs]
    loops = [FearLoop(one) for one in configs]
    for _ in range(400):
        s, n, a = int(rng.integers(STATES)), int(rng.integers(STATES)), int(rng.integers(ACTIONS))
        r, lss, y = rng.normal(size=3).astype(np.float32).tolist()
        end, d = bool(rng.random() < 0.1), float(rng.random() < 0.2)
        Q = rng.normal(size=ACTIONS).astype(np.float32).tolist()
        told = {"lss": lss, "target": y, "key": s, "next_key": n, "action": a, "terminated": end}
        told |= {"reward": r, "danger": d, "next_values": Q}
        together.appraise(experience(population=len(configs), **told))
        for nest, loop in zip(alone, loops, strict=True):
            nest.appraise(experience(**told))
            loop.see(s, a, n, r, lss, y, end, d, Q)
    held = together.level("fear").memory.M
    for i, (nest, loop) in enumerate(zip(alone, loops, strict=True)):
        np.testing.assert_allclose(held[i].T.numpy(), loop.H, atol=1e-5)
        assert torch.equal(held[i], nest.level("fear").memory.M[0])
        assert 0 < held[i].min() < held[i].max() <= 1


def test_fear_changes_the_greedy_choice_and_what_is_explored() -> None:
    drive = frighten(FearConfig(caution=4.0, avoidance=0.8), times=20).modulate(torch.tensor([0]))
    assert drive.bias is not None
    assert drive.avoidance is not None
    assert drive.bias[0].tolist() == pytest.approx([0.0, -4.0, 0.0])  # what is at stake is 1
    assert drive.avoidance[0].tolist() == pytest.approx([0.0, 0.8, 0.0])


def test_fear_that_learns_nothing_does_nothing() -> None:
    nest = frighten(FearConfig(caution=4.0, step_size=0.0, step_gain=3.0), times=20)
    drive = nest.modulate(torch.tensor([0]))
    assert drive.bias is None or not drive.bias.any()
    assert drive.avoidance is not None
    assert not drive.avoidance.any()
    assert nest.signals["step_factor"].item() == 1


def test_looking_whether_anything_is_feared_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is feared, fear skips what would write and read zeros."""
    one, other = (system(AffectConfig(fear=FearConfig(step_gain=0.5))) for _ in range(2))
    usual, asked = Fear._is_fearless, [0, 0]

    def look(fear: Fear) -> bool:
        found = usual(fear)
        asked[found] += 1
        return found and fear is one.level("fear")

    monkeypatch.setattr(Fear, "_is_fearless", look)
    rng = np.random.default_rng(0)
    for t in range(600):
        if t % 150 == 120:
            for nest in (one, other):
                nest.begin_anew(torch.tensor([True]))
        if t == 400:  # as a file does
            for nest in (one, other):
                nest.load_state_dict(frighten(FearConfig(), times=3).state_dict())
        if t in (20, 450):  # as a hand does
            for nest in (one, other):
                nest.level("fear").memory.M.zero_()
                nest.level("fear").memory.M[0, 1, 2] = 0.25
        harm = t % 150 > 60 and rng.random() < 0.2
        s, n, a = int(rng.integers(STATES)), int(rng.integers(STATES)), int(rng.integers(ACTIONS))
        lss, reward = float(rng.normal()), -9.0 if harm else 0.1
        for nest in (one, other):
            nest.appraise(experience(lss=lss, key=s, next_key=n, action=a, reward=reward))
        for name, signal in one.signals.items():
            assert torch.equal(signal, other.signals[name]), (t, name)
        for name, held in one.state_dict().items():
            assert torch.equal(held, other.state_dict()[name]), (t, name)
        wishes = [nest.modulate(torch.tensor([n])) for nest in (one, other)]
        bias = [torch.zeros(1, ACTIONS) if wish.bias is None else wish.bias for wish in wishes]
        assert torch.equal(*bias)
        assert wishes[0].avoidance is not None
        assert wishes[1].avoidance is not None
        assert torch.equal(wishes[0].avoidance, wishes[1].avoidance)
    assert min(asked) > 300  # both ways were gone


def test_copies_and_inference_tensors_look_for_themselves_whether_they_fear() -> None:
    calm, afraid = system(AffectConfig(fear=FearConfig(caution=4.0))), frighten(FearConfig(caution=4.0), 20)
    key = torch.tensor([0])
    assert calm.modulate(key).bias is None
    calm.load_state_dict(afraid.state_dict())
    for one in (copy.deepcopy(calm), pickle.loads(pickle.dumps(calm)), calm):
        bias = one.modulate(key).bias
        assert bias is not None
        assert bias[0].tolist() == pytest.approx([0.0, -4.0, 0.0])
    with torch.inference_mode():
        made = system(AffectConfig(fear=FearConfig()))
        made.appraise(experience(reward=-0.1))
        assert made.modulate(key).avoidance is not None


def test_ordinary_noise_hardly_frightens() -> None:
    g = torch.Generator().manual_seed(0)
    nest = system(AffectConfig(fear=FearConfig()), 64)
    for _ in range(1000):
        nest.appraise(experience(lss=torch.randn(64, generator=g), population=64))
    assert float(nest.level("fear").memory.M.max(-1).values.max(-1).values.mean()) < 0.1


def test_a_reward_that_never_changes_frightens_nobody() -> None:
    nest = system(AffectConfig(fear=FearConfig()))
    for _ in range(500):
        nest.appraise(experience(reward=-0.1))
    assert not nest.level("fear").memory.M.any()


# ---------------------------------------------------------------- anger


def angry(config: AngerConfig) -> AffectSystem:
    """An agent that has seen enough to know what an ordinary surprise is."""
    nest = system(AffectConfig(anger=config))
    for t in range(20):
        nest.appraise(experience(lss=0.1 * (-1) ** t, key=2, next_key=3))
    return nest


def push(nest: AffectSystem, opens_at: int | None, limit: int = 100) -> int:
    """Push a door as long as anger asks for it; return the pushes made."""
    for count in range(1, limit + 1):
        opened = count == opens_at
        nest.appraise(experience(key=0, next_key=1 if opened else 0, action=2, terminated=opened))
        drive = nest.modulate(torch.tensor([0]))
        assert drive.persist is not None
        if opened or not bool(drive.persist):
            if not opened:
                nest.appraise(experience(key=0, next_key=1, action=0))  # walks away
            return count
    raise AssertionError("anger does not end")


def test_anger_repeats_when_blocked_up_to_its_cap() -> None:
    nest = angry(AngerConfig(cap=6))
    assert push(nest, opens_at=None) == 6
    assert push(angry(AngerConfig(cap=6)), opens_at=4) == 4


def test_a_goal_that_never_opens_does_not_trap() -> None:
    nest = angry(AngerConfig())
    pushes = [push(nest, opens_at=None) for _ in range(12)]
    assert pushes[0] == 10
    assert pushes == sorted(pushes, reverse=True)
    assert pushes[-1] == 1  # one push, and away


def test_a_goal_that_opens_keeps_its_efficacy() -> None:
    nest = angry(AngerConfig())
    for _ in range(20):
        assert push(nest, opens_at=8) == 8
    assert nest.level("anger").memory.M[0, 2, 0] == 1.0


def test_helplessness_is_learned_everywhere_and_unlearned_by_what_opens() -> None:
    nest = angry(AngerConfig(cap=10, step_size=0.0, helplessness=0.25))
    general = nest.level("anger").general
    pushes = [push(nest, opens_at=None) for _ in range(4)]
    assert pushes == [10, 8, 6, 5]  # 10, 7.5, 5.6, 4.2: the last push is the first beyond
    assert general.item() == pytest.approx(0.75**4)
    assert push(nest, opens_at=2) == 2
    assert general.item() == pytest.approx(1 - 0.75 * (1 - 0.75**4))
    assert nest.level("anger").memory.M.eq(1).all()  # of this action there, nothing was learned
    where = torch.tensor([0]), torch.tensor([1]), torch.tensor([2])  # a member, a state, an action
    assert nest.level("anger").limit(*where).item() == pytest.approx(10 * general.item())


def test_anger_needs_an_action_that_was_meant_to_work() -> None:
    nest = angry(AngerConfig())
    nest.appraise(experience(key=0, next_key=0, greedy=False))
    drive = nest.modulate(torch.tensor([0]))
    assert drive.persist is not None
    assert not bool(drive.persist)
    assert nest.signals["anger"].item() == 0


def test_anger_level_rises_while_blocked_bends_the_step_and_calms_down() -> None:
    nest = angry(AngerConfig(rate=0.5, step_gain=-0.5))
    factor = nest.appraise(experience(key=0, next_key=0))
    assert nest.signals["anger"].item() == 0.5
    assert factor is not None
    assert factor.item() == 0.75
    for _ in range(30):
        nest.appraise(experience(key=0, next_key=1))
    assert nest.signals["anger"].item() < 1e-6


def test_a_punishment_that_leads_back_is_no_block() -> None:
    """Falling off a cliff and waking up where one stood leaves the observation unchanged."""
    nest = angry(AngerConfig())
    nest.appraise(experience(lss=-50.0, key=0, next_key=0))
    assert not bool(nest.anger.persist)  # type: ignore[union-attr]
    newborn = system(AffectConfig(anger=AngerConfig()))
    newborn.appraise(experience(lss=-100.0, key=0, next_key=0))  # what is ordinary is not known yet
    assert not bool(newborn.anger.persist)  # type: ignore[union-attr]


def test_the_end_of_an_episode_is_no_failure_of_pushing() -> None:
    nest = angry(AngerConfig())
    for done in (False, False, True):
        nest.appraise(experience(key=0, next_key=0, action=2, done=done))
    assert nest.level("anger").memory.M[0, 2, 0] == 1.0
    nest.appraise(experience(lss=0.1, key=1, next_key=1, action=2, terminated=True))  # a bandit's reward
    assert nest.level("anger").memory.M[0, 2, 1] == 1.0
    assert not bool(nest.level("anger").persist)


def test_a_cut_episode_leaves_nothing_behind() -> None:
    nest = system(AffectConfig.levels(2))
    for t in range(30):
        nest.appraise(experience(lss=0.1 * (-1) ** t, key=2, next_key=3))
    nest.appraise(experience(lss=-0.01, key=0, next_key=0))
    assert bool(nest.level("anger").persist)
    nest.cut_episode()
    assert not bool(nest.level("anger").persist)
    assert nest.level("anger").pushes.item() == 0
    assert not nest.level("recall").total.any()


def test_signals_are_not_overwritten_later() -> None:
    nest = system(AffectConfig.levels(2))
    kept = []
    for t in range(120):
        nest.appraise(experience(lss=-1.0, key=0, next_key=t % 2, done=t % 10 == 9))
        kept.append({name: (value, value.clone()) for name, value in nest.signals.items() if value.ndim == 1})
    for step in kept:
        for name, (value, held) in step.items():
            assert torch.equal(value, held), name


def test_everything_lives_on_the_device() -> None:
    nest = AffectSystem(AffectConfig.levels(2), 2, actions=ACTIONS, keys=STATES, device="meta")
    for module in nest.modules():
        for name, value in (*vars(module).items(), *module.named_buffers(recurse=False)):
            if isinstance(value, Tensor):
                assert value.device.type == "meta", (type(module).__name__, name)


# ---------------------------------------------------------------- mood and temperament

MOODY = AffectConfig(
    mood=MoodConfig(period=5, step_size=1.0, ridge=0.5, midpoint=0.25), temperament=TemperamentConfig()
)


def test_mood_by_hand() -> None:
    nest = system(dataclasses.replace(MOODY, temperament=TemperamentConfig(initial=0.2)))
    for t in range(5):
        assert nest.level("mood").M.item() == pytest.approx(0.2), t
        nest.appraise(experience(lss=-1.0))  # z = -1 each
    # y = -1/1.25 = -0.8; minimum of 1/2(T+.8)^2 + 1/4(T-.2)^2 + 1/2(T-.2)^2
    assert nest.level("mood").M.item() == pytest.approx((-0.8 + 0.5 * 0.2 + 0.2) / 2.5)


def test_mood_falls_back_to_temperament_and_temperament_follows_mood() -> None:
    nest = system(dataclasses.replace(MOODY, temperament=TemperamentConfig(initial=-0.3, step_size=0.1)))
    for _ in range(400):
        nest.appraise(experience(lss=0.0))
    settled = nest.level("mood").M.item()
    assert settled == pytest.approx(-0.3 * 0.5 / 1.5, abs=1e-4)  # between 0 (no surprise) and temperament
    assert nest.level("temperament").M.item() == pytest.approx(-0.3)  # no episode ended
    nest.appraise(experience(done=True))
    expected = (-0.3 + 0.1 * settled) / 1.1
    assert nest.level("temperament").M.item() == pytest.approx(expected, abs=1e-5)


def test_noise_without_change_leaves_mood_near_temperament_but_losses_do_not() -> None:
    g = torch.Generator().manual_seed(0)
    noisy, losing = (system(dataclasses.replace(MOODY, mood=MoodConfig()), 64) for _ in range(2))
    for _ in range(2000):
        noise = torch.randn(64, generator=g)
        noisy.appraise(experience(lss=noise, population=64))
        losing.appraise(experience(lss=noise - 0.5, population=64))
    assert abs(float(noisy.signals["mood"].mean())) < 0.1
    assert float(losing.signals["mood"].mean()) < -0.4


def test_a_bad_mood_explores_more() -> None:
    nest = system(dataclasses.replace(MOODY, mood=MoodConfig(period=1, exploration_gain=0.5)))
    for _ in range(50):
        nest.appraise(experience(lss=-1.0))
    drive = nest.modulate(torch.tensor([0]))
    assert drive.exploration is not None
    assert drive.exploration.item() > 1.2


# ---------------------------------------------------------------- recall


RECALLING = dataclasses.replace(MOODY, recall=RecallConfig(slots=3))


def episode(nest: AffectSystem, felt: list[float], blank: float) -> int:
    """Live one episode in which the memories, and a blank one, would have felt this; return who answers next."""
    nest.appraise(experience(slots=felt, lss=felt[int(nest.slot)], reward=blank, done=True))  # type: ignore[arg-type]
    assert nest.slot is not None
    return int(nest.slot)


def test_recall_finds_memories_and_brings_them_back() -> None:
    nest = system(RECALLING)
    recall = nest.recall
    assert recall is not None
    for t in range(50):  # the first memory is right, a blank one would have been surprised
        assert episode(nest, [0.1 * (-1) ** t, 1.0, 1.0], 1.0) == 0
    assert int(recall.memories) == 1
    changed = [episode(nest, [-2.0, -1.0, -1.0], -1.0) for _ in range(3)]
    assert changed == [1, 1, 1]  # a blank memory explains it better: a second one is found
    assert bool(recall.used[0, 1])
    for _ in range(20):
        assert episode(nest, [-2.0, 0.1, -1.0], -1.0) == 1
    assert episode(nest, [0.0, -2.0, 1.0], 1.0) == 0  # the first was right: it comes back, nothing new
    assert int(recall.memories) == 2


def test_pleasure_switches_nothing() -> None:
    nest = system(RECALLING)
    for _ in range(30):
        assert episode(nest, [0.1, 1.0, 1.0], 1.0) == 0
    for _ in range(30):  # much better than expected, as a blank memory would not have been surprised
        assert episode(nest, [5.0, 0.0, 0.0], 0.0) == 0


def test_a_memory_that_was_wrong_yesterday_is_not_ruled_out_but_one_refuted_today_is_tried_last() -> None:
    nest = system(RECALLING)
    recall = nest.recall
    assert recall is not None
    recall.used[:] = True
    for _ in range(20):
        episode(nest, [0.1, -3.0, -3.0], 3.0)  # memory 0 in force, the others far off
    assert episode(nest, [-2.0, 0.0, 0.0], -2.0) == 1
    assert episode(nest, [0.0, -2.0, 0.0], -2.0) == 2  # not back to 0, which failed a moment ago
    assert episode(nest, [0.0, 0.0, -2.0], -2.0) in (0, 1)


def test_the_oldest_memory_makes_room() -> None:
    nest = system(RECALLING)
    recall = nest.recall
    assert recall is not None
    seen: list[int] = []
    for target in (0, 1, 2, 3):  # four situations, room for three memories
        for _ in range(20):
            felt = [-2.0, -2.0, -2.0]
            slot = int(recall.slot)
            if target == 0 or slot != (seen[-1] if seen else 0) or bool(recall.fresh):
                felt[slot] = 0.1
            episode(nest, felt, -0.1 if felt[slot] < 0 else 2.0)
        seen.append(int(recall.slot))
    assert seen == [0, 1, 2, 0]
    assert int(recall.memories) == 3


@pytest.mark.parametrize(("infancy", "begun"), [(0.0, 1), (0.5, 2)])
def test_bad_luck_begins_nothing_where_ignorance_was_no_better(infancy: float, begun: int) -> None:
    """A long run of failures, which a blank memory would have foreseen: is it worth forgetting all?"""
    nest = system(RECALLING)
    for _ in range(10):  # what ignorance brings
        episode(nest, [infancy, infancy, infancy], infancy)
    for t in range(60):  # what is learned since: one success in three
        won = float(t % 3 == 0)
        episode(nest, [won - 1 / 3, won, won], won)
    for _ in range(30):
        episode(nest, [-1 / 3, 0.0, 0.0], 0.0)
    assert nest.recall is not None
    assert int(nest.recall.memories) == begun


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize(("hope", "begins"), [(0.5, 1), (1.2, 2), (1.8, 7), (2.4, None)])
def test_hope_knows_how_returns_scatter_in_ignorance(hope: float, begins: int | None, per_step: bool) -> None:
    """Ignorance brought five returns; doubt brings -1: how many of it differ by `hope` standard errors?"""
    ignorance = np.array([1.0, -1.0, 0.5, -1.0, 1.0])
    error = np.std(ignorance, ddof=1) * np.sqrt(1 / np.arange(1, 13) + 1 / 5)
    enough = -1 + hope * error < ignorance.mean()
    assert (int(enough.argmax()) + 1 if enough.any() else None) == begins
    nest = system(
        dataclasses.replace(MOODY, recall=RecallConfig(slots=3, hope=hope, infancy=5, per_step=per_step))
    )
    recall = nest.recall
    assert recall is not None
    for outcome in ignorance.tolist():
        episode(nest, [0.2, outcome, outcome], outcome)
    for _ in range(5):  # no infant any more: this changes nothing that is hoped for
        episode(nest, [0.2, 3.0, 3.0], 3.0)
    torch.testing.assert_close(recall.scatter / 4, torch.tensor([np.var(ignorance, ddof=1)]).float())
    number = 0
    while not bool(recall.fresh) and number < 12:
        episode(nest, [-9.0, -1.0, -1.0], -1.0)
        number += 1
    assert (number if bool(recall.fresh) else None) == begins
    if begins is not None:
        assert float(recall.lived[0, 0]) == 10 + begins
        assert float(recall.lived[0, 1]) == 0  # young again: it will say what ignorance brings now
        episode(nest, [-9.0, 0.5, 0.5], 0.5)
        torch.testing.assert_close(recall.ignorance[0], torch.tensor([1.0, 6.0]))


@pytest.mark.parametrize(
    ("per_step", "hope", "begins"),
    [(False, 0.0, 1), (False, 2.0, 1), (False, 4.1, 2), (False, 9.0, 6), (True, 9.0, 1)],
)
def test_hope_is_as_uncertain_as_episodes_are_surprising(per_step: bool, hope: float, begins: int) -> None:
    """Ignorance always brought 1, doubt brings 0.2: begun once 0.2 + hope unit/sqrt(n) < 1, the unit 0.204."""
    recalled = RecallConfig(slots=3, hope=hope, infancy=5, decay=0.01, per_step=per_step)
    nest = system(dataclasses.replace(MOODY, recall=recalled))
    for _ in range(5):
        episode(nest, [0.2, 1.0, 1.0], 1.0)
    recall = nest.recall
    assert recall is not None
    recall.episodes.fill_(1e6)  # so that the unit hardly moves: 0.2 + 0.01 (0.6 - 0.2) in each episode
    number = 0
    while not bool(recall.fresh) and number < 20:
        recall.scale.fill_(0.2)
        episode(nest, [-9.0, 0.2, 0.2], 0.2)
        number += 1
    assert number == begins


@given(st.integers(0, 1000), st.sampled_from([1, 2, 8]))
def test_per_step_an_episode_of_many_steps_counts_as_one_step_of_their_mean(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    by_step, by_mean = (
        system(
            dataclasses.replace(
                MOODY, recall=RecallConfig(slots=3, mood_gain=0.0, hope=0.0, per_step=per_step)
            )
        )
        for per_step in (True, False)
    )
    for _ in range(40):
        felt = rng.integers(-16, 17, (steps, 4)) / 4 + rng.integers(-8, 2, 4)  # means are exact
        for t, (*each, blank) in enumerate(felt.tolist()):
            now = each[int(by_step.slot)]  # type: ignore[arg-type]
            by_step.appraise(experience(slots=each, lss=now, reward=blank, done=t == steps - 1))
        *each, blank = felt.mean(0).tolist()
        episode(by_mean, each, blank)
        assert by_step.recall is not None
        assert by_mean.recall is not None
        for name in ("scale", "slot", "used", "posterior"):
            assert torch.equal(getattr(by_step.recall, name), getattr(by_mean.recall, name)), name
        assert float(by_step.recall.steps) == 0


@pytest.mark.parametrize(("threshold", "most"), [(2.0, 60), (3.0, 30), (6.0, 5)])
def test_noise_seldom_switches_memories(threshold: float, most: float) -> None:
    """Outcomes of 1 with noise as large: how often, in 1000 episodes, the memory that is right is left."""
    g = torch.Generator().manual_seed(0)
    nest = system(dataclasses.replace(MOODY, recall=RecallConfig(threshold=threshold)), 64)
    switches = torch.zeros(64)
    before = torch.zeros(64, dtype=torch.int64)
    for _ in range(1000):
        noise = torch.randn(64, generator=g)
        nest.appraise(experience(lss=noise, done=True, population=64)._replace(reward=noise + 1))
        assert nest.slot is not None
        switches += nest.slot != before
        before = nest.slot.clone()
    assert float(switches.mean()) < most


# ---------------------------------------------------------------- the whole


@given(st.integers(0, 1000))
def test_zero_gains_bend_nothing(seed: int) -> None:
    quiet = AffectConfig(
        arousal=ArousalConfig(step_gain=0.0),
        fear=FearConfig(caution=0.0, avoidance=0.0),
        anger=AngerConfig(persistence=0.0, step_gain=0.0),
        mood=MoodConfig(exploration_gain=0.0),
        temperament=TemperamentConfig(),
        recall=RecallConfig(slots=1),
    )
    nest = system(quiet)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        key, following, action = (int(i) for i in rng.integers(0, 3, 3))
        factor = nest.appraise(
            experience(
                lss=float(rng.normal()),
                key=key,
                next_key=following,
                action=action,
                done=rng.random() < 0.1,
                slots=[0.0],
            )
        )
        assert factor is not None
        assert factor.item() == 1.0
        drive = nest.modulate(torch.tensor([key]))
        neutral = Drive(
            torch.ones(1), torch.zeros(1, ACTIONS), torch.zeros(1, ACTIONS), torch.zeros(1, dtype=torch.bool)
        )
        for name in ("exploration", "bias", "avoidance", "persist"):
            wish, nothing = getattr(drive, name), getattr(neutral, name)
            assert wish is None or torch.equal(wish, nothing), name


def test_modulate_changes_no_state() -> None:
    nest = system(AffectConfig.levels(2))
    for t in range(30):
        nest.appraise(experience(lss=(-1.0) ** t, done=t % 7 == 6))
    before = {name: value.clone() for name, value in nest.state_dict().items()}
    for state in range(STATES):
        nest.modulate(torch.tensor([state]))
    assert all(torch.equal(value, before[name]) for name, value in nest.state_dict().items())


def test_level_zero_is_nothing_at_all() -> None:
    nest = system(AffectConfig.levels(0))
    assert nest.is_plain
    assert nest.appraise(experience(lss=-1.0)) is None
    assert nest.modulate(torch.tensor([0])) == Drive()
    assert not nest.channels


def test_members_may_differ_in_which_parts_they_have() -> None:
    kinds = [AffectConfig.levels(level) for level in (0, 1, 2)]
    mixed = AffectSystem(kinds, 3, actions=ACTIONS, keys=STATES)
    alone = [system(kind) for kind in kinds]
    for t in range(100):
        step = experience(lss=(-1.0) ** (t // 9), key=t % 3, next_key=t % 2, done=t % 10 == 9, population=3)
        factor = mixed.appraise(step)
        assert factor is not None
        for i, one in enumerate(alone):
            own = (None if field is None else field[i : i + 1] for field in step)
            single = one.appraise(Experience(*own))  # type: ignore[arg-type]
            assert factor[i].item() == (1.0 if single is None else single.item()), (t, i)


def test_a_step_in_two_parts_is_a_step_also_for_members_that_lack_something() -> None:
    full = AffectConfig.levels(2)
    kinds = [AffectConfig.levels(0), AffectConfig.levels(1), full, dataclasses.replace(full, recall=None)]
    kinds += [dataclasses.replace(full, mood=None, recall=None), dataclasses.replace(full, fear=None)]
    number = len(kinds)
    whole, parts = (AffectSystem(kinds, number, actions=ACTIONS, keys=STATES) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    for t in range(200):
        lss = torch.randn(number, generator=generator) - float(t % 70 > 50)
        step = experience(lss=lss, key=t % 3, next_key=t % 2, done=t % 7 == 6, population=number)
        assert parts.steps_apart(ended=t % 7 == 6)
        whole.appraise(step, bends_step=False)
        signals = parts.appraise_fast(step)
        parts.appraise_slow(signals)
        assert whole.signals.keys() == parts.signals.keys()
        for name, value in whole.signals.items():
            assert torch.equal(parts.signals[name], value), (t, name)
    for name, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[name], value), name


def test_updates_are_counted_by_level() -> None:
    nest = system(AffectConfig.levels(2))
    for t in range(100):
        nest.appraise(experience(done=t % 20 == 19))
    counts = {name: int(count) for name, count in nest.nest.update_counts().items()}
    assert counts == {
        "surprise": 100, "arousal": 100, "fear": 100, "anger": 100, "mood": 2, "temperament": 5, "recall": 5,
    }  # fmt: skip
    assert [level.name for level in nest.nest.order] == list(counts)


# ---------------------------------------------------------------- configuration


def test_configuration_round_trips_and_names_what_is_wrong() -> None:
    full = AffectConfig.levels(2)
    assert AffectConfig.from_dict(full.to_dict()) == full
    assert AffectConfig.from_dict(AffectConfig.levels(0).to_dict()) == AffectConfig.levels(0)
    with pytest.raises(ValueError, match="levels: got 3, expected 0, 1 or 2"):
        AffectConfig.levels(3)
    with pytest.raises(
        ValueError, match="temperament: got None, expected a TemperamentConfig because mood needs it"
    ):
        AffectConfig(mood=MoodConfig())
    with pytest.raises(ValueError, match=r"AffectConfig.fear: got 1, expected a FearConfig or None"):
        AffectConfig(fear=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"parts \['ennui'\]"):
        AffectConfig.from_dict({"ennui": None})
    with pytest.raises(ValueError, match=r"AffectConfig.fear: got fields \['cation'\]"):
        AffectConfig.from_dict({"fear": {"cation": 1}})
    with pytest.raises(ValueError, match="expected one for the whole population"):
        AffectSystem([MOODY, dataclasses.replace(MOODY, mood=MoodConfig(period=9))], 2, actions=2, keys=2)
    with pytest.raises(ValueError, match="expected an AffectConfig or a list of 3"):
        AffectSystem([full], 3, actions=2, keys=2)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        (SurpriseConfig, "decay", 0.0), (SurpriseConfig, "floor", -1.0), (SurpriseConfig, "limit", float("nan")),
        (ArousalConfig, "threshold", 0.0), (ArousalConfig, "step_gain", -2.0), (FearConfig, "full", 1.0),
        (FearConfig, "discount", 1.1), (FearConfig, "avoidance", 1.1), (AngerConfig, "cap", 0),
        (AngerConfig, "persistence", -0.1), (AngerConfig, "rate", "fast"), (MoodConfig, "period", 2.5),
        (MoodConfig, "step_size", 0.0), (TemperamentConfig, "initial", 2.0), (RecallConfig, "slots", 0),
        (RecallConfig, "infancy", 1),
        (RecallConfig, "mood_gain", 1.5),
    ],
)  # fmt: skip
def test_bad_numbers_are_refused_at_construction(part: type, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{part.__name__}.{field}: got "):
        part(**{field: value})
