"""Statistics against closed forms, other implementations, hand-made numbers and simulated coverage."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, stats

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis import (
    Estimate,
    backward_transfer,
    catastrophes_per_1000_steps,
    cvar,
    estimate,
    forgetting,
    forward_transfer,
    holm,
    iqm,
    iqm_difference,
    is_non_inferior,
    performance_profile,
    permutation_test,
    probability_of_improvement,
    recovery,
    sign_flip_test,
    transfer_matrix,
)
from emotional_ed.analysis.bootstrap import resample

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3))
ROWS = st.lists(NUMBERS, min_size=1, max_size=25)


# IQM


def test_iqm_by_hand() -> None:
    assert iqm([0, 1, 2, 3]) == 1.5
    assert iqm([100, 1, 2, -100]) == 1.5
    assert iqm([7.0]) == 7.0
    assert iqm(np.arange(8).reshape(2, 4)).tolist() == [1.5, 5.5]
    with pytest.raises(ValueError, match="scores: got none"):
        iqm([])


@given(ROWS)
def test_iqm_is_the_trimmed_mean_of_scipy(row: list[float]) -> None:
    assert iqm(row) == pytest.approx(stats.trim_mean(row, 0.25), abs=1e-9)


def test_the_interval_is_near_the_closed_form_of_the_mean_for_normal_data() -> None:
    numbers = np.random.default_rng(1).normal(size=400)
    one = estimate(numbers)
    # The 25 %-trimmed mean of normal data has 1/0.84 the variance of the mean.
    half = stats.norm.ppf(0.975) / np.sqrt(400 * 0.84)
    assert (one.high - one.low) / 2 == pytest.approx(half, rel=0.15)


def test_intervals_are_drawn_within_strata() -> None:
    """Two tasks far apart, without spread inside: nothing is uncertain unless tasks are mixed up."""
    scores, tasks = [0.0] * 5 + [100.0] * 5, ["a"] * 5 + ["b"] * 5
    one = estimate(scores, strata=tasks)
    assert (one.low, one.value, one.high) == (50.0, 50.0, 50.0)
    mixed = estimate(scores)
    assert mixed.high - mixed.low > 30
    shuffled = np.random.default_rng(0).permutation(10)
    again = estimate(np.array(scores)[shuffled], strata=np.array(tasks)[shuffled])
    assert (again.low, again.high) == (50.0, 50.0)
    noise = np.random.default_rng(1).normal(size=10)
    with_strata = estimate(np.array(scores) + noise, strata=tasks)
    assert 0.3 < with_strata.high - with_strata.low < 3


def test_each_score_is_drawn_equally_often_within_its_stratum() -> None:
    strata = np.array([1, 0, 1, 0, 1])
    drawn = resample(strata, 20_000, np.random.default_rng(0))
    assert (strata[drawn] == strata).all()
    for place, stratum in enumerate(strata):
        times = np.bincount(drawn[:, place], minlength=5)
        expected = np.where(strata == stratum, 20_000 / (strata == stratum).sum(), 0)
        assert np.abs(times - expected).max() < 400  # six standard deviations


SEEDED: list[tuple[str, Callable[..., Any]]] = [
    ("estimate", lambda x, y, **k: estimate(x, **k)),
    ("difference", lambda x, y, **k: iqm_difference(x, y, **k)),
    ("unpaired difference", lambda x, y, **k: iqm_difference(x, y, paired=False, **k)),
    ("improvement", lambda x, y, **k: probability_of_improvement(x, y, resamples=333, **k)),
    (
        "paired improvement",
        lambda x, y, **k: probability_of_improvement(x, y, paired=True, resamples=77, **k),
    ),
    (
        "improvement on common seeds",
        lambda x, y, **k: probability_of_improvement(x, y, common_seeds=True, resamples=77, **k),
    ),
    ("sign flips", lambda x, y, **k: sign_flip_test(x, y, resamples=999, **k)),
    ("permutations", lambda x, y, **k: permutation_test(x, y, resamples=999, **k)),
]


@pytest.mark.parametrize(("name", "statistic"), SEEDED, ids=[name for name, _ in SEEDED])
def test_the_seed_of_every_random_statistic_is_real(name: str, statistic: Callable[..., Any]) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 25))
    state = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    assert statistic(x, y, seed=3) == statistic(x, y, seed=3)
    assert len({repr(statistic(x, y, seed=seed)) for seed in range(5)}) > 1
    assert np.array_equal(state, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002


def test_degenerate_samples() -> None:
    assert f"{estimate([2.0])}" == "2.00 (no interval)"
    assert not estimate([2.0]).bounded
    assert not estimate([2.0, 3.0], strata=[0, 1]).bounded
    assert f"{estimate([1.0, 1.0, 1.0])}" == "1.00 [1.00, 1.00]"
    for bad in ([], [1.0, np.nan], [[1.0]], ["one"], [np.inf]):
        with pytest.raises(ValueError, match="scores: got"):
            estimate(bad)
    with pytest.raises(ValueError, match="strata: got shape"):
        estimate([1.0, 2.0], strata=[0])
    with pytest.raises(ValueError, match="level: got 1"):
        estimate([1.0, 2.0], level=1)
    with pytest.raises(ValueError, match="resamples: got 0"):
        estimate([1.0, 2.0], resamples=0)
    with pytest.raises(ValueError, match="seed: got -1"):
        estimate([1.0, 2.0], seed=-1)


# Coverage


def true_iqm(law: Any) -> float:
    return 2 * float(integrate.quad(law.ppf, 0.25, 0.75)[0])


LAWS = {
    "normal": stats.norm(),
    "exponential": stats.expon(),
    "lognormal": stats.lognorm(1),
    "uniform": stats.uniform(),
    "t3": stats.t(3),
}


def covered(statistic: Callable[[int], Estimate], truth: float, trials: int) -> float:
    found = [statistic(trial) for trial in range(trials)]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_intervals_of_the_iqm_cover(law: str) -> None:
    rng, of = np.random.default_rng(2), LAWS[law]
    draws = of.ppf(rng.random((1500, 30)))
    share = covered(lambda t: estimate(draws[t], resamples=400, seed=t), true_iqm(of), len(draws))
    assert 0.93 <= share <= 0.97


def test_intervals_of_differences_and_improvement_cover() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(1000, 20))  # what a seed does to both arms
    x, y = rng.normal(size=(2, 1000, 20)) + shared
    own = rng.normal(size=(1000, 20)) + 0.5
    chance = float(stats.norm.cdf(0.5 / np.sqrt(3)))
    few: dict[str, Any] = {"resamples": 400}
    assert 0.93 <= covered(lambda t: iqm_difference(x[t], y[t], seed=t, **few), 0, 1000) <= 0.97
    assert (
        0.93
        <= covered(lambda t: iqm_difference(x[t], own[t], paired=False, seed=t, **few), -0.5, 1000)
        <= 0.97
    )
    assert (
        0.93
        <= covered(lambda t: probability_of_improvement(own[t], x[t], seed=t, **few), chance, 1000)
        <= 0.97
    )


def test_intervals_of_improvement_cover_on_common_seeds() -> None:
    """Drawn apart, arms that share their seeds would get intervals that are far too wide."""
    rng = np.random.default_rng(8)
    chance, trials = float(stats.norm.cdf(0.5 / np.sqrt(2))), 1000
    shared = np.sqrt(0.8) * rng.normal(size=(trials, 25))
    x, y = np.sqrt(0.2) * rng.normal(size=(2, trials, 25)) + shared
    few: dict[str, Any] = {"resamples": 400}
    improved = probability_of_improvement
    together = covered(lambda t: improved(x[t] + 0.5, y[t], common_seeds=True, seed=t, **few), chance, trials)
    assert 0.93 <= together <= 0.97
    assert covered(lambda t: improved(x[t] + 0.5, y[t], seed=t, **few), chance, trials) > 0.98
    wins = stats.norm.cdf(0.5 / np.sqrt(0.4))  # on the same seed
    paired = covered(lambda t: improved(x[t] + 0.5, y[t], paired=True, seed=t, **few), float(wins), trials)
    assert 0.91 <= paired <= 0.98  # counts of wins are coarse


def test_a_stratified_interval_covers() -> None:
    """Two tasks with medians 0 and 100: of the pooled runs the IQM is 50 more than the noise's part."""
    rng = np.random.default_rng(4)
    tasks = np.repeat([0, 1], 20)
    draws = rng.normal(size=(1500, 40)) + 100 * tasks
    # In the pooled law half of each task is left: the upper half of the lower one and the reverse.
    truth = 50.0
    share = covered(lambda t: estimate(draws[t], strata=tasks, resamples=400, seed=t), truth, len(draws))
    assert 0.93 <= share <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("law", list(LAWS))
