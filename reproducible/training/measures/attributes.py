"""What the embedding and its branches know of the parts of objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from reproducible.evaluation.probes import part_probes, probe_map
from reproducible.training.evaluate import Embedder, looked_at, parts_of
from reproducible.training.measures.base import Measure, branched, by_branch, instead, output_of
from reproducible.training.sets import Sets
from reproducible.types import Output


class Attributes(Measure):
    """Of the selected and of the last checkpoint, where parts are known: mean average precision of their probes on the
    embedding, ``attribute_probe_map`` (claim D02).

    Where there are branches, also the accuracies of the probes on the output of each learner, by scale and branch,
    ``learner_probe_base`` ..., and what the branches' pooled features lean to: the probes' accuracies less the branch's
    own mean over parts, their standard deviation over branches, averaged over parts and scales,
    ``gate_attribute_selectivity`` (D25). A branch that is better at every part alike adds nothing to it.
    """

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        parts_of(embedder.store, instead("attributes"))

    def keeps(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return ("conv", "emb") if branched(output) else ("conv",)

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        store, output = embedder.store, output_of(embedder, sets)
        test = looked_at(sets.evaluation["test"])
        parts = [store.class_parts[label] for label in store.labels[test]]
        embedding = embedder.rows(test).cpu().numpy()
        found: dict[str, Any] = {"attribute_probe_map": round(100 * probe_map(embedding, parts), 4)}
        if branched(output):
            pooled = by_branch(embedder.rows(test, "conv"), [scale.given for scale in output.scales])
            learned = by_branch(embedder.rows(test, "emb"), [scale.learnt for scale in output.scales])
            pooled, learned = (
                [[part_probes(branch, parts) for branch in scale] for scale in scales] for scales in (pooled, learned)
            )
            read = np.array([[[*branch.values()] for branch in scale] for scale in pooled])  # (I, J, parts)
            leanings = read - read.mean(axis=2, keepdims=True)
            found["gate_attribute_selectivity"] = round(100 * float(leanings.std(axis=1).mean()), 4)
            for part in learned[0][0]:
                found[f"learner_{part}"] = [[round(100 * branch[part], 2) for branch in scale] for scale in learned]
        return found
