"""What every memory checks at its public boundary; shapes always, values on request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from emotional_ed.checks import require_range

_check_values = False


@contextlib.contextmanager
def value_checks(enabled: bool = True) -> Iterator[None]:
    """Check, inside the block, that all numbers given to memories are finite and step sizes >= 0.

    Off by default, because looking at values makes a GPU wait. Shapes and dtypes are always checked.

    Example:
        >>> import torch
        >>> from emotional_ed.memory import value_checks, write
        >>> with value_checks():
        ...     write(torch.zeros(1, 2), torch.tensor([1.0, float("nan")]), torch.ones(1), 0.5)
        Traceback (most recent call last):
        ...
        ValueError: k: got a tensor with 1 non-finite of 2 entries, expected finite numbers
    """
    global _check_values
    before, _check_values = _check_values, enabled
    try:
        yield
    finally:
        _check_values = before


def are_values_checked() -> bool:
    """Return whether this is inside a block of `value_checks`."""
    return _check_values


def check_memory(M: Tensor, name: str = "M") -> None:
    """Raise `ValueError` unless `M` is a floating tensor of shape [..., V, K]."""
    if not isinstance(M, Tensor) or M.ndim < 2 or not M.is_floating_point():
        raise ValueError(f"{name}: got {describe(M)}, expected a floating-point tensor of shape [..., V, K]")
    check_finite(name, M)


def check_dtype(dtype: torch.dtype) -> None:
    """Raise `ValueError` unless `dtype` can hold a memory's state: float32 or float64."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype: got {dtype}, expected torch.float32 or torch.float64")


def check_batch(name: str, tensor: Tensor, batch: torch.Size, M: Tensor, *, grow: bool = False) -> None:
    """Raise `ValueError` unless batch dimensions broadcast to those of `M`, and without `grow` to no more."""
    full = M.shape[:-2]
    if batch == full:
        return
    pairs = list(zip(reversed(batch), reversed(full), strict=False))
    if grow:
        fits = all(one == other or 1 in (one, other) for one, other in pairs)
    else:
        fits = len(batch) <= len(full) and all(one in (1, other) for one, other in pairs)
    if not fits:
        raise ValueError(f"{name}: got {describe(tensor)}, expected batch dimensions {list(full)} as M has")


def check_anchor(anchor: Tensor | None, M: Tensor) -> None:
    """Raise `ValueError` unless an anchor fits its memory."""
    if anchor is None:
        return
    if not isinstance(anchor, Tensor) or anchor.shape[-2:] != M.shape[-2:] or anchor.dtype != M.dtype:
        raise ValueError(f"anchor: got {describe(anchor)}, expected {M.dtype} of M's shape, {list(M.shape)}")
    check_batch("anchor", anchor, anchor.shape[:-2], M)
    check_finite("anchor", anchor)


def check_nonnegative(name: str, rate: Tensor, M: Tensor) -> None:
    """Raise `ValueError` unless a rate has M's dtype and device and, under `value_checks`, is >= 0."""
    if rate.dtype != M.dtype or rate.device != M.device:
        raise ValueError(f"{name}: got {describe(rate)}, expected {M.dtype} on {M.device} as M is")
    check_finite(name, rate)
    if _check_values and not bool((rate >= 0).all()):
        raise ValueError(f"{name}: got a smallest entry of {rate.min().item():g}, expected numbers >= 0")


def check_vector(name: str, vector: Tensor, M: Tensor, axis: int, *, grow: bool = False) -> None:
    """Raise `ValueError` unless `vector` [..., K or V] fits `M` in size, dtype, device and batch shape."""
    letter = "V" if axis == -2 else "K"
    size = M.shape[axis]
    if not isinstance(vector, Tensor) or vector.ndim < 1 or vector.shape[-1] != size:
        raise ValueError(f"{name}: got {describe(vector)}, expected shape [..., {letter}={size}]")
    if vector.dtype != M.dtype or vector.device != M.device:
        raise ValueError(f"{name}: got {describe(vector)}, expected {M.dtype} on {M.device} as M is")
    check_batch(name, vector, vector.shape[:-1], M, grow=grow)
    check_finite(name, vector)


def check_finite(name: str, tensor: Tensor) -> None:
    """Raise `ValueError` if value checks are on and `tensor` holds NaN or infinity."""
    if _check_values and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(
            f"{name}: got a tensor with {bad} non-finite of {tensor.numel()} entries, expected finite numbers"
        )


def check_distinct(name: str, index: Tensor) -> None:
    """Raise `ValueError` if value checks are on and one of the lists of indices [..., T] names one twice."""
    if _check_values:
        ordered = index.sort(-1).values
        if bool((ordered[..., 1:] == ordered[..., :-1]).any()):
            raise ValueError(f"{name}: got an index twice for one key, expected distinct ones")


def check_rate(
    name: str, rate: float | Tensor, M: Tensor, *, features: bool = True, metric: bool = False
) -> float | Tensor:
    """Return a step size or ridge in a form that multiplies keys [..., 1, K].

    A number stays a number; one a memory [...] becomes [..., 1, 1]; with `features`, one a feature [..., K]
    becomes [..., 1, K]; with `metric`, a matrix [..., K, K] is taken as it is. A number's value is checked
    always, a tensor's under `value_checks`.
    """
    if not isinstance(rate, Tensor):
        return require_range(name, rate, 0.0, float("inf"))
    batch, keys = M.ndim - 2, M.shape[-1]
    if metric and rate.ndim == batch + 2 and rate.shape[-2:] == (keys, keys) and rate.dtype == M.dtype:
        check_finite(name, rate)
        return rate
    check_nonnegative(name, rate, M)
    if rate.ndim <= batch:
        check_batch(name, rate, rate.shape, M)
        return rate.unsqueeze(-1).unsqueeze(-1)
    if features and rate.ndim == batch + 1 and rate.shape[-1] == keys:
        check_batch(name, rate, rate.shape[:-1], M)
        return rate.unsqueeze(-2)
    also = ", or one a feature [..., K]" if features else ""
    raise ValueError(f"{name}: got {describe(rate)}, expected one number a memory [...]{also}")


def check_mask(mask: Tensor, M: Tensor) -> Tensor:
    """Return a mask as a boolean tensor broadcastable against `M`: per memory [...], or per row [..., V]."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise ValueError(f"mask: got {describe(mask)}, expected a tensor of torch.bool")
    batch = M.ndim - 2
    if mask.ndim <= batch:
        check_batch("mask", mask, mask.shape, M)
        return mask.unsqueeze(-1).unsqueeze(-1)
    if mask.ndim == batch + 1 and mask.shape[-1] == M.shape[-2]:
        check_batch("mask", mask, mask.shape[:-1], M)
        return mask.unsqueeze(-1)
    raise ValueError(f"mask: got {describe(mask)}, expected one entry a memory [...], or one a row [..., V]")


def describe(thing: object) -> str:
    """Say what a thing is, for messages: a tensor's dtype, shape and device, or the type's name."""
    if isinstance(thing, Tensor):
        return f"a tensor {thing.dtype} {list(thing.shape)} on {thing.device}"
    return f"{type(thing).__name__} {thing!r}"
