"""Records: what is packed comes out again, what is damaged is named, and every metric can be computed anew."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import make_store, register, tiny_config

from reproducible import records
from reproducible.resources import UserError
from reproducible.training import runner

Record = dict[str, Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The record of a run that took a second."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        store = make_store()
        patch.setattr(runner, "open_store", lambda name: store)
        patch.setenv("REPRODUCIBLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        return runner.execute(tiny_config(), profile="standard", criteria="c", device="cpu")


@pytest.fixture
def record(finished: Record) -> Record:
    """A copy to spoil."""
    return copy.deepcopy(finished)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_hits_round_trip(hits: list[bool]) -> None:
    packed = records.encode_hits(np.array(hits))
    assert records.decode_hits(packed, len(hits)).tolist() == hits
    assert len(packed) == 2 * -(-len(hits) // 8)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_neighbours_round_trip(data: st.DataObject) -> None:
    gallery = data.draw(st.integers(8, 65_535))
    relevant = np.array(data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=10)))
    width = max(8, int(relevant.max()), data.draw(st.integers(8, 40)))
    stream = np.random.default_rng(data.draw(st.integers(0, 9)))
    ids = stream.integers(0, gallery, (len(relevant), width))
    found = records.decode_neighbours(records.encode_neighbours(ids, relevant), relevant)
    for row, expected, count in zip(found, ids, np.maximum(relevant, 8), strict=True):
        assert row[:count].tolist() == expected[:count].tolist()
        assert not row[count:].any()


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_matches_round_trip(data: st.DataObject) -> None:
    """What is read comes back: the first R, or eight, of each query."""
    queries, columns = data.draw(st.integers(1, 20)), data.draw(st.integers(8, 30))
    relevant = np.array(data.draw(st.lists(st.integers(0, columns), min_size=queries, max_size=queries)))
    matches = np.random.default_rng(data.draw(st.integers(0, 99))).random((queries, columns)) < 0.4
    found = records.decode_matches(records.encode_matches(matches, relevant), relevant, columns)
    read = np.arange(columns) < np.maximum(relevant, 8)[:, None]
    np.testing.assert_array_equal(found, matches & read)


def test_matches_of_another_record_are_noticed() -> None:
    packed = records.encode_matches(np.ones((3, 9), bool), np.array([9, 9, 9]))
    with pytest.raises(UserError, match=r"hold 32 bits, 36 are needed"):
        records.decode_matches(packed, np.array([9, 9, 18]), 18)


def test_neighbours_of_another_record_are_noticed() -> None:
    ids = np.arange(20)[None, :].repeat(3, 0)
    packed = records.encode_neighbours(ids, np.array([9, 9, 9]))
    with pytest.raises(UserError, match="hold 27 ids, 28 are needed: the record is damaged"):
        records.decode_neighbours(packed, np.array([9, 9, 10]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=30))
def test_run_lengths_round_trip(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs])
    coarse = labels // 2  # a class lies in one coarse class
    lengths = records.run_lengths(labels, coarse)
    assert records.expand(lengths).tolist() == labels.tolist()
    assert records.expand(lengths, column=1).tolist() == coarse.tolist()
    assert sum(count for *_, count in lengths) == len(pairs)
    assert all(a[0] != b[0] for a, b in pairwise(lengths))


def test_rescoring_gives_every_metric_that_is_stated(record: Record) -> None:
    stated = {name: value for name, value in record["selected"]["test"].items() if name != "hits"}
    assert records.rescore(record, record["selected"]) == pytest.approx(stated, abs=1e-3)
    assert set(stated) == {
        *("recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8"),
        *("r_precision", "map_at_r", "macro_recall_at_1"),
    }
    assert records.verify(record) == {}


@pytest.mark.parametrize("metric", ["recall_at_1", "recall_at_8", "r_precision", "map_at_r", "macro_recall_at_1"])
def test_metric_that_was_tampered_with_is_found(record: Record, metric: str) -> None:
    true = record["selected"]["test"][metric]
    record["selected"]["test"][metric] += 0.01
    assert records.verify(record) == {metric: (pytest.approx(true + 0.01), pytest.approx(true, abs=1e-3))}


def test_neighbours_that_were_tampered_with_are_found(record: Record) -> None:
    queries, gallery = records.expand(record["queries"]), records.expand(record["gallery"])
    relevant = (queries[:, None] == gallery).sum(axis=1)
    ids = records.decode_neighbours(record["selected"]["neighbours"], relevant)
    hit = int(np.flatnonzero(gallery[ids[:, 0]] == queries)[0])
    ids[hit] = np.flatnonzero(gallery != queries[hit])[: ids.shape[1]]
    record["selected"]["neighbours"] = records.encode_neighbours(ids, relevant)
    assert {"recall_at_1", "map_at_r"} <= set(records.verify(record))


def test_queries_first_are_points_whose_mean_is_recall(record: Record) -> None:
    values = records.queries_first(record, record["selected"])
    assert set(values.tolist()) <= {0.0, 100.0}
    assert len(values) == len(records.expand(record["queries"]))
    assert values.mean() == pytest.approx(record["selected"]["test"]["recall_at_1"], abs=1e-3)


def test_summary_is_in_per_cent() -> None:
    class Result:
        recall = {1: 0.25, 8: 1.0}  # noqa: RUF012
        r_precision, map_at_r, macro_recall_at_1 = 0.5, 1 / 3, 0.125

    assert records.summarise(Result()) == {
        **{"recall_at_1": 25.0, "recall_at_8": 100.0},
        **{"r_precision": 50.0, "map_at_r": 33.3333, "macro_recall_at_1": 12.5},
    }


def test_saved_records_are_sorted_and_load_again(record: Record, tmp_path: Path) -> None:
    several = [{**record, "arm": arm, "draw": draw, "seed": seed} for arm, draw, seed in (("b", 0, 0), ("a", 1, 0))]
    several.append({**record, "arm": "a", "draw": 0, "seed": 3})
    path = records.save("tiny", several, tmp_path)
    assert path == tmp_path / "tiny.jsonl"
    assert [(r["arm"], r["draw"]) for r in records.load("tiny", tmp_path)] == [("a", 0), ("a", 1), ("b", 0)]
    assert records.load("tiny", tmp_path)[2] == several[0]
    assert len(path.read_text().splitlines()) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_study_without_records_has_none(tmp_path: Path) -> None:
    assert records.load("nothing", tmp_path) == []


def test_damaged_line_is_named(record: Record, tmp_path: Path) -> None:
    path = records.save("tiny", [record, {**record, "draw": 1}], tmp_path)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(UserError, match=r"tiny.jsonl, line 2: not a record"):
        records.load("tiny", tmp_path)


@pytest.mark.parametrize("key", records.KEYS)
def test_missing_key_is_named(record: Record, key: str, tmp_path: Path) -> None:
    del record[key]
    (tmp_path / "tiny.jsonl").write_text(json.dumps(record))
    with pytest.raises(UserError, match=f"tiny.jsonl, line 1: .*'{key}'"):
        records.load("tiny", tmp_path)


def test_unknown_key_is_named(record: Record) -> None:
    record["quaries"] = record["queries"]
    with pytest.raises(UserError, match=r"here: unknown key 'quaries'. Did you mean 'queries'\?"):
        records.check(record, "here")


def test_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.jsonl"
    records.write_text(path, "old")
    original = Path.write_text

    def fail(partial: Path, text: str) -> int:
        original(partial, text[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(UserError, match="nothing was changed"):
        records.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def committed() -> list[str]:
    return sorted(p.stem for p in (records.manifests() / "records").glob("*.jsonl"))


@pytest.mark.parametrize("study", committed())
def test_committed_records_give_the_metrics_they_state(study: str) -> None:
    for found in records.load(study):
        assert records.verify(found) == {}, f"{study}: {found['arm']} draw {found['draw']} seed {found['seed']}"


def test_committed_records_are_small() -> None:
    assert sum(p.stat().st_size for p in (records.manifests() / "records").glob("*.jsonl")) < 12e6


def test_file_from_another_machine_is_merged(record: Record, tmp_path: Path) -> None:
    """One record is known already, one replaces an older one, one is new."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    runs = [{**record, "draw": draw} for draw in range(3)]
    records.save("tiny", [runs[0], {**runs[1], "digest": "older"}], ours)
    path = records.save("tiny", runs, theirs)
    assert records.add(path, {"tiny": None}, ours) == (2, 3)
    assert [(r["draw"], r["digest"]) for r in records.load("tiny", ours)] == [(d, record["digest"]) for d in range(3)]
    assert records.add(path, {"tiny": None}, ours) == (0, 3)


def test_file_that_cannot_be_trusted_changes_nothing(record: Record, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    before = records.save("tiny", [record], ours).read_bytes()
    bad = copy.deepcopy(record)
    bad["selected"]["test"]["recall_at_1"] += 1
    path = records.save("tiny", [{**record, "draw": 1}, {**bad, "draw": 2}], theirs)
    with pytest.raises(UserError, match=r"tiny\.jsonl, line 2: recall_at_1 is stated as .*, rescored"):
        records.add(path, {"tiny": None}, ours)
    with pytest.raises(UserError, match="there is no study of that name"):
        records.add(path, {"tinny": None}, ours)
    with pytest.raises(UserError, match="no such file, or no record"):
        records.add(theirs / "tiny_tuning.jsonl", {"tiny": None}, ours)
    assert (ours / "tiny.jsonl").read_bytes() == before
