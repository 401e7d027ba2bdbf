"""How the annotations of each data set are written: from the files of a source to an index.

``csv``        a list with the columns path, class_id, class, and where they are known x1, y1, x2, y2; beside it,
               optionally, attributes of classes and outlines of objects
``cub``        CUB-200-2011: images.txt and the files that its README describes
``cars``       Cars-196: cars_annos.mat, or the two lists of the devkit that most mirrors have
``products``   Stanford Online Products: Ebay_train.txt and Ebay_test.txt
``inshop``     DeepFashion In-Shop: list_eval_partition.txt and, where they are there, boxes and attributes
``folder``     a folder of images a class; beside them, optionally, a table of attributes

Explained on page: data-card.
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator

import numpy as np

from reproducible.data.photographs.files import Files
from reproducible.data.photographs.index import NO_BOX, Entry, Index, folder_of, located
from reproducible.data.photographs.plan import counted
from reproducible.data.photographs.table import TABLE, read_table
from reproducible.data.photographs.tree import natural
from reproducible.resources import UserError

_SAID = 200
"""Characters of another library's message that are shown."""


def read(layout: str, files: Files) -> Index:
    """The index of a source.

    Raises:
        UserError: a list is missing; a line cannot be read, with its number.
    """
    try:
        return READERS[layout](files)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        said = f"{type(error).__name__}: {error}"[:_SAID]
        raise UserError(f"{files.name}: its annotations are not in layout {layout!r} ({said}).") from error


def _texts(files: Files, *paths: str) -> list[str]:
    """The contents of lists, without the mark that some editors begin a file with; one pass through an archive.

    Raises:
        UserError: one is not there, or is not UTF-8; names line and byte.
    """
    for path in paths:
        if path not in files.sizes:
            raise UserError(f"{files.name}: there is no {path}, which the official set has.")
    return [_decoded(files, path, content) for path, content in zip(paths, files.read(*paths), strict=True)]


def _decoded(files: Files, path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, start = content.count(b"\n", 0, error.start) + 1, content.rfind(b"\n", 0, error.start)
        where = f"{path}, line {line}, byte {error.start - start}"
        said = f"not UTF-8 (0x{content[error.start]:02x}); save the list as UTF-8."
        raise UserError(f"{files.name}: {where}: {said}") from error


def _binary(files: Files, path: str, kind: str, reader: Callable[[io.BytesIO], dict]) -> dict:
    """The content of a file that a library reads, which raises what it likes where the file is damaged."""
    (content,) = files.read(path)
    try:
        return reader(io.BytesIO(content))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:_SAID]
        raise UserError(f"{files.name}: {path}: cannot be read as a file of {kind} ({said}).") from error


def _csv(files: Files) -> Index:
    name = next((path for path in files.sizes if path.endswith(".index.csv")), "")
    if not name:
        raise UserError(f"{files.name}: there is no list that ends with .index.csv.")
    (content,), entries = _texts(files, name), []
    for number, line in enumerate(csv.DictReader(io.StringIO(content)), start=2):
        try:
            box = tuple(float(line[key]) for key in ("x1", "y1", "x2", "y2")) if "x1" in line else NO_BOX
            entries.append(Entry(line["path"], int(line["class_id"]), line["class"], box=box))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{files.name}: {name}, line {number}: cannot be read: {error!r}") from error
    index = Index(entries, lists=name)
    for path in files.sizes:
        if path.endswith(".class_attributes.csv"):
            index.class_attributes = _class_attributes(_texts(files, path)[0], index, path)
        elif path.endswith(".contours.npz"):
            outlines = _binary(files, path, "NumPy", lambda stream: dict(np.load(stream, allow_pickle=False)))
            index.outlines = {e.path: outlines[e.path.rpartition(".")[0]] for e in entries}
    return index


def _class_attributes(content: str, index: Index, where: str) -> np.ndarray:
    """(C, A) of lines "class name, values", in the order of the class numbers."""
    rows = {line[0]: [float(value) for value in line[1:]] for line in csv.reader(io.StringIO(content))}
    names = [name for _, name in sorted({(e.number, e.name) for e in index.entries})]
    absent = [name for name in names if name not in rows]
    if absent:
        raise UserError(f"{where}: class {absent[0]!r} is missing.")
    return np.array([rows[name] for name in names], np.float32)


