"""Where the scales behind the first look."""

from __future__ import annotations

from typing import Any

from reproducible.training.evaluate import Embedder
from reproducible.training.measures.base import Measure, few, output_of, refuse
from reproducible.training.sets import Sets
from reproducible.types import Output


class Windows(Measure):
    """Of the selected and of the last checkpoint: of each scale behind the first, the per cent of test images whose
    window is the whole one before for want of an object (``whole_2`` ...), and the mean side of the window in per cent
    of the image's (``side_2`` ...)."""

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        if not self.keeps(output):
            raise refuse(f"{type(embedder.model).__name__} has no windows", "windows")

    def keeps(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return tuple(name for name in output.attention if name.startswith(("whole_", "window_")))

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        found = {}
        for name in self.keeps(output_of(embedder, sets)):
            what, number = name.split("_")
            rows = embedder.rows(few(sets), name)
            side = rows if what == "whole" else (rows[:, 2:] - rows[:, :2]).prod(dim=1).sqrt()
            found[name if what == "whole" else f"side_{number}"] = 100 * float(side.mean())
        return {name: round(value, 4) for name, value in found.items()}
