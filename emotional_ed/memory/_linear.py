"""Solving positive definite systems without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor


def solve_spd(system: Tensor, right: Tensor) -> Tensor:
    """Return system^-1 right for symmetric positive definite matrices [..., N, N] and [..., N, R].

    By Cholesky factors of the system divided by its largest diagonal entry. Where the precision cannot tell
    the smallest eigenvalues (which are at least 1 here) from rounding, the diagonal is raised to what it can.
    """
    size = system.shape[-1]
    scale = system.diagonal(dim1=-2, dim2=-1).amax(-1)[..., None, None]
    floor = (4 * size * torch.finfo(system.dtype).eps - 1 / scale).clamp_min(0)
    unit = torch.eye(size, dtype=system.dtype, device=system.device)
    factor, _ = torch.linalg.cholesky_ex(system / scale + floor * unit)
    return torch.cholesky_solve(right / scale, factor)
