"""Variances of the pooled features."""

from __future__ import annotations

from typing import Any

import numpy as np

from reproducible.data.sampler import PKSampler
from reproducible.evaluation.features import (
    batch_variance_errors,
    relative_variance_error,
    variance_fisher_correlation,
)
from reproducible.models.vem import VEM
from reproducible.training.evaluate import Embedder, looked_at
from reproducible.training.measures.base import Measure
from reproducible.training.seeding import generator
from reproducible.training.sets import Sets
from reproducible.types import Output

BATCHES = 200  # of either kind, for the error of a batch's variance


class Variances(Measure):
    """Of the selected and of the last checkpoint: the pooled features' variances, over all training images as an
    evaluation sees them and over the test classes (claims V03, V05 and V06)."""

    def keeps(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return ("conv",)

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        store, config = embedder.store, embedder.config
        test, train = looked_at(sets.evaluation["test"]), sets.train
        unseen, seen = (embedder.rows(part, "conv").cpu().numpy() for part in (test, train))
        labels, variance = store.labels[test], seen.astype(np.float64).var(axis=0)
        found = {
            "variance_fisher_correlation": variance_fisher_correlation(unseen, labels),
            "training_variance_fisher_correlation": variance_fisher_correlation(unseen, labels, variance),
            "mean_variance": float(variance.mean()),
            "median_variance": float(np.median(variance)),
        }
        predicted = embedder.model.predicted_variance() if isinstance(embedder.model, VEM) else None
        if predicted is not None:
            found["mean_predicted_variance"] = float(predicted.mean())
            found["relative_variance_error"] = relative_variance_error(predicted.cpu().numpy(), variance)
        p, k = config.data.classes_per_batch, config.data.images_per_class
        chance = np.random.default_rng(config.seed)
        drawn = [chance.choice(len(train), min(p * k, len(train)), replace=False) for _ in range(BATCHES)]
        found["batch_variance_relative_error"], _ = batch_variance_errors(seen, drawn)
        sampler = PKSampler(store.labels[train], sets.classes, p, k)
        balanced = [sampler.draw(generator(config.seed, "measures", number))[0] for number in range(BATCHES)]
        errors = batch_variance_errors(seen, balanced)
        found["balanced_batch_variance_relative_error"], found["balanced_batch_variance_bias"] = errors
        return {name: round(value, 4) for name, value in found.items()}