def _cub(files: Files) -> Index:
    root = folder_of(files, "images.txt")
    parts, marks = f"{root}parts/parts.txt", f"{root}attributes/image_attribute_labels.txt"
    lists = {name: f"{root}{name}.txt" for name in ("images", "image_class_labels", "classes", "bounding_boxes")}
    paths, labels, classes, boxes = (dict(_fields(content, 1)) for content in _texts(files, *lists.values()))
    order = {image: place for place, image in enumerate(paths)}
    entries = []
    for image, path in paths.items():
        x, y, width, height = (float(value) for value in boxes[image].split())
        box = (x, y, x + width, y + height)
        entries.append(Entry(f"images/{path}", int(labels[image]), classes[labels[image]], box=box))
    index = Index(entries, lists="images.txt")
    if parts in files.sizes:
        names, spots = _texts(files, parts, f"{root}parts/part_locs.txt")
        index.point_names = tuple(dict(_fields(names, 1)).values())
        index.points = np.full((len(entries), len(index.point_names), 2), np.nan, np.float32)
        for image, part, x, y, visible in _fields(spots, -1):
            if visible == "1":
                index.points[order[image], int(part) - 1] = float(x), float(y)
    names_at = [path for path in files.sizes if path.rpartition("/")[2] == "attributes.txt"]
    if not names_at or marks not in files.sizes or parts not in files.sizes:
        index.remarks.append("parts, attributes or attributes.txt with their names are not here: left out.")
    if marks in files.sizes and names_at:  # the official archive has the names beside the folder of the set
        names, present = files.read(names_at[0], marks)
        index.attribute_names = tuple(dict(_fields(_decoded(files, names_at[0], names), 1)).values())
        index.attributes = np.zeros((len(entries), len(index.attribute_names)), np.uint8)
        for line in present.removeprefix(BOM_UTF8).splitlines():
            image, attribute, is_present = line.split(None, 3)[:3]  # some lines have more fields than the README says
            if is_present == b"1":
                index.attributes[order[image.decode()], int(attribute) - 1] = 1
    return index


def _cars(files: Files) -> Index:
    """By the annotations whose images are there; most mirrors have the lists of the devkit and their folders."""
    names = {path.rpartition("/")[2] for path in files.sizes}
    known = {
        "cars_annos.mat": (_ALL_CARS, "relative_im_path", "cars_annos.mat"),
        "the devkit": (_DEVKIT, "fname", "cars_meta.mat"),
    }
    read = [_cars_of(files, name, *what) for name, what in known.items() if {*what[0], what[2]} <= names]
    if not read:
        lacking = f"{', '.join(sorted({*_DEVKIT, 'cars_meta.mat'} - names))} for those of the devkit"
        raise UserError(f"{files.name}: there is no cars_annos.mat, nor {lacking}.")
    there = [len(located([entry.path for entry in index.entries], files)) for index in read]
    chosen = read[there.index(max(there))]
    if not max(there):
        chosen.lists = " or ".join(index.lists for index in read)
    elif chosen.lists == "the devkit":
        chosen.remarks.append("lists of the devkit instead of cars_annos.mat: another order of images.")
    return chosen


_ALL_CARS = {"cars_annos.mat": ""}
_DEVKIT = {"cars_train_annos.mat": "cars_train/", "cars_test_annos_withlabels.mat": "cars_test/"}
"""Lists of the cars, and the folder that their paths are relative to."""


def _cars_of(files: Files, lists: str, tables: dict[str, str], field: str, naming: str) -> Index:
    loaded = {name: _mat(files, name) for name in sorted({*tables, naming})}
    names = [str(name.item()) for name in loaded[naming]["class_names"].ravel()]
    entries = []
    for table, folder in tables.items():
        for one in loaded[table]["annotations"].ravel():
            x0, y0, x1, y1 = (float(one[f"bbox_{key}"].item()) for key in ("x1", "y1", "x2", "y2"))
            number = int(one["class"].item())
            box = (x0 - 1, y0 - 1, x1, y1)  # pixels counted from 1, both ends included
            entries.append(Entry(folder + str(one[field].item()), number, names[number - 1], box=box))
    return Index(entries, lists=lists)


