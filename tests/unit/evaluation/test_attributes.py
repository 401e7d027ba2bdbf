"""Average precision of attributes, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from reproducible.evaluation.attributes import average_precision, mean_average_precision, similarity_and_hardness

CHANCE = np.random.default_rng(0)


@given(st.data())
def test_average_precision_of_ties_equals_scikit_learn(data: st.DataObject) -> None:
    """Scores that are all equal among them: then it is the share of wanted images, in whatever order they come."""
    count = data.draw(st.integers(1, 30))
    scores = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), float)
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any)))
    assert average_precision(scores, wanted) == pytest.approx(average_precision_score(wanted, scores), abs=1e-12)
    assert average_precision(np.zeros(count), wanted) == pytest.approx(wanted.mean())


@pytest.mark.parametrize("rounded", [False, True])
def test_mean_over_attributes_equals_scikit_learn(rounded: bool) -> None:
    """With ties where scores are rounded."""
    truth = CHANCE.random((300, 12)) < np.linspace(0.01, 0.9, 12)
    scores = truth + CHANCE.normal(0, 0.8, truth.shape)
    scores = scores.round() if rounded else scores
    assert truth.any(axis=0).all()
    expected = average_precision_score(truth, scores, average="macro")
    assert mean_average_precision(scores.astype(np.float32), truth.astype(np.uint8)) == pytest.approx(
        expected, abs=1e-6
    )
    assert mean_average_precision(scores, truth) == pytest.approx(expected, abs=1e-12)


def test_attributes_of_all_images_or_of_none_are_left_out() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]])
    scores = CHANCE.random((4, 3))
    assert mean_average_precision(scores, truth) == pytest.approx(average_precision_score(truth[:, 1], scores[:, 1]))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"as many rows and columns as scores, got \(4, 2\) for \(4, 3\)"):
        mean_average_precision(np.ones((4, 3)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="no attribute of 2 is there in some images and not in others"):
        mean_average_precision(np.ones((4, 2)), np.tile([0, 1], (4, 1)))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_similarity_and_hardness_pair_by_pair() -> None:
    labels = np.repeat(np.arange(6), 5)
    probabilities, embeddings = CHANCE.random((30, 4)), CHANCE.normal(size=(30, 7)) * CHANCE.uniform(1, 9, (30, 1))
    kept: dict[str, list[tuple[float, float]]] = {"positive": [], "negative": []}
    for i in range(30):
        for j in range(i):
            both = cosine(probabilities[i], probabilities[j]), cosine(embeddings[i], embeddings[j])
            kept["positive" if labels[i] == labels[j] else "negative"].append(both)
    found = similarity_and_hardness(probabilities, embeddings, labels)
    assert len(kept["positive"]) == 60
    expected = {}
    for kind, pairs in kept.items():
        alike, near = zip(*pairs, strict=True)
        expected[f"similarity_{kind}"] = 100 * np.mean(alike)
        expected[f"hardness_{kind}"] = 100 * spearmanr(alike, near).statistic
    expected["similarity_hardness_correlation"] = (expected["hardness_positive"] + expected["hardness_negative"]) / 2
    assert found == pytest.approx(expected, abs=1e-9)


def test_pairs_whose_attributes_say_all() -> None:
    labels = np.repeat(np.arange(4), 3)
    rows = CHANCE.random((12, 3))
    assert similarity_and_hardness(rows, rows, labels)["similarity_hardness_correlation"] == pytest.approx(100)
    unknown = similarity_and_hardness(np.ones((12, 3)), rows, labels)
    assert unknown["similarity_hardness_correlation"] == 0 and unknown["similarity_negative"] == pytest.approx(100)
    for classes, kind in (([0] * 12, "negative"), (range(12), "positive")):
        with pytest.raises(ValueError, match=f"no {kind} pair among 12 images"):
            similarity_and_hardness(rows, rows, list(classes))
