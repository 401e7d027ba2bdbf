"""Folders, tar and zip archives and single files, read as one tree. Nothing is ever extracted to the disk.

Explained on page: data-card.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from reproducible.data.photographs.pictures import read_suffixes, unread_suffixes
from reproducible.data.photographs.plan import counted, safe
from reproducible.data.photographs.tree import Tree, escaped, is_litter, proper, walk
from reproducible.resources import UserError

TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError)


class Files:
    """The files of a source by their path, in NFC.

    Attributes:
        name: of the source, for messages.
        sizes: path -> bytes.
    """

    def __init__(self, name: str, places: Collection[Path]) -> None:
        """Lists everything.

        Args:
            name: of the source, for messages.
            places: folders, archives and single files.

        Raises:
            UserError: a damaged archive; a member that is a link or leaves its folder; a name that is not UTF-8.
        """
        self.name = name
        self.sizes: dict[str, int] = {}
        self._beside = Tree()
        self._places = list(places)
        self._owner: dict[str, Path] = {}
        for place in self._places:
            for path, size in self._walked(place) if place.is_dir() else _listed(place):
                if is_litter(path):
                    self._beside.litter.append(path)
                else:
                    self.sizes[path] = size
                    self._owner[path] = place

    def _walked(self, place: Path) -> Iterator[tuple[str, int]]:
        tree = walk(place)
        self._beside.add(tree)
        return ((path, size) for path, (_, size) in tree.files.items())

    def remarks(self) -> list[str]:
        """What was found and is not used: litter, second ways into a folder, what is no file, formats not read."""
        unread = [path for path in self.sizes if PurePosixPath(path).suffix.lower() in unread_suffixes()]
        kinds = ", ".join(sorted({PurePosixPath(path).suffix.lower() for path in unread}))
        found = {
            "files or folders that an operating system or a tool left behind, not used": self._beside.litter,
            "links to folders that are entered another way already, not followed": self._beside.again,
            "links that lead nowhere and other things that are no files, not used": self._beside.no_file,
            f"files in formats that are not read ({kinds}), not used; save them as JPEG or PNG": unread,
        }
        return [counted(what, sorted(paths)) for what, paths in found.items() if paths]

    @property
    def folders(self) -> list[str]:
        """Folders of the first level, of a source that is a folder."""
        return self._beside.folders

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files in the order of the source, which for a compressed archive is the only cheap one.

        Raises:
            UserError: the archive is damaged from some member on.
        """
        for place in self._places:
            mine = {path for path in wanted if self._owner[path] == place}
            if mine and place.is_dir():
                for path in sorted(mine):
                    yield path, self._content(place, path)
            elif mine:
                yield from _read(place, mine)

    def _content(self, place: Path, path: str) -> bytes:
        try:
            return Path(self._beside.files[path][0]).read_bytes()
        except OSError as error:
            raise UserError(f"{place}: {path}: cannot be read ({error.strerror}).") from error

    def read(self, *paths: str) -> list[bytes]:
        """The content of some files."""
        found = dict(self.stream(paths))
        return [found[path] for path in paths]

    def images(self) -> list[str]:
        """Paths that end like an image."""
        return [path for path in self.sizes if PurePosixPath(path).suffix.lower() in read_suffixes()]


def _listed(place: Path) -> Iterator[tuple[str, int]]:
    """Path and size of everything in an archive; of a single file, itself."""
    if place.suffix == ".zip":
        with _open(place) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield _checked(place, member.filename, (member.external_attr >> 28) != 0o12), member.file_size
    elif place.name.endswith(TARS):
        with _open(place) as archive:
            for member in archive:
                if not member.isdir():
                    yield _checked(place, member.name, member.isfile()), member.size
    else:
        yield place.name, place.stat().st_size


def _read(place: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted files of one archive, or a single file."""
    if place.suffix == ".zip":
        with _open(place) as archive:
            for member in archive.infolist():
                if (path := _name(place, member.filename)) in wanted:
                    try:
                        content = archive.read(member)
                    except _DAMAGE as error:  # a wrong CRC, or a password
                        raise UserError(f"{place}: {path}: cannot be read ({error}).") from error
                    yield path, content
    elif place.name.endswith(TARS):
        left = set(wanted)
        with _open(place) as archive:
            for member in archive:
                path = _name(place, member.name)
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
    path = _name(place, name)
    if not plain or not safe(path):
        raise UserError(f"{place}: member {path!r} is a link, no plain file or leaves its folder.")
    return path


def _name(place: Path, name: str) -> str:
    """The path of a member."""
    try:
        return proper(name.removeprefix("./"))
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: member {escaped(name)}: its name is not UTF-8; rename it.") from error
