"""How alike branches are, against cosines in a loop; the floor that the document's -0.08 stands above."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reproducible.evaluation.features import mean_overlap, overlap, participation_ratio

DRAW = np.random.default_rng(0)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(a * a) * sum(b * b)))


def test_overlap_is_the_mean_cosine_of_each_pair() -> None:
    rows = DRAW.normal(size=(3, 5, 4)) * DRAW.uniform(0.1, 9, (3, 5, 1))
    expected = [[100 * sum(cosine(rows[i, n], rows[j, n]) for n in range(5)) / 5 for j in range(3)] for i in range(3)]
    assert overlap(rows) == pytest.approx(np.array(expected))
    assert mean_overlap(overlap(rows)) == pytest.approx((expected[0][1] + expected[0][2] + expected[1][2]) / 3)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_mean_cosine_of_j_vectors_is_at_least_minus_one_over_j_minus_one(count: int) -> None:
    """The sum of J unit vectors has a square, J plus twice the pairs' cosines, that is not negative; the corners of a
    simplex reach it."""
    simplex = np.eye(count) - 1 / count
    floor = -100 / (count - 1)
    assert mean_overlap(overlap(simplex[:, None])) == pytest.approx(floor)
    for _ in range(50):
        near = simplex[:, None] + DRAW.normal(size=(count, 7, count)) * DRAW.uniform(0, 1)
        assert mean_overlap(overlap(near)) >= floor


def test_participation_ratio_counts_directions() -> None:
    """Against the eigenvalues, on vectors of one image, and where the answer is known."""
    chance = np.random.default_rng(0)
    cosines = overlap(chance.normal(size=(5, 1, 8)))
    eigenvalues = np.linalg.eigvalsh(cosines / 100)
    assert participation_ratio(cosines) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    assert participation_ratio(100 * np.eye(6)) == pytest.approx(6)
    assert participation_ratio(100 * np.outer([1, -1, 1], [1, -1, 1])) == pytest.approx(1)
