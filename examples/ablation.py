"""What is each emotion worth? Take them away one by one, and read the answer with its intervals.

Run it: python examples/ablation.py [FOLDER]    (the study goes to FOLDER, or is thrown away)
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

from emotional_ed.affect import AffectConfig
from emotional_ed.analysis import claims, load_study, markdown_table, report
from emotional_ed.experiments import Study, run_study


def main(folder: Path) -> None:
    """Run four arms on the same seeds, print table and claims, and write the report."""
    full = AffectConfig.levels(1)
    arms = {
        "level-0": AffectConfig.levels(0),
        "full": full,
        "without-anger": dataclasses.replace(full, anger=None),
        "without-fear": dataclasses.replace(full, fear=None),
    }
    study = Study(env_id="EmotionalED/JammedDoor-v0", arms=arms, seeds=10, steps=1000, exploration=0.02)
    print(markdown_table(run_study(study, folder / "study")))
    for one in claims(load_study(folder / "study")):
        print(f"{one.arm} less {one.baseline}: {one.difference}, p = {one.p_holm:.3f} after Holm")
    print(f"report: {report(folder / 'study')}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
