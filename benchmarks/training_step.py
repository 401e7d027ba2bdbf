"""Where a training step goes, and what the fast parts buy, as ratios measured side by side in one run.

    python benchmarks/training_step.py            writes benchmarks/results/training_step.csv

Each line is the median of several alternating repetitions of both sides, one thread, batch 24 at 112 px; the two trunks
beside each other in fp32, each at the size of its benchmark.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from reproducible import registry
from reproducible.backbones.lrn import local_response_norm
from reproducible.config import DataConfig, RunConfig
from reproducible.data.store import open_store
from reproducible.training.devices import choose_precision, keep_freed_memory
from reproducible.training.loop import Training

REPEATS = 5


def medians(*sides: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Median seconds of each side by a clock, taken in turns so that noise falls on all alike."""
    times: list[list[float]] = [[] for _ in sides]
    for repeat in range(REPEATS + 1):
        for kept, side in zip(times, sides, strict=True):
            start = clock()
            side()
            if repeat:
                kept.append(clock() - start)
    return [statistics.median(kept) for kept in times]


def step_parts(training: Training) -> list[tuple[str, float]]:
    """Milliseconds of each part of a step, and the share of everything that is not the backbone."""
    batch = training.batch(1)
    output = training.model(batch.images)

    def backbone() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=training.config.precision == "bf16"):
            maps = training.model.backbone(batch.images)["5b"]
        maps.float().mean().backward()

    def losses() -> None:
        sum(training.objective(output, batch).values()).backward(retain_graph=True, inputs=list(output.learners))

    parts = medians(lambda: training.batch(1), backbone, losses, training.optimiser.step)
    named = list(zip(("data", "backbone", "losses", "optimiser"), parts, strict=True))
    rest = sum(parts) - parts[1]
    images = len(batch.labels)
    return [
        *((f"{name}, ms", 1000 * value) for name, value in named),
        ("images a second", images / sum(parts)),
        ("not backbone, % of a step", 100 * rest / sum(parts)),
    ]


def lrn_ratio() -> float:
    """Time of torch's local_response_norm over ours, forward and backward, on a map as behind conv2."""
    x = torch.rand(24, 192, 28, 28).contiguous(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = medians(
        lambda: local_response_norm(x).sum().backward(), lambda: F.local_response_norm(x, 5).sum().backward()
    )
    return theirs / ours


def layout_ratio(backbone: nn.Module) -> float:
    """Time of a forward and backward pass in NCHW over channels_last."""
    x = torch.rand(24, 3, 112, 112) * 255
    strided = x.contiguous()
    last = x.contiguous(memory_format=torch.channels_last)
    plain, fast = medians(
        lambda: backbone.to(memory_format=torch.contiguous_format)(strided)["5b"].mean().backward(),
        lambda: backbone.to(memory_format=torch.channels_last)(last)["5b"].mean().backward(),
    )
    return plain / fast


def trunk_rates() -> tuple[float, float]:
    """Images a second, forward and backward: BVLC GoogLeNet, 24 at 112 px; the compact one, 96 at 48 px."""

    def both_ways(name: str, images: int, size: int) -> Callable[[], None]:
        trunk = registry.build("backbone", name).to(memory_format=torch.channels_last)
        x = (torch.rand(images, 3, size, size) * 255).contiguous(memory_format=torch.channels_last)
        return lambda: trunk(x)["5b"].mean().backward()

    large, small = medians(both_ways("bvlc_googlenet", 24, 112), both_ways("compact_googlenet", 96, 48))
    return 24 / large, 96 / small


def main() -> None:
    """Measure, print and write the results."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = DataConfig(classes_per_batch=8, images_per_class=3)
    config = RunConfig(data=data, precision=choose_precision(torch.device("cpu")))
    with tempfile.TemporaryDirectory() as folder:
        training = Training(config, open_store("groceries"), Path(folder), torch.device("cpu"))
        rows = step_parts(training)
        rows.append(("local_response_norm: torch over ours", lrn_ratio()))
        rows.append(("trunk: NCHW over channels_last", layout_ratio(training.model.backbone)))
    large, small = trunk_rates()
    rows.append(("bvlc_googlenet at 112 px, fp32: images a second", large))
    rows.append(("compact_googlenet at 48 px, fp32: images a second", small))
    machine = f"{torch.backends.cpu.get_cpu_capability()} {config.precision} torch {torch.__version__}"
    path = Path(__file__).parent / "results" / "training_step.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "value", "machine"])
        writer.writerows((name, f"{value:.3g}", machine) for name, value in rows)
    print(path.read_text())


if __name__ == "__main__":
    main()
