"""What a data set's annotations say of its images, whatever the layout they are written in.

Explained on page: data-card.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath

import numpy as np

from reproducible.data.photographs.files import IMAGES, Files
from reproducible.data.photographs.plan import Halves
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

    def without(self, patterns: Iterable[str]) -> Index:
        """The index without the images whose path, or a folder of it, fits a pattern.

        Raises:
            UserError: a pattern fits nothing.
        """
        patterns = list(patterns)
        left_out = np.zeros(len(self.entries), bool)
        for pattern in patterns:
            fits = [fnmatch(e.path, pattern) or fnmatch(e.path, f"{pattern}/*") for e in self.entries]
            if not any(fits):
                raise UserError(f"exclude: nothing has a path like {pattern!r}.")
            left_out |= fits
        if not left_out.any():
            return self
        self.entries = [entry for entry, out in zip(self.entries, left_out, strict=True) if not out]
        self.attributes = None if self.attributes is None else self.attributes[~left_out]
        self.points = None if self.points is None else self.points[~left_out]
        return self


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

    The images may lie in any folder of the source, the same for all, and may have been encoded in another format.

    Returns:
        One line for each image that is missing, and remarks go to the index.
    """
    import re

    wanted = [re.sub(rename[0], rename[1], e.path) if rename else e.path for e in index.entries]
    there = files.images()
    stems = {_stem(path): path for path in there}
    prefix = _prefix(wanted, stems)
    missing, encoded_anew = [], 0
    for entry, path in zip(index.entries, wanted, strict=True):
        exact = prefix + path
        found = exact if exact in files.sizes else stems.get(_stem(exact))
        if found is None:
            missing.append(f"{files.name}: {exact}: missing, the index lists it.")
        else:
            encoded_anew += found != exact
            index.files[entry.path] = found
    if encoded_anew:
        index.remarks.append(f"{encoded_anew} images have another file format than in the official set: a mirror.")
    surplus = sorted(set(there) - set(index.files.values()))
    if surplus:
        shown = ", ".join(surplus[:5]) + (", ..." if len(surplus) > 5 else "")
        index.remarks.append(f"{len(surplus)} images that no list names, not used: {shown}")
    return missing


def _stem(path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix) if suffix.lower() in IMAGES else path


def _prefix(wanted: list[str], stems: dict[str, str]) -> str:
    """The folder of the source that the paths of an index are relative to."""
    if any(_stem(path) in stems for path in wanted):
        return ""
    lasts: dict[str, list[str]] = {}
    for stem in stems:
        lasts.setdefault(stem.rpartition("/")[2], []).append(stem)
    for path in wanted:  # the first that is there decides
        for stem in sorted(lasts.get(_stem(path).rpartition("/")[2], ()), key=len):
            if stem.endswith("/" + _stem(path)):
                return stem.removesuffix(_stem(path))
    return ""
