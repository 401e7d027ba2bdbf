"""What a data set's annotations say of its images, whatever the layout they are written in.

Explained on page: data-card.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import PurePosixPath

import numpy as np

from reproducible.data.photographs.files import Files
from reproducible.data.photographs.pictures import read_suffixes
from reproducible.data.photographs.plan import Halves, counted, few
from reproducible.resources import UserError

NO_BOX = (float("nan"),) * 4


@dataclass(frozen=True)
class Entry:
    """One image as its source describes it.

    Attributes:
        path: in the index, from which the store takes it.
        number: of the class, as the source counts.
        name: of the class.
        coarse: name of the coarse class; empty: the class itself.
        part: as the source says; empty: the manifest's rule decides.
        box: x0, y0, x1, y1 of the object in pixel edges of the photograph; NaN: none.
    """

    path: str
    number: int
    name: str
    coarse: str = ""
    part: str = ""
    box: tuple[float, float, float, float] = NO_BOX


@dataclass
class Index:
    """All images of a data set in the order of its source, and what else the source says of them.

    Attributes:
        entries: the images.
        files: path in the index -> path in the source.
        attributes: (N, A) of images, uint8, 0 or 1, or of a reader's own table float32, from 0 to 1.
        points: (N, K, 2) float32 x, y in pixels of the photograph; NaN: not visible.
        class_attributes: (C, A) float32 of classes in the order of their numbers.
        outlines: path in the index -> (P, 2) x, y in pixels of the photograph.
        remarks: what differs from the official layout without being wrong.
        lists: names of the lists that it was read from, or that were tried.
        other_roots: first folder of the paths -> where some mirrors have the images instead, in another size.
    """

    entries: list[Entry]
    files: dict[str, str] = field(default_factory=dict)
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()
    points: np.ndarray | None = None
    point_names: tuple[str, ...] = ()
    class_attributes: np.ndarray | None = None
    outlines: dict[str, np.ndarray] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    lists: str = "the index"
    other_roots: dict[str, str] = field(default_factory=dict)

    def without(self, patterns: Iterable[str]) -> Index:
        """The index without the images whose path, or a folder of it, is a pattern or, where none is, fits
        it as in a shell.

        Raises:
            UserError: a pattern fits nothing.
        """
        left_out = np.zeros(len(self.entries), bool)
        for pattern in patterns:
            fits = _fits([entry.path for entry in self.entries], unicodedata.normalize("NFC", pattern).rstrip("/"))
            if not any(fits):
                raise UserError(f"exclude: nothing has a path like {pattern!r}.")
            left_out |= fits
        if not left_out.any():
            return self
        self.entries = [entry for entry, out in zip(self.entries, left_out, strict=True) if not out]
        self.attributes = None if self.attributes is None else self.attributes[~left_out]
        self.points = None if self.points is None else self.points[~left_out]
        return self


def _fits(paths: list[str], pattern: str) -> list[bool]:
    """Which paths are a pattern or lie in it; where none does, which fit it as in a shell."""
    literal = [path == pattern or path.startswith(f"{pattern}/") for path in paths]
    return literal if any(literal) else [fnmatch(path, pattern) or fnmatch(path, f"{pattern}/*") for path in paths]


def parts_of(train: Halves, entries: Sequence[Entry]) -> list[str]:
    """The part of each image: the source's own, or train and test by a rule over classes."""
    if train.rule == "given":
        return [entry.part for entry in entries]
    trained = train.trained({entry.number: entry.name for entry in entries})
    return ["train" if entry.number in trained else "test" for entry in entries]


def folder_of(files: Files, name: str) -> str:
    """Where in a source a list of the official layout lies: "" or a path that ends with a slash.

    Raises:
        UserError: it is not there.
    """
    found = [path for path in files.sizes if path == name or path.endswith("/" + name)]
    if not found:
        raise UserError(f"{files.name}: there is no {name}. Is this the whole data set, in its official layout?")
    return min(found, key=len).removesuffix(name)


