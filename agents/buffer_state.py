"""The whole state of a salience buffer as a dictionary of tensors, and back, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emotional_ed.checks import require_int

if TYPE_CHECKING:
    from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "salience", "ends")
_NUMBERS = ("pos", "full", "draws")


def state_of(buffer: SalienceReplayBuffer) -> dict[str, Tensor]:
    """Return copies of everything that later draws depend on."""
    filled = _filled(buffer, buffer.full, buffer.pos)
    arrays = {name: getattr(buffer, name)[:filled] for name in _array_names(buffer)}
    return {
        **{name: torch.from_numpy(array.copy()) for name, array in arrays.items()},
        **{name: torch.tensor(int(getattr(buffer, name))) for name in _NUMBERS},
        **buffer.priorities.state_dict(),
        "generator": buffer.generator.get_state(),
    }


def restore_into(buffer: SalienceReplayBuffer, state: Mapping[str, Tensor]) -> None:
    """Take over what `state_of` a buffer with the same arguments gave.

    Raises:
        ValueError: other keys, shapes, dtypes or values; nothing has changed then.
    """
    names, mixture = _array_names(buffer), buffer.priorities.state_dict().keys()
    expected = {*names, *_NUMBERS, *mixture, "generator"}
    if set(state) != expected:
        raise ValueError(
            f"state: got {sorted(set(state) - expected)} more and no {sorted(expected - set(state))}"
        )
    full = bool(_number(state, "full", 1))
    pos, draws = _number(state, "pos", buffer.buffer_size - 1), _number(state, "draws", 2**62)
    filled = _filled(buffer, full, pos)
    for name in names:
        _check_like(name, state[name], torch.from_numpy(getattr(buffer, name)[:filled]))
    generator = _generator(state["generator"])
    buffer.priorities.load_state_dict({name: state[name] for name in mixture})
    for name in names:
        getattr(buffer, name)[:filled] = state[name].cpu().numpy()
    buffer.pos, buffer.full, buffer.draws, buffer.generator = pos, full, draws, generator


def _filled(buffer: SalienceReplayBuffer, full: bool, pos: int) -> int:
    """Return the number of rows in use: one more where the row that follows holds the next observation."""
    return buffer.buffer_size if full else pos + int(buffer.optimize_memory_usage and pos > 0)


def _array_names(buffer: SalienceReplayBuffer) -> list[str]:
    return [name for name in _ARRAYS if name != "next_observations" or not buffer.optimize_memory_usage]


def _number(state: Mapping[str, Tensor], name: str, high: int) -> int:
    if state[name].numel() != 1:
        raise ValueError(f"{name}: got shape {tuple(state[name].shape)}, expected one number")
    return require_int(name, state[name].item(), 0, high)


def _check_like(name: str, given: Tensor, mine: Tensor) -> None:
    if given.shape != mine.shape or given.dtype != mine.dtype:
        got = f"{given.dtype} {tuple(given.shape)}"
        raise ValueError(f"{name}: got {got}, expected {mine.dtype} {tuple(mine.shape)}")


def _generator(state: Tensor) -> torch.Generator:
    generator = torch.Generator()
    try:
        return generator.set_state(state.cpu())
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"generator: got {tuple(state.shape)}, expected a generator's state ({error})"
        ) from None
