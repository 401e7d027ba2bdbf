"""Images from a tar archive: reading, checking and packing. Nothing is extracted. Explained on page: data-card."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reproducible.data.manifest import ArchiveManifest, Manifest, Row, check_digest, load_manifest, read_index, safe
from reproducible.data.photographs.pictures import read
from reproducible.data.photographs.plan import few
from reproducible.progress import progress as progress_bar
from reproducible.resources import UserError, nearest_name


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
        content = os.pread(self.descriptor, member.size, member.offset_data)
        return Image.fromarray(read(content, f"{self.archive}: {path}").pixels)


def _siblings(path: str, known: Iterable[str]) -> list[str]:
    """The known paths in the folder of ``path``, or else all folders: enough to find the nearest name."""
    folder = path.rpartition("/")[0]
    return [k for k in known if k.rpartition("/")[0] == folder] or sorted({k.rpartition("/")[0] for k in known})


@contextmanager
def _reader(manifest: ArchiveManifest) -> Iterator[_Reader]:
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
    return few(missing + [f"{reader.archive}: {path}: surplus, not in the index." for path in sorted(found - listed)])


def _read_row(reader: _Reader, row: Row) -> Image.Image:
    """The image of a row of the index, in the size that the index gives."""
    image = reader.image(row.path)
    if image.size != (row.width, row.height):
        found, expected = f"{image.width} x {image.height}", f"{row.width} x {row.height}"
        raise UserError(f"{reader.archive}: {row.path}: wrong size, {expected} expected, {found} found.")
    return image


def read_images(source: str | Path | Manifest, paths: Iterable[str]) -> Iterator[Image.Image]:
    """Images from the archive one after the other, RGB, each in its own aspect.

    Raises:
        UserError: no such image, with the nearest path; corrupt or truncated.
    """
    manifest = load_manifest(source)
    if not isinstance(manifest, ArchiveManifest):
        raise UserError(f"Data set {manifest.name!r} has no archive to read from; only sets that ship have one.")
    with _reader(manifest) as reader:
        for path in paths:
            yield reader.image(path)


def read_image(source: str | Path | Manifest, path: str) -> Image.Image:
    """One image from the archive; see :func:`read_images`, which is faster for many."""
    return next(read_images(source, [path]))


def pack(manifest: ArchiveManifest, rows: tuple[Row, ...], folder: Path, bar: bool) -> None:
    """Decodes every image with all cores, squashes it to side x side (Pillow, bicubic) and writes ``images.npy``.

    Raises:
        UserError: wrong checksum; missing or surplus file; corrupt, truncated or wrongly sized image.
    """
    check_digest(manifest, manifest.archive)
    with _reader(manifest) as reader:
        problems = _check_files(reader, rows)
        if problems:
            raise UserError("\n".join(problems))
        images = _squashed(reader, rows, manifest.side)
        images = progress_bar(images, f"prepare {manifest.name}", len(rows)) if bar else images
        shape = (len(rows), manifest.side, manifest.side, 3)
        with (folder / "images.npy").open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
            stream.writelines(image.tobytes() for image in images)
            stream.flush()
            os.fsync(stream.fileno())


def problems_of(manifest: ArchiveManifest, bar: bool) -> tuple[int, list[str]]:
    """Number of images checked, and one line for whatever is wrong with digests, the list of files or an image."""
    problems: list[str] = []
    images = 0
    try:
        rows = read_index(manifest)
        problems += _problem(check_digest, manifest, manifest.archive)
        with _reader(manifest) as reader, ThreadPoolExecutor(os.cpu_count()) as pool:
            problems += _check_files(reader, rows)
            present = [row for row in rows if row.path in reader.members]
            found = pool.map(lambda row: _problem(_read_row, reader, row), present)
            for problem in progress_bar(found, f"verify {manifest.name}", len(present)) if bar else found:
                images += 1
                problems += problem
    except UserError as error:
        problems.append(str(error))
    return images, problems


def _squashed(reader: _Reader, rows: tuple[Row, ...], side: int) -> Iterator[np.ndarray]:
    """The images as (side, side, 3) uint8 in order, decoded by all cores, at most 256 of them waiting."""

    def squash(row: Row) -> np.ndarray:
        image = _read_row(reader, row)
        return np.asarray(image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BICUBIC))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(rows), 256):
            yield from pool.map(squash, rows[start : start + 256])
