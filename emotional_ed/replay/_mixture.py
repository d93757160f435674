"""Draw some items by error, some by salience and some at random, and know the probability of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.checks import require_range
from emotional_ed.replay._sum_tree import SumTree

Array = NDArray[np.float64]


@final
class PriorityMixture:
    """A mixture of three ways to draw, so that no scale of errors has to be weighed against one of feelings.

    P(i) = u / N + (1 - u) (s sigma_i^a / sum sigma^a + (1 - s) p_i / sum p)
    p_i = (|td error_i| + epsilon)^a

    A batch holds the expected number of each kind of draw, rounded at random, each kind in shares of its own.
    While no item has any salience, that share is drawn by error.

    Args:
        capacity: number of items.
        alpha: exponent a in [0, 1]: 0 draws evenly, 1 in proportion.
        epsilon: above zero, in units of the TD error; what keeps an item of no error in play.
        uniform: share u of even draws, in [0, 1].
        salience_share: share s by salience of the draws that are not even, in [0, 1].

    Raises:
        ValueError: an argument is out of range.

    Reference:
        Schaul et al. 2016, Prioritized Experience Replay, equation 1.
    """

    def __init__(
        self, capacity: int, *, alpha: float, epsilon: float, uniform: float, salience_share: float
    ) -> None:
        self.alpha = require_range("alpha", alpha, 0.0, 1.0)
        self.epsilon = require_range("epsilon", epsilon, 0.0, low_open=True)
        self.uniform = require_range("uniform", uniform, 0.0, 1.0)
        self.salience_share = require_range("salience_share", salience_share, 0.0, 1.0)
        self.error_tree = SumTree(capacity, dtype=torch.float64)
        self.salience_tree = SumTree(capacity, dtype=torch.float64)
        self.highest = 1.0  # priority by error so far; what a new item starts with

    def insert(self, items: Tensor, salience: Tensor) -> None:
        """Take in new items with their salience, at the highest priority so far: each is soon drawn.

        Raises:
            ValueError: a salience is negative or not finite, their number is another, or an item is out of
                range; nothing has changed then.
        """
        felt = _checked_salience(salience)
        if len(felt) != len(items):
            raise ValueError(f"salience: got {len(felt)} numbers, expected {len(items)}")
        self.error_tree.update(items, self.highest)
        if len(items) and (self.salience_tree.total > 0.0 or felt.any()):
            self.salience_tree.write(items, self._by_salience(felt))

    def remove(self, items: Tensor) -> None:
        """Draw these items no more, other than by the even share."""
        self.error_tree.update(items, 0.0)
        self.salience_tree.update(items, 0.0)

    def update(self, items: Tensor, td_error: Tensor) -> None:
        """Set priorities by error.

        Raises:
            ValueError: an error is not finite, or an item is out of range; nothing has changed then.
        """
        size = np.abs(td_error.detach().to("cpu", torch.float64).reshape(-1).numpy())
        if len(size) != len(items):
            raise ValueError(f"td_error: got {len(size)} numbers, expected {len(items)}")
        if len(size) == 0:
            return
        largest = np.maximum.reduce(size).item()
        if not largest < np.inf:
            raise ValueError(f"td_error: got {largest}, expected finite numbers")
        self.error_tree.update(items, torch.from_numpy((size + self.epsilon) ** self.alpha))
        self.highest = max(self.highest, (largest + self.epsilon) ** self.alpha)

    def set_salience(self, items: Tensor, salience: Tensor) -> None:
        """Set the salience of some items; of zero salience none is drawn by it.

        Raises:
            ValueError: a salience is negative or not finite; nothing has changed then.
        """
        self.salience_tree.update(items, self._by_salience(_checked_salience(salience)))

    def _by_salience(self, felt: Array) -> Tensor:
        return torch.from_numpy(np.where(felt > 0.0, felt**self.alpha, 0.0))

    def draw(self, n: int, start: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `n` of the `count` items that follow `start` in the ring, with replacement.

        Shapes:
            results: items [n], int64; probability [n], float64, of each item at any one draw.
        """
        share = self.salience_share if self.salience_tree.total > 0.0 else 0.0
        felt = (1.0 - self.uniform) * share
        drawn = torch.rand(n + 1, generator=generator, dtype=torch.float64)
        turn, uniform = drawn[0].item(), drawn[1:]
        evenly = int(n * self.uniform + turn)
        either = min(int(n * (self.uniform + felt) + turn), n)
        items = torch.empty(n, dtype=torch.int64)
        if evenly:
            items[:evenly] = self._evenly(uniform[:evenly].numpy(), start, count)
        if either > evenly:
            items[evenly:either] = self.salience_tree.find(uniform[evenly:either])
        if n > either:
            items[either:] = self.error_tree.find(uniform[either:])
        return items, self._probability(items, count, share)

    def _evenly(self, uniform: Array, start: int, count: int) -> Tensor:
        n = len(uniform)
        share = (uniform + np.arange(float(n))) / n
        place = np.minimum((share * count).astype(np.int64), count - 1)
        return torch.from_numpy((start + place) % self.error_tree.capacity)

    def _probability(self, items: Tensor, count: int, share: float) -> Tensor:
        uneven = 1.0 - self.uniform
        probability = self.error_tree.read(items).numpy() * (uneven * (1.0 - share) / self.error_tree.total)
        if share > 0.0:
            felt = self.salience_tree.read(items).numpy()
            probability += felt * (uneven * share / self.salience_tree.total)
        return torch.from_numpy(probability + self.uniform / count)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that draws depend on, as tensors."""
        return {
            "error_priority": self.error_tree.state_dict()["priority"],
            "salience_priority": self.salience_tree.state_dict()["priority"],
            "highest_priority": torch.tensor(self.highest, dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            ValueError: keys, shapes or values are not such; nothing has changed then.
        """
        highest = require_range("highest_priority", state["highest_priority"], 0.0, low_open=True)
        capacity = self.error_tree.capacity
        trees = [SumTree(capacity, dtype=torch.float64) for _ in range(2)]
        for tree, name in zip(trees, ("error_priority", "salience_priority"), strict=True):
            tree.load_state_dict({"priority": state[name]})
        self.error_tree, self.salience_tree = trees
        self.highest = highest


def _checked_salience(salience: Tensor) -> Array:
    felt = salience.detach().to("cpu", torch.float64).numpy()
    if felt.size and not (np.minimum.reduce(felt) >= 0.0 and np.maximum.reduce(felt) < np.inf):
        raise ValueError("salience: got a negative number, NaN or an infinity, expected finite numbers >= 0")
    return felt