@pytest.mark.parametrize("seeds", [20, 30, 50])
def test_intervals_cover_under_many_laws(law: str, seeds: int) -> None:
    rng, of = np.random.default_rng(5), LAWS[law]
    draws = of.ppf(rng.random((4000, seeds)))
    share = covered(lambda t: estimate(draws[t], resamples=1000, seed=t), true_iqm(of), len(draws))
    assert 0.93 <= share <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("law", list(LAWS))
def test_intervals_of_few_seeds_cover_nearly_as_promised(law: str, seeds: int) -> None:
    rng, of = np.random.default_rng(6), LAWS[law]
    draws = of.ppf(rng.random((4000, seeds)))
    share = covered(lambda t: estimate(draws[t], resamples=1000, seed=t), true_iqm(of), len(draws))
    assert 0.92 <= share <= 0.99


# Differences and improvement


def test_pairing_removes_what_seeds_do_to_both() -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=30)
    x, y = shared + 1 + 0.1 * rng.normal(size=30), shared
    paired, unpaired = iqm_difference(x, y), iqm_difference(x, y, paired=False)
    assert paired.value == unpaired.value
    assert paired.low > 0 > unpaired.low
    # The mean of normal differences of sd 0.1: the IQMs of two arms vary alike only roughly, hence the bound.
    assert paired.high - paired.low < 0.3 * (unpaired.high - unpaired.low)


