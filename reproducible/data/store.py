"""The packed store: every image of a data set decoded once, squashed to a square, in one memory-map.

A store is a folder of the cache with ``images.npy`` (uint8, N x S x S x 3, RGB, in the order of the index) and
``fingerprint``; labels, parts and paths are the index's. It is written beside its final place and renamed when it is
complete, under a file lock: a process that is killed leaves no half-made store, and of two processes that want the same
store one makes it and the other waits.
Nothing is extracted from an archive. Explained on page: data-card.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reproducible.data.manifest import Manifest, Row, check_digest, load_manifest, read_classes, read_index, safe
from reproducible.progress import progress as progress_bar
from reproducible.resources import UserError, cache_dir, nearest_name

LAYOUT = 1
"""Version of the files in a store folder; part of the folder's name."""


@dataclass(frozen=True)
class Store:
    """A data set in memory-mapped form; images in the order of the index.

    Attributes:
        fingerprint: SHA-256 over pixels, labels, coarse labels and parts.
        images: (N, S, S, 3) uint8, RGB.
        labels: (N,) int64 class ids.
        coarse: (N,) int64 coarse class ids.
        parts: (N,) "train", "val", "test" or "iconic".
        paths: N paths in the archive.
        class_names, coarse_names: by id.
        kinds: kind of each class, by id.
    """

    name: str
    fingerprint: str
    images: np.ndarray
    labels: np.ndarray
    coarse: np.ndarray
    parts: np.ndarray
    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`verify` found: the number of images checked and one line a problem."""

    name: str
    images: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if every image is as the index says."""
        return not self.problems


def members(archive: Path, folder: str) -> dict[str, tarfile.TarInfo]:
    """The images of a tar archive by their path relative to ``folder``.

    Raises:
        UserError: not a tar file; a member that is not a plain file (a link, a device), that leaves the folder, or
            that occurs twice.
    """
    found: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                inner = member.name.removeprefix(folder + "/")
                if not member.isfile() or inner == member.name or not safe(inner):
                    raise UserError(f"{archive}: member {member.name!r} is a link, no plain file or outside {folder}/.")
                if inner in found:
                    raise UserError(f"{archive}: member {member.name!r} occurs twice.")
                found[inner] = member
    except tarfile.TarError as error:
        raise UserError(f"{archive}: cannot be read as a tar archive: {error}") from error
    return found


