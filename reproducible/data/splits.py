"""Which classes are trained on, selected on and tested on, and which images are queries and gallery.

Three sets of classes, disjoint in every split. Of photographs:

V, the validation classes
    decide rates, weights and checkpoints and are never trained or tested on, in any draw. The rule: of the manifest's
    ``validation.ids`` (groceries: 0 to 40) take the coarse classes that lie wholly inside; draw uniformly, with
    ``validation.seed``, among their unions of exactly ``validation.classes`` (13) classes in which every kind that
    occurs there is present. Whole coarse classes, so that no sister variety of a class of V is trained or tested on.
    Groceries 0 to 40 hold fruit and cartons but no vegetable; of the cartons only the ten juices lie wholly inside
    (milk is 38 to 43), so V is these ten and three fruit.
canonical
    the papers' halves of the ids: train on the ids of ``validation.ids`` without V, test on all ids above. In groceries
    this cuts one coarse class (milk: 38 to 40 are trained on, 41 to 43 tested on).
half
    the classes outside V in two halves, drawn anew for each ``draw``: whole coarse classes; uniform among the divisions
    in which each kind, and then the whole, is as evenly divided as its coarse classes allow.

Of photographs that a reader brings, V is drawn uniformly from the classes that the source's own protocol trains on, as
many as the manifest says; canonical trains on the rest of these and tests on all others; half divides all classes
outside V.

Of glyphs, V and half are drawn by base, and there are the kinds staged and staged_control: ``glyphs/roles.py``.

Explained on page: protocol.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from reproducible.data.glyphs.roles import Split, roles
from reproducible.data.manifest import (
    ArchiveManifest,
    ClassInfo,
    GlyphManifest,
    Manifest,
    PhotoManifest,
    load_manifest,
    read_classes,
)
from reproducible.data.store import Store, open_store
from reproducible.resources import UserError, nearest_name

SplitKind = Literal["canonical", "half", "validation", "staged", "staged_control"]


def split(source: str | Path | Manifest | Store, kind: SplitKind, draw: int = 0) -> Split:
    """The classes of a split.

    Args:
        source: a data set, or its store.
        kind: of photographs "canonical"; "half"; or "validation": canonical training classes, tested on V. Of glyphs
            "half", "staged" or "staged_control".
        draw: which division; must be 0 for the kinds that are not drawn.

    Raises:
        UserError: no such kind; a negative draw; a draw where nothing is drawn; V cannot be drawn as the rule says.
    """
    manifest = load_manifest(source.name if isinstance(source, Store) else source)
    if isinstance(manifest, GlyphManifest):
        return roles(manifest.name, manifest.variant, kind, draw)
    if kind not in ("canonical", "half", "validation"):
        raise UserError(f"No split {kind!r}.{nearest_name(kind, ('canonical', 'half', 'validation'))}")
    if draw < 0 or (draw and kind != "half"):
        raise UserError(f"Split {kind!r}: draw must be {'0 or more' if kind == 'half' else '0'}, found {draw}.")
    if isinstance(manifest, PhotoManifest):
        store = source if isinstance(source, Store) else open_store(manifest)
        classes, seen = _stored_classes(store), set(store.labels[store.parts == "train"].tolist())
        validation = _drawn(manifest, seen)
    else:
        assert isinstance(manifest, ArchiveManifest)
        classes, last = read_classes(manifest), manifest.validation.ids[1]
        seen = {c.id for c in classes if c.id <= last}
        validation = _validation(manifest, classes)
    others = [c for c in classes if c.id not in validation]
    if kind == "half":
        train = _half(others, random.Random(f"half {draw}"))
        return Split(train, validation, tuple(c.id for c in others if c.id not in train))
    train = tuple(c.id for c in others if c.id in seen)
    tested = tuple(c.id for c in others if c.id not in seen)
    return Split(train, validation, validation if kind == "validation" else tested)


def declared(source: str | Manifest) -> SplitKind:
    """The division that a data set declares itself: of photographs the one of its source or of its manifest's rule, of
    glyphs the halves by base.

    Args:
        source: name or manifest of a data set.

    Raises:
        UserError: no such data set.
    """
    return "half" if isinstance(load_manifest(source), GlyphManifest) else "canonical"


def names_of(store: Store, roles: Split) -> dict[str, tuple[str, ...]]:
    """Names of the classes of each role: train, validation, test."""
    of = {"train": roles.train, "validation": roles.validation, "test": roles.test}
    return {role: tuple(store.class_names[c] for c in classes) for role, classes in of.items()}


def protocol(store: Store, classes: Sequence[int], name: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Queries and gallery of a retrieval protocol, restricted to some classes.

    Groceries has "test_to_trainval" (primary: the authors' test photographs among their train and val photographs),
    "photo_to_photo" (every photograph among all others) and "photo_to_iconic" (every photograph among the iconic
    images); glyphs has "all_to_all" (every image among all others).

    Args:
        store: a data set; its manifest names the protocols.
        classes: ids.
        name: of the protocol; None: the primary one.

    Returns:
        (query_index, gallery_index), int64, ascending, into the store. Where both are the same, as for "photo_to_photo"
        and "all_to_all", the query itself is to be left out of its gallery.

    Raises:
        UserError: no such protocol.
    """
    name = name or next(iter(store.protocols))
    if name not in store.protocols:
        raise UserError(f"No protocol {name!r}.{nearest_name(name, store.protocols)}")
    inside = np.isin(store.labels, np.asarray(classes, np.int64))
    queries, gallery = (np.flatnonzero(inside & np.isin(store.parts, parts)) for parts in store.protocols[name])
    return queries, gallery


