"""How alike the branches of a scale are."""

from __future__ import annotations

from typing import Any

import numpy as np

from reproducible.evaluation.features import mean_overlap, overlap
from reproducible.training.evaluate import Embedder
from reproducible.training.measures.base import Measure, branched, by_branch, few, output_of, pass_over, refuse
from reproducible.training.sets import Sets
from reproducible.types import Output


class Branches(Measure):
    """Of the selected and of the last checkpoint: mean cosines of the J branches of a scale on test images, in per
    cent: ``learner_cosine`` and, where there are gates, ``gate_cosine``, means over the pairs (claims D21, D22 and
    D24), and all pairs of each scale, ``learner_overlap`` and ``gate_overlap``."""

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        if not branched(output):
            raise refuse(f"{type(embedder.model).__name__} has no branches to compare", "branches")

    def asks(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return ("emb", *_gates_of(output))

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        output = output_of(embedder, sets)
        rows = pass_over(embedder, few(sets), self.asks(output))
        learned = by_branch(rows["emb"], [scale.learnt for scale in output.scales])
        gates = [overlap(np.moveaxis(rows[name].cpu().numpy(), 1, 0)) for name in _gates_of(output)]
        found: dict[str, Any] = {}
        for name, scales in (("learner", [overlap(np.stack(scale)) for scale in learned]), ("gate", gates)):
            if scales:
                found[f"{name}_cosine"] = round(float(np.mean([mean_overlap(scale) for scale in scales])), 4)
                found[f"{name}_overlap"] = [np.round(scale, 1).tolist() for scale in scales]
        return found


def _gates_of(output: Output) -> tuple[str, ...]:
    """Names of the gates of each scale that has any."""
    return tuple(f"gate_{n}" for n, scale in enumerate(output.scales, start=1) if scale.factors is not None)
