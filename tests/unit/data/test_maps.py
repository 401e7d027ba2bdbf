"""Maps that are kept in a file: each is computed once, whoever asks, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reproducible.data import maps
from reproducible.data.maps import CHUNK, MapFile
from reproducible.resources import UserError

FORK = multiprocessing.get_context("fork")
SHAPE = (3, 2, 5)
BYTES = 2 * 3 * 2 * 5


def value(rows: np.ndarray) -> np.ndarray:
    """What the map of each row should be."""
    places = np.arange(30).reshape(SHAPE)
    return (rows[:, None, None, None] + places / 32).astype(np.float16)


class Computer:
    """Computes maps, and writes down which, also for other processes to see."""

    def __init__(self, log: Path, pause: float = 0.0) -> None:
        self.log, self.pause = log, pause

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        assert len(rows) == CHUNK
        time.sleep(self.pause)
        with self.log.open("a") as stream:
            stream.write("".join(f"{row}\n" for row in sorted(set(rows.tolist()))))
        return value(rows)

    def done(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()] if self.log.is_file() else []


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path / "computed")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computer: Computer) -> Callable[..., MapFile]:
    """``made(rows)``: the file of these tests, as a new process would open it."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")

    def make(rows: int = 100, compute: Any = computer, **about: Any) -> MapFile:
        return MapFile("toys", {"data": "noise", **about}, SHAPE, rows, compute)

    return make


def flip_bit(path: Path, place: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 16]))


def test_computed_when_first_asked_for_and_kept(made, computer: Computer) -> None:
    rows = np.array([7, 3, 90, 7])
    first = made()
    np.testing.assert_array_equal(first.missing(rows), [3, 7, 90])
    assert not first.folder.exists() and not computer.done()
    np.testing.assert_array_equal(first.read(rows), value(rows))
    assert computer.done() == [3, 7, 90] and not len(first.missing(rows))
    again = made()
    np.testing.assert_array_equal(again.read(rows[:2]), value(rows[:2]))
    assert computer.done() == [3, 7, 90]
    np.testing.assert_array_equal(again.missing(np.arange(6)), [0, 1, 2, 4, 5])


def test_takes_space_for_what_is_there_alone(made) -> None:
    file = MapFile("toys", {}, (14, 14, 480), 10_000, lambda rows: np.ones((CHUNK, 14, 14, 480), np.float16))
    file.fill(np.array([1, 9_999]))
    stat = (file.folder / "maps").stat()
    assert stat.st_size == 10_000 * 2 * 14 * 14 * 480 and 512 * stat.st_blocks < 4 * 2 * 14 * 14 * 480


def test_other_conditions_other_file(made) -> None:
    assert made().folder == made().folder != made(data="other").folder
    assert made(rows=5).folder == made().folder


def test_a_file_grows(made, computer: Computer) -> None:
    made(rows=10).fill(np.array([2, 9]))
    larger = made(rows=300)
    np.testing.assert_array_equal(larger.read(np.array([9, 299])), value(np.array([9, 299])))
    np.testing.assert_array_equal(made(rows=10).read(np.array([2])), value(np.array([2])))
    assert computer.done() == [2, 9, 299]


@pytest.mark.parametrize("name, place", [("maps", 7 * BYTES + 11), ("sums", 7 * 8 + 1), ("sums", 7 * 8 + 4)])
def test_a_flipped_bit_is_found_and_mended(made, computer: Computer, caplog, name: str, place: int) -> None:
    rows = np.array([6, 7, 8])
    made().fill(rows)
    flip_bit(made().folder / name, place)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(made().read(rows), value(rows))
    assert "1 of 3 maps are not what was written there" in caplog.text and str(made().folder) in caplog.text
    assert computer.done() == [6, 7, 8, 7]
    caplog.clear()
    np.testing.assert_array_equal(made().read(rows), value(rows))
    assert not caplog.text


def test_a_cut_file_is_made_whole(made, computer: Computer) -> None:
    rows = np.array([0, 50])
    made().fill(rows)
    os.truncate(made().folder / "maps", 10 * BYTES)
    np.testing.assert_array_equal(made().read(rows), value(rows))
    assert computer.done() == [0, 50, 50]


