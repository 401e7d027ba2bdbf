"""What lies in a folder: each real folder entered once, litter and what is no file left out and named, names in NFC.

Explained on page: data-card.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from reproducible.data.photographs.plan import counted
from reproducible.resources import UserError

_LITTER = {"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle", "@recycle"}
_LITTER |= {"thumbs.db", "desktop.ini", "ehthumbs.db"}


@dataclass
class Tree:
    """The files of a folder.

    Attributes:
        files: path below the folder, in NFC and with slashes -> where it is on the disk, and its bytes.
        folders: of the first level.
        litter: what an operating system or a tool left behind.
        again: links to folders that are entered another way already, or that lie around this one.
        no_file: links that lead nowhere, pipes and the like.
    """

    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    no_file: list[str] = field(default_factory=list)

    def add(self, other: Tree) -> None:
        """Take in what another folder of the same source holds."""
        self.files |= other.files
        for name in ("folders", "litter", "again", "no_file"):
            getattr(self, name).extend(getattr(other, name))


def is_litter(path: str) -> bool:
    """Whether a file, or a folder that it lies in, is hidden or the work of an operating system or a tool."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in path.split("/"))


def readable(name: str) -> str:
    """A name or path of the file system as text, also where Python was started in a locale that knows ASCII alone.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    odd = any("\ud800" <= letter <= "\udfff" for letter in name)
    return os.fsencode(name).decode("utf-8") if odd else name


def proper(name: str) -> str:
    """The same in NFC, in which all names are compared."""
    return unicodedata.normalize("NFC", readable(name))


def escaped(name: str) -> str:
    """A name that can be printed: bytes that are not UTF-8 as ``\\xe9``."""
    try:
        return readable(name)
    except UnicodeDecodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")


def on_disk(text: str) -> Path:
    """The path that a text from a file names, in the encoding of the file system."""
    return Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))


def natural(text: str) -> tuple[list[str | int], str]:
    """A key that sorts 2 before 10."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", text))], text


def walk(root: Path) -> Tree:
    """Lists a folder.

    A link to a folder is followed once, after all real folders; one to a folder that is known already, or to one that
    the root lies in, is left out.

    Raises:
        UserError: a name is not UTF-8; two names are the same in NFC; a folder cannot be read.
    """
    tree, seen, bad = Tree(), {_mark(str(folder)) for folder in (root, *root.resolve().parents)}, []
    waiting: list[tuple[str, str]] = [("", str(root))]
    links: list[tuple[str, str]] = []
    while waiting or links:
        if not waiting:
            path, place = links.pop(0)
            if _mark(place) in seen:
                tree.again.append(path)
                continue
            seen.add(_mark(place))
            waiting.append((path + "/", place))
        prefix, place = waiting.pop()
        for entry in _entries(place):
            try:
                path = prefix + proper(entry.name)
            except UnicodeDecodeError:
                bad.append(prefix + escaped(entry.name))
                continue
            kind = _kind(entry)
            if is_litter(path):
                tree.litter.append(path)
            elif kind == "folder":
                if not prefix:
                    tree.folders.append(path)
                if entry.is_symlink():
                    links.append((path, entry.path))
                else:
                    seen.add(_mark(entry.path))
                    waiting.append((path + "/", entry.path))
            elif kind == "file" and path in tree.files:
                raise UserError(
                    f"{escaped(str(root))}: {path}: two files have this name, written in two ways; rename one of them."
                )
            elif kind == "file":
                tree.files[path] = (entry.path, entry.stat().st_size)
            else:
                tree.no_file.append(path)
    if bad:
        raise UserError(f"{escaped(str(root))}: {counted('names that are not UTF-8, to be renamed', sorted(bad))}")
    tree.files = dict(sorted(tree.files.items()))
    return tree


def _entries(place: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{escaped(place)}: the folder cannot be read ({error.strerror}).") from error


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except OSError:  # a link to itself
        return ""


def _mark(place: str) -> tuple[int, int]:
    known = os.stat(place)
    return known.st_dev, known.st_ino
