"""How affect bends the choice of an action that is a vector: it turns proposals of the policy down."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from emotional_ed.agents.deep.soft_networks import Normal


def wanted(avoidance: Tensor | None, bias: Tensor | None, temperature: Tensor) -> Tensor | None:
    """Return the weights of actions in a policy that affect has bent, or None if affect says nothing.

    Equation:
        w(s, a) = (1 - avoidance) exp(min(bias, 0) / alpha)

    SAC's policy is proportional to exp(Q / alpha). Weighed so, it is the policy for Q + bias.

    Args:
        avoidance: in [0, 1]; None means 0.
        bias: in units of value; what is above 0 has no effect, because no weight exceeds 1; None means 0.
        temperature: alpha > 0.

    Shapes:
        avoidance, bias: [n]; temperature: [] or [1]; returns [n] in [0, 1].
    """
    if avoidance is None and bias is None:
        return None
    weights = torch.ones(()) if avoidance is None else 1 - avoidance
    if bias is not None:
        weights = weights * (bias.clamp_max(0) / temperature.clamp_min(1e-8)).exp()
    return weights


def choose_among(
    first: Tensor,
    propose: Callable[[Tensor], Tensor],
    weigh: Callable[[Tensor], Tensor | None],
    draw: Callable[[], Tensor],
    most: int,
) -> Tensor:
    """Draw from a policy that affect weighs, by turning its proposals down.

    Equation:
        a_1, a_2, ... ~ pi(s);   the first a_i with u_i < w(s, a_i), or of `most` the one that weighs most

    That is a draw with density proportional to pi(a|s) w(s, a), if one of `most` proposals is taken. Where
    nothing weighs less than 1 the first proposal is taken, and no random number is used.

    Args:
        first: proposals a_1.
        propose: makes further ones from standard uniform numbers [n, 2 D].
        weigh: returns weights in [0, 1], or None if all are 1.
        draw: returns standard uniform numbers [n, 1 + 2 D].
        most: how many proposals there are at most, >= 1.

    Shapes:
        first: [n, D]; returns [n, D].
    """
    proposal, chosen, best, taken = first, first, None, None
    for index in range(most):
        weights = weigh(proposal)
        if weights is None:
            return chosen
        open_ = torch.ones(len(first), dtype=torch.bool, device=first.device) if taken is None else ~taken
        better = open_ if best is None else open_ & (weights > best)
        chosen = torch.where(better[:, None], proposal, chosen)
        best = weights if best is None else torch.where(better, weights, best)
        if bool((weights >= 1)[open_].all()):
            return torch.where(open_[:, None], proposal, chosen)
        row = draw()
        accepted = open_ & (row[:, 0] < weights)
        chosen = torch.where(accepted[:, None], proposal, chosen)
        taken = accepted if taken is None else taken | accepted
        if bool(taken.all()) or index + 1 == most:
            break
        proposal = propose(row[:, 1:])
    return chosen


def normals(uniform: Tensor) -> Tensor:
    """Return standard normal numbers [n, D] from uniform ones in [0, 1), [n, 2 D] (Box and Muller)."""
    one, two = uniform.chunk(2, dim=1)
    return (-2 * torch.log1p(-one)).sqrt() * (2 * math.pi * two).cos()


def likeliest(policy: Normal, weigh: Callable[[Tensor], Tensor | None], normal: Tensor) -> Tensor:
    """Return the mode of a policy, or the likeliest of it and `normal` [N, D] once affect has weighed them.

    Equation:
        argmax_j log w(s, a_j) - |normal_j|^2 / 2,   normal_0 = 0
    """
    chosen = policy.mean.tanh()
    weights = weigh(chosen)
    if weights is None or bool((weights >= 1).all()):
        return chosen
    best = weights.log()
    for one in normal:
        action = policy.action(one.expand_as(policy.mean))
        weights = weigh(action)
        assert weights is not None
        score = weights.log() - one.square().sum() / 2
        chosen = torch.where((score > best)[:, None], action, chosen)
        best = torch.maximum(score, best)
    return chosen
