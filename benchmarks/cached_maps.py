"""What training from a stage on saves: steps, looks and memory on cached maps beside the whole network, in one run.

    python benchmarks/cached_maps.py             writes benchmarks/results/cached_maps.csv

U512 on groceries at 224 px, eight classes of three images, BVLC GoogLeNet frozen up to pool3; one thread, medians of
processor time, each line's sides by turns. The maps go to a folder that is deleted in the end. A step is a step of the
loop, batch included: on one side it is cut out of the stored images, on the other its maps are read. The rate of the
frozen part is that of a pass over images that are cut out already; caching cuts them out, computes, sums and writes.
"""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from training_step import machine, medians, whole_step

from reproducible.config import DataConfig, RunConfig, from_stage
from reproducible.data.maps import CHUNK
from reproducible.data.store import Store, open_store
from reproducible.resources import cache_dir, folder_for
from reproducible.training.devices import keep_freed_memory
from reproducible.training.evaluate import embed
from reproducible.training.loop import Training
from reproducible.training.sets import cut_out

RESULTS = Path(__file__).parent / "results" / "cached_maps.csv"
STAGE = "pool3"
LOOKED = 32  # images of a look
REPEATS = 5  # of steps and looks
CHUNKS = 9  # of caching, which is quick


def ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int = REPEATS) -> float:
    """Processor time of one side over that of the other."""
    one, other = medians(slow, fast, clock=time.process_time, repeats=repeats)
    return one / other


def caching(run: Training) -> float:
    """Rate at which maps are made and kept, over that of the frozen part alone."""
    assert run.maps is not None
    fresh = iter(np.split(len(run.images) + np.arange(CHUNK * (CHUNKS + 1)), CHUNKS + 1))
    rows = np.arange(CHUNK)
    drawn = run.maps.views(rows)
    pixels = cut_out(run.config.data, run.images[:CHUNK], drawn.boxes, drawn.indices).images
    return ratio(lambda: run.maps.trunk.below(pixels), lambda: run.maps.file.fill(next(fresh)), CHUNKS)


def reading(run: Training) -> list[tuple[str, float]]:
    """Shares of a step that a batch of maps takes, when its maps are first read, and so checked, and later."""
    assert run.maps is not None
    file = run.maps.file

    def first() -> None:
        file._checked[:] = False  # as a process that has read nothing yet
        run.batch(1)

    sides = (first, lambda: run.batch(1), whole_step(run))
    checked, read, step = medians(*sides, clock=time.process_time, repeats=REPEATS)
    return [("first reading, % of a step", 100 * checked / step), ("reading, % of a step", 100 * read / step)]


def anonymous() -> float:
    """Anonymous resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(store: Store, folder: Path) -> tuple[list[tuple[str, float]], str]:
    """All lines of the table, and the machine."""
    config = RunConfig(data=DataConfig(input_size=224, classes_per_batch=8, images_per_class=3))
    whole, held = (Training(c, store, folder, torch.device("cpu")) for c in (config, from_stage(config, STAGE)))
    assert held.maps is not None
    looked = held.sets.evaluation["test"][0][:LOOKED]
    rows = [
        ("step: whole network over cached maps", ratio(whole_step(whole), whole_step(held))),
        (
            "look: whole network over cached maps",
            ratio(
                lambda: embed(whole.model, whole.images, looked, whole.config),
                lambda: embed(held.model, held.maps, looked, held.config),
            ),
        ),
        ("caching: rate over that of the frozen part", caching(held)),
        *reading(held),
        ("a map, MB", held.maps.file.bytes / 1e6),
        ("anonymous memory, MB", anonymous()),
    ]
    return rows, machine(held)


def main() -> None:
    """Measure, print and write the results."""
    torch.set_num_threads(1)
    keep_freed_memory()
    store = open_store("groceries")
    with tempfile.TemporaryDirectory(dir=folder_for(cache_dir())) as folder:
        os.environ["REPRODUCIBLE_CACHE"] = folder
        rows, where = measure(store, Path(folder))
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["what", "value", "machine"])
        writer.writerows((what, f"{value:.3g}", where) for what, value in rows)
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