def test_differences_of_strata_and_bad_input() -> None:
    x, y, tasks = [1.0, 1.0, 101.0, 101.0], [0.0, 0.0, 100.0, 100.0], [0, 0, 1, 1]
    one = iqm_difference(x, y, strata=tasks)
    assert (one.low, one.value, one.high, one.seeds) == (1.0, 1.0, 1.0, 4)
    with pytest.raises(ValueError, match="y: got 1 scores, expected 2"):
        iqm_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="strata: got some"):
        iqm_difference(x, y, paired=False, strata=tasks)
    with pytest.raises(ValueError, match="y: got"):
        iqm_difference([1.0, 2.0], [1.0, np.nan])
    assert not iqm_difference([1.0], [0.0]).bounded
    assert not iqm_difference([1.0], [0.0, 1.0, 2.0], paired=False).bounded


def test_non_inferiority() -> None:
    assert is_non_inferior(Estimate(-0.1, -0.4, 0.2, 9), 0.5)
    assert not is_non_inferior(Estimate(-0.1, -0.5, 0.2, 9), 0.5)
    assert not is_non_inferior(Estimate(1.0, -np.inf, np.inf, 1), 0.5)
    with pytest.raises(ValueError, match="margin: got -1"):
        is_non_inferior(Estimate(0, 0, 0, 9), -1)


@given(ROWS, ROWS)
def test_probability_of_improvement_is_mann_whitneys_u(x: list[float], y: list[float]) -> None:
    u = stats.mannwhitneyu(x, y).statistic
    one = probability_of_improvement(x, y, resamples=20)
    assert one.value == pytest.approx(u / (len(x) * len(y)))
    assert one.low <= one.value <= one.high or one.low == -np.inf


def test_paired_improvement_by_hand() -> None:
    one = probability_of_improvement([1, 2, 3, 4], [0, 2, 5, 1], paired=True)
    assert one.value == 2.5 / 4
    two = probability_of_improvement(
        [1, 2, 3, 9], [0, 2, 5, 1], paired=True, strata=([0, 0, 0, 1], [0, 0, 0, 1])
    )
    assert two.value == pytest.approx((1.5 / 3 + 1) / 2)


def test_who_always_won_may_still_lose_once() -> None:
    """The bound is that of the binomial law: a bootstrap of nothing but wins has no width."""
    for n in (2, 5, 30):
        one = probability_of_improvement(np.ones(n), np.zeros(n))
        exact = stats.binomtest(n, n).proportion_ci(0.95, method="exact")
        assert (one.value, one.high) == (1.0, 1.0)
        assert one.low == pytest.approx(exact.low)
        worst = probability_of_improvement(np.zeros(n), np.ones(n + 3), paired=False)
        assert worst.high == pytest.approx(1 - exact.low)


