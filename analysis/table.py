"""Summaries as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from emotional_ed.analysis.compare import ArmSummary

_HEAD = ("task", "arm", "return, second half", "return, all", "catastrophes / 1000 steps", "seeds", "seconds")


def markdown_table(summaries: Sequence[ArmSummary]) -> str:
    """Return the table: IQM with 95 % interval over seeds, number of seeds, training time."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for one in summaries:
        rows.append(
            (
                one.env_id,
                one.arm,
                f"{one.final:.2f}",
                f"{one.overall:.2f}",
                f"{one.catastrophes:.2f}",
                str(one.final.seeds),
                f"{one.seconds:.1f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width, "-" if cell == "---" else " ") for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
