"""Summaries as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from emotional_ed.analysis.compare import ArmSummary

_HEAD = ("task", "arm", "return, second half", "return, all", "catastrophes / 1000 steps", "seeds", "seconds")


def markdown_table(summaries: Sequence[ArmSummary]) -> str:
    """Return the table: IQM with 95 % interval over seeds, number of seeds, training time."""
    rows = [
        (
            one.env_id,
            one.arm,
            f"{one.final:.2f}",
            f"{one.overall:.2f}",
            "not counted" if one.catastrophes is None else f"{one.catastrophes:.2f}",
            str(one.final.seeds),
            f"{one.seconds:.1f}",
        )
        for one in summaries
    ]
    return table_of(_HEAD, rows)


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns of even width."""
    cells = [[escape_cell(cell) for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(head))]
    lines = [_line(row, widths, " ") for row in cells]
    return "\n".join([lines[0], _line(["---"] * len(head), widths, "-"), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int], fill: str) -> str:
    padded = (cell.ljust(width, fill) for cell, width in zip(cells, widths, strict=True))
    return "| " + " | ".join(padded) + " |"


def escape_cell(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    for mark in ("\\", "|", "`", "*", "<", "["):
        if mark != "[" or "](" in text:
            text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split("\n"))
