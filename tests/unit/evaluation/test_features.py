"""Variance by channel, its correlation with the classes, gates: literal definitions and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from reproducible.evaluation.features import (
    batch_variance_errors,
    discarded_gate_share,
    fisher_ratio,
    gate_quantiles,
    rank_correlation,
    relative_variance_error,
    variance_fisher_correlation,
)

DRAW = np.random.default_rng(0)
LABELS = np.repeat([7, 3, 9], (4, 6, 2))
FEATURES = DRAW.normal(size=(12, 5)) * [1, 2, 3, 4, 5] + LABELS[:, None] * [0, 1, 0, 2, 0]


def variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / len(values)


def literal_ratio(values: list[float], labels: list[int]) -> float:
    """Variance of the class means, each image standing for its class, over the mean variance around them."""
    groups = {label: [v for v, other in zip(values, labels, strict=True) if other == label] for label in labels}
    means = [sum(groups[label]) / len(groups[label]) for label in labels]
    within = sum((v - m) ** 2 for v, m in zip(values, means, strict=True)) / len(values)
    return variance(means) / within


def test_ratio_is_that_written_out() -> None:
    expected = [literal_ratio(list(column), list(LABELS)) for column in FEATURES.T]
    np.testing.assert_allclose(fisher_ratio(FEATURES, LABELS), expected)


def test_ratio_of_channels_without_variance() -> None:
    columns = np.stack([np.zeros(12), LABELS], axis=1)
    assert list(fisher_ratio(columns, LABELS)) == [0, math.inf]


def test_rank_correlation_is_scipys() -> None:
    a, b = DRAW.integers(0, 5, 40), DRAW.normal(size=40)
    assert rank_correlation(a, b) == pytest.approx(100 * spearmanr(a, b).statistic)
    assert rank_correlation(np.ones(4), np.arange(4)) == 0


def test_correlation_of_variance_and_ratio() -> None:
    """Channels with the same noise and class means ever farther apart vary more and tell more."""
    noise = DRAW.normal(size=12)
    spread = np.stack([noise + k * LABELS for k in range(6)] + [np.zeros(12)], axis=1)
    assert variance_fisher_correlation(spread, LABELS) == pytest.approx(100, abs=15)
    falling = np.arange(7, 0, -1)
    expected = spearmanr(falling[:6], fisher_ratio(spread[:, :6], LABELS)).statistic
    assert variance_fisher_correlation(spread, LABELS, falling) == pytest.approx(100 * expected)


def test_discarded_gates() -> None:
    assert discarded_gate_share(np.full(8, 0.5)) == 0
    assert discarded_gate_share([0.9, 0.9, 0.9, 0.1]) == 25  # half the mean is 0.35
    assert discarded_gate_share([0.5, 0.5, 0.5, 0.3]) == 0


def test_quantiles() -> None:
    found = gate_quantiles(np.arange(101) / 100)
    assert found == pytest.approx({f"gate_q{q}": q / 100 for q in (0, 5, 25, 50, 75, 95, 100)})


def test_error_of_the_prediction() -> None:
    assert relative_variance_error([1, 2, 3], [1, 2, 3]) == 0
    assert relative_variance_error([0, 0, 0], [1, 2, 3]) == 100
    assert relative_variance_error([2, 2, 3], [1, 2, 3]) == pytest.approx(100 / 6)


def test_errors_of_batches() -> None:
    rows = np.concatenate([FEATURES, np.ones((12, 1))], axis=1)
    batches = [DRAW.choice(12, 4, replace=False) for _ in range(5)]
    ratios = [variance(list(column[b])) / variance(list(column)) - 1 for b in batches for column in FEATURES.T]
    absolute, signed = batch_variance_errors(rows, batches)
    assert absolute == pytest.approx(100 * sum(map(abs, ratios)) / len(ratios))
    assert signed == pytest.approx(100 * sum(ratios) / len(ratios))
    assert batch_variance_errors(rows, [range(12)]) == pytest.approx((0, 0))
