"""What a measure is, and what measures share."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from reproducible.resources import UserError
from reproducible.training.evaluate import Embedder, embed_all
from reproducible.training.sets import Sets
from reproducible.types import Output

COMPARED = 512  # test images at most that branches and windows are looked at on


class Measure:
    """One measure of a run. What it does not take, it leaves as it is here."""

    def check(self, embedder: Embedder, output: Output) -> None:
        """Whether there is anything to measure, before anything is trained.

        Args:
            embedder: the model and the data set.
            output: of the model, for any image.

        Raises:
            UserError: if the model or the data set has not what is asked for, with what to set instead.
        """

    def keeps(self, output: Output) -> tuple[str, ...]:
        """Features that a pass over images keeps for it (:class:`reproducible.training.evaluate.Embedder`)."""
        return ()

    def asks(self, output: Output) -> tuple[str, ...]:
        """Features that are too large to be kept of all images; it makes a :func:`pass_over` of its own for them."""
        return ()

    def at_look(self, embedder: Embedder, sets: Sets) -> tuple[dict[str, float], dict[str, str]]:
        """Of one look at the test classes: numbers for its metrics, and what else the point keeps, packed."""
        return {}, {}

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """Of the selected or the last checkpoint: what its metrics have beside."""
        return {}


def refuse(what: str, measure: str) -> UserError:
    """The error of a measure that there is nothing for."""
    return UserError(f"{what}; set {instead(measure)}.")


def instead(measure: str) -> str:
    """What to set where a measure has nothing to look at."""
    return f"evaluation.measures without {measure}"


def pass_over(embedder: Embedder, indices: np.ndarray, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Features of some images from a pass of its own."""
    return embed_all(embedder.model, embedder.images, indices, embedder.config, names, embedder.store)


def output_of(embedder: Embedder, sets: Sets) -> Output:
    """What the model puts out for an image of the run."""
    return embedder.output(sets.train[:1])


def few(sets: Sets) -> np.ndarray:
    """Test queries, evenly chosen."""
    queries, _ = sets.evaluation["test"]
    return queries[:: -(-len(queries) // COMPARED)]


def branched(output: Output) -> bool:
    """Whether a scale has several learners."""
    return any(len(scale.learnt) > 1 for scale in output.scales)


def by_branch(rows: Tensor, like: list[tuple[Tensor, ...]]) -> list[list[np.ndarray]]:
    """Features of all branches side by side, (N, sum of d_j), one by one, (N, d_j), as wide as those ``like`` them,
    scale by scale."""
    ends = np.cumsum([branch.shape[1] for scale in like for branch in scale])
    parts = iter(np.split(rows.cpu().numpy(), ends[:-1], axis=1))
    return [[next(parts) for _ in scale] for scale in like]
