"""The ladder of levels on three tasks: table, picture and TensorBoard runs, in about two minutes."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emotional_ed.analysis import ArmSummary, load_study, markdown_table
from emotional_ed.analysis.plots import plot_study
from emotional_ed.experiments.study import Study, run_study
from emotional_ed.experiments.timeline import record_first_episode
from emotional_ed.experiments.tune import tune

SEEDS = 20
TASKS = {
    "cliff": Study(
        env_id="CliffWalkingSlippery-v1",
        seeds=SEEDS,
        steps=10_000,
        catastrophe_reward=-100,
        discount=0.97,
    ),
    "regimes": Study(
        env_id="EmotionalED/RecurringRegimes-v0",
        seeds=SEEDS,
        steps=15_000,
        env_kwargs={"noise": 0.5},
        discount=0.97,
    ),
    "door": Study(env_id="EmotionalED/JammedDoor-v0", seeds=SEEDS, steps=10_000, discount=0.97),
}
"""Task -> the study that the demonstration runs."""

TUNED: dict[str, dict[str, dict[str, float]]] = {
    "cliff": {
        "level-0": {"step_size": 0.758, "exploration": 0.007},
        "level-0+1": {"step_size": 0.758, "exploration": 0.007},
        "level-0+1+2": {"step_size": 0.572, "exploration": 0.006},
    },
    "regimes": {
        "level-0": {"step_size": 0.65, "exploration": 0.145},
        "level-0+1": {"step_size": 0.819, "exploration": 0.033},
        "level-0+1+2": {"step_size": 0.049, "exploration": 0.006},
    },
    "door": {
        "level-0": {"step_size": 0.036, "exploration": 0.268},
        "level-0+1": {"step_size": 0.097, "exploration": 0.011},
        "level-0+1+2": {"step_size": 0.097, "exploration": 0.011},
    },
}
"""Task -> arm -> the best of 60 random configurations on 5 tuning seeds each, the same for every arm.

Found by `python -m emotional_ed.experiments.demo --tune`; the seeds are not those of the table.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration, or with `--tune` search the settings that it uses."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.demo", description=__doc__)
    parser.add_argument(
        "--out", default="runs/demo", help="a new folder, numbered if taken (default runs/demo)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="arms trained at the same time")
    parser.add_argument("--tune", action="store_true", help="search each arm's settings and print them")
    arguments = parser.parse_args(argv)
    if arguments.tune:
        return _search()
    began = time.perf_counter()
    out = _free_folder(Path(arguments.out))
    summaries: list[ArmSummary] = []
    for task, study in TASKS.items():
        tuned = dataclasses.replace(study, settings=TUNED.get(task, {}))
        summaries += run_study(tuned, out / task, jobs=arguments.jobs, progress_bar=True)
    feeling = dataclasses.replace(TASKS["cliff"], settings=TUNED["cliff"]).specs()["level-0+1+2"]
    timeline = record_first_episode(feeling, limit=feeling.steps)
    picture = plot_study(
        {TASKS[task].env_id: load_study(out / task) for task in TASKS},
        timeline,
        out / "demo.png",
        timeline_title=f"{feeling.env_id}: the first episode of one member at level 0+1+2",
    )
    table = markdown_table(summaries)
    (out / "table.md").write_text(table + "\n")
    print(f"\n{table}\n")
    print(
        f"IQM with 95 % bootstrap interval over {SEEDS} seeds. Step size and exploration of each arm: "
        "the best of\n60 random configurations on other seeds, the same number for every arm."
    )
    print(f"total:    {time.perf_counter() - began:.0f} s")
    print(f"picture:  {picture}")
    print(f"curves:   .venv/bin/tensorboard --logdir {out}")
    return 0


def _search() -> int:
    for task, study in TASKS.items():
        for arm, spec in study.specs().items():
            found = tune(spec, budget=60, seeds=5)
            settings = {name: round(value, 3) for name, value in found.settings.items()}
            print(f"{task:8} {arm:12} {settings} score {found.score:.3f}", flush=True)
    return 0


def _free_folder(wanted: Path) -> Path:
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


if __name__ == "__main__":
    sys.exit(main())
