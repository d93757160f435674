"""Disorders: dose 0 is the agent without the mechanism, doses in company are doses alone, verdicts by hand."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.trace import Trace
from emotional_ed.envs import BatchedStep
from emotional_ed.experiments.contests.arm import Arm
from emotional_ed.experiments.contests.contest import TUNING_SEED, live
from emotional_ed.experiments.contests.tasks import Task
from emotional_ed.experiments.disorders import doses as disorders_run
from emotional_ed.experiments.disorders import study as disorders
from emotional_ed.experiments.disorders.catalogue import DISORDERS, SITUATIONS, Disorder
from emotional_ed.experiments.disorders.conduct import CONDUCT, Conduct
from emotional_ed.experiments.disorders.doses import FIXED, Curve, Scope, live_at_doses, load_curves
from emotional_ed.experiments.disorders.verdicts import (
    dose_text,
    expectations,
    scores_csv,
    statement,
    table,
    too_few,
    verdicts,
)

SEEDS = (1_000_003, 1_000_010)


def short(name: str, steps: int = 150) -> Task:
    return dataclasses.replace(SITUATIONS[name], steps=steps)


# ---------------------------------------------------------------- the list


@pytest.mark.parametrize("name", DISORDERS)
def test_every_ladder_begins_with_none_holds_the_default_and_builds(name: str) -> None:
    disorder = DISORDERS[name]
    assert disorder.doses[0] == 0
    assert 5 <= len(disorder.doses) <= 9
    assert disorder.behaviour in CONDUCT
    assert disorder.arm(0).affect == disorder.healthy
    built = [disorder.arm(dose).affect for dose in disorder.doses]
    assert len(set(map(repr, built))) == len(built), "every dose is another agent"


# The whole agent's caution with a declared danger, as in dread, is not that of FearConfig.
@pytest.mark.parametrize(
    "name", [n for n, one in DISORDERS.items() if one.usual is not None and n != "dread"]
)
def test_at_the_usual_dose_the_number_is_the_default_one(name: str) -> None:
    disorder = DISORDERS[name]
    assert disorder.usual is not None
    _, part, field = disorder.path.split(".")
    number = getattr(getattr(disorder.arm(disorder.usual).affect, part), field)
    assert number == pytest.approx(getattr(type(getattr(disorder.affected, part))(), field))


def test_a_dose_is_put_in_its_place_as_it_is_or_as_a_memory() -> None:
    fear = DISORDERS["phobia"].arm(20.0).affect.fear
    anger = DISORDERS["rage"].arm(1000.0).affect.anger
    assert fear is not None
    assert anger is not None
    assert (fear.step_size, anger.cap, anger.step_size) == (0.05, 1000, 0.0)
    flipped = dataclasses.replace(DISORDERS["hot anger"], number="-dose", doses=(0.0, 0.5, 1.0))
    cold = flipped.arm(0.5).affect.anger
    assert cold is not None
    assert cold.step_gain == -0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"doses": (0.1, 1.0, 2.0)}, "rising"),
        ({"doses": (0.0, 2.0, 1.0)}, "rising"),
        ({"doses": (0.0, float("nan"), 1.0)}, "doses"),
        ({"usual": 7.0}, "usual"),
        ({"number": "log"}, "number"),
        ({"situation": "nowhere"}, "situation"),
    ],
)
def test_a_bad_disorder_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(DISORDERS["timidity"], **change)


def test_a_dose_below_none_is_refused() -> None:
    with pytest.raises(ValueError, match="dose: got -1"):
        DISORDERS["timidity"].arm(-1.0)


# ---------------------------------------------------------------- what doses are


@pytest.mark.parametrize(
    ("name", "place", "steps"),
    [
        ("timidity", "predator", 500),
        ("dread", "silent-catastrophe", 300),
        ("obsession", "slippery-cliff", 300),
        ("hypervigilance", "noisy-regimes", 500),
        ("clinging", "lost-source", 6000),
    ],
)
def test_a_number_of_zero_is_the_agent_without_the_mechanism_bit_for_bit(
    name: str, place: str, steps: int
) -> None:
    disorder = DISORDERS[name]
    assert disorder.healthy == AffectConfig.levels(0)
    _, nothing = Arm(affect=disorder.affected).configured({disorder.path: 0.0})
    assert not nothing.is_plain
    arms = [disorder.arm(0), Arm(affect=nothing), disorder.arm(disorder.doses[-1])]
    score, conduct = live_at_doses(short(place, steps), arms, FIXED, SEEDS, disorder.behaviour)
    assert np.array_equal(score[0], score[1])
    assert np.array_equal(conduct[0], conduct[1])
    assert not np.array_equal(score[0], score[2]), "the largest dose does something"


@pytest.mark.parametrize("name", ["phobia", "rage", "rumination", "stuck mood", "prolonged grief"])
def test_doses_in_one_population_are_the_doses_alone(name: str) -> None:
    disorder = DISORDERS[name]
    task, arms = short(disorder.situation), [disorder.arm(dose) for dose in disorder.doses]
    score, conduct = live_at_doses(task, arms, FIXED, SEEDS, disorder.behaviour)
    for i in (0, 1, len(arms) - 1):
        for j, seed in enumerate(SEEDS):
            alone, did = live_at_doses(task, [arms[i]], FIXED, [seed], disorder.behaviour)
            assert (alone[0, 0], did[0, 0]) == (score[i, j], conduct[i, j])


def test_the_score_is_that_of_a_contest_price_included() -> None:
    disorder, task = DISORDERS["dread"], short("silent-catastrophe", 400)
    arm = disorder.arm(0.3)
    (other,) = live(task, {"one": arm}, {"one": [FIXED]}, SEEDS)["one"]
    score, _ = live_at_doses(task, [arm], FIXED, SEEDS, "catastrophes")
    assert np.allclose(score[0], other.score, rtol=0, atol=1e-12)
    assert (other.catastrophes > 0).all(), "there was something to pay for"


# ---------------------------------------------------------------- conduct


def made_step(before: list[int], after: list[int], **rest: Any) -> SimpleNamespace:
    no = torch.zeros(len(before), dtype=torch.bool)
    given = {name: torch.tensor(value) for name, value in rest.items()}
    step = BatchedStep(
        observation=torch.tensor(after),
        final_observation=torch.tensor(after),
        reward=given.get("reward", torch.zeros(len(before))),
        terminated=given.get("terminated", no),
        truncated=given.get("truncated", no),
        catastrophe=given.get("catastrophe", no),
    )
    signals = {
        "observation": torch.tensor(before),
        "persisted": given.get("persisted", no),
        "explored": given.get("explored", no),
        "slot": given.get("slot", torch.zeros(len(before))),
    }
    return SimpleNamespace(last_step=step, signals=signals)


def test_conduct_by_hand() -> None:
    conduct = Conduct()
    steps = [
        made_step([1, 1], [2, 2], persisted=[True, False], slot=[0.0, 0.0]),
        made_step([2, 2], [1, 2], explored=[True, False], slot=[1.0, 0.0]),  # first: back at once
        made_step(
            [1, 2], [2, 1], slot=[1.0, 0.0], reward=[1.0, 0.0], terminated=[True, False]
        ),  # and back again
        made_step([2, 1], [1, 0], slot=[0.0, 0.0]),  # first: an episode anew, no return of the old one
        made_step([1, 0], [5, 1], truncated=[True, True], catastrophe=[True, False], slot=[0.0, 2.0]),
    ]
    for one in steps:
        conduct(one)  # type: ignore[arg-type]
    assert conduct.of("reversals").tolist() == [2 / 2, 1.0], "second: 1 -> 0 -> 1; standing still is no step"
    assert conduct.of("timeouts").tolist() == [0.5, 1.0]
    assert conduct.of("barren").tolist() == [0.5, 1.0]
    assert conduct.of("pushes").tolist() == [0.5, 0.0]
    assert conduct.of("switches").tolist() == [100.0, 100.0]
    assert conduct.of("explored").tolist() == [0.2, 0.0]
    assert conduct.of("catastrophes").tolist() == [200.0, 0.0]


def test_conduct_agrees_with_a_trace() -> None:
    conduct, trace = Conduct(), Trace(range(3), limit=10_000)
    model = EmotionalQ(
        "EmotionalED/JammedDoor-v0", DISORDERS["anger"].arm(10).affect, population=3, seed=1_000_000
    )

    def both(agent: EmotionalQ) -> None:
        conduct(agent)
        trace(agent)

    model.learn(500, callback=both)
    for member in range(3):
        felt = trace.columns(member)
        episodes = (felt["terminated"] | felt["truncated"]).sum()
        assert conduct.of("pushes")[member] == felt["persisted"].sum() / episodes
        assert conduct.of("timeouts")[member] == felt["truncated"].sum() / episodes
    assert conduct.of("pushes").min() > 0


def test_conduct_refuses_what_it_cannot_count() -> None:
    with pytest.raises(ValueError, match="after 0 steps"):
        Conduct().of("pushes")
    several = made_step([1, 1], [1, 1])
    several.signals["observation"] = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="observation"):
        Conduct()(several)  # type: ignore[arg-type]


# ---------------------------------------------------------------- verdicts


NUMBER = 24
LUCK = np.random.default_rng(0).normal(0, 0.02, (9, NUMBER))


def curve(means: list[float], name: str = "rage", role: str = "situation", floor: float = 0.0) -> Curve:
    doses = DISORDERS[name].doses[: len(means)]
    score = np.array(means)[:, None] + LUCK[: len(means)]
    place: str = getattr(DISORDERS[name], role)
    return Curve(name, role, place, doses, score, np.abs(score), np.full(NUMBER, floor) + LUCK[8])


@pytest.mark.parametrize(
    ("means", "shape", "worse_from", "best"),
    [
        ([0.2, 0.5, 0.9, 0.5, 0.2], "inverted U", None, 2.0),
        ([0.2, 0.5, 0.9, 0.5, 0.0], "inverted U", 10.0, 2.0),
        ([0.2, 0.5, 0.7, 0.8, 0.9], "gain that lasts", None, 10.0),
        ([0.2, 0.5, 0.9, 0.91, 0.905], "gain that lasts", None, 5.0),
        ([0.9, 0.9, 0.7, 0.4, 0.1], "harm", 2.0, None),
        ([0.9, 0.9, 0.3, 0.9, 0.9], "harm in the middle", 2.0, None),
        ([0.9, 0.9, 0.9, 0.9, 0.9], "nothing significant", None, None),
    ],
)
def test_shapes_from_made_scores(
    means: list[float], shape: str, worse_from: float | None, best: float | None
) -> None:
    (found,) = verdicts([curve(means)])
    assert (found.shape, found.worse_from) == (shape, worse_from)
    assert best is None or found.best == best


def test_harm_is_told_in_units_of_what_there_is_to_learn() -> None:
    (found,) = verdicts([curve([0.8, 0.9, 0.7, 0.5], floor=0.4)])
    assert found.unit == pytest.approx(0.5, abs=0.03), "0.9 - 0.4"
    assert found.harm.value == pytest.approx(60, abs=5), "(0.8 - 0.5) / 0.5"
    assert found.harm.low > 0
    (nothing,) = verdicts([curve([0.4, 0.4, 0.4, 0.4], floor=0.4)])
    assert np.isnan(nothing.unit)
    assert "nothing is learned" in table([nothing])


def test_too_few_seeds_are_told() -> None:
    few = dataclasses.replace(curve([0.2, 0.5, 0.9]), score=np.zeros((3, 6)), untaught=np.zeros(6))
    assert "6 seeds are too few" in too_few(verdicts([few]))
    assert "among 3 comparisons" in too_few(verdicts([few]))
    assert too_few(verdicts([curve([0.2, 0.5, 0.9])])) == ""


def test_correction_is_over_all_curves() -> None:
    """A difference that one curve alone would show is none among so many."""
    score = np.stack([LUCK[0], LUCK[0], LUCK[0] + 0.01 + 0.2 * np.abs(LUCK[2])])[:, :12] + 0.5
    alone = dataclasses.replace(
        curve([0.5] * 3), score=score, conduct=score, untaught=LUCK[8, :12]
    )  # p = 2 / 2^12, times 3
    assert verdicts([alone])[0].shape == "gain that lasts"
    many = [alone] + [dataclasses.replace(alone, score=score[[0, 0, 0]]) for _ in range(60)]
    assert verdicts(many)[0].shape == "nothing significant"


def test_the_table_the_statement_and_the_scores_from_made_scores() -> None:
    curves = [curve([0.2, 0.5, 0.9, 0.5, 0.2]), curve([0.9, 0.9, 0.7, 0.4, 0.1], role="control")]
    found = verdicts(curves)
    first, second = (
        [cell.strip() for cell in row.strip("|").split("|")] for row in table(found).splitlines()[2:]
    )
    assert first[:4] == ["rage", "jammed-door (meant for)", "10", "none"]
    assert first[4].startswith("2 (+0.7")
    assert second[:4] == ["", "one-push-doors (control)", "10", "2"]
    assert second[5].startswith("+0.8")
    assert second[5].endswith("%)")
    assert (first[-1], second[-1]) == ("inverted U", "harm")
    said = statement(found)
    assert "inverted U 1 (rage)" in said
    assert "harm 1 (rage)" in said
    assert "above 0 in 1 of 1" in said
    assert DISORDERS["rage"].expected in expectations(found)
    rows = list(csv.DictReader(scores_csv(curves, 50_000).splitlines()))
    assert len(rows) == 2 * 6 * NUMBER
    assert rows[NUMBER + 1] == {
        "disorder": "rage", "task": "jammed-door", "dose": "1", "seed": "50001",
        "score": f"{curves[0].score[1, 1]:.5g}", "conduct": f"{curves[0].conduct[1, 1]:.4g}",
    }  # fmt: skip
    assert rows[5 * NUMBER]["dose"] == "untaught"


def test_doses_in_few_letters() -> None:
    assert [dose_text(dose) for dose in (0.0, 0.03, 2.5, 1000.0, 10_000.0, 1e6)] == [
        "0", ".03", "2.5", "1k", "10k", "1M",
    ]  # fmt: skip


# ---------------------------------------------------------------- the command


def test_the_command_keeps_what_is_finished_and_refuses_another_scope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--out", str(tmp_path), "--seeds", "3", "--first-seed", "1000000", "--steps", "40"]
    assert disorders.main([*asked, "--only", "rage", "conflict"]) == 0
    pieces = sorted((tmp_path / "pieces").glob("*.csv"))
    assert [one.stem for one in pieces] == [
        f"{name}-{role}" for name in ("conflict", "rage") for role in ("control", "situation")
    ]
    text, picture = (tmp_path / "disorders.md").read_text(), (tmp_path / "disorders.png").read_bytes()
    assert "step size 0.1" in text
    assert len(picture) < 250_000
    assert picture.startswith(b"\x89PNG")
    stamps = {one: one.stat().st_mtime_ns for one in pieces}
    pieces[0].unlink()
    assert disorders.main([*asked, "--only", "rage", "conflict"]) == 0
    again = {one: one.stat().st_mtime_ns for one in pieces}
    assert [again[one] == stamps[one] for one in pieces] == [False, True, True, True]
    assert (tmp_path / "disorders.md").read_text() == text, "the same seeds give the same numbers"
    capsys.readouterr()
    assert disorders.main([*asked[:-1], "41", "--only", "rage"]) == 2
    assert "holds pieces of" in capsys.readouterr().err
    assert disorders.main([*asked, "--only", "rags"]) == 2
    assert "did you mean 'rage'" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_change_nothing_and_pieces_read_back_as_they_were(tmp_path: Path) -> None:
    scope = Scope(seeds=2, first_seed=1_000_000, steps=40)
    for jobs in (1, 2):
        list(disorders_run.run_disorders(["rage"], tmp_path / str(jobs), scope, jobs))
    one, two = (load_curves(tmp_path / str(jobs)) for jobs in (1, 2))
    assert [(c.role, c.doses) for c in one] == [(c.role, c.doses) for c in two]
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.score, b.score)
        assert np.array_equal(a.untaught, b.untaught)
    disorder = DISORDERS["rage"]
    arms = [disorder.arm(dose) for dose in disorder.doses]
    score, conduct = live_at_doses(scope.task("jammed-door"), arms, FIXED, [1_000_000, 1_000_001], "pushes")
    assert np.array_equal(one[0].score, score)
    assert np.array_equal(one[0].conduct, conduct)


def test_level_0_is_tuned_on_tuning_seeds_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[range] = []

    def watched(task: Task, arms: Any, settings: Any, seeds: range) -> Any:
        asked.append(seeds)
        return live(task, arms, settings, seeds)

    monkeypatch.setattr(disorders_run, "live", watched)
    scope = Scope(seeds=2, first_seed=900_000, steps=30, tuned=True, configurations=5)
    list(disorders_run.run_disorders(["rage"], tmp_path, scope))
    assert len(asked) == 4, "two places, twice each"
    assert min(min(one) for one in asked) >= TUNING_SEED
    setting = disorders_run.tuned_settings(tmp_path)["jammed-door"]
    assert setting in Arm().draw(5, seed=0)
    score, _ = live_at_doses(
        scope.task("jammed-door"), [DISORDERS["rage"].arm(0)], setting, [900_000, 900_001], "pushes"
    )
    assert np.array_equal(load_curves(tmp_path)[0].score[0], score[0])


@pytest.mark.parametrize("bad", [{"seeds": 0}, {"steps": 0}, {"first_seed": -1}, {"configurations": 0}])
def test_a_bad_scope_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"Scope\."):
        Scope(**bad)  # type: ignore[arg-type]


def test_an_untaught_agent_learns_nothing(tmp_path: Path) -> None:
    """The floor of the unit is the healthy agent with a step size of 0."""
    scope = Scope(seeds=2, first_seed=1_000_000, steps=50)
    list(disorders_run.run_disorders(["anger"], tmp_path, scope))
    arm = Arm(affect=AffectConfig.levels(0))
    score, _ = live_at_doses(
        scope.task("jammed-door"), [arm], {**FIXED, "step_size": 0.0}, [1_000_000, 1_000_001], "pushes"
    )
    assert np.array_equal(load_curves(tmp_path)[0].untaught, score[0])


def test_a_disorder_needs_all_its_words() -> None:
    fields = {one.name for one in dataclasses.fields(Disorder)}
    assert {"about", "unit", "expected", "situation", "control", "behaviour"} <= fields
    assert all(len(one.expected) > 40 for one in DISORDERS.values())
