"""What DeML costs in training: a step of its cells and controls beside one of U512, by turns, in one run.

    python benchmarks/deml_step.py               writes the study ``deml`` of data_manifests/measurements.csv

Batch, inputs and networks of the study, one thread, medians of processor time; the machine should have nothing else to
do all the same, since its cores share their memory.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from training_step import machine, medians, step

from reproducible.data.store import open_store
from reproducible.records import save_measurements
from reproducible.studies import study
from reproducible.training.devices import keep_freed_memory
from reproducible.training.loop import Training

ARMS = (
    *("u512", "u512-160", "u1024", "heads-4", "heads-4-random-gates", "heads-8-random-gates", "abe-8"),
    *("deml-1-1", "deml-1-2", "deml-1-4", "deml-1-8", "deml-2-1", "deml-2-2", "deml-2-4", "deml-3-1", "deml-3-3"),
    *("full-image-2", "centre-zoom-2", "random-zoom-2", "full-image-3", "centre-zoom-3"),
    *("deml-2-1-shared-trunk", "deml-2-1-from-input"),
)


def main() -> None:
    """Measure, write and print."""
    torch.set_num_threads(1)
    keep_freed_memory()
    deml, store = study("deml"), open_store("groceries")
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            Training(deml.build(deml.params(deml.arm(name), untuned=True)), store, Path(folder), torch.device("cpu"))
            for name in ARMS
        ]
        seconds = medians(*(step(side, side.batch(1)) for side in sides), clock=time.process_time)
    ratios = {
        f"{name.replace('-', '_')}_time_ratio_to_u512": value / seconds[0]
        for name, value in zip(ARMS[1:], seconds[1:], strict=True)
    }
    print(save_measurements("deml", ratios, machine(sides[0])).read_text(), end="")


if __name__ == "__main__":
    main()
