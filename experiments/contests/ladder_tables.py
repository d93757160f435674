"""What the contests of the ladder say: tables, sentences and numbers for a picture, all from the scores."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emotional_ed.analysis import Estimate, estimate, iqm
from emotional_ed.analysis.heat_map import Panel
from emotional_ed.analysis.table import table_of
from emotional_ed.experiments.contests.outcome import Outcome
from emotional_ed.experiments.contests.rungs import (
    COMPONENTS,
    EVERYTHING,
    LEVEL_2,
    PLAIN,
    RUNGS,
    UNTAUGHT,
    without,
)
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.contests.verdicts import (
    MARKS,
    SIGNIFICANT,
    Difference,
    differences,
    scaled,
    what_there_is_to_learn,
)

_WIDTH = 110


@dataclass(frozen=True)
class LadderTables:
    """The comparisons of all tasks, each family corrected by itself."""

    outcomes: Sequence[Outcome]
    units: dict[str, float | None]
    """Task -> what there is to learn, in units of score; None where nothing is learned by anybody."""
    rungs: dict[tuple[str, str], Difference]
    """(task, rung) -> rung less level 0."""
    removals: dict[tuple[str, str], Difference]
    """(task, component) -> everything without it less everything."""
    levels: dict[tuple[str, str], Difference]
    """(task, rung with level 2) -> that less the same without, where situations recur and on controls."""

    def percent(self, task: str, difference: Difference) -> Estimate | None:
        """Return a difference in per cent of what there is to learn; None where nothing is learned."""
        unit = self.units[task]
        return None if unit is None else scaled(difference.gain, 100 / unit)


def ladder_tables(outcomes: Sequence[Outcome]) -> LadderTables:
    """Compare every rung with level 0, and everything less each part with everything.

    p values are corrected by Holm over all tasks and rungs, over all tasks and parts, and over all tasks that
    recur and their controls.
    """
    rungs = {(one.task, rung): (one.scores[rung], one.scores[PLAIN]) for one in outcomes for rung in RUNGS}
    removals = {
        (one.task, part): (one.scores[without(part)], one.scores[EVERYTHING])
        for one in outcomes
        for part in COMPONENTS
        if without(part) in one.scores
    }
    recurring = [*recurring_tasks(), *controls_of(recurring_tasks())]
    levels = {
        (one.task, higher): (one.scores[higher], one.scores[lower])
        for higher, lower in LEVEL_2
        for one in outcomes
        if one.task in recurring
    }
    return LadderTables(
        outcomes,
        {one.task: what_there_is_to_learn(one.scores) for one in outcomes},
        dict(zip(rungs, differences(list(rungs.values())), strict=True)),
        dict(zip(removals, differences(list(removals.values())), strict=True)),
        dict(zip(levels, differences(list(levels.values())), strict=True)),
    )


def recurring_tasks() -> list[str]:
    """Return the tasks in which situations come back, which is what level 2 is for."""
    return [name for name, task in TASKS.items() if "recall" in task.meant_for]


def controls_of(tasks: Iterable[str]) -> list[str]:
    """Return the tasks that are controls of others."""
    chosen = set(tasks)
    return [name for name, task in TASKS.items() if task.control_of in chosen]


# ---------------------------------------------------------------- tables


def about(tables: LadderTables) -> str:
    """Return what the tables hold, in words."""
    budget = tables.outcomes[0].budget
    revisions = ", ".join(dict.fromkeys(one.revision or "unknown" for one in tables.outcomes))
    text = (
        f"{len(tables.outcomes)} tasks, IQM over {budget.report} fresh seeds (from {budget.first_seed}) of "
        f"the mean return of all episodes; revision {revisions}. Every rung was tuned alike, "
        f"{budget.configurations} settings of step size and exploration on {budget.seeds} other seeds; its "
        f"emotions are as by default. Behind a score stands what it gains over level 0, and in the second "
        f"table over {EVERYTHING!r}, in per cent of what there is to learn (the best arm less an agent that "
        f"learns nothing), with paired bootstrap 95 % interval; in units of score where nobody learns "
        f"anything. ▲ gain and ▼ loss: p < {SIGNIFICANT} (sign flips on common seeds, Holm over the whole "
        f"table) and an interval without 0."
    )
    return textwrap.fill(text, _WIDTH)


def rungs_table(tables: LadderTables) -> str:
    """Return the ladder as Markdown, a row a task."""
    rows = []
    for one in tables.outcomes:
        found = {rung: tables.rungs[one.task, rung] for rung in RUNGS}
        cells = [
            f"{float(iqm(one.scores[rung])):.3g}: {_cell(tables, one.task, gap)}"
            for rung, gap in found.items()
        ]
        untaught = f"{float(iqm(one.scores[UNTAUGHT])):.3g}"
        rows.append((one.task, untaught, f"{estimate(one.scores[PLAIN]):.3g}", *cells, _verdict(found)))
    return table_of(("task", "untaught", PLAIN, *RUNGS, "verdict"), rows)


def removals_table(tables: LadderTables) -> str:
    """Return everything less each part against everything as Markdown, a row a task."""
    parts = _parts(tables)
    rows = []
    for one in tables.outcomes:
        gaps = [tables.removals.get((one.task, part)) for part in parts]
        cells = ["" if gap is None else _cell(tables, one.task, gap) for gap in gaps]
        rows.append((one.task, f"{estimate(one.scores[EVERYTHING]):.3g}", *cells))
    return table_of(("task", EVERYTHING, *(f"minus {part}" for part in parts)), rows)


def _parts(tables: LadderTables) -> list[str]:
    held = {part for _, part in tables.removals}
    return [part for part in COMPONENTS if part in held]


def _cell(tables: LadderTables, task: str, difference: Difference) -> str:
    share = tables.percent(task, difference)
    mark = MARKS[difference.sign]
    if share is None:
        return f"{difference.gain:+.2g}{mark}"
    ends = f"[{_number(share.low)}, {_number(share.high)}]"
    return f"{_number(share.value)} % {ends}{mark}"


def _number(percent: float) -> str:
    """Return a signed number with as many digits as it deserves."""
    size = abs(percent)
    return f"{percent:+.{0 if size >= 9.95 else 1 if size >= 0.95 else 2}f}"


def _verdict(found: Mapping[str, Difference]) -> str:
    gains = [rung for rung, one in found.items() if one.sign > 0]
    losses = [rung for rung, one in found.items() if one.sign < 0]
    said = [f"{word}: {', '.join(names)}" for word, names in (("gain", gains), ("loss", losses)) if names]
    return "; ".join(said) or "no difference"


# ---------------------------------------------------------------- sentences


def summary(tables: LadderTables) -> str:
    """Return in sentences on how many tasks each rung gains and loses, and what each part is worth."""
    lines = [
        *(_rung_sentence(tables, rung) for rung in RUNGS),
        *_level_sentences(tables),
        *(_part_sentence(tables, part) for part in _parts(tables)),
    ]
    return "\n".join(textwrap.fill(f"- {line}", _WIDTH, subsequent_indent="  ") for line in lines if line)


def _rung_sentence(tables: LadderTables, rung: str) -> str:
    found = {task: one for (task, name), one in tables.rungs.items() if name == rung}
    gains, losses = _tasks(found, 1), _tasks(found, -1)
    return f"{rung} against level 0: gains on {gains}, loses on {losses}; {_worst(tables, found)}."


def _worst(tables: LadderTables, found: Mapping[str, Difference]) -> str:
    """Say where most is lost, in per cent, whether or not that is sure."""
    shares = {task: tables.percent(task, one) for task, one in found.items()}
    known = {task: share for task, share in shares.items() if share is not None}
    if not known:
        return "nothing is learned anywhere"
    task = min(known, key=lambda name: known[name].value)
    share = known[task]
    if share.value >= 0:
        return "it is nowhere below level 0"
    sure = "" if found[task].sign < 0 else ", not significant"
    ends = f"[{_number(share.low)}, {_number(share.high)}]"
    return f"its worst is {_number(share.value)} % {ends} on {task}{sure}"


def _level_sentences(tables: LadderTables) -> list[str]:
    recurring = set(recurring_tasks())
    said = []
    for higher, lower in LEVEL_2:
        found = {task: one for (task, rung), one in tables.levels.items() if rung == higher}
        for where, chosen in (
            ("where situations recur", {task: one for task, one in found.items() if task in recurring}),
            ("on the controls of that", {task: one for task, one in found.items() if task not in recurring}),
        ):
            if chosen:
                said.append(
                    f"{higher} against {lower} {where} ({', '.join(chosen)}): gains on {_tasks(chosen, 1)}, "
                    f"loses on {_tasks(chosen, -1)}."
                )
    return said


def _part_sentence(tables: LadderTables, part: str) -> str:
    found = {task: one for (task, name), one in tables.removals.items() if name == part}
    worse, better = _tasks(found, -1), _tasks(found, 1)
    return f"{without(part)} against {EVERYTHING}: worse on {worse}, better on {better}."


def _tasks(found: Mapping[str, Difference], sign: int) -> str:
    names = [task for task, one in found.items() if one.sign == sign]
    return f"{len(names)} of {len(found)} tasks ({', '.join(names)})" if names else f"none of {len(found)}"


# ---------------------------------------------------------------- for the picture


def panels(tables: LadderTables) -> list[Panel]:
    """Return the two tables as numbers in per cent with marks, rows in the order of the tasks."""
    parts = _parts(tables)
    lacking = tuple(f"minus {part}" for part in parts)
    return [
        _panel(tables, "each rung, less level 0", RUNGS, RUNGS, tables.rungs),
        _panel(tables, "everything but one part, less everything", lacking, parts, tables.removals),
    ]


def _panel(
    tables: LadderTables,
    title: str,
    columns: tuple[str, ...],
    names: Sequence[str],
    found: Mapping[tuple[str, str], Difference],
) -> Panel:
    values = np.full((len(tables.outcomes), len(names)), np.nan)
    signs = np.zeros(values.shape, dtype=np.int64)
    for i, outcome in enumerate(tables.outcomes):
        for j, name in enumerate(names):
            one = found.get((outcome.task, name))
            share = None if one is None else tables.percent(outcome.task, one)
            if one is not None and share is not None:
                values[i, j], signs[i, j] = share.value, one.sign
    return Panel(title, columns, values, signs)
