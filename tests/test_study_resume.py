"""A study that is killed, shared, full or damaged gives what an undisturbed one gives, or says why not."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis import load_run
from emotional_ed.experiments import Study, TrainSpec, rerun, run_study
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.jobs import Done, Job, run_job
from emotional_ed.experiments.keeper import Ear, Keeper
from emotional_ed.experiments.lock import FileLock
from emotional_ed.experiments.replayed_world import ReplayedWorld
from emotional_ed.experiments.run_folder import COLUMNS, Mark, RunFolder, last_mark
from emotional_ed.experiments.train import fit

DOOR = "EmotionalED/JammedDoor-v0"
TWO = {"level-0": AffectConfig.levels(0), "level-0+1": AffectConfig.levels(1)}
DEEP: dict[str, Any] = {
    "learning_starts": 40, "buffer_size": 300, "batch_size": 8, "train_freq": 5, "target_update_interval": 30,
    "policy_kwargs": {"net_arch": [16]},
}  # fmt: skip
SPECS = {
    "tensor program": TrainSpec(env_id=DOOR, steps=300, population=3, affect=AffectConfig.levels(2)),
    "Gymnasium's": TrainSpec(
        env_id="FrozenLake-v1", steps=300, population=3, affect=AffectConfig.levels(1), catastrophe_reward=-1.0
    ),
    "continuous": TrainSpec(env_id="CartPole-v1", steps=300, population=2, affect=AffectConfig.levels(1)),
    "trials": TrainSpec(
        env_id=DOOR, steps=300, population=4, affect=AffectConfig.levels(1),
        trials=[{"step_size": 0.2, "affect.fear.caution": 1.0}, {"step_size": 0.7, "affect.fear.caution": 3.0}],
    ),
    "deep": TrainSpec(
        env_id="CartPole-v1", steps=300, agent="emotional-dqn", affect=AffectConfig.levels(1), seed=3,
        catastrophe_reward=0.5, hyperparameters=DEEP,
    ),
}  # fmt: skip


def job_of(spec: TrainSpec, folder: Path) -> Job:
    return Job(
        name=folder.name, folder=folder, lock=folder.with_suffix(".lock"), spec=spec, checkpoint_seconds=0
    )


def look_every(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter(range(10**9))
    monkeypatch.setattr(Keeper, "is_due", lambda self: next(asked) % steps == steps - 1)


def numbers(folder: Path) -> tuple[Any, bytes]:
    """Return all that a run has come to, but for the time it took."""
    result = json.loads((folder / "result.json").read_text())
    result.pop("seconds")
    return result, (folder / "metrics.csv").read_bytes()


class Killed(BaseException):
    """As if the process had been killed: nothing is written any more."""


@pytest.mark.parametrize("kind", list(SPECS))
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    look_every(37, monkeypatch)
    spec = SPECS[kind]
    assert run_job(job_of(spec, tmp_path / "whole"), Ear()).outcome == "finished"
    stops = [0]

    def stopped() -> bool:
        stops[0] += 1
        return stops[0] % 3 == 0

    notes: list[str] = []
    job = job_of(spec, tmp_path / "broken")
    for _ in range(20):
        if run_job(job, Ear(stopped=stopped, note=notes.append)).outcome == "finished":
            break
    assert sum("goes on at step" in note for note in notes) >= 2, notes
    assert not any("anew" in note for note in notes)
    assert numbers(job.folder) == numbers(tmp_path / "whole")
    assert load_run(job.folder).steps >= spec.steps


@pytest.mark.parametrize("kind", ["tensor program", "deep"])
@pytest.mark.parametrize("where", ["save", "mark", "append_episodes", "write_result"])
def test_a_kill_in_the_middle_of_writing_loses_no_more_than_the_last_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, where: str
) -> None:
    """What was on the disk when a write began is all that is left, and what comes of it is the same."""
    look_every(31, monkeypatch)
    spec = SPECS[kind]
    run_job(job_of(spec, tmp_path / "whole"), Ear())
    home: Any = Keeper if where == "save" else RunFolder
    calls, real = [0], getattr(home, where)

    def torn(self: Any, *arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] in (1, 4):
            if where == "append_episodes":  # half a row
                with (self.path / "metrics.csv").open("a") as file:
                    file.write("0,17,12")
            if where == "save":  # the mark, but not the checkpoint it announces
                step, catastrophes, _ = arguments
                self.folder.mark(Mark(step, 1.0, self.folder.episodes, catastrophes, 1))
            raise Killed
        return real(self, *arguments)

    monkeypatch.setattr(home, where, torn)
    monkeypatch.setattr(EmotionalQ, "save", EmotionalQ.save)
    job = job_of(spec, tmp_path / "killed")
    for _ in range(5):
        try:
            if run_job(job, Ear()).outcome == "finished":
                break
        except Killed:
            continue
    assert calls[0] >= 2
    assert numbers(job.folder) == numbers(tmp_path / "whole")


def test_a_damaged_checkpoint_is_named_and_kept_and_the_run_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_every(40, monkeypatch)
    spec = SPECS["tensor program"]
    run_job(job_of(spec, tmp_path / "whole"), Ear())
    for name, kept in {"checkpoint.safetensors": 0.99, "metrics.csv": 0.3, "progress.csv": 0.2}.items():
        job = job_of(spec, tmp_path / name)
        assert run_job(job, Ear(stopped=iter([False, False, True]).__next__)).outcome == "stopped"
        data = (job.folder / name).read_bytes()
        (job.folder / name).write_bytes(data[: int(kept * len(data))])
        notes: list[str] = []
        assert run_job(job, Ear(note=notes.append)).outcome == "finished"
        assert len(notes) == 1
        assert "starts anew, because its" in notes[0]
        assert (job.folder / ".set-aside-1" / name).is_file()
        assert numbers(job.folder) == numbers(tmp_path / "whole")


def test_a_checkpoint_written_in_the_middle_of_an_error_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_every(10**6, monkeypatch)
    spec = SPECS["tensor program"]
    run_job(job_of(spec, tmp_path / "whole"), Ear())
    step = EmotionalQ._step

    def fail(self: EmotionalQ) -> None:
        if self.num_timesteps == 100:
            self.streams.next()  # half a step
            raise ValueError("broken world")
        step(self)

    job = job_of(spec, tmp_path / "failed")
    with monkeypatch.context() as broken:
        broken.setattr(EmotionalQ, "_step", fail)
        assert run_job(job, Ear()) == Done("failed", "broken world")
    assert EmotionalQ.load(job.folder / "checkpoint").num_timesteps == 100
    assert run_job(job, Ear()).outcome == "finished"
    assert numbers(job.folder) == numbers(tmp_path / "whole")


class Forgetful(gymnasium.Env[Any, Any]):
    """Draws from a generator that no seed reaches."""

    observation_space, action_space = spaces.Discrete(50), spaces.Discrete(2)
    spec = None
    hidden = np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        return int(self.hidden.integers(50)), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return int(self.hidden.integers(50)), 1.0, bool(self.hidden.random() < 0.1), False, {}


def test_a_world_that_breaks_its_word_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_every(40, monkeypatch)
    gymnasium.register("Forgetful-v0", lambda **_: Forgetful())
    job = job_of(TrainSpec(env_id="Forgetful-v0", steps=200, affect=AffectConfig.levels(0)), tmp_path / "run")
    try:
        looks = iter([False, True])
        assert run_job(job, Ear(stopped=lambda: next(looks))).outcome == "stopped"
        notes: list[str] = []
        assert run_job(job, Ear(note=notes.append)).outcome == "finished"
    finally:
        gymnasium.registry.pop("Forgetful-v0")
    assert "does not do the same again with the same seeds and actions" in notes[0]


def test_a_replayed_world_is_where_it_was() -> None:
    spec = SPECS["Gymnasium's"]
    world, again = spec.world(), spec.world()
    assert isinstance(world, ReplayedWorld)
    model = spec.build().learn(50)
    world = model.require_env()
    state = world.state()
    assert state is not None
    assert state["acted"].shape == (3, 50)  # members first, so that one can be taken out
    assert again.restorable(state)
    assert np.array_equal(again.restore(state, model.seeds), state["seen"])
    assert not again.restorable({**state, "acted": state["acted"][:2]})


def test_rows_of_metrics_are_whole_or_absent(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.append_episodes([(0, 0, 5, 1.5, 5), (0, 1, 9, 1.0, 4)])
    folder.mark(Mark(9, 1.0, 2, 0, 1))
    folder.append_episodes([(0, 2, 12, 1.0, 3)])
    folder.mark(Mark(12, 2.0, 3, 0, 0))
    assert last_mark(folder.path) == Mark(12, 2.0, 3, 0, 0)
    assert last_mark(folder.path, exact=True) == Mark(9, 1.0, 2, 0, 1)
    assert folder.cut_back(12) is None  # not exact
    assert folder.cut_back(9) == Mark(9, 1.0, 2, 0, 1)
    lines = (folder.path / "metrics.csv").read_text().split()
    assert lines == [",".join(COLUMNS), "0,0,5,1.5,5", "0,1,9,1.0,4"]


def test_a_lock_is_held_by_one_and_freed_by_the_end_of_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.lock"
    mine = FileLock(path)
    assert mine.take()
    assert mine.holder().endswith(f" {os.getpid()}")
    assert not FileLock(path).take()
    code = (
        "import sys, time; from pathlib import Path; from emotional_ed.experiments.lock import FileLock;"
        "lock = FileLock(Path(sys.argv[1])); print(lock.take(), flush=True); time.sleep(60)"
    )
    mine.release()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not FileLock(path).take()
        other.kill()
        other.wait()
        assert FileLock(path).take(wait=True)


def test_a_study_goes_on_where_it_was_and_leaves_finished_runs_alone(tmp_path: Path) -> None:
    small = Study(env_id=DOOR, seeds=2, steps=150, arms=TWO)
    whole = run_study(small, tmp_path / "whole")
    run_study(small, tmp_path / "broken")
    kept = tmp_path / "broken" / "level-0"
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in kept.iterdir()}
    (tmp_path / "broken" / "level-0+1" / "result.json").unlink()
    again = run_study(small, tmp_path / "broken")
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in kept.iterdir()} == before
    assert [dataclasses.replace(row, seconds=0) for row in again] == [
        dataclasses.replace(row, seconds=0) for row in whole
    ]
    assert numbers(tmp_path / "broken" / "level-0+1") == numbers(tmp_path / "whole" / "level-0+1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 151}, r"another study \(steps is 150 there and 151 here\)"),
        ({"arms": {"level-0": TWO["level-0+1"]}}, r"another study \(arms.level-0\.\w+.* is null there and"),
        ({"env_kwargs": {"most": 3}}, r"another study \(env_kwargs.most is null there and 3 here\)"),
    ],
)
def test_a_folder_of_another_study_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    study = Study(env_id=DOOR, seeds=1, steps=150, arms={"level-0": TWO["level-0"]})
    run_study(study, tmp_path)
    before = sorted((file, file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file())
    with pytest.raises(ValueError, match=message):
        run_study(dataclasses.replace(study, **change), tmp_path)
    assert sorted((file, file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file()) == before


def test_a_folder_of_another_version_and_damaged_files(tmp_path: Path) -> None:
    study = Study(env_id=DOOR, seeds=2, steps=150, arms=TWO)
    run_study(study, tmp_path)
    file = tmp_path / "study.json"
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({**whole, "versions": {**whole["versions"], "emotional_ed": "0.0.7"}}))
    with pytest.raises(ValueError, match=r"which version 0\.0\.7 of emotional_ed began and this is"):
        run_study(study, tmp_path)
    file.write_text(json.dumps(whole)[:-9])
    (tmp_path / "level-0" / "result.json").write_text("{")
    table = run_study(study, tmp_path)
    assert [row.arm for row in table] == ["level-0+1"]
    assert [one.folder.name for one in table.study.skipped] == ["level-0"]
    assert table.notes[0].startswith("study.json is damaged")
    assert "level-0: is left out and left as it is" in table.notes[1]
    assert (tmp_path / "level-0" / "result.json").read_text() == "{"
    assert (tmp_path / "study.json.damaged").is_file()
    for arm in TWO:
        (tmp_path / arm / "result.json").write_text("{")
    with pytest.raises(ValueError, match="expected a study with at least one finished run"):
        run_study(study, tmp_path)


def test_a_finished_run_of_another_study_is_not_taken_for_ours(tmp_path: Path) -> None:
    study = Study(env_id=DOOR, seeds=1, steps=150, arms=TWO)
    run_study(study, tmp_path)
    config = tmp_path / "level-0" / "config.json"
    config.write_text(config.read_text().replace('"step_size": 0.1', '"step_size": 0.2', 1))
    with pytest.raises(ValueError, match=r"a finished run that was not of this study \(step_size was 0.2"):
        run_study(study, tmp_path)


def test_rerun_gives_the_same_numbers_or_says_which_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("tensor program", "Gymnasium's", "deep"):
        folder = tmp_path / kind.replace(" ", "-")
        run_job(job_of(SPECS[kind], folder), Ear())
        assert rerun(folder).same
    run = tmp_path / "tensor-program"
    files = {file.name: file.read_bytes() for file in run.iterdir()}
    assert main(["rerun", str(run), "--quiet", "--out", str(tmp_path / "again")]) == 0
    assert (
        re_line(capsys, "same:") == f"{len(load_run(run).episodes):,} episodes of 3 members, 300 steps each"
    )
    assert numbers(tmp_path / "again") == numbers(run)
    lines = (run / "metrics.csv").read_text().splitlines()
    fields = lines[4].split(",")
    lines[4] = ",".join([*fields[:3], "0.125", fields[4]])
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    assert main(["rerun", str(run), "--quiet"]) == 1
    assert "row 4 of metrics.csv" in re_line(capsys, "different:")
    (run / "metrics.csv").write_bytes(files["metrics.csv"])
    config = json.loads(files["config.json"])
    (run / "config.json").write_text(json.dumps({**config, "revision": "abc", "versions": {"torch": "1.0"}}))
    assert rerun(run).changed[-1].startswith("the revision was abc")
    (run / "result.json").unlink()
    assert main(["rerun", str(run), "--quiet"]) == 2
    assert "expected a finished run" in capsys.readouterr().err
    assert {file.name for file in run.iterdir()} == set(files) - {"result.json"}


def re_line(capsys: pytest.CaptureFixture[str], head: str) -> str:
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(head)]
    assert len(lines) == 1
    return lines[0].removeprefix(head).strip()


def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_every(40, monkeypatch)
    spec = SPECS["tensor program"]
    run_job(job_of(spec, tmp_path / "whole"), Ear())
    job = job_of(spec, tmp_path / "full")
    look_every(40, monkeypatch)
    real, calls = RunFolder.append_episodes, [0]

    def full(self: RunFolder, episodes: Any) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise OSError(28, "No space left on device", str(self.path / "metrics.csv"))
        real(self, episodes)

    monkeypatch.setattr(RunFolder, "append_episodes", full)
    done = run_job(job, Ear())
    assert done.outcome == "full"
    assert done.reason == f"No space left on device at {job.folder / 'metrics.csv'}"
    assert EmotionalQ.load(job.folder / "checkpoint").num_timesteps in (40, 80, 120)
    assert run_job(job, Ear()).outcome == "finished"
    assert numbers(job.folder) == numbers(tmp_path / "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_real_limit_on_files_is_told_and_the_next_call_goes_on(tmp_path: Path) -> None:
    """The operating system refuses to write on, as on a full disk."""
    arguments = [
        "ablate",
        DOOR,
        "--arms",
        "level-0",
        "--seeds",
        "4",
        "--steps",
        "1500",
        "--jobs",
        "1",
        "--quiet",
    ]
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "from emotional_ed.experiments.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    out = ["--out", str(tmp_path / "s")]
    limited = subprocess.run(
        [sys.executable, "-c", code, *arguments, *out],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert limited.returncode == 2
    assert limited.stderr.count("\n") == 1
    assert "study: got jobs that failed: 'level-0': File too large" in limited.stderr
    assert "the same call goes on" in limited.stderr
    assert main([*arguments, *out]) == 0
    assert main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    assert numbers(tmp_path / "s" / "level-0") == numbers(tmp_path / "whole" / "level-0")


# ---------------------------------------------------------------- the real thing


def ablation(out: Path, *more: str) -> list[str]:
    fixed = ["--arms", "level-0,level-0+1", "--seeds", "2", "--steps", "6000", "--checkpoint-seconds", "0.3"]
    return [
        sys.executable,
        "-m",
        "emotional_ed.experiments.cli",
        "ablate",
        DOOR,
        *fixed,
        *more,
        "--out",
        str(out),
    ]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited too long"
        time.sleep(0.05)


def steps_of(folder: Path) -> int:
    mark = last_mark(folder, exact=True)
    return 0 if mark is None else mark.step


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_killing_everything_again_and_again_changes_nothing(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(ablation(whole, "--jobs", "1", "--quiet"), check=True, stdout=subprocess.DEVNULL)
    for kills, arm in enumerate(["level-0", "level-0+1", "level-0+1"]):
        with subprocess.Popen(
            ablation(broken, "--jobs", "2", "--quiet"), stdout=subprocess.DEVNULL
        ) as process:
            before = steps_of(broken / arm)
            wait_for(lambda arm=arm, before=before: steps_of(broken / arm) > before or (broken / arm / "result.json").exists())  # type: ignore[misc]  # fmt: skip
            victims = [
                int(one)
                for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            ]
            for victim in [*victims[: kills % 2], process.pid]:
                os.kill(victim, signal.SIGKILL)
            process.wait()
    log = broken / "study.log"
    done = subprocess.run(ablation(broken, "--jobs", "2"), check=True, capture_output=True, text=True)
    assert "goes on at step" in log.read_text()
    assert "begins with arms" in done.stderr
    assert "steps/s" in done.stderr or "finished; arms 2/2, seeds 4/4" in done.stderr
    for arm in ("level-0", "level-0+1"):
        assert numbers(broken / arm) == numbers(whole / arm)


@pytest.mark.slow
def test_two_callers_share_a_folder(tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    subprocess.run(ablation(whole, "--jobs", "1", "--quiet"), check=True, stdout=subprocess.DEVNULL)
    callers = [
        subprocess.Popen(
            ablation(shared, "--jobs", "1", "--quiet"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    tables = [one.communicate(timeout=300) for one in callers]
    assert [one.returncode for one in callers] == [0, 0], tables
    assert tables[0][0] == tables[1][0]  # the same table, also the time it took: each job was done once
    assert "is being trained by another process" in (shared / "study.log").read_text()
    for arm in ("level-0", "level-0+1"):
        assert numbers(shared / arm) == numbers(whole / arm)
        assert len(list((shared / arm).glob("events.*"))) == 1


def test_training_stops_between_two_steps_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_every(10, monkeypatch)
    folder = RunFolder(tmp_path / "run")
    spec = SPECS["tensor program"]
    folder.write_config(spec.to_dict())
    told: list[int] = []
    assert not fit(spec, folder, Ear(tell=told.append, stopped=lambda: len(told) == 3))
    assert told == [10, 20, 30]
    assert EmotionalQ.load(folder.path / "checkpoint").num_timesteps == 30
