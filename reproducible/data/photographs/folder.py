"""Any folder of class folders as a data set: its manifest is written here. Explained on page: data-card."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from reproducible.data.manifest import load_manifest, manifest_names, own_manifests
from reproducible.data.photographs import layouts
from reproducible.data.photographs.files import Files
from reproducible.data.photographs.index import Entry, match, parts_of
from reproducible.data.photographs.plan import Halves
from reproducible.data.photographs.source import classes_of, listing
from reproducible.resources import UserError

_SHARE = 7
"""One training class in so many is held out for validation, and at least two."""


def describe(
    folder: Path,
    train: Halves,
    name: str = "",
    exclude: Sequence[str] = (),
    side: int = 256,
    fit: str = "centre",
    validation: int = 0,
) -> Path:
    """Writes the manifest of a folder whose folders of the first level are classes.

    Args:
        folder: of the photographs; nothing in it is changed.
        train: which classes are trained on.
        name: of the data set; empty: the folder's.
        exclude: patterns of paths or class names to leave out.
        side: of the stored images, in pixels.
        fit: "centre" or "squash".
        validation: number of training classes to hold out; 0: one in seven, at least two.

    Returns:
        The path of the manifest; from then on the data set is known by its name.

    Raises:
        UserError: no such folder; no classes or too few; the name is taken; a class or a pattern fits nothing.
    """
    import yaml

    folder = folder.resolve()
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder.")
    name = name or re.sub(r"[^a-z0-9_]+", "_", folder.name.lower()).strip("_")
    path = own_manifests() / f"{name}.yaml"
    if not re.fullmatch(r"[a-z0-9_]+", name) or (name in manifest_names() and not path.is_file()):
        raise UserError(f"{name!r}: the name must be new and of small letters, digits and _; give one with --name.")
    files = Files(name, [folder])
    index = layouts.read("folder", files).without(exclude)
    match(index, files)
    if not index.entries:
        raise UserError(f"{folder}: there is no image in a folder of it; each class needs a folder of its own.")
    parts = parts_of(train, index.entries)
    classes = classes_of(index, parts)
    held_out = validation or max(2, classes.get("train", 0) // _SHARE)
    if min(classes.get("train", 0) - held_out, classes.get("test", 0)) < 2:
        raise UserError(
            f"{folder}: {classes.get('train', 0)} classes to train on, of which {held_out} are held out for validation,"
            f" and {classes.get('test', 0)} to test on: too few; each needs two at least."
        )
    content = {
        "name": name,
        "title": f"Photographs of {folder.name}, {sum(classes.values())} classes",
        "licence": {"name": "the reader's own"},
        "attribution": "the reader",
        "origin": str(folder),
        "layout": "folder",
        "train": {key: list(v) if isinstance(v, tuple) else v for key, v in vars(train).items() if v or key == "rule"},
        "validation": {"classes": held_out, "seed": 0},
        "counts": dict(sorted(Counter(parts).items(), reverse=True)),
        "classes": dict(sorted(classes.items(), reverse=True)),
        "protocols": {"all_to_all": [["train", "test"], ["train", "test"]]},
        "side": side,
        "fit": fit,
        "exclude": list(exclude),
        "listing": listing(files, index),
        "sources": [{"name": "folder", "folder": str(folder)}],
        "defects": _defects(index.entries),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
    try:
        load_manifest(name)
    except UserError:  # a side or a fit that cannot be
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")
        raise
    return path


def _defects(entries: Sequence[Entry]) -> list[str]:
    """What can be told from the list alone."""
    counts = Counter(entry.name for entry in entries)
    alone = [name for name, count in counts.items() if count == 1]
    said = f"{len(alone)} classes have a single image, which nothing can match: {', '.join(alone[:10])}"
    return [said] if alone else []
