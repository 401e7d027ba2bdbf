"""Intervals of runs against scipy, literal procedures, enumeration and simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reproducible.evaluation import (
    detectable_difference,
    prediction_interval,
    t_interval,
    two_way_bootstrap,
)


def sample(mean: float, sd: float, n: int) -> np.ndarray:
    """n values with exactly this mean and standard deviation."""
    values = np.random.default_rng(n).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize("n", [2, 5, 10, 40])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_t_interval_equals_scipy(n: int, confidence: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(70, 3, n), rng.normal(68, 3, n)
    one = stats.ttest_1samp(a - b, 0)
    assert t_interval(a - b, confidence) == pytest.approx(tuple(one.confidence_interval(confidence)), rel=1e-12)


def test_equal_differences_are_certain() -> None:
    assert t_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_prediction_interval_holds_the_next_value_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(4000):
        *seen, further = rng.normal(50, 2, 6)
        low, high = prediction_interval(seen, 0.9)
        inside.append(low <= further <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)  # three standard errors


def test_prediction_interval_is_the_t_interval_widened() -> None:
    values = sample(3, 2, 5)
    low, high = prediction_interval(values)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 4) * 2 * math.sqrt(1 + 1 / 5))
    assert (low + high) / 2 == pytest.approx(3)


@pytest.mark.parametrize(("n", "power", "alpha"), [(3, 0.8, 0.05), (5, 0.8, 0.05), (5, 0.9, 0.01), (10, 0.5, 0.05)])
def test_detectable_difference_has_its_power_in_simulation(n: int, power: float, alpha: float) -> None:
    sd = 2.5
    values = np.random.default_rng(n).normal(detectable_difference(sd, n, power, alpha), sd, (40_000, n))
    assert np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue < alpha) == pytest.approx(power, abs=0.01)


def test_detectable_difference_falls_with_n_and_grows_with_the_spread() -> None:
    found = [detectable_difference(1.0, n) for n in (2, 3, 5, 10, 100)]
    assert found == sorted(found, reverse=True)
    assert detectable_difference(3.0, 5) == pytest.approx(3 * detectable_difference(1.0, 5))
    assert detectable_difference(0.0, 5) == 0.0


def test_bootstrap_over_draws_equals_enumeration() -> None:
    """Two draws of the one group: the resampled mean is 0, 5 or 10 with chances 1/4, 1/2, 1/4."""
    a, zero, group = [[0.0, 0.0], [10.0]], [[0.0, 0.0], [0.0]], [["x", "x"], ["x"]]
    assert two_way_bootstrap(a, zero, group) == (0, 10)
    assert two_way_bootstrap(a, zero, group, confidence=0.4) == (5, 5)


def test_bootstrap_takes_whole_groups_with_their_sizes() -> None:
    """One draw of two groups, 1 query at 100 and 3 at 0: means 0, 25 or 100 with chances 1/4, 1/2, 1/4."""
    a, b, groups = [[100.0, 30.0, 30.0, 30.0]], [[0.0, 30.0, 30.0, 30.0]], [[7, 2, 2, 2]]
    assert two_way_bootstrap(a, b, groups) == (0, 100)
    assert two_way_bootstrap(a, b, groups, confidence=0.4) == (25, 25)


def test_bootstrap_gives_a_group_the_same_weight_in_every_draw() -> None:
    """Two draws that test the same two groups, by enumeration of all 16 equally likely resamples."""
    means = np.array([[0.0, 8.0], [2.0, 16.0]])  # (draw, group), groups of one query
    picks = list(itertools.product((0, 1), repeat=2))
    exact = [means[np.ix_(draws, groups)].mean() for draws in picks for groups in picks]
    zero, groups = [[0.0, 0.0]] * 2, [["x", "y"]] * 2
    for confidence in (0.3, 0.6, 0.9):
        wanted = np.quantile(exact, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
        assert two_way_bootstrap(means.tolist(), zero, groups, confidence=confidence) == pytest.approx(tuple(wanted))


def simulated_draws(
    rng: np.random.Generator, draws: int, groups: int, effect: float
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Hits in points of two arms; the gain varies by group and by draw, and groups are new in each draw."""
    a, b, names = [], [], []
    for _ in range(draws):
        sizes = rng.integers(10, 40, groups)
        gain = np.repeat(effect + rng.normal(0, 8, groups), sizes) + rng.normal(0, 1)
        level = np.repeat(rng.uniform(40, 70, groups), sizes)
        toss = rng.uniform(0, 100, len(level))
        a.append(100.0 * (toss < level + gain))
        b.append(100.0 * (toss < level))
        names.append(np.repeat(np.arange(groups), sizes))
    return a, b, names


