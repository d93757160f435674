"""What a run folder costs: a job of a study against the same training without one, in pairs.

Run it: OMP_NUM_THREADS=1 python benchmarks/runner.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import tensorboard_logger
from emotional_ed.experiments.jobs import Job, run_job
from emotional_ed.experiments.keeper import Ear
from emotional_ed.experiments.train import TrainSpec

PAIRS, STEPS, SEEDS = 5, 20_000, 30


def main() -> int:
    """Print how much longer a job takes, the median of pairs in turns, in seconds of the processor."""
    torch.set_num_threads(1)
    print(f"JammedDoor, {SEEDS} seeds of {STEPS} steps, {PAIRS} pairs; both write TensorBoard curves\n")
    print("| affect | training, s | overhead of the job, % (quartiles) |")
    print("| --- | ---: | ---: |")
    for level in (0, 1, 2):
        affect = AffectConfig.levels(level)
        spec = TrainSpec(env_id="EmotionalED/JammedDoor-v0", steps=STEPS, population=SEEDS, affect=affect)
        with tempfile.TemporaryDirectory() as temporary:
            pairs = [pair(spec, Path(temporary) / str(i), job_first=i % 2 == 0) for i in range(PAIRS + 1)][1:]
        low, middle, high = statistics.quantiles([100 * (job / alone - 1) for alone, job in pairs], n=4)
        seconds = statistics.median(alone for alone, _ in pairs)
        print(f"| level {level} | {seconds:.1f} | {middle:.1f} ({low:.1f} to {high:.1f}) |", flush=True)
    return 0


def pair(spec: TrainSpec, folder: Path, *, job_first: bool) -> tuple[float, float]:
    """Return what training alone and the job took."""
    if job_first:
        taken = job(spec, folder)
        return alone(spec, folder), taken
    return alone(spec, folder), job(spec, folder)


def alone(spec: TrainSpec, folder: Path) -> float:
    """Train as a script would."""
    model = spec.build()
    model.set_logger(tensorboard_logger(folder / "alone"))
    began = time.process_time()
    model.learn(spec.steps, log_interval=500)
    return time.process_time() - began


def job(spec: TrainSpec, folder: Path) -> float:
    """Train as a study does: metrics, marks, checkpoints, results and locks in a folder."""
    began = time.process_time()
    done = run_job(Job(name="run", folder=folder / "run", lock=folder / "lock", spec=spec), Ear())
    taken = time.process_time() - began
    if done.outcome != "finished":
        raise RuntimeError(f"job: got {done}, expected it to finish")
    return taken


if __name__ == "__main__":
    sys.exit(main())
