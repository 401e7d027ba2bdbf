"""The statistics behind a verdict. All differences, margins and intervals are in points (0 to 100).

Explained on page: protocol.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Interval = tuple[float, float]
Direction = Literal["greater", "less", "none"]
Word = Literal["supported", "supported, smaller than claimed", "contradicted", "inconclusive"]


def t_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean of paired differences, in points: mean +- t(n-1) s / sqrt(n)."""
    values = _sample(differences)
    return _around(values, _quantile(len(values), confidence) * values.std(ddof=1) / math.sqrt(len(values)))


def prediction_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Where one further value of the same kind should lie, in points: mean +- t(n-1) s sqrt(1 + 1/n)."""
    sample = _sample(values)
    return _around(sample, _quantile(len(sample), confidence) * sample.std(ddof=1) * math.sqrt(1 + 1 / len(sample)))


def paired_p(differences: ArrayLike) -> float:
    """Two-sided p-value of the paired t test; where all differences are equal, 1 if they are zero and 0 if not."""
    values = _sample(differences)
    spread = values.std(ddof=1)
    if spread == 0:
        return float(values[0] == 0)
    return float(2 * stats.t.sf(abs(values.mean()) / (spread / math.sqrt(len(values))), len(values) - 1))


def sign_test(differences: ArrayLike) -> float:
    """Two-sided p-value of the exact sign test; zero differences are left out. Reported, never decisive."""
    values = _sample(differences)
    positive, negative = int((values > 0).sum()), int((values < 0).sum())
    return float(stats.binomtest(positive, positive + negative).pvalue) if positive + negative else 1.0


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values of one family, in the order given."""
    values = np.asarray(p, float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p: expected a list of p-values from 0 to 1, got {values}.")
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1)
    return adjusted


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
    rng = np.random.default_rng(seed)
    of_draws = rng.multinomial(draws, np.full(draws, 1 / draws), size=n_boot)
    of_groups = rng.multinomial(names, np.full(names, 1 / names), size=n_boot)
    totals = of_groups @ counts.T
    weights = of_draws * (totals > 0)
    means = of_groups @ sums.T / np.maximum(totals, 1)
    held = weights.sum(1) > 0
    values = (weights * means).sum(1)[held] / weights.sum(1)[held]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


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


def seeds_needed(mean: float, sd: float, margin: float, confidence: float = 0.95) -> int | None:
    """The fewest pairs at which the t interval of this mean and standard deviation no longer holds the margin.

    A planning figure: it takes the mean and the spread to stay as they are.

    Args:
        mean: mean difference, in points.
        sd: standard deviation of the differences, in points.
        margin: the value to be told from the mean, in points (0 for "any difference at all").
        confidence: of the interval.

    Returns:
        The number of pairs, at least 2, or None where the mean is the margin and no number would do.
    """
    distance = abs(mean - margin)
    if not distance:
        return None
    n = max(2, math.ceil((stats.norm.isf((1 - confidence) / 2) * sd / distance) ** 2))
    while _quantile(n, confidence) * sd / math.sqrt(n) >= distance:
        n += 1
    return n


@dataclass(frozen=True)
class Verdict:
    """What the paired differences say about a claim; intervals in points, `p` two-sided and unadjusted."""

    word: Word
    t_low: float
    t_high: float
    b_low: float
    b_high: float
    p: float
    seeds_needed: int | None


def judge(differences: ArrayLike, bootstrap_interval: Interval, margin: float, direction: Direction) -> Verdict:
    """The verdict word of one claim at one level, from both intervals. Explained on page: verdict-words.

    For a claimed difference ("greater": the differences are positive, "less": negative): supported if both intervals
    lie wholly beyond the margin in the claimed direction; supported, smaller than claimed, if wholly beyond zero but
    not beyond the margin; contradicted if wholly on the other side of zero. For a claim of no effect ("none"):
    supported if both lie wholly inside +- margin, contradicted if wholly outside. Else inconclusive.

    Args:
        differences: (n,) paired differences, in points.
        bootstrap_interval: from `two_way_bootstrap` on the same runs.
        margin: in points, not negative; above zero for a claim of no effect.
        direction: what is claimed.

    Returns:
        The verdict. `seeds_needed`, for an inconclusive one only, is the number of pairs at which both intervals would
        settle it if the mean stayed and both shrank as one over the square root of n; None if no number would.

    Raises:
        ValueError: on fewer than two differences, values that are not finite, or a margin that does not fit.
    """
    values = _sample(differences)
    if direction not in ("greater", "less", "none"):
        raise ValueError(f"direction: {direction!r} is not one of greater, less, none.")
    if not (margin > 0 or (margin == 0 and direction != "none")) or not math.isfinite(margin):
        raise ValueError(f"margin: {margin} does not fit a claim of direction {direction!r}.")
    if not np.isfinite(bootstrap_interval).all() or bootstrap_interval[0] > bootstrap_interval[1]:
        raise ValueError(f"bootstrap_interval: {bootstrap_interval} is not an interval.")
    t, b = t_interval(values), (float(bootstrap_interval[0]), float(bootstrap_interval[1]))
    word = _word(min(t[0], b[0]), max(t[1], b[1]), margin, direction)
    needed = _settling(values, b, margin if direction == "none" else 0.0) if word == "inconclusive" else None
    return Verdict(word, *t, *b, paired_p(values), needed)


def _word(low: float, high: float, margin: float, direction: Direction) -> Word:
    """The word for the hull of both intervals: both lie beyond a line exactly if their hull does."""
    if direction == "none":
        if -margin < low and high < margin:
            return "supported"
        return "contradicted" if low > margin or high < -margin else "inconclusive"
    if direction == "less":
        low, high = -high, -low
    if low > 0:
        return "supported" if low > margin else "supported, smaller than claimed"
    return "contradicted" if high < 0 else "inconclusive"


def _settling(values: NDArray[np.float64], bootstrap: Interval, margin: float) -> int | None:
    """Pairs at which both intervals would clear the line (zero, or the margin on the mean's side)."""
    mean = float(values.mean())
    line = math.copysign(margin, mean)
    by_t = seeds_needed(mean, float(values.std(ddof=1)), line)
    if by_t is None:
        return None
    reach = max(mean - bootstrap[0], bootstrap[1] - mean)
    return max(by_t, math.ceil(len(values) * (reach / (mean - line)) ** 2))


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


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    sample = np.asarray(values, float)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"expected at least two finite values in a list, got {sample}.")
    return sample


def _quantile(n: int, confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} must lie between 0 and 1.")
    return float(stats.t.isf((1 - confidence) / 2, n - 1))


def _around(values: NDArray[np.float64], reach: float) -> Interval:
    return float(values.mean() - reach), float(values.mean() + reach)
