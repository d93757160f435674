"""A channel of one's own in one class: boredom explores more where nothing has surprised for long.

Run it: python examples/own_channel.py [FOLDER]    (the checkpoint goes to FOLDER, or is thrown away)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from emotional_ed.affect import AffectConfig, Channel, ChannelConfig, Drive
from emotional_ed.agents import EmotionalQ
from emotional_ed.checks import require_range
from emotional_ed.nested import Signals

ENV = "EmotionalED/VanishingSource-v0"
MEMBERS, STEPS, MORE = 8, 2000, 200


@final
class Boredom(Channel):
    """Every step: a leaky share of steps without news, with signals and state of its own.

    Equation:
        boredom += rate ([|z| < news] - boredom);  exploration is multiplied by 1 + gain boredom

    When it does harm: where the best there is has been found, and does not surprise.

    Shapes:
        level: [P] in [0, 1].
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(ChannelConfig):
        """How fast one gets bored, by what, and what that does."""

        rate: float = 0.02
        """Share by which boredom moves toward this step's, in (0, 1]."""
        news: float = 0.5
        """Standardised surprise that is news, >= 0."""
        gain: float = 2.0
        """Exploration is multiplied by 1 + gain * boredom, in [0, 1e6]."""

        def __post_init__(self) -> None:
            require_range("Boredom.Config.rate", self.rate, 0, 1, low_open=True)
            require_range("Boredom.Config.news", self.news, 0)
            require_range("Boredom.Config.gain", self.gain, 0, 1e6)

    name = "boredom"
    level: Tensor
    rate: Tensor  # the numbers of the configuration, [P]: members may differ in them
    news: Tensor
    gain: Tensor

    def start(self, configs: Sequence[Any]) -> None:
        """Start interested."""
        self.remember("level")

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Get bored without news."""
        dull = (signals["surprise"].abs() < self.news).float()
        level = self.level + self.rate * (dull - self.level)
        self.level.copy_(level if due is None else torch.where(due, level, self.level))
        signals["boredom"] = level

    def modulate(self, key: Tensor) -> Drive:
        """Explore more when bored."""
        return Drive(exploration=1 + self.gain * self.level)


def train(affect: AffectConfig) -> tuple[EmotionalQ, float]:
    """Train a small population and return it with the share of steps that it explored."""
    explored = []
    model = EmotionalQ(ENV, affect, population=MEMBERS, exploration=0.05, seed=0)
    model.learn(STEPS, callback=lambda one: explored.append(float(one.signals["explored"].float().mean())))
    return model, float(np.mean(explored))


def main(folder: Path) -> None:
    """Train with and without boredom, save, load, and go on."""
    bored, share = train(AffectConfig(own=(Boredom.Config(),)))
    _, plain_share = train(AffectConfig())
    level = bored.signals["boredom"]
    print(f"boredom after {STEPS} steps: mean {level.mean():.2f}, {level.min():.2f} to {level.max():.2f}")
    print(f"share of steps explored: {share:.3f} with boredom, {plain_share:.3f} without")
    file = bored.save(folder / "bored")
    print(f"saved as {file.name}, {file.stat().st_size} bytes")
    loaded = EmotionalQ.load(file)
    print(f"loaded with {loaded.affect.configs[0].own[0]}")
    bored.learn(MORE)
    loaded.learn(MORE)
    same = torch.equal(bored.value.M, loaded.value.M)
    print(f"after {MORE} more steps of both, values are equal bit for bit: {same}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
