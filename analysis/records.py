"""The table of a study as plain rows, for pandas and CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from emotional_ed.analysis.changes import ArmRecovery
from emotional_ed.analysis.claims import Claim
from emotional_ed.analysis.compare import ArmSummary
from emotional_ed.analysis.statistics import Estimate

Record = dict[str, str | float | int | bool | None]


def records(
    summaries: Sequence[ArmSummary], made: Sequence[Claim] = (), recovered: Sequence[ArmRecovery] = ()
) -> list[Record]:
    """Return one flat row an arm; `pandas.DataFrame(records(...))` reads them.

    What does not exist is None: the difference of the baseline to itself, an interval from a single seed,
    catastrophes that nobody counted, recovery where the task does not change.
    """
    beside = {(claim.env_id, claim.arm): claim for claim in made}
    back = {(one.env_id, one.arm): one for one in recovered}
    names = [(one.env_id, one.arm) for one in summaries]
    return [
        _record(one, beside.get(name), back.get(name)) for name, one in zip(names, summaries, strict=True)
    ]


def _record(one: ArmSummary, claim: Claim | None, back: ArmRecovery | None) -> Record:
    row: Record = {"task": one.env_id, "arm": one.arm, "seeds": one.final.seeds}
    row |= _columns("return_second_half", one.final)
    row |= _columns("return_all", one.overall)
    row |= {"baseline": claim.baseline if claim else None}
    row |= _columns("difference", claim.difference if claim else None)
    row |= {"p": claim.p if claim else None, "p_holm": claim.p_holm if claim else None}
    row |= {"paired": claim.paired if claim else None}
    row |= _columns("probability_of_improvement", claim.improvement if claim else None)
    row |= _columns("catastrophes_per_1000_steps", one.catastrophes)
    row |= _columns("cvar", one.cvar)
    row |= _columns("episodes_until_back", back.episodes if back else None)
    row |= {"never_back": back.never if back else None}
    row |= {"seconds": one.seconds}
    return row


def _columns(name: str, one: Estimate | None) -> Record:
    bounded = one is not None and one.bounded
    return {
        name: None if one is None else one.value,
        f"{name}_low": one.low if one is not None and bounded else None,
        f"{name}_high": one.high if one is not None and bounded else None,
    }


def csv_table(rows: Sequence[Record]) -> str:
    """Return rows as CSV; what does not exist is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