def match(index: Index, files: Files, rename: tuple[str, ...] = ()) -> list[str]:
    """Finds each image of the index in the source and fills in ``index.files``.

    The images may lie in any folder of the source and may have been encoded in another format; see :func:`located`.

    Returns:
        One line for each image that is missing, at most ten and their number; remarks go to the index.
    """
    wanted = [re.sub(rename[0], rename[1], e.path) if rename else e.path for e in index.entries]
    found = located(wanted, files)
    for root, other in index.other_roots.items():
        mine = [path for path in wanted if path.startswith(f"{root}/")]
        if mine and not any(path in found for path in mine):
            moved = located([other + path.removeprefix(root) for path in mine], files)
            found |= {root + path.removeprefix(other): place for path, place in moved.items()}
            if moved:
                index.entries = [replace(entry, box=NO_BOX) for entry in index.entries]
                index.remarks.append(f"images of {other} instead of {root}: of another size, so boxes are left out.")
    index.files = {e.path: found[path] for e, path in zip(index.entries, wanted, strict=True) if path in found}
    encoded_anew = sum(PurePosixPath(path).suffix != PurePosixPath(place).suffix for path, place in found.items())
    if encoded_anew:
        index.remarks.append(f"{encoded_anew} images have another file format than in the official set: a mirror.")
    surplus = sorted(set(files.images()) - set(index.files.values()))
    if surplus:
        index.remarks.append(counted("images that no list names, not used", surplus))
    missing = [path for path in wanted if path not in found]
    if missing and len(missing) == len(wanted):
        said = f"none of the {len(wanted):,} images that {index.lists} names is here"
        return [f"{files.name}: {said}: looked for {missing[0]}, there is {_nearest(missing[0], files.images())}."]
    prefix = _commonest(found)
    return few([f"{files.name}: {prefix}{path}: missing, the index lists it." for path in missing])


def located(wanted: Sequence[str], files: Files) -> dict[str, str]:
    """Where paths of an index lie in a source, by their longest matching tail.

    A file is an image of the index where its path ends with the whole path that the index has, whatever folders come
    before and whatever its ending is. Where several do, the folder wins that holds most images of the same first
    folder, then the one with the shortest path.
    """
    stems = {_stem(path): path for path in files.images()}
    tails: dict[str, list[str]] = {}
    for depth in {path.count("/") for path in wanted}:
        for stem in stems:
            if stem.count("/") >= depth:
                tails.setdefault("/".join(stem.split("/")[-1 - depth :]), []).append(stem)
    fits = {path: [one.removesuffix(_stem(path)) for one in tails.get(_stem(path), ())] for path in wanted}
    held = Counter((path.partition("/")[0], prefix) for path, prefixes in fits.items() for prefix in prefixes)
    found = {}
    for path, prefixes in fits.items():
        if prefixes:
            root = path.partition("/")[0]
            prefix = min(prefixes, key=lambda one: (-held[root, one], len(one), one))
            found[path] = prefix + path if prefix + path in files.sizes else stems[prefix + _stem(path)]
    return found


def _commonest(found: dict[str, str]) -> str:
    """The folder of the source that most paths of an index are relative to."""
    prefixes = Counter(_stem(place).removesuffix(_stem(path)) for path, place in found.items())
    return prefixes.most_common(1)[0][0] if prefixes else ""


def _nearest(path: str, there: Sequence[str]) -> str:
    """The image of a source whose path is most like one that is missing."""
    if not there:
        return "no photograph at all"
    same = [one for one in there if PurePosixPath(one).stem == PurePosixPath(path).stem]
    close = same or difflib.get_close_matches(path, there[:1000], n=1, cutoff=0) or there
    return min(close, key=len)


def _stem(path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix) if suffix.lower() in read_suffixes() else path
