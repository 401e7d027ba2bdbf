"""Metrics of a record computed again from what it keeps, and how much a record keeps."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reproducible.encoding import (
    decode_clusters,
    decode_first,
    decode_hits,
    decode_matches,
    decode_neighbours,
    encode_first,
    expand,
)
from reproducible.records.schema import HITS, STORED
from reproducible.resources import UserError
from reproducible.types import RunRecord

if TYPE_CHECKING:
    from reproducible.evaluation import RetrievalResult

RECALLS = (1, 2, 4, 8)

NEAR = ("macro_recall_at_1",)  # what the nearest neighbours decide beside Recall@k
BESIDE = (*NEAR, "r_precision", "map_at_r")  # what all relevant ones do


def kept_for(record: RunRecord, read: Collection[str]) -> RunRecord:
    """A record as it is committed. The rule: an arm that a criterion reads keeps the neighbours or matches of its
    selected checkpoint, from which every metric can be computed again; of other arms, the rank of each query's first
    match is kept in their place, which gives recall alone.

    Args:
        record: as its run left it.
        read: arms of the record's study that some criterion reads.
    """
    selected = record["selected"]
    if record["arm"] in read or "test" not in selected:
        return record
    small = _with_ranks(record, selected)
    if "further" in selected:
        small["further"] = {
            name: {**sets, "features": {f: _with_ranks(sets, point) for f, point in sets["features"].items()}}
            for name, sets in selected["further"].items()
        }
    return {**record, "selected": small}


def summarise(result: Any, beside: Sequence[str] = BESIDE) -> dict[str, float]:
    """The metrics of a :class:`~reproducible.evaluation.RetrievalResult` in per cent, by the names that records use.

    Args:
        result: what was found.
        beside: names of the metrics beside Recall@k; :data:`NEAR` where only the nearest neighbours are known.
    """
    values = {f"recall_at_{k}": value for k, value in result.recall.items()}
    values |= {name: getattr(result, name) for name in beside}
    return {name: round(100 * float(value), 4) for name, value in values.items()}


def rescore(sets: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, float]:
    """Compute metrics again, from the stored neighbours or matches alone.

    Args:
        sets: a record, or a protocol of its ``further``: has ``queries`` and ``gallery``.
        point: what was found there: has ``neighbours``, ``matches`` or ``first``; the last gives recall alone.

    Raises:
        UserError: if what is stored is damaged.
    """
    return summarise(_result(sets, point), NEAR if "first" in point else BESIDE)


def compared(record: RunRecord) -> dict[str, tuple[float, float]]:
    """All metrics that a record states and that can be computed again from what it keeps: ``(stated, computed)``.

    Those of the selected checkpoint by their names, and in how many queries, in per cent, its ``hits`` are as its
    neighbours say; of another look recall alone, from its hits (``untouched: recall_at_1``, ``step 50: recall_at_1``).

    Raises:
        UserError: if what is stored is damaged.
    """
    selected = record["selected"]
    if "test" not in selected:
        return {}
    found = _searched(record, selected)
    if "clusters" in selected:
        found |= _beside(selected["test"], _clustering(record))
    answerable = _relevant(record)[0] > 0
    for where, look in _looks(record):
        if where:
            hits = decode_hits(look["hits"], len(answerable))
            found[f"{where}recall_at_1"] = (look["recall_at_1"], 100 * float(hits[answerable].mean()))
        if "hits_within" in look:
            within = decode_hits(look["hits_within"], len(answerable))
            found[f"{where}recall_at_1_within"] = (look["recall_at_1_within"], 100 * float(within.mean()))
    for protocol, sets in selected.get("further", {}).items():
        for feature, point in sets["features"].items():
            found |= _searched(sets, point, f"{protocol}, {feature}: ")
    return found


def verify(record: RunRecord) -> dict[str, tuple[float, float]]:
    """Metrics that the record states and that what it keeps does not give: ``{metric: (stated, computed)}``; none of a
    tuning trial, which keeps nothing.

    Raises:
        UserError: if what is stored is damaged.
    """
    return differing(compared(record))


def differing(metrics: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Those of :func:`compared` that are not as they are stated, to a thousandth of a point."""
    return {name: both for name, both in metrics.items() if not abs(both[0] - both[1]) <= 1e-3}