def test_improvement_over_tasks_and_bad_input() -> None:
    tasks = [0, 0, 1]
    one = probability_of_improvement([1, 1, 0], [0, 0, 1], strata=(tasks, tasks))
    assert one.value == 0.5  # each task counts once, whatever its number of runs
    with pytest.raises(ValueError, match="strata: got other tasks"):
        probability_of_improvement([1, 1], [0, 0], strata=([0, 1], [0, 0]))
    with pytest.raises(ValueError, match="differ within a pair"):
        probability_of_improvement([1, 1], [0, 0], paired=True, strata=([0, 1], [1, 0]))
    with pytest.raises(ValueError, match="x: got"):
        probability_of_improvement([], [1.0])


# Tests and Holm


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_exact_sign_flips_are_those_of_scipy(seed: int, n: int) -> None:
    x, y = np.random.default_rng(seed).integers(-3, 4, size=(2, n)).astype(float)  # ties too
    gaps = x - y
    ours = sign_flip_test(x, y)
    theirs = stats.permutation_test(
        (gaps,), lambda d, axis=-1: np.abs(d.mean(axis=axis)), permutation_type="samples", alternative="greater",
        vectorized=True, n_resamples=2**n,
    ).pvalue  # fmt: skip
    assert ours == pytest.approx(theirs)


def test_sign_flips_by_hand_and_at_random() -> None:
    assert sign_flip_test([1, 2, 3], [0, 0, 0]) == 2 / 8
    assert sign_flip_test([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert sign_flip_test(np.full(20, 0.1), np.zeros(20)) == 2 / 2**20
    rng = np.random.default_rng(0)
    x = rng.normal(size=21) + 0.5
    # 21 seeds are drawn at random; normal data: near the t test.
    assert sign_flip_test(x, np.zeros(21)) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, rel=0.1)
    assert sign_flip_test(np.ones(40), np.zeros(40), resamples=999) == 1 / 1000
    with pytest.raises(ValueError, match="y: got 2 scores, expected 1"):
        sign_flip_test([1.0], [1.0, 2.0])


def test_permutations_are_near_the_t_test() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30) + 0.5, rng.normal(size=25)
    assert permutation_test(x, y) == pytest.approx(stats.ttest_ind(x, y).pvalue, rel=0.15)
    assert permutation_test([1.0, 1.0], [1.0]) == 1.0
    assert permutation_test([1.0, 2.0], [1.0, 2.0], resamples=99) == 1.0


@pytest.mark.parametrize("test", [sign_flip_test, permutation_test])
def test_tests_keep_their_level(test: Callable[..., float]) -> None:
    """Arms that are alike differ "with p <= 0.05" in about 5 % of studies."""
    rng = np.random.default_rng(7)
    p = np.array([test(*rng.normal(size=(2, 12)), resamples=400) for _ in range(1000)])
    for level in (0.05, 0.2):
        assert abs((p <= level).mean() - level) < 3 * np.sqrt(level * (1 - level) / 1000)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
    for bad in ([1.1], [np.nan], [[0.1]], [-0.1]):
        with pytest.raises(ValueError, match="p_values: got"):
            holm(bad)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_holm_rejects_what_its_sequential_form_rejects(p: list[float], level: float) -> None:
    rejected, m = [False] * len(p), len(p)
    for rank, i in enumerate(sorted(range(m), key=lambda i: p[i])):
        if p[i] * (m - rank) > level:
            break
        rejected[i] = True
    assert (holm(p) <= level).tolist() == rejected


# Profiles and risk


@given(ROWS, st.lists(NUMBERS, min_size=1, max_size=5))
def test_profiles_are_shares_with_wilsons_band(x: list[float], tau: list[float]) -> None:
    profile = performance_profile(x, tau)
    for i, threshold in enumerate(tau):
        above = sum(score > threshold for score in x)
        band = stats.binomtest(above, len(x)).proportion_ci(0.95, method="wilson")
        assert profile.value[i] == above / len(x)
        assert profile.low[i] == pytest.approx(band.low, abs=1e-12)
        assert profile.high[i] == pytest.approx(band.high, abs=1e-12)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=NUMBERS), st.floats(0.01, 1))
