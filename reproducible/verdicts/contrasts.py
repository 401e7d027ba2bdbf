"""What a criterion measures on records: differences paired by class draw and seed.

A contrast is a weighted sum of values of runs that share draw and seed: treatment minus control, the mean of several
such differences, (a - b) - (c - d), or one checkpoint minus another of the same run. Several seeds of a class draw are
averaged first: the draw is the unit.
Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reproducible.encoding import expand
from reproducible.records import queries_first
from reproducible.resources import UserError
from reproducible.types import RunRecord
from reproducible.verdicts.lengths import loss_variation, steps_to, trained
from reproducible.verdicts.schema import Criterion
from reproducible.verdicts.wording import describe

PRIMARY = "recall_at_1"
REACHED, VARIATION = "steps_to_95_percent", "loss_variation"  # of a run, not of a look
PEAK_POINTS = 3  # points a curve needs before its best is called a peak


class Term(NamedTuple):
    """One value of the contrast: its weight, the arm and the checkpoint. ``arm/feature`` is one feature of the arm's
    runs, such as ``deml-3-1/scale_3``, searched beside the embedding at the selected checkpoint."""

    weight: float
    arm: str
    at: str

    @property
    def run(self) -> str:
        """The arm whose runs hold the value."""
        return self.arm.partition("/")[0]


@dataclass(frozen=True)
class Paired:
    """A contrast on every class draw.

    Attributes:
        values: one a draw, in points.
        queries: the same by query, one array a draw, where every run kept its hits; else None.
        groups: coarse class of each query, one array a draw.
        draws: number of each class draw.
        across: of how many draws the runs were made on more kinds of machine than one: the same seed differs between
            them.
    """

    values: np.ndarray
    queries: list[np.ndarray] | None
    groups: list[np.ndarray]
    draws: list[int]
    across: int


def terms(criterion: Criterion) -> list[Term]:
    """The contrast that a statistical criterion asks for."""
    at = criterion.get("at", "")
    if "between" in criterion:
        first, second = criterion["between"]
        return [Term(1, criterion["arm"], first), Term(-1, criterion["arm"], second)]
    if "pairs" in criterion:
        (a, b), (c, d) = criterion["pairs"]
        return [Term(1, a, at), Term(-1, b, at), Term(-1, c, at), Term(1, d, at)]
    pool = [criterion["arms"]] if "arms" in criterion else criterion.get("pool", ())
    share = 1 / max(len(pool), 1)
    return [Term(sign * share, arm, at) for pair in pool for sign, arm in zip((1, -1), pair, strict=True)] or [
        Term(1, criterion["arm"], at)
    ]


def baselines(criterion: Criterion) -> list[str]:
    """The arms that others are compared with; none where a run is compared with itself or a number."""
    return [] if "between" in criterion else [term.run for term in terms(criterion)[1::2]]


def paired(criterion: Criterion, records: Sequence[RunRecord]) -> Paired:
    """The contrast on every draw on which all its runs are there.

    Raises:
        UserError: if an arm has two records of one draw and seed, or its runs saw other queries, or ran in another
            precision, than the other arm's.
    """
    part, metric = criterion.get("part", "test"), criterion["metric"]
    parts = terms(criterion)
    runs = {term.run: by_run(records, term.run) for term in parts}
    by_draw: dict[int, list[tuple[float, np.ndarray | None, np.ndarray]]] = {}
    mixed = set()
    for key in sorted(set.intersection(*(set(found) for found in runs.values()))):
        looks = [
            (term.weight, run, point)
            for term in parts
            if (point := _seen(run := runs[term.run][key], term, part, metric)) is not None
        ]
        if len(looks) < len(parts):
            continue
        if len({run["config"].get("precision", "fp32") for _, run, _ in looks}) > 1:
            raise UserError(f"{describe(criterion)}: on draw {key[0]}, seed {key[1]} the arms ran in two precisions.")
        if len({str(run["queries"]) for _, run, _ in looks}) > 1:
            raise UserError(f"{describe(criterion)}: on draw {key[0]}, seed {key[1]} the arms have different queries.")
        if len({run["environment"].get("device") for _, run, _ in looks}) > 1:
            mixed.add(key[0])
        value = sum(weight * _value(point, part, metric) for weight, _, point in looks)
        hits = None
        if part == "test" and metric == PRIMARY and all("hits" in point["test"] for _, _, point in looks):
            hits = np.sum([weight * queries_first(run, point) for weight, run, point in looks], axis=0)
        groups = expand(looks[0][1]["queries"], column=1)
        by_draw.setdefault(key[0], []).append((value, hits, groups))
    draws = list(by_draw.values())
    queries = None
    if all(hits is not None for draw in draws for _, hits, _ in draw):
        queries = [np.mean([hits for _, hits, _ in draw], axis=0) for draw in draws]
    values = np.array([np.mean([value for value, _, _ in draw]) for draw in draws])
    return Paired(values, queries, [draw[0][2] for draw in draws], [*by_draw], len(mixed))


def by_run(records: Sequence[RunRecord], arm: str) -> dict[tuple[int, int], RunRecord]:
    """The records of an arm by (draw, seed)."""
    found: dict[tuple[int, int], RunRecord] = {}
    for record in records:
        if record["arm"] == arm:
            key = (record["draw"], record["seed"])
            if key in found:
                raise UserError(
                    f"study {record['study']}: arm {arm} has two records of draw {key[0]}, seed {key[1]}: "
                    f"{found[key]['digest']} and {record['digest']}. Remove the one that is out of date."
                )
            found[key] = record
    return found


def by_draw(records: Sequence[RunRecord], arm: str) -> dict[int, RunRecord]:
    """The records of an arm by class draw, in order: the runs whose seed is the draw's own, and no extra seed."""
    return {draw: record for (draw, seed), record in sorted(by_run(records, arm).items()) if seed == draw}


