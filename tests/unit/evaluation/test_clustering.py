"""Clustering metrics equal their literal definitions."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproducible.evaluation import kmeans, nmi, pairwise_f1

PAIRED_LISTS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), min_size=1, max_size=25)


def literal_f1(labels: list[int], assign: list[int]) -> float:
    hits = misses = false_alarms = 0
    for i, j in itertools.combinations(range(len(labels)), 2):
        same_class, same_cluster = labels[i] == labels[j], assign[i] == assign[j]
        hits += same_class and same_cluster
        misses += same_class and not same_cluster
        false_alarms += same_cluster and not same_class
    if hits == 0:
        return 0.0
    precision, recall = hits / (hits + false_alarms), hits / (hits + misses)
    return 2 * precision * recall / (precision + recall)


def entropy(values: list[object]) -> float:
    return -sum(n / len(values) * math.log(n / len(values)) for n in Counter(values).values())


def literal_nmi(labels: list[int], assign: list[int]) -> float:
    mean = (entropy(labels) + entropy(assign)) / 2
    information = entropy(labels) + entropy(assign) - entropy(list(zip(labels, assign, strict=True)))
    return information / mean if mean else 1.0


@settings(max_examples=80, deadline=None)
@given(PAIRED_LISTS)
def test_f1_and_nmi_equal_their_definitions(pairs: list[tuple[int, int]]) -> None:
    labels, assign = (list(values) for values in zip(*pairs, strict=True))
    assert pairwise_f1(labels, assign) == pytest.approx(literal_f1(labels, assign), abs=1e-12)
    assert nmi(labels, assign) == pytest.approx(literal_nmi(labels, assign), abs=1e-9)


def test_both_are_one_for_the_classes_under_other_names() -> None:
    labels = [0, 0, 1, 2, 2, 2]
    renamed = [9, 9, -4, 1, 1, 1]
    assert pairwise_f1(labels, renamed) == 1.0
    assert nmi(labels, renamed) == pytest.approx(1.0)


def blobs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(5), 30)
    return (20 * np.eye(5)[labels] + rng.normal(size=(150, 5))).astype(np.float32), labels


def test_k_means_finds_separate_blobs() -> None:
    rows, labels = blobs()
    assign = kmeans(rows, 5, seed=0)
    assert assign.shape == (150,)
    assert assign.dtype == np.int64
    assert nmi(labels, assign) == pytest.approx(1.0)
    assert pairwise_f1(labels, assign) == 1.0


def test_k_means_depends_on_the_seed_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    first = kmeans(rows, 12, seed=1, restarts=1)
    np.random.seed(99)
    np.testing.assert_array_equal(kmeans(rows, 12, seed=1, restarts=1), first)
    assert (kmeans(rows, 12, seed=2, restarts=1) != first).any()


def test_restarts_find_tighter_clusters() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)

    def spread(assign: np.ndarray) -> float:
        return sum(((rows[assign == c] - rows[assign == c].mean(0)) ** 2).sum() for c in np.unique(assign))

    single = [spread(kmeans(rows, 12, seed=s, restarts=1)) for s in range(6)]
    several = [spread(kmeans(rows, 12, seed=s, restarts=10)) for s in range(6)]
    assert np.mean(several) < np.mean(single)


@pytest.mark.parametrize(
    ("rows", "k", "message"),
    [
        (np.zeros((3, 2)), 4, "k: 4 clusters asked for; 3 rows allow 1 to 3"),
        (np.zeros((3, 2)), 0, "k: 0 clusters"),
        (np.zeros(3), 1, r"embeddings: expected a matrix of embeddings .*, got \(3,\)"),
        (np.array([[0.0], [np.inf], [np.nan]]), 1, "embeddings: row 1 of 3 holds NaN or infinity"),
    ],
)
def test_what_k_means_cannot_take_is_named(rows: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kmeans(rows, k, seed=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_k_means_takes_what_the_search_takes(dtype: torch.dtype) -> None:
    """A tensor with a gradient, of any floating type: the clusters are those of its values."""
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = rows.to(dtype).requires_grad_()
    np.testing.assert_array_equal(kmeans(rows, 3, seed=0), kmeans(rows.detach().float().numpy(), 3, seed=0))


@pytest.mark.parametrize("metric", [nmi, pairwise_f1])
@pytest.mark.parametrize(("labels", "assign"), [([0, 1], [0]), ([], []), ([[0]], [[0]])])
def test_lists_that_do_not_pair_are_refused(metric: object, labels: list, assign: list) -> None:
    with pytest.raises(ValueError, match="two lists of one length"):
        metric(labels, assign)
