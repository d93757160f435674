"""Contests: arms in one population are what they are alone, seeds are kept apart, scores by hand."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest

from emotional_ed.affect import AffectConfig, CuriosityConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.agents.policies import SoftmaxConfig
from emotional_ed.envs import BlockedCount, as_batched
from emotional_ed.experiments.contests import contest as module
from emotional_ed.experiments.contests.arm import Arm, Range
from emotional_ed.experiments.contests.contest import (
    TUNING_SEED,
    Budget,
    Entry,
    Lives,
    as_plain,
    contest,
    live,
)
from emotional_ed.experiments.contests.mechanisms import MECHANISMS, arms_for
from emotional_ed.experiments.contests.tasks import TASKS, Task

TINY = Budget(configurations=3, seeds=2, finalists=2, final_seeds=2, report=4, first_seed=7)
SHORT = Task(env_id="EmotionalED/RecurringRegimes-v0", env_kwargs={"noise": 0.5}, steps=201)
SILENT = dataclasses.replace(TASKS["silent-catastrophe"], steps=301)
SETTING = {"step_size": 0.3, "exploration": 0.25}


def same(first: Lives, second: Lives) -> bool:
    pairs = zip(dataclasses.astuple(first), dataclasses.astuple(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def alike(first: Entry, second: Entry) -> None:
    for name in ("arm", "setting", "tuning_score", "trials"):
        assert getattr(first, name) == getattr(second, name)
    assert same(first.lives, second.lives)


def some_arms(task: str) -> dict[str, Arm]:
    """Arms of several mechanisms, most of one kind."""
    arms = {
        name: arm
        for one in ("fear", "recall", "attachment", "whole")
        for name, arm in arms_for(task, one).items()
    }
    wanted = (
        "level-0",
        "fear",
        "fear-shuffled",
        "mood-recall",
        "decay-only",
        "recency-bonus",
        "level-0+1+2",
        "sticky",
    )
    return {name: arm for name, arm in arms.items() if name in wanted}


def test_arms_in_company_are_what_each_is_alone() -> None:
    arms = some_arms("noisy-regimes")
    assert len({one.kind for one in arms.values()}) == 1
    brief = dataclasses.replace(SHORT, steps=120)
    together = contest(brief, arms, TINY)
    assert [one.arm for one in together] == list(arms)
    for entry in together:
        alike(entry, contest(brief, {entry.arm: arms[entry.arm]}, TINY)[0])
    scores = {one.arm: one.lives.score.tolist() for one in together}
    assert len({str(one) for one in scores.values()}) >= 3  # they are not all the same agent


def test_the_number_of_processes_and_of_members_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arms = {
        "plain": Arm(),
        "soft": Arm(level0=LevelZero(policy=SoftmaxConfig()), search={"level0.policy.temperature": Range(0.01, 1.0)}),
        "untaught": Arm(fixed={"step_size": 0.0}),
        "soft at plain's": Arm(level0=LevelZero(policy=SoftmaxConfig()), follows="plain"),
    }  # fmt: skip
    finished: list[int] = []
    alone = contest(SHORT, arms, TINY, progress=finished.append)
    assert finished == [2, 2]
    side_by_side = contest(SHORT, arms, TINY, jobs=2, progress=finished.append)
    assert finished[2:] == [2, 2]
    monkeypatch.setattr(module, "_LARGEST", 5)
    in_pieces = contest(SHORT, arms, TINY)
    assert [one.arm for one in side_by_side] == ["plain", "soft", "untaught", "soft at plain's"]
    for first, *others in zip(alone, side_by_side, in_pieces, strict=True):
        for other in others:
            alike(first, other)


def test_tuning_and_reporting_never_share_a_seed_and_all_arms_get_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[dict[str, int], list[int]]] = []

    def watched(
        task: Task, arms: Mapping[str, Arm], settings: Mapping[str, Sequence[Any]], seeds: Sequence[int]
    ) -> Any:
        asked.append(({name: len(settings[name]) for name in arms}, list(seeds)))
        return live(task, arms, settings, seeds)

    monkeypatch.setattr(module, "live", watched)
    arms = {"plain": Arm(), "untaught": Arm(fixed={"step_size": 0.0}), "other": Arm(blocked_count=2)}
    contest(dataclasses.replace(SHORT, steps=40), arms, TINY)
    assert len(asked) == 6  # three rounds for each of two kinds
    for first, second, last in (asked[:3], asked[3:]):
        assert set(first[0].values()) == {3}
        assert set(second[0].values()) == {2}
        assert set(last[0].values()) == {1}
        assert first[1] == [TUNING_SEED, TUNING_SEED + 1]
        assert second[1] == [TUNING_SEED + 2, TUNING_SEED + 3]
        assert last[1] == [7, 8, 9, 10]
    last_seed = Budget(report=30, first_seed=TUNING_SEED - 30)
    assert last_seed.first_seed + last_seed.report <= TUNING_SEED
    with pytest.raises(
        ValueError, match=r"Budget.first_seed: got 999971, expected an integer of at most 999970"
    ):
        Budget(report=30, first_seed=TUNING_SEED - 29)


def test_the_best_setting_over_all_tuning_seeds_wins_and_is_judged_on_fresh_ones() -> None:
    arm, budget = Arm(), Budget(configurations=6, seeds=1, finalists=5, final_seeds=3, report=4, first_seed=7)
    longer = dataclasses.replace(SHORT, steps=451)
    (entry,) = contest(longer, {"plain": arm}, budget)
    drawn = arm.draw(6, seed=0)
    first, second = (
        live(longer, {"plain": arm}, {"plain": drawn}, seeds)["plain"]
        for seeds in ([TUNING_SEED], range(TUNING_SEED + 1, TUNING_SEED + 4))
    )
    means = [one.score.mean() for one in first]
    assert [trial["score"] for trial in entry.trials] == means
    assert [{k: v for k, v in trial.items() if k != "score"} for trial in entry.trials] == drawn
    finalists = np.argsort(-np.array(means), kind="stable")[:5]
    over_all = {i: np.mean([*first[i].score, *second[i].score]) for i in finalists}
    winner = max(over_all, key=lambda i: over_all[i])
    assert winner != finalists[0]  # the first round alone would have chosen another
    assert entry.setting == drawn[winner]
    assert entry.tuning_score == pytest.approx(over_all[winner])
    assert same(
        entry.lives, live(longer, {"plain": arm}, {"plain": [entry.setting]}, range(7, 11))["plain"][0]
    )


@pytest.mark.parametrize(
    "task", [SHORT, SILENT, dataclasses.replace(SILENT, steps=3)], ids=["free", "priced", "brief"]
)
def test_scores_and_late_scores_by_hand(task: Task) -> None:
    lives = live(task, {"plain": Arm()}, {"plain": [SETTING]}, [3, 4, 5])["plain"][0]
    for i, seed in enumerate((3, 4, 5)):
        model = EmotionalQ(
            task.env_id, Arm().affect, env_kwargs=dict(task.env_kwargs), discount=task.discount, seed=seed,
            listens=task.listens, **SETTING,  # type: ignore[arg-type]
        )  # fmt: skip
        rewards, falls, ends = [], [], []
        for _ in range(task.steps):
            step = model.learn(1).last_step
            assert step is not None
            rewards.append(step.reward.item())
            falls.append(step.catastrophe.item())
            ends.append(bool(step.terminated | step.truncated))
        half = task.steps // 2
        begun = [True, *ends[:-1]]  # whether an episode began with this step
        assert lives.score[i] == pytest.approx((sum(rewards) - task.price * sum(falls)) / sum(begun))
        late = (sum(rewards[half:]) - task.price * sum(falls[half:])) / max(sum(begun[half:]), 1)
        assert lives.late[i] == pytest.approx(late)
        assert lives.catastrophes[i] == pytest.approx(1000 * sum(falls) / task.steps)
    if task.price and task.steps > 100:
        free = live(dataclasses.replace(task, price=0.0), {"plain": Arm()}, {"plain": [SETTING]}, [3, 4, 5])[
            "plain"
        ][0]
        assert lives.catastrophes.all()
        assert (free.score > lives.score).all()


def test_an_entry_is_plain_data() -> None:
    (entry,) = contest(dataclasses.replace(SHORT, steps=30), {"plain": Arm()}, TINY)
    data = as_plain(entry)
    assert data["arm"] == "plain"
    assert data["lives"]["score"] == entry.lives.score.tolist()
    assert len(data["trials"]) == 3
    assert data["seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"arms": {}}, "arms: got none, expected at least one"),
        ({"jobs": 0}, "jobs: got 0, expected an integer of at least 1"),
        ({"task": dataclasses.replace(SHORT, env_id="Nowhere-v0")}, "env: got 'Nowhere-v0'"),
        ({"arms": {"fast": Arm(fixed={"step_size": 3.0})}}, "step_size: got .*3.0"),
    ],
)
def test_what_cannot_be_held_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contest(**{"task": SHORT, "arms": {"plain": Arm()}, "budget": TINY, **arguments})


@pytest.mark.parametrize("name", ["configurations", "seeds", "finalists", "final_seeds", "report"])
def test_budgets_are_whole_numbers(name: str) -> None:
    for bad in (0, 1.5, float("nan"), True):
        with pytest.raises(ValueError, match=f"Budget.{name}: got"):
            Budget(**{name: bad})  # type: ignore[arg-type]


# ---------------------------------------------------------------- arms that follow another


CALM = AffectConfig.levels(0)
MOODY = dataclasses.replace(AffectConfig.levels(2), recall=None)
FOLLOWED = {
    "same kind": Arm(
        follows="leader", affect=dataclasses.replace(MOODY, curiosity=CuriosityConfig(gain=3.0))
    ),
    "other kind": Arm(follows="leader", level0=LevelZero(policy=SoftmaxConfig()), fixed={"exploration": 0.5}),
    "leader": Arm(affect=MOODY, search={"affect.anger.rate": Range(0.1, 1.0)}),
    "plain": Arm(affect=CALM),
}
FOLLOWED["other kind"] = dataclasses.replace(FOLLOWED["other kind"], affect=MOODY)


def test_an_arm_that_follows_lives_with_the_setting_of_the_other_and_has_no_trials() -> None:
    brief = dataclasses.replace(SHORT, steps=150)
    finished: list[int] = []
    entries = contest(brief, FOLLOWED, TINY, progress=finished.append)
    assert [one.arm for one in entries] == list(FOLLOWED)
    assert sum(finished) == 4
    by_name = {one.arm: one for one in entries}
    alone = {name: FOLLOWED[name] for name in ("leader", "plain")}
    for entry in contest(brief, alone, TINY):  # they are tuned as if nobody followed
        alike(by_name[entry.arm], entry)
    leader = by_name["leader"].setting
    for name, setting in (("same kind", leader), ("other kind", {**leader, "exploration": 0.5})):
        follower = by_name[name]
        assert (follower.setting, follower.tuning_score, follower.trials) == (setting, None, [])
        oracle = live(brief, {name: FOLLOWED[name]}, {name: [setting]}, range(7, 11))[name][0]
        assert same(follower.lives, oracle)
        assert not same(follower.lives, by_name["leader"].lives)


def test_an_arm_that_follows_costs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, int]] = []

    def watched(task: Task, arms: Any, settings: Mapping[str, Sequence[Any]], seeds: Sequence[int]) -> Any:
        asked.append({name: len(settings[name]) for name in arms})
        return live(task, arms, settings, seeds)

    monkeypatch.setattr(module, "live", watched)
    contest(dataclasses.replace(SHORT, steps=30), FOLLOWED, TINY)
    assert asked == [
        {"leader": 3, "plain": 3}, {"leader": 2, "plain": 2}, {"same kind": 1, "leader": 1, "plain": 1},
        {"other kind": 1},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("follower", "message"),
    [
        (Arm(follows="leeder"), r"got 'x' that follows 'leeder', expected .* among \['leader', 'plain'\]"),
        (
            Arm(follows="same kind"),
            "got 'x' that follows 'same kind', expected it to follow one that is tuned",
        ),
        (Arm(follows="x"), "got 'x' that follows 'x'"),
        (Arm(follows="leader", affect=CALM), "got the path 'affect.anger.rate', expected NoneType to have"),
    ],
)
def test_whom_nobody_can_follow_is_told_before_anything_is_run(
    follower: Arm, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "live", None)
    with pytest.raises(ValueError, match=message):
        contest(SHORT, {**FOLLOWED, "x": follower}, TINY)


def test_a_single_finalist_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    def watched(task: Task, arms: Any, settings: Any, seeds: Sequence[int]) -> Any:
        asked.append(list(seeds))
        return live(task, arms, settings, seeds)

    monkeypatch.setattr(module, "live", watched)
    budget = dataclasses.replace(TINY, finalists=1)
    (entry,) = contest(dataclasses.replace(SHORT, steps=60), {"plain": Arm()}, budget)
    assert asked == [[TUNING_SEED, TUNING_SEED + 1], [7, 8, 9, 10]]
    best = max(entry.trials, key=lambda one: one["score"])
    assert entry.tuning_score == best["score"]
    assert entry.setting == {name: best[name] for name in entry.setting}


# ---------------------------------------------------------------- tasks and mechanisms


def test_tasks_name_what_there_is() -> None:
    assert {one.control_of for one in TASKS.values()} - {""} <= set(TASKS)
    assert {name for one in TASKS.values() for name in one.meant_for} <= set(MECHANISMS)
    for task in TASKS.values():
        assert gymnasium.spec(task.env_id).id == task.env_id
    for name, value in (("steps", 0), ("discount", 1.1), ("scale", 0.0), ("price", float("nan"))):
        with pytest.raises(ValueError, match=f"Task.{name}: got"):
            Task(**{"env_id": "x", name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("mechanism", list(MECHANISMS))
def test_every_arm_of_a_mechanism_has_its_own_numbers_and_the_shared_budget(mechanism: str) -> None:
    for task in TASKS:
        arms = arms_for(task, mechanism)
        assert list(arms)[:2] == ["level-0", "level-0 untaught"]
        assert arms["level-0"] == Arm(role="control")
        assert [one.role for one in arms.values()][1:3] == [
            "control",
            "own",
        ]  # the third one is the mechanism
        assert len(arms) > 2
        for arm in arms.values():
            for setting in arm.draw(3, seed=0):
                arm.configured(setting)
    for bad in ({"task": "nowhere", "mechanism": mechanism}, {"task": "regimes", "mechanism": "spite"}):
        with pytest.raises(
            ValueError, match=r"(task: got 'nowhere'|mechanism: got 'spite'), expected one of"
        ):
            arms_for(bad["task"], bad["mechanism"])


def builds(task: str, mechanisms: Sequence[str]) -> int:
    """Let one member of each different arm live for 20 steps; return how many there were."""
    situation = dataclasses.replace(TASKS[task], steps=20)
    different = {
        str(arm.to_dict()): arm for mechanism in mechanisms for arm in arms_for(task, mechanism).values()
    }
    worlds: dict[int, Any] = {}
    for arm in different.values():
        count = arm.blocked_count
        if count not in worlds:
            world = as_batched(
                situation.env_id, 1, env_kwargs=dict(situation.env_kwargs),
                catastrophe_reward=situation.catastrophe_reward,
            )  # fmt: skip
            worlds[count] = BlockedCount(world, cap=count) if count else world
        (setting,) = arm.draw(1, seed=0)
        level0, affect = arm.configured(setting)
        model = EmotionalQ(
            worlds[count], affect, level0=level0, seed=1, discount=situation.discount,
            listens=situation.listens, step_size=setting["step_size"], exploration=setting["exploration"],
        ).learn(20)  # fmt: skip
        assert model.value.M.isfinite().all()
        assert bool(model.value.M.any()) <= (setting["step_size"] > 0)
    for world in worlds.values():
        world.close()
    return len(different)


@pytest.mark.parametrize("task", [name for name, one in TASKS.items() if one.meant_for])
def test_mechanisms_can_be_built_on_the_tasks_they_are_meant_for(task: str) -> None:
    assert builds(task, TASKS[task].meant_for) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("task", list(TASKS))
def test_every_mechanism_can_be_built_on_every_task(task: str) -> None:
    assert builds(task, list(MECHANISMS)) > 30
