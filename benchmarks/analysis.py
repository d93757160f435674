"""How long reading, analysing and reporting 400 runs of 1000 episodes takes.

Run it: OMP_NUM_THREADS=1 python benchmarks/analysis.py
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emotional_ed.analysis import claims, compare, load_study, recoveries, report
from emotional_ed.experiments import Study, run_study
from emotional_ed.experiments.study_episodes import study_episodes

ARMS, SEEDS, EPISODES, LENGTH = 8, 50, 1000, 20
ROUNDS = 5
ENV = "EmotionalED/RecurringRegimes-v0"


def main() -> int:
    """Print seconds by the clock and of the processor, the median of some rounds."""
    with tempfile.TemporaryDirectory() as temporary:
        many, few, real = (Path(temporary) / name for name in ("many", "few", "real"))
        write_study(many, members=1)
        write_study(few, members=SEEDS)
        run_study(Study(env_id=ENV, seeds=30, steps=1000), real)
        print(f"{ARMS} arms of {SEEDS} seeds, {EPISODES} episodes each, median of {ROUNDS} rounds\n")
        print("| what | seconds by the clock | seconds of processor |")
        print("| --- | ---: | ---: |")
        show("load and analyse, a folder a seed (400 folders)", lambda: analyse(many))
        show("load and analyse, a folder an arm (8 folders)", lambda: analyse(few))
        show("load, analyse and write the report, a folder a seed", lambda: report(many))
        show(
            "report of the ladder, 30 seeds, with 1000 steps of each of three arms lived again",
            lambda: relive(real),
        )
    return 0


def write_study(root: Path, members: int) -> None:
    """Write runs by hand: `members` of 1 gives every seed a folder of its own."""
    rng = np.random.default_rng(0)
    for arm in range(ARMS):
        for first in range(0, SEEDS, members):
            folder = root / f"arm-{arm}" / f"seed_{first}" if members == 1 else root / f"arm-{arm}"
            folder.mkdir(parents=True)
            config = {"env_id": ENV, "population": members, "steps": EPISODES * LENGTH, "seed": first}
            returns = rng.normal(size=(EPISODES, members)).tolist()
            lines = [
                f"{m},{e},{LENGTH * e + LENGTH},{returns[e][m]},{LENGTH}"
                for e in range(EPISODES)
                for m in range(members)
            ]
            result = {"seconds": 1.0, "catastrophes": [0] * members, "episodes": len(lines)}
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "metrics.csv").write_text(
                "\n".join(["member,episode,step,return,length", *lines]) + "\n"
            )
            (folder / "result.json").write_text(json.dumps(result))


def analyse(root: Path) -> None:
    """Do all that a table needs."""
    study = load_study(root)
    compare(study), claims(study), recoveries(study)


def relive(root: Path) -> None:
    """Do what the command does."""
    study = load_study(root)
    episodes, notes = study_episodes(study)
    report(study, episodes=episodes, episode_notes=notes)


def show(name: str, work: Callable[[], object]) -> None:
    """Print a row of the table."""
    clock, processor = [], []
    for _ in range(ROUNDS):
        began, busy = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    print(f"| {name} | {statistics.median(clock):.1f} | {statistics.median(processor):.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
