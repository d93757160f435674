"""A control: an emotion that acts as strongly and as often, but at the wrong times."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from emotional_ed.affect.drive import Drive

_NEUTRAL = {"exploration": 1.0, "bias": 0.0, "avoidance": 0.0, "persist": False, "exclude": False}
_TRACES = {**_NEUTRAL, "factor": 1.0}  # what a wish is where there was none
_GOLDEN = 2654435761  # 2^32 over the golden ratio: its multiples fill [0, 2^32) evenly (Knuth)


@final
class Shuffle(nn.Module):
    """Gives back what a channel wanted at some other moment of the same life.

    Equation:
        at step t: the wish of step t - 1 - u instead of that of t, u = floor(frac(t golden/2^32) min(t, N))

    Every delay u comes up equally often. If a mechanism works as well with its trace shuffled in time, its
    timing earned nothing. Only what the channel bends by `modulate` and `bend_step` is shuffled.

    Args:
        who: [P] bool, members whose trace is shuffled.
        moments: N, how many are remembered.

    Shapes:
        exploration, factor: [P, N]; bias, avoidance, exclude: [P, N, A]; persist: [P, N] bool; None until
        seen first.
    """

    who: Tensor
    count: Tensor

    def __init__(self, who: Tensor, moments: int = 256) -> None:
        super().__init__()
        self.moments = moments
        self.register_buffer("who", who, persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        for name in _TRACES:
            self.register_buffer(name, None)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in _TRACES:  # traces are made when a wish is first seen
            trace = state_dict.get(prefix + name)
            setattr(self, name, None if trace is None else torch.zeros_like(trace, device=self.count.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def drive(self, wish: Drive | None) -> Drive:
        """Return the wish of another moment, for the members whose trace is shuffled; changes no state."""
        wish = Drive() if wish is None else wish
        other = Drive(action=wish.action)
        for name in _NEUTRAL:
            setattr(other, name, self._of_another_moment(name, getattr(wish, name)))
        return other

    def step_factor(self, factor: Tensor | None) -> Tensor | None:
        """Return the factor on the step size of another moment."""
        return self._of_another_moment("factor", factor)

    def _of_another_moment(self, name: str, now: Tensor | None) -> Tensor | None:
        count, trace = int(self.count), getattr(self, name)
        if not count or (now is None and trace is None):
            return now
        if now is None:
            now = torch.full_like(trace[:, 0], _TRACES[name])
        delay = (count * _GOLDEN % 2**32 * min(count, self.moments)) >> 32
        then = (
            torch.full_like(now, _TRACES[name])
            if trace is None
            else trace[:, (count - 1 - delay) % self.moments]
        )
        return torch.where(self.who.view(-1, *[1] * (now.ndim - 1)), then, now)

    def remember(self, wish: Drive | None, factor: Tensor | None) -> None:
        """Keep what the channel wanted in this step."""
        wanted = {name: None if wish is None else getattr(wish, name) for name in _NEUTRAL}
        for name, now in (*wanted.items(), ("factor", factor)):
            trace = getattr(self, name)
            if trace is None and now is not None:
                trace = now.new_full((len(now), self.moments, *now.shape[1:]), _TRACES[name])
                setattr(self, name, trace)
            if trace is not None:
                trace[:, int(self.count) % self.moments] = _TRACES[name] if now is None else now
        self.count += 1
