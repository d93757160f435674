"""Run folders, studies, tuning, the command line and the demonstration."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis import load_run
from emotional_ed.experiments import LADDER, Study, TrainSpec, controls, leave_one_out, run_study
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.keeper import Keeper
from emotional_ed.experiments.timeline import record_first_episode
from emotional_ed.experiments.train import train
from emotional_ed.experiments.tune import draw_configurations, tune

DOOR = "EmotionalED/JammedDoor-v0"


def test_a_run_folder_holds_all_it_takes_to_repeat_it(tmp_path: Path) -> None:
    spec = TrainSpec(env_id=DOOR, steps=600, population=3, seed=4, step_size=0.3)
    folder = train(spec, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    assert config["env_id"] == DOOR
    assert set(config["versions"]) >= {"emotional_ed", "torch", "gymnasium", "python"}
    assert {"revision", "command", "seed", "population", "affect"} <= set(config)
    assert (folder / "metrics.csv").read_text().splitlines()[0] == "member,episode,step,return,length"
    run = load_run(folder)
    again = spec.build().learn(600)
    assert np.array_equal(run.episodes, again.episodes)
    assert run.result["episodes"] == len(run.episodes) > 20
    loaded = EmotionalQ.load(folder / "checkpoint")
    assert np.array_equal(loaded.value.M.numpy(), again.value.M.numpy())
    assert list(folder.glob("events.out.tfevents.*"))
    assert AffectConfig.from_dict(config["affect"]) == spec.affect


def test_a_folder_with_a_run_is_never_written_to(tmp_path: Path) -> None:
    spec = TrainSpec(env_id=DOOR, steps=60)
    folder = train(spec, tmp_path / "run")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ValueError, match=r"out: got .*already holds a run"):
        train(spec, folder)
    with pytest.raises(ValueError, match=r"out: got .*already holds a run"):
        run_study(Study(env_id=DOOR, seeds=2, steps=60), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_folders_that_cannot_be_written_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(ValueError, match="which is a file, expected a folder"):
        train(TrainSpec(env_id=DOOR, steps=10), file)
    with pytest.raises(ValueError, match=r"out: got .*expected a writable folder"):
        train(TrainSpec(env_id=DOOR, steps=10), file / "below")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ValueError, match="expected a writable folder \\(Read-only file system\\)"):
        train(TrainSpec(env_id=DOOR, steps=10), tmp_path / "readonly")
    assert file.read_text() == "kept"


def test_what_was_learned_before_an_error_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = EmotionalQ._step

    def fail(self: EmotionalQ) -> None:
        if self.num_timesteps == 700:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(EmotionalQ, "_step", fail)
    spec = TrainSpec(env_id=DOOR, steps=2000, population=2)
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "run", checkpoint_seconds=10_000)
    assert not (tmp_path / "run" / "result.json").exists()
    assert EmotionalQ.load(tmp_path / "run" / "checkpoint").num_timesteps == 700
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert 500 < int(rows[-1].split(",")[2]) <= 700


@pytest.fixture
def heard() -> Iterator[None]:
    """Let child processes hear Ctrl-C, which those of a job in the background do not by themselves."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_saves_what_is_finished(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "emotional_ed.experiments.cli",
        "train",
        DOOR,
        "--steps",
        "10000000",
        "--quiet",
    ]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    ) as process:
        metrics = tmp_path / "run" / "metrics.csv"
        deadline = time.time() + 60
        while not metrics.exists() and time.time() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "emotional-ed: interrupted; what was finished is saved"
    assert EmotionalQ.load(tmp_path / "run" / "checkpoint").num_timesteps > 0
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_gives_the_same_with_any_number_of_jobs(tmp_path: Path, jobs: int) -> None:
    study = Study(env_id=DOOR, seeds=3, steps=700, settings={"level-0": {"step_size": 0.4}})
    summaries = run_study(study, tmp_path / "study", jobs=jobs)
    assert [row.arm for row in summaries] == ["level-0", "level-0+1", "level-0+1+2"]
    assert all(row.final.seeds == 3 for row in summaries)
    for name, spec in study.specs().items():
        run = load_run(tmp_path / "study" / name)
        assert np.array_equal(run.episodes, spec.build().learn(700).episodes)
        assert spec.step_size == (0.4 if name == "level-0" else 0.1)
    assert list(json.loads((tmp_path / "study" / "study.json").read_text())["arms"]) == list(LADDER)


