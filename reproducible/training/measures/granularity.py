"""What a branch predicts of the attributes, and what their similarity says of pairs."""

from __future__ import annotations

from typing import Any

from reproducible.data.attributes import attributes_of
from reproducible.evaluation.attributes import mean_average_precision, similarity_and_hardness
from reproducible.training.evaluate import ATTRIBUTES, Embedder, looked_at
from reproducible.training.measures.base import Measure, few, refuse
from reproducible.training.sets import Sets
from reproducible.types import Output


class Granularity(Measure):
    """Of the selected and of the last checkpoint: ``attribute_map``, mean average precision of the predicted attributes
    on all test images, in per cent (claim G12); and of pairs of test images, what
    :func:`reproducible.evaluation.attributes.similarity_and_hardness` gives (G19)."""

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        known = attributes_of(embedder.store, embedder.config.data.attribute_threshold)
        if known is None:
            raise refuse(f"Data set {embedder.store.name!r} has no attributes", "granularity")
        if output.attributes is None:
            raise refuse(f"{type(embedder.model).__name__} predicts no attributes", "granularity")
        if output.attributes.shape[1] != len(known.names):
            raise refuse(
                f"{type(embedder.model).__name__} predicts {output.attributes.shape[1]} attributes, data set"
                f" {embedder.store.name!r} has {len(known.names)}: set the model's option 'attributes' to that, or",
                "granularity",
            )

    def keeps(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return (ATTRIBUTES,)

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        store, test, some = embedder.store, looked_at(sets.evaluation["test"]), few(sets)
        present = attributes_of(store, embedder.config.data.attribute_threshold).present[test]
        logits = embedder.rows(test, ATTRIBUTES).cpu().numpy()
        probabilities = embedder.rows(some, ATTRIBUTES).sigmoid().cpu().numpy()
        found = {"attribute_map": 100 * mean_average_precision(logits, present)}
        found |= similarity_and_hardness(probabilities, embedder.rows(some).cpu().numpy(), store.labels[some])
        return {name: round(value, 4) for name, value in found.items()}
