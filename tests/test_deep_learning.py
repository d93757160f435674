"""Deep agents learn what they are expected to learn (minutes each)."""

from __future__ import annotations

from typing import Any

import pytest
from stable_baselines3.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN

TUNED: dict[str, Any] = {  # of rl-baselines3-zoo, for CartPole-v1
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip


def assert_solves_cartpole(model: OffPolicyAlgorithm) -> None:
    """475 over 100 episodes, on starts that it was not stopped on."""
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


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1, 2])
def test_cartpole_is_solved(level: int) -> None:
    affect = AffectConfig.levels(level)
    model = EmotionalDQN("MlpPolicy", "CartPole-v1", affect=affect, seed=0, device="cpu", **TUNED)
    assert_solves_cartpole(model)


LANDING: dict[str, Any] = {  # of rl-baselines3-zoo, for LunarLander, with more time
    "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0, "gamma": 0.99,
    "target_update_interval": 250, "train_freq": 4, "gradient_steps": -1, "exploration_fraction": 0.06,
    "exploration_final_eps": 0.1, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip


@pytest.mark.slow
def test_lunar_lander_is_solved_with_full_affect() -> None:
    """200 over 100 episodes, on starts that it was not stopped on."""
    pytest.importorskip("Box2D", reason="LunarLander needs Box2D: pip install 'gymnasium[box2d]'")
    affect = AffectConfig.levels(2)
    model = EmotionalDQN("MlpPolicy", "LunarLander-v3", affect=affect, seed=0, device="cpu", **LANDING)
    stop = EvalCallback(
        make_vec_env("LunarLander-v3", 1, seed=1000),
        callback_on_new_best=StopTrainingOnRewardThreshold(235),
        eval_freq=10_000,
        n_eval_episodes=20,
        verbose=0,
    )
    model.learn(200_000, callback=stop)
    mean, _ = evaluate_policy(model, make_vec_env("LunarLander-v3", 1, seed=2000), n_eval_episodes=100)
    assert isinstance(mean, float)
    assert mean >= 200
