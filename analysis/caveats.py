"""What a reader must know before believing a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotional_ed.analysis.claims import Claim
from emotional_ed.analysis.load import LoadedStudy
from emotional_ed.analysis.run import Run

ENOUGH_TABULAR, ENOUGH_DEEP = 30, 10
"""Seeds an arm that a report asks for."""
_TABULAR = "emotional-q"
_COUNTED = 5  # names that are listed before the rest is counted


def caveats(study: LoadedStudy, baseline: str, made: Sequence[Claim]) -> list[str]:
    """Return warnings in whole sentences, the gravest kinds first."""
    runs = study.runs
    return [
        *_unequal_information(runs, baseline),
        *_tuning(study, baseline),
        *_unequal_budget(runs),
        *_few_seeds(runs, made),
        *_not_comparable(runs, baseline, made),
        *_sources(runs),
        *_versions(runs),
        *_skipped(study),
    ]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_COUNTED])
    return shown if len(names) <= _COUNTED else f"{shown} and {len(names) - _COUNTED} more"


def _unequal_information(runs: Sequence[Run], baseline: str) -> list[str]:
    said = []
    told = [run.name for run in runs if (run.config.get("affect") or {}).get("regret") is not None]
    if told and len(told) < len(runs):
        said.append(
            f"Unequal information: {_names(told)} may read the reward of the action not taken from the "
            "environment; the other arms cannot."
        )
    for task in dict.fromkeys(run.env_id for run in runs):
        here = [run for run in runs if run.env_id == task]
        plain = next((run for run in here if run.name == baseline), here[0])
        own = plain.config.get("env_kwargs") or {}
        other = [run.name for run in here if (run.config.get("env_kwargs") or {}) != own]
        if other:
            said.append(f"Unequal task: {_names(other)} had other arguments of {task} than {plain.name}.")
    return said


def _tuning(study: LoadedStudy, baseline: str) -> list[str]:
    said = []
    if any(run.source != "emotional_ed" for run in study.runs):
        said.append("Plain Stable-Baselines3 runs do not say how their settings were found.")
        if not study.facts:
            return said
    record = study.facts.get("tuning")
    settings = study.facts.get("settings") or {}
    if not record:
        if settings and baseline not in settings:
            said.append(
                f"Untuned baseline: {_names(list(settings))} had settings of their own, {baseline} had not."
            )
        elif not settings:
            said.append(
                f"Untuned baseline: the settings of {baseline} and all other arms were given, not searched "
                "for. A tuned baseline may close a gap."
            )
        else:
            said.append("The arms' own settings were given; the study does not say how they were found.")
        return said
    tuned = record.get("arms") if isinstance(record, dict) else None
    if isinstance(tuned, dict):
        if baseline not in tuned:
            said.append(f"Untuned baseline: the study tuned {_names(list(tuned))}, and not {baseline}.")
        budgets = {repr(one.get("budget")) for one in tuned.values() if isinstance(one, dict)}
        if len(budgets) > 1:
            said.append("Unequal budget: the arms were tuned with unequal numbers of configurations.")
    said += _overlap(study.runs, record)
    return said


def _overlap(runs: Sequence[Run], record: object) -> list[str]:
    if not isinstance(record, dict):
        return []
    first, count = record.get("first_seed"), record.get("seeds")
    if not isinstance(first, int) or not isinstance(count, int):
        return ["The tuning seeds are not known; they may be those of the results."]
    used = {seed for run in runs for seed in run.seeds or ()}
    shared = sorted(used & set(range(first, first + count)))
    if not shared:
        return []
    return [f"Overlapping seeds: {len(shared)} seeds of the results (e.g. {shared[0]}) were tuned on too."]


def _unequal_budget(runs: Sequence[Run]) -> list[str]:
    said = []
    for task in dict.fromkeys(run.env_id for run in runs):
        here = [run for run in runs if run.env_id == task]
        least = min(int(run.member_steps.min()) for run in here)
        most = max(int(run.member_steps.max()) for run in here)
        if most > 1.05 * least:
            note = " Monitor files count finished episodes only." if _monitored(here) else ""
            said.append(
                f"Unequal budget: runs of {task or 'the task'} made {least:,} to {most:,} steps. Returns are "
                f"of the second half of each run; curves end with the arm's shortest run.{note}"
            )
        if len({run.population for run in here}) > 1:
            least, most = min(run.population for run in here), max(run.population for run in here)
            said.append(f"Unequal numbers of seeds: {least} to {most} an arm.")
    return said


def _monitored(runs: Sequence[Run]) -> bool:
    return any(run.source == "monitor" for run in runs)


def _few_seeds(runs: Sequence[Run], made: Sequence[Claim]) -> list[str]:
    said = []
    few = [run for run in runs if run.population < _enough(run)]
    if few:
        least = min(run.population for run in few)
        said.append(
            f"Few seeds: {least} an arm; {max(_enough(run) for run in few)} are asked for before a "
            "difference is believed. Intervals of so few seeds are rough."
        )
    bound = min((len(made) * 2.0 ** (1 - one.difference.seeds) for one in made if one.paired), default=0.0)
    if bound > 0.05:
        count = f"{len(made)} {'claim' if len(made) == 1 else 'claims'}"
        said.append(
            f"With so few seeds and {count} no p value can fall below {min(bound, 1.0):.3g}, however large "
            "the difference."
        )
    return said


def _enough(run: Run) -> int:
    return ENOUGH_TABULAR if run.config.get("agent", "") == _TABULAR else ENOUGH_DEEP


def _not_comparable(runs: Sequence[Run], baseline: str, made: Sequence[Claim]) -> list[str]:
    said = []
    tasks = {run.env_id for run in runs if run.name == baseline}
    lacking = [task for task in dict.fromkeys(run.env_id for run in runs) if task not in tasks]
    if lacking:
        said.append(f"{_names(lacking)}: {baseline} was not run, so nothing is compared with it.")
    apart = [one.arm for one in made if not one.paired]
    if apart:
        said.append(f"{_names(apart)}: no common seeds with {baseline}; compared as independent samples.")
    silent = 0
    for run in runs:
        last = run.episodes["step"] > (run.member_steps // 2)[run.episodes["member"]]
        silent += int((np.bincount(run.episodes["member"][last], minlength=run.population) == 0).sum())
    if silent:
        said.append(
            f"{silent} seeds finished no episode in the second half; they count with the return so far."
        )
    return said


def _sources(runs: Sequence[Run]) -> list[str]:
    smooth = [run.name for run in runs if run.source == "tensorboard"]
    said = []
    if smooth:
        said.append(
            f"{_names(smooth)}: read from TensorBoard, where each point is a mean of up to 100 episodes; the "
            "worst episodes do not show."
        )
    uncounted = [run.name for run in runs if run.catastrophes is None]
    if uncounted and len(uncounted) < len(runs):
        said.append(f"{_names(uncounted)}: catastrophes were not counted.")
    return said


def _versions(runs: Sequence[Run]) -> list[str]:
    said = []
    known = [run.config for run in runs if run.source == "emotional_ed"]
    versions = {str((config.get("versions") or {}).get("emotional_ed")) for config in known}
    revisions = {str(config.get("revision")) for config in known}
    if len(versions) > 1 or len(revisions) > 1:
        said.append(
            f"The runs are of more than one version or revision: {_names(sorted(versions | revisions))}."
        )
    if any(revision.endswith("-dirty") for revision in revisions):
        said.append("The source had changes that are in no revision, so the revision alone cannot repeat it.")
    return said


def _skipped(study: LoadedStudy) -> list[str]:
    if not study.skipped:
        return []
    shown = [f"{one.folder.name}: {one.reason}" for one in study.skipped[:_COUNTED]]
    rest = len(study.skipped) - len(shown)
    more = f"; and {rest} more" if rest else ""
    return [f"Left out: {len(study.skipped)} unfinished or damaged: {'; '.join(shown)}{more}."]
