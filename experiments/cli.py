"""The command `emotional-ed`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emotional_ed.checks import require_choice

if TYPE_CHECKING:
    from emotional_ed.experiments.study import Study

EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (1: a rerun differs, 2: bad input, 130: Ctrl-C)."""
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.run(arguments))
    except ValueError as error:
        print(f"emotional-ed: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:
        print(f"emotional-ed: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("emotional-ed: interrupted; what was finished is saved", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emotional-ed", description="Affective reinforcement learning.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("train", help="train one agent or population into a run folder")
    _add_task(one)
    one.add_argument("--agent", default="emotional-q", help="name of the agent (see: emotional-ed list)")
    one.add_argument("--level", type=int, default=2, help="highest level of affect: 0, 1 or 2 (default 2)")
    one.add_argument(
        "--curious", action="store_true", help="with curiosity, which finds rewards that are rare"
    )
    one.add_argument("--population", type=int, default=1, help="members, with seeds S, S+1, ... (default 1)")
    one.add_argument("--seed", type=int, default=0, help="seed of the first member (default 0)")
    one.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    _add_deep(one)
    one.set_defaults(run=_train)

    several = commands.add_parser("ablate", help="train the ladder of levels and its ablations; compare them")
    _add_task(several)
    _add_ablation(several)
    several.set_defaults(run=_ablate)

    again = commands.add_parser("rerun", help="train a finished run again and see whether it gives the same")
    again.add_argument("folder", metavar="RUN", help="the folder of a finished run")
    again.add_argument("--out", default=None, metavar="DIR", help="keep the new run here (default: nowhere)")
    again.add_argument("--quiet", action="store_true", help="no progress bar")
    again.set_defaults(run=_rerun)

    fair = commands.add_parser("suite", help="tune a mechanism and all its rivals on a task, and compare")
    _add_suite(fair)
    fair.set_defaults(run=_suite)

    told = commands.add_parser("report", help="write report.html, .md and .csv into a study's folder")
    told.add_argument("folder", metavar="DIR", help="a study, a run, or Stable-Baselines3 runs")
    told.add_argument(
        "--baseline", metavar="ARM", help="what the others are compared with (default level-0, or the first)"
    )
    told.add_argument(
        "--relive", type=int, default=1000, metavar="STEPS",
        help="steps of each arm's first seed lived again to show what it felt (default 1000; 0: none)",
    )  # fmt: skip
    told.set_defaults(run=_report)

    look = commands.add_parser("watch", help="show an episode of a run, as text and as a film")
    _add_watch(look)
    look.set_defaults(run=_watch)

    known = commands.add_parser("list", help="list environments, agents, arms, tasks and mechanisms")
    known.set_defaults(run=_list)
    return parser


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env_id", metavar="ENV_ID", help="Gymnasium id, e.g. EmotionalED/RecurringRegimes-v0")
    parser.add_argument("--steps", type=int, default=10_000, help="steps of each member (default 10000)")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder for the results")
    parser.add_argument("--step-size", type=float, default=0.1, help="of level 0, in [0, 1] (default 0.1)")
    parser.add_argument("--discount", type=float, default=0.99, help="in [0, 1] (default 0.99)")
    parser.add_argument(
        "--exploration", type=float, default=0.1, help="probability of a random action (default 0.1)"
    )
    parser.add_argument(
        "--catastrophe-reward", type=float, default=None, metavar="R",
        help="count a reward of at most R as a catastrophe in the report",
    )  # fmt: skip
    parser.add_argument(
        "--env-kwargs", type=_json_object, default={}, metavar="JSON",
        help="arguments of the environment, e.g. '{\"noise\": 0.5}'",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_deep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", default="MlpPolicy", help="of a deep agent (default MlpPolicy)")
    parser.add_argument(
        "--hyperparameters", type=_json_object, default={}, metavar="JSON",
        help="of a deep agent, by Stable-Baselines3's names, e.g. '{\"learning_rate\": 0.001}'",
    )  # fmt: skip


def _add_ablation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agent", default="emotional-q", help="name of the agent (see: emotional-ed list)")
    _add_deep(parser)
    parser.add_argument("--seeds", type=int, default=30, help="seeds of each arm (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument(
        "--arms", default="ladder,leave-one-out", metavar="NAMES",
        help="arms or groups, with commas: ladder, curious, leave-one-out, controls, all, level-0, ... "
        "(default ladder,leave-one-out)",
    )  # fmt: skip
    parser.add_argument(
        "--tune", type=int, default=0, metavar="N",
        help="search each arm's settings first: N random ones, on seeds of their own (default 0: none)",
    )  # fmt: skip
    parser.add_argument("--tune-seeds", type=int, default=5, metavar="K", help="seeds of each (default 5)")
    parser.add_argument(
        "--tune-seed", type=int, default=1_000_000, help="the first of them (default 1000000)"
    )
    parser.add_argument("--question", default=None, help="what the study asks, for its report")
    parser.add_argument(
        "--jobs", type=int, default=None, help="jobs at the same time (default: as many as there are cores)"
    )
    parser.add_argument("--backend", default="local", help="where jobs run: local (default) or ray")
    parser.add_argument("--address", default=None, help="of the Ray cluster (default: one is started here)")
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=10.0, metavar="S",
        help="time between two checkpoints of a run, which is what a kill can cost (default 10)",
    )  # fmt: skip


def _add_suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="what is learned (see: emotional-ed list)")
    parser.add_argument("mechanism", metavar="MECHANISM", help="what is tested (see: emotional-ed list)")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder for the results")
    parser.add_argument(
        "--configurations", type=int, default=40, help="random settings of each arm (default 40)"
    )
    parser.add_argument("--seeds", type=int, default=6, help="tuning seeds of each setting (default 6)")
    parser.add_argument("--report", type=int, default=50, help="fresh seeds that are reported (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument(
        "--steps", type=int, default=None, help="steps of each member (default: the task's own)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="RUN", help="the folder of a finished or running run")
    parser.add_argument("--member", type=int, default=0, help="which member, from 0 (default 0)")
    parser.add_argument(
        "--episode", default="next", metavar="WHICH",
        help="next: as saved, it lives one more episode in a fresh copy of its world (default); first, last "
        "or a number from 0: it lives again from its seed up to that episode of the run",
    )  # fmt: skip
    parser.add_argument("--greedy", action="store_true", help="only predict: nothing is learned or felt")
    parser.add_argument("--seed", type=int, default=None, help="of the fresh copy of the world")
    parser.add_argument("--limit", type=int, default=1000, help="most steps to show (default 1000)")
    parser.add_argument("--gif", default=None, metavar="FILE", help="save a film with the affects beneath")
    parser.add_argument("--csv", default=None, metavar="FILE", help="save what was felt as a table")
    parser.add_argument("--fps", type=float, default=4.0, help="steps a second (default 4)")
    parser.add_argument("--ascii", action="store_true", help="no characters beyond ASCII")


def _json_object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a JSON object such as '{{\"noise\": 0.5}}'")
    return given


def _train(arguments: argparse.Namespace) -> int:
    from emotional_ed.affect import AffectConfig, CuriosityConfig
    from emotional_ed.experiments.train import TrainSpec, train

    spec = TrainSpec(
        env_id=arguments.env_id,
        steps=arguments.steps,
        agent=arguments.agent,
        affect=dataclasses.replace(
            AffectConfig.levels(arguments.level), curiosity=CuriosityConfig() if arguments.curious else None
        ),
        population=arguments.population,
        seed=arguments.seed,
        step_size=arguments.step_size,
        discount=arguments.discount,
        exploration=arguments.exploration,
        policy=arguments.policy,
        hyperparameters=arguments.hyperparameters,
        env_kwargs=arguments.env_kwargs,
        catastrophe_reward=arguments.catastrophe_reward,
        device=arguments.device,
    )
    folder = train(spec, arguments.out, progress_bar=not arguments.quiet)
    print(f"finished: {folder}\ncurves:   tensorboard --logdir {folder}")
    return 0


def _ablate(arguments: argparse.Namespace) -> int:
    from emotional_ed.analysis import markdown_table
    from emotional_ed.experiments.study import run_study

    table = run_study(
        _study(arguments),
        arguments.out,
        jobs=arguments.jobs,
        backend=arguments.backend,
        address=arguments.address,
        progress_bar=not arguments.quiet,
        checkpoint_seconds=arguments.checkpoint_seconds,
    )
    print(markdown_table(table))
    print("IQM over seeds with 95 % bootstrap intervals.", end=" ")
    if arguments.tune:
        print(f"Each arm has the best of {arguments.tune} random settings, found on other seeds")
        print(f"(all of them: {arguments.out}/tuning/trials.csv).")
    else:
        print("All arms share step size, discount and exploration,\nwhich were given, not tuned here.")
    for one in table.study.skipped:
        print(f"left out: {one.folder}: {one.reason}")
    print(f"report:   emotional-ed report {arguments.out}")
    print(f"curves:   tensorboard --logdir {arguments.out}")
    return 0


def _study(arguments: argparse.Namespace) -> Study:
    from emotional_ed.experiments.arms import arms_named, without_recall
    from emotional_ed.experiments.study import ALGORITHMS, Study
    from emotional_ed.experiments.tuning import Tuning

    classes = {agent: name for name, agent in ALGORITHMS.items()}
    require_choice("agent", arguments.agent, classes)
    arms = arms_named(*(name.strip() for name in arguments.arms.split(",")))
    if arguments.agent != "emotional-q":
        arms = without_recall(arms)
    tuning = None
    if arguments.tune:
        tuning = Tuning(
            configurations=arguments.tune, seeds=arguments.tune_seeds, first_seed=arguments.tune_seed
        )
    return Study(
        env_id=arguments.env_id,
        seeds=arguments.seeds,
        steps=arguments.steps,
        arms=arms,
        first_seed=arguments.seed,
        algorithm=classes[arguments.agent],
        step_size=arguments.step_size,
        discount=arguments.discount,
        exploration=arguments.exploration,
        policy=arguments.policy,
        hyperparameters=arguments.hyperparameters,
        tuning=tuning,
        env_kwargs=arguments.env_kwargs,
        catastrophe_reward=arguments.catastrophe_reward,
        question=arguments.question,
    )


def _rerun(arguments: argparse.Namespace) -> int:
    from emotional_ed.experiments.reruns import rerun

    found = rerun(arguments.folder, arguments.out, progress_bar=not arguments.quiet)
    print(f"same:      {found.text}" if found.same else f"different: {found.text}")
    for one in found.changed:
        print(f"changed:   {one}")
    return 0 if found.same else EXIT_DIFFERENT


def _suite(arguments: argparse.Namespace) -> int:
    from emotional_ed.experiments.contests.contest import Budget
    from emotional_ed.experiments.contests.suite import SuiteSpec, run_suite

    budget = Budget(
        configurations=arguments.configurations,
        seeds=arguments.seeds,
        report=arguments.report,
        first_seed=arguments.seed,
    )
    spec = SuiteSpec(task=arguments.task, mechanism=arguments.mechanism, budget=budget, steps=arguments.steps)
    print(run_suite(spec, arguments.out, jobs=arguments.jobs, progress_bar=not arguments.quiet))
    print(f"finished: {arguments.out}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from emotional_ed.analysis import load_study, report
    from emotional_ed.analysis.claims import find_baseline
    from emotional_ed.experiments.study_episodes import study_episodes

    study = load_study(arguments.folder)
    find_baseline(study.runs, arguments.baseline)  # a wrong name is said before anything is lived again
    episodes, notes = study_episodes(study, arguments.relive)
    page = report(study, baseline=arguments.baseline, episodes=episodes, episode_notes=notes)
    print(f"report:   {page}")
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    from emotional_ed.experiments.watch import WatchSpec, watch

    spec = WatchSpec(
        member=arguments.member,
        episode=arguments.episode,
        greedy=arguments.greedy,
        limit=arguments.limit,
        seed=arguments.seed,
        gif=arguments.gif,
        csv=arguments.csv,
        fps=arguments.fps,
        ascii_only=arguments.ascii,
    )
    try:
        watch(arguments.folder, spec)
    except BrokenPipeError:  # whoever read has seen enough, as in `emotional-ed watch RUN | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (nothing may be written at exit either)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from emotional_ed.envs.registration import DEEP_IDS, ENV_IDS
    from emotional_ed.experiments.arms import LADDER, controls, leave_one_out
    from emotional_ed.experiments.contests.mechanisms import MECHANISMS
    from emotional_ed.experiments.contests.tasks import TASKS
    from emotional_ed.experiments.train import AGENTS

    for title, names in (
        ("environments (and every Gymnasium id with Discrete spaces)", ENV_IDS),
        ("environments for deep agents (and every Gymnasium id that they take)", DEEP_IDS),
        ("agents", AGENTS),
        ("arms", (*LADDER, *leave_one_out(), *controls())),
        ("tasks of the suite", TASKS),
        ("mechanisms of the suite", MECHANISMS),
    ):
        print(f"{title}:")
        for name in names:
            print(f"  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
