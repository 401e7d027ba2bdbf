"""Effects of a factorial design that is run in part: what a level changes, averaged over all that varies beside it.

In a balanced fraction each level of a factor meets each of another equally often, so that the mean over the cells of a
level, less that of all cells, is the level's effect, mixed up with such interactions as the design says. Explained on
page: one-head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

Cell = Sequence[str]


def main_effects(
    values: Mapping[Cell, Mapping[int, float]], factors: Sequence[str]
) -> dict[tuple[str, str], list[float]]:
    """What each level is above the mean of all cells, by factor and level: one number a class draw that all cells ran.

    Args:
        values: of each cell, named by the levels of all factors, by class draw.
        factors: their names, in the order of the levels.
    """
    found: dict[tuple[str, str], list[float]] = {}
    draws = _shared(values)
    for place, factor in enumerate(factors):
        for level in dict.fromkeys(cell[place] for cell in values):
            own = [cell for cell in values if cell[place] == level]
            found[factor, level] = [_mean(values, own, draw) - _mean(values, list(values), draw) for draw in draws]
    return found


def interactions(
    values: Mapping[Cell, Mapping[int, float]], factors: Sequence[str]
) -> dict[tuple[str, str, str, str], list[float]]:
    """What two levels of two factors have together beyond all main effects, by the two factors and their levels: one
    number a class draw.

    Args:
        values, factors: as of :func:`main_effects`.
    """
    alone, draws = main_effects(values, factors), _shared(values)
    left = {
        cell: {
            draw: by_draw[draw] - sum(alone[named][number] for named in zip(factors, cell, strict=True))
            for number, draw in enumerate(draws)
        }
        for cell, by_draw in values.items()
    }
    found = {}
    for a, b in combinations(range(len(factors)), 2):
        for one, other in dict.fromkeys((cell[a], cell[b]) for cell in values):
            both = [cell for cell in values if (cell[a], cell[b]) == (one, other)]
            gaps = [_mean(left, both, draw) - _mean(values, list(values), draw) for draw in draws]
            found[factors[a], one, factors[b], other] = gaps
    return found


def _shared(values: Mapping[Cell, Mapping[int, float]]) -> list[int]:
    """Class draws that all cells ran."""
    return sorted(set.intersection(*(set(by_draw) for by_draw in values.values()))) if values else []


def _mean(values: Mapping[Cell, Mapping[int, float]], cells: Sequence[Cell], draw: int) -> float:
    return float(np.mean([values[cell][draw] for cell in cells]))
