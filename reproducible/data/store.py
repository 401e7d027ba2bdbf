"""The packed store: every image of a data set decoded or rendered once, in memory-maps.

A store is a folder of the cache with ``images.npy`` (uint8, N x S x S x 3, RGB, in the order of the index), for
rendered sets and where a source knows them ``masks.npy``, ``boxes.npy`` and other arrays, ``fingerprint`` and
``SHA256SUMS``, which every opening looks at; labels, parts and paths are the index's, which lies in the store
(``index.csv``, with ``source.json``) of photographs that a reader brings. It is written beside its final place and
renamed when it is complete, under a file lock: a process that is killed leaves no half-made store, and of two processes
that want the same store one makes it and the other waits.
Explained on page: data-card.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reproducible.data import archive
from reproducible.data.description import Protocol
from reproducible.data.glyphs import fonts, render
from reproducible.data.glyphs import source as renderer
from reproducible.data.glyphs.plan import glyphs_of
from reproducible.data.hashes import EXTRAS, damage, fingerprint_of, rows_of, write_hashes
from reproducible.data.manifest import (
    ArchiveManifest,
    GlyphManifest,
    Manifest,
    PhotoManifest,
    load_manifest,
    read_classes,
    read_index,
)
from reproducible.data.photographs import source as photographs
from reproducible.data.photographs.locate import locate
from reproducible.data.photographs.tree import on_disk
from reproducible.resources import UserError, cache_dir, disk_error, folder_for

LAYOUT = 1
"""Version of the files in a store folder; part of the folder's name."""


@dataclass(frozen=True)
class Store:
    """A data set in memory-mapped form; images in the order of the index.

    Attributes:
        fingerprint: SHA-256 over pixels, labels, coarse labels and parts, and over masks, boxes and attributes.
        images: (N, S, S, 3) uint8, RGB.
        labels: (N,) int64 class ids.
        coarse: (N,) int64 coarse class ids.
        parts: (N,) the part of the set that each image belongs to, as "train" or "iconic".
        paths: N paths in the archive, or names.
        class_names, coarse_names: by id.
        kinds: kind of each class, by id.
        protocols: retrieval protocols by name, the primary one first.
        masks: (N, S, S) uint8; of glyphs bits 1 base, 2 mark above, 4 mark below; of photographs 1 inside the outline;
            None where neither is known.
        boxes: (N, B, 4) float32, x0, y0, x1, y1 in pixel edges of the object (and of a glyph's base, mark above and
            mark below); NaN: not there.
        attributes: (N, A) uint8, 0 or 1, or of a reader's own table float32, from 0 to 1; None: not known.
        attribute_names: of the A columns.
        aspects: (N,) float64, width over height of each image before it was squashed; None: not known, taken as square.
        class_parts: base, mark above and mark below of each class, by id; empty where parts are not known.
        points: (N, K, 2) float32, x, y in pixels; NaN: not visible.
        point_names: of the K points.
        class_attributes: (C, A) float32, in per cent.
        source: what photographs that a reader brought were made from, and remarks on them.
    """

    name: str
    fingerprint: str
    images: np.ndarray
    labels: np.ndarray
    coarse: np.ndarray
    parts: np.ndarray
    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    kinds: tuple[str, ...]
    protocols: dict[str, Protocol]
    masks: np.ndarray | None = None
    boxes: np.ndarray | None = None
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()
    class_parts: tuple[tuple[str, ...], ...] = ()
    aspects: np.ndarray | None = None
    points: np.ndarray | None = None
    point_names: tuple[str, ...] = ()
    class_attributes: np.ndarray | None = None
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`verify` found: images checked, one line a problem, and remarks on differences that are none."""

    name: str
    images: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if every image is as it should be."""
        return not self.problems


def open_store(source: str | Path | Manifest) -> Store:
    """The store of a data set, prepared first where the cache has none."""
    return prepare(source)


