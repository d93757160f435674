"""Train eight agents that get angry at a jammed door, then watch one of them live an episode.

Run it: python examples/train_and_watch.py [FOLDER]    (the run goes to FOLDER, or is thrown away)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from emotional_ed.affect import AffectConfig
from emotional_ed.analysis import learning_curve, load_run
from emotional_ed.experiments import TrainSpec
from emotional_ed.experiments.train import train
from emotional_ed.experiments.watch import WatchSpec, watch


def main(folder: Path) -> None:
    """Train, print how the return grew, and show one more episode of the first agent as text."""
    spec = TrainSpec(
        env_id="EmotionalED/JammedDoor-v0",
        steps=1500,
        affect=AffectConfig.levels(1),
        population=8,
        step_size=0.1,
        exploration=0.02,
    )
    run = train(spec, folder / "door")
    curve = learning_curve(load_run(run), points=5)
    for step, value in zip(curve.steps, curve.value, strict=True):
        print(f"until step {step:4.0f} an episode earned {value:.2f} (IQM over {spec.population} agents)")
    watch(run, WatchSpec(limit=25, ascii_only=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
