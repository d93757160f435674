"""Deep agents learn what they are expected to learn (minutes each)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from stable_baselines3.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN

TUNED: dict[str, Any] = {  # of rl-baselines3-zoo, for CartPole-v1
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
LEVELS = {
    0: AffectConfig.levels(0),
    1: AffectConfig.levels(1),
    2: dataclasses.replace(AffectConfig.levels(2), recall=None),
}


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_cartpole_is_solved(level: int) -> None:
    """475 over 100 episodes, on starts that it was not stopped on."""
    model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=LEVELS[level], seed=0, device="cpu", **TUNED)
    stop = EvalCallback(
        make_vec_env("CartPole-v1", 1, seed=1000),
        callback_on_new_best=StopTrainingOnRewardThreshold(495),
        eval_freq=1024,
        n_eval_episodes=20,
        verbose=0,
    )
    model.learn(60_000, callback=stop)
    mean, _ = evaluate_policy(model, make_vec_env("CartPole-v1", 1, seed=2000), n_eval_episodes=100)
    assert isinstance(mean, float)
    assert mean >= 475
