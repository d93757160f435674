"""What the deep agents cost beside Stable-Baselines3's DQN: speed, memory, and whether either grows.

The same network, the same hyper-parameters, one thread, on CartPole-v1, and on pictures.

speed: environment steps per second of agents in one process, which live on in short turns, so that what the
machine does besides hits all of them. Four settings: Stable-Baselines3's defaults
(a gradient step every 4 steps, 64-64 units), those tuned for CartPole by rl-baselines3-zoo (128 gradient
steps every 256 steps, 256-256 units), the latter with 8 environments (every 32 steps of each), and the
defaults with Stable-Baselines3's convolutional network on pictures of 84 by 84 points. Each agent learns for
a while before the clock starts (and compiles, if it does).
memory: largest memory of a process that does nothing but learn, one process an agent, with the same buffer,
filled.
growth: seconds for every 10,000 steps of one long run at level 2, and the memory of the process then; at the
end 10,000 steps more, in turn with a young agent, because how fast a machine is changes in the meantime.

python benchmarks/deep.py speed
python benchmarks/deep.py speed --device cuda
python benchmarks/deep.py memory --steps 20000
python benchmarks/deep.py growth --steps 1000000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env

import emotional_ed
from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

ROUNDS = 10
WARM, STEPS = 1280, 512  # steps before the clock starts, and in one turn; whole rollouts in all settings
ZOO: dict[str, Any] = {
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults (train_freq=4, gradient_steps=1)": {"buffer_size": 100_000},
    "zoo (train_freq=256, gradient_steps=128)": ZOO,
    "zoo, 8 environments": {**ZOO, "train_freq": 32, "n_envs": 8},
    "pictures (CnnPolicy, else defaults)": {"policy": "CnnPolicy", "buffer_size": 5000},
}
SHORTER = 4  # times fewer steps with pictures

Make = Callable[[int, dict[str, Any], str], DQN]


class Pictures(gymnasium.Env[NDArray[np.uint8], Any]):
    """Random pictures of the size that Atari agents see, for what they cost."""

    observation_space = gymnasium.spaces.Box(0, 255, (84, 84, 1), np.uint8)
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self._shown = draw.integers(0, 256, (64, *self.observation_space.shape), dtype=np.uint8)
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode of 50 steps."""
        super().reset(seed=seed)
        self._step = 0
        return self._shown[0], {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Show the next picture; action 0 pays."""
        self._step += 1
        return self._shown[self._step % 64], float(action == 0), self._step >= 50, False, {}


def plain(seed: int, kwargs: dict[str, Any], device: str) -> DQN:
    """Return Stable-Baselines3's agent."""
    return DQN(seed=seed, device=device, **_with_env(kwargs))


def feeling(level: int, **own: Any) -> Make:
    """Return how to make an agent with this level of affect, and what else is its own."""
    affect = AffectConfig.levels(level)
    return lambda seed, kwargs, device: EmotionalDQN(
        affect=affect, seed=seed, device=device, **own, **_with_env(kwargs)
    )


def _with_env(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an agent, its policy and its environments among them."""
    given = {"n_envs": 1, "policy": "MlpPolicy", **kwargs}
    world = Pictures if given["policy"] == "CnnPolicy" else "CartPole-v1"
    return {"env": make_vec_env(world, n_envs=given.pop("n_envs")), **given}


ARMS: dict[str, Make] = {
    "Stable-Baselines3 DQN": plain,
    "EmotionalDQN, level 0": feeling(0),
    "EmotionalDQN, level 1": feeling(1),
    "EmotionalDQN, level 2": feeling(2),
    "EmotionalDQN, level 1, compiled": feeling(1, compiled=True),
    "EmotionalDQN, level 2, compiled": feeling(2, compiled=True),
    "EmotionalDQN, level 2, compiled, salience replay": feeling(
        2, compiled=True, replay_buffer_class=SalienceReplayBuffer
    ),
}
CHUNK = 10_000  # steps between two looks at the clock


def seconds(model: DQN, steps: int) -> float:
    """Return how long an agent takes for some more steps."""
    began = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def title(device: str = "cpu") -> str:
    """Return what was measured on."""
    return (
        f"emotional_ed {emotional_ed.__version__}, stable-baselines3 {stable_baselines3.__version__}, "
        f"torch {torch.__version__}, {device.upper()}, one thread. CartPole-v1"
    )


def speed(rounds: int, device: str) -> None:
    """Print one table a setting."""
    print(
        f"{title(device)}, {rounds} rounds in which all agents take turns, {STEPS} steps each "
        f"({STEPS // SHORTER} with pictures): median (from smallest to largest)."
    )
    for name, kwargs in SETTINGS.items():
        shorter = SHORTER if "policy" in kwargs else 1
        models = {arm: make(0, kwargs, device).learn(WARM // shorter) for arm, make in ARMS.items()}
        rates: dict[str, list[float]] = {arm: [] for arm in ARMS}
        for _ in range(rounds):
            for arm, model in models.items():
                rates[arm].append(STEPS // shorter / seconds(model, STEPS // shorter))
        reference = rates["Stable-Baselines3 DQN"]
        print(f"\n{name}\n\n| agent | steps per second | times Stable-Baselines3 |\n|---|---|---|")
        for arm, own in rates.items():
            ratios = [a / b for a, b in zip(own, reference, strict=True)]
            print(f"| {arm} | {spread(own, 0)} | {spread(ratios, 2)} |", flush=True)


def spread(values: list[float], digits: int) -> str:
    """Return the median, the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def peak() -> float:
    """Return the largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(steps: int) -> None:
    """Print the largest memory of a process for each agent, and how much more that is than the first's."""
    print(f"{title()}, a buffer of {steps} transitions, filled.\n")
    print("| agent | peak memory | more than Stable-Baselines3 |\n|---|---|---|")
    first = 0.0
    for name in ARMS:
        command = [sys.executable, __file__, "one", "--steps", str(steps), "--agent", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        mb = float(output.split()[-1])
        first = first or mb
        print(f"| {name} | {mb:.0f} MB | {100 * (mb / first - 1):+.1f} % |", flush=True)


def one(agent: str, steps: int) -> None:
    """Learn until a buffer of `steps` transitions is full, and print the largest memory in MB."""
    ARMS[agent](0, {"buffer_size": steps}, "cpu").learn(steps)
    print(peak())


def growth(steps: int) -> None:
    """Print time and memory along one long run."""
    print(f"{title()}, level 2, {steps} steps, a buffer of 50000.\n")
    print(f"| steps | seconds for the last {CHUNK} | peak memory |\n|---|---|---|")
    model = ARMS["EmotionalDQN, level 2"](0, {"buffer_size": 50_000}, "cpu")
    model.learn(WARM)
    while model.num_timesteps < steps:
        began = time.process_time()
        model.learn(CHUNK, reset_num_timesteps=False)
        seconds = time.process_time() - began
        print(f"| {model.num_timesteps} | {seconds:.1f} | {peak():.0f} MB |", flush=True)
    young = ARMS["EmotionalDQN, level 2"](0, {"buffer_size": 50_000}, "cpu")
    young.learn(CHUNK)  # until it explores as little as the old one
    ratios: list[float] = []
    for _ in range(ROUNDS):
        took = []
        for agent in (model, young):
            began = time.process_time()
            agent.learn(CHUNK, reset_num_timesteps=False)
            took.append(time.process_time() - began)
        ratios.append(took[0] / took[1])
    print(
        f"\nA step of the old agent takes {statistics.median(ratios):.2f} times that of a young one ", end=""
    )
    print(f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds in turn).")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", default="speed", choices=["speed", "memory", "growth", "one"])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--agent", choices=list(ARMS), default="EmotionalDQN, level 2")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="for speed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "speed":
        speed(given.rounds, given.device)
    elif given.what == "memory":
        memory(given.steps)
    elif given.what == "growth":
        growth(given.steps)
    else:
        one(given.agent, given.steps)


if __name__ == "__main__":
    main()