def test_cvar_is_the_maximum_of_rockafellar_and_uryasev(returns: np.ndarray, level: float) -> None:
    # CVaR = max_t (t - E[(t - X)+] / level), attained at a sample.
    direct = max(t - np.maximum(t - returns, 0).mean() / level for t in returns)
    assert cvar(returns, level) == pytest.approx(direct, abs=1e-6)


def test_cvar_by_hand_and_in_closed_form() -> None:
    assert cvar([4, 1, 3, 2], 0.5) == 1.5
    assert cvar([4, 1, 3, 2], 0.375) == pytest.approx((1 + 0.5 * 2) / 1.5)
    assert cvar([4, 1, 3, 2], 1) == 2.5
    assert cvar([[1, 2], [3, 4]], 0.5).tolist() == [1, 3]
    normal = np.random.default_rng(0).normal(size=200_000)
    assert cvar(normal, 0.1) == pytest.approx(-stats.norm.pdf(stats.norm.ppf(0.1)) / 0.1, abs=0.01)
    for bad in ([], [np.nan]):
        with pytest.raises(ValueError, match="returns: got"):
            cvar(bad)
    with pytest.raises(ValueError, match="level: got 0"):
        cvar([1.0], 0)


def test_catastrophe_rates() -> None:
    assert catastrophes_per_1000_steps([1, 0, 3], [500, 10, 1000]).tolist() == [2, 0, 3]
    with pytest.raises(ValueError, match="steps: got"):
        catastrophes_per_1000_steps([1], [0])
    with pytest.raises(ValueError, match="catastrophes: got"):
        catastrophes_per_1000_steps([-1], [10])


# Recovery


def test_recovery_by_hand() -> None:
    curve = [1, 1, 1, 1, -1, -1, 0, 1, 1, 1]
    one = recovery(curve, 4, share=1.0, window=2)
    assert (int(one.value), bool(one.censored)) == (3, False)
    assert recovery(curve, 4, share=0.5, window=2).value == 2  # the mean of 0 and 1
    two = recovery(curve, 4, share=1.0, window=2, end=7)
    assert (int(two.value), bool(two.censored)) == (3, True)
    unhurt = recovery([2.0] * 8, 4, window=2)
    assert (int(unhurt.value), bool(unhurt.censored)) == (0, False)
    losses = recovery([-10, -10, -50, -30, -12, -12], 2, share=0.9, window=2, floor=-60)
    assert (int(losses.value), bool(losses.censored)) == (2, False)  # 0.9 of the way from -60 to -10 is -15


def test_never_learning_does_not_count_as_recovery() -> None:
    both = recovery([[0.0] * 8, [1.0] * 8], 4, window=2)
    assert both.censored.tolist() == [True, False]
    assert both.value.tolist() == [4, 0]


@given(
    hnp.arrays(np.float64, (2, 14), elements=NUMBERS),
    st.integers(1, 4),
    st.integers(4, 10),
    st.floats(0.05, 1),
    st.floats(-5, 5),
)
def test_recovery_is_that_of_a_loop(
    curve: np.ndarray, window: int, change: int, share: float, floor: float
) -> None:
    found = recovery(curve, change, share, window, floor=floor)
    for row, value, censored in zip(curve, found.value, found.censored, strict=True):
        before = row[change - window : change].mean()
        expected, late = 14 - change, True
        for k in range(14 - change - window, -1, -1):
            back = row[change + k : change + k + window].mean() >= floor + share * (before - floor)
            if before > floor and back:
                expected, late = k, False
        assert (value, censored) == (expected, late)


def test_recovery_refuses_what_it_cannot_say() -> None:
    for change, window, name in ((1, 2, "change"), (9, 2, "change"), (5, 0, "window")):
        with pytest.raises(ValueError, match=f"{name}: got"):
            recovery(np.zeros(10), change, window=window)
    for end in (5, 11):
        with pytest.raises(ValueError, match="end: got"):
            recovery(np.zeros(10), 4, window=2, end=end)
    with pytest.raises(ValueError, match="curve: got"):
        recovery([1.0, np.nan, 1.0], 1, window=1)
    with pytest.raises(ValueError, match="share: got 0"):
        recovery(np.zeros(10), 5, 0.0, window=2)
    with pytest.raises(ValueError, match="floor: got nan"):
        recovery(np.zeros(10), 5, window=2, floor=float("nan"))