def unsupported(record: RunRecord, known: Container[str]) -> list[str]:
    """Metrics of the selected checkpoint that a record states and keeps nothing to compute from.

    Args:
        record: any one.
        known: the metrics that :func:`compared` gives.
    """
    selected = record["selected"]
    looks = [("", selected.get("test", {}))]
    for protocol, sets in selected.get("further", {}).items():
        looks += [(f"{protocol}, {feature}: ", point["test"]) for feature, point in sets["features"].items()]
    return [where + name for where, look in looks for name in look if where + name not in known and name not in HITS]


def rescorable(record: RunRecord) -> bool:
    """Whether a record keeps what its metrics are computed from; those of tuning trials do not."""
    return any(name in record["selected"] for name in STORED)


def queries_first(record: RunRecord, point: Mapping[str, Any]) -> np.ndarray:
    """Per query of a curve point's test role, 100 where a photograph of its class came first, else 0."""
    count = sum(n for *_, n in record["queries"])
    return 100.0 * decode_hits(point["test"]["hits"], count)


def _with_ranks(sets: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with ranks of the first match in the place of neighbours or matches."""
    if "first" in point:
        return dict(point)
    ranks = encode_first(_result(sets, point).matches)
    return {"first" if name in STORED else name: ranks if name in STORED else value for name, value in point.items()}


def _relevant(sets: Mapping[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The number of relevant images of each query, (Q,), and the labels of queries and gallery."""
    queries = expand(sets["queries"])
    gallery = expand(sets["gallery"]) if sets["gallery"] else queries
    labels, counts = np.unique(gallery, return_counts=True)
    place = np.searchsorted(labels, queries).clip(max=len(labels) - 1)
    return np.where(labels[place] == queries, counts[place], 0) - (not sets["gallery"]), queries, gallery


def _result(sets: Mapping[str, Any], point: Mapping[str, Any]) -> RetrievalResult:
    """The result of the search that ``neighbours``, ``matches`` or ``first`` were stored of, as far as these know it.

    Raises:
        UserError: if what is stored is damaged, or of another search.
    """
    from reproducible.evaluation import RetrievalResult, retrieval_metrics

    relevant, queries, gallery = _relevant(sets)
    same = not sets["gallery"]
    others = len(gallery) - same
    ks = [k for k in RECALLS if k <= others]
    columns = min(max(int(relevant.max()), max(RECALLS)), others)
    if not (relevant > 0).any():
        raise UserError("no query has an image of its class to be found: the record is damaged.")
    if "neighbours" in point:
        ids = decode_neighbours(point["neighbours"], relevant, columns)
        try:
            return retrieval_metrics(ids, queries, gallery, ks=ks, own_in_gallery=same)
        except ValueError as error:
            raise UserError(f"{error} The record is damaged.") from error
    if "matches" in point:
        matches = decode_matches(point["matches"], relevant, columns)
    else:
        matches = decode_first(point["first"], len(queries))
    recall = {k: float(matches[relevant > 0, :k].any(1).mean()) for k in ks}
    return RetrievalResult(recall, matches, relevant, queries)


def _looks(record: RunRecord) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every look at the test classes, with what its metrics are called; the selected and the last are the curve's."""
    for point in record["curve"]:
        if "test" in point:
            selected = point["step"] == record["selected"]["step"]
            yield "" if selected else f"step {point['step']}: ", point["test"]
    if "test" in record["untouched"]:
        yield "untouched: ", record["untouched"]["test"]


def _searched(sets: Mapping[str, Any], point: Mapping[str, Any], where: str = "") -> dict[str, tuple[float, float]]:
    """The metrics of a search as stated and from what is stored of it, with its hits."""
    found = _beside(point["test"], rescore(sets, point), where)
    if "hits" in point["test"]:
        first = _result(sets, point).hit_at_1
        found[f"{where}hits"] = (100.0, 100 * float((decode_hits(point["test"]["hits"], len(first)) == first).mean()))
    return found


def _beside(stated: Mapping[str, Any], found: Mapping[str, float], where: str = "") -> dict[str, tuple[float, float]]:
    return {where + name: (stated[name], value) for name, value in found.items()}


def _clustering(record: RunRecord) -> dict[str, float]:
    """NMI and F1 of the stored clusters, in per cent; they are of the queries and, behind them, of the gallery."""
    from reproducible.evaluation import nmi, pairwise_f1

    labels = expand(record["queries"] + record["gallery"])
    assign = decode_clusters(record["selected"]["clusters"], len(labels))
    return {"nmi": 100 * nmi(labels, assign), "f1": 100 * pairwise_f1(labels, assign)}