def prepare(source: str | Path | Manifest, progress: bool = True, workers: int | None = None) -> Store:
    """Decodes the images of an archive, or renders those of a variant, with all cores and packs the store; a second
    call opens what is there. Photographs that a reader brings are downloaded first where that is possible, and an
    interrupted call goes on where it was.

    Args:
        source: data set, as for ``load_manifest``.
        progress: show a progress bar.
        workers: processes; None: one a core. The store does not depend on it.

    Raises:
        UserError: wrong checksum; missing or surplus file; corrupt, truncated or wrongly sized image; disk full; a
            store that is there has changed since it was made.
    """
    manifest = load_manifest(source)
    folder = store_folder(manifest)
    if not folder.is_dir():
        with _alone(folder):
            if not folder.is_dir():
                _make(manifest, folder, progress, workers)
    return _open(manifest, folder)


def verify(source: str | Path | Manifest, progress: bool = True) -> VerifyReport:
    """Checks a data set against its manifest, and its store, where it is prepared, against the hashes in it.

    Of an archive: digests, the list of files, and that every image decodes to the size in the index. Of photographs
    that a reader brings: counts, the list of files, and that every image decodes; what is odd without being wrong
    (grey photographs, duplicates, a mirror instead of the official file) is a remark. Of a variant of
    the glyphs: renders everything again and compares the fingerprint; where it differs, and FreeType, Pillow or a font
    differs from the pinned one too, that is a remark and no problem.

    Args:
        source: data set, as for ``load_manifest``.
        progress: show a progress bar.

    Raises:
        UserError: the manifest itself cannot be read.
    """
    manifest = load_manifest(source)
    report, folder = _verify_source(manifest, progress), store_folder(manifest)
    if folder.is_dir() and (damaged := damage(manifest, folder, again=True)):
        return replace(report, problems=(*report.problems, damaged))
    return report