def look(record: RunRecord, at: str, part: str, metric: str) -> dict[str, Any] | None:
    """The point of a record that a checkpoint's name means and that has the metric, or None.

    ``peak`` is the best of the curve's points and the selected checkpoint, where the curve was drawn.
    """

    def has(point: Mapping[str, Any] | None) -> bool:
        return point is not None and _value(point, part, metric) is not None

    drawn = [point for point in record["curve"] if has(point)]
    if at == "peak":
        if len(drawn) < PEAK_POINTS:
            return None
        return max([*drawn, *filter(has, [record["selected"]])], key=lambda point: _value(point, part, metric))
    if has(record[at]):
        return record[at]
    return next((point for point in drawn if point["step"] == record[at]["step"]), None)


def _seen(record: RunRecord, term: Term, part: str, metric: str) -> dict[str, Any] | None:
    """The point of a record that a term means; of a feature, what the primary protocol gives for it."""
    if metric == REACHED:
        return {part: {REACHED: steps_to(record, 0.95)}} if trained(record) else None
    if metric == VARIATION:
        return None if (value := loss_variation(record)) is None else {part: {VARIATION: value}}
    feature = term.arm.partition("/")[2]
    if not feature:
        return look(record, term.at, part, metric)
    further = record["selected"].get("further", {})
    primary = next(iter(further.values()), {"features": {}})
    found = primary["features"].get(feature) if term.at == "selected" else None
    return found if found and _value(found, part, metric) is not None else None


def _value(point: Mapping[str, Any], part: str, metric: str) -> float | None:
    """A metric of a point, or None; ``seen_unseen_gap`` is the recall on seen classes less that on test classes."""
    if metric == "seen_unseen_gap":
        seen, unseen = (point.get(role, {}).get(PRIMARY) for role in ("seen", "test"))
        return None if seen is None or unseen is None else seen - unseen
    return point.get(part, {}).get(metric)


def fails_here(records: Sequence[RunRecord], arm: str) -> bool:
    """Whether an arm's selected checkpoints are, on average, not better than the untouched network."""
    gains = [
        record["selected"]["test"][PRIMARY] - record["untouched"]["test"][PRIMARY]
        for record in by_run(records, arm).values()
        if "test" in record["selected"] and "test" in (record["untouched"] or {})
    ]
    return bool(gains) and float(np.mean(gains)) <= 0