def test_leave_one_out_removes_one_part_each() -> None:
    full = AffectConfig.levels(2).to_dict()
    removed = {
        name: {part for part, v in arm.to_dict().items() if v != full[part]}
        for name, arm in leave_one_out().items()
    }
    assert removed == {
        "without-arousal": {"arousal"},
        "without-fear": {"fear"},
        "without-anger": {"anger"},
        "without-recall": {"recall"},
        "without-mood": {"mood", "temperament", "recall"},
    }


def test_the_fixed_repeat_control_pushes_but_never_learns_to() -> None:
    (control,) = controls().values()
    model = EmotionalQ(
        DOOR, control, population=8, seed=0, env_kwargs={"opens": False}, exploration=0.3
    ).learn(1500)
    anger = model.affect.level("anger")
    assert bool((anger.memory.M == 1).all())
    learned = EmotionalQ(
        DOOR, AffectConfig.levels(1), population=8, seed=0, env_kwargs={"opens": False}, exploration=0.3
    )
    assert bool((learned.learn(1500).affect.level("anger").memory.M < 1).any())


def test_tuning_finds_the_better_configuration_on_its_own_seeds() -> None:
    spec = TrainSpec(env_id=DOOR, steps=1500, affect=AffectConfig.levels(1), discount=0.97)
    found = tune(spec, budget=6, seeds=3)
    assert len(found.trials) == 6
    assert found.score == max(trial["score"] for trial in found.trials)
    best = dataclasses.replace(spec, **found.settings, population=3, seed=1_000_000).build().learn(1500)  # type: ignore[arg-type]
    rows = best.episodes
    scores = []
    for i in range(3):
        returns = [*rows["return"][rows["member"] == i]]
        returns += [best.unfinished_returns[i]] if best.unfinished_lengths[i] else []
        scores.append(np.mean(returns))
    assert found.score == pytest.approx(np.mean(scores))
    assert draw_configurations(4) == draw_configurations(6)[:4]  # a larger budget goes on
    assert draw_configurations(4, seed=1) != draw_configurations(4)


def test_the_timeline_is_what_that_member_felt() -> None:
    spec = TrainSpec(env_id=DOOR, steps=100, population=4, seed=2)
    timeline = record_first_episode(spec)
    model = spec.build()
    first: list[float] = []
    model.learn(
        len(timeline["reward"]), callback=lambda agent: first.append(float(agent.signals["anger"][0]))
    )
    assert timeline["anger"].tolist() == first
    assert float(timeline["reward"].sum()) == pytest.approx(
        model.episodes[model.episodes["member"] == 0]["return"][0]
    )


# ---------------------------------------------------------------- command line


def test_list_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in (DOOR, "emotional-q", "level-0+1+2", "without-fear"):
        assert name in text


def test_arguments_of_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    assert (
        main(
            [
                "train",
                DOOR,
                "--steps",
                "50",
                "--env-kwargs",
                '{"least": 3, "most": 3}',
                "--out",
                out,
                "--quiet",
            ]
        )
        == 0
    )
    assert load_run(out).config["env_kwargs"] == {"least": 3, "most": 3}
    for bad in ("least=3", "[1]"):
        with pytest.raises(SystemExit) as stop:
            main(["train", DOOR, "--env-kwargs", bad, "--out", out + "2"])
        assert stop.value.code == 2
        assert f"got {bad!r}, expected a JSON object" in capsys.readouterr().err
    assert main(["train", DOOR, "--env-kwargs", '{"nose": 3}', "--out", out + "3", "--quiet"]) == 2
    assert "'nose'" in capsys.readouterr().err


