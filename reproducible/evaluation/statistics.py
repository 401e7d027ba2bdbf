"""Statistics of runs: intervals of means and differences, in points (0 to 100).

What decides a verdict: :mod:`reproducible.verdicts.statistics`.

Explained on page: protocol.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Interval = tuple[float, float]


def t_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean of paired differences, in points: mean +- t(n-1) s / sqrt(n)."""
    values = sample(differences)
    return _around(values, t_quantile(len(values), confidence) * values.std(ddof=1) / math.sqrt(len(values)))


def prediction_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Where one further value of the same kind should lie, in points: mean +- t(n-1) s sqrt(1 + 1/n)."""
    found = sample(values)
    return _around(found, t_quantile(len(found), confidence) * found.std(ddof=1) * math.sqrt(1 + 1 / len(found)))


def two_way_bootstrap(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    groups: Sequence[ArrayLike],
    *,
    n_boot: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of the mean difference a - b, resampling class draws and groups of test classes, crossed.

    The statistic is the mean over draws of (mean over queries of a, less that of b). A resample takes as many draws as
    there are, with replacement, and as many groups as all draws together have, with replacement: a group has the same
    weight in every draw that tests it (Owen 2007, "The pigeonhole bootstrap"). That is the point: halves of one set of
    classes overlap, so what a method does to a class enters several draws, and resampling the groups of each draw on
    their own would understate it. A draw of which a resample holds no group is left out of it.

    Args:
        a: for each draw, the values (Q_d,) of one arm's queries in points (a hit is 100).
        b: the same of the other arm, for the same queries in the same order.
        groups: for each draw, the group (coarse class on groceries, base on glyphs) of each query.
        n_boot: number of resamples.
        seed: the same seed gives the same interval.
        confidence: of the interval.

    Returns:
        Low and high end, in points.

    Raises:
        ValueError: on no draws, on lists of different lengths, or on values that are not finite.
    """
    if not len(a) or not len(a) == len(b) == len(groups):
        raise ValueError(f"a, b and groups must have one entry a draw, got {len(a)}, {len(b)} and {len(groups)}.")
    sums, counts = _group_sums(a, b, groups)
    draws, names = sums.shape
    of_draws, of_groups = _resamples(draws, names, n_boot, seed)
    totals = of_groups @ counts.T
    weights = of_draws * (totals > 0)
    means = of_groups @ sums.T / np.maximum(totals, 1)
    held = weights.sum(1) > 0
    values = (weights * means).sum(1)[held] / weights.sum(1)[held]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _resamples(draws: int, groups: int, n_boot: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each resample takes each draw, (n_boot, draws), and each group, (n_boot, groups); not to be changed.

    Kept, because most verdicts resample the same numbers of draws and groups.
    """
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=n_boot).astype(float) for n in (draws, groups)]
    for taken in counts:
        taken.setflags(write=False)
    return counts[0], counts[1]


def detectable_difference(sd: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true mean difference, in points, that a two-sided paired t test of n pairs finds with this power.

    Args:
        sd: standard deviation of the paired differences, in points.
        n: number of pairs, at least 2.
        power: wanted chance to reject.
        alpha: level of the test.
    """
    if n < 2 or sd < 0 or not alpha < power < 1:
        raise ValueError(f"needs n >= 2, sd >= 0 and alpha < power < 1, got n={n}, sd={sd}, {alpha=}, {power=}.")
    critical = stats.t.isf(alpha / 2, n - 1)

    def excess(shift: float) -> float:  # t squared is F; scipy's noncentral F keeps its precision in the tails
        return stats.ncf.sf(critical**2, 1, n - 1, shift**2) - power

    # Beyond this shift neither a large spread nor a low mean, with half the allowed failures each, hides the effect.
    half = (1 + power) / 2
    enough = critical * stats.chi.ppf(half, n - 1) / math.sqrt(n - 1) + stats.norm.ppf(half)
    return float(optimize.brentq(excess, 0, enough) * sd / math.sqrt(n))


def sample(values: ArrayLike) -> NDArray[np.float64]:
    """The values as an array, (n,).

    Raises:
        ValueError: on fewer than two values, or values that are not finite.
    """
    found = np.asarray(values, float)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise ValueError(f"expected at least two finite values in a list, got {found}.")
    return found


def t_quantile(n: int, confidence: float) -> float:
    """The quantile of Student's t that a two-sided interval of this confidence takes for n values."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} must lie between 0 and 1.")
    return float(stats.t.isf((1 - confidence) / 2, n - 1))


def _group_sums(
    a: Sequence[ArrayLike], b: Sequence[ArrayLike], groups: Sequence[ArrayLike]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per draw and group, (draws, groups): the sum of a - b and the number of queries."""
    for draw, (left, right, of) in enumerate(zip(a, b, groups, strict=True)):
        first, second, named = np.asarray(left, float), np.asarray(right, float), np.asarray(of)
        if first.ndim != 1 or not len(first) or not first.shape == second.shape == named.shape:
            raise ValueError(
                f"draw {draw}: a, b and groups must hold one entry a query, got shapes "
                f"{first.shape}, {second.shape} and {named.shape}."
            )
        if not np.isfinite(first - second).all():
            at = int((~np.isfinite(first - second)).argmax())
            raise ValueError(f"draw {draw}: query {at} has no finite difference.")
    names = np.unique(np.concatenate([np.asarray(of) for of in groups]))
    sums, counts = np.zeros((len(a), len(names))), np.zeros((len(a), len(names)))
    for draw, (left, right, of) in enumerate(zip(a, b, groups, strict=True)):
        place = np.searchsorted(names, np.asarray(of))
        difference = np.asarray(left, float) - np.asarray(right, float)
        sums[draw] = np.bincount(place, difference, minlength=len(names))
        counts[draw] = np.bincount(place, minlength=len(names))
    return sums, counts


def _around(values: NDArray[np.float64], reach: float) -> Interval:
    return float(values.mean() - reach), float(values.mean() + reach)
