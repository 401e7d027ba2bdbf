"""What a data set is: its manifest ``data_manifests/<name>.yaml`` and its index of images.

One schema, written as the dataclasses below. A key that is not a field, a field that is missing and a value of the
wrong type are errors that name the file and the field. Explained on page: data-card.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from reproducible.resources import UserError, asset, check_keys, manifests, nearest_name

PARTS = ("train", "val", "test", "iconic")
_NOT_DATA_SETS = {"claims"}


@dataclass(frozen=True)
class Licence:
    """Name of the licence and the file that holds its text."""

    name: str
    asset: str


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


@dataclass(frozen=True)
class Manifest:
    """A data set's description.

    Attributes:
        side: pixels; the store holds images of side x side.
        fingerprint: SHA-256 over decoded pixels, labels and parts (``Store.fingerprint``) on the reference machine.
        counts: images by part.
        coarse: names of the coarse classes in the order of their ids.
        kinds: kind -> (first, last) class id.
        near_duplicate_cosine: threshold of the near-duplicate analysis.
        imagenet_overlap: ImageNet-1k label -> class names it names or contains.
        imagenet_related: ImageNet-1k label that comes near without naming a class -> why it does not count.
        root: folder of the files; None: the package's assets.
    """

    name: str
    title: str
    licence: Licence
    attribution: str
    origin: str
    archive: Archive
    index: File
    side: int
    fingerprint: str
    counts: dict[str, int]
    coarse: tuple[str, ...]
    kinds: dict[str, tuple[int, int]]
    validation: Validation
    near_duplicate_cosine: float
    imagenet_overlap: dict[str, tuple[str, ...]]
    imagenet_related: dict[str, str]
    root: Path | None = None

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

    def kind_of(self, class_id: int) -> str:
        """Kind (fruit, carton, ...) of a class id."""
        for kind, (first, last) in self.kinds.items():
            if first <= class_id <= last:
                return kind
        raise UserError(f"Data set {self.name!r}: no kind covers class id {class_id}; kinds: {self.kinds}.")


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
    return sorted(p.stem for p in manifests().glob("*.yaml") if p.stem not in _NOT_DATA_SETS)


def load_manifest(source: str | Path | Manifest) -> Manifest:
    """Reads a manifest.

    Args:
        source: the name of a data set; or the path of a YAML file, whose files then lie beside it; or a manifest,
            which is returned as it is.

    Raises:
        UserError: no such data set or file; not YAML; an unknown key, a missing field, a wrong type.
    """
    import yaml

    if isinstance(source, Manifest):
        return source
    root = source.parent if isinstance(source, Path) else None
    path = source if isinstance(source, Path) else manifests() / f"{source}.yaml"
    if root is None and source not in manifest_names():
        raise UserError(f"{path}: there is no data set {source!r}.{nearest_name(str(source), manifest_names())}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from error
    manifest = _convert(content, Manifest, f"{path}")
    return dataclasses.replace(manifest, root=root)


def _convert(value: Any, kind: Any, where: str) -> Any:
    """``value`` from YAML as the type ``kind``; ``where`` names file and field in errors."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build(value, kind, where)
    if origin is dict and isinstance(value, dict):
        return {_convert(k, arguments[0], where): _convert(v, arguments[1], f"{where}: {k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(_convert(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and type(value) is kind:
        return value
    wanted = kind.__name__ if origin is None else str(kind)
    raise UserError(f"{where}: must be {wanted}, found {value!r}.")


def _build(value: Any, kind: Any, where: str) -> Any:
    """A dataclass from a YAML mapping with exactly its fields."""
    hints = typing.get_type_hints(kind)
    hints.pop("root", None)
    check_keys(value, hints, hints, where)
    return kind(**{key: _convert(value[key], hint, f"{where}: {key}") for key, hint in hints.items()})


def check_digest(manifest: Manifest, file: File) -> Path:
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
    found = sorted({(row.class_id, row.class_name, row.coarse_id) for row in read_index(manifest)})
    if [class_id for class_id, _, _ in found] != list(range(len(found))):
        raise UserError(f"{manifest.path(manifest.index)}: class ids must run from 0 without gaps or two meanings.")
    if sorted({coarse for _, _, coarse in found}) != list(range(len(manifest.coarse))):
        raise UserError(
            f"{manifest.path(manifest.index)}: coarse class ids must be 0 to {len(manifest.coarse) - 1},"
            " one for each name in the manifest's field 'coarse'."
        )
    return tuple(ClassInfo(i, name, coarse, manifest.kind_of(i)) for i, name, coarse in found)


def safe(name: str) -> bool:
    """True for a relative path that stays inside its folder."""
    return bool(name) and name[0] != "/" and ".." not in name.split("/") and "\\" not in name and "\0" not in name
