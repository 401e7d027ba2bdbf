"""The committed files: what is written comes back, what is damaged is named, two writers lose nothing."""

from __future__ import annotations

import lzma
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from whole_records import whole

from reproducible import records
from reproducible.config import DataConfig, EvaluationConfig, RunConfig
from reproducible.records import writing
from reproducible.resources import UserError

Record = dict[str, Any]
FORK = multiprocessing.get_context("fork")


def made(arm: str = "a", draw: int = 0, seed: int = 0, **labels: Any) -> Record:
    config = RunConfig("tiny", arm, DataConfig(draw=draw), evaluation=EvaluationConfig(), steps=50, seed=seed)
    return whole(config, **labels)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_records_come_back_ordered_from_a_file_an_arm(tmp_path: Path) -> None:
    several = [made("b"), made("a-x"), made("a", 1), made("a", 0, 3)]
    assert records.save("tiny", several, tmp_path) == 4
    assert set(names(tmp_path)) == {f"tiny/{arm}.jsonl.xz" for arm in ("a", "a-x", "b")}
    found = records.load("tiny", tmp_path)
    assert [records.key_of(r) for r in found] == [("a", 0, 3), ("a", 1, 0), ("a-x", 0, 0), ("b", 0, 0)]
    assert found[3] == several[0]
    assert len(lzma.decompress(records.file_of("tiny", "a", tmp_path).read_bytes()).splitlines()) == 2
    assert records.committed(tmp_path) == ["tiny"]


def test_record_that_is_added_rewrites_the_file_of_its_arm_alone(tmp_path: Path) -> None:
    records.save("tiny", [made("a"), made("b")], tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "tiny").iterdir()}
    assert records.save("tiny", [made("a"), made("b", 1)], tmp_path) == 1
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "tiny").iterdir()}
    assert {path.name for path in before if before[path] != after[path]} == {"b.jsonl.xz"}
    assert records.save("tiny", [made("b", 1, criteria="1" * 64)], tmp_path) == 1, "another record of the same run"
    assert len(records.load("tiny", tmp_path)) == 3
    assert records.save("tiny", [], tmp_path) == 0


def test_study_without_records_has_none(tmp_path: Path) -> None:
    assert records.load("nothing", tmp_path) == []
    assert records.committed(tmp_path / "nowhere") == []


def _write(folder: Path, first: int, gate: Any) -> None:
    gate.wait()
    for draw in range(first, first + 12):
        records.save("tiny", [made("a", draw)], folder)


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Two processes add twelve records each to one arm, all at the same time."""
    gate = FORK.Barrier(2)
    writers = [FORK.Process(target=_write, args=(tmp_path, first, gate)) for first in (0, 12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    assert [record["draw"] for record in records.load("tiny", tmp_path)] == list(range(24))
    assert names(tmp_path) == ["tiny/a.jsonl.xz"], "no lock and nothing partial is left"


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    records.save("tiny", [made()], tmp_path)
    (tmp_path / "tiny" / "a.jsonl.xz.99.partial").write_bytes(b"half")
    (tmp_path / "tiny" / ".lock").touch()  # nobody holds it any more
    records.save("tiny", [made(draw=1)], tmp_path)
    assert names(tmp_path) == ["tiny/a.jsonl.xz"]


def test_what_killed_writers_left_of_any_file_is_swept(tmp_path: Path) -> None:
    """Not what a process that lives is writing, nor, for a minute, what another machine may be, nor of other files."""
    ended = FORK.Process(target=int)
    ended.start()
    ended.join()
    dead, alive = (f"smoke.json.{pid}.partial" for pid in (ended.pid, os.getppid()))
    for name in (dead, alive, f"else.json.{ended.pid}.partial", "smoke.json.name.partial"):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (0, 0))
    records.write_text(tmp_path / "smoke.json", "whole")
    assert names(tmp_path) == sorted(("smoke.json", alive, f"else.json.{ended.pid}.partial", "smoke.json.name.partial"))
    (tmp_path / dead).write_text("half")
    records.write_text(tmp_path / "smoke.json", "whole")
    assert dead in names(tmp_path)


def _hold(path: Path, held: Any, release: Any) -> None:
    with writing.held(path):
        held.set()
        release.wait(60)


def test_lock_that_another_process_holds(tmp_path: Path) -> None:
    path, held, release = tmp_path / "here" / "lock", FORK.Event(), FORK.Event()
    other = FORK.Process(target=_hold, args=(path, held, release))
    other.start()
    assert held.wait(60)
    with writing.held(path, wait=False) as mine:
        assert not mine
    assert path.is_file(), "it is the other's"
    release.set()
    with writing.held(path) as mine:
        assert mine and path.is_file()
    other.join(60)
    assert not path.exists()


def test_damaged_line_is_named(tmp_path: Path) -> None:
    records.save("tiny", [made(), made(draw=1)], tmp_path)
    path = records.file_of("tiny", "a", tmp_path)
    path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes())[:-40]))
    with pytest.raises(UserError, match=r"tiny/a.jsonl.xz, line 2: not a record"):
        records.load("tiny", tmp_path)


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-40], lambda packed: b"{}"])
def test_damaged_file_is_named_and_not_written_over(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    records.save("tiny", [made()], tmp_path)
    path = records.file_of("tiny", "a", tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    before = path.read_bytes()
    for use in (lambda: records.load("tiny", tmp_path), lambda: records.save("tiny", [made(draw=1)], tmp_path)):
        with pytest.raises(UserError, match=r"tiny/a.jsonl.xz: not a file of records"):
            use()
    assert path.read_bytes() == before


def test_record_in_the_file_of_another_arm_or_twice_in_its_own(tmp_path: Path) -> None:
    records.save("tiny", [made("a")], tmp_path)
    path = records.file_of("tiny", "a", tmp_path)
    records.file_of("tiny", "b", tmp_path).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"b.jsonl.xz, line 1: is a record of tiny/a, not of tiny/b"):
        records.load("tiny", tmp_path)
    records.file_of("tiny", "b", tmp_path).unlink()
    path.write_bytes(lzma.compress(2 * lzma.decompress(path.read_bytes())))
    with pytest.raises(UserError, match=r"a.jsonl.xz, line 2: is the second record of draw 0, seed 0"):
        records.load("tiny", tmp_path)


def test_record_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="arm must be a name"):
        records.save("tiny", [made() | {"arm": "../../elsewhere"}], tmp_path)
    with pytest.raises(UserError, match="draw must be 0, as its configuration says, found 1"):
        records.save("tiny", [made("b"), made() | {"draw": 1}], tmp_path)
    assert names(tmp_path) == []


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
