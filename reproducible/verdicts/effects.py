"""How large a difference is: with both intervals, from the runs of two arms, whether a claim asks for it or not.

Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reproducible.evaluation.statistics import Interval
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import PRIMARY, Paired, paired


@dataclass(frozen=True)
class Effect:
    """A difference in points, by class draw.

    Attributes:
        mean: over the draws; None without one.
        t: Student's interval; bootstrap: over draws and groups of test classes, crossed; None for fewer than two draws.
        draws: on which all arms have run; ``across`` of them on more kinds of machine than one.
    """

    mean: float | None
    t: Interval | None
    bootstrap: Interval | None
    draws: int
    across: int


def intervals(contrast: Paired) -> tuple[Interval, Interval]:
    """Both 95 % intervals of a contrast on at least two draws: Student's t over draws, and the two-way bootstrap."""
    from reproducible.evaluation import t_interval, two_way_bootstrap

    by_query = contrast.queries or [np.array([value]) for value in contrast.values]
    groups = contrast.groups if contrast.queries else [np.zeros(1)] * len(contrast.values)
    bootstrap = two_way_bootstrap(by_query, [np.zeros(len(query)) for query in by_query], groups)
    return t_interval(contrast.values), bootstrap


def effect(records: Sequence[RunRecord], *arms: str, metric: str = PRIMARY, at: str = "selected") -> Effect:
    """The difference of two arms, or of two such differences.

    Args:
        records: of one benchmark.
        arms: treatment and control, which may be ``untouched``, the untouched network of the treatment's own runs;
            four: the first difference less the second, (a - b) - (c - d).
        metric: name as in the records, on the test classes.
        at: checkpoint of all.

    Raises:
        ValueError: for another number of arms.
    """
    if len(arms) not in (2, 4):
        raise ValueError(f"A difference needs two arms, one of differences four, got {len(arms)}.")
    asked = {"test": "difference", "metric": metric, "at": at}
    if len(arms) == 4:
        asked["pairs"] = [list(arms[:2]), list(arms[2:])]
    elif arms[1] == "untouched":
        asked |= {"test": "within_run", "arm": arms[0], "between": [at, "untouched"]}
    else:
        asked["arms"] = list(arms)
    contrast = paired(asked, records)
    values = contrast.values
    both = intervals(contrast) if len(values) > 1 else (None, None)
    return Effect(float(values.mean()) if len(values) else None, *both, len(values), contrast.across)
