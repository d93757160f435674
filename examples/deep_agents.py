"""Train a deep agent with affect, stop it, go on from its file, and see that nothing was lost.

Run it: python examples/deep_agents.py [qrdqn|sac|dqn]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import ConvertCallback
from stable_baselines3.common.evaluation import evaluate_policy

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN, EmotionalQRDQN, EmotionalSAC
from emotional_ed.agents.deep import Checkpoints
from emotional_ed.replay import SalienceReplayBuffer

AGENTS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "dqn": (EmotionalDQN, "CartPole-v1", {"fear_on": "target"}),
    "qrdqn": (EmotionalQRDQN, "CartPole-v1", {"policy_kwargs": {"n_quantiles": 20}, "risk": 0.9}),
    "sac": (EmotionalSAC, "Pendulum-v1", {"policy_kwargs": {"net_arch": [64, 64]}, "proposals": 8}),
}


def main(name: str, folder: Path) -> None:
    """Learn, stop half-way, load and go on; print what was lived and what is felt."""
    kind, env, own = AGENTS[name]
    model = kind(
        "MlpPolicy",
        env,
        affect=AffectConfig.levels(1),
        replay_buffer_class=SalienceReplayBuffer,
        buffer_size=5000,
        seed=0,
        device="cpu",
        **own,
    )

    def stop(local: dict[str, Any], _: dict[str, Any]) -> bool:
        return bool(local["self"].num_timesteps < 300)

    model.learn(600, callback=[Checkpoints(folder / "kept", every=100), ConvertCallback(stop)])
    model.save(folder / "stopped")
    again = kind.load(folder / "stopped", device="cpu")
    again.learn(again.remaining_timesteps, reset_num_timesteps=False)
    print(f"{name}: stopped after {model.num_timesteps} steps, went on to {again.num_timesteps}")
    signals = again.affect.signals
    print(f"felt in its last step: fear {float(signals['fear']):.2f}, anger {float(signals['anger']):.2f}")
    mean, spread = evaluate_policy(again, again.get_env(), n_eval_episodes=3)
    print(f"return {mean:.1f} +- {spread:.1f} over 3 episodes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else "qrdqn", Path(temporary))
