"""P-values and verdict words against scipy, literal procedures and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reproducible.evaluation import t_interval
from reproducible.verdicts.statistics import holm, judge, paired_p, seeds_needed, sign_test


def sample(mean: float, sd: float, n: int) -> np.ndarray:
    """n values with exactly this mean and standard deviation."""
    values = np.random.default_rng(n).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize("n", [2, 5, 10, 40])
def test_p_equals_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(70, 3, n), rng.normal(68, 3, n)
    assert paired_p(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-10)
    assert paired_p(b - a) == paired_p(a - b)


def test_equal_differences_are_certain_or_nothing() -> None:
    assert paired_p([2.0, 2.0, 2.0]) == 0.0
    assert paired_p([0.0, 0.0]) == 1.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p: list[float], alpha: float) -> None:
    rejected = set()
    for step, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[place] * (len(p) - step) > alpha:
            break
        rejected.add(place)
    assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= alpha} == rejected


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])


@pytest.mark.parametrize("differences", [[1, 2, 3, 4, 5], [1, -2, 0, 4, 0, 3], [-1, -1], [0, 0, 0]])
def test_sign_test_counts_coin_tosses(differences: list[float]) -> None:
    up, down = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    n, extreme = up + down, abs(up - down)
    chance = sum(math.comb(n, heads) for heads in range(n + 1) if abs(2 * heads - n) >= extreme) / 2**n
    assert sign_test(differences) == pytest.approx(chance)


@pytest.mark.parametrize(("mean", "sd", "margin"), [(2, 2, 0), (1, 4, 0.5), (-3, 1, 0), (0.4, 1, 1), (5, 0.1, 0)])
def test_seeds_needed_is_the_first_number_whose_interval_clears_the_margin(
    mean: float, sd: float, margin: float
) -> None:
    def clears(n: int) -> bool:
        low, high = t_interval(sample(mean, sd, n))
        return not low <= margin <= high

    n = seeds_needed(mean, sd, margin)
    assert clears(n)
    assert n == 2 or not clears(n - 1)


def test_no_number_of_seeds_tells_the_margin_from_itself() -> None:
    assert seeds_needed(1.5, 2.0, 1.5) is None
    assert seeds_needed(0.1 + 0.2, 2.0, 0.3) is None, "a difference of rounding alone"
    assert seeds_needed(1.5, 0.0, 0.0) == 2


@pytest.mark.parametrize(
    ("mean", "t_half", "b_half", "margin", "direction", "word"),
    [
        (5, 1, 1, 3, "greater", "supported"),
        (5, 1, 3, 3, "greater", "supported, smaller than claimed"),  # the bootstrap interval holds the margin
        (5, 3, 1, 3, "greater", "supported, smaller than claimed"),  # the t interval does
        (2, 1, 1, 3, "greater", "supported, smaller than claimed"),  # beyond zero, short of the margin
        (5, 1, 6, 3, "greater", "inconclusive"),  # the bootstrap interval holds zero
        (5, 6, 1, 3, "greater", "inconclusive"),  # the t interval does
        (-5, 1, 1, 3, "greater", "contradicted"),
        (-1, 0.5, 0.5, 3, "greater", "contradicted"),  # wholly below zero is enough
        (-5, 1, 6, 3, "greater", "inconclusive"),
        (-5, 6, 1, 3, "greater", "inconclusive"),
        (0.5, 1, 1, 0, "greater", "inconclusive"),
        (2, 1, 1, 0, "greater", "supported"),
        (0, 1, 1, 2, "none", "supported"),
        (0, 1, 3, 2, "none", "inconclusive"),
        (0, 3, 1, 2, "none", "inconclusive"),
        (5, 1, 1, 2, "none", "contradicted"),
        (-5, 1, 1, 2, "none", "contradicted"),
        (5, 1, 4, 2, "none", "inconclusive"),
        (5, 4, 1, 2, "none", "inconclusive"),
    ],
)
def test_words(mean: float, t_half: float, b_half: float, margin: float, direction: Any, word: str) -> None:
    n = 5
    differences = sample(mean, t_half * math.sqrt(n) / stats.t.ppf(0.975, n - 1), n)
    verdict = judge(differences, (mean - b_half, mean + b_half), margin, direction)
    assert verdict.word == word
    assert (verdict.t_low, verdict.t_high) == pytest.approx((mean - t_half, mean + t_half))
    assert (verdict.b_low, verdict.b_high) == (mean - b_half, mean + b_half)
    assert verdict.p == pytest.approx(paired_p(differences))
    assert (verdict.seeds_needed is not None) == (word == "inconclusive")
    mirrored = judge(
        -differences, (-mean - b_half, -mean + b_half), margin, {"greater": "less"}.get(direction, direction)
    )
    assert mirrored.word == word
    assert mirrored.seeds_needed == verdict.seeds_needed


def test_intervals_on_both_sides_of_the_margins_contradict_nothing() -> None:
    assert judge(sample(5, 0.1, 5), (-6, -5), 2, "none").word == "inconclusive"


@pytest.mark.parametrize(("direction", "margin", "line"), [("greater", 3, 0), ("none", 3, 3)])
def test_seeds_needed_would_settle_an_inconclusive_verdict(direction: Any, margin: float, line: float) -> None:
    """With the same mean and spread, and a bootstrap interval that shrinks as one over the root of n."""
    mean, sd, half, n = 2.0, 2.5, 3.5, 5

    def verdict(count: int) -> Any:
        shrunk = half * math.sqrt(n / count)
        return judge(sample(mean, sd, count), (mean - shrunk, mean + shrunk), margin, direction)

    needed = verdict(n).seeds_needed
    assert needed > n
    assert verdict(needed + 1).word != "inconclusive"
    assert verdict(needed - 1).word == "inconclusive"


def test_an_inconclusive_mean_on_the_line_is_never_settled() -> None:
    assert judge([-1.0, 1.0], (-1, 1), 0.5, "greater").seeds_needed is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"differences": [1.0]}, "at least two finite values"),
        ({"differences": [1.0, math.nan]}, "at least two finite values"),
        ({"bootstrap_interval": (2.0, 1.0)}, r"bootstrap_interval: \(2.0, 1.0\) is not an interval"),
        ({"bootstrap_interval": (math.nan, 1.0)}, "is not an interval"),
        ({"margin": -1.0}, "margin: -1.0 does not fit a claim of direction 'greater'"),
        ({"margin": math.nan}, "margin: nan does not fit"),
        ({"margin": 0.0, "direction": "none"}, "margin: 0.0 does not fit a claim of direction 'none'"),
        ({"direction": "up"}, "direction: 'up' is not one of greater, less, none"),
    ],
)
def test_a_judgement_without_ground_is_refused(changed: dict[str, Any], message: str) -> None:
    given = {"differences": [1.0, 2.0], "bootstrap_interval": (0.0, 1.0), "margin": 1.0, "direction": "greater"}
    with pytest.raises(ValueError, match=message):
        judge(**given | changed)


def test_impossible_p_values_are_refused() -> None:
    with pytest.raises(ValueError, match="p-values from 0 to 1"):
        holm([0.1, 1.2])
