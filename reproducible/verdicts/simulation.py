"""Studies whose true effect is known, because they are simulated. Explained on page: protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.evaluation.statistics import Interval, two_way_bootstrap


@dataclass(frozen=True)
class Spreads:
    """Standard deviations, in points.

    Attributes:
        group: of the true difference between groups of test classes.
        training: of a draw's difference, from training noise.
        query: of one query's difference around these.
    """

    group: float
    training: float
    query: float = 50.0


@dataclass(frozen=True)
class Simulated:
    """One study: the differences of all queries, draw by draw, in points, and their groups."""

    queries: list[NDArray[np.float64]]
    groups: list[NDArray[np.int64]]

    @property
    def differences(self) -> NDArray[np.float64]:
        """The mean difference of each draw, (draws,)."""
        return np.array([draw.mean() for draw in self.queries])

    def bootstrap(self, n_boot: int, seed: int, confidence: float = 0.95) -> Interval:
        """The two-way bootstrap interval of a verdict."""
        nothing = [np.zeros(len(draw)) for draw in self.queries]
        return two_way_bootstrap(self.queries, nothing, self.groups, n_boot=n_boot, seed=seed, confidence=confidence)


def studies_of(
    groups: Sequence[ArrayLike], effect: float, spreads: Spreads, studies: int, seed: int = 0
) -> Iterator[Simulated]:
    """Studies of one design and one true effect.

    The difference of query q in draw d is effect + u[group of q] + e[d] + n[q], three independent normal terms beside
    the effect; u is drawn once a study, so that a group has the same effect in every draw that tests it. The truth is
    the mean over all groups like these, not only over those at hand.

    Args:
        groups: for each draw the group (coarse class) of every query, as ``two_way_bootstrap`` takes them.
        effect: the true mean difference, in points.
        spreads: of the three terms.
        studies: how many.
        seed: the same seed gives the same studies.

    Raises:
        ValueError: no study, or no draws.
    """
    if studies < 1 or not len(groups):
        raise ValueError(f"needs at least one study and one draw, got studies={studies} and {len(groups)} draws.")
    rng = np.random.default_rng(seed)
    sizes = [len(np.asarray(draw)) for draw in groups]
    names, places = np.unique(np.concatenate([np.asarray(draw) for draw in groups]), return_inverse=True)
    of_draw = np.split(places, np.cumsum(sizes)[:-1])
    for _ in range(studies):
        of_group = effect + rng.normal(0.0, spreads.group, len(names))
        yield Simulated(
            [
                of_group[draw] + rng.normal(0.0, spreads.training) + rng.normal(0.0, spreads.query, len(draw))
                for draw in of_draw
            ],
            of_draw,
        )