def test_a_curious_agent_is_trained_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brief = ["--steps", "60", "--quiet", "--out"]
    for flags, expected in (([], False), (["--curious"], True)):
        out = str(tmp_path / f"run{expected}")
        assert main(["train", DOOR, *flags, *brief, out]) == 0
        assert (load_run(out).config["affect"]["curiosity"] is not None) == expected
    out = str(tmp_path / "study")
    assert main(["ablate", DOOR, "--seeds", "2", "--arms", "level-0,curious", *brief, out]) == 0
    text = capsys.readouterr().out
    for arm in ("level-0+1-curious", "level-0+1+2-curious"):
        assert f"| {arm} " in text
        assert load_run(Path(out) / arm).config["affect"]["curiosity"] is not None


def test_ablate_prints_the_ladder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "study"
    assert main(["ablate", DOOR, "--seeds", "3", "--steps", "300", "--out", str(out), "--quiet"]) == 0
    text = capsys.readouterr().out
    for arm in LADDER:
        assert f"| {arm} " in text
        assert (out / arm / "result.json").is_file()
    assert f"tensorboard --logdir {out}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "Nowhere-v0"], "env: got 'Nowhere-v0', expected an id that Gymnasium knows"),
        (["train", "Pendulum-v1"], "action_space: got Box"),
        (["train", DOOR, "--agent", "ppo"], "agent: got 'ppo', expected one of emotional-dqn, emotional-q"),
        (["train", DOOR, "--step-size", "nan"], "step_size: got nan, expected a number in [0, 1]"),
        (["train", DOOR, "--step-size", "-1"], "step_size: got -1.0"),
        (["train", DOOR, "--level", "5"], "levels: got 5, expected 0, 1 or 2"),
        (["train", DOOR, "--steps", "0"], "steps: got 0, expected an integer of at least 1"),
        (["train", DOOR, "--device", "abacus"], "device: got 'abacus'"),
        (
            ["ablate", DOOR, "--arms", "none"],
            "arms: got 'none', expected one of ladder, curious, leave-one-out, controls",
        ),
        (["ablate", DOOR, "--arms", "withot-fear"], "did you mean 'without-fear'"),
        (["ablate", DOOR, "--backend", "slurm"], "backend: got 'slurm', expected one of local, ray"),
        (["ablate", DOOR, "--address", "auto"], "address: got 'auto' with backend 'local'"),
        (["ablate", DOOR, "--tune", "-1"], "Tuning.configurations: got -1"),
        (["ablate", DOOR, "--tune", "3", "--tune-seed", "29"], "of which 1 (e.g. 29) are reported too"),
        (["ablate", DOOR, "--agent", "emotional-sac-o-matic"], "agent: got 'emotional-sac-o-matic'"),
        (["ablate", DOOR, "--checkpoint-seconds", "-1"], "checkpoint_seconds: got -1.0"),
        (["ablate", DOOR, "--jobs", "0"], "jobs: got 0"),
        (["ablate", DOOR, "--seeds", "0"], "seeds: got 0"),
    ],
)
def test_bad_input_ends_with_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    out = tmp_path / "run"
    assert main([*arguments, "--out", str(out), "--quiet"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("emotional-ed: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert not out.exists()


def test_the_installed_command_works() -> None:
    command = Path(sys.executable).with_name("emotional-ed")
    result = subprocess.run([command, "train"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "ENV_ID" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_demonstration_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotional_ed.experiments import demo

    small = {task: dataclasses.replace(study, steps=300, seeds=3) for task, study in demo.TASKS.items()}
    monkeypatch.setattr(demo, "TASKS", small)
    (tmp_path / "demo").mkdir()
    assert demo.main(["--out", str(tmp_path / "demo"), "--jobs", "1"]) == 0
    folder = tmp_path / "demo-2"  # a taken folder is left alone
    text = capsys.readouterr().out
    assert text.count("| level-0 ") == len(small)
    assert (folder / "demo.png").stat().st_size > 10_000
    assert f"tensorboard --logdir {folder}" in text
    assert not os.listdir(tmp_path / "demo")
    assert set(demo.TUNED) == set(demo.TASKS)
    assert all(set(arms) == set(LADDER) for arms in demo.TUNED.values())


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited too long"
        time.sleep(0.1)


def ablation(out: Path, steps: int = 10_000_000) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "emotional_ed.experiments.cli",
        "ablate",
        DOOR,
        "--jobs",
        "2",
        "--arms",
        "ladder",
        "--seeds",
        "2",
    ]
    return subprocess.Popen(
        [*command, "--steps", str(steps), "--quiet", "--out", str(out)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def children(process: int) -> list[int]:
    listing = Path(f"/proc/{process}/task/{process}/children")
    return [int(one) for one in listing.read_text().split()] if listing.exists() else []


@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_ctrl_c_stops_all_arms_at_once_and_keeps_what_they_have(tmp_path: Path) -> None:
    out = tmp_path / "study"
    with ablation(out) as process:
        wait_for(lambda: all((out / arm / "metrics.csv").exists() for arm in ("level-0", "level-0+1")))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "emotional-ed: interrupted; what was finished is saved"
    for arm in ("level-0", "level-0+1"):
        assert EmotionalQ.load(out / arm / "checkpoint").num_timesteps > 0
    assert not (out / "level-0+1+2").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_killing_the_parent_ends_its_workers_and_killing_a_worker_spares_the_others(tmp_path: Path) -> None:
    out = tmp_path / "orphans"
    with ablation(out) as process:
        wait_for(
            lambda: (
                (out / "level-0" / "metrics.csv").exists() and (out / "level-0+1" / "metrics.csv").exists()
            )
        )
        workers = children(process.pid)
        process.kill()
    wait_for(lambda: not any(Path(f"/proc/{one}/exe").exists() for one in workers), 30)

    out = tmp_path / "wounded"
    with ablation(out, steps=1500) as process:
        wait_for(lambda: (out / "level-0+1" / "metrics.csv").exists())
        config = json.loads((out / "study.json").read_text())
        assert list(config["arms"]) == list(LADDER)
        victims = [
            one for one in children(process.pid) if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()
        ]
        os.kill(victims[-1], signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert "its process was killed by signal 9; it goes on in another one" in (out / "study.log").read_text()
    assert all((out / arm / "result.json").exists() for arm in LADDER)


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("mine\n")
    with pytest.raises(ValueError, match=r"already holds files \(metrics.csv\)"):
        train(TrainSpec(env_id=DOOR, steps=10), tmp_path)
    with pytest.raises(ValueError, match="out: got an empty name"):
        train(TrainSpec(env_id=DOOR, steps=10), "")
    assert (tmp_path / "metrics.csv").read_text() == "mine\n"


def test_the_exported_ladder_can_be_given_as_arms(tmp_path: Path) -> None:
    assert len(run_study(Study(env_id=DOOR, arms=LADDER, seeds=2, steps=60), tmp_path / "s")) == 3


def test_long_runs_are_checkpointed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    looks = iter(range(10**6))
    monkeypatch.setattr(Keeper, "is_due", lambda self: next(looks) % 400 == 399)
    save = EmotionalQ.save

    def count(self: EmotionalQ, path: Path) -> Path:
        saved.append(self.num_timesteps)
        return save(self, path)

    monkeypatch.setattr(EmotionalQ, "save", count)
    spec = TrainSpec(env_id=DOOR, steps=1000, affect=AffectConfig.levels(0))
    train(spec, tmp_path / "often", checkpoint_seconds=0)
    assert saved[0] == 400
    assert saved[-1] == 1000
    saved.clear()
    train(spec, tmp_path / "seldom", checkpoint_seconds=1000)
    assert saved == [1000]
