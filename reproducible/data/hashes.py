"""Whether a prepared store is what it was when it was made: its fingerprint, and the SHA-256 of each of its files.

The list of hashes, ``SHA256SUMS``, is one that ``sha256sum --check`` reads. It is written when the store is made and
compared when it is opened. Files that have the sizes and times of change that they had when they were last compared are
not read again; ``.checked`` beside the list remembers them.
Explained on page: data-card.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from reproducible.data.manifest import Manifest, PhotoManifest, Row, read_index
from reproducible.data.photographs.source import read_stored

EXTRAS = ("masks", "boxes", "attributes", "points", "class_attributes")
"""Arrays that a store may have besides its images."""

_SUMS = "SHA256SUMS"
_CHECKED = ".checked"


def fingerprint_of(folder: Path, rows: tuple[Row, ...]) -> str:
    """SHA-256 over the pixels in a store folder, then the rows of its index, then its further arrays."""
    total = hashlib.sha256()
    _hash(folder / "images.npy", total)
    for row in rows:
        total.update(f"{row.class_id} {row.coarse_id} {row.part}\n".encode())
    for name in EXTRAS:
        if (folder / f"{name}.npy").is_file():
            total.update(name.encode())
            _hash(folder / f"{name}.npy", total)
    return total.hexdigest()


def _hash(path: Path, total: hashlib._Hash) -> None:
    """Adds the content of an array, without the header of its file."""
    array = np.load(path, mmap_mode="r")
    for start in range(0, len(array), 256):
        total.update(np.ascontiguousarray(array[start : start + 256]))


def rows_of(manifest: Manifest, folder: Path) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The images of a complete store and the names of its coarse classes."""
    return read_stored(folder) if isinstance(manifest, PhotoManifest) else (read_index(manifest), manifest.coarse)


def damage(manifest: Manifest, folder: Path, again: bool = False) -> str:
    """What is wrong with the files of a complete store and how to mend it; empty if nothing is.

    A store that was made before stores had hashes is held to its fingerprint and gets them.

    Args:
        manifest: of the data set.
        folder: its store.
        again: read all files, whether they seem to be as when they were last compared or not.
    """
    try:
        problems = _changes(folder, again) if (folder / _SUMS).is_file() else _first_look(manifest, folder)
    except (OSError, ValueError, KeyError) as error:
        problems = [f"{folder}: damaged store ({error})."]
    mend = f"Delete the folder {folder}, and 'reproducible data prepare {manifest.name}' makes it again."
    return "\n".join((*problems, mend)) if problems else ""


def write_hashes(folder: Path) -> None:
    """Writes the list of a store whose files are complete.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    seen = _stamps(folder)
    text = "".join(f"{_digest(folder / name)}  {name}\n" for name in seen if name != _SUMS)
    partial = folder / f".{_SUMS}.{os.getpid()}"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / _SUMS)
    _remember(folder, seen | _stamps(folder, _SUMS))


def _first_look(manifest: Manifest, folder: Path) -> list[str]:
    """Holds a store without hashes to its fingerprint, which knows no shapes, and writes them where that agrees."""
    rows, _ = rows_of(manifest, folder)
    shape = np.load(folder / "images.npy", mmap_mode="r").shape
    if shape[:1] != (len(rows),) or fingerprint_of(folder, rows) != (folder / "fingerprint").read_text():
        return [f"{folder}: an image, array or label has changed since the store was made."]
    with contextlib.suppress(OSError):  # where nothing can be written, every opening looks for the first time
        write_hashes(folder)
    return []


def _changes(folder: Path, again: bool) -> list[str]:
    """One line for each file that is missing, or is not as the list of hashes says, or is not in it."""
    seen = _stamps(folder)
    if not again and seen == _remembered(folder):
        return []
    try:
        lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, name in (line.split("  ") for line in lines)}
    except ValueError as error:
        return [f"{folder / _SUMS}: cannot be read as a list of hashes ({error})."]
    problems = [f"{folder / name}: missing." for name in expected if name not in seen]
    for name in seen:
        if name == _SUMS:
            continue
        if name not in expected:
            problems.append(f"{folder / name}: does not belong to the store.")
        elif (found := _digest(folder / name)) != expected[name]:
            said = f"SHA-256 expected {expected[name]}, found {found}"
            problems.append(f"{folder / name}: has changed since the store was made. {said}.")
    if not problems:
        _remember(folder, seen)
    return problems


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamps(folder: Path, pattern: str = "[!.]*") -> dict[str, list[int]]:
    """Size in bytes and time of the last change in nanoseconds of each file, by name; hidden ones do not count."""
    files = ((path.name, path.stat()) for path in sorted(folder.glob(pattern)) if path.is_file())
    return {name: [known.st_size, known.st_mtime_ns] for name, known in files}


def _remembered(folder: Path) -> object:
    try:
        return json.loads((folder / _CHECKED).read_text())
    except (OSError, ValueError):
        return None


def _remember(folder: Path, seen: dict[str, list[int]]) -> None:
    """Half a line of it, as a process that is killed leaves, is as good as none."""
    with contextlib.suppress(OSError):  # a store on a full or read-only disk is compared at every opening
        (folder / _CHECKED).write_text(json.dumps(seen))