def _mat(files: Files, name: str) -> dict:
    """The variables of a MATLAB file of a source."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UserError(f"{files.name}: {name} is read with scipy: install the extra 'analysis'.") from error
    return _binary(files, folder_of(files, name) + name, "MATLAB", loadmat)


def _products(files: Files) -> Index:
    root = folder_of(files, "Ebay_train.txt")
    entries = []
    for part in ("train", "test"):
        (content,) = _texts(files, f"{root}Ebay_{part}.txt")
        for _, number, _, path in [*_fields(content, -1)][1:]:
            coarse = path.partition("/")[0].removesuffix("_final")
            entries.append(Entry(path, int(number), f"{int(number):05d}", coarse, part))
    return Index(entries, lists="Ebay_train.txt or Ebay_test.txt")


def _inshop(files: Files) -> Index:
    name = "list_eval_partition.txt"
    (content,) = _texts(files, folder_of(files, name) + name)
    lines = [*_fields(content, -1)][2:]
    boxes = {line[0]: line[-4:] for line in _optional(files, "list_bbox_inshop.txt")}
    entries = []
    for path, item, part in lines:
        box = tuple(float(value) for value in boxes[path]) if path in boxes else NO_BOX
        coarse = "/".join(path.split("/")[1:3])  # img/WOMEN/Dresses/id_00000002/02_1_front.jpg
        entries.append(Entry(path, int(item.removeprefix("id_")), item, coarse, part, box))
    index = Index(entries, lists=name, other_roots={"img": "img_highres"})
    names = [" ".join(line) for line in _optional(files, "list_attr_cloth.txt")]
    if names:
        of_item = {line[0]: line[1:] for line in _optional(files, "list_attr_items.txt")}
        absent = sorted({e.name for e in entries} - of_item.keys())
        if absent:
            index.remarks.append(f"{len(absent)} items have no attributes: {', '.join(absent[:5])}")
        index.attribute_names = tuple(names)
        rows = {item: np.array(values, np.int8) == 1 for item, values in of_item.items()}  # 0 unknown, -1 absent
        none = np.zeros(len(names), bool)
        index.attributes = np.array([rows.get(e.name, none) for e in entries], np.uint8)
    return index


def _optional(files: Files, name: str) -> list[list[str]]:
    """The lines of a list of In-Shop after its count and its heading; empty where it is not there."""
    if not any(path.rpartition("/")[2] == name for path in files.sizes):
        return []
    (content,) = _texts(files, folder_of(files, name) + name)
    return [*_fields(content, -1)][2:]


def _folder(files: Files) -> Index:
    """Every folder of the first level is a class; images below it belong to it at any depth. Classes and images stand
    in natural order, 2 before 10."""
    paths = sorted((path for path in files.images() if "/" in path), key=natural)
    names = sorted({path.partition("/")[0] for path in paths}, key=natural)
    number = {name: place for place, name in enumerate(names)}
    index = Index([Entry(path, number[path.partition("/")[0]], path.partition("/")[0]) for path in paths])
    empty = sorted(set(files.folders) - number.keys(), key=natural)
    if empty:
        index.remarks.append(counted("folders without a photograph that is read, no classes", empty))
    if TABLE in files.sizes:
        (content,) = files.read(TABLE)
        index.attribute_names, index.attributes = read_table(content, index.entries, f"{files.name}: {TABLE}")
    return index


def _fields(content: str, splits: int) -> Iterator[list[str]]:
    """The lines of a list, divided at white space, those without anything left out."""
    return (line.split(None, splits) for line in content.splitlines() if line.strip())


READERS: dict[str, Callable[[Files], Index]] = {
    "csv": _csv,
    "cub": _cub,
    "cars": _cars,
    "products": _products,
    "inshop": _inshop,
    "folder": _folder,
}
