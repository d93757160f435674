"""The ladder of the deep agent: every rung, and everything less each part, at the settings a contest found.

Nothing is searched here. Level 0 runs at its own best setting of a finished contest; whatever feels runs at
that of the full agent there, as far as it has a place for it, so that each step changes one thing. Finished
runs are kept. 23 arms on 10 seeds of recurring CartPole take about three hours on one core.

python -m emotional_ed.experiments.deep.ladder --contest runs/pole --out runs/pole-ladder
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_ed.affect import (
    AffectConfig,
    RecallConfig,
    SalienceConfig,
    WeightsConfig,
)
from emotional_ed.agents.deep import DeepSleepConfig
from emotional_ed.analysis import estimate
from emotional_ed.analysis.table import table_of
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.contests.arm import Setting
from emotional_ed.experiments.contests.contest import TUNING_SEED
from emotional_ed.experiments.contests.rungs import (
    EMOTIONS,
    EVERYTHING,
    MOODS,
    PLAIN,
    REMOVED,
    SILENT,
    SLEEP,
    WEIGHED,
    everything,
    lacks_a_part,
    without,
)
from emotional_ed.experiments.contests.verdicts import MARKS, differences
from emotional_ed.experiments.deep.arm import DeepArm, PrioritisedConfig
from emotional_ed.experiments.deep.folder import claim
from emotional_ed.experiments.deep.jobs import DeepJob, read_life, run_jobs
from emotional_ed.experiments.deep.task import DEEP_TASKS, DeepTask
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

FULL, TUNED_PLAIN = "level-2", "dqn"
"""The arms of the contest whose settings are taken."""
AT_FULL = f"{PLAIN} at the full agent's setting"
"""What the rungs' gain is, less that of the setting."""
BY_CHANCE = f"{MOODS} by chance"
"""The control of recall: as many memories, switched on a fixed timetable that knows nothing."""
FIRST_SEED = 100
"""Reported seeds begin here, behind those of the contest."""
FELT = ("arousal", "fear", "anger")
"""The emotions of level 1, each of which is taken away in turn."""
_REPLAY = PrioritisedConfig(uniform=0.1, salience_share=0.5)


def deep_rungs() -> dict[str, DeepArm]:
    """Return level 0, the rungs above it, a control, and everything less each of its parts, by name."""
    plain, emotions, full = (AffectConfig.levels(highest) for highest in range(3))
    entire = DeepArm(
        role="own",
        affect=everything(full),
        replay=_REPLAY,
        sleep=DeepSleepConfig(),
        note="every level and emotion but regret, learned weights, salience replay and sleep",
    )
    return {
        PLAIN: DeepArm(role="rival", note="at its own best setting"),
        AT_FULL: DeepArm(role="control", note="what the setting alone brings"),
        EMOTIONS: DeepArm(role="own", affect=emotions),
        f"{EMOTIONS} shuffled": DeepArm(
            role="control",
            affect=dataclasses.replace(emotions, shuffled=("fear", "anger")),
            note="fear and anger at the wrong times",
        ),
        **{
            f"{EMOTIONS} less {part}": DeepArm(
                role="control",
                affect=dataclasses.replace(emotions, **{part: None}),  # type: ignore[arg-type]
                note=f"without {part}",
            )
            for part in FELT
        },
        MOODS: DeepArm(role="own", affect=full),
        BY_CHANCE: DeepArm(
            role="control",
            affect=dataclasses.replace(full, recall=RecallConfig(cue="chance")),
            fixed={"affect.recall.threshold": 10.0},
            note="switches memories every ten episodes on average, on a fixed timetable",
        ),
        WEIGHED: DeepArm(role="own", affect=dataclasses.replace(full, weights=WeightsConfig())),
        SLEEP: DeepArm(
            role="own",
            affect=dataclasses.replace(plain, salience=SalienceConfig()),
            replay=_REPLAY,
            sleep=DeepSleepConfig(),
            note="salience replay and sleep without emotions that act",
        ),
        EVERYTHING: entire,
        **{
            without(part): _less(entire, part)
            for part in (*SILENT, *REMOVED)
            if part != "regret"  # nobody tells what other actions would have brought
        },
    }


