"""Decoding, checking and fitting photographs, by as many processes as there are cores.

Pillow holds the interpreter's lock while it decodes WebP, so threads alone would leave cores idle. The processes are
interpreters of their own (:mod:`reproducible.processes`) that are handed one file after the other and write its pixels
to its place in the store; the result does not depend on their number.
Explained on page: data-card.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image

from reproducible.data.photographs.pictures import read
from reproducible.processes import start
from reproducible.resources import UserError

_FEW = 256
"""Images that the caller decodes itself rather than start processes."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Fitting:
    """How a photograph becomes an image of the store.

    Attributes:
        side: of the image, in pixels.
        fit: "squash" or "centre".
        crop: "none" or "box".
        upright: turn it as its camera says it was held.
    """

    side: int
    fit: str = "squash"
    crop: str = "none"
    upright: bool = False

    def region(self, width: int, height: int, box: Box) -> tuple[int, int, int, int]:
        """The part of a photograph that is kept, x0, y0, x1, y1 in whole pixels.

        A box is widened to whole pixels and cut to the photograph.

        Raises:
            ValueError: the box leaves nothing of it.
        """
        x0, y0, x1, y1 = 0, 0, width, height
        if self.crop == "box" and not math.isnan(box[0]):
            x0, y0 = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
            x1, y1 = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
            if x1 <= x0 or y1 <= y0:
                raise ValueError(f"the box {box} leaves nothing of a photograph of {width} x {height} pixels")
        if self.fit == "centre":
            short = min(x1 - x0, y1 - y0)
            x0, y0 = x0 + (x1 - x0 - short) // 2, y0 + (y1 - y0 - short) // 2
            x1, y1 = x0 + short, y0 + short
        return x0, y0, x1, y1


@dataclass(frozen=True)
class Job:
    """An image: its place in the store, its path for messages, the object's box."""

    place: int
    path: str
    box: Box


@dataclass(frozen=True)
class Found:
    """What an image turned out to be.

    Attributes:
        place: in the store.
        width, height: of the photograph.
        mode: as of :class:`~reproducible.data.photographs.pictures.Picture`.
        digest: over its pixels.
        problem: why it cannot be used; empty: it can. Where the size is known, its box is the reason.
    """

    place: int
    width: int = 0
    height: int = 0
    mode: str = ""
    digest: str = ""
    problem: str = ""


def examine(content: bytes, job: Job, fitting: Fitting, images: np.ndarray | None) -> Found:
    """Decodes a photograph and, where there is a store, writes its pixels there."""
    try:
        picture = read(content, job.path, fitting.upright)
    except UserError as error:
        return Found(job.place, problem=str(error))
    height, width = picture.pixels.shape[:2]
    digest = hashlib.blake2b(picture.pixels, digest_size=16).hexdigest()
    found = Found(job.place, width, height, picture.mode, digest)
    try:
        region = fitting.region(width, height, job.box)
    except ValueError as error:
        return replace(found, problem=f"{job.path}: {error}.")
    if images is not None:
        cut = Image.fromarray(picture.pixels).crop(region)
        images[job.place] = np.asarray(cut.resize((fitting.side, fitting.side), Image.Resampling.BICUBIC))
    return found


def decode(
    jobs: Iterable[tuple[Job, bytes]], count: int, fitting: Fitting, images: Path | None, workers: int | None = None
) -> Iterator[Found]:
    """:func:`examine` for many photographs.

    Args:
        jobs: each with the content of its file.
        count: how many there are.
        fitting: how they become images of the store.
        images: the array of the store, whose space is reserved; None: they are only looked at.
        workers: processes; None: one a core.

    Raises:
        UserError: a process died.
    """
    workers = workers or len(os.sched_getaffinity(0))
    if count <= _FEW:
        array = None if images is None else np.load(images, mmap_mode="r+")
        yield from (examine(content, job, fitting, array) for job, content in jobs)
        return
    settings = json.dumps({**asdict(fitting), "images": images and str(images)})
    # In a session of their own, so that Ctrl-C does not reach them before the caller.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    with ExitStack() as stack:
        free: SimpleQueue[subprocess.Popen] = SimpleQueue()
        for _ in range(workers):
            free.put(stack.enter_context(start("reproducible.data.photographs.decode", settings, **pipes)))

        def ask(item: tuple[Job, bytes]) -> Found:
            process = free.get()
            try:
                return _ask(process, *item)
            finally:
                free.put(process)

        pool = stack.enter_context(ThreadPoolExecutor(workers))
        waiting = iter(jobs)
        while batch := list(islice(waiting, 64 * workers)):
            yield from pool.map(ask, batch)


def _ask(process: subprocess.Popen, job: Job, content: bytes) -> Found:
    """Hands one file over to a process and waits for what it turned out to be."""
    try:
        process.stdin.write(json.dumps({**asdict(job), "bytes": len(content)}).encode() + b"\n" + content)
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = b""
    if not answer:
        raise UserError(f"{job.path}: the process that decoded it died, for want of memory or space perhaps.")
    return Found(**json.loads(answer))


def _serve(settings: str) -> None:
    """The work of one process: files from its input, one line for each to its output."""
    said = json.loads(settings)
    path = said.pop("images")
    images = None if path is None else np.load(path, mmap_mode="r+")
    fitting = Fitting(**said)
    asked, answer = sys.stdin.buffer, sys.stdout.buffer
    while line := asked.readline():
        header = json.loads(line)
        content = asked.read(header.pop("bytes"))
        job = Job(header["place"], header["path"], tuple(header["box"]))
        answer.write(json.dumps(asdict(examine(content, job, fitting, images))).encode() + b"\n")
        answer.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
