"""What a study of eight kinds of affect costs: fifty seeds of each, until all have lived 300 episodes.

python benchmarks/suite.py
"""

import dataclasses
import os
import time

import numpy as np
import torch

import emotional_ed
from emotional_ed.affect import (
    AffectConfig,
    AttachmentConfig,
    CuriosityConfig,
    FearConfig,
    MoodConfig,
    RecallConfig,
    SpectrumConfig,
    TemperamentConfig,
)
from emotional_ed.agents import EmotionalQ
from emotional_ed.experiments.contests.arm import Arm

ENV = "EmotionalED/RecurringRegimes-v0"
SEEDS, EPISODES = 50, 300
BLOCK = 100
"""Steps between two looks at how far the slowest member is."""


def arms() -> dict[str, Arm]:
    """Return eight arms of one kind, so that one population holds them all."""
    plain, mood = AffectConfig.levels(0), {"mood": MoodConfig(), "temperament": TemperamentConfig()}
    affects = {
        "level-0": plain,
        "level-0+1": AffectConfig.levels(1),
        "level-0+1+2": AffectConfig.levels(2),
        "fear": dataclasses.replace(plain, fear=FearConfig()),
        "recall": dataclasses.replace(plain, recall=RecallConfig(), **mood),  # type: ignore[arg-type]
        "attachment": dataclasses.replace(plain, attachment=AttachmentConfig(gate=0.0)),
        "curiosity": dataclasses.replace(plain, curiosity=CuriosityConfig()),
        "spectrum": dataclasses.replace(plain, spectrum=SpectrumConfig()),
    }
    return {name: Arm(affect=affect) for name, affect in affects.items()}


def main() -> None:
    """Let everybody live together and print the seconds."""
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    contestants = arms()
    assert len({one.kind for one in contestants.values()}) == 1
    population = len(contestants) * SEEDS
    model = EmotionalQ(
        ENV,
        [one.affect for one in contestants.values() for _ in range(SEEDS)],
        population=population,
        seed=[seed for _ in contestants for seed in range(SEEDS)],
        step_size=0.3,
    )
    load = os.getloadavg()[0]
    began, used = time.perf_counter(), time.process_time()
    least = 0
    while least < EPISODES:
        model.learn(BLOCK, log_interval=10**9)
        least = int(np.bincount(model.episodes["member"], minlength=population).min())
    seconds, busy = time.perf_counter() - began, time.process_time() - used
    print(f"emotional_ed {emotional_ed.__version__}, torch {torch.__version__}, {ENV}, CPU")
    print(
        f"{len(contestants)} arms x {SEEDS} seeds, {model.num_timesteps} steps each, {least} episodes or more"
    )
    print(
        f"{seconds:.1f} s ({busy:.1f} s of processor), load {load:.2f} before, {os.getloadavg()[0]:.2f} after"
    )
    print(f"{population * model.num_timesteps / seconds:.0f} agent-steps a second")


if __name__ == "__main__":
    main()
