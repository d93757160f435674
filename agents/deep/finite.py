"""Stops at the first number that is no number, and says where, and what to go back to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotional_ed.agents.deep.errors import NotFiniteError
from emotional_ed.agents.deep.flat_adam import FlatAdam


def check_step(observations: Any, rewards: NDArray[Any], step: int, checkpoint: Path | None) -> None:
    """Refuse what an environment returned if it is not finite.

    Args:
        observations: of a vector of environments, [n, ...] or a dictionary of such.
        rewards: [n].
        step: how many steps were made before.
        checkpoint: the last good one.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    named = observations if isinstance(observations, dict) else {"": observations}
    for name, array in [*named.items(), (None, rewards)]:
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        what = "reward" if name is None else f"observation {name!r}" if name else "observation"
        which, number = _first(torch.from_numpy(np.ascontiguousarray(array)))
        raise NotFiniteError(
            f"{what}: got {number} from environment {which[0]} at step {step}, expected finite numbers; "
            + _way_back(checkpoint)
        )


def check_losses(losses: Tensor, step: int, checkpoint: Path | None) -> None:
    """Refuse losses [gradient steps] that are not finite.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    if not bool(losses.isfinite().all()):
        which, number = _first(losses)
        raise NotFiniteError(
            f"loss: got {number} in gradient step {which[0]} after step {step}, expected finite numbers; "
            + _way_back(checkpoint)
        )


def check_tensors(tensors: Iterable[tuple[str, Tensor]], step: int, checkpoint: Path | None) -> None:
    """Refuse tensors that are not finite.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            which, number = _first(tensor)
            raise NotFiniteError(
                f"{name}: got {number} at {which} after step {step}, expected finite numbers; "
                + _way_back(checkpoint)
            )


def check_learned(
    losses: Tensor,
    optimizers: Iterable[torch.optim.Optimizer],
    network: nn.Module,
    step: int,
    checkpoint: Path | None,
) -> None:
    """Refuse losses [gradient steps], and weights of `network`, which `optimizers` move, that are not finite.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    check_losses(losses, step, checkpoint)
    if not all(isinstance(one, FlatAdam) and bool(one.values.isfinite().all()) for one in optimizers):
        check_tensors(network.named_parameters(), step, checkpoint)


def _first(values: Tensor) -> tuple[list[int], float]:
    where = (~values.isfinite()).nonzero()[0].tolist() if values.ndim else [0]
    return where, float(values[tuple(where)] if values.ndim else values)


def _way_back(checkpoint: Path | None) -> str:
    return "no checkpoint was written" if checkpoint is None else f"the last good checkpoint is {checkpoint}"
