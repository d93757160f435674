"""Two-sided tests between two arms, and Holm's correction for many of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis.bootstrap import Array, finite_scores, generator
from emotional_ed.analysis.differences import paired_scores

_EXACT = 20  # pairs: 2**20 sign patterns fit easily
_CHUNK = 4_000_000  # numbers held at a time
_SLACK = 1e-9  # sums that differ only by rounding count as equal


def sign_flip_test(x: ArrayLike, y: ArrayLike, *, resamples: int = 100_000, seed: int = 0) -> float:
    """Return the two-sided p value that two arms on common seeds differ in mean.

    If the arms are alike, swapping them on any seed changes nothing: each difference d_i = x_i - y_i is as
    likely to be -d_i. The test compares the mean of d with its means under all sign patterns.

    Equation:
        p = share of sign patterns s in {-1, 1}^N with |sum_i s_i d_i| >= |sum_i d_i|; over all 2^N of them
        for N <= 20, else (1 + hits) / (1 + B) over B random ones. With N seeds, p is never below 2 / 2^N.

    Args:
        x: scores of one arm, [N].
        y: scores of the other, entry i with the seed of x's entry i, [N].
        resamples: random sign patterns B for more than 20 seeds.
        seed: of their own generator.

    Raises:
        ValueError: a score is missing or not finite, or the numbers of seeds differ.

    Source:
        Fisher (1935), "The design of experiments", section 21; Phipson and Smyth (2010) for the (1 + hits).
    """
    first, second = paired_scores(x, y)
    rng = generator(resamples, seed)
    gaps = first - second
    bar = abs(gaps.sum()) - _SLACK * np.abs(gaps).sum()
    if len(gaps) <= _EXACT:
        sums = np.zeros(1)
        for gap in gaps[1:]:  # the first sign may stay: flipping all signs changes no absolute value
            sums = np.concatenate([sums + gap, sums - gap])
        return float(np.mean(np.abs(sums + gaps[0]) >= bar))
    hits = 0
    for count in _chunks(resamples, len(gaps)):
        signs = rng.integers(0, 2, (count, len(gaps)), dtype=np.int8) * 2.0 - 1.0
        hits += int((np.abs(signs @ gaps) >= bar).sum())
    return (1 + hits) / (1 + resamples)


def permutation_test(x: ArrayLike, y: ArrayLike, *, resamples: int = 20_000, seed: int = 0) -> float:
    """Return the two-sided p value that two arms with seeds of their own differ in mean.

    Equation:
        p = (1 + hits) / (1 + B): hits among B random splits of all scores into N and M whose means differ by
        at least as much as those of x and y.

    Args:
        x: scores of one arm, [N].
        y: scores of the other, [M].
        resamples: random splits B.
        seed: of their own generator.

    Raises:
        ValueError: a score is missing or not finite.

    Source:
        Pitman (1937), "Significance tests which may be applied to samples from any populations".
    """
    first, second = finite_scores("x", x), finite_scores("y", y)
    rng = generator(resamples, seed)
    everything = np.concatenate([first, second])
    everything = everything - everything.mean()
    bar = abs(first.mean() - second.mean()) - _SLACK * np.abs(everything).max()
    hits = 0
    for count in _chunks(resamples, len(everything)):
        order = np.argsort(rng.random((count, len(everything))), axis=-1)
        means = _split_means(everything[order], len(first))
        hits += int((np.abs(means) >= bar).sum())
    return (1 + hits) / (1 + resamples)


def _split_means(rows: Array, first: int) -> Array:
    return np.asarray(rows[:, :first].mean(axis=-1) - rows[:, first:].mean(axis=-1))


def _chunks(total: int, width: int) -> list[int]:
    size = max(1, _CHUNK // width)
    return [min(size, total - start) for start in range(0, total, size)]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values adjusted for the number of claims, so that one false claim in all stays improbable.

    Equation:
        Sorted p_(1) <= ... <= p_(m): adjusted p_(k) = max over j <= k of min(1, (m - j + 1) p_(j)).

    Args:
        p_values: one a claim, in [0, 1], [m]; none gives none.

    Returns:
        Adjusted p values in the order given, [m].

    Raises:
        ValueError: a p value is outside [0, 1].

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"p_values: got {given!r}, expected numbers in [0, 1], one a claim")
    order = np.argsort(given, kind="stable")
    factors = np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return adjusted