def _stored_classes(store: Store) -> tuple[ClassInfo, ...]:
    """The classes of a store by id."""
    coarse = dict(zip(store.labels.tolist(), store.coarse.tolist(), strict=True))
    return tuple(ClassInfo(i, store.class_names[i], coarse[i], store.kinds[i]) for i in sorted(coarse))


def _drawn(manifest: PhotoManifest, seen: set[int]) -> tuple[int, ...]:
    """V of photographs that a reader brings."""
    rule = manifest.validation
    if not 2 <= rule.classes <= len(seen) - 2:
        raise UserError(
            f"Data set {manifest.name!r}: validation: classes must be 2 to {len(seen) - 2} of the {len(seen)} classes"
            f" that are trained on, found {rule.classes}."
        )
    return tuple(sorted(random.Random(f"validation {rule.seed}").sample(sorted(seen), rule.classes)))


def _validation(manifest: ArchiveManifest, classes: Iterable[ClassInfo]) -> tuple[int, ...]:
    """V, as the module's docstring says."""
    rule = manifest.validation
    first, last = rule.ids
    groups = [g for g in _coarse_groups(classes) if all(first <= c.id <= last for c in g)]
    kinds = {c.kind for g in groups for c in g}
    stream = random.Random(f"validation {rule.seed}")
    for _ in range(100_000):
        chosen = [c for g in groups if stream.random() < 0.5 for c in g]
        if len(chosen) == rule.classes and {c.kind for c in chosen} == kinds:
            return tuple(c.id for c in chosen)
    raise UserError(
        f"Data set {manifest.name!r}: no {rule.classes} validation classes of kinds {sorted(kinds)} can be drawn from"
        f" whole coarse classes in ids {first} to {last}."
    )


def _half(classes: Iterable[ClassInfo], stream: random.Random) -> tuple[int, ...]:
    """The ids of one half of the classes, as the module's docstring says."""
    by_kind: dict[str, list[list[ClassInfo]]] = {}
    for group in _coarse_groups(classes):
        by_kind.setdefault(group[0].kind, []).append(group)
    least = {kind: _least_difference([len(g) for g in groups]) for kind, groups in by_kind.items()}
    least_in_all = _least_difference(list(least.values()))
    while True:
        chosen, in_all = [], 0
        for kind, groups in by_kind.items():
            half, difference = _even_division(groups, least[kind], stream)
            chosen += half
            in_all += difference
        if abs(in_all) == least_in_all:
            return tuple(sorted(chosen))


def _even_division(groups: list[list[ClassInfo]], least: int, stream: random.Random) -> tuple[list[int], int]:
    """Ids of one side of a random division into sides that differ by ``least`` classes, and the difference itself."""
    while True:
        side = [stream.random() < 0.5 for _ in groups]
        difference = sum(len(g) if s else -len(g) for g, s in zip(groups, side, strict=True))
        if abs(difference) == least:
            return [c.id for g, s in zip(groups, side, strict=True) if s for c in g], difference


def _least_difference(sizes: list[int]) -> int:
    """The smallest possible difference of two sides that things of these sizes are divided into."""
    differences = {0}
    for size in sizes:
        differences = {abs(d + sign * size) for d in differences for sign in (1, -1)}
    return min(differences)


def _coarse_groups(classes: Iterable[ClassInfo]) -> list[list[ClassInfo]]:
    """Classes by coarse class, in the order of ids."""
    groups: dict[int, list[ClassInfo]] = {}
    for c in classes:
        groups.setdefault(c.coarse_id, []).append(c)
    return list(groups.values())
