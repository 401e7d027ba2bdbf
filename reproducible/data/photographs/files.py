"""Folders, tar and zip archives and single files, read as one tree. Nothing is ever extracted to the disk.

Explained on page: data-card.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from reproducible.data.photographs.plan import safe
from reproducible.resources import UserError

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError)


class Files:
    """The files of a source by their path.

    Attributes:
        name: of the source, for messages.
        sizes: path -> bytes.
        left_out: paths of what the operating system of another machine left behind (``._name``, ``__MACOSX``).
    """

    def __init__(self, name: str, places: Collection[Path]) -> None:
        """Lists everything.

        Args:
            name: of the source, for messages.
            places: folders, archives and single files.

        Raises:
            UserError: a damaged archive; a member that is a link or leaves its folder.
        """
        self.name = name
        self.sizes: dict[str, int] = {}
        self.left_out: list[str] = []
        self._places = list(places)
        self._owner: dict[str, Path] = {}
        for place in self._places:
            for path, size in _listed(place):
                if _litter(path):
                    self.left_out.append(path)
                else:
                    self.sizes[path] = size
                    self._owner[path] = place

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files in the order of the source, which for a compressed archive is the only cheap one.

        Raises:
            UserError: the archive is damaged from some member on.
        """
        for place in self._places:
            mine = {path for path in wanted if self._owner[path] == place}
            if mine:
                yield from _read(place, mine)

    def read(self, *paths: str) -> list[bytes]:
        """The content of some files."""
        found = dict(self.stream(paths))
        return [found[path] for path in paths]

    def images(self) -> list[str]:
        """Paths that end like an image."""
        return [path for path in self.sizes if PurePosixPath(path).suffix.lower() in IMAGES]


def _litter(path: str) -> bool:
    parts = path.split("/")
    return parts[-1].startswith("._") or "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db")


def _listed(place: Path) -> Iterator[tuple[str, int]]:
    """Path and size of everything in a folder or an archive; of a single file, itself."""
    if place.is_dir():
        for folder, below, names in os.walk(place, followlinks=True):
            below.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file():
                    yield path.relative_to(place).as_posix(), path.stat().st_size
    elif place.suffix == ".zip":
        with _open(place) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield _checked(place, member.filename, (member.external_attr >> 28) != 0o12), member.file_size
    elif place.name.endswith(_TARS):
        with _open(place) as archive:
            for member in archive:
                if not member.isdir():
                    yield _checked(place, member.name.removeprefix("./"), member.isfile()), member.size
    else:
        yield place.name, place.stat().st_size


def _read(place: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted files of one place."""
    if place.is_dir():
        for path in sorted(wanted):
            yield path, (place / path).read_bytes()
    elif place.suffix == ".zip":
        with _open(place) as archive:
            for member in archive.infolist():
                if member.filename in wanted:
                    try:
                        content = archive.read(member)
                    except _DAMAGE as error:  # a wrong CRC, or a password
                        raise UserError(f"{place}: {member.filename}: cannot be read ({error}).") from error
                    yield member.filename, content
    elif place.name.endswith(_TARS):
        left = set(wanted)
        with _open(place) as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                if path in left:
                    left.remove(path)
                    yield path, archive.extractfile(member).read()
                    if not left:
                        return
    else:
        yield place.name, place.read_bytes()


@contextmanager
def _open(place: Path) -> Iterator:
    """An open archive; whatever goes wrong while it is read is an error that names it."""
    try:
        with zipfile.ZipFile(place) if place.suffix == ".zip" else tarfile.open(place, "r|*") as archive:
            yield archive
    except _DAMAGE as error:
        raise UserError(f"{place}: cannot be read to its end ({type(error).__name__}: {error}).") from error


def _checked(place: Path, name: str, plain: bool) -> str:
    if not plain or not safe(name):
        raise UserError(f"{place}: member {name!r} is a link, no plain file or leaves its folder.")
    return name
