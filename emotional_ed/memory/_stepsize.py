"""Step sizes that are memories themselves: learned on their logarithm, with a bound on each write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_int, require_range
from emotional_ed.memory._rules import recall
from emotional_ed.memory._validation import check_vector

_LARGEST = 10.0  # of a log step size; the bound on the write acts long before


@final
class IDBDMemory(nn.Module):
    """A linear memory that learns one step size a feature: large where the past helped the future.

    Equation:
        d = v - w k;  b <- min(b + theta d k h, 10)
        a = exp(b) / max(1, sum exp(b) k^2)                    (so that one write cannot overshoot)
        w <- w + a d k;  h <- h (1 - a k^2)_+ + a d k

    The bound acts on the write alone and leaves b as it is: a key that happens to be long does not make
    the memory slower for good.

    Args:
        key_dim: K.
        batch: leading dimensions.
        step_size: initial step size of every feature, > 0.
        theta: meta step size >= 0; 0 leaves the step sizes as they are.
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        M: [*batch, 1, K]; log_step, trace: [*batch, K].

    Raises:
        ValueError: a number is out of range, or a key or value does not fit.

    Reference:
        Sutton (1992), "Adapting bias by gradient descent", AAAI;
        the bound is that of Mahmood et al. (2012), "Tuning-free
        step-size adaptation", there applied to the step sizes for good.
    """

    M: Tensor
    log_step: Tensor
    trace: Tensor

    def __init__(
        self,
        key_dim: int,
        *,
        batch: Sequence[int] = (),
        step_size: float = 0.05,
        theta: float = 0.01,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        keys = require_int("key_dim", key_dim, 1)
        start = require_range("step_size", step_size, 0, low_open=True)
        self.theta = require_range("theta", theta, 0)
        zeros = torch.zeros(*batch, keys, device=device, dtype=dtype)
        self.register_buffer("M", zeros[..., None, :].clone())
        self.register_buffer("trace", zeros.clone())
        self.register_buffer("log_step", torch.full_like(zeros, start).log())

    @property
    def step_sizes(self) -> Tensor:
        """The step size of each feature, [*batch, K]."""
        return self.log_step.exp()

    def read(self, key: Tensor) -> Tensor:
        """Recall the values [*batch, 1] for keys [*batch, K]."""
        check_vector("key", key, self.M, -1)
        return recall(self.M, key)

    @torch.no_grad()
    def write(self, key: Tensor, value: Tensor) -> Tensor:
        """Learn the step sizes and the weights from one pair; return the surprise [*batch, 1]."""
        check_vector("key", key, self.M, -1)
        check_vector("value", value, self.M, -2)
        lss = value - recall(self.M, key)
        self.log_step += self.theta * lss * key * self.trace
        self.log_step.clamp_(max=_LARGEST)
        step = self.log_step.exp()
        step = step / (step * key * key).sum(-1, keepdim=True).clamp_min(1)
        change = step * lss * key
        self.M += change[..., None, :]
        self.trace.mul_((1 - step * key * key).clamp_min(0)).add_(change)
        return lss


@final
class HypergradientMemory(nn.Module):
    """A linear memory written by exact proximal steps whose one step size follows its own gradient.

    Equation:
        e_t = v_t - M k_t
        dL_t/dlog(eta) = -(e_t . e_{t-1}) (k_t . k_{t-1}) eta / (1 + eta |k_{t-1}|^2)^2
        log(eta) <- clip(log(eta) - theta dL_t/dlog(eta), -10, 10);   M <- proximal step of size eta

    The proximal step never overshoots, whatever eta; the clip keeps the exponential finite.

    Args:
        value_dim: V.
        key_dim: K.
        batch: leading dimensions.
        step_size: initial eta > 0.
        theta: meta step size >= 0.
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        M: [*batch, V, K]; log_step: [*batch]; last_key: [*batch, K]; last_lss: [*batch, V].

    Raises:
        ValueError: a number is out of range, or a key or value does not fit.

    Reference:
        Baydin et al. (2018), arXiv 1703.04782, with the derivative of the proximal step.
    """

    M: Tensor
    log_step: Tensor
    last_key: Tensor
    last_lss: Tensor

    def __init__(
        self,
        value_dim: int,
        key_dim: int,
        *,
        batch: Sequence[int] = (),
        step_size: float = 0.1,
        theta: float = 0.01,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        values, keys = require_int("value_dim", value_dim, 1), require_int("key_dim", key_dim, 1)
        start = require_range("step_size", step_size, 0, low_open=True)
        self.theta = require_range("theta", theta, 0)
        zeros = torch.zeros(*batch, values, keys, device=device, dtype=dtype)
        self.register_buffer("M", zeros)
        self.register_buffer("last_key", torch.zeros_like(zeros[..., 0, :]))
        self.register_buffer("last_lss", torch.zeros_like(zeros[..., 0]))
        self.register_buffer("log_step", torch.full_like(zeros[..., 0, 0], start).log())

    @property
    def step_sizes(self) -> Tensor:
        """The step size eta of each memory, [*batch]."""
        return self.log_step.exp()

    def read(self, key: Tensor) -> Tensor:
        """Recall the values [*batch, V] for keys [*batch, K]."""
        check_vector("key", key, self.M, -1)
        return recall(self.M, key)

    @torch.no_grad()
    def write(self, key: Tensor, value: Tensor) -> Tensor:
        """Learn the step size and the memory from one pair; return the surprise [*batch, V]."""
        check_vector("key", key, self.M, -1)
        check_vector("value", value, self.M, -2)
        lss = value - recall(self.M, key)
        self.log_step -= self.theta * self.hypergradient(key, lss)
        self.log_step.clamp_(-_LARGEST, _LARGEST)
        eta = self.log_step.exp()[..., None]
        share = eta / (1 + eta * (key * key).sum(-1, keepdim=True))
        self.M += lss[..., None] * (share * key)[..., None, :]
        self.last_key.copy_(key)
        self.last_lss.copy_(lss)
        return lss

    def hypergradient(self, key: Tensor, lss: Tensor) -> Tensor:
        """Return dL_t/dlog(eta) [*batch] for this pair, through the last write."""
        eta = self.log_step.exp()
        length = (self.last_key * self.last_key).sum(-1)
        agree = (lss * self.last_lss).sum(-1) * (key * self.last_key).sum(-1)
        return -agree * eta / (1 + eta * length) ** 2
