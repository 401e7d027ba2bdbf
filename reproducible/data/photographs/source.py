"""From the files of a source to the arrays of a store: checking, packing, and going on after an interruption.

Explained on page: data-card.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reproducible.data.arrays import reserve
from reproducible.data.description import PhotoManifest, Row
from reproducible.data.photographs import layouts
from reproducible.data.photographs.decode import Fitting, Found, Job, decode
from reproducible.data.photographs.files import Files
from reproducible.data.photographs.index import Index, match, parts_of
from reproducible.data.photographs.locate import Located, locate
from reproducible.data.photographs.plan import counted, few
from reproducible.data.photographs.table import TABLE
from reproducible.progress import progress as progress_bar
from reproducible.resources import UserError

READING = 2
"""Version of how a reader's own folders are read: classes in natural order, transparency, 16 bits. Stores of them are
named by it; those of the official sets, which have none of these, are not."""

_SAID_OF_MODES = {
    "transparent": "photographs with transparent places, laid on white",
    "16-bit": "grey photographs of 16 bits a pixel, scaled to 8 and used as RGB",
}
_SLACK = 1.5
"""Pixels by which boxes of the official sets may leave their photographs."""

_A_FEW = 3
"""Boxes that may be wrong in any set, or two in a hundred."""

_REACH = 0.7
"""Share of width or height that some box of a set that fits reaches beyond."""


@dataclass(frozen=True)
class Survey:
    """What is known of a source before an image is decoded.

    Attributes:
        located: where it is.
        files: what is in it.
        index: what its annotations say.
        parts: of each image.
        problems: one line for whatever forbids its use: missing files, wrong counts.
        described: name, size and digest of its files.
        remarks: what is worth knowing.
    """

    located: Located
    files: Files
    index: Index
    parts: list[str]
    problems: list[str]
    described: list[dict]
    remarks: list[str]

    def jobs(self, places: list[int]) -> Iterator[tuple[Job, bytes]]:
        """The images at these places of the store, in the order of the source."""
        wanted: dict[str, list[int]] = {}
        for place in places:
            wanted.setdefault(self.index.files[self.index.entries[place].path], []).append(place)
        for path, content in self.files.stream(wanted):
            for place in wanted[path]:
                yield Job(place, f"{self.files.name}: {path}", self.index.entries[place].box), content


def fitting_of(manifest: PhotoManifest) -> Fitting:
    """How a manifest wants its photographs in the store; only those of a reader's own folder are turned upright, as
    boxes and points of the official sets are those of the stored pixels."""
    return Fitting(manifest.side, manifest.fit, manifest.crop, upright=manifest.layout == "folder")


def survey(manifest: PhotoManifest, fetch: bool) -> Survey:
    """Finds a source, lists it and reads its annotations.

    Raises:
        UserError: there is none; an archive or a list cannot be read.
    """
    located = locate(manifest, fetch)
    described, remarks = located.identify()
    files = Files(manifest.name, located.places)
    index = layouts.read(manifest.layout, files).without(manifest.exclude)
    problems = match(index, files, located.source.rename)
    parts = parts_of(manifest.train, index.entries)
    counts, found = dict.fromkeys(manifest.counts, 0) | Counter(parts), classes_of(index, parts)
    if counts != manifest.counts:
        problems.append(f"{manifest.name}: wrong counts: images by part {counts}, expected {manifest.counts}.")
    if found != manifest.classes:
        problems.append(f"{manifest.name}: wrong counts: classes by part {found}, expected {manifest.classes}.")
    if manifest.listing and listing(files, index) != manifest.listing:
        problems.append(f"{manifest.name}: the folder has changed since its manifest was written; write it again.")
    if manifest.crop == "box" and np.isnan([entry.box for entry in index.entries]).all():
        problems.append(f"{manifest.name}: crop=box, but no box of an object is here.")
    return Survey(located, files, index, parts, problems, described, remarks + files.remarks() + index.remarks)


def classes_of(index: Index, parts: list[str]) -> dict[str, int]:
    """Number of classes by part."""
    pairs = {(part, entry.number) for part, entry in zip(parts, index.entries, strict=True)}
    return dict(Counter(part for part, _ in pairs))


def listing(files: Files, index: Index) -> str:
    """SHA-256 over paths and sizes of the images that an index uses, and over a table of attributes beside them."""
    lines = sorted(f"{path} {files.sizes[path]}\n" for path in index.files.values())
    if TABLE in files.sizes:
        lines += [hashlib.sha256(content).hexdigest() for content in files.read(TABLE)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pack(manifest: PhotoManifest, folder: Path, bar: bool, workers: int | None = None) -> tuple[Row, ...]:
    """Writes the arrays of a store into a folder; goes on where an earlier call was interrupted.

    Args:
        manifest: of the data set.
        folder: where ``images.npy``, ``index.csv``, ``source.json`` and what else the source knows go.
        bar: show a progress bar.
        workers: processes; None: one a core.

    Returns:
        The images of the store.

    Raises:
        UserError: no source is here; a file is missing, corrupt or truncated; counts are wrong.
        OSError: the disk is full.
    """
    found_by = survey(manifest, fetch=True)
    if found_by.problems:
        raise UserError("\n".join(found_by.problems))
    index, fitting, images = found_by.index, fitting_of(manifest), folder / "images.npy"
    count = len(index.entries)
    done = _done_before(folder, _key(found_by, fitting))
    if not done:
        reserve(images, (count, fitting.side, fitting.side, 3), np.uint8)
    left = [place for place in range(count) if place not in done]
    answers = decode(found_by.jobs(left), len(left), fitting, images, workers)
    if bar:
        answers = progress_bar(answers, f"prepare {manifest.name}", count, initial=len(done))
    with (folder / "found.jsonl").open("a") as log:
        for one in answers:
            done[one.place] = one
            if not one.problem:
                log.write(json.dumps(asdict(one)) + "\n")
                log.flush()
    found = [done[place] for place in range(count)]
    problems = problems_with(index, found)
    if problems:
        raise UserError("\n".join(problems))
    rows = _rows(found_by, found, fitting)
    _write_extras(index, found, fitting, folder)
    _write_index(rows, index, folder)
    remarks = found_by.remarks + remarks_on(index, found)
    about = {"source": found_by.located.source.name, "files": found_by.described, "remarks": remarks}
    about |= {"attribute_names": index.attribute_names, "point_names": index.point_names}
    (folder / "source.json").write_text(json.dumps(about, indent=1))
    for name in ("found.jsonl", "key"):
        (folder / name).unlink()
    return rows


def problems_of(manifest: PhotoManifest, bar: bool) -> tuple[int, list[str], list[str]]:
    """Number of images checked, one line for whatever is wrong, and remarks."""
    try:
        found_by = survey(manifest, fetch=False)
        places = [i for i, entry in enumerate(found_by.index.entries) if entry.path in found_by.index.files]
        answers = decode(found_by.jobs(places), len(places), fitting_of(manifest), None)
        found = list(progress_bar(answers, f"verify {manifest.name}", len(places)) if bar else answers)
    except UserError as error:
        return 0, [str(error)], []
    problems = found_by.problems + problems_with(found_by.index, found)
    return len(found), problems, found_by.remarks + remarks_on(found_by.index, found)


def problems_with(index: Index, found: list[Found]) -> list[str]:
    """What forbids the use of photographs that were looked at: at most ten lines and a count; one line where the boxes
    are not of these photographs."""
    unfit = _boxes_of_another_size(index, found)
    return unfit + few([one.problem for one in found if one.problem and not (unfit and one.width)])


def _boxes_of_another_size(index: Index, found: list[Found]) -> list[str]:
    """One line where many boxes leave their photographs, or none reaches far into one: a mirror has resized them."""
    known = [one for one in found if one.width and not np.isnan(index.entries[one.place].box).any()]
    if not known:
        return []
    boxes = np.array([index.entries[one.place].box for one in known])
    sizes = np.array([(one.width, one.height) for one in known], np.float64)
    leaves = ((boxes[:, 2:] > sizes + _SLACK) | (boxes[:, :2] < -_SLACK)).any(1)
    reach = float((boxes[:, 2:] / sizes).max())
    if leaves.sum() > max(_A_FEW, len(known) // 50):
        said, which = f"{int(leaves.sum())} of {len(known)} boxes leave their photographs", int(leaves.argmax())
    elif len(known) > 2 * _A_FEW and reach < _REACH:
        said, which = f"no box of {len(known)} reaches beyond {100 * reach:.0f} % of its photograph", 0
    else:
        return []
    entry, (width, height) = index.entries[known[which].place], sizes[which].astype(int)
    box = ", ".join(f"{value:g}" for value in entry.box)
    example = f"for example ({box}) in {entry.path} of {width} x {height} pixels"
    return [f"{said}, {example}: they are of another size; was this mirror resized? Use the original photographs."]


def remarks_on(index: Index, found: list[Found]) -> list[str]:
    """Grey photographs, other colour spaces, and photographs that are there twice."""
    path = [entry.path for entry in index.entries]
    by_mode: dict[str, list[str]] = {}
    same: dict[str, list[str]] = {}
    for one in sorted(found, key=lambda f: f.place):
        if not one.problem:
            by_mode.setdefault(one.mode, []).append(path[one.place])
            same.setdefault(one.digest, []).append(path[one.place])
    said = {mode: f"{mode} photographs, used as RGB" for mode in by_mode if mode != "RGB"} | _SAID_OF_MODES
    remarks = [counted(said[mode], paths) for mode, paths in by_mode.items() if mode in said]
    twice = [" = ".join(paths) for paths in same.values() if len(paths) > 1]
    return remarks + ([counted("photographs that are there more than once, all used", twice)] if twice else [])


def _key(found_by: Survey, fitting: Fitting) -> str:
    """What an interrupted store must have been made from and for to be gone on with."""
    files = [(e.path, found_by.files.sizes[found_by.index.files[e.path]], e.box) for e in found_by.index.entries]
    return hashlib.sha256(repr((fitting, found_by.described, files)).encode()).hexdigest()


def _done_before(folder: Path, key: str) -> dict[int, Found]:
    """The images that an interrupted call finished; none where it was about something else."""
    log = folder / "found.jsonl"
    if (folder / "key").is_file() and (folder / "key").read_text() == key and log.is_file():
        lines = log.read_text().splitlines()
        done = [Found(**json.loads(line)) for line in lines if line.endswith("}")]
        return {one.place: one for one in done}
    (folder / "key").write_text(key)
    log.unlink(missing_ok=True)
    return {}


def _rows(found_by: Survey, found: list[Found], fitting: Fitting) -> tuple[Row, ...]:
    """The index of the store; sizes are those of the regions that are kept."""
    entries = found_by.index.entries
    ids = {number: i for i, number in enumerate(sorted({entry.number for entry in entries}))}
    by_coarse = any(entry.coarse for entry in entries)
    coarse = {name: i for i, name in enumerate(_coarse_names(found_by.index))} if by_coarse else {}
    rows = []
    for e, part, f in zip(entries, found_by.parts, found, strict=True):
        x0, y0, x1, y1 = fitting.region(f.width, f.height, e.box)
        coarse_id = coarse[e.coarse] if by_coarse else ids[e.number]
        rows.append(Row(e.path, ids[e.number], e.name, coarse_id, part, x1 - x0, y1 - y0))
    return tuple(rows)


def _coarse_names(index: Index) -> list[str]:
    """Names of the coarse classes by id; where the source has none, each class is its own."""
    if any(entry.coarse for entry in index.entries):
        return sorted({entry.coarse for entry in index.entries})
    return [name for _, name in sorted({(entry.number, entry.name) for entry in index.entries})]


def _write_index(rows: tuple[Row, ...], index: Index, folder: Path) -> None:
    names = _coarse_names(index)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow((*Row._fields, "coarse_name"))
        writer.writerows((*row, names[row.coarse_id]) for row in rows)


def read_stored(folder: Path) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The images of a prepared store and the names of its coarse classes."""
    rows, names = [], {}
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        for path, class_id, class_name, coarse_id, part, width, height, coarse in list(csv.reader(stream))[1:]:
            rows.append(Row(path, int(class_id), class_name, int(coarse_id), part, int(width), int(height)))
            names[int(coarse_id)] = coarse
    return tuple(rows), tuple(names[i] for i in sorted(names))


