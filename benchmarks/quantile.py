"""Environment steps per second of EmotionalQRDQN beside sb3-contrib's QRDQN, and of EmotionalSAC beside SAC.

The same network, number of quantiles and hyper-parameters, in one process, CPU, one thread; all agents take
turns in each round. Seconds are those of the processor, which other work on the machine moves less than the
clock. Each agent learns for a while before they are counted.

python benchmarks/quantile.py
"""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any

import sb3_contrib
import stable_baselines3
import torch
from sb3_contrib import QRDQN
from stable_baselines3 import SAC

import emotional_ed
from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQRDQN, EmotionalSAC

ROUNDS = 5
ZOO: dict[str, Any] = {  # of rl-baselines3-zoo, for CartPole-v1
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256], "n_quantiles": 10},
}  # fmt: skip
LEVELS = {f"level {level}": {"affect": AffectConfig.levels(level)} for level in (0, 1)}
SETTINGS: dict[str, tuple[Any, Any, str, dict[str, Any], int]] = {
    "QRDQN, defaults (200 quantiles, train_freq=4)": (
        QRDQN, EmotionalQRDQN, "CartPole-v1", {"buffer_size": 100_000}, 512,
    ),
    "QRDQN, 50 quantiles, else defaults": (
        QRDQN, EmotionalQRDQN, "CartPole-v1",
        {"buffer_size": 100_000, "policy_kwargs": {"n_quantiles": 50}}, 1024,
    ),
    "QRDQN, zoo (10 quantiles, 128 gradient steps every 256 steps)": (
        QRDQN, EmotionalQRDQN, "CartPole-v1", ZOO, 1536,
    ),
    "SAC, defaults (256-256 units, a gradient step every step)": (
        SAC, EmotionalSAC, "Pendulum-v1", {"buffer_size": 100_000}, 200,
    ),
}  # fmt: skip


def rate(kind: Any, env: str, seed: int, kwargs: dict[str, Any], steps: int) -> float:
    """Return environment steps per second of processor of one run."""
    model = kind("MlpPolicy", env, seed=seed, device="cpu", **copy.deepcopy(kwargs))
    model.learn(max(kwargs.get("learning_starts", 100), 100) + kwargs.get("train_freq", 4))
    began = time.process_time()
    model.learn(steps, reset_num_timesteps=False)
    return steps / (time.process_time() - began)


def main() -> None:
    """Print one table a setting."""
    torch.set_num_threads(1)
    print(
        f"emotional_ed {emotional_ed.__version__}, stable-baselines3 {stable_baselines3.__version__}, "
        f"sb3-contrib {sb3_contrib.__version__}, torch {torch.__version__}, CPU, one thread, "
        f"{ROUNDS} rounds: median (from smallest to largest)."
    )
    for title, (theirs, ours, env, kwargs, steps) in SETTINGS.items():
        arms: dict[str, tuple[Any, dict[str, Any]]] = {theirs.__name__: (theirs, kwargs)}
        arms |= {f"{ours.__name__}, {name}": (ours, {**kwargs, **own}) for name, own in LEVELS.items()}
        rates: dict[str, list[float]] = {name: [] for name in arms}
        for seed in range(ROUNDS):
            for name, (kind, given) in arms.items():
                rates[name].append(rate(kind, env, seed, given, steps))
        reference = rates[theirs.__name__]
        print(f"\n{title}, {env}, {steps} steps\n")
        print("| agent | steps per second of processor | ratio |\n|---|---|---|")
        for name, own_rates in rates.items():
            ratios = [a / b for a, b in zip(own_rates, reference, strict=True)]
            print(f"| {name} | {spread(own_rates, 0)} | {spread(ratios, 2)} |", flush=True)


def spread(values: list[float], digits: int) -> str:
    """Return the median, the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
