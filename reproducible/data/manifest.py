"""What a data set is: its manifest in ``data_manifests`` and its index of images.

One schema, written as the dataclasses below. A key that is not a field, a field that is missing and a value of the
wrong type are errors that name the file and the field. A set comes from an archive of photographs, one file a set, or
from the glyph renderer, whose file describes several variants; each variant is a data set of its own name.
Explained on page: data-card.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from reproducible.data.glyphs.plan import RendererPin, Variant, glyphs_of, grouped
from reproducible.data.schema import convert
from reproducible.resources import UserError, asset, manifests, nearest_name

PARTS = ("train", "val", "test", "iconic")
_NOT_DATA_SETS = {"claims"}

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
            reference machine.
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


@dataclass(frozen=True)
class _GlyphFile:
    """The content of a file that describes variants."""

    licence: Licence
    attribution: str
    origin: str
    renderer: RendererPin
    variants: dict[str, Variant]


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


def manifest_names() -> list[str]:
    """Names of the data sets that have a manifest."""
    files = (path for path in manifests().glob("*.yaml") if path.stem not in _NOT_DATA_SETS)
    return sorted(name for path in files for name in _names(_read(path), path))


def load_manifest(source: str | Path | Manifest) -> Manifest:
    """Reads a manifest.

    Args:
        source: the name of a data set; or the path of a YAML file, whose files then lie beside it (of one that
            describes variants, the variant named like the file); or a manifest, which is returned as it is.

    Raises:
        UserError: no such data set or file; not YAML; an unknown key, a missing field, a wrong type.
    """
    if isinstance(source, Manifest):
        return source
    if isinstance(source, Path):
        return _manifest(_read(source), source, source.stem, source.parent)
    # A variant is named after its file, so that only that file has to be read.
    files = {path.stem: path for path in manifests().glob("*.yaml") if path.stem not in _NOT_DATA_SETS}
    path = files.get(source) or files.get(source.split("-")[0])
    if path is None or source not in _names(content := _read(path), path):
        known = manifest_names()
        raise UserError(f"{manifests()}: there is no data set {source!r}.{nearest_name(source, known)}")
    return _manifest(content, path, source, None)


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from error


def _names(content: Any, path: Path) -> list[str]:
    """The data sets that a file describes."""
    return list(content["variants"]) if _has_variants(content) else [path.stem]


def _has_variants(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("variants"), dict)


def _manifest(content: Any, path: Path, name: str, root: Path | None) -> Manifest:
    """The data set ``name`` of a file."""
    if not _has_variants(content):
        return dataclasses.replace(convert(content, ArchiveManifest, f"{path}"), root=root)
    file: _GlyphFile = convert(content, _GlyphFile, f"{path}")
    if name not in file.variants:
        raise UserError(f"{path}: there is no variant {name!r}.{nearest_name(name, file.variants)}")
    variant = file.variants[name]
    glyphs = glyphs_of(variant, f"{path}: variants: {name}")
    coarse, kinds = grouped(glyphs)
    return GlyphManifest(
        name=name,
        title=variant.title,
        licence=file.licence,
        attribution=file.attribution,
        origin=file.origin,
        side=variant.side,
        fingerprint=variant.fingerprint,
        counts={part: count * len(glyphs) for part, count in variant.images.items()},
        coarse=coarse,
        kinds=kinds,
        protocols=variant.protocols,
        root=root,
        pin=file.renderer,
        variant=variant,
    )


def check_digest(manifest: ArchiveManifest, file: File) -> Path:
    """Path of one of the set's files whose SHA-256 is as the manifest says.

    Raises:
        UserError: with the digest expected, the one found and where the file comes from.
    """
    path = manifest.path(file)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise UserError(
            f"{path}: wrong checksum. SHA-256 expected {file.sha256}, found {found}"
            f" ({path.stat().st_size} bytes, {file.bytes} expected). Origin: {manifest.origin}."
        )
    return path


def read_index(manifest: Manifest) -> tuple[Row, ...]:
    """The images of a data set in the order of its index, which is the order of the store.

    Raises:
        UserError: wrong checksum; a line that cannot be read; counts by part that differ from the manifest's.
    """
    if isinstance(manifest, GlyphManifest):
        return _planned(manifest)
    assert isinstance(manifest, ArchiveManifest)
    path = check_digest(manifest, manifest.index)
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            try:
                row = Row(
                    path=line["path"],
                    class_id=int(line["class_id"]),
                    class_name=line["class"],
                    coarse_id=int(line["coarse_id"]),
                    part=line["split"],
                    width=int(line["w"]),
                    height=int(line["h"]),
                )
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{path}, line {len(rows) + 2}: cannot be read: {error!r}") from error
            if row.part not in PARTS or not safe(row.path):
                raise UserError(f"{path}, line {len(rows) + 2}: part {row.part!r} or path {row.path!r} is not allowed.")
            rows.append(row)
    counts = {part: sum(row.part == part for row in rows) for part in manifest.counts}
    if counts != manifest.counts or sum(counts.values()) != len(rows):
        raise UserError(f"{path}: has images by part {counts}, {len(rows)} in all; expected {manifest.counts}.")
    return tuple(rows)


def read_classes(manifest: Manifest) -> tuple[ClassInfo, ...]:
    """The classes of a data set in the order of their ids, which run from 0 without a gap.

    Raises:
        UserError: as :func:`read_index`; ids with a gap; one id with two names or coarse classes.
    """
    if isinstance(manifest, GlyphManifest):
        bases = list(dict.fromkeys(glyph.base for glyph in glyphs_of(manifest.variant)))
        glyphs = enumerate(glyphs_of(manifest.variant))
        return tuple(ClassInfo(i, g.label, bases.index(g.base), manifest.kind_of(i)) for i, g in glyphs)
    assert isinstance(manifest, ArchiveManifest)
    found = sorted({(row.class_id, row.class_name, row.coarse_id) for row in read_index(manifest)})
    if [class_id for class_id, _, _ in found] != list(range(len(found))):
        raise UserError(f"{manifest.path(manifest.index)}: class ids must run from 0 without gaps or two meanings.")
    if sorted({coarse for _, _, coarse in found}) != list(range(len(manifest.coarse))):
        raise UserError(
            f"{manifest.path(manifest.index)}: coarse class ids must be 0 to {len(manifest.coarse) - 1},"
            " one for each name in the manifest's field 'coarse'."
        )
    return tuple(ClassInfo(i, name, coarse, manifest.kind_of(i)) for i, name, coarse in found)


def _planned(manifest: GlyphManifest) -> tuple[Row, ...]:
    """The images of a variant: class after class, part after part."""
    numbered = list(enumerate(part for part, count in manifest.variant.images.items() for _ in range(count)))
    return tuple(
        Row(f"{c.id:04d}/{number:03d}", c.id, c.name, c.coarse_id, part, manifest.side, manifest.side)
        for c in read_classes(manifest)
        for number, part in numbered
    )


def safe(name: str) -> bool:
    """True for a relative path that stays inside its folder."""
    return bool(name) and name[0] != "/" and ".." not in name.split("/") and "\\" not in name and "\0" not in name