def test_bootstrap_depends_on_the_seed_alone() -> None:
    case = simulated_draws(np.random.default_rng(1), 5, 12, 4.0)
    first = two_way_bootstrap(*case, n_boot=500, seed=3)
    assert two_way_bootstrap(*case, n_boot=500, seed=3) == first
    assert two_way_bootstrap(*case, n_boot=500, seed=4) != first
    a, b, groups = case
    renamed = [[f"group {name}" for name in names] for names in groups]
    assert two_way_bootstrap(a, b, renamed, n_boot=500, seed=3) != (0, 0)
    low, high = two_way_bootstrap(b, a, groups, n_boot=500, seed=3)
    assert (-high, -low) == pytest.approx(first)


def test_bootstrap_is_that_of_resamples_drawn_anew() -> None:
    """The same interval, number by number, as a loop that draws its own resamples each time."""
    for number in range(3):
        a, b, groups = simulated_draws(np.random.default_rng(number), 4, 7, 2.0)
        rng = np.random.default_rng(5)
        draws, names = rng.multinomial(4, [1 / 4] * 4, 300), rng.multinomial(7, [1 / 7] * 7, 300)
        means = []
        for taken, grouped in zip(draws, names, strict=True):
            gaps = [np.average(x - y, weights=grouped[of]) for x, y, of in zip(a, b, groups, strict=True)]
            means.append(np.average(gaps, weights=taken))
        wanted = np.quantile(means, [0.025, 0.975])
        assert two_way_bootstrap(a, b, groups, n_boot=300, seed=5) == pytest.approx(tuple(wanted), rel=1e-12)


def test_bootstrap_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    intervals = [two_way_bootstrap(*simulated_draws(rng, 6, 12, 4.0), n_boot=400) for _ in range(250)]
    covered = np.mean([low <= 4.0 <= high for low, high in intervals])
    assert 0.9 <= covered <= 0.99


@pytest.mark.parametrize(
    ("a", "b", "groups", "message"),
    [
        ([], [], [], "one entry a draw, got 0, 0 and 0"),
        ([[1.0]], [[1.0]], [], "one entry a draw, got 1, 1 and 0"),
        ([[1.0], [1.0]], [[1.0], [1.0, 2.0]], [[0], [0]], r"draw 1: .* got shapes \(1,\), \(2,\) and \(1,\)"),
        ([[]], [[]], [[]], "draw 0: .* one entry a query"),
        ([[1.0, np.nan]], [[1.0, 2.0]], [[0, 0]], "draw 0: query 1 has no finite difference"),
    ],
)
def test_bootstrap_names_what_does_not_fit(a: list, b: list, groups: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two_way_bootstrap(a, b, groups)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t_interval([1.0, 2.0], 1.0), "confidence: 1.0 must lie between 0 and 1"),
        (lambda: t_interval([[1.0, 2.0]]), "at least two finite values in a list"),
        (lambda: detectable_difference(1.0, 1), "n >= 2"),
        (lambda: detectable_difference(1.0, 5, power=0.01), "alpha < power < 1"),
    ],
)
def test_impossible_requests_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
