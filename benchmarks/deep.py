"""Environment steps per second of the deep agents beside Stable-Baselines3's DQN, in one process.

The same network, the same hyper-parameters, CPU, one thread. Two settings: Stable-Baselines3's defaults (a
gradient step every 4 steps, 64-64 units) and those tuned for CartPole by rl-baselines3-zoo (128 gradient
steps every 256 steps, 256-256 units). Each agent learns for a while before the clock starts.

python benchmarks/deep.py
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import stable_baselines3
import torch
from stable_baselines3 import DQN

import emotional_ed
from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN

ROUNDS = 7
WARM, STEPS = 1280, 5120  # steps before the clock starts, and timed; whole rollouts in both settings
ZOO: dict[str, Any] = {
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults (train_freq=4, gradient_steps=1)": {"buffer_size": 100_000},
    "zoo (train_freq=256, gradient_steps=128)": ZOO,
}

Make = Callable[[int, dict[str, Any]], DQN]


def feeling(affect: AffectConfig) -> Make:
    """Return how to make an agent with this affect."""
    return lambda seed, kwargs: EmotionalDQN(
        "MlpPolicy", "CartPole-v1", affect=affect, seed=seed, device="cpu", **kwargs
    )


ARMS: dict[str, Make] = {
    "Stable-Baselines3 DQN": lambda seed, kwargs: DQN(
        "MlpPolicy", "CartPole-v1", seed=seed, device="cpu", **kwargs
    ),
    "EmotionalDQN, level 0": feeling(AffectConfig.levels(0)),
    "EmotionalDQN, level 1": feeling(AffectConfig.levels(1)),
    "EmotionalDQN, level 2 without recall": feeling(dataclasses.replace(AffectConfig.levels(2), recall=None)),
}


def rate(make: Make, seed: int, kwargs: dict[str, Any]) -> float:
    """Return environment steps per second of one run."""
    model = make(seed, kwargs)
    model.learn(WARM)
    began = time.perf_counter()
    model.learn(STEPS, reset_num_timesteps=False)
    return STEPS / (time.perf_counter() - began)


def main() -> None:
    """Print one table a setting."""
    torch.set_num_threads(1)
    print(
        f"emotional_ed {emotional_ed.__version__}, stable-baselines3 {stable_baselines3.__version__}, "
        f"torch {torch.__version__}, CPU, one thread. CartPole-v1, {STEPS} steps a run, {ROUNDS} rounds in "
        "which all agents take turns: median (from smallest to largest)."
    )
    for title, kwargs in SETTINGS.items():
        rates: dict[str, list[float]] = {name: [] for name in ARMS}
        for seed in range(ROUNDS):
            for name, make in ARMS.items():
                rates[name].append(rate(make, seed, kwargs))
        reference = rates["Stable-Baselines3 DQN"]
        print(f"\n{title}\n\n| agent | steps per second | times Stable-Baselines3 |\n|---|---|---|")
        for name, own in rates.items():
            ratios = [a / b for a, b in zip(own, reference, strict=True)]
            print(f"| {name} | {spread(own, 0)} | {spread(ratios, 2)} |", flush=True)


def spread(values: list[float], digits: int) -> str:
    """Return the median, the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
