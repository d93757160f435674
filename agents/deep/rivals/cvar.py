"""A quantile policy that always acts on the worst share of what may come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from sb3_contrib import QRDQN
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from torch import Tensor

from emotional_ed.agents.deep.risk import risk_scores
from emotional_ed.checks import require_range


@final
class CVaRPolicy(QRDQNPolicy):
    """A policy for `sb3_contrib.QRDQN` that chooses by the CVaR of the returns that it has learned.

    Equation:
        a = argmax_a CVaR_share(s, a), the mean of the worst share of the quantiles theta(s, a)

    Learning stays as it is: backups are greedy for the mean, because a backup that is greedy for CVaR is not
    the CVaR of the return.

    Args:
        *args: everything that QRDQN's `MlpPolicy` takes, at the same places.
        share: of the outcomes that decide, the worst ones, in (0, 1]; 1 is QRDQN's own choice, bit for bit.
        **kwargs: everything that QRDQN's `MlpPolicy` takes, by name.

    Raises:
        ValueError: the share is out of range.

    When it does harm: where the best outcome is worth its risk; it is careful everywhere, all the time.

    Source: Dabney, Ostrovski, Silver and Munos (2018), arXiv 1806.06923, section 4; quantiles Dabney,
    Rowland, Bellemare and Munos (2018), arXiv 1710.10044.

    Example:
        >>> from sb3_contrib import QRDQN
        >>> kwargs = {"share": 0.25, "n_quantiles": 20}
        >>> QRDQN(CVaRPolicy, "CartPole-v1", seed=0, policy_kwargs=kwargs).learn(200).num_timesteps
        200
    """

    def __init__(self, *args: Any, share: float = 0.25, **kwargs: Any) -> None:
        self.share = require_range("share", share, 0, 1, low_open=True)
        super().__init__(*args, **kwargs)

    def _predict(self, obs: Any, deterministic: bool = True) -> Tensor:
        quantiles = self.quantile_net(obs)  # [n, N, A]
        level = torch.full((len(quantiles),), self.share, device=quantiles.device)
        return risk_scores(quantiles, level).argmax(1)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "share": self.share}


def careful_qrdqn(
    env: Any, *, share: float = 0.25, quantiles: int = 50, hidden: Sequence[int] = (64, 64), **kwargs: Any
) -> QRDQN:
    """Return `sb3_contrib.QRDQN` with a `CVaRPolicy`.

    Args:
        env: what it lives in, or its Gymnasium id.
        share: of the outcomes that decide, in (0, 1].
        quantiles: of every action, >= 1.
        hidden: units of the hidden layers.
        **kwargs: everything else that `sb3_contrib.QRDQN` takes.
    """
    layers = {"net_arch": list(hidden), "n_quantiles": quantiles, "share": share}
    return QRDQN(CVaRPolicy, env, policy_kwargs=layers, **kwargs)
