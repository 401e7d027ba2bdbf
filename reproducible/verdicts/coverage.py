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

from reproducible.evaluation.statistics import t_interval
from reproducible.verdicts.simulation import Spreads, studies_of


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

    Args:
        groups: for each draw the group (coarse class) of every query, as ``two_way_bootstrap`` takes them.
        group_sd, training_sd, query_sd: as of :class:`~reproducible.verdicts.simulation.Spreads`.
        studies: number of simulated studies.
        n_boot: resamples of each bootstrap.
        seed: the same seed gives the same result.
        confidence: of the intervals.

    Raises:
        ValueError: no study, or no draws.
    """
    held = np.zeros((studies, 3), bool)
    simulated = studies_of(groups, 0.0, Spreads(group_sd, training_sd, query_sd), studies, seed)
    for number, study in enumerate(simulated):
        t_low, t_high = t_interval(study.differences, confidence)
        b_low, b_high = study.bootstrap(n_boot, number, confidence)
        intervals = ((t_low, t_high), (b_low, b_high), (min(t_low, b_low), max(t_high, b_high)))
        held[number] = [low <= 0 <= high for low, high in intervals]
    return Coverage(*(100 * held.mean(0)).tolist())
