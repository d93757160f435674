"""How the cost of a step grows with the population and with the levels of affect, as ratios in one run.

python benchmarks/populations.py
"""

import statistics
import time

import torch

import emotional_ed
from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ

ENV = "EmotionalED/RecurringRegimes-v0"
ROUNDS = 7


def seconds_per_step(model: EmotionalQ, steps: int) -> float:
    """Return the wall-clock time of one step of the whole population."""
    began = time.perf_counter()
    model.learn(steps, log_interval=10**9)
    return (time.perf_counter() - began) / steps


def main() -> None:
    """Time P = 1 and P = 1024 at each level in turn, round by round, and print medians and ratios."""
    torch.set_num_threads(1)
    cases = [(level, population) for population in (1, 1024) for level in (0, 1, 2)]
    models = {
        case: EmotionalQ(ENV, AffectConfig.levels(case[0]), population=case[1], seed=0).learn(300)
        for case in cases
    }
    times: dict[tuple[int, int], list[float]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case in cases:  # interleaved, so that drift of the machine hits all alike
            times[case].append(seconds_per_step(models[case], 300))
    print(f"emotional_ed {emotional_ed.__version__}, torch {torch.__version__}, {ENV}, one thread, CPU")
    print("level  population  microseconds a step  agent-steps a second")
    median = {case: statistics.median(values) for case, values in times.items()}
    for level, population in cases:
        step = median[level, population]
        print(f"{level:5}  {population:10}  {step * 1e6:19.0f}  {population / step:20.0f}")
    for level in (0, 1, 2):
        gain = [1024 * one / many for one, many in zip(times[level, 1], times[level, 1024], strict=True)]
        print(f"level {level}: agent-steps a second at P = 1024 over P = 1: {_spread(gain)}")
    cost = [full / plain for full, plain in zip(times[2, 1024], times[0, 1024], strict=True)]
    print(f"full affect over level 0 at P = 1024, time: {_spread(cost)}")


def _spread(ratios: list[float]) -> str:
    return f"median {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
