"""What distance-weighted sampling costs in a training step, and beside pytorch-metric-learning's.

    python benchmarks/sampling.py            writes benchmarks/results/sampling.csv

A step is forward, losses, backward and optimiser of VEM on the compact backbone, 16 classes of 4 images at 48 px; the
images are made up and lie ready, so that the share is of less than a whole step. Processor time of one thread; median
of several alternating repetitions.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import torch
from pytorch_metric_learning.miners import DistanceWeightedMiner
from training_step import medians

from reproducible import registry
from reproducible.config import OptimiserConfig, Term
from reproducible.losses.mining import DistanceWeighted
from reproducible.losses.objective import build_objective
from reproducible.training.optim import build_optimiser
from reproducible.types import Batch

CLASSES, EACH, SIDE = 16, 4, 48


def main() -> None:
    """Measure, print and write the results."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    images = (torch.rand(len(labels), 3, SIDE, SIDE) * 255).contiguous(memory_format=torch.channels_last)
    model = registry.build("model", "vem", registry.build("backbone", "compact_googlenet"))
    model.to(memory_format=torch.channels_last)
    objective = build_objective([Term("margin"), Term("penalty", {"name": "L_var"})])
    optimiser = build_optimiser(model, objective, OptimiserConfig())
    learned = model(images).learners[0].detach()
    ours, theirs = DistanceWeighted(), DistanceWeightedMiner()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        sum(objective(model(images), Batch(images, labels)).values()).backward()
        optimiser.step()

    whole, sampling, peer = medians(
        step, lambda: ours(learned, labels), lambda: theirs(learned, labels), clock=time.process_time
    )
    machine = f"{torch.backends.cpu.get_cpu_capability()} fp32 torch {torch.__version__}"
    path = Path(__file__).parent / "results" / "sampling.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "value", "machine"])
        for name, value in (
            ("step, ms", 1000 * whole),
            ("sampling, ms", 1000 * sampling),
            ("sampling, % of a step", 100 * sampling / whole),
            ("pytorch-metric-learning over ours", peer / sampling),
        ):
            writer.writerow([name, f"{value:.3g}", machine])
    print(path.read_text())


if __name__ == "__main__":
    main()
