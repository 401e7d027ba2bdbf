"""Whether runs were long enough to be judged, and what a run would have left had it been half as long.

Most differences between runs that still rise are differences of speed. So a verdict over arms that are not long enough
says at how many steps it holds, until it is the same at half that length. Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reproducible.config import EvaluationConfig
from reproducible.evaluation.selection import select, smoothed
from reproducible.types import RunRecord

_BEFORE = 0.75  # the last quarter begins after this part of a run


def trained(record: RunRecord) -> bool:
    """Whether a record is of a run that trained and was validated on the way."""
    curve = record["curve"]
    return bool(curve) and curve[-1]["step"] > 0 and all("map_at_r" in p.get("validation", {}) for p in curve)


def steps_to(record: RunRecord, share: float) -> float:
    """After which part of its steps, in per cent, the smoothed validation MAP@R of a run first reaches a share of its
    best.

    Args:
        record: of a run that :func:`trained`.
        share: of the best value, from 0 to 1.
    """
    curve = record["curve"]
    values = smoothed([point["validation"]["map_at_r"] for point in curve], _window(record))
    reached = next(place for place, value in enumerate(values) if value >= share * max(values))
    return 100 * curve[reached]["step"] / curve[-1]["step"]


def loss_variation(record: RunRecord) -> float | None:
    """Coefficient of variation of the training loss over the second half of a run, in per cent. Each value is a mean
    over the steps between two looks (claim B16).

    Args:
        record: of a run.

    Returns:
        None where the second half has less than three looks, or no loss.
    """
    curve = record["curve"]
    losses = np.array([point["loss"] for point in curve if 2 * point["step"] > curve[-1]["step"]])
    if len(losses) < 3 or not losses.mean():
        return None
    return float(100 * losses.std(ddof=1) / abs(losses.mean()))


def long_enough(record: RunRecord) -> bool:
    """Whether the validation MAP@R of a run, smoothed as for the selection, peaks before the run's last quarter.

    Args:
        record: of a run that :func:`trained`.
    """
    curve = record["curve"]
    return curve[_best(record, curve)]["step"] <= _BEFORE * curve[-1]["step"]


def long_enough_arm(records: Sequence[RunRecord]) -> bool:
    """Whether most of an arm's runs are :func:`long_enough`; an arm that trains nothing is."""
    found = [long_enough(record) for record in records if trained(record)]
    return not found or 2 * sum(found) > len(found)


def starts(record: RunRecord) -> bool:
    """Whether the validation classes select step 0 of a run that trained: the arm as it was initialised."""
    return trained(record) and record["selected"]["step"] == 0


def steps_of(records: Sequence[RunRecord]) -> tuple[int, ...]:
    """The lengths of runs, in steps, each once."""
    return tuple(sorted({record["curve"][-1]["step"] for record in records if trained(record)}))


def shortened(record: RunRecord, steps: int) -> RunRecord | None:
    """What a run would have left, had it ended after its first steps: their curve, the checkpoint that the validation
    classes select within them, and the last one.

    Args:
        record: of a run that :func:`trained`.
        steps: of the shorter run; the curve has a point there.

    Returns:
        The record, without what is looked at only at the end of a run; None where the curve has no such point, or no
        look at the test classes at the selected one.
    """
    curve = [point for point in record["curve"] if point["step"] <= steps]
    if not curve or curve[-1]["step"] != steps:
        return None
    chosen = curve[_best(record, curve)]
    if "test" not in chosen:
        return None
    return {**record, "curve": curve, "selected": _look(chosen, chosen is curve[-1]), "last": _look(curve[-1])}


def halved(record: RunRecord) -> RunRecord | None:
    """:func:`shortened` to half the steps; a record of nothing that trained as it is."""
    return shortened(record, record["curve"][-1]["step"] // 2) if trained(record) else record


def _best(record: RunRecord, curve: Sequence[dict[str, Any]]) -> int:
    return select([point["validation"]["map_at_r"] for point in curve], _window(record))


def _window(record: RunRecord) -> int:
    return record["config"].get("evaluation", {}).get("window", EvaluationConfig.window)


def _look(point: dict[str, Any], last: bool | None = None) -> dict[str, Any]:
    found = {key: point[key] for key in ("step", "test", "seen") if key in point}
    return found if last is None else {**found, "not_converged": last}
