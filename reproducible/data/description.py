"""What a manifest says, as dataclasses: one schema for every data set. Explained on page: data-card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reproducible.data.glyphs.plan import RendererPin, Variant
from reproducible.data.photographs.plan import Halves, HeldOut, Source
from reproducible.resources import UserError, asset

PARTS = ("train", "val", "test", "iconic")

Protocol = tuple[tuple[str, ...], tuple[str, ...]]
"""Parts of the queries, parts of the gallery; where they are the same, a query is left out of its own gallery."""


@dataclass(frozen=True)
class Licence:
    """Name of the licence and the file that holds its text; empty where nothing is shipped."""

    name: str
    asset: str = ""


@dataclass(frozen=True)
class File:
    """A file that belongs to the data set: name, digest and size in bytes."""

    asset: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Archive(File):
    """The tar file of all images; every member lies in ``folder``."""

    folder: str


@dataclass(frozen=True)
class Validation:
    """How V is drawn: how many classes, out of which ids (first, last), with which seed."""

    ids: tuple[int, int]
    classes: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A data set's description, whatever its images come from.

    Attributes:
        side: pixels; the store holds images of side x side.
        fingerprint: SHA-256 over pixels, labels, parts and what else the store holds (``Store.fingerprint``) on the
            reference machine; empty where nobody has prepared the set from its official source for us.
        counts: images by part.
        coarse: names of the coarse classes in the order of their ids.
        kinds: kind -> (first, last) class id.
        protocols: retrieval protocols by name; the first is the primary one.
        root: folder of the files; None: the package's assets.
    """

    name: str
    title: str
    licence: Licence
    attribution: str
    origin: str
    side: int
    fingerprint: str
    counts: dict[str, int]
    coarse: tuple[str, ...]
    kinds: dict[str, tuple[int, int]]
    protocols: dict[str, Protocol]
    root: Path | None = field(default=None, metadata={"private": True})

    def kind_of(self, class_id: int) -> str:
        """Kind (fruit, carton, ...) of a class id."""
        for kind, (first, last) in self.kinds.items():
            if first <= class_id <= last:
                return kind
        raise UserError(f"Data set {self.name!r}: no kind covers class id {class_id}; kinds: {self.kinds}.")


@dataclass(frozen=True, kw_only=True)
class ArchiveManifest(Manifest):
    """Photographs in a tar archive with an index.

    Attributes:
        near_duplicate_cosine: threshold of the near-duplicate analysis.
        imagenet_overlap: ImageNet-1k label -> class names it names or contains.
        imagenet_related: ImageNet-1k label that comes near without naming a class -> why it does not count.
    """

    archive: Archive
    index: File
    validation: Validation
    near_duplicate_cosine: float
    imagenet_overlap: dict[str, tuple[str, ...]]
    imagenet_related: dict[str, str]

    def path(self, file: File | Licence) -> Path:
        """Where one of the set's files is.

        Raises:
            UserError: if it is not there.
        """
        if self.root is None:
            return asset(file.asset)
        path = self.root / file.asset
        if not path.is_file():
            raise UserError(f"{path}: missing; data set {self.name!r} needs it. Origin: {self.origin}.")
        return path


@dataclass(frozen=True, kw_only=True)
class GlyphManifest(Manifest):
    """Glyphs that are rendered where they are needed.

    Attributes:
        pin: what the fingerprint was computed with.
        variant: which classes, how many images, how difficult.
    """

    pin: RendererPin
    variant: Variant


@dataclass(frozen=True, kw_only=True)
class PhotoManifest(Manifest):
    """Photographs that a reader brings: from an official archive, a mirror or a folder.

    Attributes:
        layout: how the annotations are written: a name of ``photographs/layouts.py``.
        train: which classes are trained on.
        validation: how many of these are held out as V, drawn with which seed.
        classes: number of classes by part, as ``counts`` of images.
        sources: where the files can come from, the first that is there is taken.
        fit: "squash" to side x side, or "centre": the central square of the short side.
        crop: "none", or "box": to the object's box before anything else.
        exclude: images left out: patterns of paths, as in a shell.
        listing: SHA-256 over paths and sizes, of a folder that was described here; empty otherwise.
        defects: what is known to be wrong with the source, for the reader.
    """

    layout: str
    train: Halves
    validation: HeldOut
    classes: dict[str, int]
    sources: tuple[Source, ...]
    fingerprint: str = ""
    coarse: tuple[str, ...] = ()
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    fit: str = "squash"
    crop: str = "none"
    exclude: tuple[str, ...] = ()
    listing: str = ""
    defects: tuple[str, ...] = ()


class Row(NamedTuple):
    """One image of the index."""

    path: str
    class_id: int
    class_name: str
    coarse_id: int
    part: str
    width: int
    height: int


class ClassInfo(NamedTuple):
    """One class: id, name, coarse class id, kind."""

    id: int
    name: str
    coarse_id: int
    kind: str
