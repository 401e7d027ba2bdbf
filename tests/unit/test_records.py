"""Records: what is packed comes out again, what is damaged is named, and every metric can be computed anew."""

from __future__ import annotations

import copy
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import make_store, register, tiny_config

from reproducible import encoding, records
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
    queries, gallery = encoding.expand(record["queries"]), encoding.expand(record["gallery"])
    relevant = (queries[:, None] == gallery).sum(axis=1)
    ids = encoding.decode_neighbours(record["selected"]["neighbours"], relevant)
    hit = int(np.flatnonzero(gallery[ids[:, 0]] == queries)[0])
    ids[hit] = np.flatnonzero(gallery != queries[hit])[: ids.shape[1]]
    record["selected"]["neighbours"] = encoding.encode_neighbours(ids, relevant)
    assert {"recall_at_1", "map_at_r"} <= set(records.verify(record))


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


def test_saved_records_are_sorted_and_load_again(record: Record, tmp_path: Path) -> None:
    several = [{**record, "arm": arm, "draw": draw, "seed": seed} for arm, draw, seed in (("b", 0, 0), ("a", 1, 0))]
    several.append({**record, "arm": "a", "draw": 0, "seed": 3})
    path = records.save("tiny", several, tmp_path)
    assert path == tmp_path / "tiny.jsonl.xz"
    assert [(r["arm"], r["draw"]) for r in records.load("tiny", tmp_path)] == [("a", 0), ("a", 1), ("b", 0)]
    assert records.load("tiny", tmp_path)[2] == several[0]
    assert len(lzma.decompress(path.read_bytes()).splitlines()) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_study_without_records_has_none(tmp_path: Path) -> None:
    assert records.load("nothing", tmp_path) == []


def test_damaged_line_is_named(record: Record, tmp_path: Path) -> None:
    path = records.save("tiny", [record, {**record, "draw": 1}], tmp_path)
    lines = lzma.decompress(path.read_bytes())
    path.write_bytes(lzma.compress(lines[:-40]))
    with pytest.raises(UserError, match=r"tiny.jsonl.xz, line 2: not a record"):
        records.load("tiny", tmp_path)


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-40], lambda packed: b"{}"])
def test_damaged_file_is_named(record: Record, spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = records.save("tiny", [record], tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=r"tiny.jsonl.xz: not a file of records"):
        records.load("tiny", tmp_path)


@pytest.mark.parametrize("key", records.KEYS)
def test_missing_key_is_named(record: Record, key: str, tmp_path: Path) -> None:
    del record[key]
    (tmp_path / "tiny.jsonl.xz").write_bytes(lzma.compress(json.dumps(record).encode()))
    with pytest.raises(UserError, match=f"tiny.jsonl.xz, line 1: .*'{key}'"):
        records.load("tiny", tmp_path)


def test_unknown_key_is_named(record: Record) -> None:
    record["quaries"] = record["queries"]
    with pytest.raises(UserError, match=r"here: unknown key 'quaries'. Did you mean 'queries'\?"):
        records.check(record, "here")


def test_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "smoke.json"
    records.write_text(path, "old")
    original = Path.write_bytes

    def fail(partial: Path, content: bytes) -> int:
        original(partial, content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match="nothing was changed"):
        records.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("study", records.committed())
def test_committed_records_give_the_metrics_they_state(study: str) -> None:
    for found in records.load(study):
        assert records.verify(found) == {}, f"{study}: {found['arm']} draw {found['draw']} seed {found['seed']}"


def test_committed_records_are_small() -> None:
    assert sum(records.file_of(name).stat().st_size for name in records.committed()) < 12e6


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
    with pytest.raises(UserError, match=r"tiny\.jsonl\.xz, line 2: recall_at_1 is stated as .*, rescored"):
        records.add(path, {"tiny": None}, ours)
    with pytest.raises(UserError, match="there is no study of that name"):
        records.add(path, {"tinny": None}, ours)
    with pytest.raises(UserError, match="no such file, or no record"):
        records.add(theirs / "tiny_tuning.jsonl.xz", {"tiny": None}, ours)
    assert (ours / "tiny.jsonl.xz").read_bytes() == before
