"""What a gate of channels lets through."""

from __future__ import annotations

from reproducible.evaluation.features import discarded_gate_share, gate_quantiles
from reproducible.training.evaluate import Embedder
from reproducible.training.measures.base import Measure, pass_over
from reproducible.training.sets import Sets
from reproducible.types import Output

SHOWN = 64  # images that a gate is asked for


class Gate(Measure):
    """At every look: quantiles of the gate, and the share that is discarded (claim V04).

    Of each channel (or position, or dimension); where the gate depends on the images, the mean over some of those that
    are trained on.
    """

    def asks(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return ("gate",)

    def at_look(self, embedder: Embedder, sets: Sets) -> tuple[dict[str, float], dict[str, str]]:
        """As of :class:`Measure`."""
        shown = sets.train[:: max(1, len(sets.train) // SHOWN)]
        gate = pass_over(embedder, shown, ("gate",))["gate"].flatten(0, -2).mean(dim=0).cpu().numpy()
        return gate_quantiles(gate) | {"discarded_gate_share": discarded_gate_share(gate)}, {}
