"""Linear probes of parts: against scikit-learn, and on embeddings whose content is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import average_precision_score, balanced_accuracy_score
from sklearn.preprocessing import StandardScaler, normalize

from reproducible.evaluation.probes import RIDGE, part_probes, probe_map

BASES, MARKS = (
    "abcdefghijklmnop",
    [("grave", ""), ("acute", ""), ("", "dot below"), ("grave", "dot below"), ("acute", "dot below")],
)
EACH = 20


def classes() -> list[tuple[str, str, str]]:
    """Base and marks of each image, class by class."""
    return [(base, *marks) for base in BASES for marks in MARKS for _ in range(EACH)]


def codes(names: list[str], dim: int, seed: int) -> dict[str, np.ndarray]:
    """A random direction for each name."""
    stream = np.random.default_rng(seed)
    return {name: stream.normal(size=dim) for name in dict.fromkeys(names)}


def embeddings(shared: bool, noise: float = 0.05) -> np.ndarray:
    """Base and marks add up; the marks the same way on each base, or (not shared) in a direction of each base's own."""
    parts = classes()
    base = codes([p[0] for p in parts], 40, 0)
    above = codes([p[1] if shared else p[0] + p[1] for p in parts], 40, 1)
    below = codes([p[2] if shared else p[0] + p[2] for p in parts], 40, 2)
    rows = [base[p[0]] + above[p[1] if shared else p[0] + p[1]] + below[p[2] if shared else p[0] + p[2]] for p in parts]
    return np.array(rows) + noise * np.random.default_rng(3).normal(size=(len(parts), 40))


@pytest.mark.parametrize("noise", [0.05, 1.5])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_equals_scikit_learn(column: int, noise: float) -> None:
    """One against the rest, standardised on the images learnt on, each fold read by what the other has learnt."""
    rows, parts = embeddings(True, noise), np.array(classes())
    truth = parts[:, column]
    base_number = np.unique(parts[:, 0], return_inverse=True)[1]
    fold = np.arange(len(rows)) % 2 if column == 0 else base_number % 2
    read, unit = np.empty(len(rows), object), normalize(rows)
    for held in (0, 1):
        learnt = fold != held
        scaler = StandardScaler().fit(unit[learnt])
        model = RidgeClassifier(alpha=RIDGE).fit(scaler.transform(unit[learnt]), truth[learnt])
        read[~learnt] = model.predict(scaler.transform(unit[~learnt]))
    expected = balanced_accuracy_score(truth, read.astype(str))
    found = part_probes(rows, classes())[("probe_base", "probe_above", "probe_below")[column]]
    assert found == pytest.approx(expected, abs=1e-12)


def test_probe_map_equals_scikit_learn() -> None:
    """Average precision of each value in each fold, by scikit-learn's ridge regression and its score."""
    rows, parts = embeddings(True, 1.5), np.array(classes())
    base_number, unit = np.unique(parts[:, 0], return_inverse=True)[1], normalize(rows)
    of_parts = []
    for column in range(3):
        fold = np.arange(len(rows)) % 2 if column == 0 else base_number % 2
        found = []
        for held in (0, 1):
            learnt = fold != held
            scaler = StandardScaler().fit(unit[learnt])
            for value in np.unique(parts[:, column]):
                wanted = parts[:, column] == value
                model = Ridge(alpha=RIDGE).fit(scaler.transform(unit[learnt]), 2.0 * wanted[learnt] - 1)
                scores = model.predict(scaler.transform(unit[~learnt]))
                if wanted[~learnt].any():
                    found.append(average_precision_score(wanted[~learnt], scores))
        of_parts.append(np.mean(found))
    assert probe_map(rows, classes()) == pytest.approx(np.mean(of_parts), abs=1e-9)


def test_probe_map_of_constant_embeddings_is_the_share_of_each_value() -> None:
    parts = np.array(classes())
    base_number = np.unique(parts[:, 0], return_inverse=True)[1]
    folds = (np.arange(len(parts)) % 2, base_number % 2, base_number % 2)
    wanted = []
    for column, fold in enumerate(folds):
        held = [parts[fold == side, column] for side in (0, 1)]
        wanted.append(np.mean([(part == value).mean() for part in held for value in np.unique(part)]))
    assert probe_map(np.ones((len(parts), 4)), parts) == pytest.approx(np.mean(wanted), abs=1e-12)


def test_probe_map_of_what_is_kept_and_dropped() -> None:
    assert probe_map(embeddings(True), classes()) > 0.98
    assert probe_map(embeddings(False), classes()) < 0.9


def test_marks_kept_alike_on_all_bases_are_read_on_new_ones() -> None:
    found = part_probes(embeddings(True), classes())
    assert min(found.values()) > 0.95


def test_marks_kept_in_each_base_s_own_way_are_not() -> None:
    found = part_probes(embeddings(False), classes())
    assert found["probe_base"] > 0.95
    assert found["probe_above"] < 0.6
    assert found["probe_below"] < 0.75


def test_dropped_marks_are_read_at_chance() -> None:
    parts = classes()
    base = codes(list(BASES), 40, 0)
    rows = np.array([base[p[0]] for p in parts]) + 0.1 * np.random.default_rng(4).normal(size=(len(parts), 40))
    found = part_probes(rows, parts)
    assert found["probe_base"] > 0.95
    assert found["probe_above"] == pytest.approx(1 / 3, abs=0.08)
    assert found["probe_below"] == pytest.approx(1 / 2, abs=0.08)


def test_scale_of_an_embedding_does_not_count() -> None:
    rows = embeddings(True, 1.0)
    scales = np.random.default_rng(5).uniform(0.1, 10, (len(rows), 1))
    assert part_probes(rows * scales, classes()) == pytest.approx(part_probes(rows, classes()))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 3\) for embeddings \(N, D\), got \(2, 3\) for \(3, 4\)"):
        part_probes(np.ones((3, 4)), [("a", "", ""), ("b", "", "")])
    with pytest.raises(ValueError, match="two bases or more"):
        part_probes(np.ones((2, 4)), [("a", "", ""), ("a", "grave", "")])
