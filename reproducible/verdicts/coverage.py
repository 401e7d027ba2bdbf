"""How often the intervals of a verdict hold the true difference, when the truth is known because it is simulated.

Random halves of one set of classes overlap: a class that gains from a method does so in every draw that tests it. The
draws' means are then alike for a reason that says nothing about other classes, and a t interval over draws is too
short.
Explained on page: protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reproducible.evaluation.statistics import t_interval, two_way_bootstrap


@dataclass(frozen=True)
class Coverage:
    """Part of the simulated studies, in per cent, whose interval holds the true difference; wanted: the confidence.

    Attributes:
        t: of the t interval over draws.
        bootstrap: of the two-way bootstrap over draws and groups.
        both: of the two together, from the lowest to the highest end: what must clear the margin of a verdict.
    """

    t: float
    bootstrap: float
    both: float


def simulate_coverage(
    groups: Sequence[ArrayLike],
    *,
    group_sd: float,
    training_sd: float,
    query_sd: float = 50.0,
    studies: int = 400,
    n_boot: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
) -> Coverage:
    """Coverage for one design, by simulating studies whose true mean difference is zero.

    The difference of query q in draw d is u[group of q] + e[d] + n[q], three independent normal terms; u is drawn once
    a study, so that a group has the same effect in every draw that tests it. The truth is the mean over all groups like
    these, not only over those at hand.

    Args:
        groups: for each draw the group (coarse class) of every query, as ``two_way_bootstrap`` takes them.
        group_sd: standard deviation of the true difference between groups, in points.
        training_sd: standard deviation of a draw's difference from training noise, in points.
        query_sd: standard deviation of one query's difference around these, in points.
        studies: number of simulated studies.
        n_boot: resamples of each bootstrap.
        seed: the same seed gives the same result.
        confidence: of the intervals.

    Raises:
        ValueError: no study, or no draws.
    """
    if studies < 1 or not len(groups):
        raise ValueError(f"needs at least one study and one draw, got studies={studies} and {len(groups)} draws.")
    rng = np.random.default_rng(seed)
    sizes = [len(np.asarray(draw)) for draw in groups]
    names, places = np.unique(np.concatenate([np.asarray(draw) for draw in groups]), return_inverse=True)
    of_draw = np.split(places, np.cumsum(sizes)[:-1])
    held = np.zeros((studies, 3), bool)
    for study in range(studies):
        effect = rng.normal(0.0, group_sd, len(names))
        values = [
            effect[draw] + rng.normal(0.0, training_sd) + rng.normal(0.0, query_sd, len(draw)) for draw in of_draw
        ]
        nothing = [np.zeros(size) for size in sizes]
        t_low, t_high = t_interval([draw.mean() for draw in values], confidence)
        b_low, b_high = two_way_bootstrap(values, nothing, of_draw, n_boot=n_boot, seed=study, confidence=confidence)
        intervals = ((t_low, t_high), (b_low, b_high), (min(t_low, b_low), max(t_high, b_high)))
        held[study] = [low <= 0 <= high for low, high in intervals]
    return Coverage(*(100 * held.mean(0)).tolist())
