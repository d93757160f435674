"""Random search over hyper-parameters: every configuration and seed is a member of one population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.agents import EmotionalQ
from emotional_ed.experiments.train import TrainSpec

RANGES: Mapping[str, tuple[float, float]] = {"step_size": (0.02, 1.0), "exploration": (0.005, 0.3)}
"""Log-uniform ranges that every arm is searched over."""


@dataclass(frozen=True)
class Tuned:
    """What a search found for one arm."""

    settings: dict[str, float]
    """The best configuration."""
    score: float
    """Its mean score over the tuning seeds."""
    trials: list[dict[str, float]]
    """All configurations with their scores."""


def draw_configurations(budget: int, seed: int = 0) -> list[dict[str, float]]:
    """Return `budget` random configurations; the same for every arm that is given the same seed."""
    uniform = np.random.default_rng(seed).random((budget, len(RANGES)))
    low, high = (np.log([RANGES[name][side] for name in RANGES]) for side in (0, 1))
    values = np.exp(low + uniform * (high - low))
    return [dict(zip(RANGES, map(float, row), strict=True)) for row in values]


def tune(spec: TrainSpec, *, budget: int, seeds: int, first_seed: int = 1_000_000, seed: int = 0) -> Tuned:
    """Try `budget` configurations of an arm on `seeds` tuning seeds each, and return the best.

    Args:
        spec: the arm; its population and seed are not used.
        budget: configurations.
        seeds: tuning seeds a configuration, the same for all.
        first_seed: the first of them; keep it away from the seeds that are reported.
        seed: of the draw of configurations.

    The score is the mean over seeds of the mean return over all episodes, unfinished ones counted.
    """
    configurations = draw_configurations(budget, seed)
    model = EmotionalQ(
        spec.env_id,
        spec.affect,
        population=budget * seeds,
        step_size=[one["step_size"] for one in configurations for _ in range(seeds)],
        exploration=[one["exploration"] for one in configurations for _ in range(seeds)],
        discount=spec.discount,
        seed=[first_seed + s for _ in configurations for s in range(seeds)],
        env_kwargs=spec.env_kwargs,
        catastrophe_reward=spec.catastrophe_reward,
        device=spec.device,
    )
    model.learn(spec.steps)
    scores = mean_returns(model).reshape(budget, seeds).mean(-1)
    trials = [{**one, "score": float(score)} for one, score in zip(configurations, scores, strict=True)]
    best = int(scores.argmax())
    return Tuned(configurations[best], float(scores[best]), trials)


def mean_returns(model: EmotionalQ) -> NDArray[np.float64]:
    """Return each member's mean return over its episodes, the running one included, [P]."""
    rows = model.episodes
    total = np.bincount(rows["member"], weights=rows["return"], minlength=model.population)
    count = np.bincount(rows["member"], minlength=model.population)
    running = model.unfinished_lengths > 0
    return np.asarray((total + model.unfinished_returns) / np.maximum(count + running, 1))
