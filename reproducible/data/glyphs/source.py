"""Rendering a whole variant, by as many processes as there are cores; the result does not depend on their number.

The processes are interpreters of their own (:mod:`reproducible.processes`). Each fills its part of files whose space
was reserved before.
Explained on page: glyphs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from reproducible import processes
from reproducible.data.arrays import reserve
from reproducible.data.glyphs.fonts import AS_PINNED, versions
from reproducible.data.glyphs.plan import RendererPin, Variant, glyphs_of
from reproducible.data.glyphs.render import ATTRIBUTES, VERSION, ground_of, render
from reproducible.data.schema import convert
from reproducible.progress import progress as progress_bar
from reproducible.resources import UserError

_AT_ONCE = 2000
"""Images that a process renders before it ends; a variant with no more is rendered by the caller."""


def shapes(variant: Variant) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of each array of a store: images, masks, boxes and attributes."""
    count, side = len(glyphs_of(variant)) * sum(variant.images.values()), variant.side
    return {
        "images": ((count, side, side, 3), np.uint8),
        "masks": ((count, side, side), np.uint8),
        "boxes": ((count, 4, 4), np.float32),
        "attributes": ((count, len(ATTRIBUTES)), np.uint8),
    }


def pack(variant: Variant, folder: Path, title: str, bar: bool, workers: int | None = None) -> None:
    """Writes the arrays of a variant into a folder.

    Args:
        variant: what to render; images class after class, numbered from 0 in each.
        folder: where ``images.npy`` and the others go.
        title: of the progress bar.
        bar: show a progress bar.
        workers: processes; None: one a core.

    Raises:
        UserError: a process failed, with what it said.
        OSError: the disk is full.
    """
    for name, (shape, kind) in shapes(variant).items():
        reserve(folder / f"{name}.npy", shape, kind)
    count = shapes(variant)["images"][0][0]
    parts = [(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE)]
    if len(parts) == 1:
        fill(variant, folder, 0, count)
    else:
        with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
            jobs = pool.map(lambda part: _start(variant, folder, *part), parts)
            for _ in progress_bar(jobs, title, len(parts)) if bar else jobs:
                pass
    for name in shapes(variant):
        with (folder / f"{name}.npy").open("rb") as stream:
            os.fsync(stream.fileno())


def fill(variant: Variant, folder: Path, start: int, stop: int) -> None:
    """Renders images ``start`` to ``stop`` into the arrays of a folder, where they are as :func:`shapes` says."""
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r+") for name in shapes(variant)]
    glyphs, each = glyphs_of(variant), sum(variant.images.values())
    for i in range(start, stop):
        rendered = render(glyphs[i // each], i % each, variant.seed, variant.side, variant.difficulty)
        for array, value in zip(arrays, rendered, strict=True):
            array[i] = value


def grounds(variant: Variant, indices: np.ndarray) -> np.ndarray:
    """The grounds of some images of a variant without their objects, (len(indices), S, S, 3) uint8.

    Args:
        variant: what was rendered.
        indices: of the images, in the order of the store.
    """
    glyphs, each = glyphs_of(variant), sum(variant.images.values())
    places = [divmod(int(i), each) for i in indices]
    level = variant.difficulty
    return np.stack([ground_of(glyphs[c], n, variant.seed, variant.side, level) for c, n in places])


def _start(variant: Variant, folder: Path, start: int, stop: int) -> None:
    """:func:`fill` in a process of its own."""
    job = [json.dumps(dataclasses.asdict(variant)), str(folder), str(start), str(stop)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with processes.start("reproducible.data.glyphs.source", *job, **pipes) as process:
        said, _ = process.communicate()
    if process.returncode:
        raise UserError(f"{folder}: rendering images {start} to {stop} failed: {said.strip()[-2000:]}")


def different_versions(pin: RendererPin) -> list[str]:
    """What here differs from what the fingerprints were computed with, one line each; empty where nothing does."""
    found = {"renderer": str(VERSION), **versions()}
    pinned = {"renderer": str(pin.version), "freetype": pin.freetype, "pillow": pin.pillow, "fonts": AS_PINNED}
    return [f"{name}: found {found[name]}, pinned {pinned[name]}" for name in pinned if found[name] != pinned[name]]


if __name__ == "__main__":
    described, target, first, last = sys.argv[1:]
    fill(convert(json.loads(described), Variant, "variant"), Path(target), int(first), int(last))
