"""Object attention beside the least that it must do: one distance matrix and T products.

    python benchmarks/object_attention.py            writes benchmarks/results/object_attention.csv

`map` is the released code's map (Gaussian-weighted edges, ten steps) of 32 images; `floor` is torch's distance matrix
and ten products of it with a vector. `boxes` is the box rule behind the map, at 227 pixels, beside a loop with OpenCV
over the images. Processor time on one thread, the sides in turns, the best of three rounds, warmed up; seconds.
"""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import LOCALITY, object_map

IMAGES, STEPS, SIDE = 32, 10, 227
MAPS = ((832, 14), (1024, 7), (832, 10), (1024, 5))  # 4e and 5b of GoogLeNet at 227 and at 160 pixels
ROUNDS, REPEATS = 3, 2
RESULTS = Path(__file__).parent / "results" / "object_attention.csv"


def least(points: Tensor) -> Tensor:
    """A distance matrix and T products."""
    edges = torch.cdist(points, points, compute_mode="use_mm_for_euclid_dist")
    mass = torch.full_like(edges[:, :, :1], 1 / points.shape[1])
    for _ in range(STEPS):
        mass = edges @ mass
    return mass


def opencv(masses: Tensor) -> list[tuple[int, int, int, int]]:
    """The released box rule, image by image."""
    from tests.reference.object_attention import box

    return [box([mass], SIDE) for mass in masses.numpy()]


def seconds(sides: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Processor time of each side."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for run in sides.values():
        run()
    for _ in range(ROUNDS):
        for name, run in sides.items():
            start = time.process_time()
            for _ in range(REPEATS):
                run()
            found[name].append((time.process_time() - start) / REPEATS)
    return {name: min(values) for name, values in found.items()}


def measure(channels: int, cells: int) -> list[object]:
    """One line of the table."""
    features = torch.randn(IMAGES, channels, cells, cells, generator=torch.Generator().manual_seed(0)).relu()
    points = features.flatten(2).transpose(1, 2).contiguous()
    masses = object_map(features, locality=LOCALITY)
    found = seconds(
        {
            "map": lambda: object_map(features, steps=STEPS, locality=LOCALITY),
            "floor": lambda: least(points),
            "boxes": lambda: object_boxes([masses], SIDE),
            "opencv": lambda: opencv(masses),
        }
    )
    times = [f"{value:.4f}" for value in found.values()]
    return [channels, cells, *times[:2], f"{found['map'] / found['floor']:.2f}", *times[2:]]


def main() -> None:
    torch.set_num_threads(1)
    lines = [measure(*shape) for shape in MAPS]
    RESULTS.parent.mkdir(exist_ok=True)
    machine = f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, 1 thread"
    with RESULTS.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        head = ["channels", "side", "map", "floor", "ratio", "boxes", "boxes with OpenCV", "machine"]
        table.writerow(head)
        table.writerows([*line, f"{machine}, torch {torch.__version__}"] for line in lines)
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    main()