# Forgetting and transfer

MATRIX = np.array([[0.9, 0.4, 0.1], [0.5, 0.8, 0.3], [0.6, 0.7, 1.0]])


def test_transfer_by_hand() -> None:
    assert backward_transfer(MATRIX) == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)
    assert forward_transfer(MATRIX, [0.1, 0.2, 0.2]) == pytest.approx(((0.4 - 0.2) + (0.3 - 0.2)) / 2)
    assert forgetting(MATRIX) == pytest.approx(((0.9 - 0.6) + (0.8 - 0.7)) / 2)
    better = MATRIX.copy()
    better[1, 0] = 1.0  # the best score on task 1 came after task 2
    assert forgetting(better) == pytest.approx(((1.0 - 0.6) + (0.8 - 0.7)) / 2)
    risen = np.array([[0.2, 0.0], [0.7, 0.9]])  # task 1 is best in the end: less than nothing was forgotten
    assert forgetting(risen) == pytest.approx(0.2 - 0.7)
    pair = np.stack([MATRIX, MATRIX + 1])
    assert backward_transfer(pair).tolist() == pytest.approx([-0.2, -0.2])
    assert forward_transfer(pair, [0.1, 0.2, 0.2]).tolist() == pytest.approx([0.15, 1.15])
    assert forgetting(pair).tolist() == pytest.approx([0.2, 0.2])


def test_a_transfer_matrix_is_made_by_learning_and_scoring() -> None:
    """Two seeds hold one number each and forget half of it at every task: all scores are known."""
    held = np.array([0.0, 1.0])

    def learn(task: float) -> None:
        held[:] = (held + task) / 2

    matrix, untrained = transfer_matrix([1.0, 3.0], learn, lambda task: -np.abs(held - task))
    assert untrained.tolist() == [[-1.0, -3.0], [0.0, -2.0]]
    assert matrix.tolist() == [[[-0.5, -2.5], [-0.75, -1.25]], [[0.0, -2.0], [-1.0, -1.0]]]
    assert backward_transfer(matrix).tolist() == [-0.25, -1.0]
    assert forgetting(matrix).tolist() == [0.25, 1.0]
    assert forward_transfer(matrix, untrained).tolist() == [0.5, 0.0]
    with pytest.raises(ValueError, match="tasks: got 1"):
        transfer_matrix([1.0], learn, lambda task: 0.0)
    with pytest.raises(ValueError, match="matrix: got"):
        transfer_matrix([1.0, 2.0], learn, lambda task: np.nan)


def test_what_an_agent_forgets_is_measured() -> None:
    """Plain Q-learning on a lake whose goal moves: the second goal costs it the first one."""
    lakes = [["SFG", "FFF", "FFF"], ["SFF", "FFF", "GFF"]]
    worlds = [
        gymnasium.make("FrozenLake-v1", desc=lake, is_slippery=False, max_episode_steps=8) for lake in lakes
    ]
    agent = EmotionalQ(worlds[0], AffectConfig.levels(0), exploration=0.3, step_size=0.5, seed=0)

    def learn(task: int) -> None:
        agent.set_env(worlds[task])
        agent.learn(1500)

    def score(task: int) -> float:
        world = gymnasium.make("FrozenLake-v1", desc=lakes[task], is_slippery=False, max_episode_steps=8)
        observation, _ = world.reset(seed=0)
        total, over = 0.0, False
        while not over:
            action, _ = agent.predict([observation])
            observation, reward, terminated, truncated, _ = world.step(int(action[0]))
            total, over = total + float(reward), terminated or truncated
        return total

    matrix, _ = transfer_matrix([0, 1], learn, score)
    assert np.diagonal(matrix).tolist() == [1.0, 1.0]
    assert forgetting(matrix) == 1.0


def test_transfer_refuses_other_shapes() -> None:
    for bad in (np.zeros((1, 1)), np.zeros((2, 3)), np.zeros(4), [[1.0, np.nan], [0.0, 1.0]]):
        with pytest.raises(ValueError, match="matrix: got"):
            backward_transfer(bad)
        with pytest.raises(ValueError, match="matrix: got"):
            forgetting(bad)
    with pytest.raises(ValueError, match="untrained: got"):
        forward_transfer(MATRIX, [0.1])
