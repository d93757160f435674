"""Four unequal arms, and after each choice the news of what every arm would have paid."""

from __future__ import annotations

from itertools import product
from typing import Any, ClassVar, final

import numpy as np

from emotional_ed.checks import require_int, require_range
from emotional_ed.envs.tabular_env import TabularEnv, TabularVectorEnv
from emotional_ed.envs.tabular_model import TabularModel, empty_tables

MEANS = (0.8, 0.2, 0.6, 0.4)
ARMS = len(MEANS)


def build_model(period: int, noise: float, equal: bool) -> TabularModel:
    """Return the tables; an outcome is one of the 16 ways in which four independent arms go up or down."""
    signs = np.array(list(product((-1.0, 1.0), repeat=ARMS)))  # [O, A]
    tables = empty_tables(ARMS, 1, ARMS, len(signs))
    tables["probability"][:] = 1 / len(signs)
    for context in range(ARMS):
        for arm in range(ARMS):
            mean = float(np.mean(MEANS)) if equal else MEANS[(arm + context) % ARMS]
            tables["reward"][context, 0, arm] = mean + noise * signs[:, arm]
    return TabularModel(
        **tables,  # type: ignore[arg-type]
        observation=np.array([0]),
        start=np.array([0]),
        episodes_per_context=period,
        full_feedback=True,
    )


@final
class FullFeedbackEnv(TabularEnv):
    """Four arms of unequal worth; what the others would have paid is told after each choice.

    ## Description
    Twenty choices among four arms. Their mean rewards are 0.8, 0.2, 0.6 and 0.4, each plus or minus `noise`,
    independently; every `period` episodes the means move on by one arm, so that each arm is best in its turn.
    `info["affect"]["forgone"]` tells the rewards of all arms in this very step. The trade-off: who looks only
    at the reward received must choose bad arms to know them; who feels what was forgone need not, but must
    not run after the luck of a single draw.

    ## Action Space
    `Discrete(4)`: the arm.

    ## Observation Space
    `Discrete(1)`: always 0.

    ## Starting State
    0.

    ## Rewards
    The mean of the arm plus or minus `noise`, with equal probability.

    ## Episode End
    Never terminates; truncated after 20 steps.

    ## Information
    `catastrophe`: always False. `affect`: `{"forgone": [4 rewards]}`, the rewards that the four arms would
    have paid in this step, the chosen one's included. For agents that are asked to use it; results must say
    so.

    ## Values
    Undiscounted return of the best policy (knows the means): 16. Of the uniformly random policy: 10.

    ## Control
    `equal=True`: all arms have mean 0.5. There is no best arm, and every policy earns 10: regret must not
    help, and chases noise.

    ## Arguments
    ```python
    gymnasium.make("EmotionalED/FullFeedback-v0", period=50, noise=0.5)
    ```
    `period`: episodes between two rearrangements, >= 1. `noise`: spread of the rewards, >= 0. `equal`:
    whether all arms are alike.

    ## Version History
    - v0: initial version
    """

    appraisals: ClassVar[tuple[str, ...]] = ("forgone",)

    def __init__(
        self, period: int = 50, noise: float = 0.5, equal: bool = False, render_mode: str | None = None
    ) -> None:
        require_int("period", period, 1)
        require_range("noise", noise, 0, 1e6)
        super().__init__(build_model(period, noise, equal), render_mode)

    def layout(self) -> list[str]:
        """Return the agent beside its four arms, `+` the best and `-` the worst one now."""
        mean = self.model.reward[self.model.context(max(self._episode, 0)), 0].mean(-1)
        if np.ptp(mean) < 1e-9:
            return ["A#" + "." * ARMS]
        marks = ["+" if arm == mean.argmax() else "-" if arm == mean.argmin() else "." for arm in range(ARMS)]
        return ["A#" + "".join(marks)]


@final
class FullFeedbackVectorEnv(TabularVectorEnv):
    """Many copies of `FullFeedbackEnv` as one tensor program."""

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int = 20, device: str = "cpu", **kwargs: Any
    ) -> None:
        super().__init__(FullFeedbackEnv(**kwargs), num_envs, max_episode_steps, device)
