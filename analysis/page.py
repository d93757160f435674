"""A study as one HTML page that needs nothing but itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import emotional_ed
from emotional_ed.analysis.compare import CVAR_LEVEL
from emotional_ed.analysis.findings import Findings, answer, commands, question, title, versions
from emotional_ed.analysis.lanes import episode_card
from emotional_ed.analysis.markup import Markup, element, together
from emotional_ed.analysis.page_charts import curves, forest, profiles
from emotional_ed.analysis.page_style import STYLE
from emotional_ed.analysis.report_table import (
    COLUMNS,
    P_COLUMN,
    RECOVERY_COLUMNS,
    Row,
    recovery_rows,
    recovery_words,
    table_rows,
)
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.settings import differences_from, settings_of, shared_settings

_METHODS = {
    "IQM": "the interquartile mean over seeds: the mean without the lowest and highest quarter.",
    "[low, high]": "a 95 % interval: seeds drawn anew, 2000 times, with the ends widened for few seeds "
    "(expanded percentile bootstrap). The bootstrap has a fixed seed: the same runs give the same figures.",
    "difference": "IQM of the arm less IQM of the baseline, on common seeds where there are some.",
    "p (Holm)": "two-sided, from flipping signs of the seeds' differences in mean return (without common "
    "seeds, from permuting them), corrected by Holm for all claims of this page together.",
    "P(improvement)": "the probability that a run of the arm beats a run of the baseline, both drawn at "
    "random; one half is no difference.",
    "worst tenth": f"CVaR: the mean return of each seed's worst {CVAR_LEVEL:.0%} of episodes in training.",
    "episodes until back": "see above the table; where seeds were never back, the number is a lower bound.",
    "affect": "lived again from the seed: standardised surprise up to 3, emotions from 0 to 1, mood from -1 "
    "to 1; a lane is full at that value, or at the largest of the episode.",
    "performance profile": "the share of seeds above each return, with Wilson's 95 % band.",
    "learning curve": "mean return per span of steps: IQM over seeds, with a 95 % interval at each point.",
    "seconds": "wall-clock time of training, all seeds of the arm together.",
}


def page(findings: Findings) -> str:
    """Return the report as HTML."""
    head = together(
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<link rel="icon" href="data:,">'),
        element("title", f"{title(findings)}: report"),
        element("style", Markup(STYLE)),
    )
    sections = [_head(findings), _notes(findings.caveats)]
    for task in findings.tasks:
        sections.append(_task(findings, task))
    sections += [_episodes(findings), _settings(findings), _repeat(findings), _methods()]
    body = element("main", *sections)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _head(findings: Findings) -> Markup:
    runs = findings.study.runs
    arms = {run.name for run in runs}
    facts = {
        "arms" if len(arms) > 1 else "arm": str(len(arms)),
        "seeds an arm": _range(run.population for run in runs),
        "steps a seed": _range(int(steps) for run in runs for steps in run.member_steps),
        "episodes": f"{sum(len(run.episodes) for run in runs):,}",
    }
    chips = [element("li", element("b", number), element("span", what)) for what, number in facts.items()]
    said = [element("p", one) for one in answer(findings)]
    return together(
        element("p", "emotional_ed study", class_="kicker"),
        element("h1", _breakable(title(findings))),
        element("p", question(findings), class_="lead"),
        element("div", *said, class_="answer") if said else None,
        element("ul", *chips, class_="facts"),
    )


def _range(numbers: Iterable[int]) -> str:
    seen = sorted(set(numbers))
    return f"{seen[0]:,}" if len(seen) == 1 else f"{seen[0]:,} to {seen[-1]:,}"


def _breakable(text: str) -> Markup:
    """Return text that may be broken behind each slash."""
    return Markup("/<wbr>".join(together(part) for part in text.split("/")))


def _notes(caveats: Sequence[str]) -> Markup:
    if not caveats:
        return Markup("")
    items = [element("li", one) for one in caveats]
    return together(element("h2", "Before you believe it"), element("ul", *items, class_="notes"))


def _task(findings: Findings, task: str) -> Markup:
    several = len(findings.tasks) > 1
    return together(
        element("h2", f"Results: {task or 'unnamed task'}" if several else "Results"),
        element(
            "p",
            "Mean return of the episodes in the second half of training. Large dots and bars: IQM with 95 % "
            "interval; small dots: single seeds.",
            class_="soft",
        ),
        element("div", forest(findings, task), class_="card"),
        element("div", _table(findings, task), class_="card scroll"),
        _recovery(findings, task),
        element("h2", f"Learning curves: {task or 'unnamed task'}" if several else "Learning curves"),
        curves(findings, task),
        element("h2", f"Performance profile: {task or 'unnamed task'}" if several else "Performance profile"),
        profiles(findings, task),
    )


def _table(findings: Findings, task: str) -> Markup:
    head = element("tr", *(element("th", name, scope="col") for name in COLUMNS))
    rows = [_row(row) for row in table_rows(findings, task)]
    return element("table", element("thead", head), element("tbody", *rows), class_="wide")


def _row(row: Row) -> Markup:
    cells = [element("th", row.cells[0], scope="row")]
    for i, (name, text) in enumerate(zip(COLUMNS, row.cells, strict=True)):
        if i:
            class_ = row.verdict.replace(" ", "-") or None if i == P_COLUMN else None
            cells.append(element("td", _estimate(text), data_label=name, class_=class_))
    return element("tr", *cells)


def _recovery(findings: Findings, task: str) -> Markup | None:
    rows = recovery_rows(findings, task)
    if not rows:
        return None
    several = len(findings.tasks) > 1
    head = element("tr", *(element("th", name, scope="col") for name in RECOVERY_COLUMNS))
    body = [
        element(
            "tr", element("th", row[0], scope="row"), *(element("td", _estimate(cell)) for cell in row[1:])
        )
        for row in rows
    ]
    return together(
        element("h2", f"Recovery after changes: {task}" if several else "Recovery after changes"),
        element("p", recovery_words(findings, task), class_="soft"),
        element(
            "div", element("table", element("thead", head), element("tbody", *body)), class_="card scroll"
        ),
    )


def _estimate(text: str) -> Markup | None:
    if not text:
        return None
    value, bracket, rest = text.partition(" [")
    return element("span", value, element("small", f"[{rest}") if bracket else None)


def _episodes(findings: Findings) -> Markup:
    head = element("h2", "Affect during chosen episodes")
    notes = [element("p", note, class_="soft") for note in findings.episode_notes]
    if not findings.episodes:
        if not notes:
            told = "None was lived again for this page; the command `emotional-ed report` does that."
            notes = [element("p", told, class_="soft")]
        return together(head, *notes)
    return together(head, *(episode_card(one) for one in findings.episodes), *notes)


def _settings(findings: Findings) -> Markup:
    parts = [element("h2", "Settings")]
    several = len(findings.tasks) > 1
    for task in findings.tasks:
        runs = findings.runs_of(task)
        plain = next((run for run in runs if run.name == findings.baseline), runs[0])
        parts.append(element("h3", task or "unnamed task") if several else Markup(""))
        if not any(settings_of(run) for run in runs):
            parts.append(element("p", "The runs do not say how they were set."))
            continue
        if shared := shared_settings(runs):
            parts += [element("p", "Shared by all arms", class_="soft"), _pairs(shared)]
        rows = [_difference_row(run, plain) for run in runs if run is not plain]
        if rows:
            parts.append(element("p", f"Where an arm differs from {plain.name}", class_="soft"))
            table = element("table", element("tbody", *rows), class_="text")
            parts.append(element("div", table, class_="card"))
    whole = {f"{run.env_id}: {run.name}": settings_of(run) for run in findings.study.runs}
    text = json.dumps(whole, indent=2, default=str)
    parts.append(element("details", element("summary", "All settings"), element("pre", text)))
    return together(*parts)


def _difference_row(run: Run, plain: Run) -> Markup:
    changed = differences_from(run, plain)
    entries = [element("div", element("code", key), f" {value}") for key, value in changed.items()]
    told = element("td", *entries, None if entries else "nothing")
    return element("tr", element("th", run.name, scope="row"), told)


def _pairs(entries: Mapping[str, str]) -> Markup:
    return element("dl", *(part for k, v in entries.items() for part in (element("dt", k), element("dd", v))))


def _repeat(findings: Findings) -> Markup:
    known = "\n".join(commands(findings))
    unknown = "The runs do not say how they were made."
    skipped = [
        element("li", element("code", str(one.folder)), f" {one.reason}") for one in findings.study.skipped
    ]
    left = f"Left out: {len(skipped)} unfinished or damaged"
    return together(
        element("h2", "Repeat it"),
        element("pre", known) if known else element("p", unknown),
        _pairs(versions(findings)) if versions(findings) else None,
        element("details", element("summary", left), element("ul", *skipped)) if skipped else None,
    )


def _methods() -> Markup:
    said = (
        f"Written by emotional_ed {emotional_ed.__version__} from the files of the study; report.md and "
        "report.csv beside this page hold the same table."
    )
    return together(element("h2", "How to read this"), _pairs(_METHODS), element("footer", said))