def decode(content: bytes, where: str) -> Image.Image:
    """An RGB image from the bytes of a file.

    Raises:
        UserError: corrupt or truncated, named by ``where``.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.convert("RGB")
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ... by file format
        raise UserError(f"{where}: corrupt or truncated image ({type(error).__name__}: {error}).") from error


@dataclass(frozen=True)
class _Reader:
    """Reads and decodes the images of an open archive; safe to use from several threads."""

    archive: Path
    descriptor: int
    members: dict[str, tarfile.TarInfo]

    def image(self, path: str) -> Image.Image:
        """The image at ``path`` in RGB."""
        if path not in self.members:
            known = _siblings(path, self.members)
            raise UserError(f"{self.archive}: has no image {path!r}.{nearest_name(path, known)}")
        member = self.members[path]
        return decode(os.pread(self.descriptor, member.size, member.offset_data), f"{self.archive}: {path}")


def _siblings(path: str, known: Iterable[str]) -> list[str]:
    """The known paths in the folder of ``path``, or else all folders: enough to find the nearest name."""
    folder = path.rpartition("/")[0]
    return [k for k in known if k.rpartition("/")[0] == folder] or sorted({k.rpartition("/")[0] for k in known})


@contextmanager
def _reader(manifest: Manifest) -> Iterator[_Reader]:
    archive = manifest.path(manifest.archive)
    found = members(archive, manifest.archive.folder)
    with archive.open("rb") as stream:
        yield _Reader(archive, stream.fileno(), found)


def _problem(check: Callable[..., object], *arguments: object) -> list[str]:
    """The message of the UserError that a check raises, in a list that is empty if it raises none."""
    try:
        check(*arguments)
    except UserError as error:
        return [str(error)]
    return []


def _check_files(reader: _Reader, rows: tuple[Row, ...]) -> list[str]:
    """One line for each image that the index or the archive has alone."""
    listed = {row.path for row in rows}
    found = reader.members.keys()
    missing = [f"{reader.archive}: {path}: missing, the index lists it." for path in sorted(listed - found)]
    return missing + [f"{reader.archive}: {path}: surplus, not in the index." for path in sorted(found - listed)]


def _read_row(reader: _Reader, row: Row) -> Image.Image:
    """The image of a row of the index, in the size that the index gives."""
    image = reader.image(row.path)
    if image.size != (row.width, row.height):
        found, expected = f"{image.width} x {image.height}", f"{row.width} x {row.height}"
        raise UserError(f"{reader.archive}: {row.path}: wrong size, {expected} expected, {found} found.")
    return image


def verify(source: str | Path | Manifest, progress: bool = True) -> VerifyReport:
    """Checks digests, the list of files, and that every image decodes to the size in the index.

    Args:
        source: data set, as for ``load_manifest``.
        progress: show a progress bar.

    Returns:
        All problems found, each naming its file.

    Raises:
        UserError: the manifest itself cannot be read.
    """
    manifest = load_manifest(source)
    problems: list[str] = []
    images = 0
    try:
        rows = read_index(manifest)
        problems += _problem(check_digest, manifest, manifest.archive)
        with _reader(manifest) as reader, ThreadPoolExecutor(os.cpu_count()) as pool:
            problems += _check_files(reader, rows)
            present = [row for row in rows if row.path in reader.members]
            found = pool.map(lambda row: _problem(_read_row, reader, row), present)
            for problem in progress_bar(found, f"verify {manifest.name}", len(present)) if progress else found:
                images += 1
                problems += problem
    except UserError as error:
        problems.append(str(error))
    return VerifyReport(manifest.name, images, tuple(problems))


def read_images(source: str | Path | Manifest, paths: Iterable[str]) -> Iterator[Image.Image]:
    """Images from the archive one after the other, RGB, each in its own aspect.

    Raises:
        UserError: no such image, with the nearest path; corrupt or truncated.
    """
    with _reader(load_manifest(source)) as reader:
        for path in paths:
            yield reader.image(path)


def read_image(source: str | Path | Manifest, path: str) -> Image.Image:
    """One image from the archive; see :func:`read_images`, which is faster for many."""
    return next(read_images(source, [path]))


def open_store(source: str | Path | Manifest) -> Store:
    """The store of a data set, prepared first where the cache has none."""
    return prepare(source)


def prepare(source: str | Path | Manifest, progress: bool = True) -> Store:
    """Verifies the archive, decodes every image with all cores, squashes it to side x side (Pillow, bicubic) and packs
    the store; a second call opens what is there.

    Args:
        source: data set, as for ``load_manifest``.
        progress: show a progress bar.

    Raises:
        UserError: wrong checksum; missing or surplus file; corrupt, truncated or wrongly sized image; disk full.
    """
    manifest = load_manifest(source)
    rows = read_index(manifest)
    folder = store_folder(manifest)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(folder.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system if the process dies
            if not folder.is_dir():
                _make(manifest, rows, folder, progress)
    return _open(manifest, rows, folder)


def store_folder(manifest: Manifest) -> Path:
    """Where the store of a data set is or will be: named after everything that its pixels depend on."""
    depends = f"{LAYOUT} {manifest.archive.sha256} {manifest.index.sha256} {manifest.side}"
    return cache_dir() / "stores" / f"{manifest.name}-{hashlib.sha256(depends.encode()).hexdigest()[:16]}"


def _make(manifest: Manifest, rows: tuple[Row, ...], folder: Path, bar: bool) -> None:
    """Writes a store beside ``folder`` and renames it when it is complete; the caller holds the lock."""
    check_digest(manifest, manifest.archive)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir()
    fingerprint = hashlib.sha256()
    try:
        with _reader(manifest) as reader:
            problems = _check_files(reader, rows)
            if problems:
                raise UserError("\n".join(problems))
            images = _squashed(reader, rows, manifest.side)
            images = progress_bar(images, f"prepare {manifest.name}", len(rows)) if bar else images
            shape = (len(rows), manifest.side, manifest.side, 3)
            _write(partial / "images.npy", _npy_blocks(images, shape, fingerprint.update))
        for row in rows:
            fingerprint.update(f"{row.class_id} {row.coarse_id} {row.part}\n".encode())
        _write(partial / "fingerprint", [fingerprint.hexdigest().encode()])
        partial.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = len(rows) * manifest.side**2 * 3 / 1e6
            raise UserError(
                f"{folder}: disk full; the store needs {needed:.0f} MB. Free space or let REPRODUCIBLE_CACHE name a"
                " folder on another disk."
            ) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _squashed(reader: _Reader, rows: tuple[Row, ...], side: int) -> Iterator[np.ndarray]:
    """The images as (side, side, 3) uint8 in order, decoded by all cores, at most 256 of them waiting."""

    def squash(row: Row) -> np.ndarray:
        image = _read_row(reader, row)
        return np.asarray(image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BICUBIC))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(rows), 256):
            yield from pool.map(squash, rows[start : start + 256])


def _npy_blocks(
    images: Iterable[np.ndarray], shape: tuple[int, ...], seen: Callable[[bytes], object]
) -> Iterator[bytes]:
    """The bytes of an .npy file of uint8 images, one after the other; ``seen`` is called with those of each image."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    yield header.getvalue()
    for image in images:
        block = image.tobytes()
        seen(block)
        yield block


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    """Writes a file and waits until it is on the disk."""
    with path.open("wb") as stream:
        stream.writelines(blocks)
        stream.flush()
        os.fsync(stream.fileno())


def _open(manifest: Manifest, rows: tuple[Row, ...], folder: Path) -> Store:
    """Opens a complete store; its pixels are mapped copy-on-write, so nothing can change the file."""
    try:
        images = np.load(folder / "images.npy", mmap_mode="c")
        fingerprint = (folder / "fingerprint").read_text()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: damaged store ({error}). Delete the folder and prepare it again.") from error
    classes = read_classes(manifest)
    return Store(
        name=manifest.name,
        fingerprint=fingerprint,
        images=images,
        labels=np.array([row.class_id for row in rows], np.int64),
        coarse=np.array([row.coarse_id for row in rows], np.int64),
        parts=np.array([row.part for row in rows]),
        paths=tuple(row.path for row in rows),
        class_names=tuple(c.name for c in classes),
        coarse_names=manifest.coarse,
        kinds=tuple(c.kind for c in classes),
    )
