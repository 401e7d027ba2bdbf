"""Estimates first: an effect with both its intervals, beside the effect that a document publishes.

A few draws cannot tell an effect of a point from none, so a yes or no would mostly be luck. An estimate says how large
the effect is here, and one of five words. Explained on page: how-to-read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reproducible.evaluation.statistics import Interval, sample, t_interval
from reproducible.verdicts.statistics import Claimed, no_effect_p, paired_p, seeds_needed
from reproducible.verdicts.words import BELOW_PUBLISHED, TOO_SMALL, UNSEEN

MANY = 100  # draws that nobody will run


@dataclass(frozen=True)
class Estimate:
    """An effect, in points, and what it says.

    Attributes:
        mean: of the paired differences.
        t: its t interval; bootstrap: over draws and groups of test classes, crossed.
        published: the effect that the document prints, or None.
        p: two-sided and unadjusted, against zero or, where nothing is to differ, be lost or gained, the margin.
        sought: size of the effect that more draws would show: the published one, else the margin.
        draws_needed: where it is too small to see here, the draws at which both intervals around an effect of that size
            would leave zero (for a claim of no effect, those around zero would stay inside the margin), if the spread
            stayed and both shrank as one over the square root of the draws.
    """

    word: str
    mean: float
    t: Interval
    bootstrap: Interval
    published: float | None
    p: float
    sought: float
    draws_needed: int | None

    @property
    def said(self) -> str:
        """The word, with the draws that would be enough: ``too small to see here (40 draws would show 1.7)``."""
        if self.draws_needed is None:
            return self.word
        count = f"{self.draws_needed}" if self.draws_needed <= MANY else f"over {MANY}"
        return f"{self.word} ({count} draws would show {self.sought:g})"


def estimate(
    differences: ArrayLike,
    bootstrap: Interval,
    direction: Claimed,
    *,
    published: float | None = None,
    margin: float | None = None,
) -> Estimate:
    """What paired differences say of a claimed effect.

    *Supported* if both intervals lie wholly beyond zero in the claimed direction, *smaller than published* if they lie
    wholly below the published effect as well; *contradicted* if wholly on the other side of zero; *no difference seen*
    if wholly inside +- margin; else *too small to see here*. A claim of no effect (direction "none") is supported
    inside +- margin and contradicted outside; a claim that nothing is lost ("not_less") or gained ("not_greater") is
    supported where both lie above -margin, or below +margin, and contradicted on the other side.

    Args:
        differences: (n,) paired differences, in points.
        bootstrap: of the same runs, from :func:`reproducible.evaluation.two_way_bootstrap`.
        direction: what is claimed: the differences are positive ("greater"), negative ("less"), nothing ("none"), not
            negative or not positive.
        published: the effect that the document prints, in points, with its sign.
        margin: in points, above zero: less than this would not matter.

    Raises:
        ValueError: on fewer than two differences, values that are not finite, neither a published effect nor a margin,
            or one that does not fit the direction.
    """
    values = sample(differences)
    _check(direction, published, margin)
    if not np.isfinite(bootstrap).all() or bootstrap[0] > bootstrap[1]:
        raise ValueError(f"bootstrap: {bootstrap} is not an interval.")
    t, b = t_interval(values), (float(bootstrap[0]), float(bootstrap[1]))
    word = word_for((min(t[0], b[0]), max(t[1], b[1])), direction, published, margin)
    effect = published if direction in ("greater", "less") else None
    sought = abs(effect) if effect else float(margin or 0)
    needed = _needed(values, b, sought) if word == TOO_SMALL and sought else None
    return Estimate(word, float(values.mean()), t, b, published, _p(values, direction, margin), sought, needed)


def _check(direction: Claimed, published: float | None, margin: float | None) -> None:
    if direction not in ("greater", "less", "none", "not_less", "not_greater"):
        raise ValueError(f"direction: {direction!r} is not one of greater, less, none, not_less, not_greater.")
    claimed = {"greater": 1, "less": -1}.get(direction, 0)
    if margin is None and (published is None or not claimed):
        raise ValueError("An estimate needs a margin or, of a difference, a published effect.")
    if margin is not None and not 0 < margin < math.inf:
        raise ValueError(f"margin: {margin} must be above zero.")
    if published is not None and (not math.isfinite(published) or published * claimed < 0):
        raise ValueError(f"published: {published} does not fit a claim of direction {direction!r}.")


def word_for(hull: Interval, direction: Claimed, published: float | None, margin: float | None) -> str:
    """The word of :func:`estimate` for the hull of both intervals, which lie beyond a line exactly if it does."""
    low, high = (-hull[1], -hull[0]) if direction in ("less", "not_greater") else hull  # what is claimed is positive
    line = margin or 0.0
    inside = -line < low and high < line
    if direction == "none":
        return "supported" if inside else "contradicted" if low > line or high < -line else TOO_SMALL
    if direction.startswith("not_"):
        return "supported" if low > -line else "contradicted" if high < -line else TOO_SMALL
    if low > 0:
        return BELOW_PUBLISHED if published is not None and high < abs(published) else "supported"
    if high < 0:
        return "contradicted"
    return UNSEEN if inside else TOO_SMALL


def _p(values: np.ndarray, direction: Claimed, margin: float | None) -> float:
    if direction == "none":
        return no_effect_p(values, float(margin or 0))
    shift = {"not_less": 1, "not_greater": -1}.get(direction, 0) * (margin or 0)
    return paired_p(values + shift)


def _needed(values: np.ndarray, bootstrap: Interval, sought: float) -> int:
    mean = float(values.mean())
    reach = max(mean - bootstrap[0], bootstrap[1] - mean)
    by_t = seeds_needed(sought, float(values.std(ddof=1)), 0.0)
    return max(by_t or 2, math.ceil(len(values) * (reach / sought) ** 2))
