"""What an estimate says, against intervals laid out by hand, and the draws it asks for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reproducible.evaluation import t_interval
from reproducible.verdicts.estimates import estimate


def sample(mean: float, half: float, n: int = 5) -> np.ndarray:
    """n differences with this mean, whose t interval reaches so far."""
    values = np.random.default_rng(n).normal(size=n)
    sd = half * math.sqrt(n) / stats.t.ppf(0.975, n - 1)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize(
    ("mean", "t_half", "b_half", "published", "margin", "word"),
    [
        (5, 1, 1, 3.0, None, "supported"),
        (5, 1, 3, 3.0, None, "supported"),
        (3, 1, 2, 3.0, None, "supported"),
        (2, 0.5, 0.9, 3.0, None, "supported, smaller than published"),
        (2, 0.5, 1.5, 3.0, None, "supported"),  # the bootstrap interval holds the published effect
        (2, 1.5, 0.5, 3.0, None, "supported"),  # the t interval does
        (2, 0.5, 2.5, 3.0, None, "too small to see here"),
        (2, 2.5, 0.5, 3.0, None, "too small to see here"),
        (-2, 1, 1, 3.0, 1.0, "contradicted"),
        (-2, 1, 3, 3.0, 1.0, "too small to see here"),
        (0.1, 0.5, 0.8, 3.0, 1.0, "no difference seen"),
        (0.1, 0.5, 0.8, None, 1.0, "no difference seen"),
        (0.1, 0.5, 0.8, 3.0, None, "too small to see here"),  # no margin says what would not matter
        (0.1, 0.5, 1.2, 3.0, 1.0, "too small to see here"),
        (0.5, 0.2, 0.3, 3.0, 1.0, "supported, smaller than published"),  # beyond zero comes first
        (2, 1, 1, None, 1.0, "supported"),
    ],
)
def test_words(
    mean: float, t_half: float, b_half: float, published: float | None, margin: float | None, word: str
) -> None:
    found = estimate(
        sample(mean, t_half), (mean - b_half, mean + b_half), "greater", published=published, margin=margin
    )
    assert found.word == word
    assert found.t == pytest.approx((mean - t_half, mean + t_half))
    assert (found.draws_needed is not None) == (word == "too small to see here")
    turned = estimate(
        -sample(mean, t_half),
        (-mean - b_half, -mean + b_half),
        "less",
        published=None if published is None else -published,
        margin=margin,
    )
    assert (turned.word, turned.draws_needed) == (word, found.draws_needed)


@pytest.mark.parametrize(
    ("mean", "t_half", "b_half", "word"),
    [
        (0, 1, 1, "supported"),
        (0, 1, 3, "too small to see here"),
        (0, 3, 1, "too small to see here"),
        (5, 1, 1, "contradicted"),
        (-5, 1, 1, "contradicted"),
        (2, 1, 1, "too small to see here"),
    ],
)
def test_a_claim_of_no_effect(mean: float, t_half: float, b_half: float, word: str) -> None:
    given = {"published": 0.2, "margin": 2.0}
    assert estimate(sample(mean, t_half), (mean - b_half, mean + b_half), "none", **given).word == word


@pytest.mark.parametrize(
    ("mean", "t_half", "b_half", "word"),
    [
        (0, 1, 1, "supported"),
        (5, 1, 9, "too small to see here"),
        (-1.5, 0.3, 0.3, "supported"),  # something is lost, but less than two points
        (-2, 1, 1, "too small to see here"),
        (-5, 1, 1, "contradicted"),
        (-5, 1, 4, "too small to see here"),
    ],
)
def test_a_claim_that_nothing_is_lost(mean: float, t_half: float, b_half: float, word: str) -> None:
    found = estimate(sample(mean, t_half), (mean - b_half, mean + b_half), "not_less", margin=2.0)
    assert found.word == word
    assert found.p == pytest.approx(stats.ttest_1samp(sample(mean, t_half), -2.0).pvalue)
    assert estimate(-sample(mean, t_half), (-mean - b_half, -mean + b_half), "not_greater", margin=2.0).word == word


@pytest.mark.parametrize(("published", "margin", "sought"), [(1.7, None, 1.7), (1.7, 1.0, 1.7), (None, 1.0, 1.0)])
def test_so_many_draws_would_show_the_published_effect(
    published: float | None, margin: float | None, sought: float
) -> None:
    """With this spread, and a bootstrap interval that shrinks as one over the root of the draws."""
    half, b_half, n = 3.0, 2.5, 5
    found = estimate(sample(0.5, half), (0.5 - b_half, 0.5 + b_half), "greater", published=published, margin=margin)
    assert found.said == f"too small to see here ({found.draws_needed} draws would show {sought:g})"
    sd = half * math.sqrt(n) / stats.t.ppf(0.975, n - 1)

    def seen(draws: int) -> bool:
        values = np.random.default_rng(1).normal(size=draws)
        low, _ = t_interval(sought + sd * (values - values.mean()) / values.std(ddof=1))
        return low > 0 and sought - b_half * math.sqrt(n / draws) > 0

    assert seen(found.draws_needed + 1)
    assert not seen(found.draws_needed - 1)


def test_draws_that_nobody_will_run_are_not_counted() -> None:
    found = estimate(sample(0.5, 3.0), (-2.0, 3.0), "greater", published=0.1)
    assert found.draws_needed > 100
    assert found.said == "too small to see here (over 100 draws would show 0.1)"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"differences": [1.0]}, "at least two finite values"),
        ({"bootstrap": (2.0, 1.0)}, r"bootstrap: \(2.0, 1.0\) is not an interval"),
        ({"direction": "up"}, "direction: 'up' is not one of"),
        ({"published": None}, "needs a margin or, of a difference, a published effect"),
        ({"direction": "none", "published": 0.1}, "needs a margin or"),
        ({"direction": "not_less", "published": 0.1}, "needs a margin or"),
        ({"margin": 0.0}, "margin: 0.0 must be above zero"),
        ({"published": -1.0}, "published: -1.0 does not fit a claim of direction 'greater'"),
    ],
)
def test_an_estimate_without_ground_is_refused(changed: dict[str, Any], message: str) -> None:
    given = {"differences": [1.0, 2.0], "bootstrap": (0.0, 1.0), "direction": "greater", "published": 3.0}
    with pytest.raises(ValueError, match=message):
        estimate(**given | changed)
