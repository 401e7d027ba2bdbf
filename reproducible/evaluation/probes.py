"""Linear probes: what a linear classifier can read from an embedding about each part of an object.

A part that the embedding has dropped cannot be read, whatever the classifier; one that it keeps in a different way for
each base character cannot be read on base characters that the classifier has not seen. Linear probes as in Alain and
Bengio 2017; the classifier is ridge regression on one column of +1 and -1 for each value. Explained on page: glyphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.evaluation.attributes import average_precision
from reproducible.evaluation.features import unit_vectors

_Ints = NDArray[np.int64]
_Fold = tuple[NDArray[np.bool_], NDArray[np.float64]]
PARTS = ("base", "above", "below")
RIDGE = 10.0


def part_probes(embeddings: ArrayLike, parts: Sequence[Sequence[str]]) -> dict[str, float]:
    """Balanced accuracy of a linear probe for each part, by two-fold cross-validation.

    The marks are learnt on every other base and read on the bases between, then the other way round. The base is learnt
    on every other image of each class and read on the images between. Embeddings are scaled to length one, columns to
    mean 0 and standard deviation 1 on the images that are learnt on.

    Args:
        embeddings: (N, D).
        parts: (N, 3) names of base, mark above and mark below of each image, "" for no mark; images of a class side by
            side.

    Returns:
        ``probe_base``, ``probe_above`` and ``probe_below``, fractions of one: the mean over values of a part (letters,
        marks, no mark) of the share of its images that is read rightly. Chance is one over the number of values.

    Raises:
        ValueError: on shapes that do not fit, or fewer than two bases.
    """
    found = {}
    for part, truth, count, folds in _read(embeddings, parts):
        read = np.empty(len(truth), np.int64)
        for held, scores in folds:
            read[held] = scores.argmax(1)
        right = np.bincount(truth, read == truth, count) / np.bincount(truth)
        found[f"probe_{part}"] = float(right.mean())
    return found


def probe_map(embeddings: ArrayLike, parts: Sequence[Sequence[str]]) -> float:
    """Mean average precision of the same probes, a fraction of one: each value of a part (a letter, a mark, no mark)
    ranks the images of a fold by its score; the mean over values and folds of each part, then over parts.

    Args:
        embeddings, parts: as of :func:`part_probes`.

    Raises:
        ValueError: as :func:`part_probes` does.
    """
    means = []
    for _, truth, count, folds in _read(embeddings, parts):
        found = [
            average_precision(scores[:, value], truth[held] == value)
            for held, scores in folds
            for value in range(count)
            if (truth[held] == value).any()
        ]
        means.append(np.mean(found))
    return float(np.mean(means))


def _read(embeddings: ArrayLike, parts: Sequence[Sequence[str]]) -> Iterator[tuple[str, _Ints, int, list[_Fold]]]:
    """For each part: its name, the value of each image, the number of values, and of each fold which images are held
    out and the scores of their values."""
    rows, named = np.asarray(embeddings, np.float64), np.asarray(parts)
    if rows.ndim != 2 or named.shape != (len(rows), len(PARTS)):
        raise ValueError(f"parts: expected (N, 3) for embeddings (N, D), got {named.shape} for {rows.shape}.")
    rows = unit_vectors(rows)
    _, base = np.unique(named[:, 0], return_inverse=True)
    if base.max() == 0:
        raise ValueError("parts: probes of the marks need two bases or more.")
    folds = {"base": np.arange(len(rows)) % 2, "above": base % 2, "below": base % 2}
    for column, part in enumerate(PARTS):
        values, truth = np.unique(named[:, column], return_inverse=True)
        one_hot = np.eye(len(values))[truth]
        held_out = [folds[part] == fold for fold in (0, 1)]
        read = [(held, _ridge(rows[~held], one_hot[~held], rows[held])) for held in held_out]
        yield part, truth, len(values), read


def _ridge(rows: NDArray[np.float64], one_hot: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score of each value, (len(new), V), by ridge regression with an unpenalised offset."""
    mean, deviation = rows.mean(0), rows.std(0)
    deviation[deviation == 0] = 1
    learnt, target = (rows - mean) / deviation, 2 * one_hot - 1
    weights = np.linalg.solve(learnt.T @ learnt + RIDGE * np.eye(learnt.shape[1]), learnt.T @ (target - target.mean(0)))
    return (new - mean) / deviation @ weights + target.mean(0)
