"""From a study's folder to a page that a person wants to read."""

from __future__ import annotations

import os
from pathlib import Path

from emotional_ed.analysis.findings import Timelines, find
from emotional_ed.analysis.load import load_study
from emotional_ed.analysis.page import page
from emotional_ed.analysis.records import csv_table, records
from emotional_ed.analysis.report_text import report_markdown
from emotional_ed.files import write_atomically


def report(
    folder: str | os.PathLike[str],
    *,
    baseline: str | None = None,
    timelines: Timelines | None = None,
) -> Path:
    """Write `report.html`, `report.md` and `report.csv` into a study's folder.

    The page holds all it needs: no scripts, no network. It says the question and the answer, what to beware
    of, the table with intervals and corrected p values, learning curves with single seeds, performance
    profiles, settings, versions and the command to repeat it.

    Args:
        folder: a study, a single run, or a folder of Stable-Baselines3 runs (see `load_study`).
        baseline: the arm that others are compared with; None means "level-0", or the first.
        timelines: title of an episode -> signal -> its value at each step [T], to be drawn; "catastrophe"
            marks steps.

    Returns:
        Where the page is.

    Raises:
        ValueError: there is no finished run, or no arm has the baseline's name.
        OSError: the folder cannot be written; an older report is left as it was.
    """
    study = load_study(folder)
    findings = find(study, baseline, timelines)
    target = Path(folder) / "report.html"
    rows = records(findings.summaries, findings.claims)
    write_atomically(target.with_suffix(".md"), report_markdown(findings).encode())
    write_atomically(target.with_suffix(".csv"), csv_table(rows).encode())
    write_atomically(target, page(findings).encode())
    return target