def _less(entire: DeepArm, part: str) -> DeepArm:
    gone = dict.fromkeys(REMOVED.get(part, ()))
    asleep = part != "sleep"
    return dataclasses.replace(
        entire,
        role="control",
        affect=dataclasses.replace(entire.affect, **gone),  # type: ignore[arg-type]
        replay=entire.replay if asleep else None,
        sleep=entire.sleep if asleep else None,
        fixed=dict(SILENT.get(part, {})),
        note=f"without {part}",
    )


def setting_of(arm: DeepArm, tuned: Setting) -> dict[str, float]:
    """Return what of a tuned setting an arm has a place for, and what is fixed for it."""
    fitting = {path: value for path, value in tuned.items() if _has(arm, path)}
    return {**fitting, **arm.fixed}


def _has(arm: DeepArm, path: str) -> bool:
    parts = path.split(".")
    if len(parts) == 1:
        return True
    held = getattr(arm, parts[0])
    return (getattr(held, parts[1]) if parts[0] == "affect" else held) is not None


def tuned_settings(contest: Path, full: str = FULL) -> tuple[DeepTask, str, dict[str, dict[str, float]]]:
    """Read task, its name, and the best setting of every arm of a finished contest.

    Args:
        contest: its folder.
        full: the arm whose setting everything that feels is to run at.

    Raises:
        ValueError: the folder holds no finished contest, or one without the two arms that are needed.
    """
    try:
        facts = json.loads((contest / "suite.json").read_text())
        name, found = facts["task"]["name"], {one["arm"]: one["setting"] for one in facts["entries"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"contest: got {str(contest)!r}, expected the folder of a finished "
            "`python -m emotional_ed.experiments.deep.contest`"
        ) from None
    missing = sorted({full, TUNED_PLAIN} - set(found))
    if missing:
        raise ValueError(
            f"contest: got {str(contest)!r} with the arms {sorted(found)}, expected {missing} among them"
        )
    require_choice("contest's task", name, DEEP_TASKS)
    return DEEP_TASKS[name], name, found


def run_deep_ladder(
    contest: Path,
    out: Path,
    *,
    seeds: int = 10,
    jobs: int = 2,
    arms: Sequence[str] = (),
    steps: int | None = None,
    full: str = FULL,
    first_seed: int = FIRST_SEED,
) -> str:
    """Run what is missing, write `scores.csv` and `table.md`, and return the table of all finished arms.

    Args:
        contest: folder of a finished deep contest.
        out: a new folder, or that of the same ladder, which then goes on where it stopped.
        seeds: fresh ones, the same for every arm, >= 2.
        jobs: processes; results do not depend on it.
        arms: names; all by default.
        steps: of a run; the task's by default.
        full: the contest's arm at whose setting everything runs that feels.
        first_seed: of those that are reported; take others than the contest reported.

    Raises:
        ValueError: bad input, or a folder that holds something else.
    """
    require_int("first_seed", first_seed, 0, TUNING_SEED - 2)
    require_int("seeds", seeds, 2, TUNING_SEED - first_seed)
    every = deep_rungs()
    for name in arms:
        require_choice("arms", name, every)
    task, task_name, tuned = tuned_settings(contest, full)
    task = task if steps is None else dataclasses.replace(task, steps=require_int("steps", steps, 1))
    plan = {
        "task": {"name": task_name, **task.to_dict()},
        "seeds": seeds,
        "settings": {name: tuned[name] for name in (full, TUNED_PLAIN)},
        **({} if first_seed == FIRST_SEED else {"first_seed": first_seed}),
    }
    reported = range(first_seed, first_seed + seeds)
    claim(out / "plan.json", plan, empty=out)
    all_jobs = {
        name: _jobs(task, name, arm, tuned[TUNED_PLAIN if name == PLAIN else full], out, reported)
        for name, arm in every.items()
    }
    for name in [one for one in every if one in arms or not arms]:  # arm by arm: early rungs first
        claim(out / "runs" / _slug(name) / "arm.json", every[name].to_dict())
        run_jobs(all_jobs[name], jobs)
    scores = {
        name: np.array([read_life(job).score for job in mine])
        for name, mine in all_jobs.items()
        if all(job.path.exists() for job in mine)
    }
    write_atomically(out / "scores.csv", _csv(task_name, reported, scores).encode())
    told = deep_ladder_table(task_name, task, scores, full)
    write_atomically(out / "table.md", told.encode())
    write_json(out / "ladder.json", {**plan, **provenance()})
    return told


def _slug(name: str) -> str:
    return name.replace("'", "").replace(" ", "-")


def _jobs(
    task: DeepTask, name: str, arm: DeepArm, tuned: Setting, out: Path, reported: range
) -> list[DeepJob]:
    setting, folder = setting_of(arm, tuned), out / "runs" / _slug(name)
    return [DeepJob(task, arm, setting, seed, folder / f"seed{seed}.json") for seed in reported]


def deep_ladder_table(
    task_name: str, task: DeepTask, scores: Mapping[str, NDArray[np.float64]], full: str = FULL
) -> str:
    """Return what every finished arm came to as Markdown; rungs beside level 0, the rest beside everything.

    p values are corrected by Holm over the rungs, and over everything less each part.
    """
    rungs = [name for name in scores if name != PLAIN and not lacks_a_part(name)]
    parts = [name for name in scores if lacks_a_part(name)]
    gaps: dict[str, str] = {}
    for names, other in ((rungs, PLAIN), (parts, EVERYTHING)):
        if names and other in scores:
            found = differences([(scores[name], scores[other]) for name in names])
            for name, gap in zip(names, found, strict=True):
                gaps[name] = f"{gap.gain:.3g} (p {gap.p:.2g}){MARKS[gap.sign]}"
    rows = [(name, f"{estimate(one):.3g}", gaps.get(name, "")) for name, one in scores.items()]
    number = len(next(iter(scores.values()))) if scores else 0
    about = (
        f"Deep ladder on {task_name} ({task.env_id}, {task.steps} steps): mean return of all episodes, IQM "
        f"over {number} fresh seeds with bootstrap 95 % interval. Level 0 at its own best setting of the "
        f"contest, all else at that of {full!r}. Differences on common seeds: rungs and controls from "
        f"{PLAIN!r}, removals from {EVERYTHING!r}."
    )
    return f"{textwrap.fill(about, 110)}\n\n{table_of(('arm', 'score', 'difference'), rows)}\n"


def _csv(task_name: str, reported: range, scores: Mapping[str, NDArray[np.float64]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("task", "arm", "seed", "score"))
    for name, found in scores.items():
        for seed, score in zip(reported, found, strict=True):
            writer.writerow((task_name, name, seed, score))
    return text.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing of a ladder, and print its table; return 2 for bad input, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m emotional_ed.experiments.deep.ladder", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--contest", required=True, metavar="DIR", help="folder of a finished deep contest")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder; finished runs in it are kept")
    parser.add_argument("--arms", nargs="*", default=[], help="names of arms; all of them by default")
    parser.add_argument("--seeds", type=int, default=10, help="fresh seeds (default 10)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--steps", type=int, help="steps of a run (default: the task's)")
    parser.add_argument("--full", default=FULL, help=f"whose setting what feels runs at (default {FULL})")
    parser.add_argument(
        "--first-seed", type=int, default=FIRST_SEED, help=f"first of the seeds (default {FIRST_SEED})"
    )
    given = parser.parse_args(argv)

    def work() -> str:
        return run_deep_ladder(
            Path(given.contest),
            Path(given.out),
            seeds=given.seeds,
            jobs=given.jobs,
            arms=given.arms,
            steps=given.steps,
            full=given.full,
            first_seed=given.first_seed,
        )

    return tell("deep-ladder", work)


if __name__ == "__main__":
    sys.exit(main())
