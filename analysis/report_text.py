"""A study as Markdown, for issues, papers and pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from emotional_ed.analysis.findings import Findings, answer, commands, question, title, versions
from emotional_ed.analysis.report_table import (
    COLUMNS,
    RECOVERY_COLUMNS,
    recovery_rows,
    recovery_words,
    table_rows,
)
from emotional_ed.analysis.settings import differences_from, settings_of, shared_settings
from emotional_ed.analysis.table import escape_cell, table_of


def report_markdown(findings: Findings) -> str:
    """Return the report without its charts as Markdown."""
    parts = [f"# {escape_cell(title(findings))}", escape_cell(question(findings))]
    parts += [escape_cell(one) for one in answer(findings)]
    if findings.caveats:
        parts += ["## Before you believe it", _bullets(findings.caveats)]
    for task in findings.tasks:
        parts += [f"## Results: {escape_cell(task)}" if task else "## Results", _table(findings, task)]
        if rows := recovery_rows(findings, task):
            parts += [recovery_words(findings, task), table_of(RECOVERY_COLUMNS, rows)]
    parts.append(
        "IQM over seeds with 95 % bootstrap intervals; p two-sided, after Holm over all claims; worst tenth: "
        "CVaR of the returns of training."
    )
    parts += ["## Settings", _settings(findings), "## Repeat it"]
    if known := commands(findings):
        parts.append("\n".join(["```", *known, "```"]))
    parts.append(_bullets([f"{name} {number}" for name, number in versions(findings).items()]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape_cell(line)}" for line in lines)


def _table(findings: Findings, task: str) -> str:
    return table_of(COLUMNS, [row.cells for row in table_rows(findings, task)])


def _settings(findings: Findings) -> str:
    lines = []
    for task in findings.tasks:
        runs = findings.runs_of(task)
        plain = next((run for run in runs if run.name == findings.baseline), runs[0])
        if not any(settings_of(run) for run in runs):
            lines.append(f"{task or 'task'}: the runs do not say how they were set")
            continue
        shared = ", ".join(f"{key} {value}" for key, value in shared_settings(runs).items())
        lines.append(f"{task or 'task'}, all arms: {shared or 'nothing shared'}")
        for run in runs:
            if run is not plain:
                own = ", ".join(f"{key} {value}" for key, value in differences_from(run, plain).items())
                lines.append(f"{run.name}, unlike {plain.name}: {own or 'nothing'}")
    return _bullets(lines)
