"""The statistics that decide a verdict. All differences, margins and intervals are in points (0 to 100).

Explained on page: protocol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from reproducible.evaluation.statistics import Interval, sample, t_interval, t_quantile

Direction = Literal["greater", "less", "none"]
Claimed = Literal["greater", "less", "none", "not_less", "not_greater"]
Word = Literal["supported", "supported, smaller than claimed", "contradicted", "inconclusive"]
_ROUNDING = 1e-6  # points: less than this is no distance


def paired_p(differences: ArrayLike) -> float:
    """Two-sided p-value of the paired t test; where all differences are equal, 1 if they are zero and 0 if not."""
    values = sample(differences)
    spread = values.std(ddof=1)
    if spread == 0:
        return float(values[0] == 0)
    return float(2 * stats.t.sf(abs(values.mean()) / (spread / math.sqrt(len(values))), len(values) - 1))


def no_effect_p(differences: ArrayLike, margin: float) -> float:
    """P-value of a claim of no effect: where the mean is inside +- margin the larger of the two one against its ends,
    else that against the nearer end; two-sided, as for claims of a difference."""
    values = sample(differences)
    if abs(values.mean()) < margin:
        return max(paired_p(values - margin), paired_p(values + margin))
    return paired_p(values - math.copysign(margin, values.mean()))


def sign_test(differences: ArrayLike) -> float:
    """Two-sided p-value of the exact sign test; zero differences are left out. Reported, never decisive."""
    values = sample(differences)
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
    if distance < _ROUNDING:
        return None
    n = max(2, math.ceil((stats.norm.isf((1 - confidence) / 2) * sd / distance) ** 2))
    while t_quantile(n, confidence) * sd / math.sqrt(n) >= distance:
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
    values = sample(differences)
    if direction not in ("greater", "less", "none"):
        raise ValueError(f"direction: {direction!r} is not one of greater, less, none.")
    if not (margin > 0 or (margin == 0 and direction != "none")) or not math.isfinite(margin):
        raise ValueError(f"margin: {margin} does not fit a claim of direction {direction!r}.")
    if not np.isfinite(bootstrap_interval).all() or bootstrap_interval[0] > bootstrap_interval[1]:
        raise ValueError(f"bootstrap_interval: {bootstrap_interval} is not an interval.")
    t, b = t_interval(values), (float(bootstrap_interval[0]), float(bootstrap_interval[1]))
    word = word_for((min(t[0], b[0]), max(t[1], b[1])), margin, direction)
    needed = _settling(values, b, margin if direction == "none" else 0.0) if word == "inconclusive" else None
    return Verdict(word, *t, *b, paired_p(values), needed)


def word_for(hull: Interval, margin: float, direction: Direction) -> Word:
    """The word of :func:`judge` for the hull of both intervals: both lie beyond a line exactly if their hull does."""
    low, high = hull
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
