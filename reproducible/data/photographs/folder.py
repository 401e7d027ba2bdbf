"""Any folder of class folders as a data set: its manifest is written here. Explained on page: data-card."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reproducible.data.manifest import load_manifest, manifest_names, own_manifests
from reproducible.data.photographs import layouts
from reproducible.data.photographs.files import Files
from reproducible.data.photographs.index import Entry, match, parts_of
from reproducible.data.photographs.plan import Halves, counted
from reproducible.data.photographs.source import classes_of, listing
from reproducible.data.photographs.tree import escaped, on_disk
from reproducible.resources import UserError, disk_error, folder_for

LEAST = 2
"""Classes of each role: a negative pair needs two."""

_SHARE = 7
"""One training class in so many is held out for validation, and at least two."""

_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing", "query", "gallery"}
"""Folders that hold the folders of classes in the layout of many tools."""


@dataclass(frozen=True)
class Described:
    """A folder that has become a data set.

    Attributes:
        manifest: the file; from then on the data set is known by its name.
        train: names of the classes that are trained on, some of them held out for validation, in their order.
        test: names of the classes that are tested on.
        remarks: what was found and is not used, and what is odd.
    """

    manifest: Path
    train: tuple[str, ...]
    test: tuple[str, ...]
    remarks: tuple[str, ...]


def describe(
    folder: Path,
    train: Halves,
    name: str = "",
    exclude: Sequence[str] = (),
    side: int = 256,
    fit: str = "centre",
    validation: int = 0,
) -> Described:
    """Writes the manifest of a folder whose folders of the first level are classes.

    Args:
        folder: of the photographs; nothing in it is changed.
        train: which classes are trained on.
        name: of the data set; empty: the folder's.
        exclude: patterns of paths or class names to leave out.
        side: of the stored images, in pixels.
        fit: "centre" or "squash".
        validation: number of training classes to hold out; 0: one in seven, at least two.

    Raises:
        UserError: no such folder; no classes or too few; the name is taken; a class or a pattern fits nothing.
    """
    import yaml

    folder = folder.resolve()
    place = escaped(str(folder))
    if not folder.is_dir():
        raise UserError(f"{place}: is no folder.")
    if on_disk(place) != folder:
        raise UserError(f"{place}: its path is not UTF-8; rename the folder.")
    name = _proper(name) or re.sub(r"\W+", "_", _proper(folder.name).lower()).strip("_")
    path = own_manifests() / on_disk(f"{name}.yaml")
    if not re.fullmatch(r"\w+", name) or name != name.lower() or (name in manifest_names() and not path.is_file()):
        raise UserError(f"{name!r}: the name must be new and of small letters, digits and _; give one with --name.")
    files, exclude = Files(name, [folder]), [_proper(pattern) for pattern in exclude]
    index = layouts.read("folder", files).without(exclude)
    match(index, files)
    if not index.entries:
        said = "; ".join(files.remarks() + index.remarks)
        raise UserError(f"{place}: there is no image in a folder of it; each class needs a folder of its own. {said}")
    _check_depth(place, index.entries)
    parts = parts_of(train, index.entries)
    classes = classes_of(index, parts)
    held_out = validation or max(LEAST, classes.get("train", 0) // _SHARE)
    _check_numbers(place, index.entries, classes, held_out, train.rule)
    content = {
        "name": name,
        "title": f"Photographs of {_proper(folder.name)}, {sum(classes.values())} classes",
        "licence": {"name": "the reader's own"},
        "attribution": "the reader",
        "origin": place,
        "layout": "folder",
        "train": {key: list(v) if isinstance(v, tuple) else v for key, v in vars(train).items() if v or key == "rule"},
        "validation": {"classes": held_out, "seed": 0},
        "counts": dict(sorted(Counter(parts).items(), reverse=True)),
        "classes": dict(sorted(classes.items(), reverse=True)),
        "protocols": {"all_to_all": [["train", "test"], ["train", "test"]]},
        "side": side,
        "fit": fit,
        "exclude": exclude,
        "listing": listing(files, index),
        "sources": [{"name": "folder", "folder": place}],
        "defects": _defects(index.entries) + files.remarks() + index.remarks,
    }
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    partial = folder_for(path.parent) / f"{path.name}.partial"
    try:
        partial.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise disk_error(path, error, left="nothing was changed") from error
    try:
        load_manifest(name)
    except UserError:  # a side or a fit that cannot be
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")
        raise
    of = dict(
        sorted({(entry.number, entry.name): part for entry, part in zip(index.entries, parts, strict=True)}.items())
    )
    train_names, test_names = (tuple(n for (_, n), own in of.items() if own == part) for part in ("train", "test"))
    return Described(path, train_names, test_names, tuple(content["defects"]))


def _proper(text: str) -> str:
    """What the command line or the file system says, in NFC; bytes that are not UTF-8 escaped."""
    return unicodedata.normalize("NFC", escaped(text))


def _check_depth(place: str, entries: Sequence[Entry]) -> None:
    """That the folders of the first level are the classes and not, for example, train and val."""
    inner: dict[str, set[str]] = {}
    for first, second, *deeper in (entry.path.split("/") for entry in entries):
        inner.setdefault(first, set()).add(second if deeper else "")
    if any("" in folders for folders in inner.values()):
        return
    shared = Counter(second for folders in inner.values() for second in folders).most_common(1)[0][1] > 1
    if len(inner) == 1 or shared or {name.lower() for name in inner} <= _PARTS:
        first = max(inner, key=lambda one: (len(inner[one]), one.lower().startswith("train")))
        raise UserError(
            f"{place}: its folders hold folders of images ({counted('of them', sorted(inner))}). Name the one whose"
            f" folders are the classes, as {place}/{first}; classes to train and to test on are chosen among these."
        )


def _check_numbers(place: str, entries: Sequence[Entry], classes: dict[str, int], held_out: int, rule: str) -> None:
    """That there are classes enough for each role."""
    train, test = classes.get("train", 0), classes.get("test", 0)
    if min(train - held_out, test, held_out) >= LEAST:
        return
    names = list(dict.fromkeys(entry.name for entry in entries))
    said = (
        f"{place}: {train} classes to train on, of which {held_out} are held out for validation, and {test} to test"
        f" on: too few. {LEAST} at least are needed to train on, {LEAST} to hold out (--validation), {LEAST} to test on"
    )
    if len(names) < 3 * LEAST:
        raise UserError(f"{said}: {3 * LEAST} classes in all; this folder has {len(names)}.")
    if train - LEAST >= LEAST and test >= LEAST:
        raise UserError(f"{said}. --validation can be {LEAST} to {train - LEAST} here.")
    fitting = ",".join(quoted(name) for name in names[: max(2 * LEAST, len(names) // 2)])
    raise UserError(f"{said}; the rule {rule!r} gives other numbers. This one fits: --rule list --classes '{fitting}'.")


def quoted(name: str) -> str:
    """A class name as --classes takes it."""
    return f'"{name}"' if "," in name else name


def names_in(text: str) -> tuple[str, ...]:
    """Class names divided by commas, in quotation marks where they hold one; or of a file, ``@FILE``, one a line.

    Raises:
        UserError: the file cannot be read; a quotation mark is not closed.
    """
    try:
        if text.startswith("@"):
            found = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        else:
            found = next(csv.reader([_proper(text)], skipinitialspace=True, strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--classes: {text!r} cannot be read as names ({error}).") from error
    return tuple(filter(None, (one.strip() for one in found)))


def _defects(entries: Sequence[Entry]) -> list[str]:
    """What can be told from the list alone."""
    counts = Counter(entry.name for entry in entries)
    alone = [name for name, count in counts.items() if count == 1]
    return [counted("classes have a single image, which nothing can match; --exclude leaves them out", alone)] * bool(
        alone
    )
