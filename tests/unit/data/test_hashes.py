"""A prepared store that is not what it was made as is never opened: which file, and what to delete."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reproducible.data import hashes
from reproducible.data.cards import card
from reproducible.data.manifest import load_manifest
from reproducible.data.store import open_store, prepare, store_folder, verify
from reproducible.resources import UserError

SUMS = "SHA256SUMS"


@pytest.fixture
def birds(made) -> Path:
    """The manifest of a prepared set of photographs, whose store has an index, boxes, points and attributes."""
    path = made("cub200").write()
    prepare(path)
    return path


def folder_of(path: Path) -> Path:
    return store_folder(load_manifest(path))


def flip_a_bit(folder: Path) -> str:
    content = bytearray((folder / "images.npy").read_bytes())
    content[-1000] ^= 4
    (folder / "images.npy").write_bytes(content)
    return "images.npy"


def shorten_images(folder: Path) -> str:
    content = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(content[:1000])
    return "images.npy"


def reshape_images(folder: Path) -> str:
    images = np.load(folder / "images.npy")
    np.save(folder / "images.npy", images.reshape(len(images), -1, 8, 3))
    return "images.npy"


def reshape_boxes(folder: Path) -> str:
    np.save(folder / "boxes.npy", np.load(folder / "boxes.npy")[:-1])
    return "boxes.npy"


def relabel(folder: Path) -> str:
    lines = (folder / "index.csv").read_text().splitlines(keepends=True)
    fields = lines[1].split(",")
    lines[1] = ",".join([fields[0], str(int(fields[1]) ^ 1), *fields[2:]])
    (folder / "index.csv").write_text("".join(lines))
    return "index.csv"


def shorten_index(folder: Path) -> str:
    lines = (folder / "index.csv").read_text().splitlines(keepends=True)
    (folder / "index.csv").write_text("".join(lines[:-1]))
    return "index.csv"


def empty_index(folder: Path) -> str:
    (folder / "index.csv").write_text("")
    return "index.csv"


def lose_points(folder: Path) -> str:
    (folder / "points.npy").unlink()
    return "points.npy"


def lose_images(folder: Path) -> str:
    (folder / "images.npy").unlink()
    return "images.npy"


def lose_fingerprint(folder: Path) -> str:
    (folder / "fingerprint").write_text("")
    return "fingerprint"


def add_masks(folder: Path) -> str:
    np.save(folder / "masks.npy", np.ones((16, 16, 16), np.uint8))
    return "masks.npy"


def spoil_list(folder: Path) -> str:
    (folder / SUMS).write_text("no list of hashes\n")
    return SUMS


PIXELS = (flip_a_bit, shorten_images, reshape_boxes, relabel, shorten_index, empty_index, lose_points, lose_images)
CHANGES = (*PIXELS, reshape_images, lose_fingerprint, add_masks, spoil_list)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_store_is_named_and_made_again(birds: Path, change: Callable[[Path], str]) -> None:
    """By opening, by verify and by the card; it is as it was when the folder is deleted as the message says."""
    store, folder = open_store(birds), folder_of(birds)
    fingerprint, images = store.fingerprint, store.images.copy()
    name = change(folder)
    message = rf"(?s){folder / name}: .*Delete the folder {folder}, and 'reproducible data prepare cub200' makes it"
    for look in (open_store, card):
        with pytest.raises(UserError, match=message):
            look(birds)
    report = verify(birds)
    assert not report.ok and len(report.problems) == 1 and report.images == 16
    with pytest.raises(UserError, match=message):
        raise UserError(report.problems[0])
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    after = open_store(birds)
    assert after.fingerprint == fingerprint and verify(birds).ok
    np.testing.assert_array_equal(after.images, images)


def test_each_changed_file_has_a_line(birds: Path) -> None:
    flip_a_bit(folder_of(birds))
    relabel(folder_of(birds))
    (problem,) = verify(birds).problems
    assert len(problem.splitlines()) == 3 and "index.csv" in problem and "images.npy" in problem


def test_list_is_one_that_sha256sum_checks(birds: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=folder_of(birds), capture_output=True)
    assert done.returncode == 0 and not done.stdout
    listed = [line.split("  ")[1] for line in (folder_of(birds) / SUMS).read_text().splitlines()]
    assert sorted([*listed, SUMS, ".checked"]) == sorted(os.listdir(folder_of(birds)))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read to be hashed."""
    names, digest = [], hashes._digest
    monkeypatch.setattr(hashes, "_digest", lambda path: names.append(path.name) or digest(path))
    return names


def test_what_was_compared_is_not_read_again(birds: Path, read: list[str]) -> None:
    images = folder_of(birds) / "images.npy"
    open_store(birds)
    assert not read
    os.utime(images, ns=(0, images.stat().st_mtime_ns + 1))
    open_store(birds)
    assert "images.npy" in read
    read.clear()
    open_store(birds)
    assert not read
    (folder_of(birds) / ".checked").write_text("{")
    open_store(birds)
    assert "images.npy" in read


def test_verify_reads_what_opening_trusts(birds: Path) -> None:
    """A disk that loses a bit changes neither size nor time."""
    images = folder_of(birds) / "images.npy"
    known = images.stat()
    flip_a_bit(folder_of(birds))
    os.utime(images, ns=(known.st_atime_ns, known.st_mtime_ns))
    open_store(birds)
    assert "images.npy: has changed" in verify(birds).problems[0]


def without_hashes(path: Path) -> Path:
    """A store as it was made before stores had hashes."""
    folder = folder_of(path)
    for name in (SUMS, ".checked"):
        (folder / name).unlink()
    return folder


def test_store_without_hashes_gets_them_at_its_first_opening(birds: Path, read: list[str]) -> None:
    before = (folder_of(birds) / SUMS).read_text()
    folder = without_hashes(birds)
    open_store(birds)
    assert (folder / SUMS).read_text() == before
    read.clear()
    open_store(birds)
    assert not read


@pytest.mark.parametrize("change", PIXELS)
def test_changed_store_without_hashes_gets_none(birds: Path, change: Callable[[Path], str]) -> None:
    folder = without_hashes(birds)
    change(folder)
    with pytest.raises(UserError, match=rf"{folder}: .*\nDelete the folder {folder}, and"):
        open_store(birds)
    assert not (folder / SUMS).exists()
