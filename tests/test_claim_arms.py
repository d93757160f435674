"""Aversion, amnesia and fear as a potential: by hand, against plain loops, and in whole agents."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rivals import ACTIONS, STATES, Life, goes_on_from_its_state, same_as_single_runs

from emotional_ed.affect import AffectConfig, AffectSystem, Experience, FearConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.critics import QLearningConfig
from emotional_ed.agents.critics.danger import greedy_target
from emotional_ed.agents.rules import Moment
from emotional_ed.experiments.claims.amnesia import AmnesiaConfig
from emotional_ed.experiments.claims.arms import CLAIM_MECHANISMS, CLAIM_TASKS
from emotional_ed.experiments.claims.aversion import SENSE, AversionConfig
from emotional_ed.experiments.claims.shaping import FearPotentialConfig

PITS = "EmotionalED/MovingGoal-v0"
WORLD: dict[str, Any] = {"step_size": 0.3, "discount": 0.95, "exploration": 0.2}


def averse(**settings: Any) -> AffectConfig:
    return dataclasses.replace(AffectConfig.levels(0), fear=SENSE, own=(AversionConfig(**settings),))


def agent(affect: Any, level0: Any = None, population: int = 1, seed: int = 0) -> EmotionalQ:
    return EmotionalQ(PITS, affect, level0=level0, population=population, seed=seed, **WORLD)


def experience(reward: float, key: int = 0, action: int = 0, done: bool = False) -> Experience:
    one, ended = torch.tensor([action]), torch.tensor([done])
    return Experience(
        key=torch.tensor([key]), next_key=torch.tensor([key]), action=one, chosen=one[:, None] == torch.arange(2),
        greedy=torch.tensor([True]), moved=torch.tensor([True]), terminated=ended, done=ended,
        target=torch.tensor([reward]), lss=torch.tensor([reward]), reward=torch.tensor([reward]),
    )  # fmt: skip


def harmed(system: AffectSystem, rewards: list[float], **where: Any) -> list[float]:
    """Live through some rewards and return what is felt after each."""
    felt = []
    for reward in rewards:
        system.appraise(experience(reward, **where))
        felt.append(float(system.signals["aversion"]))
    return felt


QUIET = [0.1, -0.1] * 20


def test_one_contact_is_enough_and_only_harmless_ones_take_it_back() -> None:
    for forgetting in (0.0, 0.25, 1.0):
        system = AffectSystem(averse(forgetting=forgetting), 1, actions=2, keys=3)
        harmed(system, QUIET, key=1)
        assert harmed(system, [-5.0]) == [1.0]
        expected = [(1 - forgetting) ** n for n in range(1, 5)]
        assert harmed(system, [0.0] * 4) == pytest.approx(expected)
        assert harmed(system, [0.0] * 3, key=1) == [0.0] * 3, "elsewhere nothing is felt"
        assert harmed(system, [0.0]) == pytest.approx([(1 - forgetting) ** 5]), "nor taken back"


@settings(max_examples=25)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20), st.floats(0, 1))
def test_it_is_the_worst_harm_less_what_wore_off(rewards: list[float], forgetting: float) -> None:
    system = AffectSystem(averse(forgetting=forgetting), 1, actions=2, keys=1)
    held = 0.0
    for reward in [*QUIET, *rewards]:
        system.appraise(experience(reward))
        held = max(float(system.signals["fear"]), (1 - float(np.float32(forgetting))) * held)
        assert float(system.signals["aversion"]) == pytest.approx(held, abs=1e-6)


def test_the_sense_says_how_bad_the_step_itself_was() -> None:
    """With a step size of 1 fear is the harm of the last step, whatever was met before."""
    system = AffectSystem(averse(), 1, actions=2, keys=1)
    harmed(system, QUIET)
    fear = system.level("fear")
    for reward in (-5.0, 0.0, -0.2):
        before = {name: float(getattr(fear.rewards, name)) for name in ("scale", "size", "count")}
        error = reward - float(fear.usual)
        system.appraise(experience(reward))
        rate = max(0.01, 1 / (before["count"] + 1))
        scale = before["scale"] + rate * (abs(error) - before["scale"])
        harm = min(max((-error / scale - 1.5) / 1.5, 0), 1)
        assert float(system.signals["fear"]) == pytest.approx(harm, abs=1e-5)


def test_what_is_averse_is_worth_less_and_drawn_less() -> None:
    system = AffectSystem(averse(caution=2.0, avoidance=0.5), 1, actions=2, keys=2)
    harmed(system, QUIET, key=1)
    harmed(system, [-5.0])
    wish, worth = system.modulate(torch.tensor([0])), float(system.level("surprise").worth)
    assert wish.bias is not None
    assert wish.bias[0].tolist() == pytest.approx([-2 * worth, 0])
    assert wish.avoidance is not None
    assert wish.avoidance[0].tolist() == pytest.approx([0.5, 0])
    system.begin_anew(torch.tensor([True]))
    wish = system.modulate(torch.tensor([0]))
    assert wish.bias is not None
    assert not wish.bias.any()


def test_without_strength_it_is_plain_q_learning_bit_for_bit_and_with_it_it_is_not() -> None:
    plain = agent(AffectConfig.levels(0)).learn(250)
    sensing = agent(dataclasses.replace(AffectConfig.levels(0), fear=SENSE)).learn(250)
    quiet = agent(averse(caution=0.0, avoidance=0.0)).learn(250)
    loud = agent(averse(caution=1.0)).learn(250)
    assert plain.value.M.any()
    assert torch.equal(plain.value.M, sensing.value.M)
    assert torch.equal(plain.value.M, quiet.value.M)
    assert not torch.equal(plain.value.M, loud.value.M)


def test_a_population_is_single_runs_and_a_file_goes_on(tmp_path: Path) -> None:
    fear = dataclasses.replace(AffectConfig.levels(0), fear=FearConfig())
    affect = [
        averse(forgetting=0.1), AffectConfig.levels(0), averse(caution=1.0), fear,
        dataclasses.replace(fear, own=(AmnesiaConfig(every=3),)),
    ]  # fmt: skip
    together = agent(affect, population=5, seed=4).learn(150)
    for member in range(5):
        alone = agent(affect[member], seed=4 + member).learn(150)
        assert torch.equal(alone.value.M[0], together.value.M[member]), member
    together.save(tmp_path / "half")
    again = EmotionalQ.load(tmp_path / "half").learn(50)
    assert torch.equal(again.value.M, together.learn(50).value.M)


def test_amnesia_forgets_fear_after_so_many_episodes_and_nothing_else() -> None:
    fear = dataclasses.replace(AffectConfig.levels(0), fear=FearConfig(step_size=0.5))
    system = AffectSystem(dataclasses.replace(fear, own=(AmnesiaConfig(every=2),)), 1, actions=2, keys=1)
    for reward in QUIET:
        system.appraise(experience(reward))
    forgot, held = [], []
    for _ in range(3):
        for reward, done in ((-5.0, False), (0.0, False), (-5.0, True)):
            system.appraise(experience(reward, done=done))
            forgot.append(float(system.signals["amnesia"]))
            held.append(bool(system.level("fear").memory.M.any()))
    assert forgot == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert held == [True] * 5 + [False] + [True] * 3


def test_who_lacks_amnesia_keeps_fear_in_company() -> None:
    fear = dataclasses.replace(AffectConfig.levels(0), fear=FearConfig())
    both = agent([fear, dataclasses.replace(fear, own=(AmnesiaConfig(every=1),))], population=2)
    both.learn(500)
    memory = both.affect.level("fear").memory.M
    episodes = both.episodes
    last = int(episodes["step"][episodes["member"] == 1].max())
    assert memory[0].any()
    assert last > 0
    assert int((memory[1] != 0).sum()) <= 500 - last  # no more than was met since


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AversionConfig(forgetting=1.1), "AversionConfig.forgetting: got 1.1"),
        (lambda: AversionConfig(caution=-1.0), "AversionConfig.caution: got -1"),
        (lambda: AversionConfig(avoidance=math.nan), "AversionConfig.avoidance: got nan"),
        (lambda: AmnesiaConfig(every=0), "AmnesiaConfig.every: got 0"),
        (lambda: FearPotentialConfig(penalty=-1.0), "penalty: got -1"),
        (lambda: AffectConfig(own=(AversionConfig(),)), "AffectConfig.fear: got None"),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- fear as a potential

POTENTIAL = FearPotentialConfig(penalty=0.7, radius=2, fear_step_size=0.4, bad_reward=-1.0)


def judged(life: Life, upto: int) -> np.ndarray[Any, Any]:
    """F after the first `upto` steps, by the words of `IntrinsicFear`: running means of what came within two."""
    fear, waiting = np.zeros(STATES), []
    for one in life.history[:upto]:
        bad = float(one["reward"][0]) <= -1.0
        waiting.append(int(one["key"][0]))
        if bad or bool(one["terminated"][0]):
            for state in waiting:
                fear[state] += 0.4 * (float(bad) - fear[state])
            waiting = []
        elif len(waiting) == 2:
            state = waiting.pop(0)
            fear[state] += 0.4 * (0.0 - fear[state])
        if bool(one["done"][0]):
            waiting = []
    return fear


def test_targets_against_a_plain_loop() -> None:
    life = Life(POTENTIAL).live(150)
    Q = np.zeros((STATES, ACTIONS))
    feared = False
    for at, one in enumerate(life.history):
        s, a, n = int(one["key"][0]), int(one["action"][0]), int(one["next_key"][0])
        F, goes_on = judged(life, at), 0.0 if bool(one["terminated"][0]) else 1.0
        feared = feared or F[s] > 0
        phi, ahead = -0.7 * F[s], -0.7 * F[n] * goes_on
        target = float(one["reward"][0]) + 0.9 * ahead - phi + 0.9 * goes_on * Q[n].max()
        assert float(one["target"][0]) == pytest.approx(target, abs=1e-4), at
        Q[s, a] += 0.3 * (target - Q[s, a])
    assert feared


def test_without_height_it_is_q_learning_bit_for_bit() -> None:
    plain = Life(QLearningConfig()).live(200)
    flat = Life(dataclasses.replace(POTENTIAL, penalty=0.0)).live(200)
    high = Life(POTENTIAL).live(200)
    assert torch.equal(plain.critic.memory.M, flat.critic.memory.M)
    assert not torch.equal(plain.critic.memory.M, high.critic.memory.M)


def test_members_of_a_population_and_a_checkpoint() -> None:
    configs = [dataclasses.replace(POTENTIAL, penalty=one) for one in (0.0, 0.5, 2.0)]
    same_as_single_runs((3, 8, 5), 80, critic=configs)
    goes_on_from_its_state(60, critic=POTENTIAL)


def test_what_a_potential_takes_it_gives_back_on_the_way() -> None:
    """Along an episode the discounted sum of what is added telescopes to the fear at its start."""
    life = Life(POTENTIAL).live(400)
    F = torch.from_numpy(judged(life, 400))
    inner = life.critic.inner
    path, total = [0, 3, 5, 2], 0.0
    fear = [float(inner.feared(torch.tensor([state]))) for state in path]
    assert fear == pytest.approx([float(F[state]) for state in path], abs=1e-5)
    for i, state in enumerate(path):
        last = i == len(path) - 1
        one = life.history[0]
        moment = {
            "key": torch.tensor([state]), "next_key": torch.tensor([path[i + 1] if not last else 6]),
            "reward": torch.tensor([0.0]), "terminated": torch.tensor([last]),
        }  # fmt: skip
        whole = Moment(
            **moment, action=one["action"], chosen=one["chosen"], discount=torch.tensor([0.9]),
            epsilon=torch.tensor([0.0]),
        )  # fmt: skip
        added = float(life.critic.target(whole)) - float(greedy_target(life.critic.memory, whole))
        total += 0.9**i * added
    assert total == pytest.approx(0.7 * fear[0], abs=1e-5)


# ---------------------------------------------------------------- arms


def test_what_is_carried_to_the_next_task() -> None:
    arms = CLAIM_MECHANISMS["transfer"](CLAIM_TASKS["moving-goal"])
    anew = {name: arm.level0.reset_episodes for name, arm in arms.items()}
    assert anew == {
        "fear-carried": 50, "both-carried": 0, "fear-anew": 0, "nothing-carried": 50, "recency-bonus": 0,
        "near-greedy": 0,
    }  # fmt: skip
    feared = {name: arm.affect.fear is not None for name, arm in arms.items()}
    assert [name for name, there in feared.items() if there] == ["fear-carried", "both-carried", "fear-anew"]
    assert arms["fear-anew"].affect.own == (AmnesiaConfig(every=50),)
    assert arms["fear-anew"].search == arms["both-carried"].search == arms["fear-carried"].search
    assert CLAIM_TASKS["moving-goal"].env_kwargs["period"] == 50


def test_one_fear_in_several_places_is_searched_alike() -> None:
    arms = CLAIM_MECHANISMS["shaping"](CLAIM_TASKS["predator"])
    inside, potential = arms["fear-in-reward"].level0.critic, arms["fear-potential"].level0.critic
    assert dataclasses.asdict(inside) == dataclasses.asdict(potential)
    assert arms["fear-in-reward"].search == arms["fear-potential"].search
    assert arms["penalty-only"].fixed == {"level0.critic.fear_step_size": 0.0}
    assert arms["penalty-only"].search == arms["fear-in-reward"].search


def test_disgust_does_not_extinguish_and_reappraisal_does() -> None:
    disgust = CLAIM_MECHANISMS["disgust"](CLAIM_TASKS["moving-goal"])
    fear = CLAIM_MECHANISMS["reappraisal"](CLAIM_TASKS["leaving-predator"])
    path = "affect.own.aversion.forgetting"
    assert path not in disgust["disgust"].search
    assert disgust["disgust"].affect.own == (AversionConfig(forgetting=0.0),)
    assert disgust["disgust-fading"].search[path].high <= 0.1
    assert disgust["disgust-shuffled"].affect.shuffled == ("aversion",)
    assert path in fear["reappraisal"].search
    assert path not in fear["no-reappraisal"].search
    assert fear["no-reappraisal"].role == "control"
    assert disgust["fear"].role == "rival"


def test_transfer_is_for_tasks_that_say_when_they_change() -> None:
    with pytest.raises(ValueError, match="task: got EmotionalED/Predator-v0, expected a change every"):
        CLAIM_MECHANISMS["transfer"](CLAIM_TASKS["predator"])
