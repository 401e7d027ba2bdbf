"""Every metric can be computed anew from what a record keeps, and what was tampered with is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from whole_records import whole

from reproducible import encoding, records
from reproducible.config import EvaluationConfig, RunConfig
from reproducible.resources import UserError

Record = dict[str, Any]
METRICS = (
    *("recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8"),
    *("r_precision", "map_at_r", "macro_recall_at_1"),
)


def spoil(look: dict[str, Any], metric: str) -> None:
    look[metric] += 0.01


def test_rescoring_gives_every_metric_that_is_stated(record: Record) -> None:
    stated = {name: record["selected"]["test"][name] for name in METRICS}
    assert records.rescore(record, record["selected"]) == pytest.approx(stated, abs=1e-3)
    assert records.verify(record) == {}
    assert {*METRICS, "nmi", "f1", "hits"} <= set(records.compared(record))
    bounds = {f"{name}_{end}" for name in ("nmi", "f1") for end in ("low", "high")}  # of ten clusterings, one is kept
    assert set(records.unsupported(record, records.compared(record))) == bounds


@pytest.mark.parametrize("metric", METRICS)
def test_metric_that_was_tampered_with_is_found(record: Record, metric: str) -> None:
    true = record["selected"]["test"][metric]
    spoil(record["selected"]["test"], metric)
    assert records.verify(record) == {metric: (pytest.approx(true + 0.01), pytest.approx(true, abs=1e-3))}


def test_recall_of_every_other_look_is_that_of_its_hits(record: Record) -> None:
    spoil(record["untouched"]["test"], "recall_at_1")
    other = next(point for point in record["curve"] if point["step"] != record["selected"]["step"])
    spoil(other["test"], "recall_at_1")
    assert set(records.verify(record)) == {"untouched: recall_at_1", f"step {other['step']}: recall_at_1"}


def test_hits_that_are_not_those_of_the_neighbours_are_found(record: Record) -> None:
    """Two queries changed places: every mean stays."""
    count = sum(n for *_, n in record["queries"])
    hits = encoding.decode_hits(record["selected"]["test"]["hits"], count)
    hits[[np.flatnonzero(hits)[0], np.flatnonzero(~hits)[0]]] ^= True
    record["selected"]["test"]["hits"] = encoding.encode_hits(hits)
    assert list(records.verify(record)) == ["hits"]


def test_clusters_and_further_protocols_are_computed_again(record: Record) -> None:
    spoil(record["selected"]["test"], "nmi")
    features = record["selected"]["further"]["photo_to_photo"]["features"]
    spoil(features["embedding"]["test"], "map_at_r")
    spoil(features["conv"]["test"], "recall_at_4")
    wanted = {"nmi", "photo_to_photo, embedding: map_at_r", "photo_to_photo, conv: recall_at_4"}
    assert set(records.verify(record)) == wanted


def test_neighbours_that_were_tampered_with_are_found(record: Record) -> None:
    queries, gallery = encoding.expand(record["queries"]), encoding.expand(record["gallery"])
    relevant = (queries[:, None] == gallery).sum(axis=1)
    columns = max(8, relevant.max())
    ids = encoding.decode_neighbours(record["selected"]["neighbours"], relevant, columns)
    hit = int(np.flatnonzero(gallery[ids[:, 0]] == queries)[0])
    ids[hit] = np.flatnonzero(gallery != queries[hit])[: ids.shape[1]]
    record["selected"]["neighbours"] = encoding.encode_neighbours(ids, relevant)
    assert {"recall_at_1", "map_at_r", "hits"} <= set(records.verify(record))
    ids[hit] = 0
    record["selected"]["neighbours"] = encoding.encode_neighbours(ids, relevant)
    with pytest.raises(UserError, match="damaged"):
        records.verify(record)


@pytest.mark.parametrize("keep", ["neighbours", "matches"])
def test_arm_that_no_criterion_reads_keeps_the_first_match(record: Record, keep: str) -> None:
    """Recall and hits are computed again as before, R-precision and MAP@R are named; nothing stated changes."""
    if keep == "matches":
        made = RunConfig("tiny", "plain", evaluation=EvaluationConfig(every=50, keep="matches", features=("low",)))
        record = whole(made)
    assert records.kept_for(record, {"plain"}) == record
    small = records.kept_for(record, {"another"})
    records.check(small, "small")
    assert "first" in small["selected"] and keep not in small["selected"]
    assert small["selected"]["test"] == record["selected"]["test"]
    assert len(str(small)) < len(str(record))
    before, after = records.compared(record), records.compared(small)
    lost = set(before) - set(after)
    assert {name.rpartition(": ")[2] for name in lost} == {"r_precision", "map_at_r"}
    assert set(records.unsupported(small, after)) == set(records.unsupported(record, before)) | lost
    assert after == {name: both for name, both in before.items() if name not in lost}
    assert records.kept_for(small, set()) == small


def test_trial_keeps_nothing_and_says_so() -> None:
    trial = whole(RunConfig("tiny_tuning", "baseline-0", evaluation=EvaluationConfig(every=50, test=False)))
    assert not records.rescorable(trial)
    assert records.compared(trial) == {} and records.unsupported(trial, {}) == []
    assert records.kept_for(trial, set()) == trial


def test_gallery_too_large_for_two_bytes() -> None:
    """Two queries in 70,000 images: ids beyond 65,535 come back as they were."""
    labels = np.r_[np.arange(69_998) + 2, 0, 1]
    sets = {"queries": [[0, 0, 1], [1, 1, 1]], "gallery": encoding.run_lengths(labels, labels)}
    ids = np.array([[69_998, *range(7)], [7, 69_999, *range(6)]])
    point = {"neighbours": encoding.encode_neighbours(ids, np.array([1, 1]))}
    found = records.rescore(sets, point)
    assert (found["recall_at_1"], found["recall_at_2"], found["map_at_r"]) == (50.0, 100.0, 50.0)


def test_queries_first_are_points_whose_mean_is_recall(record: Record) -> None:
    values = records.queries_first(record, record["selected"])
    assert set(values.tolist()) <= {0.0, 100.0}
    assert len(values) == len(encoding.expand(record["queries"]))
    assert values.mean() == pytest.approx(record["selected"]["test"]["recall_at_1"], abs=1e-3)


def test_summary_is_in_per_cent() -> None:
    class Result:
        recall = {1: 0.25, 8: 1.0}  # noqa: RUF012
        r_precision, map_at_r, macro_recall_at_1 = 0.5, 1 / 3, 0.125

    assert records.summarise(Result()) == {
        **{"recall_at_1": 25.0, "recall_at_8": 100.0},
        **{"r_precision": 50.0, "map_at_r": 33.3333, "macro_recall_at_1": 12.5},
    }