def test_a_folder_that_is_deleted_meanwhile(made, computer: Computer) -> None:
    file, rows = made(), np.array([1, 2, 3])
    assert maps.kept() == 0
    np.testing.assert_array_equal(file.read(rows[:2]), value(rows[:2]))
    assert maps.kept() > 0
    shutil.rmtree(file.folder)
    np.testing.assert_array_equal(file.read(rows), value(rows))
    assert computer.done() == [1, 2, 1, 2, 3]


def test_a_disk_that_forgets_is_named(made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that do nothing."""
    monkeypatch.setattr(maps.os, "pwrite", lambda file, content, place: len(content))
    with pytest.raises(UserError, match="does not give back what is written"):
        made().read(np.array([4]))


def test_too_small_a_disk_is_said_before_the_first_byte(made, monkeypatch: pytest.MonkeyPatch, computer) -> None:
    rows = np.arange(50)
    file = made()
    free = SimpleNamespace(free=50 * BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(UserError, match="REPRODUCIBLE_CACHE"):
        file.require(rows)
    assert not file.folder.exists() and not computer.done()
    free.free += 1
    file.require(rows)
    file.fill(rows[:20])
    free.free = 30 * BYTES
    made().require(rows)


def test_a_disk_that_is_full_on_the_way(made, monkeypatch: pytest.MonkeyPatch, computer: Computer) -> None:
    """What was made stays; with space again it goes on there."""
    written = []

    def pwrite(file: int, content: memoryview, place: int) -> int:
        if len(written) == 2 * CHUNK + 3:  # each map takes two writes
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(place)
        return os_pwrite(file, content[:37], place)  # a write may be cut short

    os_pwrite = os.pwrite
    monkeypatch.setattr(maps.os, "pwrite", pwrite)
    with pytest.raises(UserError, match="the disk is full; the maps made so far are kept"):
        made().fill(np.arange(40))
    monkeypatch.setattr(maps.os, "pwrite", os_pwrite)
    assert len(made().missing(np.arange(40))) == 40 - CHUNK
    np.testing.assert_array_equal(made().read(np.arange(40)), value(np.arange(40)))


def test_a_map_that_does_not_fit_is_refused(made) -> None:
    for bad in (np.inf, np.nan):
        with pytest.raises(UserError, match="does not fit half precision"):
            made(compute=lambda rows, bad=bad: np.full((CHUNK, *SHAPE), bad, np.float16)).fill(np.array([1]))
    assert len(made().missing(np.array([1])))


def in_child(work: Callable[[], Any]) -> Any:
    child = FORK.Process(target=work)
    child.start()
    return child


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_killed_process_leaves_what_it_made(made, computer: Computer) -> None:
    """Killed for good, in the middle of a chunk; the next one computes the rest and no more."""
    rows = np.arange(90)
    slow = made(compute=Computer(computer.log, pause=0.05))
    child = in_child(lambda: slow.fill(rows))
    wait_for(lambda: len(computer.done()) > CHUNK)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    left, before = made().missing(rows), len(computer.done())
    assert CHUNK <= len(rows) - len(left) < len(rows)
    np.testing.assert_array_equal(made().read(rows), value(rows))
    assert sorted(computer.done()[before:]) == left.tolist()


def test_two_processes_share_the_work(made, computer: Computer) -> None:
    rows = np.random.default_rng(0).permutation(100)[:80]
    slow = made(compute=Computer(computer.log, pause=0.03))

    def work() -> None:
        assert np.array_equal(slow.read(rows), value(rows))

    children = [in_child(work) for _ in range(3)]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert sorted(computer.done()) == sorted(rows.tolist())


def test_who_waits_takes_over_from_one_that_dies(made, computer: Computer) -> None:
    """The first holds all rows that the second wants, and never comes to an end."""
    rows = np.arange(CHUNK)
    begun = computer.log.with_name("begun")

    def stuck(rows: np.ndarray) -> np.ndarray:
        begun.touch()
        time.sleep(600)
        return value(rows)

    first = in_child(lambda: made(compute=stuck).fill(rows))
    wait_for(begun.is_file)
    second = in_child(lambda: made().fill(rows))
    time.sleep(0.3)
    assert second.is_alive() and not computer.done()
    os.kill(first.pid, signal.SIGKILL)
    second.join(60)
    assert second.exitcode == 0 and computer.done() == rows.tolist()
    first.join()
