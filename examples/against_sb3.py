"""A plain Stable-Baselines3 agent beside ours: same task, same seeds, same budget, one report.

Run it: python examples/against_sb3.py [FOLDER]    (logs and report go to FOLDER, or are thrown away)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.analysis import claims, compare, load_study, report

SAME = {"learning_rate": 1e-3, "learning_starts": 200, "exploration_fraction": 0.3}


def main(folder: Path, seeds: int = 3, steps: int = 600) -> None:
    """Train both arms with a Monitor file a seed, and compare them."""
    for seed in range(seeds):
        for arm in ("dqn", "emotional-dqn"):
            env = make_vec_env("CartPole-v1", 1, seed=seed, monitor_dir=str(folder / arm / f"seed_{seed}"))
            agent, own = (DQN, {}) if arm == "dqn" else (EmotionalDQN, {"affect": AffectConfig.levels(1)})
            agent("MlpPolicy", env, seed=seed, **SAME, **own).learn(steps)
            env.close()
    study = load_study(folder)
    for one in compare(study):
        print(f"{one.arm}: return {one.final} over {one.final.seeds} seeds, {one.seconds:.1f} s")
    for claim in claims(study, baseline="dqn"):
        print(f"difference: {claim.difference}, p = {claim.p_holm:.2f}; {seeds} seeds can show nothing yet")
    print(f"report: {report(study, baseline='dqn')}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
