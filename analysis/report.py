"""From a study's folder to a page that a person wants to read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from emotional_ed.analysis.episode import Episode
from emotional_ed.analysis.findings import find
from emotional_ed.analysis.load import LoadedStudy, load_study
from emotional_ed.analysis.page import page
from emotional_ed.analysis.records import csv_table, records
from emotional_ed.analysis.report_text import report_markdown
from emotional_ed.files import write_atomically


def report(
    folder: str | os.PathLike[str] | LoadedStudy,
    *,
    baseline: str | None = None,
    episodes: Sequence[Episode] = (),
    episode_notes: Sequence[str] = (),
) -> Path:
    """Write `report.html`, `report.md` and `report.csv` into a study's folder.

    The page holds all it needs: no scripts, no network. It says the question and the answer, what to beware
    of, the table with intervals and corrected p values, recovery after changes, learning curves with single
    seeds, performance profiles, settings, versions and the command to repeat it.

    Args:
        folder: a study, a single run, or a folder of Stable-Baselines3 runs (see `load_study`); or what
            `load_study` has returned.
        baseline: the arm that others are compared with; None means "level-0", or the first.
        episodes: affect during chosen episodes, to be drawn; the command has those that
            `emotional_ed.experiments.study_episodes.study_episodes` lives again.
        episode_notes: which arms have none, and why, in sentences.

    Returns:
        Where the page is.

    Raises:
        ValueError: there is no finished run, or no arm has the baseline's name.
        OSError: the folder cannot be written; an older report is left as it was.
    """
    study = folder if isinstance(folder, LoadedStudy) else load_study(folder)
    findings = find(study, baseline, episodes, episode_notes)
    target = study.folder / "report.html"
    rows = records(findings.summaries, findings.claims, findings.recoveries)
    write_atomically(target.with_suffix(".md"), report_markdown(findings).encode())
    write_atomically(target.with_suffix(".csv"), csv_table(rows).encode())
    write_atomically(target, page(findings).encode())
    return target