def _write_extras(index: Index, found: list[Found], fitting: Fitting, folder: Path) -> None:
    """Boxes, points, outlines and attributes, where the source has them, in pixels of the store."""
    boxes = np.array([entry.box for entry in index.entries], np.float64).reshape(-1, 2, 2)
    regions = np.array([fitting.region(f.width, f.height, e.box) for f, e in zip(found, index.entries, strict=True)])
    start, scale = regions[:, None, :2], fitting.side / (regions[:, None, 2:] - regions[:, None, :2])
    if not np.isnan(boxes).all():
        fitted = ((boxes - start) * scale).clip(0, fitting.side)
        np.save(folder / "boxes.npy", fitted.reshape(-1, 1, 4).astype(np.float32))
    if index.points is not None:
        np.save(folder / "points.npy", ((index.points - start) * scale).astype(np.float32))
    for name in ("attributes", "class_attributes"):
        if getattr(index, name) is not None:
            np.save(folder / f"{name}.npy", getattr(index, name))
    if index.outlines:
        masks = np.zeros((len(found), fitting.side, fitting.side), np.uint8)
        for place, entry in enumerate(index.entries):
            canvas = Image.fromarray(masks[place])
            outline = (index.outlines[entry.path] - start[place]) * scale[place]
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in outline.tolist()], fill=1)
            masks[place] = np.asarray(canvas)
        np.save(folder / "masks.npy", masks)
