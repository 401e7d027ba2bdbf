"""Where a training step goes, and what the fast parts buy, as ratios measured side by side in one run.

    python benchmarks/training_step.py                    writes benchmarks/results/training_step.csv
    python benchmarks/training_step.py --device cuda      batch 130 at 227 px: training_step_cuda.csv

Each line is the median of several alternating repetitions of both sides, on a CPU with one thread, batch 24 at 112 px;
the two trunks beside each other in fp32, each at the size of its benchmark.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from reproducible import registry
from reproducible.backbones.lrn import local_response_norm
from reproducible.config import DataConfig, RunConfig
from reproducible.data.store import open_store
from reproducible.training.devices import arithmetic, choose_precision, keep_freed_memory
from reproducible.training.loop import Training
from reproducible.types import Batch

REPEATS = 5


def finished_at() -> float:
    """The time at which everything asked of the device so far is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def medians(
    *sides: Callable[[], object], clock: Callable[[], float] = finished_at, repeats: int = REPEATS
) -> list[float]:
    """Median seconds of each side by a clock, taken in turns so that noise falls on all alike."""
    times: list[list[float]] = [[] for _ in sides]
    for repeat in range(repeats + 1):
        for kept, side in zip(times, sides, strict=True):
            start = clock()
            side()
            if repeat:
                kept.append(clock() - start)
    return [statistics.median(kept) for kept in times]


def step(training: Training, batch: Batch) -> Callable[[], None]:
    """Forward and backward pass and the optimiser's step."""

    def run() -> None:
        training.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(training.losses(batch).values())).sum().backward()
        training.optimiser.step()

    return run


def machine(training: Training) -> str:
    """What a measurement was taken on, for ``data_manifests/measurements.csv``."""
    precision = training.config.precision
    return f"{torch.backends.cpu.get_cpu_capability()} {precision} torch {torch.__version__}, 1 thread"


def step_parts(training: Training) -> list[tuple[str, float]]:
    """Milliseconds of each part of a step, and the share of everything that is not the backbone."""
    batch = training.batch(1)
    output = training.model(batch.images)

    def backbone() -> None:
        with torch.autocast(training.device.type, torch.bfloat16, enabled=training.config.precision == "bf16"):
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


def whole_step(training: Training) -> Callable[[], None]:
    """One step of a run, as its loop takes it."""

    def step() -> None:
        with arithmetic(training.config.deterministic):
            losses = training.losses(training.batch(1))
            training.optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            training.optimiser.step()

    return step


def mode_ratios(start: Callable[[RunConfig], Training], config: RunConfig) -> list[tuple[str, float]]:
    """Time of a step with fixed order of sums, and of a plain one over a compiled one (NaN where nothing compiles)."""
    plain, ordered = (start(replace(config, deterministic=value)) for value in (False, True))
    usual, fixed = medians(whole_step(plain), whole_step(ordered))
    try:
        usual_again, compiled = medians(whole_step(plain), whole_step(start(replace(config, compiled=True))))
    except Exception as error:  # torch.compile needs a C++ compiler, which a machine may lack
        print(f"torch.compile failed: {str(error).splitlines()[0]}")
        usual_again, compiled = float("nan"), 1.0
    return [("step: deterministic over plain", fixed / usual), ("step: plain over compiled", usual_again / compiled)]


def lrn_ratio(device: torch.device) -> float:
    """Time of torch's local_response_norm over ours, forward and backward, on a map as behind conv2."""
    x = torch.rand(24, 192, 28, 28, device=device).contiguous(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = medians(
        lambda: local_response_norm(x).sum().backward(), lambda: F.local_response_norm(x, 5).sum().backward()
    )
    return theirs / ours


def layout_ratio(backbone: nn.Module, device: torch.device) -> float:
    """Time of a forward and backward pass in NCHW over channels_last."""
    x = torch.rand(24, 3, 112, 112, device=device) * 255
    strided = x.contiguous()
    last = x.contiguous(memory_format=torch.channels_last)
    plain, fast = medians(
        lambda: backbone.to(memory_format=torch.contiguous_format)(strided)["5b"].mean().backward(),
        lambda: backbone.to(memory_format=torch.channels_last)(last)["5b"].mean().backward(),
    )
    return plain / fast


def trunk_rates(device: torch.device) -> tuple[float, float]:
    """Images a second, forward and backward: BVLC GoogLeNet, 24 at 112 px; the compact one, 96 at 48 px."""

    def both_ways(name: str, images: int, size: int) -> Callable[[], None]:
        trunk = registry.build("backbone", name).to(device, memory_format=torch.channels_last)
        x = (torch.rand(images, 3, size, size, device=device) * 255).contiguous(memory_format=torch.channels_last)
        return lambda: trunk(x)["5b"].mean().backward()

    large, small = medians(both_ways("bvlc_googlenet", 24, 112), both_ways("compact_googlenet", 96, 48))
    return 24 / large, 96 / small


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    device = torch.device(parser.parse_args().device)
    torch.set_num_threads(1)
    keep_freed_memory()
    on_gpu = device.type != "cpu"
    classes, images, size = (13, 10, 227) if on_gpu else (8, 3, 112)
    data = DataConfig(input_size=size, classes_per_batch=classes, images_per_class=images)
    config = RunConfig(data=data, precision=choose_precision(device))
    with tempfile.TemporaryDirectory() as folder:

        def start(wanted: RunConfig) -> Training:
            return Training(wanted, open_store("groceries"), Path(folder), device)

        training = start(config)
        rows = step_parts(training)
        rows += mode_ratios(start, config)
        rows.append(("local_response_norm: torch over ours", lrn_ratio(device)))
        rows.append(("trunk: NCHW over channels_last", layout_ratio(training.model.backbone, device)))
    large, small = trunk_rates(device)
    rows.append(("bvlc_googlenet at 112 px, fp32: images a second", large))
    rows.append(("compact_googlenet at 48 px, fp32: images a second", small))
    if on_gpu:
        rows.append(("peak memory, GB", torch.cuda.max_memory_allocated() / 1e9))
    name = torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability()
    machine = f"{name} {config.precision} torch {torch.__version__}"
    file_name = f"training_step_{device.type}.csv" if on_gpu else "training_step.csv"
    path = Path(__file__).parent / "results" / file_name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "value", "machine"])
        writer.writerows((what, f"{value:.3g}", machine) for what, value in rows)
    print(path.read_text())


if __name__ == "__main__":
    main()
