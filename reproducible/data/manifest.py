"""What a data set is: its manifest in ``data_manifests`` and its index of images.

One schema, written as the dataclasses below. A key that is not a field, a field that is missing and a value of the
wrong type are errors that name the file and the field. A set comes from an archive of photographs that ships; from
photographs that a reader brings; or from the glyph renderer, whose file describes several variants, each a data set of
its own name. The dataclasses are in ``description.py``.

A name may say how photographs that a reader brings are to be stored, as in ``cub200@side=256,fit=centre,crop=box``:
that is a data set of its own, with a store of its own.
Explained on page: data-card.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reproducible.data.description import (
    PARTS,
    ArchiveManifest,
    ClassInfo,
    File,
    GlyphManifest,
    Licence,
    Manifest,
    PhotoManifest,
    Row,
)
from reproducible.data.glyphs.plan import RendererPin, Variant, glyphs_of, grouped
from reproducible.data.photographs.plan import CROPS, FITS, LAYOUTS, safe
from reproducible.data.photographs.tree import escaped
from reproducible.data.schema import convert
from reproducible.reading import read_yaml
from reproducible.resources import UserError, cache_dir, manifests, nearest_name

_NOT_DATA_SETS = ("claims", "inconsistencies", "review", "scoreboard")


@dataclass(frozen=True)
class _GlyphFile:
    """The content of a file that describes variants."""

    licence: Licence
    attribution: str
    origin: str
    renderer: RendererPin
    variants: dict[str, Variant]


def own_manifests() -> Path:
    """The folder of manifests that were written for a reader's own photographs."""
    return cache_dir() / "manifests"


def manifest_names() -> list[str]:
    """Names of the data sets that have a manifest."""
    return sorted(name for path in _files().values() for name in _names(read_yaml(path), path))


def load_manifest(source: str | Path | Manifest) -> Manifest:
    """Reads a manifest.

    Args:
        source: the name of a data set, with or without ``@`` and how it is to be stored; or the path of a YAML file,
            whose files then lie beside it (of one that describes variants, the variant named like the file); or a
            manifest, which is returned as it is.

    Raises:
        UserError: no such data set or file; not YAML; an unknown key, a missing field, a wrong type.
    """
    if isinstance(source, Manifest):
        return source
    if isinstance(source, Path):
        return _manifest(read_yaml(source), source, source.stem, source.parent)
    source = unicodedata.normalize("NFC", escaped(source))
    base, _, changes = source.partition("@")
    # A variant is named after its file, so that only that file has to be read.
    files = _files()
    path = files.get(base) or files.get(base.split("-")[0])
    if path is None or base not in _names(content := read_yaml(path), path):
        raise UserError(f"{manifests()}: there is no data set {base!r}.{nearest_name(base, manifest_names())}")
    manifest = _manifest(content, path, base, None)
    return _changed(manifest, source, changes) if changes else manifest


def _files() -> dict[str, Path]:
    """The manifests by the names of their files: the project's, then the reader's own."""
    folders = (own_manifests(), manifests())
    return {escaped(path.stem): path for f in folders for path in f.glob("*.yaml") if path.stem not in _NOT_DATA_SETS}


def _changed(manifest: Manifest, name: str, changes: str) -> PhotoManifest:
    """A manifest with other values of side, fit or crop, as a name says after its ``@``."""
    if not isinstance(manifest, PhotoManifest):
        raise UserError(f"{name}: only photographs that a reader brings can be stored in another way.")
    made: dict[str, Any] = {"name": name, "fingerprint": ""}
    for change in changes.split(","):
        key, _, value = change.partition("=")
        if key not in _CHANGES:
            raise UserError(f"{name}: unknown key {key!r}.{nearest_name(key, _CHANGES)}")
        made[key] = int(value) if key == "side" and value.isdecimal() else value
    return _checked(dataclasses.replace(manifest, **made), name)


_CHANGES = ("side", "fit", "crop")


def _checked(manifest: PhotoManifest, where: str) -> PhotoManifest:
    """The manifest, if its values are known ones."""
    for key, known in (("fit", FITS), ("crop", CROPS), ("layout", LAYOUTS)):
        if (value := getattr(manifest, key)) not in known:
            raise UserError(f"{where}: {key}: must be one of them, found {value!r}.{nearest_name(str(value), known)}")
    if not isinstance(manifest.side, int) or manifest.side < 1:
        raise UserError(f"{where}: side: must be a number of pixels, found {manifest.side!r}.")
    return manifest


def _names(content: Any, path: Path) -> list[str]:
    """The data sets that a file describes."""
    return list(content["variants"]) if _has_variants(content) else [escaped(path.stem)]


def _has_variants(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("variants"), dict)


def _manifest(content: Any, path: Path, name: str, root: Path | None) -> Manifest:
    """The data set ``name`` of a file."""
    if isinstance(content, dict) and "sources" in content:
        return _checked(dataclasses.replace(convert(content, PhotoManifest, f"{path}"), root=root), f"{path}")
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