def _verify_source(manifest: Manifest, progress: bool) -> VerifyReport:
    if isinstance(manifest, ArchiveManifest):
        images, problems = archive.problems_of(manifest, progress)
        return VerifyReport(manifest.name, images, tuple(problems))
    if isinstance(manifest, PhotoManifest):
        images, problems, remarks = photographs.problems_of(manifest, progress)
        return VerifyReport(manifest.name, images, tuple(problems), tuple(remarks))
    assert isinstance(manifest, GlyphManifest)
    rows, folder = read_index(manifest), store_folder(manifest)
    again = folder.with_name(folder.name + ".verify")
    with _alone(folder):
        shutil.rmtree(again, ignore_errors=True)  # what a process that was killed has left
        again.mkdir()
        try:
            renderer.pack(manifest.variant, again, f"verify {manifest.name}", progress)
            found = fingerprint_of(again, rows)
        finally:
            shutil.rmtree(again, ignore_errors=True)
    different = renderer.different_versions(manifest.pin)
    if found == manifest.fingerprint:
        return VerifyReport(manifest.name, len(rows), ())
    if different:
        said = f"rendered by other software than the pinned one ({'; '.join(different)}): the fingerprint is {found}."
        return VerifyReport(manifest.name, len(rows), (), (said,))
    said = f"the images rendered here have the fingerprint {found}, the manifest says {manifest.fingerprint}."
    return VerifyReport(manifest.name, len(rows), (said,))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process makes this store, and lets others wait; the system ends that with the process."""
    path = folder.with_name(folder.name + ".lock")
    try:
        lock = (folder_for(path.parent) / path.name).open("w")
    except OSError as error:
        raise disk_error(path, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def store_folder(manifest: Manifest) -> Path:
    """Where the store of a data set is or will be: named after everything that its pixels depend on."""
    if isinstance(manifest, ArchiveManifest):
        depends = f"{LAYOUT} {manifest.archive.sha256} {manifest.index.sha256} {manifest.side}"
    elif isinstance(manifest, PhotoManifest):
        what = (manifest.layout, photographs.fitting_of(manifest), manifest.train, manifest.exclude, manifest.listing)
        depends = f"{LAYOUT} {what}" + (f" {photographs.READING}" if manifest.layout == "folder" else "")
    else:
        assert isinstance(manifest, GlyphManifest)
        v = manifest.variant
        what = (v.plan, v.images, v.side, v.seed, v.difficulty)
        depends = f"{LAYOUT} {render.VERSION} {fonts.versions()} {what}"
    return cache_dir() / "stores" / on_disk(f"{manifest.name}-{hashlib.sha256(depends.encode()).hexdigest()[:16]}")


def state(manifest: Manifest) -> str:
    """In two words: whether a data set is prepared, and if not, whether it could be from what is here."""
    if store_folder(manifest).is_dir():
        return "prepared"
    if isinstance(manifest, PhotoManifest):
        try:
            locate(manifest, fetch=False)
        except UserError:
            return "not here"
    return "not prepared"


def _make(manifest: Manifest, folder: Path, bar: bool, workers: int | None) -> None:
    """Writes a store beside ``folder`` and renames it when it is complete; the caller holds the lock.

    What is left of a process that was killed or stopped is thrown away, but for photographs that a reader brings.
    """
    partial = folder.with_name(folder.name + ".partial")
    resumable = isinstance(manifest, PhotoManifest)
    if not resumable:
        shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(exist_ok=True)
    keep = False
    try:
        if isinstance(manifest, PhotoManifest):
            rows = photographs.pack(manifest, partial, bar, workers)
        elif isinstance(manifest, ArchiveManifest):
            rows = read_index(manifest)
            archive.pack(manifest, rows, partial, bar)
        else:
            assert isinstance(manifest, GlyphManifest)
            rows = read_index(manifest)
            renderer.pack(manifest.variant, partial, f"prepare {manifest.name}", bar, workers)
        with (partial / "fingerprint").open("w") as stream:
            stream.write(fingerprint_of(partial, rows))
            stream.flush()
            os.fsync(stream.fileno())
        write_hashes(partial)
        partial.rename(folder)
    except KeyboardInterrupt:
        keep = resumable
        raise
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else partial
        if not place.is_relative_to(partial):
            raise UserError(f"{place}: cannot be read ({error.strerror}).") from error
        needed = sum(manifest.counts.values()) * manifest.side**2 * (4 if _rendered(manifest) else 3)
        raise disk_error(folder, error, needed) from error
    finally:
        if not keep:
            shutil.rmtree(partial, ignore_errors=True)


def _rendered(manifest: Manifest) -> bool:
    return isinstance(manifest, GlyphManifest)


def _open(manifest: Manifest, folder: Path) -> Store:
    """Opens a complete store; its arrays are mapped copy-on-write, so nothing can change the files."""
    if damaged := damage(manifest, folder):
        raise UserError(damaged)
    present = [name for name in EXTRAS if (folder / f"{name}.npy").is_file()]
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ("images", *present)}
    fingerprint = (folder / "fingerprint").read_text()
    rows, coarse_names = rows_of(manifest, folder)
    if isinstance(manifest, PhotoManifest):
        about = json.loads((folder / "source.json").read_text())
        names = {key: tuple(about.pop(key)) for key in ("attribute_names", "point_names")}
        classes = sorted({(row.class_id, row.class_name, "all") for row in rows})
    else:
        about, names = {}, {"attribute_names": render.ATTRIBUTES if _rendered(manifest) else ()}
        classes = [(c.id, c.name, c.kind) for c in read_classes(manifest)]
    return Store(
        name=manifest.name,
        fingerprint=fingerprint,
        labels=np.array([row.class_id for row in rows], np.int64),
        coarse=np.array([row.coarse_id for row in rows], np.int64),
        parts=np.array([row.part for row in rows]),
        paths=tuple(row.path for row in rows),
        class_names=tuple(name for _, name, _ in classes),
        coarse_names=coarse_names,
        kinds=tuple(kind for _, _, kind in classes),
        protocols=manifest.protocols,
        class_parts=glyphs_of(manifest.variant) if isinstance(manifest, GlyphManifest) else (),
        aspects=np.array([row.width / row.height for row in rows], np.float64),
        source=about,
        **names,
        **arrays,
    )
